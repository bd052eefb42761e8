"""Numbers of documents: without gap, since number and document commit together."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from django.db import OperationalError
from psycopg.errors import ObjectNotInPrerequisiteState

from billing.base.sql.prepared import prepared
from billing.invoicing.models import Invoice
from billing.invoicing.number_series import NumberSeries
from billing.invoicing.snapshots import ocr_reference
from billing.outbound.gate import OUTBOUND_HELD, Held
from billing.outbound.mark import reserve
from customers.going_live import refuse_unready
from customers.models import Seller

logger = logging.getLogger(__name__)
NUMBERS_WAIT = (
    "No document gets a number now, because everything is held. Nothing was changed; try again "
    "when an operator has let it go on."
)
PREFIXES = {Invoice.Kind.INVOICE: "", Invoice.Kind.CREDIT_NOTE: "C"}


# Where documents get their numbers: called with the seller, their kind and how many there are, it
# answers with the place in the series and the number as it is written, of each; None and an empty
# text for one that has none yet.
type Numbered = tuple[int | None, str]
type Numbering = Callable[[Seller, str, int], Sequence[Numbered]]


def take_numbers(seller: Seller, kind: str, count: int) -> list[tuple[int, str]]:
    """A block of numbers; the series stays locked until the transaction ends.

    Raises :class:`Refused` ("seller_not_ready") where a live seller misses what has to stand on
    its documents: what has no number is no document.
    """
    if not count:
        return []
    refuse_unready(seller)
    return _taken(seller, kind, count)


def _taken(seller: Seller, kind: str, count: int) -> list[tuple[int, str]]:
    block = _take_block(seller, kind, count)
    if block is None:
        NumberSeries.objects.get_or_create(
            seller=seller, kind=kind, defaults={"prefix": PREFIXES[Invoice.Kind(kind)]}
        )
        block = _take_block(seller, kind, count)
    assert block is not None
    first, prefix = block
    try:
        reserve(seller.public_id, kind, first + count - 1)
    except OSError as error:
        logger.error("seller=%s numbers=held reason=%r", seller.public_id, str(error))
        raise Held(NUMBERS_WAIT, code=OUTBOUND_HELD) from error
    return [(number, f"{prefix}{number}") for number in range(first, first + count)]


def no_numbers(seller: Seller, kind: str, count: int) -> list[Numbered]:
    """None, for what is only ordered: it gets them when it is paid (``ordered.py``)."""
    return [(None, "")] * count


def take_ordered_numbers(seller: Seller, kind: str, count: int) -> list[tuple[int, str]]:
    """A block of numbers for what was ordered while the seller was ready, though it be not now."""
    return _taken(seller, kind, count)


def reference_of(kind: str, sequence: int | None) -> str:
    """The OCR reference of a document; empty for one that nobody pays, or that has no number."""
    is_invoice = kind == Invoice.Kind.INVOICE
    return ocr_reference(sequence) if is_invoice and sequence is not None else ""


def told_of_issue(
    kind: str, *, number: str, customer: str, currency: str, total_minor: int
) -> tuple[str, dict[str, Any]]:
    """The type of the event of a document that has its number now, and its data."""
    type = "credit_note.issued" if kind == Invoice.Kind.CREDIT_NOTE else "invoice.finalized"
    return type, {
        "number": number,
        "customer": customer,
        "currency": currency,
        "total_minor": total_minor,
    }


def _take_block(seller: Seller, kind: str, count: int) -> tuple[int, str] | None:
    """The first number of a block and the series' prefix; None where there is no series yet.

    Raises :class:`~billing.outbound.gate.Held` while a hold stands: then no number is given.
    """
    try:
        with prepared() as cursor:
            cursor.execute(
                "UPDATE invoicing_numberseries SET next_number = next_number + %s"
                " WHERE seller_id = %s AND kind = %s RETURNING next_number - %s, prefix",
                [count, seller.pk, kind, count],
            )
            found: tuple[int, str] | None = cursor.fetchone()
    except OperationalError as error:
        if isinstance(error.__cause__, ObjectNotInPrerequisiteState):
            raise Held(NUMBERS_WAIT, code=OUTBOUND_HELD) from error
        raise
    return found
