"""Bills that are still to come, drafted in memory: each stands on what those before it have left.

The code that drafts what is issued drafts them, and what it would write is carried along instead:
which days are billed and given back, which coupons are spent, what a balance has paid. What becomes
of money that a credit note gives back depends on payments; so one is written before a further bill
is drafted, with all before it, and what stands is read again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import count

from billing.base.sql.reading import read
from billing.engine.lines import USAGE, Billed, Line
from billing.engine.periods import minus
from billing.invoicing.actions import bill_or_refuse
from billing.invoicing.batch import bill_locked
from billing.invoicing.buyers import load_buyers
from billing.invoicing.drafting import DraftDocument, Drafts, draft_documents
from billing.invoicing.models import InvoiceLine
from billing.invoicing.numbering import preview_numbers
from billing.invoicing.standing import (
    DraftedLine,
    Scope,
    Standing,
    load_balances,
    read_standing,
)
from billing.invoicing.unwritten import Unwritten, unwritten
from billing.subscriptions.models import Subscription
from customers.models import Seller

# How far ahead bills are looked for, and on how many days of billing at most.
AHEAD_MAX = timedelta(days=800)
BILLING_DAYS_MAX = 40


class Foresight:
    """What a customer, or one of their subscriptions, is billed from a day on.

    For a transaction that holds the customer's lock and is rolled back.
    """

    def __init__(
        self,
        seller_id: int,
        customer_id: int,
        subscription: Subscription | None,
        *,
        as_of: date,
        actor: str,
    ) -> None:
        [self.seller] = read(Seller, "WHERE id = %s", [seller_id])
        self.customer_id, self.subscription = customer_id, subscription
        self.as_of, self.actor = as_of, actor
        # The documents, by id, that have spent a coupon.
        self.spenders: set[int] = set()
        self._scope = Scope(subscription.pk if subscription else None)
        self._ids = count(-1, -1)
        self._unwritten: list[date] = []
        self._is_to_be_written = False
        self._ended: set[int] = set()
        self.standing = self._read()

    def bill_today(self) -> list[Unwritten]:
        """Bill for real what is due, as :func:`bill_customer` does, and raise what it raises."""
        due = self.standing.due_on(self.as_of)
        args = (self.subscription, self.as_of, self.actor, preview_numbers)
        billed = bill_or_refuse(self.seller, due, *args)
        seen = [unwritten(each.id, each.draft, self.as_of, self._ids) for each in billed.issued]
        self._carry(billed.drafts, seen)
        return seen

    def read_balances(self) -> None:
        """Take note that money was moved besides."""
        balances = load_balances(self.standing.buyers)
        self.standing = replace(self.standing, balances=balances)

    def bills(self) -> Iterator[Unwritten]:
        """The documents after today's, as long as each day of billing is reached."""
        on = self.as_of
        for _ in range(BILLING_DAYS_MAX):
            next_on = self.standing.next_bill_on
            if next_on is None or next_on > self.as_of + AHEAD_MAX:
                return
            on = max(next_on, on)
            if self._is_to_be_written:
                self._write()
            drafts = draft_documents(self.seller, self.standing.due_on(on), on)
            if drafts.parked or drafts.refused:
                return
            seen = [unwritten(next(self._ids), each, on, self._ids) for each in drafts.documents]
            self._carry(drafts, seen)
            self._unwritten.append(on)
            self._is_to_be_written = any(each.document.is_credit_note for each in drafts.documents)
            yield from seen
            if self.standing.next_bill_on == next_on:
                return

    def end_discounts(self, after: date) -> date | None:
        """Take away the discounts that end after a day; the last day of them, or None."""
        ending = {
            each.pk: each.expires_on
            for each in self.standing.coupons
            if not each.is_spent and each.expires_on and each.expires_on > after
            if self.subscription is None or each.subscription_id in (None, self.subscription.pk)
        }
        self._ended |= set(ending)
        self.standing = self._without_ended(self.standing)
        return max(ending.values(), default=None)

    def _read(self) -> Standing:
        buyers = load_buyers([self.customer_id])
        until = self.as_of + AHEAD_MAX
        return self._without_ended(read_standing(self.seller, buyers, until, self._scope))

    def _without_ended(self, standing: Standing) -> Standing:
        return replace(
            standing, coupons=[each for each in standing.coupons if each.pk not in self._ended]
        )

    def _write(self) -> None:
        """Write what has only been drafted, and read what it has left."""
        for on in self._unwritten:
            ids = [self.customer_id]
            bill_locked(self.seller, ids, on, self.actor, self._scope, preview_numbers)
        self._unwritten.clear()
        self.standing = self._read()

    def _carry(self, drafts: Drafts, documents: Sequence[Unwritten]) -> None:
        """Let stand what these documents leave; balances and coupons know by themselves."""
        standing = self.standing
        for draft, made in zip(drafts.documents, documents, strict=True):
            _note_lines(standing, draft, made)
            fixed = [each for each, _ in draft.discounted if each.fixed_by == made.document.pk]
            if any(each.is_spent for each in fixed):
                self.spenders.add(made.document.pk)
        for subscription_id, bill in drafts.bills.items():
            standing.contracts[subscription_id].advance(bill.next_bill_on, bill.window_on)
            rows = standing.billed.get(subscription_id, ())
            standing.billed[subscription_id] = [row for row in rows if row.end > bill.window_on]
        billed = {item.pk for draft in drafts.documents for item in draft.one_offs.values()}
        standing.one_offs = [item for item in standing.one_offs if item.pk not in billed]


def _note_lines(standing: Standing, draft: DraftDocument, made: Unwritten) -> None:
    """Note what a document's lines are taxed as, which days they cover, and what they give back."""
    document, supply = draft.document, draft.buyer.bill_to.get("supply")
    discounts = [one.description for one in made.lines if one.kind == InvoiceLine.Kind.DISCOUNT]
    lines = zip(document.lines, draft.treatments, made.lines, strict=False)
    for line, treatment, shown in lines:
        standing.drafted[shown.pk] = DraftedLine(treatment, supply, discounts)
        if line.item is None:
            continue
        rows = standing.billed.setdefault(line.context.id, [])
        if line.covers:
            rows.append(_billed(shown.pk, line))
        if line.corrects is not None:
            sign = 1 if document.is_credit_note else -1
            rows[:] = [
                _lessened(row, line, sign * line.amount_minor)
                if row.ref == line.corrects.ref
                else row
                for row in rows
            ]


def _billed(ref: int, line: Line) -> Billed:
    """A new charge as its coverage would be read."""
    assert line.item and line.start and line.end
    return Billed(
        ref=ref,
        item=line.item.ref,
        kind=line.covers,
        start=line.start,
        end=line.end,
        days=[(line.start, line.end)],
        amount_minor=abs(line.amount_minor),
        billed_minor=abs(line.amount_minor - line.discount_minor),
        quantity=line.quantity if line.covers == USAGE else None,
        part=line.part,
    )


def _lessened(row: Billed, correction: Line, credited_minor: int) -> Billed:
    """A charge as its coverage would be read after a correction."""
    return replace(
        row,
        days=[part for span in row.days for part in minus(span, correction.given_back)],
        credited_minor=row.credited_minor + credited_minor,
        amount_minor=row.amount_minor - correction.lowered_minor,
    )
