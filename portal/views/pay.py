"""Pages of one link each: an invoice to pay, and another card for what could not be charged."""

import base64
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.events.recorder import record
from billing.invoicing.documents import document_in_words
from billing.invoicing.models import Invoice
from billing.invoicing.writing import Writer
from billing.payments.gateways.base import GatewayError, GatewayHeld
from billing.payments.gateways.base import Purpose as GatewayPurpose
from billing.payments.gateways.registry import choose_gateway
from billing.payments.models import CheckoutSession, Payment, PaymentAllocation
from billing.payments.outlook import Prospect, what_becomes_of
from billing.payments.sessions import start_payment, start_setup
from customers.calendar import now_of, today_of
from customers.links import Purpose, read_link, time_of
from customers.models import AccessLink, Customer
from customers.persons import person_ids, same_person
from dunning.models import DunningCase
from portal.by_script import go_to
from portal.debts import what_comes_of
from portal.news import LINK_REQUESTED, mail_links_soon
from portal.pages import in_language_of, show
from portal.terms import card_of, failure_in_words
from portal.views.links import leave_by, paid_by, pdf_of, return_address, token_page, way_back

# One new link in this time, however often it is asked for.
ASKED_AGAIN_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that was opened, for a seller's present day."""

    link: AccessLink
    token: str
    now: datetime
    as_of: date

    @property
    def customer(self) -> Customer:
        return self.link.customer

    @property
    def actor(self) -> str:
        return f"customer:{self.customer.public_id}"

    @property
    def invoice(self) -> Invoice | None:
        """The invoice that the link is for: only ever one of its own customer's, who is a person:
        another card is asked of the one that stays, for what a merged one owes too.
        """
        of_person = Invoice.objects.filter(
            customer__in=person_ids(self.customer), kind=Invoice.Kind.INVOICE
        )
        found = of_person.select_related("seller", "customer", "letterhead")
        return found.filter(public_id=self.link.subject).first()


def _open(request: HttpRequest, token: str, purpose: str) -> Opened | HttpResponse:
    """A link, or the page that says why it opens nothing and how to get another."""
    now = time_of(token)
    try:
        link = read_link(token, purpose, now=now)
    except Refused as refused:
        stale = refused.details.get("link")
        if not isinstance(stale, AccessLink):
            return show(request, "portal/pay/unknown.html", {}, status=404)
        context = {
            "token": token,
            "purpose": purpose,
            "code": refused.code,
            "is_asked": "asked" in request.GET,
        }
        customer = stale.customer
        return show(
            request,
            "portal/pay/stale.html",
            context,
            seller=customer.seller,
            customer=customer,
            status=410,
        )
    return Opened(link, token, now, today_of(link.customer.seller))


# An invoice to pay


@token_page
def invoice(request: HttpRequest, token: str) -> HttpResponse:
    """What is to be paid, for what, until when, and the ways to do it."""
    opened = _open(request, token, Purpose.PAY)
    if isinstance(opened, HttpResponse):
        return opened
    document = opened.invoice
    if document is None:
        raise Http404
    if request.method == "POST":
        return _leave_to_pay(request, opened, document)
    with in_language_of(request, opened.customer) as language:
        context = _invoice_in_words(document, opened, language, request.GET.get("problem", ""))
    return _show(request, opened, "invoice", context)


def _show(request: HttpRequest, opened: Opened, page: str, context: dict[str, Any]) -> HttpResponse:
    return show(
        request,
        f"portal/pay/{page}.html",
        {"token": opened.token, **context},
        seller=opened.customer.seller,
        customer=opened.customer,
    )


def _invoice_in_words(
    document: Invoice, opened: Opened, language: str, problem: str
) -> dict[str, Any]:
    write = Writer(language, document.currency)
    words = document_in_words(document, language)
    asked_minor = document.left_minor if document.is_collectable else document.total_minor
    page = CheckoutSession.objects.filter(
        payment__allocations__invoice=document, status=CheckoutSession.Status.OPEN
    ).first()
    is_in_flight = document.allocations.filter(state=PaymentAllocation.State.IN_FLIGHT).exists()
    outlook = what_becomes_of(document, opened.as_of)
    return {
        "invoice": document,
        "words": words,
        "amount": write.money(asked_minor),
        "paid": write.money(document.paid_minor) if document.paid_minor else "",
        "due_on": write.day(document.due_on),
        "closed_on": write.day(document.closed_on) if document.closed_on else "",
        "state": _state(document, opened.as_of),
        "can_pay_by_card": document.is_collectable and outlook.has_card_page,
        "comes": what_comes_of(document, outlook, opened.as_of)
        if outlook.prospect in {Prospect.HELD, Prospect.ASK}
        else "",
        "is_under_way": is_in_flight and page is None,
        "failure": _failure(document, page),
        "problem": _problem(problem),
        "payment": paid_by(document),
    }


