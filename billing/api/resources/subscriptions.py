"""Subscriptions: started, foreseen, changed, paused, canceled, and billed for it at once."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import django_filters
from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.errors import ApiError
from billing.api.fields import (
    Boolean,
    Choice,
    Currency,
    CustomerKey,
    Day,
    Exact,
    Integer,
    Metadata,
    Text,
    Writing,
    exact,
)
from billing.api.filtering import CustomerFilter, Filters, PlanFilter, YesNoFilter
from billing.api.reading import Reading, Reference
from billing.api.resources.documents import DocumentReading, SeenReading
from billing.api.scopes import Scope
from billing.api.scoping import EXTERNAL, find_customer, find_plan, find_subscription, for_seller
from billing.api.views import READS, Endpoint, Listing, reply
from billing.engine.errors import Refused
from billing.invoicing.changes import bill_after, preview
from billing.subscriptions import actions, pausing
from billing.subscriptions.coupons import coupon_of
from billing.subscriptions.models import Pause, Subscription, SubscriptionItem
from catalog.models import Coupon, Plan
from customers.models import REFERENCE_MAX, Customer, Seller

QUANTITIES_MAX = 100
REFERENCE = "The buyer's, on documents of this subscription; empty: the customer's."


_SHOWN_OF_ITEMS = (
    *("subscription", "quantity", "agreed_amount", "starts_on", "ends_on"),
    *("price__public_id", "price__code", "price__amount"),
)


class ItemReading(Reading):
    """One dated version of one agreed price; versions that are over are shown too."""

    price = serializers.CharField(source="price.public_id")
    code = serializers.CharField(source="price.code")
    quantity = Exact()
    unit_amount = Exact(help_text="As agreed, in major units.")
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)

    also_loads = ("price",)

    @staticmethod
    def read_unit_amount(item: SubscriptionItem) -> str:
        return exact(item.price.amount if item.agreed_amount is None else item.agreed_amount)


class SubscriptionReading(Reading):
    """What a customer has agreed to. Days are those of its time zone."""

    scope = Scope.SUBSCRIPTIONS_READ
    shown_as = ("sub", Subscription)

    id = serializers.CharField(source="public_id")
    external_id = serializers.CharField(allow_null=True)
    customer = Reference("CustomerReading")
    plan = Reference("PlanReading")
    status = serializers.ChoiceField(Subscription.Status.choices)
    access = serializers.ChoiceField(Subscription.Access.choices)
    currency = serializers.CharField()
    time_zone = serializers.CharField()
    starts_on = serializers.DateField()
    paid_from = serializers.DateField(help_text="The trial's end, or else the start.")
    ends_on = serializers.DateField(
        allow_null=True, help_text="The first day without service, once it is known."
    )
    cancels_on = serializers.DateField(
        allow_null=True, help_text="The end, where it came by canceling; may be undone."
    )
    next_bill_on = serializers.DateField(
        allow_null=True, help_text="The first day on which a bill may come."
    )
    is_parked = serializers.BooleanField(
        help_text="It cannot be billed until somebody sets it right in the back office."
    )
    parked_reason = serializers.CharField(allow_null=True, help_text="Why it is parked.")
    buyer_reference = serializers.CharField(allow_blank=True, help_text=REFERENCE)
    items = ItemReading(many=True)
    metadata = Metadata()
    recorded_at = serializers.DateTimeField()

    prefetches = (
        ItemReading.prefetch(
            "items",
            SubscriptionItem.objects.only(*_SHOWN_OF_ITEMS).order_by("starts_on", "position"),
        ),
    )

    @staticmethod
    def read_is_parked(subscription: Subscription) -> bool:
        return bool(subscription.parked_reason)

    @staticmethod
    def read_parked_reason(subscription: Subscription) -> str | None:
        return subscription.parked_reason or None


class ChangedReading(Reading):
    """A subscription after a change, and the documents that were issued for it at once."""

    subscription = SubscriptionReading()
    documents = DocumentReading(many=True)


class PreviewReading(Reading):
    """What a change comes to: what is billed today, and the bills that follow."""

    currency = serializers.CharField()
    to_pay_today_minor = serializers.IntegerField(help_text="Below zero where more comes back.")
    today = SeenReading(many=True)
    upcoming = SeenReading(many=True)

    @staticmethod
    def read_currency(seen: Any) -> str:
        return str(seen.subscription.currency)


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "string", "pattern": r"^[0-9]{1,14}(\.[0-9]{1,10})?$"},
        "maxProperties": QUANTITIES_MAX,
        "example": {"seats": "5"},
    }
)
class Quantities(serializers.Field):
    """Quantities by the code of a price; those that are not named are the plan's."""

    def to_internal_value(self, data: Any) -> dict[str, Decimal]:
        if not isinstance(data, dict) or len(data) > QUANTITIES_MAX:
            raise serializers.ValidationError("Send an object of quantities.", "invalid")
        found = {code: Exact().to_internal_value(each) for code, each in data.items()}
        if any(each < 0 for each in found.values()):
            raise serializers.ValidationError("A quantity is not below zero.", "negative_quantity")
        return found

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "anyOf": [
            {"type": "string", "enum": ["now", "period_end"]},
            {"type": "string", "format": "date"},
        ],
        "example": "period_end",
    }
)
class When(serializers.Field):
    """``now``, ``period_end`` or a day."""

    def to_internal_value(self, data: Any) -> Any:
        if data in ("now", "period_end"):
            return data
        said = "Say now, period_end or a day such as 2026-03-01."
        return Day(error_messages={"invalid": said}).run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value


