"""The first page: what do I owe, what do I have, when is the next payment."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from billing.payments.outlook import what_becomes_of
from portal.cards import cards_of
from portal.debts import what_comes_of
from portal.next_payment import next_payment_of
from portal.queries import SHOWN_MAX, Debt, balances_of, debts_of, subscriptions_of, usable_method
from portal.visits import Visit, for_customers, show_to
from portal.words import writer


@require_safe
@for_customers
def home(request: HttpRequest, visit: Visit) -> HttpResponse:
    method = usable_method(visit.customer)
    before = request.GET.get("before", "")
    found = subscriptions_of(visit.customer, visit.subscription(before) if before else None)
    page = found[:SHOWN_MAX]
    cards = cards_of(page, visit.as_of)
    context = {
        "debts": [_debt(debt, visit) for debt in debts_of(visit.customer)],
        "balances": balances_of(visit.customer),
        "cards": [card for card in cards if not card.is_over],
        "ended": [card for card in cards if card.is_over],
        "has_bills_to_come": any(not card.is_over for card in cards),
        "is_first": not before,
        "more_after": page[-1].public_id if len(found) > SHOWN_MAX else "",
        "next": next_payment_of(visit, method),
        "has_usage": any(card.usage for card in cards if not card.is_over),
    }
    return show_to(request, visit, "portal/home.html", context, section="home")


def _debt(debt: Debt, visit: Visit) -> dict[str, Any]:
    """What is owed in one currency, by when, and the one invoice that is paid first."""
    write = writer(debt.currency)
    first = debt.invoices[0]
    outlook = what_becomes_of(first, visit.as_of)
    return {
        "amount": write.money(debt.owed_minor),
        "sentence": what_comes_of(first, outlook, visit.as_of),
        "is_late": first.due_on < visit.as_of or has_failed(first),
        "first": first,
        "count": len(debt.invoices),
    }


def has_failed(invoice: Any) -> bool:
    """As :func:`portal.queries.documents_of` has annotated it."""
    return bool(invoice.has_failed)
