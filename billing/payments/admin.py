from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)
from unfold.enums import ActionVariant

from billing.desk import (
    ActionForm,
    BigReadOnly,
    PageAction,
    Panel,
    label_column,
    link,
    link_column,
    money,
    money_column,
)
from billing.engine.money import Money, major_string
from billing.invoicing.admin import InvoiceAction, InvoiceAdmin, document_link
from billing.invoicing.models import Invoice
from billing.ledger.admin import transfers_of
from billing.payments.models import Payment, Refund
from customers.admin import CustomerAdmin

STATE_COLORS = {
    "planned": "",
    "created": "info",
    "submitted": "info",
    "requires_action": "warning",
    "unknown": "warning",
    "succeeded": "success",
    "failed": "danger",
    "canceled": "",
}


# What an operator does about money


class PaymentForm(ActionForm):
    amount = forms.DecimalField(min_value=0, help_text="As it arrived.")
    reference = forms.CharField(
        required=False, max_length=80, help_text="The bank's reference, where there is one."
    )

    def ask(self) -> None:
        outstanding = major_string(self.obj.outstanding_minor, self.obj.currency)
        self.fields["amount"].initial = outstanding


class RecordPayment(InvoiceAction):
    name = "record-payment"
    label = "Record payment"
    explanation = "Money that has arrived for this invoice, at the bank or otherwise."
    permission = "payments.add_payment"
    icon = "payments"
    variant = ActionVariant.PRIMARY
    form_class = PaymentForm

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.payments import actions

        payment = actions.record_payment(obj, as_of=as_of, actor=actor, **asked)
        return f"Recorded a payment of {Money(payment.amount_minor, payment.currency)}."


class RefundForm(ActionForm):
    amount = forms.DecimalField(required=False, min_value=0, help_text="Empty: all that was paid.")
    reason = forms.CharField(required=False, max_length=200)


class PayBack(PageAction):
    name = "refund"
    label = "Refund"
    explanation = "Records that money paid on this invoice was paid back."
    permission = "payments.add_refund"
    icon = "undo"
    form_class = RefundForm

    def is_offered(self, obj: Invoice) -> bool:
        return obj.paid_minor > 0

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.payments import actions

        refund = actions.refund(obj, as_of=as_of, actor=actor, **asked)
        return f"Paid back {Money(refund.amount_minor, obj.currency)}."


# Tables

ALLOCATIONS_OF_INVOICE = Panel(
    "Payments",
    rows=lambda invoice: invoice.allocations.select_related("payment").order_by("id"),
    columns={
        "Payment": lambda allocation: link(allocation.payment),
        "Received": lambda allocation: allocation.payment.received_on,
        "Through": lambda allocation: allocation.payment.gateway,
        "State": lambda allocation: allocation.payment.get_state_display(),
        "Paid": lambda allocation: money(allocation.amount_minor, allocation.payment.currency),
        "Paid back": lambda allocation: (
            money(allocation.refunded_minor, allocation.payment.currency)
            if allocation.refunded_minor
            else None
        ),
    },
)
ALLOCATIONS_OF_PAYMENT = Panel(
    "Pays",
    rows=lambda payment: payment.allocations.select_related("invoice", "payment").order_by("id"),
    columns={
        "Document": lambda allocation: document_link(allocation.invoice),
        "State": lambda allocation: allocation.get_state_display(),
        "Amount": lambda allocation: money(allocation.amount_minor, allocation.payment.currency),
    },
    when_empty="No invoice yet.",
)
REFUNDS = Panel(
    "Paid back",
    rows=lambda payment: payment.refunds.select_related("payment").order_by("id"),
    columns={
        "Refund": link,
        "On": lambda refund: refund.refunded_on,
        "Reason": lambda refund: refund.reason or None,
        "Amount": lambda refund: money(refund.amount_minor, refund.payment.currency),
    },
    when_empty="Nothing.",
)
PAYMENTS = Panel(
    "Payments",
    rows=lambda customer: customer.payments.order_by("-id"),
    columns={
        "Payment": link,
        "Received": lambda payment: payment.received_on,
        "Through": lambda payment: payment.gateway,
        "State": lambda payment: payment.get_state_display(),
        "Amount": lambda payment: money(payment.amount_minor, payment.currency),
    },
    list_of=Payment,
    list_by="customer__id__exact",
)
InvoiceAdmin.extend(panels=[ALLOCATIONS_OF_INVOICE], page_actions=[RecordPayment(), PayBack()])
CustomerAdmin.extend(panels=[PAYMENTS])


# Lists and pages


@admin.register(Payment)
class PaymentAdmin(BigReadOnly):
    list_display = ("public_id", "customer_link", "progress", "received_on", "gateway", "amount")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("received_on", RangeDateFilter),
    )
    list_select_related = ("customer",)
    search_fields = (
        "public_id__iexact",
        "gateway_key__exact",
        "customer__name",
        "customer__email__istartswith",
        "customer__public_id__iexact",
    )
    fields = (
        ("customer", "state"),
        ("amount", "refunded"),
        ("gateway", "gateway_key"),
        ("planned_on", "received_on"),
        ("failure_code", "public_id"),
        "recorded_at",
    )
    readonly_fields = ("amount", "refunded", "public_id", "recorded_at")
    panels = (ALLOCATIONS_OF_PAYMENT, REFUNDS, transfers_of("payment"))

    customer_link = link_column("customer", ordering="customer__name")
    progress = label_column("state", STATE_COLORS)
    amount = money_column("amount_minor")
    refunded = money_column("refunded_minor", "paid back")


@admin.register(Refund)
class RefundAdmin(BigReadOnly):
    list_display = ("public_id", "payment_link", "document", "refunded_on", "reason", "amount")
    list_filter = (("payment__seller", RelatedDropdownFilter), ("refunded_on", RangeDateFilter))
    list_select_related = ("payment__customer", "invoice")
    search_fields = (
        "public_id__iexact",
        "payment__public_id__iexact",
        "payment__customer__name",
        "invoice__number__iexact",
    )
    fields = (
        ("payment", "document"),
        ("amount", "refunded_on"),
        "reason",
        ("public_id", "recorded_at"),
    )
    readonly_fields = ("amount", "document", "public_id", "recorded_at")
    panels = (transfers_of("refund"),)

    amount = money_column("amount_minor", currency="payment.currency")

    @admin.display(description="paid by", ordering="payment__customer__name")
    def payment_link(self, refund: Refund) -> str:
        return link(refund.payment, refund.payment.customer)

    @admin.display(description="invoice", ordering="invoice__number")
    def document(self, refund: Refund) -> str:
        return document_link(refund.invoice)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("payment__customer", "invoice")