class StartWriting(Writing):
    customer = CustomerKey()
    plan = Text(help_text="A plan's id or code.")
    currency = Currency(required=False)
    quantities = Quantities(required=False)
    trial_days = Integer(min_value=0, max_value=3650, required=False)
    anchor_day = Integer(
        min_value=1, max_value=31, required=False, help_text="Day of the month that periods begin."
    )
    anchor_on = Day(required=False)
    align = Choice(
        [("anniversary", "anniversary"), ("calendar", "calendar")], default="anniversary"
    )
    coupons = serializers.ListField(
        child=Text(max_length=80), required=False, max_length=10, help_text="Codes."
    )
    ends_on = Day(required=False, help_text="The first day without service.")
    cycles = Integer(min_value=1, max_value=1200, required=False)
    external_id = Text(max_length=100, required=False)
    buyer_reference = Text(
        max_length=REFERENCE_MAX, required=False, allow_blank=True, help_text=REFERENCE
    )
    metadata = Metadata(required=False)


class UpdateWriting(Writing):
    buyer_reference = Text(max_length=REFERENCE_MAX, allow_blank=True, help_text=REFERENCE)


class ChangeWriting(Writing):
    plan = Text(required=False, help_text="A plan's id or code.")
    quantities = Quantities(required=False)
    when = When(required=False, default="now")
    is_credited = Boolean(default=True, help_text="Unused days paid ahead come back.")
    is_prorated = Boolean(
        default=True, help_text="Else the price changes with the next period alone."
    )
    anchor = Choice([("keep", "keep"), ("reset", "reset")], required=False)
    anchor_day = Integer(min_value=1, max_value=31, required=False)
    anchor_on = Day(required=False)


class CancelWriting(Writing):
    when = When(required=False, default="period_end")
    is_credited = Boolean(default=False, help_text="Unused days paid ahead come back.")
    is_refunded = Boolean(default=False, help_text="They are paid back as they were paid.")
    is_usage_billed = Boolean(default=True)


class PauseWriting(Writing):
    until = Day(required=False, help_text="The first active day again.")
    unused = Choice(Pause.Unused.choices, default=Pause.Unused.CREDIT.value)


class NothingWriting(Writing):
    """Nothing needs to be said."""


class SubscriptionFilters(Filters):
    customer = CustomerFilter()
    plan = PlanFilter()
    status = django_filters.ChoiceFilter(choices=Subscription.Status.choices)
    external_id = django_filters.CharFilter()
    is_parked = YesNoFilter(method="that_is_parked")

    class Meta:
        model = Subscription
        fields: tuple[str, ...] = ()

    def that_is_parked(
        self, rows: QuerySet[Subscription], name: str, value: bool
    ) -> QuerySet[Subscription]:
        return rows.exclude(parked_reason="") if value else rows.filter(parked_reason="")


def find_coupon(seller: Seller, code: str, attr: str = "coupons") -> Coupon:
    """A coupon that a body names, in any case. Raises 404 with the field that named it."""
    try:
        return coupon_of(seller.pk, code)
    except Refused as refusal:
        raise ApiError(404, refusal.code, refusal.message, attr=attr) from refusal


type Change = partial[Subscription]


def start_of(seller: Seller, asked: Mapping[str, Any], as_of: date, actor: str) -> Change:
    """The start that was asked for, still to be made."""
    details = dict(asked)
    customer: Customer = find_customer(seller, details.pop("customer"))
    plan = find_plan(seller, details.pop("plan"))
    coupons = [find_coupon(seller, code) for code in details.pop("coupons", [])]
    return partial(
        actions.start, customer, plan, as_of=as_of, actor=actor, coupons=coupons, **details
    )


