"""Checkout sessions: a page of ours where somebody orders a plan and pays."""

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.errors import ApiError
from billing.api.fields import Choice, Currency, CustomerKey, Metadata, Text, Url, Writing
from billing.api.models import ApiKey
from billing.api.reading import Reading, Reference
from billing.api.resources.subscriptions import Quantities, find_coupon
from billing.api.return_urls import check_return_url
from billing.api.scopes import Scope
from billing.api.scoping import find, find_customer, find_plan, for_seller
from billing.api.views import Endpoint, reply
from billing.checkout.expiry import expire
from billing.checkout.models import Order
from billing.checkout.offers import address_of, create_order
from customers.models import LANGUAGES


class CheckoutReading(Reading):
    """An order, as far as its customer has come with it."""

    scope = Scope.CHECKOUT_READ
    shown_as = ("chk", Order)

    id = serializers.CharField(source="public_id")
    status = serializers.ChoiceField(Order.Status.choices)
    plan = Reference("PlanReading")
    currency = serializers.CharField()
    customer = Reference("CustomerReading", allow_null=True)
    subscription = Reference("SubscriptionReading", allow_null=True)
    invoice = Reference("DocumentReading", allow_null=True)
    coupon = serializers.CharField(source="coupon.code", allow_null=True)
    success_url = serializers.CharField(allow_blank=True)
    cancel_url = serializers.CharField(allow_blank=True)
    expires_at = serializers.DateTimeField()
    metadata = Metadata()
    recorded_at = serializers.DateTimeField()

    also_loads = ("coupon",)


class NewCheckoutReading(CheckoutReading):
    """A new checkout session, with the address of its page: told only here."""

    url = serializers.CharField()


class CheckoutWriting(Writing):
    plan = Text(help_text="A plan's id or code.")
    currency = Currency(required=False)
    quantities = Quantities(required=False)
    coupon = Text(max_length=80, required=False, help_text="A code.")
    customer = CustomerKey(required=False, help_text="A new one where nothing is said.")
    success_url = Url(
        required=False,
        help_text="Where the customer goes on after paying. `{CHECKOUT_SESSION_ID}` in it becomes "
        "the session's id; ask for the session before you believe it.",
    )
    cancel_url = Url(required=False)
    language = Choice(LANGUAGES, required=False)
    metadata = Metadata(required=False)


def orders(endpoint: Endpoint) -> QuerySet[Order]:
    return for_seller(Order, endpoint.seller)


class CheckoutSessions(Endpoint):
    address = "checkout_sessions"
    scopes = {"POST": Scope.CHECKOUT_WRITE}
    needs_key = True
    is_secret = True

    @extend_schema(
        operation_id="create_checkout_session",
        summary="Make a page where a plan is ordered",
        description="Send the customer to `url`, which is told only here. A publishable key may "
        "neither name a customer nor send anybody elsewhere than to the seller's website.",
        tags=["checkout sessions"],
        request=CheckoutWriting,
        responses={201: NewCheckoutReading},
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(CheckoutWriting)
        if "customer" in asked and self.caller.kind == ApiKey.Kind.PUBLISHABLE:
            raise ApiError(
                403,
                "customer_not_publishable",
                "A publishable key cannot order for a customer who is known.",
                attr="customer",
            )
        for name in ("success_url", "cancel_url"):
            if name in asked:
                check_return_url(asked[name], self.caller, name)
        customer = find_customer(self.seller, asked["customer"]) if "customer" in asked else None
        coupon = None
        if "coupon" in asked:
            coupon = find_coupon(self.seller, asked["coupon"], attr="coupon")
        order, token = create_order(
            self.seller,
            find_plan(self.seller, asked["plan"]),
            as_of=self.today,
            actor=self.actor,
            currency=asked.get("currency"),
            quantities=asked.get("quantities"),
            coupon=coupon,
            customer=customer,
            success_url=asked.get("success_url", ""),
            cancel_url=asked.get("cancel_url", ""),
            metadata=asked.get("metadata"),
            language=asked.get("language", ""),
        )
        made = find(CheckoutReading.loaded(orders(self)), order.public_id)
        return reply({**CheckoutReading.show(made), "url": address_of(token)}, 201)


class OneCheckoutSession(Endpoint):
    address = "checkout_sessions/<str:session>"
    scopes = {"GET": Scope.CHECKOUT_READ}
    reading = CheckoutReading

    @extend_schema(
        operation_id="get_checkout_session",
        summary="Get a checkout session",
        tags=["checkout sessions"],
        responses=CheckoutReading,
    )
    def get(self, request: Request, session: str) -> HttpResponse:
        return reply(self.show(find(self.loaded(orders(self)), session)))


class ExpireCheckoutSession(Endpoint):
    """Closes the page at the gateway first, so no transaction may be open."""

    address = "checkout_sessions/<str:session>/expire"
    scopes = {"POST": Scope.CHECKOUT_WRITE}
    needs_secret_key = True
    is_atomic = False

    @extend_schema(
        operation_id="expire_checkout_session",
        summary="Let a checkout session run out",
        description="One that was paid meanwhile, or may yet be, is 409 `checkout_not_open`.",
        tags=["checkout sessions"],
        request=None,
        responses=CheckoutReading,
    )
    def post(self, request: Request, session: str) -> HttpResponse:
        self.sent(Writing)
        order = find(orders(self), session)
        if not expire(order, as_of=self.today, actor=self.actor):
            raise ApiError(409, "checkout_not_open", "It is over, or is just being paid.")
        made = find(CheckoutReading.loaded(orders(self)), session)
        return reply(CheckoutReading.show(made))