def _failure(document: Invoice, page: CheckoutSession | None) -> str:
    """Why the last card was refused, on the gateway's page or when it was charged."""
    failed = _last_failure([document]) if document.is_collectable else None
    code = page.failure if page else failed.failure_code if failed else ""
    return failure_in_words(code) if code else ""


def _state(document: Invoice, as_of: date) -> str:
    """One of paid, credited, void, lost, late, partly and due."""
    if document.status == Invoice.Status.PAID:
        return "credited" if document.is_only_credited else "paid"
    if document.status == Invoice.Status.VOID:
        return "void"
    if document.status == Invoice.Status.UNCOLLECTIBLE:
        return "lost"
    if document.due_on < as_of:
        return "late"
    return "partly" if document.paid_minor else "due"


def _problem(said: str) -> str:
    return {
        "gateway": pgettext(
            "pay",
            "The card page cannot be reached right now. Nothing has been taken. Try again in a "
            "moment.",
        ),
        "held": pgettext(
            "pay",
            "Card payments are not possible right now. Nothing has been taken. Come back later "
            "today.",
        ),
        "waits": pgettext(
            "pay",
            "A payment is under way, and we are tracking it. Check again in a few minutes.",
        ),
        "unasked": pgettext(
            "pay",
            "We have not been able to check the payment yet. If you have paid, you do not need "
            "to do anything more, and this page will soon say so.",
        ),
    }.get(said, "")


def _leave_to_pay(request: HttpRequest, opened: Opened, document: Invoice) -> HttpResponse:
    address = reverse("pay:invoice", args=[opened.token])
    gateway = choose_gateway(document.seller, GatewayPurpose.PAY_ON_PAGE)
    if gateway is None:
        return go_to(request, f"{address}?problem=gateway")
    try:
        session = start_payment(
            document,
            gateway=gateway.name,
            as_of=opened.as_of,
            actor=opened.actor,
            return_url=return_address(document.public_id),
        )
    except GatewayHeld:
        return go_to(request, f"{address}?problem=held")
    except GatewayError:
        return go_to(request, f"{address}?problem=gateway")
    except Refused as refused:
        waits = "?problem=waits" if refused.code == "payment_in_flight" else ""
        return go_to(request, address + waits)
    return _leave(request, opened, session, document.public_id, address)


def _leave(
    request: HttpRequest, opened: Opened, session: CheckoutSession, subject: str, address: str
) -> HttpResponse:
    customer = opened.customer
    answer = leave_by(request, session.url, seller=customer.seller, customer=customer)
    return way_back(answer, subject, address, is_secure=request.is_secure())


@require_safe
@token_page
def invoice_pdf(request: HttpRequest, token: str) -> HttpResponse:
    opened = _open(request, token, Purpose.PAY)
    if isinstance(opened, HttpResponse):
        return opened
    if opened.invoice is None:
        raise Http404
    return pdf_of(opened.invoice, f"{opened.invoice.number}.pdf")


@require_safe
@token_page
def receipt(request: HttpRequest, token: str) -> HttpResponse:
    opened = _open(request, token, Purpose.PAY)
    if isinstance(opened, HttpResponse):
        return opened
    payment = paid_by(opened.invoice) if opened.invoice else None
    if payment is None:
        return HttpResponseRedirect(reverse("pay:invoice", args=[token]))
    return pdf_of(payment, f"{payment.public_id}.pdf")


@require_safe
@token_page
def square(request: HttpRequest, token: str) -> HttpResponse:
    """The code that a bank's app reads, as the picture that it is."""
    opened = _open(request, token, Purpose.PAY)
    if isinstance(opened, HttpResponse):
        return opened
    payment = document_in_words(opened.invoice)["payment"] if opened.invoice else {}
    address = payment.get("qr", "")
    if not address:
        raise Http404
    return HttpResponse(base64.b64decode(address.partition(",")[2]), content_type="image/png")


@require_POST
@token_page
def ask_again(request: HttpRequest, token: str, purpose: str) -> HttpResponse:
    """Ask for a new link in place of one that is too old; it is mailed to its customer."""
    try:
        link = read_link(token, purpose, now=time_of(token))
    except Refused as refused:
        stale = refused.details.get("link")
        if not isinstance(stale, AccessLink):
            return show(request, "portal/pay/unknown.html", {}, status=404)
        _request_link(stale)
        return HttpResponseRedirect(f"{_address_of(purpose, token)}?asked=1")
    return HttpResponseRedirect(_address_of(link.purpose, token))