def _remember(subscription: Subscription, known: Any) -> None:
    """Keep what the change was asked with, so that it is not read again to be shown."""
    if isinstance(known, Subscription):
        _remember(subscription, known.customer)
        _remember(subscription, known.plan)
    elif isinstance(known, Customer) and known.pk == subscription.customer_id:
        subscription.customer = known
    elif isinstance(known, Plan) and known.pk == subscription.plan_id:
        subscription.plan = known


class Of(Endpoint):
    """What is done with one subscription."""

    def found(self, subscription: str) -> Subscription:
        rows = for_seller(Subscription, self.seller).select_related("customer", "plan")
        found = find_subscription(rows, subscription)
        found.seller = found.customer.seller = self.seller
        return found

    def billed(self, change: Change, status: int = 200) -> HttpResponse:
        """Make a change, bill what it makes due, and tell both."""
        done = bill_after(change, as_of=self.today, actor=self.actor)
        after = done.subscription
        for known in (*change.args, *change.keywords.values()):
            _remember(after, known)
        prefetch_related_objects([after], *SubscriptionReading.hangs_on(self.expand))
        for document in done.documents:
            document.customer = after.customer
            if document.subscription_id == after.pk:
                document.subscription = after
        return reply(
            {
                "subscription": SubscriptionReading.show(after, self.expand),
                "documents": [DocumentReading.show(each) for each in done.documents],
            },
            status,
        )

    def foreseen(self, change: Change) -> HttpResponse:
        seen = preview(change, as_of=self.today)
        return reply(PreviewReading.show(seen))


