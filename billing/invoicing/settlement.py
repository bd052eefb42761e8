"""What is paid, credited and closed of issued invoices: written here and nowhere else.

Each way to settle ends in one statement. Then follow the books, as far as something is rounded off
or lost, the events, and those who hear that nothing is owed any more. Callers have locked the
customers and the invoices, give these as they now stand, and find them so afterwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from django.db import connection

from billing.base.sql.lookups import array_of
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.events.recorder import record_all
from billing.invoicing import hooks
from billing.invoicing.losses import Losses
from billing.invoicing.models import Invoice
from billing.invoicing.ordered import issue_ordered
from billing.invoicing.settled import By, Settled
from billing.ledger.actions import Books, between, transfers, write_transfers
from billing.ledger.models import Account, Transfer
from customers.models import Seller

Status = Invoice.Status
# What follows from a settlement is nobody's act.
SYSTEM: Final = "system"
PAID: Final = "invoice.paid"


def state_at_issue(amount_due_minor: int, as_of: date) -> tuple[str, date | None]:
    """The status of a new invoice and the day on which it was closed: at once if nothing is due."""
    return (Status.OPEN, None) if amount_due_minor else (Status.PAID, as_of)


def settle_by_money(
    seller: Seller, parts: Mapping[Invoice, int], *, as_of: date, actor: str
) -> list[Settled]:
    """Count money as paid, in minor units by invoice; one with nothing left is paid.

    What is left within the seller's tolerance is rounding. Late money takes a loss back. The money
    itself is booked by the caller.
    """
    changes = []
    for invoice, minor in parts.items():
        change = _Change(invoice, By.MONEY, minor, paid_minor=minor)
        if 0 < change.left_minor <= seller.rounding_tolerance_minor:
            change.round_off()
        if not change.left_minor:
            change.close(Status.PAID, as_of)
        changes.append(change)
    return _write(seller, changes, as_of, actor)


def settle_by_credit(
    seller: Seller, parts: Mapping[Invoice, int], *, by: By, as_of: date, actor: str
) -> list[Settled]:
    """Count what a credit note or the balance takes off; an open one with nothing left is paid.

    What was written off before and is credited now was no loss: it is taken back, and the invoice
    keeps its status. Note and balance are booked by the caller.
    """
    changes = []
    for invoice, minor in parts.items():
        change = _Change(invoice, by, minor, credited_minor=minor)
        if by is By.BALANCE:
            change.from_balance_minor = minor
        if not change.left_minor:
            change.closed_on = as_of
            if invoice.status == Status.OPEN:
                change.move(Status.PAID)
        changes.append(change)
    return _write(seller, changes, as_of, actor)


def reopen(
    seller: Seller, parts: Mapping[Invoice, int], *, as_of: date, actor: str
) -> list[Settled]:
    """Take back money that has returned by itself: what it had paid is owed again.

    What was rounded off was let go because the rest was paid, and is owed again with it.
    """
    changes = []
    for invoice, minor in parts.items():
        change = _Change(invoice, By.RETURN, minor, paid_minor=-minor)
        change.credited_minor = change.rounded_off_minor = -invoice.rounded_off_minor
        if invoice.status == Status.PAID:
            change.move(Status.OPEN)
            change.closed_on = None
        changes.append(change)
    return _write(seller, changes, as_of, actor)


def turn_into_credit(
    seller: Seller, parts: Mapping[Invoice, int], *, as_of: date, actor: str
) -> list[Settled]:
    """Count as credited what was paid and is paid back for a credit note; nothing is owed again."""
    changes = [
        _Change(invoice, By.REFUND, minor, paid_minor=-minor, credited_minor=minor)
        for invoice, minor in parts.items()
    ]
    return _write(seller, changes, as_of, actor)


def credit_rounding(
    seller: Seller, parts: Mapping[Invoice, int], *, as_of: date, actor: str
) -> list[Settled]:
    """Count as credited by a note what was rounded off before: it was never paid."""
    changes = [
        _Change(invoice, By.CREDIT, minor, rounded_off_minor=-minor)
        for invoice, minor in parts.items()
    ]
    return _write(seller, changes, as_of, actor)


def write_off(
    seller: Seller, invoices: Sequence[Invoice], *, reason: str, as_of: date, actor: str
) -> list[Settled]:
    """Give up what is left of open invoices: it is lost.

    Those that are paid but for a difference that the seller does not ask for close as rounding.
    """
    changes = []
    for invoice in invoices:
        if _is_small(invoice, seller):
            change = _Change(invoice, By.ROUNDING, invoice.left_minor)
            change.round_off()
            change.close(Status.PAID, as_of)
        else:
            change = _Change(invoice, By.LOSS, invoice.left_minor, reason=reason)
            change.close(Status.UNCOLLECTIBLE, as_of)
        changes.append(change)
    return _write(seller, changes, as_of, actor)


def _is_small(invoice: Invoice, seller: Seller) -> bool:
    """Whether an invoice is paid, but for a difference that the seller does not ask for."""
    has_paid = invoice.paid_minor or invoice.from_balance_minor or invoice.credit_applied_minor
    return bool(has_paid) and 0 < invoice.left_minor <= seller.rounding_tolerance_minor


def void(invoice: Invoice, *, reason: str, as_of: date, actor: str) -> list[Settled]:
    """Declare that an open invoice never counted. Its postings are reversed by the caller."""
    change = _Change(invoice, By.VOID, invoice.left_minor, reason=reason)
    change.close(Status.VOID, as_of)
    return _write(invoice.seller, [change], as_of, actor)


@dataclass(slots=True)
class _Change:
    """What moves on an invoice, in minor units, and what it will be."""

    invoice: Invoice
    by: By
    moved_minor: int
    paid_minor: int = 0
    credited_minor: int = 0
    from_balance_minor: int = 0
    rounded_off_minor: int = 0
    reason: str | None = None
    status: str = field(init=False)
    closed_on: date | None = field(init=False)

    def __post_init__(self) -> None:
        self.status, self.closed_on = self.invoice.status, self.invoice.closed_on
        self.reason = self.invoice.reason if self.reason is None else self.reason

    @property
    def left_minor(self) -> int:
        return self.invoice.left_minor - self.paid_minor - self.credited_minor

    def round_off(self) -> None:
        """Let go of what is left."""
        left_minor = self.left_minor
        self.credited_minor += left_minor
        self.rounded_off_minor += left_minor

    def close(self, to: str, as_of: date) -> None:
        self.move(to)
        self.closed_on = as_of

    def move(self, to: str) -> None:
        self.invoice.check_move(to)
        self.status = to


def _write(seller: Seller, changes: Sequence[_Change], as_of: date, actor: str) -> list[Settled]:
    """Write what was settled, book what follows, and tell of it.

    Raises :class:`Refused` ("invalid_transition") where an invoice is no longer what the caller has
    in hand; nothing may be kept then.
    """
    if not changes:
        return []
    # What was only ordered is a document from the moment at which somebody pays for it.
    ordered = [
        change.invoice
        for change in changes
        if change.invoice.sequence is None and change.by is not By.VOID
    ]
    if ordered:
        issue_ordered(seller, ordered, as_of=as_of, actor=actor)
    rows = _update(changes)
    if len(rows) < len(changes):
        raise Refused(
            "Somebody else has changed this invoice. Read it again.", code="invalid_transition"
        )
    settled = []
    for change in changes:
        invoice = change.invoice
        before = (invoice.status, invoice.left_minor)
        for column, value in zip(_WRITTEN, rows[invoice.pk], strict=True):
            setattr(invoice, column, value)
        settled.append(Settled(invoice, change.by, change.moved_minor, *before))
    _book_rounding(seller, changes, as_of)
    _book_losses(seller, settled, as_of)
    record_all(
        Event(
            type=type,
            seller=seller.public_id,
            subject=each.invoice.public_id,
            occurred_on=as_of,
            actor=actor,
            data=data,
        )
        for each in settled
        for type, data in _told_of(each)
    )
    if over := [each for each in settled if each.is_over]:
        for listen in hooks.invoices_settled:
            listen(over, as_of=as_of, actor=SYSTEM)
    return settled


_WRITTEN: Final = (
    *("paid_minor", "credited_minor", "from_balance_minor", "rounded_off_minor"),
    *("status", "closed_on", "reason"),
)


def _update(changes: Sequence[_Change]) -> dict[int, tuple[Any, ...]]:
    """Write all changes, of invoices that are still what they were; what they are now, by id."""
    *columns, reasons = ([getattr(change, name) for change in changes] for name in _WRITTEN)
    before = [
        (
            change.invoice.pk,
            change.invoice.status,
            change.invoice.paid_minor,
            change.invoice.credited_minor,
        )
        for change in changes
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE invoicing_invoice i SET paid_minor = i.paid_minor + v.paid,"
            " credited_minor = i.credited_minor + v.credited,"
            " from_balance_minor = i.from_balance_minor + v.from_balance,"
            " rounded_off_minor = i.rounded_off_minor + v.rounded_off,"
            " status = v.status, closed_on = v.closed_on, reason = v.reason"
            " FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[],"
            "   %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],"
            "   %s::text[], %s::date[], %s::text[])"
            " AS v (id, was, was_paid, was_credited,"
            "   paid, credited, from_balance, rounded_off, status, closed_on, reason)"
            " WHERE i.id = v.id AND i.status = v.was"
            "   AND i.paid_minor = v.was_paid AND i.credited_minor = v.was_credited"
            " RETURNING i.id, i.paid_minor, i.credited_minor, i.from_balance_minor,"
            "   i.rounded_off_minor, i.status, i.closed_on, i.reason",
            [*map(array_of, zip(*before, strict=True)), *map(array_of, columns), reasons],
        )
        return {row[0]: row[1:] for row in cursor.fetchall()}


def _book_rounding(seller: Seller, changes: Sequence[_Change], as_of: date) -> None:
    """Book as rounding what was let go, or with a minus what is owed or credited after all."""
    rounded = [change for change in changes if change.rounded_off_minor]
    if not rounded:
        return
    books = Books(seller)
    rounding = books.account(Account.Role.ROUNDING)
    receivable = books.account(Account.Role.RECEIVABLE)
    written = [
        transfer
        for change in rounded
        for transfer in transfers(
            seller,
            between(rounding, receivable, change.rounded_off_minor),
            currency=change.invoice.currency,
            document_id=change.invoice.pk,
            customer_id=change.invoice.customer_id,
        )
    ]
    write_transfers(seller, written, effective_on=as_of, document=Transfer.Document.ROUNDING)


def _book_losses(seller: Seller, settled: Sequence[Settled], as_of: date) -> None:
    """Book what is lost now, and take back what was and is not."""
    moved = [each for each in settled if each.was_lost_minor != each.lost_minor]
    if not moved:
        return
    losses = Losses(seller, [each.invoice for each in moved])
    for each in moved:
        losses.add(each.invoice, each.was_lost_minor, each.lost_minor)
    losses.book(as_of)


def _told_of(settled: Settled) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of what was settled, with their data; of what credit notes take, the last one."""
    invoice, by, moved_minor = settled.invoice, settled.by, settled.moved_minor
    if by is By.BALANCE:
        applied = {"amount_minor": moved_minor, "currency": invoice.currency}
        yield "invoice.balance_applied", applied
    if by in (By.MONEY, By.BALANCE, By.ROUNDING) and settled.is_over:
        yield PAID, told_of_paid(invoice.number, by)
    if by is By.CREDIT and settled.is_over:
        credited = {"number": invoice.number, "credited_minor": invoice.by_notes_minor}
        yield "invoice.credited", credited
    if by is By.RETURN and settled.was == Status.PAID:
        again = {"number": invoice.number, "amount_minor": moved_minor, "why": by}
        yield "invoice.reopened", again
    if by is By.LOSS:
        yield "invoice.written_off", {"amount_minor": moved_minor}
    if by is By.VOID and invoice.number:
        yield "invoice.voided", {"reason": invoice.reason}


def told_of_paid(number: str | None, by: By) -> dict[str, Any]:
    """What the event says of an invoice on which all is paid."""
    return {"number": number, "by": by}
