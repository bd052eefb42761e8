"""Invoices and credit notes: read, printed, paid, credited."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.errors import ApiError, invalid
from billing.api.fields import Boolean, Choice, Integer, Minor, PublicId, Writing
from billing.api.filtering import CustomerFilter, DayFilter, Filters, SubscriptionFilter
from billing.api.resources.documents import DocumentDetail, DocumentReading
from billing.api.resources.payments import PaymentReading
from billing.api.scopes import Scope
from billing.api.scoping import find, for_seller
from billing.api.views import Endpoint, Listing, reply
from billing.invoicing.corrections import credit
from billing.invoicing.models import CreditNote, Invoice, InvoiceLine
from billing.invoicing.pdf import render_invoice
from billing.payments.collection import pay_now
from billing.payments.models import Payment

PDF = {(200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, "The document as A4.")}


class InvoiceFilters(Filters):
    customer = CustomerFilter()
    subscription = SubscriptionFilter()
    status = django_filters.ChoiceFilter(choices=Invoice.Status.choices)
    number = django_filters.CharFilter()
    issued_from = DayFilter(field_name="issued_on", lookup_expr="gte")
    issued_before = DayFilter(field_name="issued_on", lookup_expr="lt")
    due_before = DayFilter(field_name="due_on", lookup_expr="lt")

    class Meta:
        model = Invoice
        fields: tuple[str, ...] = ()


class CreditNoteFilters(Filters):
    customer = CustomerFilter()
    subscription = SubscriptionFilter()
    number = django_filters.CharFilter()
    issued_from = DayFilter(field_name="issued_on", lookup_expr="gte")
    issued_before = DayFilter(field_name="issued_on", lookup_expr="lt")

    class Meta:
        model = CreditNote
        fields: tuple[str, ...] = ()


class OfInvoices:
    """Rows of the table that are invoices."""

    def rows(self: Any) -> QuerySet[Invoice]:
        return for_seller(Invoice, self.seller).filter(kind=Invoice.Kind.INVOICE)


class OfCreditNotes:
    def rows(self: Any) -> QuerySet[CreditNote]:
        return for_seller(CreditNote, self.seller)


class Invoices(OfInvoices, Listing):
    address = "invoices"

    def rows(self) -> QuerySet[Invoice]:
        """Without what is only ordered: that has no number yet."""
        return super().rows().filter(sequence__isnull=False)

    scopes = {"GET": Scope.INVOICES_READ}
    reading = DocumentReading
    filterset_class = InvoiceFilters

    @extend_schema(
        operation_id="list_invoices",
        summary="List invoices",
        tags=["invoices"],
        responses=DocumentReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()


class OneInvoice(OfInvoices, Endpoint):
    address = "invoices/<str:invoice>"
    scopes = {"GET": Scope.INVOICES_READ}
    reading = DocumentDetail

    @extend_schema(
        operation_id="get_invoice",
        summary="Get an invoice with its lines",
        tags=["invoices"],
        responses=DocumentDetail,
    )
    def get(self, request: Request, invoice: str) -> HttpResponse:
        return reply(self.show(find(self.loaded(self.rows()), invoice)))


def printed(document: Invoice) -> HttpResponse:
    answer = HttpResponse(render_invoice(document), content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="{document.public_id}.pdf"'
    return answer


class InvoicePdf(OfInvoices, Endpoint):
    address = "invoices/<str:invoice>/pdf"
    scopes = {"GET": Scope.INVOICES_READ}

    @extend_schema(
        operation_id="get_invoice_pdf",
        summary="Get an invoice as PDF",
        tags=["invoices"],
        responses=PDF,
    )
    def get(self, request: Request, invoice: str) -> HttpResponse:
        return printed(find(self.rows(), invoice))


class PayInvoice(OfInvoices, Endpoint):
    """Calls the gateway: what keeps it from charging twice is the payment's own row."""

    address = "invoices/<str:invoice>/pay"
    scopes = {"POST": Scope.PAYMENTS_WRITE}
    needs_key = True
    is_atomic = False
    takes_money = True

    @extend_schema(
        operation_id="pay_invoice",
        summary="Charge the customer's card for an invoice now",
        description="Answers with the payment: `succeeded`; `requires_action`, where the customer "
        "must confirm it at `action_url`; or `unknown`, where the gateway gave no clear answer and "
        "is asked until it does. A card that is declined is 402 `payment_failed`.",
        tags=["invoices"],
        request=None,
        responses=PaymentReading,
    )
    def post(self, request: Request, invoice: str) -> HttpResponse:
        self.sent(Writing)
        found = find(self.rows().select_related("customer"), invoice)
        payment = pay_now(found, as_of=self.today, actor=self.actor)
        if payment.state == Payment.State.FAILED:
            raise ApiError(
                402,
                "payment_failed",
                f"The card was declined ({payment.failure_code}). Have the customer add another.",
            )
        rows = PaymentReading.loaded(for_seller(Payment, self.seller))
        return reply(PaymentReading.show(find(rows, payment.public_id)))


