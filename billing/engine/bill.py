"""A bill is a pure function of what was agreed, what was used and what was already billed.

``draft_bill`` says which lines one subscription is owed on a day; ``document.total_bill`` makes a
document of such lines. Renewal, first invoice, change, pause, cancellation, preview and catch-up
are the same call, and the call after it owes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from billing.engine import pricing
from billing.engine.agreement import Agreement, Item, Pause
from billing.engine.draft import Draft
from billing.engine.errors import InvalidAgreement
from billing.engine.lines import ONCE, RECURRING, Billed, Line
from billing.engine.metering import Usage
from billing.engine.periods import FOREVER, Cycle, Period, intersection, minus, periods
from billing.engine.recurring import bill_recurring
from billing.engine.usage import bill_usage


@dataclass(slots=True)
class Bill:
    """What one subscription owes on a day, and when to ask again.

    ``next_bill_on`` is the first later day on which something may be owed, empty for never;
    ``window_on`` is where the open window begins after this bill.
    """

    lines: list[Line]
    next_bill_on: date | None
    window_on: date


def draft_bill(
    agreement: Agreement, usage: Mapping[str, Usage], billed: Sequence[Billed], as_of: date
) -> Bill:
    """The lines that are owed by the end of ``as_of`` and not yet billed, and the corrections.

    ``usage`` holds the records of each meter; ``billed``, in order of issue, every charge line
    that ends inside the open window. Raises :class:`InvalidAgreement` for data that contradict
    each other.
    """
    _check_agreement(agreement)
    draft = Draft(agreement, usage, as_of)
    grid = _open_periods(draft)
    shifts = [pause for pause in agreement.pauses if pause.is_shifting and pause.end]
    by_item: dict[Any, list[Billed]] = {}
    for row in billed:
        moved = _shifted(row, shifts) if shifts and row.kind == RECURRING else row
        by_item.setdefault(row.stands_for or row.item, []).append(moved)
    for item in agreement.items:
        _check(item)
        if not item.quantity:
            continue
        rows = by_item.get(item.ref, [])
        if item.price.billing == "once":
            _bill_once(draft, item, rows)
        elif item.price.meter:
            bill_usage(draft, item, rows, grid)
        else:
            bill_recurring(draft, item, rows, grid)
    credits, charges = draft.credits, draft.charges
    if billed:
        _note_recharged(draft, [row for rows in by_item.values() for row in rows])
    credits.sort(key=_in_order_of_items)
    if shifts:
        _unshift(credits, billed, shifts)
    charges.sort(key=_in_reading_order)
    if as_of < draft.end < FOREVER:
        draft.next_on = min(draft.next_on, draft.end)
    # An open shifting pause stops the clock: the days that it will move must stay in sight.
    stopped = [pause.start for pause in agreement.pauses if pause.is_shifting and not pause.end]
    until = min(as_of, *stopped) if stopped else as_of
    begun = [period.start for period in grid if period.start <= until]
    window_on = _window_on(draft, begun) or grid[0].start
    return Bill(
        lines=credits + charges,
        next_bill_on=None if draft.next_on == FOREVER else draft.next_on,
        # What a window has settled no later one opens again.
        window_on=max(window_on, agreement.window_on or window_on),
    )


def _note_recharged(draft: Draft, rows: Sequence[Billed]) -> None:
    """Say of each charge for days which charge at its price had them before and gave them back, by
    this bill or an earlier one. The latest of its own item counts, or else the latest of another.
    """
    given_back = [
        (row, minus((row.start, row.end), row.days))
        for row in rows
        if row.kind == RECURRING and row.days != [(row.start, row.end)]
    ]
    given_back += [
        (credit.corrects, credit.given_back)
        for credit in draft.credits
        if credit.corrects and credit.corrects.kind == RECURRING
    ]
    if not given_back:
        return
    prices = {item.ref: item.price.ref for item in draft.agreement.items}
    for line in draft.charges:
        if line.covers != RECURRING or line.start is None or line.item is None:
            continue
        for row, spans in given_back:
            is_nearer = row.item == line.item.ref or not line.is_of_same_item
            if prices.get(row.item) != line.item.price.ref or not is_nearer:
                continue
            if any(start <= line.start < end for start, end in spans):
                line.recharges = row


def _window_on(draft: Draft, begun: Sequence[date]) -> date | None:
    """Where the open window begins: with the period before the last that has begun, if any.

    What was used on the morning of a day on which a pause, a change or an item's end stopped a
    meter belongs to the part that ended there. A window that began on such a day would still take
    that usage and no longer bill it, so it begins with an earlier period.
    """
    agreement = draft.agreement
    meters = {item.price.meter for item in agreement.items if item.price.meter}
    stops = {pause.start for pause in agreement.pauses}
    stops |= {item.end for item in agreement.items if item.price.meter and item.end}
    for day in reversed(begun[:-1]):
        if day not in stops or all(draft.is_metered_on(meter, day) for meter in meters):
            return day
    return None


def _shifted(row: Billed, shifts: Sequence[Pause]) -> Billed:
    """A line billed before a shifting pause, with the days from the pause on moved behind it."""
    days = row.days
    for pause in shifts:
        assert pause.end
        if row.start <= pause.start:
            by = pause.end - pause.start
            before = intersection(days, [(date.min, pause.start)])
            after = intersection(days, [(pause.start, FOREVER)])
            days = before + [(start + by, end + by) for start, end in after]
    return row if days is row.days else replace(row, days=days)


def _unshift(credits: Sequence[Line], billed: Sequence[Billed], shifts: Sequence[Pause]) -> None:
    """Say the days given back as the corrected lines know them, before any pause moved them."""
    originals = {(row.ref, row.stands_for): row for row in billed}
    for line in credits:
        assert line.corrects
        row = line.corrects = originals[line.corrects.ref, line.corrects.stands_for]
        for pause in reversed(shifts):
            assert pause.end
            if row.start <= pause.start:
                by = pause.end - pause.start
                line.given_back = [
                    (start - by, end - by) if start >= pause.end else (start, end)
                    for start, end in line.given_back
                ]


def _check_agreement(agreement: Agreement) -> None:
    cycles = agreement.cycles
    if not cycles or cycles[0].start > agreement.start:
        raise InvalidAgreement("The subscription has no billing cycle from its start.")
    if len(cycles) > 1 and any(old.start > new.start for old, new in pairwise(cycles)):
        raise InvalidAgreement("The billing cycles are not in the order of their starts.")
    for cycle in cycles:
        if cycle.tail_start is not None and cycle.tail_start < cycle.start:
            raise InvalidAgreement(
                f"The last period of a cycle begins on {cycle.tail_start}, "
                f"before the cycle on {cycle.start}."
            )
    if agreement.paid_from < agreement.start:
        raise InvalidAgreement(
            f"The trial ends on {agreement.paid_from}, before the start on {agreement.start}."
        )
    for pause in agreement.pauses:
        if pause.end is not None and pause.end < pause.start:
            raise InvalidAgreement(
                f"A pause ends on {pause.end}, before it starts on {pause.start}."
            )


def _check(item: Item) -> None:
    if item.end is not None and item.end < item.start:
        raise InvalidAgreement(
            f"The item {item.price.code} ends on {item.end}, before it starts on {item.start}."
        )
    if item.quantity < 0:
        raise InvalidAgreement(
            f"The item {item.price.code} has the negative quantity {item.quantity}.",
            code="negative_quantity",
        )


def _in_reading_order(line: Line) -> tuple[date, bool, int, date]:
    """By due date; of one day, what an ended version is owed last before what replaces it."""
    assert line.due_on and line.item and line.start
    is_ongoing = line.item.end is None or line.item.end > line.due_on
    return line.due_on, is_ongoing, line.item.position, line.start


def _in_order_of_items(line: Line) -> tuple[int, date, date]:
    assert line.item and line.corrects
    return line.item.position, line.item.start, line.corrects.start


def _open_periods(draft: Draft) -> Sequence[Period]:
    """The periods of the open window, and so far ahead that the next due day is among them."""
    agreement, as_of = draft.agreement, draft.as_of
    cycles = agreement.cycles
    ahead = max(
        as_of,
        agreement.paid_from,
        agreement.billed_until or as_of,
        *[pause.end or as_of for pause in agreement.pauses],
        *[item.start for item in agreement.items],
    )
    since = agreement.window_on
    if since is None and agreement.billed_until is not None:
        since = min(agreement.billed_until, as_of)
    since = max(since or cycles[0].start, cycles[0].start)
    return _periods_between(tuple(cycles), since, ahead, draft.end)


@lru_cache(maxsize=512)
def _periods_between(
    cycles: tuple[Cycle, ...], since: date, ahead: date, end: date
) -> tuple[Period, ...]:
    """Remembered, because in a batch many agreements share their grid and their window."""
    found = []
    for period in periods(cycles, since):
        found.append(period)
        if period.start > ahead or period.end >= end:
            break
    return tuple(found)


def _bill_once(draft: Draft, item: Item, rows: Sequence[Billed]) -> None:
    agreement = draft.agreement
    is_settled = item.start < (agreement.window_on or agreement.start) or (
        agreement.billed_until is not None and item.start < agreement.billed_until
    )
    if rows or is_settled or item.start >= draft.end or not draft.is_due(item.start):
        return
    rated = pricing.rate(item.price, item.quantity)
    amount_minor = draft.minor(rated.fixed + rated.variable)
    if amount_minor:
        draft.charges.append(
            Line(
                kind="one_off",
                item=item,
                amount_minor=amount_minor,
                start=item.start,
                end=item.start + timedelta(days=1),
                due_on=item.start,
                quantity=item.quantity,
                unit_amount=rated.unit_amount,
                tiers=rated.tiers,
                covers=ONCE,
            )
        )
