"""What new credit notes take off the invoices that they correct, and what of them is paid back."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    taken = take_off(notes, _lock_corrected(notes.values()))
    over = {note_id: each.over_minor for note_id, each in taken.items()}
    credited: Counter[int] = Counter()
    for each in taken.values():
        credited.update(each.lowers)
    by_hand = {note_id: note.by_hand.invoice for note_id, note in notes.items() if note.by_hand}
    for note_id, draft in notes.items():
        if note_id not in by_hand:
            shares = taken[note_id].shares
            over[note_id] -= _pay_back(seller, draft, over[note_id], shares, as_of, actor)
    parts = {invoice: credited[invoice.pk] for invoice in lock_invoices(list(credited))}
    settle_by_credit(seller, parts, by=By.CREDIT, as_of=as_of, actor=actor)
    # Of a note by hand, shops are told of what is paid back after what was settled.
    for note_id, corrected in by_hand.items():
        draft, shares = notes[note_id], taken[note_id].shares
        over[note_id] -= _take_up_rounding(seller, corrected, over[note_id], as_of, actor)
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


def _lock_corrected(notes: Iterable[DraftDocument]) -> dict[int, list[int]]:
    """What is unpaid of the invoices that credit notes correct: {line id: [invoice, minor]}."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.id, i.id, CASE WHEN i.status IN ('open', 'uncollectible')"
            " THEN i.amount_due_minor - i.paid_minor - i.credited_minor ELSE 0 END"
            " FROM invoicing_invoiceline l JOIN invoicing_invoice i ON i.id = l.invoice_id"
            " WHERE l.id = ANY(%s) ORDER BY i.id FOR UPDATE OF i",
            [list(corrected_lines(notes))],
        )
        rows = cursor.fetchall()
    unpaid = {invoice_id: [invoice_id, minor] for _, invoice_id, minor in rows}
    return {line_id: unpaid[invoice_id] for line_id, invoice_id, _ in rows}


def corrected_lines(notes: Iterable[DraftDocument]) -> set[int]:
    """The ids of the lines that credit notes correct."""
    return {
        line.corrects.ref
        for draft in notes
        for line in draft.document.lines
        if line.corrects is not None
    }


@dataclass(frozen=True, slots=True)
class Taken:
    """What a credit note takes of the documents that it corrects, in minor units by their ids.

    ``lowers`` is what of it nobody had paid there; ``over_minor`` is left of the note beyond that.
    """

    takes: dict[int, int]
    lowers: dict[int, int]
    over_minor: int

    @property
    def shares(self) -> dict[int, int]:
        """What it takes of each beyond what it lowers of it."""
        return {
            document_id: minor - self.lowers.get(document_id, 0)
            for document_id, minor in self.takes.items()
        }


def take_off(
    notes: Mapping[int, DraftDocument], unpaid: Mapping[int, list[int]]
) -> dict[int, Taken]:
    """Take credit notes off what is unpaid of the documents that they correct, in their order.

    ``unpaid``, which is lessened by it, is of each line that they correct: [document, minor].
    """
    taken = {}
    for note_id, draft in notes.items():
        lowers: dict[int, int] = {}
        over_minor = _reduce_unpaid(draft.document, unpaid, lowers)
        taken[note_id] = Taken(_takes(draft, unpaid), lowers, over_minor)
    return taken


def _takes(draft: DraftDocument, unpaid: Mapping[int, list[int]]) -> dict[int, int]:
    takes: dict[int, int] = defaultdict(int)
    for line, rates in zip(draft.document.lines, draft.treatments, strict=True):
        if line.corrects is not None:
            document_id, _ = unpaid[line.corrects.ref]
            takes[document_id] += gross_minor(line.net_minor, rates)
    return takes


def _reduce_unpaid(note: Document, unpaid: Mapping[int, list[int]], lowers: dict[int, int]) -> int:
    """Take a note off what is unpaid of the documents that it corrects; returns what is over.

    Lessens ``unpaid`` by it, and adds to what it ``lowers`` of each.
    """
    left = note.total_minor
    for line in note.lines:
        if line.corrects is None or not left:
            continue
        of_document = unpaid[line.corrects.ref]
        part = min(left, of_document[1])
        if part:
            of_document[1] -= part
            left -= part
            lowers[of_document[0]] = lowers.get(of_document[0], 0) + part
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
