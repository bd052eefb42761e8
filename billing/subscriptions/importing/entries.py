"""What a row of the file comes to, and what a run has come to."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from billing.base.csvfile import Problem


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What the rows of one plan must agree on."""

    name: str
    product: str
    tax_category: str
    revenue_account: str
    family: str
    interval_unit: str
    interval_count: int


@dataclass(slots=True)
class Entry:
    """One checked row. Amounts are in major units, ``amount`` empty for the plan's list price.

    ``anchor_on`` is a boundary of the grid, ``due_on`` the first day that is billed here.
    """

    row: int
    external_id: str
    customer_id: str
    customer: dict[str, Any]
    plan_code: str
    plan: PlanTerms
    amount: Decimal | None
    quantity: Decimal
    starts_on: date
    billed_until: date
    anchor_on: date
    due_on: date
    ends_on: date | None
    is_ended: bool
    buyer_reference: str
    metadata: dict[str, str]


@dataclass(slots=True)
class Imported:
    """What a run has come to: rows made, rows left out as bad (``skipped``), rows known before."""

    customers: int = 0
    subscriptions: int = 0
    active: int = 0
    ended: int = 0
    skipped: int = 0
    already_there: int = 0
    problems: list[Problem] = field(default_factory=list)
    is_stopped: bool = False
