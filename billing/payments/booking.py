"""Money in, as it is booked. What a person saw on a bank statement is recorded here."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db import transaction

from billing.engine.ceilings import check_amount
from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import major_string
from billing.events.recorder import record_for
from billing.invoicing.balances import Entry, move_balances
from billing.invoicing.locks import lock_invoice
from billing.invoicing.models import Invoice
from billing.invoicing.settlement import SYSTEM, settle_by_money
from billing.ledger.actions import Books, Posting, between, post
from billing.ledger.models import Account, Transfer
from billing.payments.models import Payment, PaymentAllocation
from billing.payments.planning import refuse_in_flight, release_planned
from customers.locks import lock_customer
from customers.models import Customer


@transaction.atomic
def record_payment(
    invoice: Invoice,
    *,
    as_of: date,
    actor: str,
    amount_minor: int | None = None,
    reference: str = "",
    received_on: date | None = None,
    is_confirmed: bool = False,
) -> Payment:
    """Record money that has arrived for an invoice, by default all that is due.

    It is booked on the day on which it was received, today where none is said
    ("received_in_the_future").

    More than twice what is due, or than is usual, is refused unless ``is_confirmed``
    ("unusual_amount"): most often it was typed wrong.

    What was written off takes late money as well: so much was no loss after all. What is over goes
    to the customer's balance. A ``reference`` of the bank's counts once: a second recording is
    refused ("payment_already_recorded"). Refused as well while the invoice is being charged
    ("payment_in_flight"): the customer would pay twice.
    """
    invoice = lock_invoice(invoice)
    amount_minor = _checked(invoice, amount_minor)
    usual = 2 * invoice.left_minor
    check_amount(amount_minor, invoice.currency, is_confirmed=is_confirmed, usual=usual)
    settled_minor = min(amount_minor, invoice.left_minor)
    return _record(
        {invoice: settled_minor},
        amount_minor,
        received_on=received_on or as_of,
        as_of=as_of,
        actor=actor,
        reference=reference,
    )


@transaction.atomic
def record_payment_of_many(
    customer: Customer,
    parts: Mapping[Invoice, int],
    *,
    as_of: date,
    actor: str,
    amount_minor: int | None = None,
    received_on: date | None = None,
    reference: str = "",
    is_confirmed: bool = False,
) -> Payment:
    """Record one payment that settles several invoices of a customer, each by its part.

    ``amount_minor`` is what came, by default the sum of the parts; what is over goes to the
    balance. Raises as :func:`record_payment` does, and :class:`Refused` ("part_exceeds_invoice",
    "parts_exceed_payment", "nothing_to_settle", "several_currencies").
    """
    lock_customer(customer.pk)
    asked = {invoice.pk: minor for invoice, minor in parts.items() if minor}
    mine = Invoice.objects.select_for_update(of=["self"]).select_related("seller", "customer")
    found = list(mine.filter(pk__in=asked, customer=customer).order_by("pk"))
    if not found or len(found) < len(asked):
        raise Refused("Say how much of the money is for which invoice.", code="nothing_to_settle")
    if len({invoice.currency for invoice in found}) > 1:
        raise Refused("One payment is in one currency.", code="several_currencies")
    for invoice in found:
        _checked(invoice, asked[invoice.pk])
        if asked[invoice.pk] > invoice.left_minor:
            left = major_string(invoice.left_minor, invoice.currency)
            raise Refused(
                f"Only {left} {invoice.currency} is left to pay of {invoice}.",
                code="part_exceeds_invoice",
            )
    settled_minor = sum(asked.values())
    amount_minor = settled_minor if amount_minor is None else amount_minor
    if amount_minor < settled_minor:
        raise Refused("The parts come to more than the payment.", code="parts_exceed_payment")
    check_amount(
        amount_minor, found[0].currency, is_confirmed=is_confirmed, usual=2 * settled_minor
    )
    return _record(
        {invoice: asked[invoice.pk] for invoice in found},
        amount_minor,
        received_on=received_on or as_of,
        as_of=as_of,
        actor=actor,
        reference=reference,
    )


def _record(
    parts: Mapping[Invoice, int],
    amount_minor: int,
    *,
    received_on: date,
    as_of: date,
    actor: str,
    reference: str,
) -> Payment:
    """Write a payment that a person saw arrive; its invoices are locked with their customer."""
    first = next(iter(parts))
    if received_on > as_of:
        raise Refused(
            f"{received_on} is still to come. Record the money on the day on which it is there.",
            code="received_in_the_future",
        )
    known = Payment.objects.filter(seller=first.seller_id, source=Payment.Source.HAND)
    if reference and known.filter(reference=reference).exists():
        raise Refused(
            f"A payment with the reference {reference} has been recorded.",
            code="payment_already_recorded",
        )
    for invoice in parts:
        refuse_in_flight(invoice)
        release_planned(invoice)
    payment = Payment.objects.create(
        seller=first.seller,
        customer=first.customer,
        currency=first.currency,
        amount_minor=amount_minor,
        state=Payment.State.SUCCEEDED,
        source=Payment.Source.HAND,
        reference=reference or None,
        received_on=received_on,
    )
    PaymentAllocation.objects.bulk_create(
        PaymentAllocation(
            payment=payment,
            invoice=invoice,
            amount_minor=minor,
            state=PaymentAllocation.State.SETTLED,
        )
        for invoice, minor in parts.items()
    )
    book(payment, parts, received_on)
    others = [invoice.public_id for invoice in parts if invoice is not first]
    more = {"also": others} if others else {}
    tell("payment.succeeded", payment, first, as_of, actor, **more)
    return payment


def book(payment: Payment, parts: Mapping[Invoice, int], as_of: date) -> None:
    """Book money that has arrived: what settles locked invoices, and the rest on the balance."""
    books = Books(payment.seller)
    clearing = books.account(Account.Role.CLEARING)
    receivable = books.account(Account.Role.RECEIVABLE)
    balance = books.account(Account.Role.CUSTOMER_BALANCE)
    settled_minor = sum(parts.values())
    settle_by_money(payment.seller, parts, as_of=as_of, actor=SYSTEM)
    surplus_minor = payment.amount_minor - settled_minor
    postings = [
        *between(clearing, receivable, settled_minor),
        *between(clearing, balance, surplus_minor),
    ]
    if surplus_minor:
        entry = Entry(payment.customer_id, payment.currency, surplus_minor, None, payment.public_id)
        move_balances([entry], as_of)
    post_of_payment(payment, Transfer.Document.PAYMENT, payment.pk, postings, as_of)


@transaction.atomic
def record_failure(
    invoice: Invoice,
    *,
    as_of: date,
    actor: str,
    amount_minor: int | None = None,
    failure_code: str = "declined",
) -> Payment:
    """Record an attempt that failed; nothing is owed less for it."""
    invoice = lock_invoice(invoice)
    amount_minor = _checked(invoice, amount_minor)
    payment = Payment.objects.create(
        seller=invoice.seller,
        customer=invoice.customer,
        currency=invoice.currency,
        amount_minor=amount_minor,
        state=Payment.State.FAILED,
        source=Payment.Source.HAND,
        failure_code=failure_code,
    )
    PaymentAllocation.objects.create(
        payment=payment,
        invoice=invoice,
        amount_minor=amount_minor,
        state=PaymentAllocation.State.RELEASED,
    )
    tell("payment.failed", payment, invoice, as_of, actor)
    return payment


def _checked(invoice: Invoice, amount_minor: int | None) -> int:
    if invoice.kind != Invoice.Kind.INVOICE or not invoice.may_be_paid:
        raise Refused(
            f"{invoice} is {invoice.status}: there is nothing to pay.", code="invoice_not_open"
        )
    if amount_minor is None:
        amount_minor = invoice.left_minor
    if amount_minor <= 0:
        raise InvalidAmount("A payment must be above zero.")
    return amount_minor


def post_of_payment(
    payment: Payment, document: str, document_id: int, postings: Sequence[Posting], as_of: date
) -> None:
    """Write postings of a payment, or of a refund of it, in its books."""
    post(
        payment.seller,
        postings,
        currency=payment.currency,
        effective_on=as_of,
        document=document,
        document_id=document_id,
        customer_id=payment.customer_id,
    )


def tell(
    type: str, payment: Payment, invoice: Invoice | None, as_of: date, actor: str, **more: Any
) -> None:
    """Record an event of a payment for an invoice; for none, where it is about a balance."""
    record_for(
        type,
        payment,
        as_of,
        actor,
        **({"invoice": invoice.public_id} if invoice else {}),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        **more,
    )
