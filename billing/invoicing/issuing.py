"""Writing drafted documents in bulk, in the caller's transaction.

Numbers are gap-free because number and document commit together. All that needs no number is
written before the series is locked, so that other workers wait for little more than the commit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db import IntegrityError, connection

from billing.base.public_ids import new_public_id, new_public_ids
from billing.base.sql.bulk import NULL, as_json, copy_rows, take_ids
from billing.base.sql.lookups import array_of
from billing.base.sql.prepared import prepared
from billing.base.sql.reading import read
from billing.engine.lines import MINIMUM, ONCE, RECURRING, USAGE, Line
from billing.engine.tax import Treatment
from billing.invoicing import hooks
from billing.invoicing.abroad import country_of
from billing.invoicing.balances import move_balances
from billing.invoicing.coverage import Coverage
from billing.invoicing.drafting import DraftDocument, Drafts
from billing.invoicing.locks import lock_invoices
from billing.invoicing.models import Invoice, Letterhead
from billing.invoicing.numbering import Numbered, Numbering, reference_of, told_of_issue
from billing.invoicing.settled import By
from billing.invoicing.settlement import PAID, settle_by_credit, state_at_issue, told_of_paid
from billing.invoicing.snapshots import digest_of, letterhead_of
from billing.ledger.actions import Books
from billing.ledger.models import Account
from billing.subscriptions.agreements import Contract
from billing.subscriptions.models import CouponRedemption
from billing.tax.rates import json_of
from customers.models import Seller

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


def issue(
    seller: Seller, drafts: Drafts, as_of: date, actor: str, numbering: Numbering
) -> list[Issued]:
    """Write the documents of a batch and advance its subscriptions; returns them numbered."""
    batch = _Batch(seller, drafts, as_of, actor) if drafts.documents else None
    issued = batch.write() if batch else []
    for write in hooks.after_issue:
        write(seller, issued=issued, as_of=as_of, actor=actor)
    events = _advance(seller, drafts, as_of, actor)
    of_documents = batch.number(issued, numbering) if batch else ()
    copy_rows("events_event", _EVENT_COLUMNS, chain(of_documents, events))
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

    def __init__(self, seller: Seller, drafts: Drafts, as_of: date, actor: str):
        self.seller, self.drafts, self.as_of, self.actor = seller, drafts, as_of, actor
        self.seller_id, self.day = seller.pk, as_of.isoformat()
        self.books = Books(seller)
        self.letterhead = current_letterhead(seller)
        self.heads: list[tuple[Any, ...]] = []
        self.taxes: list[tuple[Any, ...]] = []
        self.coverage: list[tuple[Any, ...]] = []
        self.transfers: list[tuple[Any, ...]] = []
        self.corrections: list[tuple[Line, int]] = []
        self.billed_one_offs: list[tuple[int, int]] = []
        self.credited: dict[int, int] = {}
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
        copy_rows("invoicing_invoiceline", _LINE_COLUMNS, lines)
        copy_rows("invoicing_coverage", _COVERAGE_COLUMNS, self.coverage)
        _correct_coverage(self.corrections)
        _mark_one_offs(self.billed_one_offs)
        outstanding = self._lock_corrected()
        issued = [
            self._document(document_id, draft, outstanding)
            for document_id, draft in zip(ids, drafted, strict=True)
        ]
        copy_rows("invoicing_invoicetax", _TAX_COLUMNS, self.taxes)
        copy_rows("ledger_transfer", _TRANSFER_COLUMNS, self.transfers)
        corrected = {one: self.credited[one.pk] for one in lock_invoices(list(self.credited))}
        settle_by_credit(self.seller, corrected, by=By.CREDIT, as_of=self.as_of, actor=self.actor)
        return issued

    def number(self, issued: Sequence[Issued], numbering: Numbering) -> Iterator[tuple[Any, ...]]:
        """Take numbers, write the documents with them, and return their events."""
        kinds = [document.kind for document in issued]
        numbers: dict[str, Iterator[Numbered]] = {
            kind: iter(numbering(self.seller, kind, kinds.count(kind)))
            for kind in Invoice.Kind.values
        }
        copy_rows("invoicing_invoice", _DOCUMENT_COLUMNS, self._numbered(issued, numbers))
        move_balances([*_balances_moved(issued)], self.as_of)
        return self._events(issued)

    def _numbered(
        self, issued: Sequence[Issued], numbers: Mapping[str, Iterator[Numbered]]
    ) -> Iterator[tuple[Any, ...]]:
        for document, head in zip(issued, self.heads, strict=True):
            sequence, document.number = next(numbers[document.kind])
            reference = reference_of(document.kind, sequence)
            place = NULL if sequence is None else sequence
            yield (*head, place, document.number or NULL, reference)

    def _lines(
        self, document_id: int, draft: DraftDocument, line_ids: Iterator[int]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a document's lines; gathers what they cover, correct and bill once."""
        document = draft.document
        position = 0
        for index, (line, treatment) in enumerate(
            zip(document.lines, draft.treatments, strict=True)
        ):
            position += 1
            line_id = next(line_ids)
            contract = line.context if isinstance(line.context, Contract) else None
            terms = contract.terms[line.item.price.ref] if contract and line.item else None
            yield (
                line_id,
                document_id,
                position,
                line.kind,
                contract.id if contract else line.context.subscription_id,
                terms.price_id if terms else NULL,
                terms.description if terms else line.context.description,
                line.start or NULL,
                line.end or NULL,
                NULL if line.quantity is None else line.quantity,
                terms.unit if terms and line.quantity is not None else "",
                NULL if line.unit_amount is None else line.unit_amount,
                line.amount_minor,
                line.discount_minor,
                line.net_minor,
                _tax_json(treatment),
                terms.revenue_account if terms else line.context.revenue_account,
                NULL if line.days is None else line.days,
                NULL if line.of_days is None else line.of_days,
                _tiers(line) if line.tiers else NULL,
                line.corrects.ref if line.corrects else NULL,
            )
            if contract and line.covers:
                self._cover(line_id, contract.id, line)
            if line.item and line.corrects is not None:
                sign = 1 if document.is_credit_note else -1
                self.corrections.append((line, sign * line.amount_minor))
            if index in draft.one_offs:
                self.billed_one_offs.append((draft.one_offs[index].pk, line_id))
        for redemption, amount_minor in draft.discounted:
            position += 1
            coupon = redemption.coupon
            redemption.fixed_by = redemption.fixed_by or document_id
            place = (next(line_ids), document_id, position)
            yield _extra_line(place, "discount", coupon.name or coupon.code, -amount_minor)
        if document.kept_discount_minor:
            position += 1
            place = (next(line_ids), document_id, position)
            yield _extra_line(place, "discount", draft.kept_discount, -document.kept_discount_minor)
        if document.rounding_minor:
            place = (next(line_ids), document_id, position + 1)
            yield _extra_line(place, "rounding", "", document.rounding_minor)

    def _cover(self, line_id: int, subscription_id: int, line: Line) -> None:
        assert line.item
        start, end = str(line.start), str(line.end)
        self.coverage.append(
            (
                line_id,
                subscription_id,
                line.item.ref,
                COVERAGE_KIND[line.covers],
                line.part,
                start,
                end,
                "{(,)}" if line.covers == ONCE else f"{{[{start},{end})}}",
                abs(line.amount_minor),
                abs(line.amount_minor - line.discount_minor),
                0,
                line.quantity if line.covers == USAGE else NULL,
            )
        )

    def _lock_corrected(self) -> dict[int, list[int]]:
        """What is unpaid of the invoices that credit notes correct: {line id: [invoice, minor]}."""
        refs = [
            line.corrects.ref
            for draft in self.drafts.documents
            if draft.document.is_credit_note
            for line in draft.document.lines
            if line.corrects is not None
        ]
        if not refs:
            return {}
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

    def _document(
        self, document_id: int, draft: DraftDocument, outstanding: dict[int, list[int]]
    ) -> Issued:
        document, buyer = draft.document, draft.buyer
        is_note = document.is_credit_note
        kind = "credit_note" if is_note else "invoice"
        issued = Issued(
            document_id,
            next(self.public_ids[kind]),
            kind,
            draft,
            document.total_minor,
            document.amount_due_minor,
            self.as_of if is_note else self.as_of + timedelta(days=buyer.net_terms_days),
            self._settle_note(draft, outstanding) if is_note else 0,
        )
        if is_note:
            status, closed_on, credit_to = "issued", None, "refund" if draft.refunds else "balance"
        else:
            status, closed_on = state_at_issue(issued.amount_due_minor, self.as_of)
            credit_to = ""
        self.heads.append(
            (
                document_id,
                issued.public_id,
                self.seller_id,
                buyer.id,
                draft.subscription_id or NULL,
                issued.kind,
                status,
                draft.currency,
                buyer.language,
                self.day,
                issued.due_on,
                self.letterhead.pk,
                as_json(buyer.bill_to),
                document.subtotal_minor,
                document.discount_minor,
                document.net_minor,
                document.tax_minor,
                document.rounding_minor,
                document.total_minor,
                document.credit_applied_minor,
                document.amount_due_minor,
                credit_to,
                closed_on or NULL,
                "",
            )
        )
        self.taxes += [
            (
                document_id,
                group.category,
                group.percent,
                group.is_inclusive,
                group.name,
                group.net_minor,
                group.tax_minor,
            )
            for group in document.taxes
        ]
        self._post(document_id, draft, issued.to_balance_minor)
        return issued

    def _settle_note(self, draft: DraftDocument, outstanding: dict[int, list[int]]) -> int:
        """Reduce what is unpaid, pay back what is to be; what is left goes to the balance."""
        lines = draft.document.lines
        left = self._reduce_unpaid(draft.document.total_minor, lines, outstanding)
        if not draft.refunds or not left:
            return left
        # Only the invoices that this note corrects: the batch holds other customers' as well.
        corrected = {outstanding[line.corrects.ref][0] for line in lines if line.corrects}
        return left - hooks.refund_credit.only(
            self.seller,
            customer_id=draft.buyer.id,
            currency=draft.currency,
            amount_minor=left,
            invoice_ids=sorted(corrected),
            as_of=self.as_of,
            actor=self.actor,
        )

    def _reduce_unpaid(
        self, total_minor: int, lines: Sequence[Line], outstanding: dict[int, list[int]]
    ) -> int:
        """Take a credit note off the unpaid invoices that it corrects; returns what is over."""
        left = total_minor
        for line in lines:
            if line.corrects is None or not left:
                continue
            unpaid = outstanding[line.corrects.ref]
            part = min(left, unpaid[1])
            if part:
                unpaid[1] -= part
                left -= part
                self.credited[unpaid[0]] = self.credited.get(unpaid[0], 0) + part
        return left

    def _post(self, document_id: int, draft: DraftDocument, to_balance_minor: int) -> None:
        document, by_role = draft.document, self.books.by_role
        sign = -1 if document.is_credit_note else 1
        receivable = by_role[Account.Role.RECEIVABLE]
        balance = by_role[Account.Role.CUSTOMER_BALANCE]
        credits = [(self._income_account(line), sign * line.net_minor) for line in document.lines]
        credits += [
            (self.books.vat(country_of(group.name), group.percent), sign * group.tax_minor)
            for group in document.taxes
        ]
        credits.append((by_role[Account.Role.ROUNDING], sign * document.rounding_minor))
        # What the balance pays comes off the receivable, what goes to it is owed again.
        credits.append((balance, to_balance_minor - document.credit_applied_minor))
        sums: dict[int, int] = {}
        for account, amount_minor in credits:
            if amount_minor:
                sums[account] = sums.get(account, 0) + amount_minor
        is_book_currency = draft.currency == self.seller.currency
        for account, amount_minor in sums.items():
            if not amount_minor:
                continue
            is_charge = amount_minor > 0
            self.transfers.append(
                (
                    self.seller_id,
                    draft.buyer.id,
                    receivable if is_charge else account,
                    account if is_charge else receivable,
                    draft.currency,
                    abs(amount_minor),
                    abs(amount_minor) if is_book_currency else NULL,
                    1 if is_book_currency else NULL,
                    self.day,
                    "invoice",
                    document_id,
                )
            )

    def _income_account(self, line: Line) -> int:
        """Revenue, or deferred revenue as long as the service is still to come."""
        is_ahead = line.end is not None and line.end > self.as_of
        charge = line.corrects.kind if line.corrects else line.kind
        if is_ahead and charge == RECURRING:
            return self.books.account(Account.Role.DEFERRED_REVENUE)
        if isinstance(line.context, Contract) and line.item:
            return self.books.revenue(line.context.terms[line.item.price.ref].revenue_account)
        return self.books.revenue(line.context.revenue_account)

    def _events(self, issued: Sequence[Issued]) -> Iterator[tuple[Any, ...]]:
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
            yield self._event(public_id, type, document, data)
            if document.draft.document.credit_applied_minor and not document.amount_due_minor:
                data = told_of_paid(document.number, By.BALANCE)
                yield self._event(new_public_id("evt"), PAID, document, data)

    def _event(
        self, public_id: str, type: str, issued: Issued, data: dict[str, Any]
    ) -> tuple[Any, ...]:
        seller = self.seller.public_id
        return (public_id, seller, type, issued.public_id, self.day, self.actor, as_json(data))


