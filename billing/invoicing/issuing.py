"""Writing drafted documents in bulk, in the caller's transaction.

Numbers are gap-free because number and document commit together. All that needs no number is
written before the series is locked, so that other workers wait for little more than the commit.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import Any

from django.db import IntegrityError, connection

from billing.base.public_ids import new_public_id, new_public_ids
from billing.base.sql.bulk import NULL, as_json, copy_rows, take_ids
from billing.base.sql.lookups import array_of
from billing.base.sql.prepared import prepared
from billing.base.sql.reading import read
from billing.base.sql.rows import blank
from billing.engine.lines import ONCE, USAGE, Line
from billing.invoicing import hooks
from billing.invoicing.balances import Entry, move_balances
from billing.invoicing.coverage import KIND_OF_CHARGE
from billing.invoicing.drafting import DraftDocument, Drafts
from billing.invoicing.models import Invoice, Letterhead
from billing.invoicing.notes import settle_notes
from billing.invoicing.numbering import Numbered, Numbering, no_numbers, reference_of, told_of_issue
from billing.invoicing.postings import income_account, sums_by_account
from billing.invoicing.rows import (
    CoverageRow,
    DocumentRow,
    EventRow,
    Issued,
    LineRow,
    TaxRow,
    document_row,
    due_on,
    extra_lines,
    line_row,
    tax_rows,
)
from billing.invoicing.settled import By
from billing.invoicing.settlement import PAID, told_of_paid
from billing.invoicing.snapshots import digest_of, letterhead_of
from billing.ledger.actions import Books, TransferRow, write_transfers
from billing.ledger.models import Account, Transfer
from billing.subscriptions.agreements import Contract
from billing.subscriptions.models import CouponRedemption
from customers.models import Seller


def issue(
    seller: Seller, drafts: Drafts, as_of: date, actor: str, numbering: Numbering
) -> list[Issued]:
    """Write the documents of a batch and advance its subscriptions; returns them numbered."""
    batch = _Batch(seller, drafts, as_of, actor, numbering) if drafts.documents else None
    issued = batch.write() if batch else []
    for write in hooks.after_issue:
        write(seller, issued=issued, as_of=as_of, actor=actor)
    events = _advance(drafts, as_of)
    of_documents = batch.number(issued) if batch else ()
    copy_rows(
        "events_event",
        chain(of_documents, events),
        seller=seller.public_id,
        occurred_on=as_of,
        actor=actor,
    )
    return issued


def current_letterhead(seller: Seller) -> Letterhead:
    """The seller as it stands now, kept once for all documents that show it so."""
    content = letterhead_of(seller)
    digest = digest_of(content)
    condition = "WHERE seller_id = %s AND digest = %s"
    known = read(Letterhead, condition, [seller.pk, digest])
    if known:
        return known[0]
    letterhead, _ = Letterhead.objects.get_or_create(
        seller=seller, digest=digest, defaults={"content": content}
    )
    return letterhead


class _Batch:
    """The rows of one batch, gathered table by table and written in as many statements."""

    def __init__(
        self, seller: Seller, drafts: Drafts, as_of: date, actor: str, numbering: Numbering
    ):
        self.seller, self.drafts, self.as_of, self.actor = seller, drafts, as_of, actor
        self.numbering = numbering
        self.books = Books(seller)
        self.letterhead = current_letterhead(seller)
        self.documents: list[DocumentRow] = []
        self.taxes: list[TaxRow] = []
        self.coverage: list[CoverageRow] = []
        self.transfers: list[TransferRow] = []
        self.corrections: list[tuple[Line, int]] = []
        self.billed_one_offs: list[tuple[int, int]] = []
        count = len(drafts.documents)
        self.public_ids = {
            "invoice": new_public_ids("inv", count),
            "credit_note": new_public_ids("cn", count),
        }

    def write(self) -> list[Issued]:
        """Write all but the documents themselves, and say what those are to be."""
        drafted = self.drafts.documents
        ids = take_ids("invoicing_invoice", len(drafted))
        line_count = sum(
            len(draft.document.lines)
            + len(draft.discounted)
            + bool(draft.document.kept_discount_minor)
            + bool(draft.document.rounding_minor)
            for draft in drafted
        )
        line_ids = iter(take_ids("invoicing_invoiceline", line_count))
        lines = (
            line
            for document_id, draft in zip(ids, drafted, strict=True)
            for line in self._lines(document_id, draft, line_ids)
        )
        copy_rows("invoicing_invoiceline", lines)
        copy_rows("invoicing_coverage", self.coverage, credited_minor=0)
        _correct_coverage(self.corrections)
        _mark_one_offs(self.billed_one_offs)
        notes = {
            document_id: draft
            for document_id, draft in zip(ids, drafted, strict=True)
            if draft.document.is_credit_note
        }
        over = settle_notes(self.seller, notes, as_of=self.as_of, actor=self.actor)
        issued = [
            self._document(document_id, draft, over.get(document_id, 0))
            for document_id, draft in zip(ids, drafted, strict=True)
        ]
        copy_rows("invoicing_invoicetax", self.taxes)
        write_transfers(
            self.seller,
            self.transfers,
            effective_on=self.as_of,
            document=Transfer.Document.INVOICE,
        )
        return issued

    def number(self, issued: Sequence[Issued]) -> Iterator[EventRow]:
        """Take numbers, write the documents with them, and return their events."""
        kinds = [document.kind for document in issued]
        numbers: dict[str, Iterator[Numbered]] = {
            kind: iter(self.numbering(self.seller, kind, kinds.count(kind)))
            for kind in Invoice.Kind.values
        }
        copy_rows(
            "invoicing_invoice",
            self._numbered(issued, numbers),
            seller_id=self.seller.pk,
            issued_on=self.as_of,
            letterhead_id=self.letterhead.pk,
        )
        move_balances([*_balances_moved(issued)], self.as_of)
        return self._events(issued)

    def _numbered(
        self, issued: Sequence[Issued], numbers: Mapping[str, Iterator[Numbered]]
    ) -> Iterator[DocumentRow]:
        for document, row in zip(issued, self.documents, strict=True):
            sequence, document.number = next(numbers[document.kind])
            row.sequence = NULL if sequence is None else sequence
            row.number = document.number or NULL
            row.reference = reference_of(document.kind, sequence)
            yield row

    def _lines(
        self, document_id: int, draft: DraftDocument, line_ids: Iterator[int]
    ) -> Iterator[LineRow]:
        """The rows of a document's lines; gathers what they cover, correct and bill once."""
        document = draft.document
        position = 0
        for index, (line, treatment) in enumerate(
            zip(document.lines, draft.treatments, strict=True)
        ):
            position += 1
            contract = line.context if isinstance(line.context, Contract) else None
            row = line_row(next(line_ids), document_id, position, line, treatment)
            yield row
            if contract and line.covers:
                self._cover(row, contract.id, line)
            if line.item and line.corrects is not None:
                sign = 1 if document.is_credit_note else -1
                self.corrections.append((line, sign * line.amount_minor))
            if index in draft.one_offs:
                self.billed_one_offs.append((draft.one_offs[index].pk, row.id))
        yield from extra_lines(document_id, draft, position, line_ids)

    def _cover(self, written: LineRow, subscription_id: int, line: Line) -> None:
        assert line.item
        start, end = written.starts_on, written.ends_on
        row = blank(CoverageRow)
        row.line_id = written.id
        row.subscription_id = subscription_id
        row.item_id = line.item.ref
        row.kind = KIND_OF_CHARGE[line.covers]
        row.part = line.part
        row.starts_on = start
        row.ends_on = end
        row.days = "{(,)}" if line.covers == ONCE else f"{{[{start},{end})}}"
        row.amount_minor = abs(line.amount_minor)
        row.billed_minor = abs(line.amount_minor - line.discount_minor)
        row.quantity = line.quantity if line.covers == USAGE else NULL
        self.coverage.append(row)

    def _document(self, document_id: int, draft: DraftDocument, to_balance_minor: int) -> Issued:
        is_note = draft.document.is_credit_note
        public_id = next(self.public_ids["credit_note" if is_note else "invoice"])
        row = document_row(document_id, public_id, draft, self.as_of)
        self.documents.append(row)
        self.taxes += tax_rows(document_id, draft)
        if is_note or self.numbering is not no_numbers:  # What is only ordered is booked once paid.
            self._post(document_id, draft, to_balance_minor)
        return Issued(
            document_id,
            row.public_id,
            row.kind,
            draft,
            row.total_minor,
            row.amount_due_minor,
            due_on(draft, self.as_of),
            to_balance_minor,
        )

    def _post(self, document_id: int, draft: DraftDocument, to_balance_minor: int) -> None:
        document, by_role = draft.document, self.books.by_role
        receivable = by_role[Account.Role.RECEIVABLE]
        incomes = ((self._income_account(line), line.net_minor) for line in document.lines)
        sums = sums_by_account(self.books, incomes, document.taxes, document.rounding_minor)
        if document.is_credit_note:
            sums = {account: -amount_minor for account, amount_minor in sums.items()}
        # What the balance pays comes off the receivable, what goes to it is owed again.
        balance = by_role[Account.Role.CUSTOMER_BALANCE]
        sums[balance] = to_balance_minor - document.credit_applied_minor
        is_book_currency = draft.currency == self.seller.currency
        for account, amount_minor in sums.items():
            if not amount_minor:
                continue
            is_charge = amount_minor > 0
            row = blank(TransferRow)
            row.customer_id = draft.buyer.id
            row.debit_account_id = receivable if is_charge else account
            row.credit_account_id = account if is_charge else receivable
            row.currency = draft.currency
            row.amount_minor = abs(amount_minor)
            row.book_amount_minor = abs(amount_minor) if is_book_currency else NULL
            row.book_rate = 1 if is_book_currency else NULL
            row.document_id = document_id
            self.transfers.append(row)

    def _income_account(self, line: Line) -> int:
        charge = line.corrects.kind if line.corrects else line.kind
        source = line.context
        if isinstance(source, Contract) and line.item:
            source = source.terms[line.item.price.ref]
        return income_account(self.books, charge, line.end, self.as_of, source.revenue_account)

    def _events(self, issued: Sequence[Issued]) -> Iterator[EventRow]:
        """What is told of new documents, and of those that the balance has paid at once.

        Of what is only ordered nothing, until it has a number.
        """
        for public_id, document in zip(new_public_ids("evt", len(issued)), issued, strict=True):
            if not document.number:
                continue
            type, data = told_of_issue(
                document.kind,
                number=document.number,
                customer=document.draft.buyer.public_id,
                currency=document.draft.currency,
                total_minor=document.total_minor,
            )
            if document.draft.by_hand:
                data["corrects"] = document.draft.by_hand.invoice.public_id
            yield _event(public_id, type, document.public_id, data)
            if document.draft.document.credit_applied_minor and not document.amount_due_minor:
                data = told_of_paid(document.number, By.BALANCE)
                yield _event(new_public_id("evt"), PAID, document.public_id, data)


