"""The grid of billing periods: boundaries, anchors, stubs and spans of days.

Spans are half-open, ``[start, end)``. A boundary is always counted from the anchor and never from
the boundary before it, so 31 January is followed by 28 February and then by 31 March.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from billing.engine.errors import InvalidAgreement

UNITS = ("day", "week", "month", "year")
FOREVER = date.max

Span = tuple[date, date]


def _clamped(month_index: int, day: int) -> date:
    """The given day of a month counted from year 0, or that month's last where it has fewer."""
    year, month = divmod(month_index, 12)
    if day > 28:
        day = min(day, monthrange(year, month + 1)[1])
    return date(year, month + 1, day)


@dataclass(frozen=True, slots=True)
class Grid:
    """Boundaries at ``anchor ± n × count`` units; ``day`` is what a month's boundary clamps."""

    unit: str
    count: int
    anchor: date
    day: int

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InvalidAgreement(
                f"“{self.unit}” is not an interval. Use one of {', '.join(UNITS)}."
            )
        if self.count < 1:
            raise InvalidAgreement(
                f"An interval must count at least 1, not {self.count}.", code="invalid_interval"
            )

    def boundary(self, n: int) -> date:
        """The n-th boundary from the anchor; negative n lie before it."""
        if self.unit == "month":
            return _clamped(self._anchor_month() + n * self.count, self.day)
        if self.unit == "year":
            return _clamped(self._anchor_month() + n * self.count * 12, self.day)
        days = self.count * 7 if self.unit == "week" else self.count
        return self.anchor + timedelta(days=n * days)

    def index(self, on: date) -> int:
        """The number of the period that contains a day: the last n with ``boundary(n) <= on``."""
        if self.unit in ("month", "year"):
            step = self.count * (12 if self.unit == "year" else 1)
            n = (on.year * 12 + on.month - 1 - self._anchor_month()) // step
            return n if self.boundary(n) <= on else n - 1
        return (on - self.anchor).days // (self.count * 7 if self.unit == "week" else self.count)

    def period(self, on: date) -> Span:
        """The whole grid period that contains a day."""
        n = self.index(on)
        return self.boundary(n), self.boundary(n + 1)

    def next_boundary(self, on: date) -> date:
        """The first boundary on or after a day."""
        n = self.index(on)
        start = self.boundary(n)
        return start if start == on else self.boundary(n + 1)

    def _anchor_month(self) -> int:
        return self.anchor.year * 12 + self.anchor.month - 1


def anchored_on(unit: str, count: int, anchor: date) -> Grid:
    """The grid through a date, at any distance before or after what it is used for."""
    return Grid(unit, count, anchor, anchor.day)


def anchored_on_day(unit: str, count: int, day: int, paid_from: date) -> Grid:
    """The grid through the first date on or after ``paid_from`` whose day is ``day``, clamped.

    ``day`` is a day of the month, or an ISO weekday for weeks. Raises
    :class:`InvalidAgreement` for day intervals and for days that do not exist.
    """
    if unit == "day":
        raise InvalidAgreement(
            "An anchor day means nothing for an interval of days.",
            code="anchor_day_without_meaning",
        )
    if unit == "week":
        if not 1 <= day <= 7:
            raise InvalidAgreement(f"{day} is not a weekday: 1 is Monday, 7 is Sunday.")
        anchor = paid_from + timedelta(days=(day - paid_from.isoweekday()) % 7)
        return Grid(unit, count, anchor, anchor.day)
    if not 1 <= day <= 31:
        raise InvalidAgreement(f"{day} is not a day of a month.")
    month = paid_from.year * 12 + paid_from.month - 1
    anchor = _clamped(month, day)
    if anchor < paid_from:
        anchor = _clamped(month + 1, day)
    return Grid(unit, count, anchor, day)


def anchored_on_calendar(unit: str, count: int, paid_from: date) -> Grid:
    """Months and quarters counted from January, weeks from Monday, years from 1 January."""
    if unit == "day":
        return anchored_on(unit, count, paid_from)
    if unit == "week":
        return anchored_on(unit, count, paid_from - timedelta(days=paid_from.isoweekday() - 1))
    return Grid(unit, count, date(paid_from.year, 1, 1), 1)


@dataclass(frozen=True, slots=True)
class Cycle:
    """A grid in force from a day until the next cycle starts.

    The tail, where there is one, is the cycle's last period: from ``tail_start`` to the next
    cycle's start, counted as ``tail_days`` days whatever its length. Moved anchors and periods
    stretched by a pause end in one.
    """

    start: date
    grid: Grid
    tail_start: date | None = None
    tail_days: int | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """Days in force ``[start, end)`` of a grid period that is ``of_days`` days long."""

    start: date
    end: date
    of_days: int


def periods(cycles: Sequence[Cycle], since: date) -> Iterator[Period]:
    """The periods from the one that contains ``since``, endlessly, cut where a cycle ends."""
    for position, cycle in enumerate(cycles):
        until = cycles[position + 1].start if position + 1 < len(cycles) else FOREVER
        if until <= since or until <= cycle.start:
            continue
        boundary, n = cycle.grid.boundary, cycle.grid.index(max(since, cycle.start))
        start = boundary(n)
        while start < until:
            n += 1
            end = boundary(n)
            if cycle.tail_start is not None and end > cycle.tail_start:
                if start < cycle.tail_start:
                    yield Period(max(start, cycle.start), cycle.tail_start, (end - start).days)
                assert cycle.tail_days is not None
                if cycle.tail_start < until:
                    yield Period(max(cycle.tail_start, cycle.start), until, cycle.tail_days)
                break
            yield Period(max(start, cycle.start), min(end, until), (end - start).days)
            start = end


def period_of(cycles: Sequence[Cycle], on: date) -> Period:
    """The period that contains a day; the first one for days before the first cycle."""
    return next(periods(cycles, max(on, cycles[0].start)))


def minus(span: Span, others: Sequence[Span]) -> list[Span]:
    """The parts of a span that none of the others covers, in order."""
    parts = [span]
    for start, end in others:
        parts = [
            part
            for old_start, old_end in parts
            for part in ((old_start, min(old_end, start)), (max(old_start, end), old_end))
            if part[0] < part[1]
        ]
    return parts


def intersection(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The days that both lists of disjoint spans have, in order."""
    return sorted(
        (max(a_start, b_start), min(a_end, b_end))
        for a_start, a_end in spans
        for b_start, b_end in others
        if max(a_start, b_start) < min(a_end, b_end)
    )


def days_in(spans: Sequence[Span]) -> int:
    return sum((end - start).days for start, end in spans)