def _extra_line(
    place: tuple[int, int, int], kind: str, text: str, amount_minor: int
) -> tuple[Any, ...]:
    """A line that shows what stands in the totals or in other lines' discounts already.

    ``place`` is its own id, the document's, and the position.
    """
    nothing = (NULL,) * 4
    said = (text, NULL, NULL, NULL, "", NULL)
    return (*place, kind, NULL, NULL, *said, amount_minor, 0, 0, "[]", "", *nothing)


def _tiers(line: Line) -> str:
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
def _tax_json(treatment: Treatment) -> str:
    return as_json(json_of(treatment))


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


def _balances_moved(
    issued: Sequence[Issued],
) -> Iterator[tuple[int, str, int, int | None, str]]:
    """What new documents take from the balances of their customers, and bring to them."""
    for document in issued:
        draft = document.draft
        for moved_minor in (-draft.document.credit_applied_minor, document.to_balance_minor):
            if moved_minor:
                told = document.number or document.public_id
                yield draft.buyer.id, draft.currency, moved_minor, document.id, told


def _advance(seller: Seller, drafts: Drafts, as_of: date, actor: str) -> list[tuple[Any, ...]]:
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
                (
                    new_public_id("evt"),
                    seller.public_id,
                    _STATUS_EVENTS[status],
                    contract.public_id,
                    as_of,
                    actor,
                    as_json({"from": contract.status}),
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
_DOCUMENT_COLUMNS = (
    "id, public_id, seller_id, customer_id, subscription_id, kind, status, currency, language,"
    " issued_on, due_on, letterhead_id, bill_to, subtotal_minor, discount_minor, net_minor,"
    " tax_minor, rounding_minor, total_minor, credit_applied_minor, amount_due_minor, credit_to,"
    " closed_on, reason, sequence, number, reference"
)
_LINE_COLUMNS = (
    "id, invoice_id, position, kind, subscription_id, price_id, description, starts_on, ends_on,"
    " quantity, unit, unit_amount, amount_minor, discount_minor, net_minor, tax, revenue_account,"
    " days, of_days, tiers, corrects_id"
)
_TAX_COLUMNS = "invoice_id, category, percent, is_inclusive, name, net_minor, tax_minor"
_COVERAGE_COLUMNS = (
    "line_id, subscription_id, item_id, kind, part, starts_on, ends_on, days, amount_minor,"
    " billed_minor, credited_minor, quantity"
)
_TRANSFER_COLUMNS = (
    "seller_id, customer_id, debit_account_id, credit_account_id, currency, amount_minor,"
    " book_amount_minor, book_rate, effective_on, document, document_id"
)
_EVENT_COLUMNS = "public_id, seller, type, subject, occurred_on, actor, data"