# Credit notes


class CreditedLine(Writing):
    line = Integer(min_value=1, max_value=10**6, help_text="The line's number on the invoice.")
    net_minor = Minor(min_value=1, help_text="How much of its net to give back.")


class CreditNoteWriting(Writing):
    invoice = PublicId("inv", help_text="The invoice to credit.")
    amount_minor = Minor(min_value=1, required=False, help_text="With tax.")
    lines = serializers.ListField(
        child=CreditedLine(), required=False, allow_empty=False, max_length=1000
    )
    to = Choice(
        [(to, to) for to in ("balance", "refund")],
        default="balance",
        help_text="Where it goes beyond what is unpaid: the balance, or back as it was paid.",
    )
    confirm = Boolean(
        default=False,
        help_text="Say true for an amount that was refused as `unusual_amount` and is meant so.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "amount_minor" in attrs and "lines" in attrs:
            raise serializers.ValidationError(
                {"lines": ["Say amount_minor or lines, not both."]}, "not_both"
            )
        return attrs


class CreditNotes(OfCreditNotes, Listing):
    address = "credit_notes"
    scopes = {"GET": Scope.CREDIT_NOTES_READ, "POST": Scope.CREDIT_NOTES_WRITE}
    reading = DocumentReading
    filterset_class = CreditNoteFilters
    needs_key = True

    @extend_schema(
        operation_id="list_credit_notes",
        summary="List credit notes",
        tags=["credit notes"],
        responses=DocumentReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()

    @extend_schema(
        operation_id="create_credit_note",
        summary="Credit an invoice",
        description="By an amount with tax, by lines, or all that is left of it. What is unpaid is "
        "reduced first.",
        tags=["credit notes"],
        request=CreditNoteWriting,
        responses={201: DocumentDetail},
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(CreditNoteWriting)
        rows = for_seller(Invoice, self.seller).filter(kind=Invoice.Kind.INVOICE)
        invoice = find(rows, asked["invoice"], "invoice")
        lines = _lines(invoice, asked["lines"]) if "lines" in asked else None
        note = credit(
            invoice,
            as_of=self.today,
            actor=self.actor,
            amount_minor=asked.get("amount_minor"),
            lines=lines,
            to=asked["to"],
            # To name neither an amount nor lines says in so many words that all is meant.
            is_confirmed=asked["confirm"] or not {"amount_minor", "lines"} & asked.keys(),
        )
        made = find(DocumentDetail.loaded(for_seller(CreditNote, self.seller)), note.public_id)
        return reply(DocumentDetail.show(made, self.expand), 201)


def _lines(invoice: Invoice, asked: list[dict[str, int]]) -> list[tuple[InvoiceLine, int]]:
    lines = {line.position: line for line in invoice.lines.all()}
    for number, each in enumerate(asked):
        if each["line"] not in lines:
            raise invalid(f"lines.{number}.line", "unknown_line", "The invoice has no such line.")
    if len({each["line"] for each in asked}) < len(asked):
        raise invalid("lines", "not_unique", "Name each line once.")
    return [(lines[each["line"]], each["net_minor"]) for each in asked]


class OneCreditNote(OfCreditNotes, Endpoint):
    address = "credit_notes/<str:credit_note>"
    scopes = {"GET": Scope.CREDIT_NOTES_READ}
    reading = DocumentDetail

    @extend_schema(
        operation_id="get_credit_note",
        summary="Get a credit note with its lines",
        tags=["credit notes"],
        responses=DocumentDetail,
    )
    def get(self, request: Request, credit_note: str) -> HttpResponse:
        return reply(self.show(find(self.loaded(self.rows()), credit_note)))


class CreditNotePdf(OfCreditNotes, Endpoint):
    address = "credit_notes/<str:credit_note>/pdf"
    scopes = {"GET": Scope.CREDIT_NOTES_READ}

    @extend_schema(
        operation_id="get_credit_note_pdf",
        summary="Get a credit note as PDF",
        tags=["credit notes"],
        responses=PDF,
    )
    def get(self, request: Request, credit_note: str) -> HttpResponse:
        return printed(find(self.rows(), credit_note))
