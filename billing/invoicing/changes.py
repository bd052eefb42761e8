"""Changes to subscriptions with the bills that they cause, and the same without keeping anything.

A change is a call of an action of subscriptions that is still to be made, such as
``actions.change`` or ``pausing.pause``. The doors – portal, API, checkout – make it through
:func:`bill_after`, or ask :func:`preview` what it would come to: that is the same code, rolled
back, so a preview cannot differ from what follows it. Only numbers are not taken for it, so that
whoever looks holds up nobody who bills.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice
from typing import Literal

from django.db import transaction
from django.db.models import Max, Q

from billing.base.sql.lookups import array_of
from billing.base.sql.reading import read
from billing.base.sql.telling import one_transaction
from billing.engine.errors import Refused
from billing.invoicing import hooks
from billing.invoicing.actions import bill_customer
from billing.invoicing.batch import bill_locked
from billing.invoicing.drafting import Scope
from billing.invoicing.models import Invoice, InvoiceLine, InvoiceTax
from billing.invoicing.numbering import Numbering, preview_numbers, take_numbers
from billing.subscriptions.models import CouponRedemption, Subscription
from catalog.models import Price
from customers.locks import lock_customer
from customers.models import Customer, Seller

type Change = Callable[[], Subscription]

# How far ahead the next bill is looked for; and how many empty days may come before it.
AHEAD_MAX = timedelta(days=800)
EMPTY_MAX = 40


@dataclass(frozen=True, slots=True)
class Changed:
    """A subscription after a change, and the documents issued for it at once.

    ``paid_out_minor`` is what goes back of the balance besides, where it has ended and is refunded.
    """

    subscription: Subscription
    documents: list[Invoice]
    paid_out_minor: int = 0


def to_pay_minor(documents: Sequence[Invoice]) -> int:
    """What documents of today ask for in minor units; below zero for what comes back."""
    return sum(
        -document.total_minor
        if document.kind == Invoice.Kind.CREDIT_NOTE
        else document.amount_due_minor
        for document in documents
    )


@dataclass(frozen=True, slots=True)
class SeenBill:
    """A document that was made and not kept: its rows are in memory alone."""

    document: Invoice
    lines: list[InvoiceLine]
    taxes: list[InvoiceTax]
    full_price: "FullPrice | None" = None

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
    def full_price(self) -> FullPrice | None:
        return self.upcoming[0].full_price if self.upcoming else None


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
        changed = _bill_after(change, as_of, actor, preview_numbers)
        subscription, documents = changed.subscription, changed.documents
        customer = subscription.customer
        to_come = _bills_to_come(customer, subscription, as_of, actor)
        ids = [*(one.pk for one in documents), *islice(to_come, bills_ahead)]
        bills = _seen(ids, documents)
        today, upcoming = bills[: len(documents)], bills[len(documents) :]
        upcoming = _with_full_price(customer, subscription, upcoming, to_come)
        seen = Preview(subscription, today, upcoming, changed.paid_out_minor)
        transaction.set_rollback(True)
    return seen


def next_bill(
    customer: Customer, *, as_of: date, actor: str, subscription: Subscription | None = None
) -> SeenBill | None:
    """The next document that a customer, or one subscription, will get; None where none will come.

    Usage that is still to come is not in it.
    """
    with one_transaction():
        lock_customer(customer.pk)
        to_come = _bills_to_come(customer, subscription, as_of, actor)
        found = _with_full_price(customer, subscription, _seen(list(islice(to_come, 1))), to_come)
        transaction.set_rollback(True)
    return found[0] if found else None


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
    return Changed(billed, documents, pay_out_if_ended(billed, as_of=as_of, actor=actor))


def pay_out_if_ended(subscription: Subscription, *, as_of: date, actor: str) -> int:
    """Pay back what a subscription has left on the balance, if it has ended and is refunded."""
    is_over = subscription.status == Subscription.Status.ENDED
    if not is_over or not subscription.is_unused_refunded_at_end:
        return 0
    return hooks.pay_out_of_ended.only(subscription, as_of=as_of, actor=actor)


def _with_full_price(
    customer: Customer,
    subscription: Subscription | None,
    bills: list[SeenBill],
    to_come: Iterator[int],
) -> list[SeenBill]:
    """The bills, the first with what it will cost without the discounts that end.

    For a transaction that is rolled back.
    """
    if bills and any(line.kind == InvoiceLine.Kind.DISCOUNT for line in bills[0].lines):
        full_price = _full_price(customer, subscription, bills, to_come)
        return [replace(bills[0], full_price=full_price), *bills[1:]]
    return bills


def _full_price(
    customer: Customer,
    subscription: Subscription | None,
    bills: list[SeenBill],
    to_come: Iterator[int],
) -> FullPrice | None:
    """The bill after ``bills`` without what is taken off the first of them for a time only.

    None where a discount is for ever, or lasts until the subscription ends. Takes the discounts
    away: for a transaction that is rolled back.
    """
    had = CouponRedemption.objects.filter(customer=customer, removed_on__isnull=True)
    if subscription is not None:
        had = had.filter(Q(subscription=None) | Q(subscription=subscription))
    ending = had.filter(is_spent=False, expires_on__gt=bills[0].on)
    until = ending.aggregate(last=Max("expires_on"))["last"]
    if until is None and not had.filter(is_spent=True, fixed_by=bills[0].document.pk).exists():
        return None
    if until is not None and subscription is not None and subscription.ends_on is not None:
        if until >= subscription.ends_on:
            return None
    ending.update(removed_on=bills[0].on)
    bill = next(iter(_seen(list(islice(to_come, 1)))), None)
    if bill is None or bill.document.discount_minor >= bills[0].document.discount_minor:
        return None
    return FullPrice(until or [*bills[1:], bill][0].on, bill)


def _bills_to_come(
    customer: Customer, subscription: Subscription | None, as_of: date, actor: str
) -> Iterator[int]:
    """The ids of the documents after ``as_of``, as long as each day of billing is reached.

    For a transaction that holds the customer's lock and is rolled back.
    """
    scope = Scope(subscription_id=subscription.pk if subscription else None)
    on, next_on = as_of, _next_bill_on(customer, subscription)
    [seller] = read(Seller, "WHERE id = %s", [customer.seller_id])
    for _ in range(EMPTY_MAX):
        if next_on is None or next_on > as_of + AHEAD_MAX:
            return
        on = max(next_on, on)
        try:
            billed = bill_locked(seller, [customer.pk], on, actor, scope, preview_numbers)
        except Refused:
            return
        if billed.parked or billed.refused:
            return
        yield from [document.id for document in billed.issued]
        last_on, next_on = next_on, _next_bill_on(customer, subscription)
        if next_on == last_on:
            return


def _next_bill_on(customer: Customer, subscription: Subscription | None) -> date | None:
    due = Subscription.objects.filter(customer=customer, parked_reason="")
    if subscription is not None:
        due = due.filter(pk=subscription.pk)
    days = due.exclude(next_bill_on=None).order_by("next_bill_on")
    found: date | None = days.values_list("next_bill_on", flat=True).first()
    return found


def seen_bill(document: Invoice) -> SeenBill:
    """A document with its rows read, for a transaction that is rolled back."""
    return _seen([document.pk], [document])[0]


def _seen(ids: Sequence[int], known: Sequence[Invoice] = ()) -> list[SeenBill]:
    """The documents of these ids with their rows, in four queries however many they are.

    What is ``known`` stays as it was read, whatever later bills have done to it.
    """
    if not ids:
        return []
    asked = [array_of(ids)]
    documents = {one.pk: one for one in read(Invoice, "WHERE id = ANY(%s::bigint[])", asked)}
    documents |= {one.pk: one for one in known}
    of_documents = "WHERE invoice_id = ANY(%s::bigint[]) ORDER BY"
    rows = read(InvoiceLine, f"{of_documents} invoice_id, position", asked)
    priced = {line.price_id for line in rows if line.price_id}
    found = read(Price, "WHERE id = ANY(%s::bigint[])", [array_of(priced)])
    prices = {price.pk: price for price in found}
    lines: dict[int, list[InvoiceLine]] = defaultdict(list)
    for line in rows:
        line.price = prices[line.price_id] if line.price_id else None
        lines[line.invoice_id].append(line)
    taxes: dict[int, list[InvoiceTax]] = defaultdict(list)
    for tax in read(InvoiceTax, f"{of_documents} id", asked):
        taxes[tax.invoice_id].append(tax)
    return [SeenBill(documents[pk], lines[pk], taxes[pk]) for pk in ids]
