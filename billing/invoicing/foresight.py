"""Documents that are still to come, drafted in memory: each stands on what those before have left.

The code that drafts what is issued drafts them, and what it would write is carried along instead:
which days are billed and given back, which coupons are spent, what a balance has paid and what
becomes of money that is given back.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count

from billing.base.sql.reading import read
from billing.engine.lines import USAGE, Billed, Line
from billing.engine.periods import minus
from billing.invoicing.actions import draft_or_refuse
from billing.invoicing.balances import free_balances
from billing.invoicing.buyers import load_buyers
from billing.invoicing.drafting import DraftDocument, Drafts, draft_documents
from billing.invoicing.foreseen_money import ForeseenMoney, NoteGoes
from billing.invoicing.models import InvoiceLine
from billing.invoicing.standing import DraftedLine, Scope, Standing, read_standing
from billing.invoicing.unwritten import Unwritten, unwritten
from billing.subscriptions.models import Subscription
from customers.models import Seller
from customers.persons import staying_id_of

# How far ahead bills are looked for, and on how many days of billing at most.
AHEAD_MAX = timedelta(days=800)
BILLING_DAYS_MAX = 40


class Foresight:
    """What a customer, or one of their subscriptions, is billed from a day on. It only reads."""

    def __init__(
        self, seller_id: int, customer_id: int, subscription_id: int | None, *, as_of: date
    ) -> None:
        [self.seller] = read(Seller, "WHERE id = %s", [seller_id])
        self.subscription_id, self.as_of = subscription_id, as_of
        # The documents, by id, that have spent a coupon.
        self.spenders: set[int] = set()
        self._ids = count(-1, -1)
        buyers, until = load_buyers([customer_id]), as_of + AHEAD_MAX
        self.standing = read_standing(self.seller, buyers, until, Scope(subscription_id))
        self.money = ForeseenMoney(customer_id, self.standing.balances)

    def bill_today(self) -> list[Unwritten]:
        """The documents of what is due, as :func:`bill_customer` issues them; raises as it does."""
        due = self.standing.due_on(self.as_of)
        return self._carry(draft_or_refuse(self.seller, due, self.as_of), self.as_of)

    def subscription_after_today(self) -> Subscription:
        """The subscription, with the status that today's bill has given it."""
        [subscription] = read(Subscription, "WHERE id = %s", [self.subscription_id])
        if contract := self.standing.contracts.get(subscription.pk):
            subscription.status = contract.status_on(self.as_of)
        return subscription

    def bills(self) -> Iterator[Unwritten]:
        """The documents after today's, as long as each day of billing is reached."""
        on = self.as_of
        for _ in range(BILLING_DAYS_MAX):
            next_on = self.standing.next_bill_on
            if next_on is None or next_on > self.as_of + AHEAD_MAX:
                return
            on = max(next_on, on)
            drafts = draft_documents(self.seller, self.standing.due_on(on), on)
            if drafts.parked or drafts.refused:
                return
            yield from self._carry(drafts, on)
            if self.standing.next_bill_on == next_on:
                return

    def end_discounts(self, after: date) -> date | None:
        """Take away the discounts that end after a day; the last day of them, or None."""
        ending = {
            each.pk: each.expires_on
            for each in self.standing.coupons
            if not each.is_spent and each.expires_on and each.expires_on > after
            if self.subscription_id is None or each.subscription_id in (None, self.subscription_id)
        }
        coupons = [each for each in self.standing.coupons if each.pk not in ending]
        self.standing = replace(self.standing, coupons=coupons)
        return max(ending.values(), default=None)

    def _carry(self, drafts: Drafts, on: date) -> list[Unwritten]:
        """The documents of a day; lets stand what they leave. Coupons know by themselves."""
        standing = self.standing
        documents = [unwritten(next(self._ids), each, on, self._ids) for each in drafts.documents]
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
        self.money.settle(drafts.documents, documents)
        return documents


def foresee_note(draft: DraftDocument, as_of: date) -> tuple[Unwritten, NoteGoes]:
    """A credit note by hand as it would be read, and where it would go. Nothing is written."""
    assert draft.by_hand
    ids = count(-1, -1)
    note = unwritten(next(ids), draft, as_of, ids)
    customer_id = staying_id_of(draft.by_hand.invoice.customer)
    money = ForeseenMoney(customer_id, free_balances([customer_id]))
    return note, money.settle([draft], [note])[note.document.pk]


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
