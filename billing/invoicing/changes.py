"""Changes to subscriptions with the bills that they cause, and the same without keeping anything.

A change is a call of an action of subscriptions that is still to be made, such as
``actions.change`` or ``pausing.pause``. The doors – portal, API, checkout – make it through
:func:`bill_after`, or ask :func:`preview` what it would come to. A preview makes the change itself
and takes it back; documents are drafted by the code that bills, and never written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Literal

from django.db import transaction

from billing.base.sql.read_only import read_only, refuse_writes
from billing.base.sql.reading import read
from billing.base.sql.telling import one_transaction
from billing.invoicing import hooks
from billing.invoicing.actions import bill_customer
from billing.invoicing.foresight import Foresight
from billing.invoicing.models import Invoice, InvoiceLine, InvoiceTax
from billing.invoicing.unwritten import Unwritten
from billing.subscriptions.models import Subscription
from customers.models import Customer

type Change = Callable[[], Subscription]


@dataclass(frozen=True, slots=True)
class Changed:
    """A subscription after a change, and the documents issued for it at once.

    ``paid_out_minor`` is what goes back of the balance besides, where it has ended and is refunded.
    """

    subscription: Subscription
    documents: list[Invoice]
    paid_out_minor: int = 0

    @property
    def outcome(self) -> str:
        """What it comes to today, which must be what its preview said."""
        return outcome_of(to_pay_minor(self.documents), self.paid_out_minor)


def to_pay_minor(documents: Sequence[Invoice]) -> int:
    """What documents of today ask for in minor units; below zero for what comes back."""
    return sum(
        -document.total_minor
        if document.kind == Invoice.Kind.CREDIT_NOTE
        else document.amount_due_minor
        for document in documents
    )


def outcome_of(to_pay_minor: int, paid_out_minor: int) -> str:
    """What a change comes to today, in one word: what is to pay, and what goes back besides."""
    return f"{to_pay_minor}/{paid_out_minor}" if paid_out_minor else f"{to_pay_minor}"


@dataclass(frozen=True, slots=True)
class SeenBill:
    """A document whose rows are in memory alone."""

    document: Invoice
    lines: list[InvoiceLine]
    taxes: list[InvoiceTax]
    full_price: "FullPrice | None" = None

    @classmethod
    def of(cls, made: Unwritten) -> "SeenBill":
        return cls(made.document, made.lines, made.taxes)

    @property
    def on(self) -> date:
        return self.document.issued_on

    @property
    def to_pay_minor(self) -> int:
        """What the customer pays for it, in minor units: below zero for what comes back."""
        return to_pay_minor([self.document])

    @property
    def parts(self) -> list["Part"]:
        """What the document is the sum of; on a credit note all is turned round."""
        document = self.document
        sign = -1 if document.kind == Invoice.Kind.CREDIT_NOTE else 1
        parts = [
            Part("line", line.amount_minor, line)
            for line in self.lines
            if line.kind not in (InvoiceLine.Kind.DISCOUNT, InvoiceLine.Kind.ROUNDING)
        ]
        parts.append(Part("discount", -document.discount_minor))
        known_minor = sum(part.amount_minor for part in parts)
        parts += [
            # With tax in its prices a document's lines are more than its net.
            Part("vat", document.total_minor - document.rounding_minor - known_minor),
            Part("rounding", document.rounding_minor),
            Part("balance", -document.credit_applied_minor),
        ]
        return [
            replace(part, amount_minor=sign * part.amount_minor)
            for part in parts
            if part.amount_minor
        ]


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a bill, or what stands beside its lines, in minor units of its currency."""

    kind: Literal["line", "discount", "vat", "rounding", "balance"]
    amount_minor: int
    line: InvoiceLine | None = None


