"""The rows that a batch writes, table by table, without what is the same in all of a batch.

A value that is not there is :data:`NULL`, see :func:`billing.base.sql.bulk.copy_rows`.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from billing.base.sql.bulk import NULL, OrNull, as_json
from billing.engine.lines import MINIMUM, ONCE, RECURRING, USAGE, Line
from billing.engine.tax import Treatment
from billing.invoicing.coverage import Coverage
from billing.invoicing.drafting import DraftDocument
from billing.tax.rates import json_of

COVERAGE_KIND = {
    RECURRING: Coverage.Kind.RECURRING.value,
    USAGE: Coverage.Kind.USAGE.value,
    MINIMUM: Coverage.Kind.MINIMUM.value,
    ONCE: Coverage.Kind.ONCE.value,
}


@dataclass(slots=True)
class Issued:
    """A document just written, for whoever adds rows to the same transaction.

    ``number`` is empty for as long as the number series is not locked, and of what is only ordered.
    """

    id: int
    public_id: str
    kind: str
    draft: DraftDocument
    total_minor: int
    amount_due_minor: int
    due_on: date
    to_balance_minor: int = 0
    number: str = ""


@dataclass(slots=True)
class DocumentRow:
    """``invoicing_invoice``. The number and what follows from it come last, under their lock."""

    id: int
    public_id: str
    customer_id: int
    subscription_id: OrNull[int]
    kind: str
    status: str
    currency: str
    language: str
    due_on: str
    bill_to: str
    subtotal_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int
    rounding_minor: int
    total_minor: int
    credit_applied_minor: int
    amount_due_minor: int
    credit_to: str
    closed_on: OrNull[date]
    reason: str
    sequence: OrNull[int]
    number: str
    reference: str


@dataclass(slots=True)
class LineRow:
    """``invoicing_invoiceline``."""

    id: int
    invoice_id: int
    position: int
    kind: str
    amount_minor: int
    discount_minor: int
    net_minor: int
    description: str = ""
    tax: str = "[]"
    revenue_account: str = ""
    subscription_id: OrNull[int] | None = NULL
    price_id: OrNull[int] = NULL
    starts_on: str = NULL
    ends_on: str = NULL
    quantity: OrNull[Decimal] = NULL
    unit_amount: OrNull[Decimal] = NULL
    days: OrNull[int] = NULL
    of_days: OrNull[int] = NULL
    tiers: str = NULL
    corrects_id: OrNull[int] = NULL


@dataclass(slots=True)
class TaxRow:
    """``invoicing_invoicetax``."""

    invoice_id: int
    category: str
    percent: Decimal
    is_inclusive: bool
    name: str
    net_minor: int
    tax_minor: int


@dataclass(slots=True)
class CoverageRow:
    """``invoicing_coverage``."""

    line_id: int
    subscription_id: int
    item_id: int
    kind: int
    part: int
    starts_on: str
    ends_on: str
    days: str
    amount_minor: int
    billed_minor: int
    quantity: OrNull[Decimal] | None


@dataclass(slots=True)
class EventRow:
    """``events_event``."""

    public_id: str
    type: str
    subject: str
    data: str


def tiers_of(line: Line) -> str:
    """How a tiered amount came about, as JSON."""
    return as_json(
        [
            {
                "up_to": None if tier.up_to is None else f"{tier.up_to:f}",
                "quantity": f"{tier.quantity:f}",
                "unit_amount": f"{tier.unit_amount:f}",
                "flat_amount": f"{tier.flat_amount:f}",
                "amount": f"{tier.amount:f}",
            }
            for tier in line.tiers
        ]
    )


@lru_cache(maxsize=1000)
def text_of(day: date) -> str:
    """A day as it is written: a batch has thousands of rows with the same few."""
    return day.isoformat()


@lru_cache(maxsize=1000)
def rates_of(treatment: Treatment) -> str:
    """The rates on a line, as JSON."""
    return as_json(json_of(treatment))