def _request_link(stale: AccessLink) -> None:
    customer, subject = stale.customer, stale.subject or stale.customer.public_id
    recently = Event.objects.filter(
        type=LINK_REQUESTED,
        subject=subject,
        data__purpose=stale.purpose,
        recorded_at__gt=now_of(customer.seller) - ASKED_AGAIN_AFTER,
    )
    if recently.exists():
        return
    record(
        LINK_REQUESTED,
        seller=customer.seller.public_id,
        subject=subject,
        occurred_on=today_of(customer.seller),
        actor=f"customer:{customer.public_id}",
        data={"customer": customer.public_id, "purpose": stale.purpose, "subject": stale.subject},
    )
    mail_links_soon()


def _address_of(purpose: str, token: str) -> str:
    return reverse("pay:invoice" if purpose == Purpose.PAY else "pay:method", args=[token])


# Another card


@token_page
def method(request: HttpRequest, token: str) -> HttpResponse:
    """Why another card is needed, and the way to leave one; afterwards, what became of it."""
    opened = _open(request, token, Purpose.METHOD)
    if isinstance(opened, HttpResponse):
        return opened
    if request.method == "POST":
        return _leave_for_card(request, opened)
    with in_language_of(request, opened.customer) as language:
        context = _method_in_words(opened, language, request)
    return _show(request, opened, "method", context)


def _method_in_words(opened: Opened, language: str, request: HttpRequest) -> dict[str, Any]:
    customer, now_owed = opened.customer, _owed(opened)
    write = [Writer(language, document.currency) for document in now_owed]
    failed = _last_failure(now_owed)
    subject = opened.invoice
    settled = subject if subject and subject.status == Invoice.Status.PAID else None
    return {
        "card": card_of(customer),
        "owed": [
            {
                "number": document.number,
                "amount": writes.money(document.left_minor),
                "due_on": writes.day(document.due_on),
            }
            for document, writes in zip(now_owed, write, strict=True)
        ],
        "failure": failure_in_words(failed.failure_code) if failed else "",
        "confirm_url": _to_confirm(now_owed),
        "is_back": "back" in request.GET,
        "is_charged": customer.collection == Customer.Collection.AUTOMATIC,
        "settled": settled,
        "settled_amount": (
            Writer(language, settled.currency).money(_settled_minor(settled)) if settled else ""
        ),
        "can_leave": choose_gateway(customer.seller, GatewayPurpose.KEEP_METHOD) is not None,
        "is_stopped": any(
            not what_becomes_of(document, opened.as_of).has_card_page for document in now_owed
        ),
        "problem": _problem(request.GET.get("problem", "")),
    }


def _settled_minor(invoice: Invoice) -> int:
    """What has been paid, in minor units, of an invoice and of what was late until the same day."""
    closed = {each.closed_on for each in DunningCase.objects.filter(invoice=invoice)} - {None}
    with_it = Invoice.objects.filter(
        Q(pk=invoice.pk) | Q(dunning_case__closed_on__in=closed),
        customer__in=same_person(invoice.customer_id),
        currency=invoice.currency,
        status=Invoice.Status.PAID,
    )
    return sum(each.paid_minor + each.from_balance_minor for each in with_it)


def _owed(opened: Opened) -> list[Invoice]:
    """What is late or could not be charged: what the link is for, and all with a case."""
    theirs = Invoice.objects.open().filter(customer__in=person_ids(opened.customer))
    open_ones = theirs.order_by("due_on", "id")
    late = open_ones.filter(dunning_case__status=DunningCase.Status.OPEN) | open_ones.filter(
        public_id=opened.link.subject
    )
    return [document for document in late.distinct() if document.is_collectable]


def _last_failure(owed: list[Invoice]) -> Payment | None:
    failed = Payment.objects.filter(allocations__invoice__in=owed, state=Payment.State.FAILED)
    return failed.order_by("-id").first()


def _to_confirm(owed: list[Invoice]) -> str:
    """Where the bank asks the customer about a payment that is under way."""
    waiting = Payment.objects.filter(
        allocations__invoice__in=owed,
        allocations__state=PaymentAllocation.State.IN_FLIGHT,
        state=Payment.State.REQUIRES_ACTION,
    ).first()
    return waiting.action_url if waiting else ""


def _leave_for_card(request: HttpRequest, opened: Opened) -> HttpResponse:
    address = reverse("pay:method", args=[opened.token])
    gateway = choose_gateway(opened.customer.seller, GatewayPurpose.KEEP_METHOD)
    if gateway is None:
        return go_to(request, f"{address}?problem=gateway")
    try:
        session = start_setup(
            opened.customer,
            gateway=gateway.name,
            as_of=opened.as_of,
            actor=opened.actor,
            return_url=return_address(opened.customer.public_id),
        )
    except GatewayHeld:
        return go_to(request, f"{address}?problem=held")
    except GatewayError:
        return go_to(request, f"{address}?problem=gateway")
    return _leave(request, opened, session, opened.customer.public_id, address)
