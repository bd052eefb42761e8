"""Payments: money on its way, or arrived."""

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.filtering import CustomerFilter, DayFilter, Filters
from billing.api.reading import Reading, Reference
from billing.api.scopes import Scope
from billing.api.scoping import find, for_seller
from billing.api.views import Endpoint, Listing, reply
from billing.engine.declines import Decline
from billing.payments.models import Payment, PaymentAllocation


class MethodReading(Reading):
    """A card that the customer has left with the gateway."""

    id = serializers.CharField(source="public_id")
    brand = serializers.CharField(allow_blank=True)
    last4 = serializers.CharField(allow_blank=True)
    expires_on = serializers.DateField(allow_null=True)


class AllocationReading(Reading):
    """The part that pays one invoice."""

    invoice = serializers.CharField(source="invoice.public_id")
    amount_minor = serializers.IntegerField()
    refunded_minor = serializers.IntegerField()
    status = serializers.ChoiceField(PaymentAllocation.State.choices, source="state")

    also_loads = ("invoice",)


class PaymentReading(Reading):
    """A payment; ``unknown`` until the gateway has given a clear answer."""

    scope = Scope.PAYMENTS_READ
    shown_as = ("pay", Payment)

    id = serializers.CharField(source="public_id")
    customer = Reference("CustomerReading")
    status = serializers.ChoiceField(Payment.State.choices, source="state")
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    refunded_minor = serializers.IntegerField()
    # DRF sets its own attribute of this name on each instance, and takes the field off the class.
    source = serializers.ChoiceField(  # type: ignore[assignment]
        Payment.Source.choices,
        help_text="`gateway` where one moves the money, `hand` where a person saw it arrive.",
    )
    gateway = serializers.CharField(
        allow_null=True,
        help_text="Null until a gateway is asked; `manual` where a person saw the money arrive.",
    )
    reference = serializers.CharField(
        allow_null=True, help_text="The bank's, where the money was recorded by hand."
    )
    payment_method = MethodReading(allow_null=True)
    planned_on = serializers.DateField(allow_null=True)
    received_on = serializers.DateField(allow_null=True)
    returned_on = serializers.DateField(
        allow_null=True, help_text="When its bank took it back; what it had paid is owed again."
    )
    failure_code = serializers.CharField(allow_null=True)
    action_url = serializers.CharField(
        allow_null=True, help_text="Where the customer confirms or makes it."
    )
    allocations = AllocationReading(many=True)
    recorded_at = serializers.DateTimeField()

    also_loads = ("payment_method",)
    prefetches = (
        AllocationReading.prefetch("allocations", PaymentAllocation.objects.order_by("id")),
    )

    @staticmethod
    def read_source(payment: Payment) -> str:
        # A row that was kept from before there was a source has none.
        is_by_hand = payment.gateway == "manual" and payment.received_on is not None
        return payment.source or (Payment.Source.HAND if is_by_hand else Payment.Source.GATEWAY)

    @classmethod
    def read_gateway(cls, payment: Payment) -> str | None:
        if cls.read_source(payment) == Payment.Source.HAND:
            return "manual"
        return None if payment.gateway in ("", "manual") else payment.gateway

    @staticmethod
    def read_failure_code(payment: Payment) -> str | None:
        # Code of before the list of declines, still running beside this, writes a gateway's word.
        return Decline.of(payment.failure_code).value if payment.failure_code else None

    @staticmethod
    def read_action_url(payment: Payment) -> str | None:
        return payment.action_url or None


class PaymentFilters(Filters):
    customer = CustomerFilter()
    invoice = django_filters.CharFilter(field_name="allocations__invoice__public_id")
    status = django_filters.ChoiceFilter(field_name="state", choices=Payment.State.choices)
    received_from = DayFilter(field_name="received_on", lookup_expr="gte")
    received_before = DayFilter(field_name="received_on", lookup_expr="lt")

    class Meta:
        model = Payment
        fields: tuple[str, ...] = ()


class Payments(Listing):
    address = "payments"
    scopes = {"GET": Scope.PAYMENTS_READ}
    reading = PaymentReading
    filterset_class = PaymentFilters

    def rows(self) -> QuerySet[Payment]:
        return for_seller(Payment, self.seller)

    @extend_schema(
        operation_id="list_payments",
        summary="List payments",
        tags=["payments"],
        responses=PaymentReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()


class OnePayment(Endpoint):
    address = "payments/<str:payment>"
    scopes = {"GET": Scope.PAYMENTS_READ}
    reading = PaymentReading

    @extend_schema(
        operation_id="get_payment",
        summary="Get a payment",
        tags=["payments"],
        responses=PaymentReading,
    )
    def get(self, request: Request, payment: str) -> HttpResponse:
        return reply(self.show(find(self.loaded(for_seller(Payment, self.seller)), payment)))
