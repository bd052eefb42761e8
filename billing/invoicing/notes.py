"""What new credit notes take off the invoices that they correct, and what of them is paid back."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from django.db import connection

from billing.engine.document import Document
from billing.engine.tax import gross_minor
from billing.invoicing import hooks
from billing.invoicing.drafting import DraftDocument
from billing.invoicing.locks import lock_invoices
from billing.invoicing.models import Invoice
from billing.invoicing.settled import By
from billing.invoicing.settlement import credit_rounding, settle_by_credit
from customers.models import Seller


def settle_notes(
    seller: Seller, notes: Mapping[int, DraftDocument], *, as_of: date, actor: str
) -> dict[int, int]:
    """Take credit notes off what is unpaid, and pay back what is to be of the rest.

    ``notes`` are by the ids that they will have; answers what is left of each for the balance, in
    minor units. Their customers are locked, and the invoices that they correct are from now on.
    """
    if not notes:
        return {}
    unpaid = _lock_corrected(notes.values())
    lowered: dict[int, dict[int, int]] = {note_id: {} for note_id in notes}
    over = {
        note_id: _reduce_unpaid(draft.document, unpaid, lowered[note_id])
        for note_id, draft in notes.items()
    }
    credited: Counter[int] = Counter()
    for by_invoice in lowered.values():
        credited.update(by_invoice)
    by_hand = {note_id: note.by_hand.invoice for note_id, note in notes.items() if note.by_hand}
    for note_id, draft in notes.items():
        if note_id not in by_hand:
            shares = _shares(draft, unpaid, lowered[note_id])
            over[note_id] -= _pay_back(seller, draft, over[note_id], shares, as_of, actor)
    parts = {invoice: credited[invoice.pk] for invoice in lock_invoices(list(credited))}
    settle_by_credit(seller, parts, by=By.CREDIT, as_of=as_of, actor=actor)
    # Of a note by hand, shops are told of what is paid back after what was settled.
    for note_id, corrected in by_hand.items():
        draft = notes[note_id]
        over[note_id] -= _take_up_rounding(seller, corrected, over[note_id], as_of, actor)
        shares = _shares(draft, unpaid, lowered[note_id])
        over[note_id] -= _pay_back(seller, draft, over[note_id], shares, as_of, actor)
    return over


def _pay_back(
    seller: Seller,
    draft: DraftDocument,
    left_minor: int,
    shares: Mapping[int, int],
    as_of: date,
    actor: str,
) -> int:
    """Pay back what is left of a note that is to be, as far as its own invoices were paid."""
    if not draft.refunds or not left_minor:
        return 0
    return hooks.refund_credit.only(
        seller,
        customer_id=draft.buyer.id,
        currency=draft.currency,
        amount_minor=left_minor,
        shares_minor=shares,
        as_of=as_of,
        actor=actor,
    )


def _shares(
    draft: DraftDocument, unpaid: Mapping[int, list[int]], lowered: Mapping[int, int]
) -> dict[int, int]:
    """What a note takes of each invoice, by id, beyond what it has lowered of it."""
    shares: dict[int, int] = defaultdict(int)
    for line, rates in zip(draft.document.lines, draft.treatments, strict=True):
        if line.corrects is not None:
            invoice_id, _ = unpaid[line.corrects.ref]
            shares[invoice_id] += gross_minor(line.net_minor, rates)
    return {invoice_id: minor - lowered.get(invoice_id, 0) for invoice_id, minor in shares.items()}


def _lock_corrected(notes: Iterable[DraftDocument]) -> dict[int, list[int]]:
    """What is unpaid of the invoices that credit notes correct: {line id: [invoice, minor]}."""
    refs = [
        line.corrects.ref
        for draft in notes
        for line in draft.document.lines
        if line.corrects is not None
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.id, i.id, CASE WHEN i.status IN ('open', 'uncollectible')"
            " THEN i.amount_due_minor - i.paid_minor - i.credited_minor ELSE 0 END"
            " FROM invoicing_invoiceline l JOIN invoicing_invoice i ON i.id = l.invoice_id"
            " WHERE l.id = ANY(%s) ORDER BY i.id FOR UPDATE OF i",
            [refs],
        )
        rows = cursor.fetchall()
    unpaid = {invoice_id: [invoice_id, minor] for _, invoice_id, minor in rows}
    return {line_id: unpaid[invoice_id] for line_id, invoice_id, _ in rows}


def _reduce_unpaid(
    note: Document, unpaid: Mapping[int, list[int]], credited: dict[int, int]
) -> int:
    """Take a note off what is unpaid of the invoices that it corrects; returns what is over.

    Lessens ``unpaid`` by it, and adds it to what is ``credited`` of each invoice.
    """
    left = note.total_minor
    for line in note.lines:
        if line.corrects is None or not left:
            continue
        of_invoice = unpaid[line.corrects.ref]
        part = min(left, of_invoice[1])
        if part:
            of_invoice[1] -= part
            left -= part
            credited[of_invoice[0]] = credited.get(of_invoice[0], 0) + part
    return left


def _take_up_rounding(
    seller: Seller, corrected: Invoice, left_minor: int, as_of: date, actor: str
) -> int:
    """What was let go as rounding was never paid: a note takes it up, and nothing goes back."""
    if not left_minor:
        return 0
    [invoice] = lock_invoices([corrected.pk])
    rounded_minor = min(invoice.rounded_off_minor, left_minor)
    if rounded_minor:
        credit_rounding(seller, {invoice: rounded_minor}, as_of=as_of, actor=actor)
    return rounded_minor
