"""What webhooks and the list of events show of an object: what the API itself shows of it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db.models import Model
from rest_framework import serializers

from billing.api.reading import Reading
from billing.api.resources.checkout_sessions import CheckoutReading
from billing.api.resources.customers import CustomerReading
from billing.api.resources.documents import DocumentDetail
from billing.api.resources.one_off_items import OneOffItemReading
from billing.api.resources.payments import PaymentReading
from billing.api.resources.subscriptions import SubscriptionReading
from billing.api.resources.test_clocks import ClockReading
from billing.api.resources.webhook_endpoints import EndpointReading
from billing.api.scopes import Scope
from billing.checkout.models import Order
from billing.invoicing.models import Invoice, OneOffItem
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from billing.webhooks.bodies import Renderer
from billing.webhooks.models import WebhookEndpoint
from customers.models import Customer, TestClock
from dunning.models import DunningCase


class CaseReading(Reading):
    """A late debt, and how far its steps have come."""

    scope = Scope.INVOICES_READ

    id = serializers.CharField(source="public_id")
    invoice = serializers.CharField(source="invoice.public_id")
    customer = serializers.CharField(source="customer.public_id")
    status = serializers.ChoiceField(DunningCase.Status.choices)
    access = serializers.ChoiceField(
        DunningCase.Access.choices, help_text="What the customer may use until it is paid."
    )
    late_from = serializers.DateField()
    next_step_on = serializers.DateField(
        source="coming_step_on", allow_null=True, help_text="None while it is stopped."
    )
    closed_on = serializers.DateField(allow_null=True)

    also_loads = ("invoice", "customer")


class CreditNoteReading(DocumentDetail):
    """A credit note with its lines and VAT groups, which takes a scope of its own to see."""

    scope = Scope.CREDIT_NOTES_READ


SHOWN: dict[str, tuple[type[Reading], type[Model]]] = {
    "chk": (CheckoutReading, Order),
    "clk": (ClockReading, TestClock),
    "cn": (CreditNoteReading, Invoice),
    "cus": (CustomerReading, Customer),
    "dun": (CaseReading, DunningCase),
    "inv": (DocumentDetail, Invoice),
    "item": (OneOffItemReading, OneOffItem),
    "pay": (PaymentReading, Payment),
    "sub": (SubscriptionReading, Subscription),
    "we": (EndpointReading, WebhookEndpoint),
}


def renderers() -> dict[str, Renderer]:
    """For each prefix of a public id, what shows objects in a constant number of queries."""
    return {prefix: partial(_show, *shown) for prefix, shown in SHOWN.items()}


def _show(
    reading: type[Reading], model: type[Model], public_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    rows = reading.loaded(model._default_manager.filter(public_id__in=public_ids))
    return {row.public_id: reading.show(row) for row in rows}
