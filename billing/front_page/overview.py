"""How the company is doing: the sums and the chart of the operator's front page."""

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import perf_counter
from typing import Any

from babel.dates import format_date
from django.core.cache import cache
from django.db.models import F, Q, Sum
from django.db.models.functions import TruncMonth
from django.utils.translation import pgettext

from billing.base import clock
from billing.desk.figures import page_locale
from billing.engine.money import to_major
from billing.front_page.scope import Scope
from billing.invoicing.models import Invoice
from billing.invoicing.owed import IS_ONLY_ORDERED, IS_OWED, LEFT_MINOR
from billing.payments.models import Payment

MONTHS = 12
# Sums that take longer than this are kept for the next who asks, and added up anew by the tick.
SLOW_S = 0.15
KEPT_S = 600
ANEW_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Sums:
    """A currency's sums, in minor units; revenue is net of VAT and of what was credited."""

    currency: str
    billed_minor: int
    collected_minor: int
    overdue_minor: int
    revenue_minor: tuple[tuple[date, int], ...]


def shown_sums(today: date, scope: Scope) -> tuple[list[Sums], datetime | None]:
    """The sums and the moment that they are of, None for now: over a million documents they take
    longer than anybody should wait for a page.
    """
    kept: tuple[list[Sums], datetime] | None = cache.get(_place(today, scope))
    return kept or _kept_if_slow(today, scope)


def add_up(today: date, scope: Scope) -> None:
    """Have the sums ready for whoever asks next; for the tick."""
    kept = cache.get(_place(today, scope))
    if not kept or clock.now() - kept[1] >= ANEW_AFTER:
        _kept_if_slow(today, scope)


def _kept_if_slow(today: date, scope: Scope) -> tuple[list[Sums], datetime | None]:
    began, now = perf_counter(), clock.now()
    found = sums_of(today, scope)
    if perf_counter() - began < SLOW_S:
        return found, None
    cache.set(_place(today, scope), (found, now), KEPT_S)
    return found, now


def _place(today: date, scope: Scope) -> str:
    whose = scope.chosen.pk if scope.chosen else "live" if scope.is_live else "test"
    return f"sums:{whose}:{today}"


def sums_of(today: date, scope: Scope) -> list[Sums]:
    """Sums of this month, and revenue of the last twelve, by currency; the largest one first."""
    whose, first = _whose(scope), today.replace(day=1)
    revenue = _revenue(whose, first)
    collected = dict(
        Payment.objects.filter(whose, state=Payment.State.SUCCEEDED, received_on__gte=first)
        .values_list("currency")
        .annotate(minor=Sum(F("amount_minor") - F("refunded_minor")))
    )
    overdue = dict(
        Invoice.objects.filter(IS_OWED, whose, due_on__lt=today)
        .values_list("currency")
        .annotate(minor=Sum(LEFT_MINOR))
    )
    months = [_months_before(first, back) for back in range(MONTHS - 1, -1, -1)]
    found = [
        Sums(
            currency=currency,
            billed_minor=revenue[currency][first],
            collected_minor=collected.get(currency, 0),
            overdue_minor=overdue.get(currency, 0),
            revenue_minor=tuple((month, revenue[currency][month]) for month in months),
        )
        for currency in sorted({*revenue, *collected, *overdue})
    ]
    return sorted(found, key=lambda sums: -sum(minor for _, minor in sums.revenue_minor))


def _whose(scope: Scope) -> Q:
    """A question that is as quick for many sellers as for one."""
    return Q(seller=scope.chosen) if scope.chosen else Q(seller__is_live=scope.is_live)


def _revenue(whose: Q, first: date) -> dict[str, dict[date, int]]:
    """{currency: {month: what was billed less what was credited}}."""
    issued = Invoice.objects.filter(
        whose, issued_on__gte=_months_before(first, MONTHS - 1)
    ).exclude(Q(status__in=[Invoice.Status.DRAFT, Invoice.Status.VOID]) | IS_ONLY_ORDERED)
    rows = (
        issued.annotate(month=TruncMonth("issued_on"))
        .values_list("currency", "month", "kind")
        .annotate(minor=Sum("net_minor"))
    )
    found: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for currency, month, kind, minor in rows.order_by():
        found[currency][month] += minor if kind == Invoice.Kind.INVOICE else -minor
    return found


def _months_before(first: date, back: int) -> date:
    for _ in range(back):
        first = (first - timedelta(days=1)).replace(day=1)
    return first


def chart_title(sums: Sums) -> str:
    return pgettext("desk", "Revenue per month, net, %(currency)s") % {"currency": sums.currency}


def chart_of(sums: Sums) -> str:
    """The revenue of a currency by month, as the admin's charts take it: JSON for Chart.js."""
    bars: dict[str, Any] = {
        "label": pgettext("desk", "Revenue, net, %(currency)s") % {"currency": sums.currency},
        # In whole units, which is as much as a bar can show.
        "data": [round(to_major(minor, sums.currency)) for _, minor in sums.revenue_minor],
        "backgroundColor": "var(--color-primary-600)",
        "maxBarThickness": 40,
        "borderRadius": 4,
        "displayYAxis": True,
    }
    labels = [format_date(month, "MMM yy", locale=page_locale()) for month, _ in sums.revenue_minor]
    return json.dumps({"labels": labels, "datasets": [bars]})
