"""One-off items: something to bill once, or to take off, with the next document."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.errors import ApiError
from billing.api.fields import (
    Boolean,
    Choice,
    Currency,
    CustomerKey,
    Minor,
    PublicId,
    Text,
    Writing,
)
from billing.api.filtering import CustomerFilter, Filters, YesNoFilter
from billing.api.reading import Reading, Reference
from billing.api.scopes import Scope
from billing.api.scoping import find, find_customer, for_seller
from billing.api.views import Endpoint, Listing, nothing, reply
from billing.invoicing.actions import add_one_off, remove_one_off
from billing.invoicing.models import OneOffItem
from billing.subscriptions.models import Subscription
from catalog.models import REVENUE_ACCOUNT
from customers.models import REFERENCE_MAX
from customers.persons import staying_of

REFERENCE = "The buyer's, on its document; empty: the subscription's, or else the customer's."


class OneOffItemReading(Reading):
    """Something to bill once; ``invoice`` is the document that it is on, once it is billed."""

    scope = Scope.ONE_OFF_ITEMS_READ
    shown_as = ("item", OneOffItem)

    id = serializers.CharField(source="public_id")
    customer = Reference("CustomerReading")
    subscription = Reference("SubscriptionReading", allow_null=True)
    invoice = Reference("DocumentReading", source="line.invoice", allow_null=True)
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text="Below zero to take off.")
    description = serializers.CharField()
    revenue_account = serializers.CharField()
    buyer_reference = serializers.CharField(allow_blank=True, help_text=REFERENCE)
    due_on = serializers.DateField()
    waits = serializers.BooleanField(help_text="For the next regular bill.")


class OneOffItemWriting(Writing):
    customer = CustomerKey()
    subscription = PublicId("sub", required=False)
    currency = Currency()
    amount_minor = Minor(help_text="Before tax; below zero to take off.")
    description = Text(max_length=500)
    revenue_account = Text(
        max_length=20,
        default=REVENUE_ACCOUNT,
        help_text="The bookkeeping account of its revenue, one that a product has; 422 "
        "`unknown_revenue_account` for another.",
    )
    buyer_reference = Text(
        max_length=REFERENCE_MAX, required=False, allow_blank=True, help_text=REFERENCE
    )
    bill = Choice(
        [(when, when) for when in ("now", "with_next_bill")],
        default="now",
        help_text="`now`: on a document of its own, at once. `with_next_bill`: when a subscription "
        "of the customer is billed next; 409 `no_bill_to_come` where none will be. What is below "
        "zero waits for something to reduce either way.",
    )
    confirm = Boolean(
        default=False,
        help_text="Say true for a sum that was refused as `unusual_amount` and is meant so.",
    )


class OneOffItemFilters(Filters):
    customer = CustomerFilter()
    is_billed = YesNoFilter(
        field_name="line", lookup_expr="isnull", exclude=True, label="On a document already."
    )

    class Meta:
        model = OneOffItem
        fields: tuple[str, ...] = ()


class OneOffItems(Listing):
    address = "one_off_items"
    scopes = {"GET": Scope.ONE_OFF_ITEMS_READ, "POST": Scope.ONE_OFF_ITEMS_WRITE}
    reading = OneOffItemReading
    filterset_class = OneOffItemFilters
    needs_key = True

    def rows(self) -> QuerySet[OneOffItem]:
        return for_seller(OneOffItem, self.seller)

    @extend_schema(
        operation_id="list_one_off_items",
        summary="List one-off items",
        tags=["one-off items"],
        responses=OneOffItemReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()

    @extend_schema(
        operation_id="create_one_off_item",
        summary="Put something on the next document",
        tags=["one-off items"],
        request=OneOffItemWriting,
        responses={201: OneOffItemReading},
    )
    def post(self, request: Request) -> HttpResponse:
        asked: dict[str, Any] = self.sent(OneOffItemWriting)
        customer = find_customer(self.seller, asked.pop("customer"))
        subscription = None
        if "subscription" in asked:
            rows = for_seller(Subscription, self.seller)
            subscription = find(rows, asked.pop("subscription"), "subscription")
            if subscription.customer_id != staying_of(customer).pk:
                raise ApiError(
                    422,
                    "subscription_of_another_customer",
                    "This subscription is another customer's.",
                    attr="subscription",
                )
        item = add_one_off(
            customer,
            as_of=self.today,
            actor=self.actor,
            subscription=subscription,
            waits=asked.pop("bill") == "with_next_bill",
            is_confirmed=asked.pop("confirm"),
            **asked,
        )
        made = find(self.loaded(self.rows()), item.public_id)
        return reply(self.show(made), 201)


class OneOneOffItem(Endpoint):
    address = "one_off_items/<str:item>"
    scopes = {"GET": Scope.ONE_OFF_ITEMS_READ, "DELETE": Scope.ONE_OFF_ITEMS_WRITE}
    reading = OneOffItemReading

    @extend_schema(
        operation_id="get_one_off_item",
        summary="Get a one-off item",
        tags=["one-off items"],
        responses=OneOffItemReading,
    )
    def get(self, request: Request, item: str) -> HttpResponse:
        return reply(self.show(find(self.loaded(for_seller(OneOffItem, self.seller)), item)))

    @extend_schema(
        operation_id="remove_one_off_item",
        summary="Remove what waits to be billed",
        description="409 `one_off_billed` for what is on a document already.",
        tags=["one-off items"],
        responses={204: None},
    )
    def delete(self, request: Request, item: str) -> HttpResponse:
        found = find(for_seller(OneOffItem, self.seller), item)
        remove_one_off(found, as_of=self.today, actor=self.actor)
        return nothing()
