"""Where the gateway sends customers back to: what has come of it, as the gateway has it."""

from collections.abc import Iterator
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from billing.engine.errors import BillingError
from billing.payments.models import CheckoutSession, Payment, PaymentMethod
from billing.payments.outlook import what_becomes_of
from billing.payments.sessions import complete_session
from customers.models import Customer
from portal.debts import what_comes_of
from portal.paying import session_of
from portal.queries import debts_of
from portal.refusals import sentence_of
from portal.visits import Visit, for_customers, show_to
from portal.words import writer

# So many debts are told of one by one; the others are in the list of invoices.
DEBTS_MAX = 5


@require_safe
@for_customers
def back(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Ask the gateway, as often as this is opened, and say what it says."""
    session = session_of(visit, request.GET.get("session", "")[:80])
    if session is None:
        raise Http404
    problem = ""
    try:
        session = complete_session(session, as_of=visit.as_of, actor=visit.actor)
    except BillingError as error:
        problem = sentence_of(error)
    is_setup = session.kind == CheckoutSession.Kind.SETUP
    context = {"problem": problem, **(_card_left(session, visit) if is_setup else _paid(session))}
    section = "methods" if is_setup else "invoices"
    return show_to(request, visit, "portal/back.html", context, section=section)


def _card_left(session: CheckoutSession, visit: Visit) -> dict[str, Any]:
    method = (
        PaymentMethod.objects.filter(customer=session.customer_id, is_default=True).first()
        if session.status == CheckoutSession.Status.COMPLETE
        else None
    )
    outcome = "open" if session.status == CheckoutSession.Status.OPEN else "card_not_added"
    return {
        "outcome": "card_added" if method else outcome,
        "method": method.in_words() if method else "",
        "retry_url": session.url if outcome == "open" else "",
        "is_charged": visit.customer.collection == Customer.Collection.AUTOMATIC,
        "open_invoices": list(_open_invoices(visit)) if method else [],
    }


def _open_invoices(visit: Visit) -> Iterator[dict[str, str]]:
    """What becomes of that which is owed already, now that there is a card; what is due first."""
    owed = [invoice for debt in debts_of(visit.customer) for invoice in debt.invoices]
    for invoice in sorted(owed, key=lambda each: each.due_on)[:DEBTS_MAX]:
        yield {
            "public_id": invoice.public_id,
            "number": str(invoice.number),
            "amount": writer(invoice.currency).money(invoice.left_minor),
            "comes": what_comes_of(invoice, what_becomes_of(invoice, visit.as_of), visit.as_of),
        }


def _paid(session: CheckoutSession) -> dict[str, Any]:
    payment = session.payment
    assert payment is not None
    payment.refresh_from_db()
    allocation = payment.allocations.select_related("invoice").order_by("pk").first()
    outcome = {
        Payment.State.SUCCEEDED: "paid",
        Payment.State.CANCELED: "not_paid",
        Payment.State.FAILED: "not_paid",
    }.get(Payment.State(payment.state), "waiting")
    is_open = session.status == CheckoutSession.Status.OPEN
    return {
        "outcome": "open" if is_open and outcome == "waiting" else outcome,
        "amount": writer(payment.currency).money(payment.amount_minor),
        "payment": payment,
        "invoice": allocation.invoice if allocation else None,
        "retry_url": session.url if is_open else "",
    }