class Subscriptions(Listing, Of):
    address = "subscriptions"
    scopes = {"GET": Scope.SUBSCRIPTIONS_READ, "POST": Scope.SUBSCRIPTIONS_WRITE}
    reading = SubscriptionReading
    filterset_class = SubscriptionFilters
    needs_key = True

    def rows(self) -> QuerySet[Subscription]:
        return for_seller(Subscription, self.seller)

    @extend_schema(
        operation_id="list_subscriptions",
        summary="List subscriptions",
        tags=["subscriptions"],
        responses=SubscriptionReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()

    @extend_schema(
        operation_id="start_subscription",
        summary="Start a subscription",
        description="It starts today, in the seller's calendar, and its first bill is issued at "
        "once.",
        tags=["subscriptions"],
        request=StartWriting,
        responses={201: ChangedReading},
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(StartWriting)
        return self.billed(start_of(self.seller, asked, self.today, self.actor), 201)


class PreviewStart(Of):
    address = "subscriptions/preview"
    scopes = {"POST": Scope.SUBSCRIPTIONS_READ}

    @extend_schema(
        operation_id="preview_subscription",
        summary="See what a subscription would cost",
        description="The real code, rolled back: what is billed today, the next bill, and the one "
        "after it. Nothing is kept.",
        tags=["subscriptions"],
        request=StartWriting,
        responses=PreviewReading,
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(StartWriting)
        return self.foreseen(start_of(self.seller, asked, self.today, self.actor))


class OneSubscription(Of):
    address = "subscriptions/<key:subscription>"
    scopes = {"GET": Scope.SUBSCRIPTIONS_READ, "PATCH": Scope.SUBSCRIPTIONS_WRITE}
    reading = SubscriptionReading

    @extend_schema(
        operation_id="get_subscription",
        summary="Get a subscription",
        tags=["subscriptions"],
        responses=SubscriptionReading,
    )
    def get(self, request: Request, subscription: str) -> HttpResponse:
        rows = self.loaded(for_seller(Subscription, self.seller))
        return reply(self.show(find_subscription(rows, subscription)))

    @extend_schema(
        operation_id="update_subscription",
        summary="Change what its documents say",
        description="From the next document on. What it costs is changed by `change`.",
        tags=["subscriptions"],
        request=UpdateWriting,
        responses=SubscriptionReading,
    )
    def patch(self, request: Request, subscription: str) -> HttpResponse:
        found = self.found(subscription)
        asked = self.sent(UpdateWriting)
        changed = actions.change_buyer_reference(
            found, asked["buyer_reference"], as_of=self.today, actor=self.actor
        )
        rows = self.loaded(for_seller(Subscription, self.seller))
        return reply(self.show(rows.get(pk=changed.pk)))


class Deed(Of):
    """What is done to a subscription. Reading opens one whose own id ends like the deed's address:
    ``external:2026/change`` is the subscription that the shop calls so.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = kwargs["subscription"]
        if request.method in READS and key.startswith(EXTERNAL) and request.resolver_match:
            deed = request.resolver_match.route.partition("<key:subscription>")[2]
            return OneSubscription.as_view()(request, subscription=f"{key}{deed}")
        return super().dispatch(request, *args, **kwargs)


class _Change(Deed):
    def change_of(self, subscription: str) -> Change:
        asked = self.sent(ChangeWriting)
        if "plan" in asked:
            asked["plan"] = find_plan(self.seller, asked["plan"])
        return partial(
            actions.change,
            self.found(subscription),
            as_of=self.today,
            actor=self.actor,
            **asked,
        )


class ChangeSubscription(_Change):
    address = "subscriptions/<key:subscription>/change"
    scopes = {"POST": Scope.SUBSCRIPTIONS_WRITE}
    needs_key = True

    @extend_schema(
        operation_id="change_subscription",
        summary="Change plan or quantities",
        description="Now, at the end of the period or on a day; what it makes due today is billed "
        "at once. A new change replaces one that was scheduled; one that says nothing takes it "
        "back.",
        tags=["subscriptions"],
        request=ChangeWriting,
        responses=ChangedReading,
    )
    def post(self, request: Request, subscription: str) -> HttpResponse:
        return self.billed(self.change_of(subscription))


class PreviewChange(_Change):
    address = "subscriptions/<key:subscription>/change/preview"
    scopes = {"POST": Scope.SUBSCRIPTIONS_READ}

    @extend_schema(
        operation_id="preview_change",
        summary="See what a change would cost",
        description="The real code, rolled back. Nothing is kept.",
        tags=["subscriptions"],
        request=ChangeWriting,
        responses=PreviewReading,
    )
    def post(self, request: Request, subscription: str) -> HttpResponse:
        return self.foreseen(self.change_of(subscription))


class PauseSubscription(Deed):
    address = "subscriptions/<key:subscription>/pause"
    scopes = {"POST": Scope.SUBSCRIPTIONS_WRITE}
    needs_key = True

    @extend_schema(
        operation_id="pause_subscription",
        summary="Pause a subscription from today",
        tags=["subscriptions"],
        request=PauseWriting,
        responses=ChangedReading,
    )
    def post(self, request: Request, subscription: str) -> HttpResponse:
        asked = self.sent(PauseWriting)
        found = self.found(subscription)
        return self.billed(
            partial(pausing.pause, found, as_of=self.today, actor=self.actor, **asked)
        )


class ResumeSubscription(Deed):
    address = "subscriptions/<key:subscription>/resume"
    scopes = {"POST": Scope.SUBSCRIPTIONS_WRITE}
    needs_key = True

    @extend_schema(
        operation_id="resume_subscription",
        summary="Resume a subscription today",
        tags=["subscriptions"],
        request=NothingWriting,
        responses=ChangedReading,
    )
    def post(self, request: Request, subscription: str) -> HttpResponse:
        self.sent(NothingWriting)
        found = self.found(subscription)
        return self.billed(partial(pausing.resume, found, as_of=self.today, actor=self.actor))


class CancelSubscription(Deed):
    address = "subscriptions/<key:subscription>/cancel"
    scopes = {"POST": Scope.SUBSCRIPTIONS_WRITE}
    needs_key = True

    @extend_schema(
        operation_id="cancel_subscription",
        summary="Cancel a subscription",
        description="At the end of the period, unless `when` says otherwise. It can be undone "
        "until then.",
        tags=["subscriptions"],
        request=CancelWriting,
        responses=ChangedReading,
    )
    def post(self, request: Request, subscription: str) -> HttpResponse:
        asked = self.sent(CancelWriting)
        found = self.found(subscription)
        return self.billed(
            partial(actions.cancel, found, as_of=self.today, actor=self.actor, **asked)
        )


class UndoCancel(Deed):
    address = "subscriptions/<key:subscription>/undo_cancel"
    scopes = {"POST": Scope.SUBSCRIPTIONS_WRITE}
    needs_key = True

    @extend_schema(
        operation_id="undo_cancel_subscription",
        summary="Take a planned cancellation back",
        tags=["subscriptions"],
        request=NothingWriting,
        responses=ChangedReading,
    )
    def post(self, request: Request, subscription: str) -> HttpResponse:
        self.sent(NothingWriting)
        found = self.found(subscription)
        return self.billed(partial(actions.undo_cancel, found, as_of=self.today, actor=self.actor))


class UndoChange(Deed):
    address = "subscriptions/<key:subscription>/undo_change"
    scopes = {"POST": Scope.SUBSCRIPTIONS_WRITE}
    needs_key = True

    @extend_schema(
        operation_id="undo_change",
        summary="Take a planned change back",
        description="What there is today goes on. Refused with `no_change_planned` where nothing "
        "is planned.",
        tags=["subscriptions"],
        request=NothingWriting,
        responses=ChangedReading,
    )
    def post(self, request: Request, subscription: str) -> HttpResponse:
        self.sent(NothingWriting)
        found = self.found(subscription)
        return self.billed(partial(actions.undo_change, found, as_of=self.today, actor=self.actor))