def _event(public_id: str, type: str, subject: str, data: dict[str, Any]) -> EventRow:
    row = blank(EventRow)
    row.public_id = public_id
    row.type = type
    row.subject = subject
    row.data = as_json(data)
    return row


def _correct_coverage(corrections: Sequence[tuple[Line, int]]) -> None:
    """Shrink what the corrected lines cover by the days and the amounts given back."""
    for line, credited_minor in corrections:
        assert line.corrects
        days = "{" + ",".join(f"[{start},{end})" for start, end in line.given_back) + "}"
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE invoicing_coverage SET days = days - %(days)s::datemultirange,"
                " again_days = again_days - %(days)s::datemultirange,"
                " credited_minor = credited_minor + %(credited)s,"
                " amount_minor = amount_minor - %(lowered)s WHERE line_id = %(line)s",
                {
                    "days": days,
                    "credited": credited_minor,
                    "lowered": line.lowered_minor,
                    "line": line.corrects.ref,
                },
            )


def _mark_one_offs(billed: Sequence[tuple[int, int]]) -> None:
    if not billed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE invoicing_oneoffitem o SET line_id = v.line_id"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS v (id, line_id) WHERE o.id = v.id",
            [[item for item, _ in billed], [line for _, line in billed]],
        )


def _balances_moved(issued: Sequence[Issued]) -> Iterator[Entry]:
    """What new documents take from balances, but for what is only ordered, and bring to them."""
    for document in issued:
        draft = document.draft
        used_minor = draft.document.credit_applied_minor if document.number else 0
        for moved_minor in (-used_minor, document.to_balance_minor):
            if moved_minor:
                told = document.number or document.public_id
                yield Entry(draft.buyer.id, draft.currency, moved_minor, document.id, told)


