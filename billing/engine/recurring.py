"""What prices cost for days: charged where it is owed, given back where it no longer is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from billing.engine import pricing
from billing.engine.agreement import Item
from billing.engine.draft import Draft, add_credit, bill_minimum, part_minor, parts_between
from billing.engine.lines import MINIMUM, RECURRING, Billed, Line
from billing.engine.money import round_ratio
from billing.engine.periods import FOREVER, Period, Span, days_in, intersection, minus


def bill_recurring(
    draft: Draft, item: Item, rows: Sequence[Billed], grid: Sequence[Period]
) -> None:
    """Give back the days covered and no longer owed; charge the days owed and not covered."""
    _give_back(draft, item, [row for row in rows if row.stands_for])
    own = [row for row in rows if row.kind == RECURRING and not row.stands_for]
    charged = _give_back(draft, item, own)
    minimums = [row for row in rows if row.kind == MINIMUM]
    settled_until = draft.agreement.window_on or date.min
    covered = [span for row in charged for span in row.days]
    if grid[0].start < settled_until:
        covered.append((grid[0].start, settled_until))
    is_ahead = item.price.billing == "in_advance"
    rated = pricing.rate(item.price, item.quantity)
    total = rated.fixed + rated.variable
    for run_start, run_end in draft.runs(item):
        for period in grid:
            start, end = max(period.start, run_start), min(period.end, run_end)
            if start >= end:
                continue
            if draft.is_due(start if is_ahead else end) and (start, end) not in covered:
                spans = minus((start, end), covered) if covered else [(start, end)]
                for span in spans:
                    _charge_days(draft, item, rated, total, span, period, charged)
            if item.price.minimum_amount:
                for part in parts_between(start, end, minimums):
                    if part[1] > settled_until and draft.is_due(part[1]):
                        days = (part[1] - part[0]).days
                        price_minor = part_minor(draft, item, total, days, period)
                        bill_minimum(draft, item, minimums, part, period, price_minor)


def _charge_days(
    draft: Draft,
    item: Item,
    rated: pricing.Rated,
    total: Decimal,
    span: Span,
    period: Period,
    charged: list[Billed],
) -> None:
    """One line for a span of days; the part that completes a period costs what is left of it.

    No part costs more than that. A part that is charged now joins ``charged``, so that the next
    one knows of it.
    """
    days = (span[1] - span[0]).days
    amount_minor = part_minor(draft, item, total, days, period)
    if days < period.of_days:
        parts = [
            row
            for row in charged
            if period.start <= row.start and row.end <= period.end and row.days
        ]
        if parts and not item.price.is_prorated:
            return
        if parts and all(row.days == [(row.start, row.end)] for row in parts):
            left_minor = draft.minor(total) - sum(row.amount_minor for row in parts)
            is_last = days + sum(days_in(row.days) for row in parts) == period.of_days
            amount_minor = left_minor if is_last else min(amount_minor, left_minor)
        if amount_minor:
            part = Billed(None, item.ref, RECURRING, *span, [span], amount_minor, amount_minor)
            charged.append(part)
    if amount_minor:
        draft.charges.append(
            Line(
                kind="recurring",
                item=item,
                amount_minor=amount_minor,
                start=span[0],
                end=span[1],
                due_on=span[0] if item.price.billing == "in_advance" else span[1],
                quantity=item.quantity,
                unit_amount=rated.unit_amount,
                days=days,
                of_days=period.of_days,
                tiers=rated.tiers,
                covers=RECURRING,
            )
        )


def _lost(draft: Draft, item: Item) -> list[Span]:
    """The days that an end or a pause, in force by now, has taken the service of.

    Days that an end leaves paid stay paid, whatever happens on them later.
    """
    agreement, end, item_end = draft.agreement, draft.end, item.end or FOREVER
    kept_from, taken = FOREVER, []
    if item_end < FOREVER:
        if not item.keeps_paid:
            taken.append((item_end, FOREVER))
        elif item_end <= end:
            kept_from = item_end
    if agreement.is_unused_credited_at_end:
        taken.append((end, FOREVER))
    elif end <= item_end:
        kept_from = end
    for pause in agreement.pauses:
        if pause.is_credited:
            taken.append((pause.start, pause.end or FOREVER))
    return [
        (start, min(until, kept_from))
        for start, until in taken
        if start < min(until, kept_from) and draft.is_due(start)
    ]


def _give_back(draft: Draft, item: Item, charged: list[Billed]) -> list[Billed]:
    """Credit the covered days that have lost their service; the lines with the days they keep.

    A price that is not prorated is owed in full while any of its days is. Days whose credit
    would be zero stay covered: no line could say that they came back.
    """
    lost = _lost(draft, item) if charged else ()
    if not lost:
        return charged
    left = []
    for row in charged:
        kept = row.days
        for span in lost:
            kept = [part for old in kept for part in minus(old, [span])]
        given_back = days_in(row.days) - days_in(kept)
        left_minor = row.billed_minor - row.credited_minor
        line_days = (row.end - row.start).days
        amount_minor = min(round_ratio(row.billed_minor * given_back, line_days), left_minor)
        if not kept:
            amount_minor = left_minor
        if not given_back or not amount_minor or (kept and not item.price.is_prorated):
            left.append(row)
            continue
        spans = [part for old in row.days for part in _without(old, kept)]
        add_credit(draft, item, row, amount_minor, spans, given_back, line_days)
        left.append(replace(row, days=kept))
    return left


def _without(span: Span, kept: Sequence[Span]) -> list[Span]:
    return minus(span, intersection([span], kept))
