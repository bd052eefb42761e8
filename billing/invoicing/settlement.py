"""What closes invoices: credits, losses and small differences, and who is told of it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection

from billing.events.models import Event
from billing.events.recorder import record, record_all
from billing.invoicing import hooks
from billing.invoicing.losses import Losses, move_loss
from billing.invoicing.models import Invoice
from billing.ledger.actions import Books, Posting, between, post
from billing.ledger.models import Account, Transfer
from customers.models import Seller


def credit_invoices(
    seller: Seller, credited: dict[int, int], as_of: date, *, is_from_balance: bool = False
) -> None:
    """Reduce what is left of invoices, in minor units by id; an open one with nothing left is paid.

    What was written off before and is credited now was no loss: it is taken back.
    """
    if not credited:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE invoicing_invoice i SET credited_minor = i.credited_minor + v.minor,"
            " from_balance_minor = i.from_balance_minor + CASE WHEN %s THEN v.minor ELSE 0 END,"
            " status = CASE WHEN i.status = 'open' AND"
            "   i.paid_minor + i.credited_minor + v.minor = i.amount_due_minor"
            "   THEN 'paid' ELSE i.status END,"
            " closed_on = CASE WHEN i.paid_minor + i.credited_minor + v.minor = i.amount_due_minor"
            "   THEN %s::date ELSE i.closed_on END"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS v (id, minor) WHERE i.id = v.id"
            " RETURNING i.id, i.status, v.minor,"
            "   i.paid_minor + i.credited_minor = i.amount_due_minor",
            [is_from_balance, as_of, list(credited), list(credited.values())],
        )
        rows = cursor.fetchall()
    tell_settled([row[0] for row in rows if row[-1]], as_of)
    lost = {row[0]: row[2] for row in rows if row[1] == Invoice.Status.UNCOLLECTIBLE}
    for invoice in Invoice.objects.filter(pk__in=lost).select_related("seller"):
        after_minor = invoice.payable_minor
        move_loss(invoice, after_minor + lost[invoice.pk], after_minor, as_of)


def tell_settled(invoice_ids: Sequence[int], as_of: date) -> None:
    """Tell who listens that nothing is owed on some invoices any more."""
    if invoice_ids:
        for listen in hooks.invoices_settled:
            listen(invoice_ids, as_of=as_of, actor="system")


def write_off_locked(
    seller: Seller, invoices: Sequence[Invoice], *, as_of: date, actor: str, reason: str
) -> None:
    """Write off open invoices that the caller has locked with their customers, in bulk.

    Those that are paid but for a small difference close as rounding; the caller tells of it.
    """
    small = [invoice for invoice in invoices if _is_small(invoice, seller)]
    for invoice in small:
        close_as_rounding(invoice, as_of)
    lost = [invoice for invoice in invoices if invoice not in small]
    losses = Losses(seller, lost)
    events: list[Event] = []
    for invoice in lost:
        left_minor = invoice.outstanding_minor
        losses.add(invoice, 0, left_minor, as_of)
        events.append(
            Event(
                type="invoice.written_off",
                seller=seller.public_id,
                subject=invoice.public_id,
                occurred_on=as_of,
                actor=actor,
                data={"amount_minor": left_minor},
            )
        )
        invoice.status, invoice.closed_on = Invoice.Status.UNCOLLECTIBLE, as_of
        invoice.reason = reason
    Invoice.objects.filter(pk__in=[invoice.pk for invoice in lost]).update(
        status=Invoice.Status.UNCOLLECTIBLE, closed_on=as_of, reason=reason
    )
    losses.book()
    record_all(events)


def _is_small(invoice: Invoice, seller: Seller) -> bool:
    """Whether an invoice is paid, but for a difference that the seller does not ask for."""
    has_paid = invoice.paid_minor or invoice.from_balance_minor or invoice.credit_applied_minor
    return bool(has_paid) and 0 < invoice.payable_minor <= seller.rounding_tolerance_minor


def round_off(invoice: Invoice, as_of: date) -> None:
    """Count what is left of a locked invoice as rounding, in the books and on it, unsaved."""
    left_minor = invoice.payable_minor
    move_rounding(invoice, left_minor, as_of)
    invoice.credited_minor += left_minor
    invoice.rounded_off_minor += left_minor


def move_rounding(invoice: Invoice, amount_minor: int, as_of: date) -> None:
    """Book so much of an invoice as rounding, or with a minus as owed after all."""
    books = Books(invoice.seller)
    rounding = books.account(Account.Role.ROUNDING)
    receivable = books.account(Account.Role.RECEIVABLE)
    post(
        invoice.seller,
        list(between(rounding, receivable, amount_minor)),
        currency=invoice.currency,
        effective_on=as_of,
        document=Transfer.Document.ROUNDING,
        document_id=invoice.pk,
        customer_id=invoice.customer_id,
    )


def close_as_rounding(invoice: Invoice, as_of: date) -> None:
    """Close a locked invoice that is paid but for a small difference."""
    round_off(invoice, as_of)
    invoice.move(
        "paid",
        credited_minor=invoice.credited_minor,
        rounded_off_minor=invoice.rounded_off_minor,
        closed_on=as_of,
    )
    record_of_invoice("invoice.paid", invoice, as_of, "system", number=invoice.number)


def post_of_invoice(invoice: Invoice, postings: Sequence[Posting], as_of: date) -> None:
    """Write postings of a document in its books."""
    post(
        invoice.seller,
        postings,
        currency=invoice.currency,
        effective_on=as_of,
        document=Transfer.Document.INVOICE,
        document_id=invoice.pk,
        customer_id=invoice.customer_id,
    )


def record_of_invoice(type: str, invoice: Invoice, as_of: date, actor: str, **data: Any) -> None:
    """Write an event of a document."""
    record(
        type,
        seller=invoice.seller.public_id,
        subject=invoice.public_id,
        occurred_on=as_of,
        actor=actor,
        data=data,
    )
