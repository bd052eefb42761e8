"""A bill in the making: what is due, what days cost, and how charges and credits join it."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise

from billing.engine.agreement import Agreement, Item
from billing.engine.lines import MINIMUM, Billed, Line
from billing.engine.metering import Usage
from billing.engine.money import EXACT, exponent, round_ratio
from billing.engine.periods import FOREVER, Period, Span, minus


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
