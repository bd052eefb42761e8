"""Plans and prices, to be read: what is sold is decided in the back office."""

from typing import ClassVar

import django_filters
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.fields import Exact
from billing.api.filtering import Filters, PlanFilter, YesNoFilter
from billing.api.reading import Reading, Reference
from billing.api.scopes import Scope
from billing.api.scoping import find, find_plan, for_seller
from billing.api.views import Endpoint, Listing, reply
from catalog.models import IntervalUnit, Plan, Price


class TierReading(serializers.Serializer[object]):
    up_to = serializers.CharField(allow_null=True)
    unit_amount = serializers.CharField(required=False)
    flat_amount = serializers.CharField(required=False)
    rate = serializers.CharField(required=False)


class PriceReading(Reading):
    """One price of a plan in one currency. Unit amounts are decimals in major units."""

    scope = Scope.PLANS_READ

    id = serializers.CharField(source="public_id")
    plan = Reference("PlanReading")
    code = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    currency = serializers.CharField()
    model = serializers.ChoiceField(Price.Model.choices)
    billing = serializers.ChoiceField(Price.Billing.choices)
    unit_amount = Exact(source="amount")
    tiers = TierReading(many=True)
    meter = serializers.CharField(allow_null=True)
    unit = serializers.CharField(
        allow_blank=True,
        help_text="Its meter's, such as kg; empty where that has none.",
    )
    quantity = Exact(help_text="Where a subscription says nothing else.")
    package_size = Exact()
    free_units = Exact()
    percent = Exact(source="rate")
    minimum_amount = Exact(allow_null=True)
    is_prorated = serializers.BooleanField()
    is_tax_inclusive = serializers.BooleanField()
    is_active = serializers.BooleanField()

    also_loads: ClassVar[tuple[str, ...]] = ("plan__seller",)
    prefetches: ClassVar[tuple[Prefetch | str, ...]] = ("plan__seller__meters",)

    @staticmethod
    def read_tiers(price: Price) -> object:
        return price.tiers

    @staticmethod
    def read_meter(price: Price) -> str | None:
        return price.meter or None

    @staticmethod
    def read_unit(price: Price) -> str:
        meters = price.plan.seller.meters.all() if price.meter else ()
        return next((meter.unit for meter in meters if meter.code == price.meter), "")


class PlanPriceReading(PriceReading):
    """A price, in its plan."""

    plan = None  # type: ignore[assignment]
    also_loads = ()
    prefetches = ()


class PlanReading(Reading):
    """What a customer subscribes to: an interval, and the prices that are offered now."""

    scope = Scope.PLANS_READ

    id = serializers.CharField(source="public_id")
    code = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(source="product.description", allow_blank=True)
    family = serializers.CharField(
        allow_null=True, help_text="Plans of one family can be changed into each other."
    )
    interval_unit = serializers.ChoiceField(IntervalUnit.choices)
    interval_count = serializers.IntegerField()
    trial_days = serializers.IntegerField()
    cycles = serializers.IntegerField(allow_null=True, help_text="It ends after so many periods.")
    features = serializers.ListField(child=serializers.CharField())
    is_active = serializers.BooleanField()
    prices = PlanPriceReading(many=True)

    also_loads = ("product", "seller")
    prefetches = (
        Prefetch("prices", Price.objects.filter(is_active=True).order_by("position", "id")),
        "seller__meters",
    )

    @staticmethod
    def read_family(plan: Plan) -> str | None:
        return plan.family or None


class PlanFilters(Filters):
    code = django_filters.CharFilter()
    is_active = YesNoFilter()

    class Meta:
        model = Plan
        fields: tuple[str, ...] = ()


class PriceFilters(Filters):
    plan = PlanFilter()
    currency = django_filters.CharFilter()
    is_active = YesNoFilter()

    class Meta:
        model = Price
        fields: tuple[str, ...] = ()


class Plans(Listing):
    address = "plans"
    scopes = {"GET": Scope.PLANS_READ}
    reading = PlanReading
    filterset_class = PlanFilters

    def rows(self) -> QuerySet[Plan]:
        return for_seller(Plan, self.seller)

    @extend_schema(
        operation_id="list_plans",
        summary="List plans",
        tags=["plans"],
        responses=PlanReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()


class OnePlan(Endpoint):
    address = "plans/<str:plan>"
    scopes = {"GET": Scope.PLANS_READ}
    reading = PlanReading

    @extend_schema(
        operation_id="get_plan",
        summary="Get a plan",
        description="By its id, or by its code.",
        tags=["plans"],
        responses=PlanReading,
    )
    def get(self, request: Request, plan: str) -> HttpResponse:
        known = find_plan(self.seller, plan, attr=None)
        return reply(self.show(self.loaded(for_seller(Plan, self.seller)).get(pk=known.pk)))


class Prices(Listing):
    address = "prices"
    scopes = {"GET": Scope.PLANS_READ}
    reading = PriceReading
    filterset_class = PriceFilters

    def rows(self) -> QuerySet[Price]:
        return for_seller(Price, self.seller)

    @extend_schema(
        operation_id="list_prices",
        summary="List prices",
        tags=["plans"],
        responses=PriceReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()


class OnePrice(Endpoint):
    address = "prices/<str:price>"
    scopes = {"GET": Scope.PLANS_READ}
    reading = PriceReading

    @extend_schema(
        operation_id="get_price", summary="Get a price", tags=["plans"], responses=PriceReading
    )
    def get(self, request: Request, price: str) -> HttpResponse:
        return reply(self.show(find(self.loaded(for_seller(Price, self.seller)), price)))
