from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)

from billing.desk.columns import label_column, link_column, money_column
from billing.desk.facts import facts_in
from billing.desk.figures import NOTHING, as_pages_write, link
from billing.desk.model_admin import BigReadOnly
from billing.invoicing.admin import InvoiceAdmin, PrintedAdmin
from billing.invoicing.panels import document_link
from billing.ledger.admin import transfers_of
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import Payment, Refund
from billing.payments.page_actions import (
    AskForACard,
    AskTheGateway,
    ClearAttention,
    CollectNow,
    GiveBack,
    MarkPaidBack,
    MarkReturned,
    NoteAccount,
    PayOutBalance,
    RecordPayment,
    RecordPaymentOfMany,
    Reopen,
)
from billing.payments.panels import (
    ALLOCATIONS_OF_INVOICE,
    ALLOCATIONS_OF_PAYMENT,
    METHODS,
    PAYMENTS,
    REFUNDS,
    SESSIONS,
    why_declined,
)
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
    "returned": "danger",
}
REFUND_COLORS = {
    "owed": "warning",
    "created": "info",
    "unknown": "warning",
    "succeeded": "success",
    "failed": "danger",
}


# Tables

InvoiceAdmin.extend(
    panels=[ALLOCATIONS_OF_INVOICE],
    page_actions=[RecordPayment(), CollectNow(), GiveBack(), Reopen()],
)
CustomerAdmin.extend(
    panels=[PAYMENTS, METHODS, SESSIONS],
    page_actions=[RecordPaymentOfMany(), PayOutBalance(), AskForACard()],
    search_fields=["payment_methods__last4__last_four"],
)


class NeedsAttentionFilter(DropdownFilter):
    title = pgettext_lazy("desk", "needs attention")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("attention", pgettext("desk", "A person must look"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.exclude(attention="") if self.value() else queryset


@admin.register(Payment)
class PaymentAdmin(PrintedAdmin):
    kept_sentences = ("attention",)
    list_display = (
        "public_id",
        "customer_link",
        "progress",
        "what_failed",
        "method",
        "received_on",
        "amount",
    )
    list_filter = (
        NeedsAttentionFilter,
        ("state", ChoicesDropdownFilter),
        ("source", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("received_on", RangeDateFilter),
    )
    list_select_related = ("customer", "payment_method")
    search_fields = (
        "public_id__iexact",
        "gateway_key__exact",
        "reference__exact",
        "gateway_id__exact",
        "amount_minor__amount",
        "payment_method__last4__last_four",
        "customer__typed",
        "customer__public_id__iexact",
    )
    fields = (
        ("customer", "state"),
        ("amount", "refunded"),
        ("source", "reference"),
        ("method", "gateway"),
        ("gateway_id", "gateway_key"),
        ("planned_on", "received_on", "returned_on"),
        ("why_declined", "gateway_code"),
        "attention",
        ("attempts", "next_check_at"),
        ("action_url", "public_id"),
        "recorded_at",
    )
    readonly_fields = (
        *("amount", "refunded", "method", "why_declined"),
        *("public_id", "recorded_at"),
    )
    panels = (ALLOCATIONS_OF_PAYMENT, REFUNDS, transfers_of("payment"))
    page_actions = (AskTheGateway(), MarkReturned(), ClearAttention())

    def has_pdf(self, obj: Payment) -> bool:
        return obj.state == Payment.State.SUCCEEDED

    def print_pdf(self, obj: Payment) -> bytes:
        from billing.payments.receipts import render_receipt

        return render_receipt(obj)

    customer_link = link_column("customer", ordering="customer__name")
    progress = label_column("state", STATE_COLORS)
    amount = money_column("amount_minor")
    refunded = money_column("refunded_minor", "paid back")

    @admin.display(description="through", ordering="gateway")
    def method(self, payment: Payment) -> str:
        return str(payment.payment_method or payment.through or NOTHING)

    @admin.display(description="why", ordering="failure_code")
    def what_failed(self, payment: Payment) -> str:
        return as_pages_write(payment.attention) or why_declined(payment.failure_code)

    @admin.display(description="failure code", ordering="failure_code")
    def why_declined(self, payment: Payment) -> str:
        return why_declined(payment.failure_code)


@admin.register(Refund)
class RefundAdmin(BigReadOnly):
    kept_sentences = ("reason", "attention")
    list_display = (
        "public_id",
        "payment_link",
        "document",
        "progress",
        "refunded_on",
        "reason",
        "to_account",
        "amount",
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("payment__seller", RelatedDropdownFilter),
        ("refunded_on", RangeDateFilter),
    )
    list_select_related = ("payment__customer", "invoice")
    search_fields = (
        "public_id__iexact",
        "payment__public_id__iexact",
        "payment__customer__typed",
        "invoice__number__iexact",
    )
    fields = (
        ("payment", "document"),
        ("amount", "refunded_on"),
        ("reason", "state"),
        ("to_account", "is_return"),
        ("paid_on", "reference"),
        "paid_by",
        ("gateway_id", "failure_code"),
        ("attention", "next_check_at"),
        ("public_id", "recorded_at"),
    )
    readonly_fields = ("amount", "document", "public_id", "recorded_at")
    panels = (transfers_of("refund"),)
    page_actions = (MarkPaidBack(), NoteAccount())

    amount = money_column("amount_minor", currency="payment.currency")
    progress = label_column("state", REFUND_COLORS)

    @admin.display(description="paid by", ordering="payment__customer__name")
    def payment_link(self, refund: Refund) -> str:
        return link(refund.payment, refund.payment.customer)

    @admin.display(description="invoice", ordering="invoice__number")
    def document(self, refund: Refund) -> str:
        return document_link(refund.invoice)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("payment__customer", "invoice")


class WhatCameFilter(DropdownFilter):
    title = pgettext_lazy("desk", "what came of it")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waits", pgettext("desk", "Waits")), ("parked", pgettext("desk", "Parked"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "waits":
            return queryset.filter(processed_at=None, parked_reason="")
        return queryset.exclude(parked_reason="") if self.value() == "parked" else queryset


@admin.register(GatewayEvent)
class GatewayEventAdmin(BigReadOnly):
    kept_sentences = ("parked_reason",)
    list_display = ("event_id", "type", "gateway", "received_at", "is_polled", "what_came")
    list_filter = (
        WhatCameFilter,
        ("is_polled", BooleanRadioFilter),
        ("received_at", RangeDateTimeFilter),
    )
    search_fields = ("told",)
    fields = (
        ("event_id", "type"),
        ("gateway", "is_polled"),
        ("received_at", "processed_at"),
        ("attempts", "next_attempt_at"),
        "parked_reason",
        "told",
    )
    readonly_fields = ("told",)

    @admin.display(description="what it told")
    def told(self, event: GatewayEvent) -> str:
        return facts_in(event.body)

    @admin.display(description="what came of it")
    def what_came(self, event: GatewayEvent) -> str:
        if event.parked_reason:
            return as_pages_write(event.parked_reason)
        return pgettext("desk", "taken up") if event.processed_at else pgettext("desk", "waits")
