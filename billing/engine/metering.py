"""How the usage records of a span of days become one quantity."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext

from billing.engine.money import EXACT

AGGREGATIONS = ("sum", "count", "max", "unique", "last")
_ROUNDINGS = {"round": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}
_ZERO = Decimal(0)
# As exact as EXACT, but here digits are meant to go.
_ROUNDED = Context(prec=EXACT.prec)


@dataclass(frozen=True, slots=True)
class Meter:
    """``rounding_mode`` is empty, round (half away from zero), ceil or floor, to so many digits."""

    aggregation: str = "sum"
    is_carried: bool = False
    rounding_mode: str = ""
    rounding_digits: int = 0

    def rounded(self, quantity: Decimal) -> Decimal:
        if not self.rounding_mode:
            return quantity
        step = Decimal(1).scaleb(-self.rounding_digits)
        return quantity.quantize(step, _ROUNDINGS[self.rounding_mode], _ROUNDED)


class Usage:
    """The records of one meter, in the order in which they count: by instant, then as they came.

    ``days`` are ascending; ``values`` stand beside them, and ``names`` too where the meter counts
    distinct values.
    """

    __slots__ = ("days", "meter", "names", "values")

    def __init__(
        self,
        meter: Meter,
        days: Sequence[date],
        values: Sequence[Decimal],
        names: Sequence[str] = (),
    ):
        self.meter, self.days, self.values, self.names = meter, days, values, names

    def total(self, start: date, end: date) -> Decimal:
        """The quantity of the days ``[start, end)``; a carried meter counts all before it too."""
        low, high = self._between(start, end)
        if low >= high:
            return _ZERO
        aggregation = self.meter.aggregation
        if aggregation == "unique":
            total = Decimal(len(set(self.names[low:high])))
        elif aggregation == "count":
            total = Decimal(high - low)
        elif aggregation == "max":
            total = max(self.values[low:high])
        elif aggregation == "last":
            total = self.values[high - 1]
        else:
            with localcontext(EXACT):
                total = sum(self.values[low:high], _ZERO)
        return self.meter.rounded(total)

    def events(self, start: date, end: date) -> Sequence[Decimal]:
        """The single values behind the total of the days ``[start, end)``, in order."""
        low, high = self._between(start, end)
        return self.values[low:high]

    def _between(self, start: date, end: date) -> tuple[int, int]:
        low = 0 if self.meter.is_carried else bisect_left(self.days, start)
        return low, bisect_left(self.days, end)
