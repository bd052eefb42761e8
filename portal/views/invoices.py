"""Documents: the list with its search, one with its reasons, the PDFs, and paying."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.http import content_disposition_header
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from billing.engine.errors import BillingError, Refused
from billing.invoicing.documents import document_in_words
from billing.invoicing.models import Invoice
from billing.invoicing.pdf import render_invoice
from billing.invoicing.printing import RenderingFailed
from billing.invoicing.writing import NO_BREAK, decline_in_words
from billing.payments.models import Payment, PaymentAllocation
from billing.payments.outlook import what_becomes_of
from billing.payments.receipts import render_receipt
from customers.persons import person_ids
from portal.debts import what_comes_of
from portal.next_payment import whys_of
from portal.paying import way_to_pay
from portal.queries import documents_of, matching, open_among
from portal.refusals import sentence_of
from portal.visits import Visit, for_customers, show_to
from portal.words import State, state_of_invoice, writer

PER_PAGE = 25
SEARCH_LENGTH_MAX = 60


@require_safe
@for_customers
def invoices(request: HttpRequest, visit: Visit) -> HttpResponse:
    """A page of the list, newest first; ``q`` finds by number, amount or year, and ``state=open``
    leaves what is to be paid.
    """
    asked = request.GET.get("q", "").strip()[:SEARCH_LENGTH_MAX]
    found = matching(documents_of(visit.customer), asked)
    is_open_alone = request.GET.get("state") == "open"
    if is_open_alone:
        found = open_among(found)
    if before := request.GET.get("before"):
        cursor = documents_of(visit.customer).filter(public_id=before).values_list("pk", flat=True)
        if not cursor:
            raise Http404
        found = found.filter(pk__lt=cursor[0])
    page = list(found[: PER_PAGE + 1])
    context = {
        "rows": [_row(invoice, visit) for invoice in page[:PER_PAGE]],
        "asked": asked,
        "is_open_alone": is_open_alone,
        "is_first": not before,
        "more_after": page[PER_PAGE - 1].public_id if len(page) > PER_PAGE else "",
    }
    return show_to(request, visit, "portal/invoices.html", context, section="invoices")


@require_safe
@for_customers
def invoice(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """One document: its lines, and why each amount is what it is."""
    found = _own(visit, public_id)
    words = document_in_words(found, translation.get_language() or "en")
    for line in words["lines"]:
        line["whys"] = whys_of(line["explained"])
    # A narrow screen breaks an IBAN between its groups, and nothing else.
    words["payment"]["rows"] = [
        [
            (key, label, value.replace(NO_BREAK, " ") if key == "iban" else value)
            for key, label, value in rows
        ]
        for rows in words["payment"].get("rows", ())
    ]
    payments = list(
        Payment.objects.filter(
            state=Payment.State.SUCCEEDED,
            allocations__invoice=found,
            allocations__state=PaymentAllocation.State.SETTLED,
        )
        .select_related("payment_method")
        .order_by("pk")
        .distinct()
    )
    write = writer(found.currency)
    outlook = what_becomes_of(found, visit.as_of)
    asks = found.is_collectable
    context = {
        "invoice": found,
        "words": words,
        "figure": _figure(found),
        "state": _state(found, visit),
        "can_pay": asks and outlook.has_card_page,
        "comes": what_comes_of(found, outlook, visit.as_of) if asks else "",
        "refusal": _refusal_of(found) if asks and _has_failed(found) else "",
        "payments": [
            {
                "public_id": payment.public_id,
                "amount": write.money(payment.amount_minor),
                "day": write.day(payment.received_on) if payment.received_on else "",
                "method": payment.payment_method.in_words() if payment.payment_method else "",
            }
            for payment in payments
        ],
    }
    return show_to(request, visit, "portal/invoice.html", context, section="invoices")


@require_safe
@for_customers
def invoice_pdf(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    found = _own(visit, public_id)
    return _pdf(request, visit, lambda: render_invoice(found), f"{found.number}.pdf")


@require_safe
@for_customers
def receipt(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    own = Payment.objects.filter(customer__in=person_ids(visit.customer))
    payment = own.filter(public_id=public_id).first()
    if payment is None or payment.state != Payment.State.SUCCEEDED:
        raise Http404
    return _pdf(request, visit, lambda: render_receipt(payment), f"{payment.public_id}.pdf")


@require_POST
@for_customers
def pay(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """Send the customer to the gateway's page, where all that is left of the invoice is paid."""
    found = _own(visit, public_id)
    try:
        return way_to_pay(request, visit, found)
    except BillingError as error:
        messages.error(request, sentence_of(error))
        return HttpResponseRedirect(reverse("portal:invoice", args=[found.public_id]))


def _own(visit: Visit, public_id: str) -> Invoice:
    """A document of the customer's. Raises Http404 for all others."""
    found = documents_of(visit.customer).filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


def _figure(invoice: Invoice) -> dict[str, str]:
    """The one that matters: what is left to pay, or else what the document came to."""
    write, left = writer(invoice.currency), invoice.left_minor
    if invoice.kind == Invoice.Kind.INVOICE and left:
        return {"label": pgettext("portal", "To pay"), "amount": write.money(left)}
    label = (
        pgettext("portal", "In your favour")
        if invoice.kind == Invoice.Kind.CREDIT_NOTE
        else pgettext("portal", "Total")
    )
    return {"label": label, "amount": write.money(invoice.total_minor)}


def _row(invoice: Invoice, visit: Visit) -> dict[str, Any]:
    write = writer(invoice.currency)
    sign = -1 if invoice.kind == Invoice.Kind.CREDIT_NOTE else 1
    return {
        "public_id": invoice.public_id,
        "number": invoice.number,
        "is_credit_note": invoice.kind == Invoice.Kind.CREDIT_NOTE,
        "day": write.day(invoice.issued_on),
        "due": write.day(invoice.due_on),
        "amount": write.money(sign * invoice.total_minor),
        "state": _state(invoice, visit),
    }


def _state(invoice: Any, visit: Visit) -> State:
    """As annotated by :func:`portal.queries.documents_of`."""
    return state_of_invoice(
        invoice,
        visit.as_of,
        is_in_flight=invoice.is_in_flight,
        has_failed=invoice.has_failed,
    )


def _refusal_of(invoice: Invoice) -> str:
    """Why the last attempt to take it failed."""
    failed = Payment.objects.filter(allocations__invoice=invoice, state=Payment.State.FAILED)
    return decline_in_words(failed.order_by("-pk").values_list("failure_code", flat=True)[0])


def _has_failed(invoice: Any) -> bool:
    return bool(invoice.has_failed and not invoice.is_in_flight)


def _pdf(
    request: HttpRequest, visit: Visit, render: Callable[[], bytes], name: str
) -> HttpResponse:
    """A PDF that is opened in the browser; what cannot be laid out is said on a page."""
    try:
        pdf = render()
    except RenderingFailed:
        return show_to(request, visit, "portal/no_pdf.html", {}, section="invoices", status=503)
    except Refused as error:
        raise Http404 from error  # A payment that has paid no invoice has no receipt.
    answer = HttpResponse(pdf, content_type="application/pdf")
    answer.headers["Content-Disposition"] = content_disposition_header(False, name) or "inline"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
