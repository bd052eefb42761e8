"""What metered prices cost: rated when the days of the usage have ended."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from billing.engine import pricing
from billing.engine.agreement import Item
from billing.engine.draft import Draft, bill_difference, bill_minimum, parts_between
from billing.engine.lines import MINIMUM, USAGE, Billed, Line
from billing.engine.money import round_ratio
from billing.engine.periods import FOREVER, Period, Span


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
