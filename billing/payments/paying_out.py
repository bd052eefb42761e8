"""Money on a balance is paid back to its customer, by the payments that had brought it.

A credit note on a paid invoice has put it there. Paid out later, it is as if the note had been
refunded at once: what was paid of the invoice becomes credited, and its payments give so much back.
Or a payment has brought more than was owed, such as one for an order that had run out: it gives
that back. Goodwill was never paid, and stays. A person has one balance, which customers who were
merged into another have paid for as well.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from datetime import date

from django.db import transaction
from django.db.models import Exists, OuterRef, Sum

from billing.engine.errors import Refused
from billing.engine.money import major_string
from billing.engine.paying_back import parts_paid_back
from billing.engine.tax import gross_minor
from billing.events.recorder import record
from billing.invoicing.balances import Entry, balance_of, move_balances
from billing.invoicing.foreseen_money import ForeseenDebt, ForeseenMoney
from billing.invoicing.models import BalanceEntry, Invoice, InvoiceLine
from billing.invoicing.unwritten import age_of
from billing.ledger.actions import Books, Posting, post
from billing.ledger.models import Account, Transfer
from billing.payments.models import Payment, PaymentAllocation, Refund
from billing.payments.refunds import refund_credit, refund_surplus
from billing.subscriptions.models import Subscription
from billing.tax.rates import treatment_of
from customers.locks import lock_customer
from customers.models import Customer
from customers.persons import person_ids, staying_of

PAID_OUT = "Paid back"


@dataclass(slots=True)
class _Source:
    """A credit note, and how much of what it brought to the balance its invoices can pay back, each
    its part by its id; or without one a payment, and what is over of it.
    """

    note_id: int | None = None
    payment: Payment | None = None
    amount_minor: int = 0
    parts: dict[int, int] = field(default_factory=dict)


@transaction.atomic
def pay_out_balance(
    customer: Customer, *, currency: str, as_of: date, actor: str, amount_minor: int | None = None
) -> int:
    """Pay back what a customer has paid and has on a balance, by default all of it; how much, in
    minor units.

    What came through a gateway goes back by it; what did not is owed until somebody has paid it.
    Raises :class:`Refused` ("nothing_to_pay_out", "balance_is_kept", "pay_out_exceeds_paid").
    """
    customer = _lock(customer)
    sources = _sources(customer, currency)
    most_minor = _most(customer, currency, balance_of(customer, currency), sources)
    asked_minor = most_minor if amount_minor is None else amount_minor
    if not most_minor or asked_minor <= 0:
        raise _nothing_to_pay_out(customer, currency)
    if asked_minor > most_minor:
        raise Refused(
            f"Only {major_string(most_minor, currency)} {currency} of this balance was paid by the "
            "customer and is kept for no order: no more can be paid back.",
            code="pay_out_exceeds_paid",
        )
    left_minor = asked_minor
    for source in sources:
        part_minor = min(left_minor, source.amount_minor)
        if part_minor:
            _pay_out(customer, currency, source, part_minor, as_of, actor)
            left_minor -= part_minor
    record(
        "balance.paid_out",
        seller=customer.seller.public_id,
        subject=customer.public_id,
        occurred_on=as_of,
        actor=actor,
        data={"amount_minor": asked_minor, "currency": currency},
    )
    return asked_minor


def _nothing_to_pay_out(customer: Customer, currency: str) -> Refused:
    held = customer.balances.filter(currency=currency, balance_minor__gt=0).exists()
    if held and not balance_of(customer, currency):
        return Refused(
            "All of this balance is kept for an order that waits. Pay it back when the order has "
            "run out, or void its invoice first.",
            code="balance_is_kept",
        )
    return Refused(
        "Nothing on this balance was paid by the customer, so nothing can be paid back.",
        code="nothing_to_pay_out",
    )


def pay_out_of_ended(subscription: Subscription, *, as_of: date, actor: str) -> int:
    """Pay back what documents of a refunded subscription have left on the balance, in minor units.

    An earlier pause has put it there; what has paid for the subscription since is not left.
    """
    amount_minor = payable_out_of_ended(subscription)
    if not amount_minor:
        return 0
    return pay_out_balance(
        subscription.customer,
        currency=subscription.currency,
        amount_minor=amount_minor,
        as_of=as_of,
        actor=actor,
    )


def payable_out_of_ended(subscription: Subscription, money: ForeseenMoney | None = None) -> int:
    """What :func:`pay_out_of_ended` would pay back, in minor units; with what documents that nobody
    writes would move, where ``money`` says that.
    """
    customer, currency = subscription.customer, subscription.currency
    moved = BalanceEntry.objects.filter(
        customer__in=person_ids(customer), currency=currency, invoice__subscription=subscription
    )
    left_minor: int = moved.aggregate(minor=Sum("amount_minor"))["minor"] or 0
    if money is not None:
        left_minor += money.moved_minor(subscription)
    if left_minor <= 0:
        return 0
    return min(left_minor, payable_out_minor(customer, currency, money))


def payable_out_minor(customer: Customer, currency: str, money: ForeseenMoney | None = None) -> int:
    """How much of a balance can be paid back, in minor units; ``money`` is as above.

    Of a merged customer, how much of that of the one that stays.
    """
    free_minor = balance_of(customer, currency) if money is None else money.free_minor(currency)
    return _most(customer, currency, free_minor, _sources(customer, currency, money))


def _lock(customer: Customer) -> Customer:
    """The customer who has the balance, locked: the one that stays."""
    lock_customer(customer.pk)
    return staying_of(
        Customer.objects.select_related("seller", "merged_into__seller").get(pk=customer.pk)
    )


def _most(customer: Customer, currency: str, free_minor: int, sources: list[_Source]) -> int:
    # What was spent was paid money first: what was given is never paid out, whatever came between.
    paid_minor = free_minor - _given_minor(customer, currency)
    return max(0, min(paid_minor, sum(source.amount_minor for source in sources)))


def _given_minor(customer: Customer, currency: str) -> int:
    """The goodwill that was given and not taken back."""
    booked = Transfer.objects.filter(document=Transfer.Document.BALANCE, document_id=OuterRef("pk"))
    gifts = BalanceEntry.objects.filter(
        Exists(booked),
        customer__in=person_ids(customer),
        currency=currency,
        amount_minor__gt=0,
        takes_back=None,
    )
    sums = gifts.aggregate(given=Sum("amount_minor"), taken=Sum("taken_back_by__amount_minor"))
    return (sums["given"] or 0) + (sums["taken"] or 0)


def _sources(
    customer: Customer, currency: str, money: ForeseenMoney | None = None
) -> list[_Source]:
    """Where the money on the balance came from: credit notes first, the newest before others."""
    return [*_notes(customer, currency, money), *_surpluses(customer, currency)]


def _surpluses(customer: Customer, currency: str) -> list[_Source]:
    """The payments that have brought more than their invoices took."""
    paid = Payment.objects.filter(
        customer__in=person_ids(customer), currency=currency, state=Payment.State.SUCCEEDED
    )
    settled = dict(
        PaymentAllocation.objects.filter(payment__in=paid, state=PaymentAllocation.State.SETTLED)
        .values_list("payment_id")
        .annotate(minor=Sum("amount_minor"))
    )
    returned = dict(
        Refund.objects.filter(payment__in=paid, invoice=None)
        .exclude(state=Refund.State.FAILED)
        .values_list("payment_id")
        .annotate(minor=Sum("amount_minor"))
    )
    found = [
        _Source(
            payment=payment,
            amount_minor=payment.amount_minor
            - settled.get(payment.pk, 0)
            - returned.get(payment.pk, 0),
        )
        for payment in paid.select_related("seller").order_by("-pk")
    ]
    return [source for source in found if source.amount_minor > 0]


def _notes(customer: Customer, currency: str, money: ForeseenMoney | None) -> list[_Source]:
    """The credit notes whose money is still on the balance, the newest first."""
    brought = dict(
        BalanceEntry.objects.filter(
            customer__in=person_ids(customer),
            currency=currency,
            invoice__kind=Invoice.Kind.CREDIT_NOTE,
        )
        .values_list("invoice_id")
        .annotate(minor=Sum("amount_minor"))
        .filter(minor__gt=0)
    )
    if money is not None:
        brought |= money.brought_by_notes(currency)
    corrected = _corrected(brought, money)
    behind = {invoice_id for of_note in corrected.values() for invoice_id in of_note}
    newest_first = {each: brought[each] for each in sorted(brought, key=age_of, reverse=True)}
    parts_by_note = parts_paid_back(newest_first, corrected, _limits(behind, money))
    return [
        _Source(note_id, amount_minor=sum(parts.values()), parts=parts)
        for note_id, parts in parts_by_note.items()
        if parts
    ]


def _corrected(note_ids: Collection[int], money: ForeseenMoney | None) -> dict[int, list[int]]:
    """The invoices that credit notes correct, the newest first; where that is what another note
    has charged, those that this one corrects.
    """
    corrects: dict[int, set[tuple[str, int]]]
    corrects = {} if money is None else money.corrected_by_notes()
    waiting = {*note_ids}
    while waiting := (waiting | _notes_in(corrects)) - corrects.keys():
        for note_id in waiting:
            corrects[note_id] = set()
        lines = InvoiceLine.objects.filter(invoice__in=waiting, corrects__isnull=False)
        found = lines.values_list("invoice_id", "corrects__invoice__kind", "corrects__invoice_id")
        for note_id, kind, document_id in found.distinct():
            corrects[note_id].add((kind, document_id))
    return {note_id: _invoices_behind(note_id, corrects) for note_id in note_ids}


def _notes_in(corrects: Mapping[int, Set[tuple[str, int]]]) -> set[int]:
    return {
        document_id
        for of_note in corrects.values()
        for kind, document_id in of_note
        if kind == Invoice.Kind.CREDIT_NOTE
    }


def _invoices_behind(note_id: int, corrects: Mapping[int, Set[tuple[str, int]]]) -> list[int]:
    notes, invoices = [note_id], set()
    for each in notes:
        for kind, document_id in corrects.get(each, ()):
            if kind == Invoice.Kind.INVOICE:
                invoices.add(document_id)
            elif document_id not in notes:
                notes.append(document_id)
    return sorted(invoices, key=age_of, reverse=True)


def _limits(
    invoice_ids: Collection[int], money: ForeseenMoney | None
) -> tuple[dict[int, int], dict[int, int]]:
    """How much invoices may pay back of the notes on them: first what those have taken and nobody
    has had yet, then all that is paid, since what was paid in another way may have gone on.
    """
    taken: Counter[int] = Counter()
    lines = InvoiceLine.objects.filter(
        corrects__invoice__in=invoice_ids, invoice__kind=Invoice.Kind.CREDIT_NOTE
    )
    for invoice_id, net_minor, rates in lines.values_list(
        "corrects__invoice_id", "net_minor", "tax"
    ):
        taken[invoice_id] += gross_minor(net_minor, treatment_of(rates))
    debts: Mapping[int, ForeseenDebt] = {}
    if money is not None:
        debts = money.debts
        for note in money.notes.values():
            taken.update(note.takes)
    not_had, paid = {}, {}
    for invoice in Invoice.objects.filter(pk__in=invoice_ids):
        stands: Invoice | ForeseenDebt = debts.get(invoice.pk, invoice)
        paid[invoice.pk] = stands.paid_minor
        still_minor = taken[invoice.pk] - stands.by_notes_minor
        not_had[invoice.pk] = max(0, min(still_minor, stands.paid_minor))
    return not_had, paid


def _pay_out(
    customer: Customer,
    currency: str,
    source: _Source,
    amount_minor: int,
    as_of: date,
    actor: str,
) -> None:
    """Take a part off the balance, and give it back by the payments that had brought it."""
    if source.payment is not None:
        refund_surplus(source.payment, amount_minor, as_of=as_of, actor=actor)
    else:
        _refund_parts(customer, currency, source, amount_minor, as_of, actor)
    paid_out = Entry(customer.pk, currency, -amount_minor, source.note_id, PAID_OUT)
    move_balances([paid_out], as_of)
    entry = BalanceEntry.objects.filter(customer=customer, invoice=source.note_id).latest("id")
    books = Books(customer.seller)
    posting = Posting(
        books.account(Account.Role.CUSTOMER_BALANCE),
        books.account(Account.Role.RECEIVABLE),
        amount_minor,
    )
    post(
        customer.seller,
        [posting],
        currency=currency,
        effective_on=as_of,
        document=Transfer.Document.BALANCE,
        document_id=entry.pk,
        customer_id=customer.pk,
    )


def _refund_parts(
    customer: Customer,
    currency: str,
    source: _Source,
    amount_minor: int,
    as_of: date,
    actor: str,
) -> None:
    """Have the invoices of a note pay back so much, each no more than its part: what is left of one
    is another note's.
    """
    left_minor = amount_minor
    for invoice_id, most_minor in source.parts.items():
        part_minor = min(left_minor, most_minor)
        if not part_minor:
            break
        paid_minor = refund_credit(
            customer.seller,
            as_of,
            actor,
            customer.pk,
            currency,
            part_minor,
            {invoice_id: part_minor},
        )
        assert paid_minor == part_minor, f"{source} gives {paid_minor}, not {part_minor}"
        left_minor -= part_minor