@dataclass(frozen=True, slots=True)
class FullPrice:
    """A bill as it is from a day on, when the discounts that end have ended."""

    from_on: date
    bill: SeenBill

    @property
    def amount_minor(self) -> int:
        """What it costs, in minor units, whatever of it a balance would pay."""
        return self.bill.document.total_minor


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change comes to: bills of today, the next one, and the one after that.

    ``paid_out_minor`` is as in :class:`Changed`.
    """

    subscription: Subscription
    today: list[SeenBill]
    upcoming: list[SeenBill]
    paid_out_minor: int = 0

    @property
    def to_pay_today_minor(self) -> int:
        """In minor units; below zero where more comes back than is charged."""
        return sum(bill.to_pay_minor for bill in self.today)

    @property
    def outcome(self) -> str:
        """As that of :class:`Changed`."""
        return outcome_of(self.to_pay_today_minor, self.paid_out_minor)

    @property
    def full_price(self) -> FullPrice | None:
        return self.upcoming[0].full_price if self.upcoming else None


@one_transaction()
def bill_after(change: Change, *, as_of: date, actor: str) -> Changed:
    """Make a change and bill at once what it makes due, or do neither.

    Raises what the change raises, and :class:`Refused` ("parked") where it cannot be billed.
    """
    subscription = change()
    documents = bill_customer(
        subscription.customer, as_of=as_of, actor=actor, subscription=subscription
    )
    [billed] = read(Subscription, "WHERE id = %s", [subscription.pk])
    return Changed(billed, documents, pay_out_if_ended(billed, as_of=as_of, actor=actor))


def preview(change: Change, *, as_of: date, bills_ahead: int = 2) -> Preview:
    """What :func:`bill_after` would do, and the bills that follow it. Nothing is kept.

    The change is made, under the lock of its customer, and rolled back. From then on the database
    refuses to write. Raises what the change raises, and :class:`Refused` ("parked") where it cannot
    be billed.
    """
    with one_transaction():
        subscription = change()
        refuse_writes()
        whose = (subscription.seller_id, subscription.customer_id, subscription.pk)
        foresight = Foresight(*whose, as_of=as_of)
        today = [*map(SeenBill.of, foresight.bill_today())]
        subscription = foresight.subscription_after_today()
        is_paid_out = _is_paid_out(subscription)
        paid_out_minor = foresight.money.pay_out(subscription) if is_paid_out else 0
        upcoming = _upcoming(foresight, subscription, bills_ahead)
        transaction.set_rollback(True)
    return Preview(subscription, today, upcoming, paid_out_minor)


def next_bill(
    customer: Customer, *, as_of: date, subscription: Subscription | None = None
) -> SeenBill | None:
    """The next document that a customer, or one subscription, will get; None where none will come.

    Usage that is still to come is not in it. Nothing is locked and nothing written.
    """
    with read_only():
        subscription_id = subscription.pk if subscription else None
        foresight = Foresight(customer.seller_id, customer.pk, subscription_id, as_of=as_of)
        found = _upcoming(foresight, subscription, 1)
    return found[0] if found else None


def pay_out_if_ended(subscription: Subscription, *, as_of: date, actor: str) -> int:
    """Pay back what a subscription has left on the balance, if it has ended and is refunded."""
    if not _is_paid_out(subscription):
        return 0
    return hooks.pay_out_of_ended.only(subscription, as_of=as_of, actor=actor)


def _is_paid_out(subscription: Subscription) -> bool:
    is_over = subscription.status == Subscription.Status.ENDED
    return is_over and subscription.is_unused_refunded_at_end


def check_billable(subscription: Subscription, on: date) -> None:
    """Refuse ("parked") a subscription that could not be billed on a day. Nothing is written."""
    whose = (subscription.seller_id, subscription.customer_id, subscription.pk)
    Foresight(*whose, as_of=on).bill_today()


def _upcoming(
    foresight: Foresight, subscription: Subscription | None, bills_ahead: int
) -> list[SeenBill]:
    """The next bills, the first with what it will cost without the discounts that end."""
    to_come = map(SeenBill.of, foresight.bills())
    bills = list(islice(to_come, bills_ahead))
    if bills and any(line.kind == InvoiceLine.Kind.DISCOUNT for line in bills[0].lines):
        full_price = _full_price(foresight, subscription, bills, to_come)
        bills[0] = replace(bills[0], full_price=full_price)
    return bills


def _full_price(
    foresight: Foresight,
    subscription: Subscription | None,
    bills: Sequence[SeenBill],
    to_come: Iterator[SeenBill],
) -> FullPrice | None:
    """The bill after ``bills`` without what is taken off the first of them for a time only.

    None where a discount is for ever, or lasts until the subscription ends.
    """
    first = bills[0]
    until = foresight.end_discounts(first.on)
    if until is None and first.document.pk not in foresight.spenders:
        return None
    if until is not None and subscription is not None and subscription.ends_on is not None:
        if until >= subscription.ends_on:
            return None
    bill = next(to_come, None)
    if bill is None or bill.document.discount_minor >= first.document.discount_minor:
        return None
    return FullPrice(until or [*bills[1:], bill][0].on, bill)
