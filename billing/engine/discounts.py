"""Coupons: how much each takes off, and from which lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.engine.money import allocate, round_ratio


@dataclass(frozen=True, slots=True)
class Discount:
    """A coupon at work: percent off, or an amount off in minor units. Exactly one is given.

    `ref` is the caller's id and is carried, not read. Raises ValueError for neither or both, for
    a percentage outside 0 to 100 and for a negative amount.
    """

    ref: object
    percent_off: Decimal | None
    amount_off_minor: int | None

    def __post_init__(self) -> None:
        if (self.percent_off is None) == (self.amount_off_minor is None):
            raise ValueError("A discount is either percent_off or amount_off_minor.")
        if self.percent_off is not None and not 0 <= self.percent_off <= 100:
            raise ValueError("percent_off must be from 0 to 100.")
        if self.amount_off_minor is not None and self.amount_off_minor < 0:
            raise ValueError("amount_off_minor must not be negative.")


def share(
    amounts: Sequence[int], discounts: Sequence[tuple[Discount, Sequence[int]]]
) -> list[list[int]]:
    """Return each discount's share of each line: result[d][i] ≥ 0, in minor units.

    `amounts` are the lines' amounts in minor units; each discount comes with the indexes of the
    lines that it applies to. Discounts apply in the order given, each to what the ones before
    left. A discount is rounded once, half away from zero, and shared over its lines by largest
    remainder in proportion to what is left of them, so a line never falls below zero. Credit lines
    (below zero) are never discounted.
    """
    left = [amount if amount > 0 else 0 for amount in amounts]
    shares = []
    for discount, indexes in discounts:
        row = [0] * len(left)
        # A line counts once however often it is named, and ties go to the line that stands first.
        open_lines = [index for index in sorted(set(indexes)) if left[index]]
        lefts = [left[index] for index in open_lines]
        off = _amount_off(discount, sum(lefts))
        for index, part in zip(open_lines, allocate(off, lefts), strict=True):
            row[index] = part
            left[index] -= part
        shares.append(row)
    return shares


def _amount_off(discount: Discount, base: int) -> int:
    if discount.percent_off is None:
        return min(discount.amount_off_minor or 0, base)
    numerator, denominator = discount.percent_off.as_integer_ratio()
    return round_ratio(base * numerator, 100 * denominator)
