"""Where a person's money would stand after documents that nobody writes.

What settlement, refunds and balances would do is reckoned in memory, by their sums: a credit note
lowers what is unpaid of the invoices that it corrects, is paid back as far as they were paid, or
goes to the balance; what comes to the balance pays what is owed.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from billing.engine.paying_back import shares_paid_back
from billing.invoicing import hooks
from billing.invoicing.balances import spend_on
from billing.invoicing.drafting import DraftDocument
from billing.invoicing.models import Invoice, InvoiceLine
from billing.invoicing.notes import Taken, corrected_lines, take_off
from billing.invoicing.ordered import kept_minor_of
from billing.invoicing.unwritten import Unwritten, age_of
from billing.subscriptions.agreements import Contract
from billing.subscriptions.models import Subscription


@dataclass(slots=True)
class NoteGoes:
    """Where a credit note goes, in minor units; what it takes up of a rounding goes nowhere."""

    lowers_minor: int
    to_balance_minor: int
    paid_back_minor: int = 0


@dataclass(frozen=True, slots=True)
class ForeseenNote:
    """A credit note: what it takes of the documents that it corrects, by id, and where it goes."""

    currency: str
    takes: Mapping[int, int]
    goes: NoteGoes


@dataclass(slots=True, eq=False)
class ForeseenDebt:
    """A document as it would stand, in minor units: what may still be paid of it, what was paid,
    what credit notes have taken off, and what was let go as rounding.
    """

    document: Invoice
    left_minor: int
    paid_minor: int
    by_notes_minor: int
    rounded_off_minor: int

    @classmethod
    def of(cls, document: Invoice) -> "ForeseenDebt":
        return cls(
            document,
            left_minor=document.left_minor if document.may_be_paid else 0,
            paid_minor=document.paid_minor,
            by_notes_minor=document.by_notes_minor,
            rounded_off_minor=document.rounded_off_minor,
        )

    @property
    def customer_id(self) -> int:
        return self.document.customer_id

    @property
    def currency(self) -> str:
        return self.document.currency

    @property
    def is_collectable(self) -> bool:
        return self.document.status == Invoice.Status.OPEN and self.left_minor > 0

    def lower(self, minor: int) -> None:
        """Have a credit note take so much off what is unpaid."""
        self.left_minor -= minor
        self.by_notes_minor += minor

    def take_up_rounding(self, most_minor: int) -> int:
        """Have a credit note take up what was let go as rounding; how much it does."""
        minor = min(self.rounded_off_minor, most_minor)
        self.rounded_off_minor -= minor
        self.by_notes_minor += minor
        return minor

    def pay_back(self, minor: int) -> None:
        """Have so much of what was paid be paid back for a credit note."""
        self.paid_minor -= minor
        self.by_notes_minor += minor


class ForeseenMoney:
    """What a person owes and has with us, from how it stands to how it would.

    ``customer_id`` is that of the customer who stays. ``balances`` are what is free, in minor units
    by customer and currency; whoever drafts has taken off them what documents draw on them.
    ``notes`` and ``debts`` are by the ids of the documents: all that have been met.
    """

    def __init__(self, customer_id: int, balances: dict[tuple[int, str], int]) -> None:
        self.customer_id, self.balances = customer_id, balances
        self.notes: dict[int, ForeseenNote] = {}
        self.debts: dict[int, ForeseenDebt] = {}
        # What documents take from balances and bring to them, in minor units.
        self._moves: list[tuple[Invoice, int]] = []
        self._of_line: dict[int, ForeseenDebt] = {}
        self._unwritten: list[ForeseenDebt] = []
        self._written: list[ForeseenDebt] | None = None
        self._drawn: set[int] = set()

    def settle(
        self, drafts: Sequence[DraftDocument], documents: Sequence[Unwritten]
    ) -> dict[int, NoteGoes]:
        """Do what issuing these documents would; where each credit note goes, by its id."""
        notes = {}
        for draft, made in zip(drafts, documents, strict=True):
            self._add(draft, made)
            if draft.document.is_credit_note:
                notes[made.document.pk] = draft
        gone = self._settle_notes(notes)
        grown: dict[str, int] = defaultdict(int)
        for made in documents:
            document = made.document
            brought_minor = gone[document.pk].to_balance_minor if document.pk in gone else 0
            self._move(document, brought_minor - document.credit_applied_minor)
            if brought_minor:
                whose = (self.customer_id, document.currency)
                self.balances[whose] = self.balances.get(whose, 0) + brought_minor
            grown[document.currency] += brought_minor - document.credit_applied_minor
        if any(minor > 0 for minor in grown.values()):
            self._pay_debts()
        return gone

    def pay_out(self, subscription: Subscription) -> int:
        """What goes back of the balance, in minor units, as a refunded subscription has ended."""
        paid_out_minor = hooks.payable_out_of_ended.only(subscription, money=self)
        if paid_out_minor:
            self.balances[self.customer_id, subscription.currency] -= paid_out_minor
        return paid_out_minor

    def free_minor(self, currency: str) -> int:
        """What is free of the balance in a currency, in minor units."""
        return self.balances.get((self.customer_id, currency), 0)

    def moved_minor(self, subscription: Subscription) -> int:
        """What documents of a subscription have brought to the balance, less what they took."""
        return sum(
            minor
            for document, minor in self._moves
            if document.subscription_id == subscription.pk
            and document.currency == subscription.currency
        )

    def brought_by_notes(self, currency: str) -> dict[int, int]:
        """What each credit note has brought to the balance, in minor units by its id."""
        return {
            note_id: note.goes.to_balance_minor
            for note_id, note in self.notes.items()
            if note.currency == currency and note.goes.to_balance_minor
        }

    def corrected_by_notes(self) -> dict[int, set[tuple[str, int]]]:
        """The documents, by kind and id, that each credit note corrects."""
        return {
            note_id: {(self.debts[each].document.kind, each) for each in note.takes}
            for note_id, note in self.notes.items()
        }

    def _add(self, draft: DraftDocument, made: Unwritten) -> None:
        """Take in a document as it would stand when it is issued."""
        debt = self._debt_of(made.document)
        self._of_line |= {line.pk: debt for line in made.lines}
        if not any(_is_ordered(line.context) for line in draft.document.lines):
            self._unwritten.append(debt)

    def _debt_of(self, document: Invoice) -> ForeseenDebt:
        return self.debts.setdefault(document.pk, ForeseenDebt.of(document))

    def _settle_notes(self, notes: Mapping[int, DraftDocument]) -> dict[int, NoteGoes]:
        gone = {}
        unpaid = self._unpaid(corrected_lines(notes.values()))
        for note_id, taken in take_off(notes, unpaid).items():
            draft = notes[note_id]
            for document_id, minor in taken.lowers.items():
                self._lower(self.debts[document_id], minor)
            goes = NoteGoes(draft.document.total_minor - taken.over_minor, taken.over_minor)
            self._give_back(draft, taken, goes)
            self.notes[note_id] = ForeseenNote(draft.currency, taken.takes, goes)
            gone[note_id] = goes
        return gone

    def _unpaid(self, line_ids: Collection[int]) -> dict[int, list[int]]:
        """What is unpaid of the documents with some lines, as :func:`take_off` asks for it."""
        if unknown := [each for each in line_ids if each not in self._of_line]:
            for line in InvoiceLine.objects.filter(pk__in=unknown).select_related("invoice"):
                self._of_line[line.pk] = self._debt_of(line.invoice)
        debts = {self._of_line[each] for each in line_ids}
        unpaid = {debt: [debt.document.pk, debt.left_minor] for debt in debts}
        return {each: unpaid[self._of_line[each]] for each in line_ids}

    def _lower(self, debt: ForeseenDebt, minor: int) -> None:
        """Take a part off what is unpaid; what was only ordered draws on the balance with it."""
        debt.lower(minor)
        document = debt.document
        if document.pk > 0 and document.sequence is None and document.pk not in self._drawn:
            self._drawn.add(document.pk)
            self._move(document, -kept_minor_of(document))

    def _give_back(self, draft: DraftDocument, taken: Taken, goes: NoteGoes) -> None:
        """Take off what goes to the balance what was let go as rounding, and what is paid back."""
        if draft.by_hand:
            debt = self._debt_of(draft.by_hand.invoice)
            goes.to_balance_minor -= debt.take_up_rounding(goes.to_balance_minor)
        if draft.refunds:
            paid = {each: self.debts[each].paid_minor for each in sorted(taken.takes, key=age_of)}
            parts = shares_paid_back(goes.to_balance_minor, taken.shares, paid)
            for document_id, minor in parts.items():
                self.debts[document_id].pay_back(minor)
            goes.paid_back_minor = sum(parts.values())
            goes.to_balance_minor -= goes.paid_back_minor

    def _move(self, document: Invoice, minor: int) -> None:
        if minor:
            self._moves.append((document, minor))

    def _pay_debts(self) -> None:
        """Let the balance pay what is owed, as it does wherever it has grown."""
        if self._written is None:
            found = hooks.payable_by_balance.only(self.customer_id)
            self._written = [self._debt_of(invoice) for invoice in found]
        owed = [each for each in (*self._written, *self._unwritten) if each.is_collectable]
        owed.sort(key=lambda debt: (debt.document.due_on, age_of(debt.document.pk)))
        staying = {debt.customer_id: self.customer_id for debt in owed}
        for debt, minor in spend_on(owed, self.balances, staying).items():
            debt.left_minor -= minor
            self._move(debt.document, -minor)


def _is_ordered(source: object) -> bool:
    """Whether a line is of a subscription that waits for its first payment."""
    return isinstance(source, Contract) and source.status == Subscription.Status.INCOMPLETE
