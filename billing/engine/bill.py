"""A bill is a pure function of what was agreed, what was used and what was already billed.

``draft_bill`` says which lines one subscription is owed on a day; ``total_bill`` makes a document
of such lines. Renewal, first invoice, change, pause, cancellation, preview and catch-up are the
same call, and the call after it owes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

from billing.engine import discounts, pricing, tax
from billing.engine.errors import InvalidAgreement
from billing.engine.metering import Usage
from billing.engine.money import EXACT, exponent, round_ratio
from billing.engine.periods import (
    FOREVER,
    Cycle,
    Period,
    Span,
    days_in,
    intersection,
    minus,
    periods,
)

RECURRING, USAGE, MINIMUM, ONCE = "recurring", "usage", "minimum", "once"


@dataclass(slots=True)
class Item:
    """One dated version ``[start, end)`` of one agreed price.

    ``keeps_paid``: days billed ahead stay billed when this version ends.
    """

    ref: Any
    price: pricing.Price
    quantity: Decimal
    start: date
    end: date | None = None
    keeps_paid: bool = False
    position: int = 0


@dataclass(slots=True)
class Pause:
    """Days without service. What becomes of the days billed ahead: with ``is_credited`` they come
    back, with ``is_shifting`` they move to after the pause, with neither they stay where they are.
    """

    start: date
    end: date | None = None
    is_credited: bool = True
    is_shifting: bool = False


@dataclass(slots=True)
class Agreement:
    """What one subscription has agreed to, in days of its own time zone.

    ``billed_until``: days before it were billed elsewhere. ``window_on``: the first day of the
    open window, before which everything is settled; empty before the first bill.
    """

    currency: str
    start: date
    paid_from: date
    cycles: Sequence[Cycle]
    items: Sequence[Item]
    pauses: Sequence[Pause] = ()
    end: date | None = None
    is_unused_credited_at_end: bool = False
    is_final_usage_billed: bool = True
    is_trial_usage_billed: bool = False
    billed_until: date | None = None
    window_on: date | None = None


@dataclass(slots=True)
class Billed:
    """A charge line issued earlier: the days it still covers and what is left of it.

    ``amount_minor`` is before discount, ``billed_minor`` after it; ``credited_minor`` of that has
    come back. ``days`` shrink as days are given back; ``start`` and ``end`` stay the line's.
    ``part`` is the line's, see there. Where a credit note has let days stand again that had been
    given back, they are a row of their own, kept as long as the item ``stands_for`` has them.
    """

    ref: Any
    item: Any
    kind: str
    start: date
    end: date
    days: list[Span]
    amount_minor: int
    billed_minor: int
    credited_minor: int = 0
    quantity: Decimal | None = None
    part: int = 0
    stands_for: Any = None


@dataclass(slots=True)
class Line:
    """One line of a bill, with its reason.

    ``amount_minor`` is before discount and tax, negative on a credit. ``days`` of ``of_days`` of
    the period are paid for (on a credit: given back, of the corrected line's). ``given_back`` are
    the days by which the corrected line's coverage shrinks, ``lowered_minor`` the amount before
    discount by which a usage or minimum line has come down. ``part`` tells the charges
    for one span of usage apart: the first is 0, what late usage added 1, 2, …
    """

    kind: str
    item: Item | None
    amount_minor: int
    start: date | None = None
    end: date | None = None
    due_on: date | None = None
    quantity: Decimal | None = None
    unit_amount: Decimal | None = None
    days: int | None = None
    of_days: int | None = None
    tiers: tuple[pricing.TierPart, ...] = ()
    covers: str = ""
    part: int = 0
    corrects: Billed | None = None
    given_back: list[Span] = field(default_factory=list)
    lowered_minor: int = 0
    context: Any = None
    discount_minor: int = 0
    net_minor: int = 0


@dataclass(slots=True)
class Bill:
    """What one subscription owes on a day, and when to ask again.

    ``next_bill_on`` is the first later day on which something may be owed, empty for never;
    ``window_on`` is where the open window begins after this bill.
    """

    lines: list[Line]
    next_bill_on: date | None
    window_on: date


class Draft:
    """The state of one call: what is due by ``as_of`` becomes lines, the rest the next day."""

    def __init__(self, agreement: Agreement, usage: Mapping[str, Usage], as_of: date):
        self.agreement, self.usage, self.as_of = agreement, usage, as_of
        self.scale = 10 ** exponent(agreement.currency)
        self.charges: list[Line] = []
        self.credits: list[Line] = []
        self.next_on = FOREVER
        self.end = agreement.end or FOREVER
        # A pause that was taken back on its first day keeps no day and cuts no period in two.
        self.pauses = [
            (pause.start, pause.end or FOREVER)
            for pause in agreement.pauses
            if pause.end != pause.start
        ]

    def is_due(self, on: date) -> bool:
        if on <= self.as_of:
            return True
        self.next_on = min(self.next_on, on)
        return False

    def minor(self, amount: Decimal, days: int = 1, of_days: int = 1) -> int:
        """``amount × days / of_days`` in minor units, rounded once, half away from zero."""
        numerator, denominator = amount.as_integer_ratio()
        return round_ratio(numerator * days * self.scale, denominator * of_days)

    def runs(self, item: Item) -> list[Span]:
        """The days on which an item is charged for: in force, paid and not paused."""
        agreement = self.agreement
        start = item.start
        if not (item.price.meter and agreement.is_trial_usage_billed):
            start = max(start, agreement.paid_from)
        if agreement.billed_until:
            start = max(start, agreement.billed_until)
        end = min(item.end or FOREVER, self.end)
        if start >= end:
            return []
        return minus((start, end), self.pauses) if self.pauses else [(start, end)]

    @property
    def usage_from(self) -> date:
        """The first day whose usage is charged for."""
        agreement = self.agreement
        first = agreement.start if agreement.is_trial_usage_billed else agreement.paid_from
        return max(first, agreement.billed_until or first)

    def item_of(self, row: Billed) -> Item | None:
        """The item that a line was billed for, if the agreement still tells of it."""
        return next((item for item in self.agreement.items if item.ref == row.item), None)

    def is_metered_on(self, meter: str, day: date) -> bool:
        """Whether some item charges for what a meter counts on a day."""
        return any(
            start <= day < end
            for item in self.agreement.items
            if item.price.meter == meter and item.quantity
            for start, end in self.runs(item)
        )


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
    credits.sort(key=_in_order_of_items)
    if shifts:
        _unshift(credits, billed, shifts)
    charges.sort(key=_in_reading_order)
    if as_of < draft.end < FOREVER:
        draft.next_on = min(draft.next_on, draft.end)
    # An open shifting pause stops the clock: the days that it will move must stay in sight.
    stopped = [pause.start for pause in agreement.pauses if pause.is_shifting and not pause.end]
    until = min(as_of, *stopped) if stopped else as_of
    started = [period.start for period in grid if period.start <= until]
    window_on = started[-2] if len(started) > 1 else grid[0].start
    return Bill(
        lines=credits + charges,
        next_bill_on=None if draft.next_on == FOREVER else draft.next_on,
        # What a window has settled no later one opens again.
        window_on=max(window_on, agreement.window_on or window_on),
    )


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


def parts_between(start: date, end: date, rows: Sequence[Billed]) -> list[Span]:
    """A span, cut where a line cuts it: what was billed as a part stays a part of its own,
    also when the end or the pause that cut it short has been taken back.
    """
    for row in rows:
        if start < row.start < end or start < row.end < end:
            edges = {edge for row in rows for edge in (row.start, row.end) if start < edge < end}
            return list(pairwise([start, *sorted(edges), end]))
    return [(start, end)]


def part_minor(draft: Draft, item: Item, amount: Decimal, days: int, period: Period) -> int:
    """What so many days of a period cost: days / days of the whole, or all of it unprorated."""
    if days == period.of_days or not item.price.is_prorated:
        return draft.minor(amount)
    return draft.minor(amount, days, period.of_days)


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


def add_credit(
    draft: Draft,
    item: Item,
    row: Billed,
    amount_minor: int,
    spans: list[Span],
    days: int,
    line_days: int,
    lowered_minor: int = 0,
) -> None:
    draft.credits.append(
        Line(
            kind="credit",
            item=draft.item_of(row) or item,
            amount_minor=-amount_minor,
            start=spans[0][0] if spans else row.start,
            end=spans[-1][1] if spans else row.end,
            due_on=draft.as_of,
            quantity=row.quantity if row.quantity is not None else item.quantity,
            days=days,
            of_days=line_days,
            corrects=row,
            given_back=spans,
            lowered_minor=lowered_minor,
        )
    )


def bill_usage(draft: Draft, item: Item, rows: Sequence[Billed], grid: Sequence[Period]) -> None:
    """Rate the usage of each part that has ended, and bill what differs from what was billed."""
    settled_until = draft.agreement.window_on or date.min
    is_final_given_away = not draft.agreement.is_final_usage_billed
    for run_start, run_end in draft.runs(item):
        for period in grid:
            run = max(period.start, run_start), min(period.end, run_end)
            if run[0] >= run[1]:
                continue
            for part in parts_between(*run, rows):
                end = part[1]
                if end <= settled_until or not draft.is_due(end):
                    continue
                if end == draft.end and is_final_given_away:
                    continue
                _bill_usage_part(draft, item, rows, part, period)
    for day in _lone_days(draft, item):
        is_given_away = day == draft.end and is_final_given_away
        if day >= settled_until and draft.is_due(day) and not is_given_away:
            _bill_lone_day(draft, item, rows, day)


def _used(draft: Draft, item: Item, part: Span) -> tuple[Decimal, Sequence[Decimal]]:
    """The quantity of a part, and the single values where the price asks for them.

    What was used on the day of an end, a pause or a change, before it, belongs to what has ended
    there, unless the meter goes on that day: what was accepted is billed.
    """
    assert item.price.meter
    used = draft.usage.get(item.price.meter)
    if used is None:
        return Decimal(0), ()
    start, end = part
    if not draft.is_metered_on(item.price.meter, end):
        end += timedelta(days=1)
    events = used.events(start, end) if item.price.model == "percentage" else ()
    return used.total(start, end), events


def _lone_days(draft: Draft, item: Item) -> Iterator[date]:
    """Days on which an item began and ended or paused at once, so that no part has their usage."""
    if not item.price.meter or item.price.meter not in draft.usage:
        return
    meter = item.price.meter
    stops = {item.end or FOREVER, draft.end, *(start for start, _ in draft.pauses)}
    for day in sorted(stops):
        if day == FOREVER or not item.start <= day <= min(item.end or FOREVER, draft.end):
            continue
        if day < draft.usage_from or draft.is_metered_on(meter, day):
            continue
        # Within a pause nothing is counted; what ends there has nothing left to bill.
        if any(start < day < end for start, end in draft.pauses):
            continue
        others = [
            other
            for other in draft.agreement.items
            if other.price.meter == meter and other.quantity
        ]
        if any(day == end for other in others for _, end in draft.runs(other)):
            continue
        begun = [one for one in others if one.start <= day]
        if begun and item is max(begun, key=lambda one: (one.start, one.position, one.ref)):
            yield day


def _bill_lone_day(draft: Draft, item: Item, rows: Sequence[Billed], day: date) -> None:
    """Usage alone: an item without a whole day in force owes no flat amounts and no minimum."""
    part = day, day + timedelta(days=1)
    quantity, events = _used(draft, item, (day, day))
    parts = [row for row in rows if row.kind == USAGE and (row.start, row.end) == part]
    rated = pricing.rate(item.price, quantity, events)
    amount_minor = draft.minor(rated.variable)
    if amount_minor or parts:
        reason = Line(
            kind="usage",
            item=item,
            amount_minor=amount_minor,
            start=part[0],
            end=part[1],
            due_on=day,
            quantity=quantity,
            unit_amount=rated.unit_amount,
            tiers=rated.tiers,
            covers=USAGE,
        )
        bill_difference(draft, reason, parts)


def _bill_usage_part(
    draft: Draft, item: Item, rows: Sequence[Billed], part: Span, period: Period
) -> None:
    start, end = part
    quantity, events = _used(draft, item, part)
    rated = pricing.rate(item.price, quantity, events)
    days = (end - start).days
    amount_minor = draft.minor(rated.variable)
    if rated.fixed:
        amount_minor = _metered_minor(draft, item, rated, days, period)
    if amount_minor or rows:
        reason = Line(
            kind="usage",
            item=item,
            amount_minor=amount_minor,
            start=start,
            end=end,
            due_on=end,
            quantity=quantity,
            unit_amount=rated.unit_amount,
            days=days,
            of_days=period.of_days,
            tiers=rated.tiers,
            covers=USAGE,
        )
        parts = [row for row in rows if row.kind == USAGE and (row.start, row.end) == part]
        bill_difference(draft, reason, parts)
    if item.price.minimum_amount:
        minimums = [row for row in rows if row.kind == MINIMUM]
        bill_minimum(draft, item, minimums, part, period, amount_minor)


def _metered_minor(
    draft: Draft, item: Item, rated: pricing.Rated, days: int, period: Period
) -> int:
    """Usage in full and the flat amounts by days, rounded together."""
    if not item.price.is_prorated or days == period.of_days:
        return draft.minor(rated.fixed + rated.variable)
    fixed, variable = rated.fixed.as_integer_ratio(), rated.variable.as_integer_ratio()
    numerator = fixed[0] * days * variable[1] + variable[0] * fixed[1] * period.of_days
    return round_ratio(numerator * draft.scale, fixed[1] * period.of_days * variable[1])


def bill_minimum(
    draft: Draft,
    item: Item,
    rows: Sequence[Billed],
    span: Span,
    period: Period,
    price_minor: int,
) -> None:
    """What the price falls short of its minimum, judged when the part has ended."""
    assert item.price.minimum_amount
    days = (span[1] - span[0]).days
    minimum_minor = part_minor(draft, item, item.price.minimum_amount, days, period)
    reason = Line(
        kind="minimum",
        item=item,
        amount_minor=max(0, minimum_minor - price_minor),
        start=span[0],
        end=span[1],
        due_on=span[1],
        days=days,
        of_days=period.of_days,
        covers=MINIMUM,
    )
    bill_difference(draft, reason, [row for row in rows if (row.start, row.end) == span])


def bill_difference(draft: Draft, owed: Line, parts: Sequence[Billed]) -> None:
    """Bill what is owed beyond what was; where too much was billed, correct the newest first."""
    difference_minor = owed.amount_minor - sum(row.amount_minor for row in parts)
    if difference_minor > 0:
        owed.amount_minor = difference_minor
        owed.part = max(len(parts), *(row.part + 1 for row in parts)) if parts else 0
        for row in parts:
            if owed.quantity is not None and row.quantity is not None:
                owed.quantity = EXACT.subtract(owed.quantity, row.quantity)
        draft.charges.append(owed)
        return
    assert owed.item
    for row in reversed(parts):
        if not difference_minor:
            break
        lowered_minor = min(-difference_minor, row.amount_minor)
        if not lowered_minor:
            continue
        difference_minor += lowered_minor
        # The amount has come down with every credit, so its share is one of what is left.
        left_minor = row.billed_minor - row.credited_minor
        amount_minor = round_ratio(left_minor * lowered_minor, row.amount_minor)
        if not amount_minor:
            continue
        days = (row.end - row.start).days
        add_credit(draft, owed.item, row, amount_minor, [], days, days, lowered_minor)


@dataclass(slots=True)
class Document:
    """An invoice, or with ``is_credit_note`` what gives money back; no amount is negative then.

    ``subtotal`` is all lines but discount and rounding; ``total = net + tax + rounding``.
    """

    is_credit_note: bool
    lines: list[Line]
    taxes: tuple[tax.TaxGroup, ...]
    subtotal_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int
    rounding_minor: int
    total_minor: int
    credit_applied_minor: int = 0
    discounted: list[int] = field(default_factory=list)

    @property
    def amount_due_minor(self) -> int:
        return self.total_minor - self.credit_applied_minor


def total_bill(
    lines: Sequence[Line],
    treatments: Sequence[tax.Treatment],
    *,
    currency: str,
    coupons: Sequence[tuple[discounts.Discount, Sequence[int]]] = (),
    rounds_to_whole: bool = False,
    balance_minor: int = 0,
) -> Document:
    """Make a document of lines: discount, then tax, then rounding, then the customer's balance.

    ``treatments`` stand beside the lines; each coupon names the lines it applies to by index.
    ``discounted`` of the answer is what each coupon took off.
    """
    shares = discounts.share([line.amount_minor for line in lines], coupons) if coupons else []
    if shares:
        for line, *parts in zip(lines, *shares, strict=True):
            line.discount_minor = sum(parts)
    taxed = tax.tax_document(
        [
            (line.amount_minor - line.discount_minor, treatment)
            for line, treatment in zip(lines, treatments, strict=True)
        ]
    )
    for line, net_minor in zip(lines, taxed.line_nets, strict=True):
        line.net_minor = net_minor
    gross_minor = taxed.gross_minor
    rounding_minor = 0
    if rounds_to_whole:
        unit = 10 ** exponent(currency)
        rounding_minor = round_ratio(gross_minor, unit) * unit - gross_minor
    document = Document(
        is_credit_note=gross_minor + rounding_minor < 0,
        lines=list(lines),
        taxes=taxed.groups,
        subtotal_minor=sum(line.amount_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
        net_minor=taxed.net_minor,
        tax_minor=taxed.tax_minor,
        rounding_minor=rounding_minor,
        total_minor=gross_minor + rounding_minor,
        discounted=[sum(by_line) for by_line in shares],
    )
    if document.is_credit_note:
        return _turned(document)
    document.credit_applied_minor = min(max(balance_minor, 0), document.total_minor)
    return document


def _turned(document: Document) -> Document:
    """The same document seen by who gets the money: every sign the other way."""
    lines = [
        replace(
            line,
            amount_minor=-line.amount_minor,
            discount_minor=-line.discount_minor,
            net_minor=-line.net_minor,
        )
        for line in document.lines
    ]
    return Document(
        is_credit_note=True,
        lines=lines,
        taxes=tuple(
            tax.TaxGroup(
                group.category,
                group.percent,
                group.is_inclusive,
                group.name,
                -group.net_minor,
                -group.tax_minor,
            )
            for group in document.taxes
        ),
        subtotal_minor=-document.subtotal_minor,
        discount_minor=-document.discount_minor,
        net_minor=-document.net_minor,
        tax_minor=-document.tax_minor,
        rounding_minor=-document.rounding_minor,
        total_minor=-document.total_minor,
        discounted=[-amount for amount in document.discounted],
    )
