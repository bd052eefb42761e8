"""Lines: those of a bill, and what is left of those that were billed before."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from billing.engine import pricing
from billing.engine.agreement import Item
from billing.engine.money import round_ratio
from billing.engine.periods import Span

RECURRING, USAGE, MINIMUM, ONCE = "recurring", "usage", "minimum", "once"


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
    for one span of usage apart: the first is 0, what late usage added 1, 2, … A charge
    ``recharges`` the one at its price that had covered its first day, and has given it back.
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
    recharges: Billed | None = None
    given_back: list[Span] = field(default_factory=list)
    lowered_minor: int = 0
    context: Any = None
    discount_minor: int = 0
    net_minor: int = 0

    @property
    def is_of_same_item(self) -> bool:
        """Whether it recharges a charge of its own item: then at the terms of that charge."""
        return bool(self.recharges and self.item and self.recharges.item == self.item.ref)

    @property
    def kept_discount_minor(self) -> int:
        """The discount that its days had as they were billed before, in proportion."""
        before = self.recharges
        if before is None or not self.is_of_same_item or not before.amount_minor:
            return 0
        charged_minor = round_ratio(self.amount_minor * before.billed_minor, before.amount_minor)
        return self.amount_minor - charged_minor
