"""A customer's account without a database: what was billed, kept as the database keeps it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from billing.engine.agreement import Agreement, Item
from billing.engine.bill import Bill, draft_bill
from billing.engine.lines import ONCE, Billed, Line
from billing.engine.metering import Meter, Usage
from billing.engine.periods import Cycle, Grid, Span, anchored_on, days_in, intersection, minus
from billing.engine.pricing import Price

D = Decimal
APRIL = date(2026, 4, 1)


def april(day: int) -> date:
    return date(2026, 4, day)


def may(day: int) -> date:
    return date(2026, 5, day)


def june(day: int) -> date:
    return date(2026, 6, day)


def flat(amount: str, code: str = "fee", billing: str = "in_advance", **settings: Any) -> Price:
    return Price(code, "flat", billing, amount=D(amount), **settings)


def per_unit(
    amount: str, code: str = "seats", billing: str = "in_advance", **settings: Any
) -> Price:
    return Price(code, "per_unit", billing, amount=D(amount), **settings)


def metered(amount: str, code: str = "calls", **settings: Any) -> Price:
    return per_unit(amount, code, "in_arrears", meter="calls", **settings)


def item(
    ref: int,
    price: Price,
    start: date = APRIL,
    end: date | None = None,
    quantity: str = "1",
    **more: Any,
) -> Item:
    return Item(ref, price, D(quantity), start, end, **more)


def agreed(*items: Item, start: date = APRIL, grid: Grid | None = None, **more: Any) -> Agreement:
    """A monthly agreement from 1 April 2026 in euro, unless told otherwise."""
    more.setdefault("paid_from", start)
    more.setdefault("cycles", [Cycle(start, grid or anchored_on("month", 1, start))])
    return Agreement(more.pop("currency", "EUR"), start, items=list(items), **more)


def used(*records: tuple[date, int], **settings: Any) -> dict[str, Usage]:
    ordered = sorted(records, key=lambda record: record[0])
    days, values = [day for day, _ in ordered], [D(value) for _, value in ordered]
    return {"calls": Usage(Meter(**settings), days, values)}


Shown = tuple[str, str, str, str, int]


def shown(lines: Sequence[Line]) -> list[Shown]:
    """What a reader of the bill sees: kind, price, first day, day after the last, minor units."""
    return [
        (
            line.kind,
            line.item.price.code if line.item else "",
            f"{line.start:%m-%d}" if line.start else "",
            f"{line.end:%m-%d}" if line.end else "",
            line.amount_minor,
        )
        for line in lines
    ]


class Account:
    """Takes the lines of each bill the way the database will, and refuses what it would refuse.

    ``discount`` says what is taken off a charge, in minor units.
    """

    def __init__(self, discount: Callable[[Line], int] | None = None) -> None:
        self.rows: list[Billed] = []
        self.lines: list[Line] = []
        self.window_on: date | None = None
        self.next_bill_on: date | None = None
        self._discount = discount

    def draft(self, agreement: Agreement, usage: Mapping[str, Usage], on: date) -> Bill:
        """Draft from what the database would load: copies, and nothing from before the window."""
        since = self.window_on or agreement.start
        seen = replace(
            agreement,
            window_on=self.window_on,
            items=[one for one in agreement.items if one.end is None or one.end >= since],
            pauses=[one for one in agreement.pauses if one.end is None or one.end >= since],
        )
        rows = [replace(row, days=list(row.days)) for row in self.rows if row.end > since]
        return draft_bill(seen, usage, rows, on)

    def bill(
        self, agreement: Agreement, on: date, usage: Mapping[str, Usage] | None = None
    ) -> list[Shown]:
        bill = self.draft(agreement, usage or {}, on)
        for line in bill.lines:
            if line.kind == "credit":
                self._credit(line)
            else:
                self._charge(line)
        self.lines += bill.lines
        self.window_on, self.next_bill_on = bill.window_on, bill.next_bill_on
        return shown(bill.lines)

    def _charge(self, line: Line) -> None:
        assert line.item and line.start and line.end and line.start < line.end
        assert line.amount_minor > 0 and line.covers and line.corrects is None
        line.discount_minor = self._discount(line) if self._discount else 0
        days = [(line.start, line.end)]
        for row in self.rows:
            if (row.item, row.kind, row.part) == (line.item.ref, line.covers, line.part):
                assert line.covers != ONCE, "billed twice"
                assert not intersection(row.days, days), f"{shown([line])} billed twice"
        self.rows.append(
            Billed(
                ref=len(self.rows) + 1,
                item=line.item.ref,
                kind=line.covers,
                start=line.start,
                end=line.end,
                days=days,
                amount_minor=line.amount_minor,
                billed_minor=line.amount_minor - line.discount_minor,
                quantity=line.quantity if line.covers == "usage" else None,
                part=line.part,
            )
        )

    def _credit(self, line: Line) -> None:
        assert line.corrects and line.amount_minor < 0
        row = self.row(line.corrects.ref)
        assert row.item == line.corrects.item
        assert days_in(intersection(row.days, line.given_back)) == days_in(line.given_back)
        row.credited_minor -= line.amount_minor
        assert row.credited_minor <= row.billed_minor, "more given back than billed"
        row.days = [part for old in row.days for part in minus(old, line.given_back)]
        row.amount_minor -= line.lowered_minor
        assert row.amount_minor >= 0

    def row(self, ref: int) -> Billed:
        return next(row for row in self.rows if row.ref == ref)

    def covered(self, item_ref: int, kind: str = "recurring") -> list[Span]:
        """The days that lines of one item cover, in order."""
        return sorted(
            span
            for row in self.rows
            if (row.item, row.kind) == (item_ref, kind)
            for span in row.days
        )

    @property
    def net_minor(self) -> int:
        """What was billed, after discount, less what has come back."""
        return sum(row.billed_minor - row.credited_minor for row in self.rows)
