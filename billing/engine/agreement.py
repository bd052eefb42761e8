"""What one subscription has agreed to: prices, quantities and pauses, each with its days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from billing.engine import pricing
from billing.engine.periods import Cycle


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
