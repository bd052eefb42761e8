"""The rows that a batch writes, table by table, without what is the same in all of a batch.

A value that is not there is :data:`NULL`, see :func:`billing.base.sql.bulk.copy_rows`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from billing.base.sql.bulk import NULL, OrNull, as_json
from billing.base.sql.rows import blank
from billing.engine.lines import Line
from billing.engine.tax import Treatment
from billing.invoicing.drafting import DraftDocument
from billing.invoicing.models import InvoiceLine
from billing.invoicing.settlement import state_at_issue
from billing.subscriptions.agreements import Contract
from billing.tax.rates import json_of


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
    unit: str = ""
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


def document_row(
    document_id: int, public_id: str, draft: DraftDocument, as_of: date
) -> DocumentRow:
    """The row of a document, without its number."""
    document, buyer = draft.document, draft.buyer
    if document.is_credit_note:
        kind, status, closed_on = "credit_note", "issued", None
        credit_to = "refund" if draft.refunds else "balance"
    else:
        kind, credit_to = "invoice", ""
        status, closed_on = state_at_issue(document.amount_due_minor, as_of)
    row = blank(DocumentRow)
    row.id = document_id
    row.public_id = public_id
    row.customer_id = buyer.id
    row.subscription_id = draft.subscription_id or NULL
    row.kind = kind
    row.status = status
    row.currency = draft.currency
    row.language = buyer.language
    row.due_on = text_of(due_on(draft, as_of))
    row.bill_to = as_json(buyer.bill_to)
    row.subtotal_minor = document.subtotal_minor
    row.discount_minor = document.discount_minor
    row.net_minor = document.net_minor
    row.tax_minor = document.tax_minor
    row.rounding_minor = document.rounding_minor
    row.total_minor = document.total_minor
    row.credit_applied_minor = document.credit_applied_minor
    row.amount_due_minor = document.amount_due_minor
    row.credit_to = credit_to
    row.closed_on = closed_on or NULL
    row.reason = draft.by_hand.reason if draft.by_hand else ""
    return row


def due_on(draft: DraftDocument, as_of: date) -> date:
    """By when a document is to be paid; a credit note has the day of its issue."""
    if draft.document.is_credit_note:
        return as_of
    return as_of + timedelta(days=draft.buyer.net_terms_days)


def tax_rows(document_id: int, draft: DraftDocument) -> list[TaxRow]:
    """The rows of a document's VAT groups."""
    rows = []
    for group in draft.document.taxes:
        row = blank(TaxRow)
        row.invoice_id = document_id
        row.category = group.category
        row.percent = group.percent
        row.is_inclusive = group.is_inclusive
        row.name = group.name
        row.net_minor = group.net_minor
        row.tax_minor = group.tax_minor
        rows.append(row)
    return rows


def line_row(
    line_id: int, document_id: int, position: int, line: Line, treatment: Treatment
) -> LineRow:
    """The row of a line of a document."""
    contract = line.context if isinstance(line.context, Contract) else None
    terms = contract.terms[line.item.price.ref] if contract and line.item else None
    row = blank(LineRow)
    row.id = line_id
    row.invoice_id = document_id
    row.position = position
    row.kind = line.kind
    row.amount_minor = line.amount_minor
    row.discount_minor = line.discount_minor
    row.net_minor = line.net_minor
    row.description = terms.description if terms else line.context.description
    row.tax = rates_of(treatment)
    row.revenue_account = terms.revenue_account if terms else line.context.revenue_account
    row.subscription_id = contract.id if contract else line.context.subscription_id
    row.price_id = terms.price_id if terms else _price_of(line)
    row.starts_on = text_of(line.start) if line.start else NULL
    row.ends_on = text_of(line.end) if line.end else NULL
    row.quantity = NULL if line.quantity is None else line.quantity
    row.unit = "" if line.quantity is None else terms.unit if terms else _unit_of(line)
    row.unit_amount = NULL if line.unit_amount is None else line.unit_amount
    row.days = NULL if line.days is None else line.days
    row.of_days = NULL if line.of_days is None else line.of_days
    row.tiers = tiers_of(line) if line.tiers else NULL
    row.corrects_id = line.corrects.ref if line.corrects else NULL
    return row


def _price_of(line: Line) -> OrNull[int]:
    """The price of what a note by hand corrects; what is billed once has none."""
    return (isinstance(line.context, InvoiceLine) and line.context.price_id) or NULL


def _unit_of(line: Line) -> str:
    """The unit of what a note by hand corrects; what is billed once has none."""
    return line.context.unit if isinstance(line.context, InvoiceLine) else ""


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


def extra_lines(
    document_id: int, draft: DraftDocument, position: int, line_ids: Iterator[int]
) -> Iterator[LineRow]:
    """The lines after ``position``: what stands in the totals or in lines' discounts already.

    Notes on coupons which document has spent them or fixed their end.
    """
    document = draft.document
    shown = []
    for redemption, amount_minor in draft.discounted:
        redemption.fixed_by = redemption.fixed_by or document_id
        shown.append(("discount", redemption.coupon.name or redemption.coupon.code, -amount_minor))
    if document.kept_discount_minor:
        shown.append(("discount", draft.kept_discount, -document.kept_discount_minor))
    if document.rounding_minor:
        shown.append(("rounding", "", document.rounding_minor))
    for place, (kind, description, amount_minor) in enumerate(shown, position + 1):
        yield LineRow(
            id=next(line_ids),
            invoice_id=document_id,
            position=place,
            kind=kind,
            amount_minor=amount_minor,
            discount_minor=0,
            net_minor=0,
            description=description,
        )


@lru_cache(maxsize=1000)
def text_of(day: date) -> str:
    """A day as it is written: a batch has thousands of rows with the same few."""
    return day.isoformat()


@lru_cache(maxsize=1000)
def rates_of(treatment: Treatment) -> str:
    """The rates on a line, as JSON."""
    return as_json(json_of(treatment))