def _advance(drafts: Drafts, as_of: date) -> list[EventRow]:
    """Say from when each subscription is due again, and move its status along with its dates.

    Returns the events of those whose status has moved.
    """
    if drafts.redemptions:
        CouponRedemption.objects.bulk_update(
            drafts.redemptions, ["is_spent", "expires_on", "fixed_by"]
        )
    if not drafts.bills:
        return []
    rows, events = [], []
    for subscription_id, bill in drafts.bills.items():
        contract = drafts.contracts[subscription_id]
        status = contract.status_on(as_of)
        rows.append(
            (
                subscription_id,
                bill.next_bill_on,
                bill.window_on,
                status,
                contract.plan_on(as_of),
            )
        )
        if status != contract.status:
            events.append(
                _event(
                    new_public_id("evt"),
                    _STATUS_EVENTS[status],
                    contract.public_id,
                    {"from": contract.status},
                )
            )
    with prepared(len(rows)) as cursor:
        cursor.execute(
            "UPDATE subscriptions_subscription s SET next_bill_on = v.next_bill_on,"
            " window_on = v.window_on, billed_through = %s, status = v.status,"
            " plan_id = v.plan_id, parked_reason = '',"
            " access = CASE WHEN v.status = 'ended' THEN 'none' ELSE s.access END"
            " FROM unnest(%s::bigint[], %s::date[], %s::date[], %s::text[], %s::bigint[])"
            " AS v (id, next_bill_on, window_on, status, plan_id) WHERE s.id = v.id",
            [as_of, *map(array_of, zip(*rows, strict=True))],
        )
        if cursor.rowcount != len(rows):
            raise IntegrityError("A subscription was deleted while it was billed.")
    return events


_STATUS_EVENTS = {
    "ended": "subscription.ended",
    "active": "subscription.activated",
    "paused": "subscription.paused",
    "trialing": "subscription.trial_resumed",
}
