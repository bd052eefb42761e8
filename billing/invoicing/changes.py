"""Changes to subscriptions with the bills that they cause, and the same without keeping anything.

A change is a call of an action of subscriptions that is still to be made, such as
``actions.change`` or ``pausing.pause``. The doors – portal, API, checkout – make it through
:func:`bill_after`, or ask :func:`preview` what it would come to: that is the same code, rolled
back, so a preview cannot differ from what follows it. Only numbers are not taken for it, so that
whoever looks holds up nobody who bills.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

from django.db import transaction

from billing.base.sql.lookups import array_of
from billing.base.sql.reading import read
from billing.base.sql.telling import one_transaction
from billing.engine.errors import Refused
from billing.invoicing.actions import bill_customer
from billing.invoicing.models import Invoice, InvoiceLine, InvoiceTax
from billing.invoicing.numbering import Numbering, numbers_of_nobody, take_numbers
from billing.subscriptions.models import Subscription
from catalog.models import Price
from customers.models import Customer

type Change = Callable[[], Subscription]

# How far ahead the next bill is looked for; and how many empty days may come before it.
AHEAD_MAX = timedelta(days=800)
EMPTY_MAX = 40


@dataclass(frozen=True, slots=True)
class Changed:
    """A subscription after a change, and the documents issued for it at once."""

    subscription: Subscription
    documents: list[Invoice]


@dataclass(frozen=True, slots=True)
class SeenBill:
    """A document that was made and not kept: its rows are in memory alone."""

    document: Invoice
    lines: list[InvoiceLine]
    taxes: list[InvoiceTax]

    @property
    def on(self) -> date:
        return self.document.issued_on

    @property
    def to_pay_minor(self) -> int:
        """What the customer pays for it, in minor units: below zero for what comes back."""
        if self.document.kind == Invoice.Kind.CREDIT_NOTE:
            return -self.document.total_minor
        return self.document.amount_due_minor


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change comes to: bills of today, the next one, and the one after that."""

    subscription: Subscription
    today: list[SeenBill]
    upcoming: list[SeenBill]

    @property
    def to_pay_today_minor(self) -> int:
        """In minor units; below zero where more comes back than is charged."""
        return sum(bill.to_pay_minor for bill in self.today)


@one_transaction()
def bill_after(change: Change, *, as_of: date, actor: str) -> Changed:
    """Make a change and bill at once what it makes due, or do neither.

    Raises what the change raises, and :class:`Refused` ("parked") where it cannot be billed.
    """
    return _bill_after(change, as_of, actor, take_numbers)


def preview(change: Change, *, as_of: date, actor: str, bills_ahead: int = 2) -> Preview:
    """What :func:`bill_after` would do, and the bills that follow it. Nothing is kept.

    Raises what :func:`bill_after` raises. The customer is locked meanwhile; the number series are
    not.
    """
    with one_transaction():
        changed = _bill_after(change, as_of, actor, numbers_of_nobody)
        today = [_seen(document) for document in changed.documents]
        subscription = changed.subscription
        ahead = _bills_to_come(subscription.customer, subscription, as_of, actor)
        seen = Preview(subscription, today, list(islice(ahead, bills_ahead)))
        transaction.set_rollback(True)
    return seen


def next_bill(
    customer: Customer, *, as_of: date, actor: str, subscription: Subscription | None = None
) -> SeenBill | None:
    """The next document that a customer, or one subscription, will get; None where none will come.

    Usage that is still to come is not in it.
    """
    with one_transaction():
        found = next(_bills_to_come(customer, subscription, as_of, actor), None)
        transaction.set_rollback(True)
    return found


def _bill_after(change: Change, as_of: date, actor: str, numbering: Numbering) -> Changed:
    subscription = change()
    documents = bill_customer(
        subscription.customer,
        as_of=as_of,
        actor=actor,
        subscription=subscription,
        numbering=numbering,
    )
    [billed] = read(Subscription, "WHERE id = %s", [subscription.pk])
    return Changed(billed, documents)


def _bills_to_come(
    customer: Customer, subscription: Subscription | None, as_of: date, actor: str
) -> Iterator[SeenBill]:
    """The documents after ``as_of`` in their order, as long as each day of billing is reached.

    For a transaction that is rolled back.
    """
    on = as_of
    for _ in range(EMPTY_MAX):
        next_on = _next_bill_on(customer, subscription)
        if next_on is None or next_on > as_of + AHEAD_MAX:
            return
        on = max(next_on, on)
        try:
            documents = bill_customer(
                customer,
                as_of=on,
                actor=actor,
                subscription=subscription,
                numbering=numbers_of_nobody,
            )
        except Refused:
            return
        for document in documents:
            yield _seen(document)
        if _next_bill_on(customer, subscription) == next_on:
            return


def _next_bill_on(customer: Customer, subscription: Subscription | None) -> date | None:
    due = Subscription.objects.filter(customer=customer, parked_reason="")
    if subscription is not None:
        due = due.filter(pk=subscription.pk)
    days = due.exclude(next_bill_on=None).order_by("next_bill_on")
    found: date | None = days.values_list("next_bill_on", flat=True).first()
    return found


def _seen(document: Invoice) -> SeenBill:
    lines = read(InvoiceLine, "WHERE invoice_id = %s ORDER BY position", [document.pk])
    ids = {line.price_id for line in lines if line.price_id}
    prices = {one.pk: one for one in read(Price, "WHERE id = ANY(%s::bigint[])", [array_of(ids)])}
    for line in lines:
        line.price = prices[line.price_id] if line.price_id else None
    taxes = read(InvoiceTax, "WHERE invoice_id = %s ORDER BY id", [document.pk])
    return SeenBill(document, lines, taxes)
