"""Payments that are planned: with a new invoice, for another day, or at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.models import F

from billing.base.public_ids import new_public_ids
from billing.base.sql.bulk import copy_rows, take_ids
from billing.base.sql.rows import blank
from billing.engine.errors import Refused
from billing.invoicing.locks import lock_invoices
from billing.invoicing.models import Invoice
from billing.invoicing.rows import Issued
from billing.payments.models import Payment, PaymentAllocation, PaymentMethod
from customers.locks import lock_customer
from customers.models import Customer, Seller


@dataclass(slots=True)
class _PaymentRow:
    """``payments_payment``."""

    id: int
    public_id: str
    customer_id: int
    currency: str
    amount_minor: int


@dataclass(slots=True)
class _AllocationRow:
    """``payments_paymentallocation``."""

    payment_id: int
    invoice_id: int
    amount_minor: int


def plan_payments(seller: Seller, as_of: date, actor: str, issued: Sequence[Issued]) -> None:
    """Plan a payment for each new invoice of a customer whose payment method we charge."""
    due = [
        document
        for document in issued
        if document.kind == Invoice.Kind.INVOICE
        and document.amount_due_minor
        and document.draft.buyer.is_charged
    ]
    if not due:
        return
    ids = take_ids("payments_payment", len(due))
    public_ids = new_public_ids("pay", len(due))
    copy_rows(
        "payments_payment",
        map(_payment_row, ids, public_ids, due),
        seller_id=seller.pk,
        state=Payment.State.PLANNED,
        source=Payment.Source.GATEWAY,
        gateway="",
        planned_on=as_of,
        failure_code="",
    )
    copy_rows(
        "payments_paymentallocation",
        map(_allocation_row, ids, due),
        state=PaymentAllocation.State.PLANNED,
    )


def _payment_row(payment_id: int, public_id: str, issued: Issued) -> _PaymentRow:
    row = blank(_PaymentRow)
    row.id = payment_id
    row.public_id = public_id
    row.customer_id = issued.draft.buyer.id
    row.currency = issued.draft.currency
    row.amount_minor = issued.amount_due_minor
    return row


def _allocation_row(payment_id: int, issued: Issued) -> _AllocationRow:
    row = blank(_AllocationRow)
    row.payment_id = payment_id
    row.invoice_id = issued.id
    row.amount_minor = issued.amount_due_minor
    return row


def refuse_in_flight(invoice: Invoice) -> None:
    """Raise :class:`Refused` ("payment_in_flight") while a payment of the invoice is under way."""
    if PaymentAllocation.objects.filter(
        invoice=invoice, state=PaymentAllocation.State.IN_FLIGHT
    ).exists():
        raise Refused(
            f"A payment of {invoice} is under way. Wait for it, ask the gateway, or end it first.",
            code="payment_in_flight",
        )


def release_planned(invoice: Invoice) -> None:
    """What the customer has paid in another way is no longer to be collected."""
    planned = invoice.allocations.filter(state=PaymentAllocation.State.PLANNED)
    Payment.objects.filter(allocations__in=planned, state=Payment.State.PLANNED).update(
        state=Payment.State.CANCELED
    )
    planned.update(state=PaymentAllocation.State.RELEASED)


def plan(invoice: Invoice, planned_on: date) -> Payment:
    """Plan a payment of all that is left of a locked invoice."""
    return plan_many([invoice], planned_on)[0]


def plan_many(invoices: Sequence[Invoice], planned_on: date) -> list[Payment]:
    """Plan a payment of all that is left of each of some locked invoices.

    One that is planned already is made on that day. Two queries and two statements for all.
    """
    waiting = Payment.objects.filter(
        allocations__invoice__in=[invoice.pk for invoice in invoices], state=Payment.State.PLANNED
    ).annotate(invoice_id=F("allocations__invoice_id"))
    known = {payment.invoice_id: payment for payment in waiting}
    for payment in known.values():
        payment.planned_on, payment.next_check_at = planned_on, None
    Payment.objects.bulk_update(known.values(), ["planned_on", "next_check_at"])
    made = {
        invoice.pk: Payment(
            seller_id=invoice.seller_id,
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            amount_minor=invoice.left_minor,
            state=Payment.State.PLANNED,
            planned_on=planned_on,
        )
        for invoice in invoices
        if invoice.pk not in known
    }
    Payment.objects.bulk_create(made.values())
    PaymentAllocation.objects.bulk_create(
        PaymentAllocation(
            payment=payment,
            invoice_id=invoice_id,
            amount_minor=payment.amount_minor,
            state=PaymentAllocation.State.PLANNED,
        )
        for invoice_id, payment in made.items()
    )
    return [known.get(invoice.pk) or made[invoice.pk] for invoice in invoices]


@transaction.atomic
def collect_soon(invoice: Invoice, *, as_of: date, actor: str) -> Payment:
    """Plan the payment of an open invoice for today, whatever was planned for later.

    Raises :class:`Refused` where nothing is owed ("invoice_not_open"), a payment is under way
    ("payment_in_flight") or there is nothing to charge ("no_payment_method").
    """
    lock_customer(invoice.customer_id)
    customer = Customer.objects.get(pk=invoice.customer_id)
    invoice = lock_invoices([invoice.pk])[0]
    if not invoice.is_collectable:
        raise Refused(f"Nothing is owed on {invoice}.", code="invoice_not_open")
    if invoice.allocations.filter(state=PaymentAllocation.State.IN_FLIGHT).exists():
        raise Refused(f"A payment of {invoice} is under way.", code="payment_in_flight")
    usable = PaymentMethod.objects.usable().filter(customer=customer).exists()
    if not usable or customer.collection != Customer.Collection.AUTOMATIC:
        raise Refused(
            f"{customer} has no payment method that we may charge. Ask for a card first.",
            code="no_payment_method",
        )
    planned = Payment.objects.filter(
        allocations__invoice=invoice, state=Payment.State.PLANNED
    ).first()
    if planned is None:
        return plan(invoice, as_of)
    planned.planned_on, planned.next_check_at, planned.attention = as_of, None, ""
    planned.save(update_fields=["planned_on", "next_check_at", "attention"])
    return planned
