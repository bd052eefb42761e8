"""Payments that come back: the bank has taken back what had arrived.

The payment is *returned* as a whole, with all that it had paid. What of an invoice was recorded in
error, or came back in part, is taken off the invoice instead (``giving_back.reopen``).
"""

from collections.abc import Mapping
from datetime import date

from django.db import transaction

from billing.engine.declines import Decline
from billing.engine.errors import Refused
from billing.engine.money import major_string
from billing.invoicing import settlement
from billing.invoicing.balances import Entry, balance_of, move_balances
from billing.invoicing.locks import lock_invoices
from billing.invoicing.models import Invoice
from billing.invoicing.voiding import void_ordered
from billing.ledger.actions import Books, between
from billing.ledger.models import Account, Transfer
from billing.payments import hooks
from billing.payments.booking import post_of_payment, tell
from billing.payments.from_balance import settle_debts
from billing.payments.locks import lock_with_customer
from billing.payments.models import Payment, PaymentAllocation, PaymentMethod, Refund
from customers.persons import person_ids

KEPT_MONEY_IS_GONE = "The bank took back the money that was kept for the order."


@transaction.atomic
def mark_returned(
    payment: Payment,
    *,
    as_of: date,
    actor: str,
    returned_on: date | None = None,
    decline: Decline = Decline.DECLINED,
) -> Payment:
    """Take back all that is left of a payment, on the day on which its bank did; today by default.

    What it had paid is owed again, and what of it was put on the balance comes off that; orders
    that wait to be paid with it are void. What the balance has paid with it meanwhile is lost, and
    a person is told. A charge that comes back is followed up as one that has failed.

    Raises :class:`Refused` ("payment_not_there") where nothing of it is here, ("refund_under_way")
    while some of it is being paid back, and ("day_ahead" or "day_before_payment") for a day on
    which it cannot have come back.
    """
    payment = lock_with_customer(payment.pk)
    returned_on = returned_on or as_of
    _check(payment, returned_on, as_of)
    settled = list(
        payment.allocations.filter(state=PaymentAllocation.State.SETTLED).select_for_update(
            of=["self"]
        )
    )
    left = {each.invoice_id: each.amount_minor - each.refunded_minor for each in settled}
    invoices = lock_invoices([pk for pk, minor in left.items() if minor])
    parts = {invoice: left[invoice.pk] for invoice in invoices}
    surplus_minor = payment.amount_minor - payment.refunded_minor - sum(parts.values())
    payment.allocations.filter(state=PaymentAllocation.State.SETTLED).update(
        state=PaymentAllocation.State.RELEASED
    )
    payment.move(Payment.State.RETURNED, returned_on=returned_on, failure_code=decline.value)
    _free(payment, surplus_minor, as_of, actor)
    spent_minor = _book(payment, parts, surplus_minor, returned_on)
    settlement.reopen(payment.seller, parts, as_of=returned_on, actor=actor)
    if spent_minor:
        _flag(payment, spent_minor)
    # Other money that the customer has with us pays first: nobody is late with what we hold.
    if settle_debts([payment.customer_id], as_of, actor):
        invoices = lock_invoices([invoice.pk for invoice in invoices])
    again_on = _follow_up(payment, invoices, decline, as_of, actor)
    others = [invoice.public_id for invoice in invoices[1:]]
    tell(
        "payment.returned",
        payment,
        invoices[0] if invoices else None,
        as_of,
        actor,
        failure_code=decline.value,
        next_attempt_on=again_on and again_on.isoformat(),
        **({"also": others} if others else {}),
    )
    return payment


def _check(payment: Payment, returned_on: date, as_of: date) -> None:
    if payment.state != Payment.State.SUCCEEDED:
        state = Payment.State(payment.state).label.lower()
        raise Refused(
            f"{payment} is {state}: nothing of it can come back.",
            code="payment_not_there",
        )
    if payment.refunded_minor == payment.amount_minor:
        raise Refused(f"All of {payment} was paid back before.", code="payment_not_there")
    waiting = (Refund.State.OWED, Refund.State.CREATED, Refund.State.UNKNOWN)
    if refund := payment.refunds.filter(state__in=waiting).first():
        raise Refused(
            f"{refund} of it is still to be paid back. Wait for it; or, where a person is to pay "
            "it, mark it as paid on the day on which the bank took the payment.",
            code="refund_under_way",
        )
    if returned_on > as_of:
        raise Refused(
            f"{returned_on} is still to come. Say it on the day on which it comes back.",
            code="day_ahead",
        )
    if payment.received_on and returned_on < payment.received_on:
        raise Refused(
            f"The money came on {payment.received_on}: it did not come back before.",
            code="day_before_payment",
        )


def _free(payment: Payment, surplus_minor: int, as_of: date, actor: str) -> None:
    """Let orders go, the newest first, that keep money on the balance which is not there any more.

    Else it would be lost while they wait, and the customer's again when they run out.
    """
    keeping = Invoice.objects.filter(
        customer__in=person_ids(payment.customer),
        currency=payment.currency,
        sequence=None,
        status=Invoice.Status.OPEN,
        credit_applied_minor__gt=0,
    )
    for invoice in reversed(lock_invoices(list(keeping.values_list("pk", flat=True)))):
        if balance_of(payment.customer, payment.currency) >= surplus_minor:
            return
        void_ordered(invoice, reason=KEPT_MONEY_IS_GONE, as_of=as_of, actor=actor)


def _book(
    payment: Payment, parts: Mapping[Invoice, int], surplus_minor: int, returned_on: date
) -> int:
    """Book that the money is gone; how much of the surplus the balance no longer has.

    The balance is never negative, and no document asks for what is missing: it is a loss.
    """
    taken_minor = min(surplus_minor, balance_of(payment.customer, payment.currency))
    spent_minor = surplus_minor - taken_minor
    books = Books(payment.seller)
    clearing = books.account(Account.Role.CLEARING)
    postings = [
        *between(books.account(Account.Role.RECEIVABLE), clearing, sum(parts.values())),
        *between(books.account(Account.Role.CUSTOMER_BALANCE), clearing, taken_minor),
        *between(books.account(Account.Role.BAD_DEBT), clearing, spent_minor),
    ]
    post_of_payment(payment, Transfer.Document.PAYMENT, payment.pk, postings, returned_on)
    if taken_minor:
        entry = Entry(payment.customer_id, payment.currency, -taken_minor, None, payment.public_id)
        move_balances([entry], returned_on)
    return spent_minor


def _flag(payment: Payment, spent_minor: int) -> None:
    spent = f"{major_string(spent_minor, payment.currency)} {payment.currency}"
    payment.attention = (
        f"{spent} of it was on the customer's balance and has paid other invoices. It is booked as "
        "a loss: ask the customer for it."
    )
    payment.save(update_fields=["attention"])


def _follow_up(
    payment: Payment, invoices: list[Invoice], decline: Decline, as_of: date, actor: str
) -> date | None:
    """Go on as after a charge that has failed; the day of the next one, where there will be one.

    What a person recorded is late by its due date alone, like any invoice that is not paid.
    """
    method = payment.payment_method
    if method is None:
        return None
    if decline.is_hard:
        PaymentMethod.objects.filter(pk=method.pk).update(refused_code=decline.value)
    days = [
        listen(invoice, as_of=as_of, actor=actor)
        for invoice in invoices
        if invoice.is_collectable
        for listen in hooks.payment_failed
    ]
    return min((day for day in days if day), default=None)
