"""Money in and back, as it is booked. What a person saw on a bank statement is recorded here."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import F

from billing.base.public_ids import new_public_ids
from billing.base.sql.bulk import copy_rows, take_ids
from billing.engine.ceilings import check_amount
from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import major_string
from billing.events.recorder import record
from billing.invoicing.balances import move_balances
from billing.invoicing.issuing import Issued
from billing.invoicing.locks import lock_invoice
from billing.invoicing.losses import move_loss
from billing.invoicing.models import Invoice
from billing.invoicing.settlement import round_off
from billing.ledger.actions import Books, Posting, between, post
from billing.ledger.models import Account, Transfer
from billing.payments import gateways, hooks
from billing.payments.models import Payment, PaymentAllocation, Refund
from customers.models import Customer, Seller


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
    seller_id, day = seller.pk, as_of.isoformat()
    ids = take_ids("payments_payment", len(due))
    public_ids = new_public_ids("pay", len(due))
    copy_rows(
        "payments_payment",
        "id, public_id, seller_id, customer_id, currency, amount_minor, state, gateway,"
        " planned_on, failure_code",
        [
            (
                payment_id,
                public_id,
                seller_id,
                document.draft.buyer.id,
                document.draft.currency,
                document.amount_due_minor,
                "planned",
                "manual",
                day,
                "",
            )
            for payment_id, public_id, document in zip(ids, public_ids, due, strict=True)
        ],
    )
    copy_rows(
        "payments_paymentallocation",
        "payment_id, invoice_id, amount_minor, state",
        [
            (payment_id, document.id, document.amount_due_minor, "planned")
            for payment_id, document in zip(ids, due, strict=True)
        ],
    )


@transaction.atomic
def record_payment(
    invoice: Invoice,
    *,
    as_of: date,
    actor: str,
    amount_minor: int | None = None,
    reference: str = "",
    gateway: str = "manual",
    received_on: date | None = None,
    is_confirmed: bool = False,
) -> Payment:
    """Record money that has arrived for an invoice, by default all that is due.

    It is booked on the day on which it was received, today where none is said
    ("received_in_the_future").

    More than twice what is due, or than is usual, is refused unless ``is_confirmed``
    ("unusual_amount"): most often it was typed wrong.

    What was written off takes late money as well: so much was no loss after all. What is over goes
    to the customer's balance. A ``reference`` of the same gateway counts once:
    a second recording is refused ("payment_already_recorded"). Refused as well while the invoice
    is being charged ("payment_in_flight"): the customer would pay twice.
    """
    invoice = lock_invoice(invoice)
    amount_minor = _checked(invoice, amount_minor)
    usual = 2 * invoice.payable_minor
    check_amount(amount_minor, invoice.currency, is_confirmed=is_confirmed, usual=usual)
    settled_minor = min(amount_minor, invoice.payable_minor)
    return _record(
        {invoice: settled_minor},
        amount_minor,
        received_on=received_on or as_of,
        as_of=as_of,
        actor=actor,
        reference=reference,
        gateway=gateway,
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
    Customer.objects.select_for_update().get(pk=customer.pk)
    asked = {invoice.pk: minor for invoice, minor in parts.items() if minor}
    mine = Invoice.objects.select_for_update(of=["self"]).select_related("seller", "customer")
    found = list(mine.filter(pk__in=asked, customer=customer).order_by("pk"))
    if not found or len(found) < len(asked):
        raise Refused("Say how much of the money is for which invoice.", code="nothing_to_settle")
    if len({invoice.currency for invoice in found}) > 1:
        raise Refused("One payment is in one currency.", code="several_currencies")
    for invoice in found:
        _checked(invoice, asked[invoice.pk])
        if asked[invoice.pk] > invoice.payable_minor:
            left = major_string(invoice.payable_minor, invoice.currency)
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
    gateway: str = "manual",
) -> Payment:
    """Write a payment that a person saw arrive; its invoices are locked with their customer."""
    first = next(iter(parts))
    if received_on > as_of:
        raise Refused(
            f"{received_on} is still to come. Record the money on the day on which it is there.",
            code="received_in_the_future",
        )
    known = Payment.objects.filter(seller=first.seller_id, gateway=gateway)
    if reference and known.filter(gateway_key=reference).exists():
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
        gateway=gateway,
        gateway_key=reference or None,
        received_on=received_on,
    )
    PaymentAllocation.objects.bulk_create(
        PaymentAllocation(payment=payment, invoice=invoice, amount_minor=minor, state="settled")
        for invoice, minor in parts.items()
    )
    book(payment, list(parts.items()), received_on)
    others = [invoice.public_id for invoice in parts if invoice is not first]
    more = {"also": others} if others else {}
    tell("payment.succeeded", payment, first, as_of, actor, **more)
    return payment


def book(payment: Payment, settled: Sequence[tuple[Invoice, int]], as_of: date) -> None:
    """Book money that has arrived: what settles locked invoices, and the rest on the balance."""
    books = Books(payment.seller)
    clearing = books.account(Account.Role.CLEARING)
    receivable = books.account(Account.Role.RECEIVABLE)
    balance = books.account(Account.Role.CUSTOMER_BALANCE)
    settled_minor = sum(minor for _, minor in settled)
    for invoice, minor in settled:
        count_paid(invoice, minor, as_of)
    surplus_minor = payment.amount_minor - settled_minor
    postings = [
        *between(clearing, receivable, settled_minor),
        *between(clearing, balance, surplus_minor),
    ]
    if surplus_minor:
        entry = (payment.customer_id, payment.currency, surplus_minor, None, payment.public_id)
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
    gateway: str = "manual",
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
        gateway=gateway,
        failure_code=failure_code,
    )
    PaymentAllocation.objects.create(
        payment=payment, invoice=invoice, amount_minor=amount_minor, state="released"
    )
    tell("payment.failed", payment, invoice, as_of, actor)
    return payment


def refund_credit(
    seller: Seller,
    as_of: date,
    actor: str,
    customer_id: int,
    currency: str,
    amount_minor: int,
    invoice_ids: Sequence[int],
) -> int:
    """Pay a credit back as far as its invoices were paid: what was paid becomes credited."""
    left = amount_minor
    paid = Invoice.objects.select_for_update(of=["self"]).filter(
        pk__in=invoice_ids, customer_id=customer_id, currency=currency
    )
    for invoice in paid.order_by("pk"):
        part = min(left, invoice.paid_minor)
        if not part:
            continue
        refunds = _pay_back(invoice, part, as_of, "credit note")
        Invoice.objects.filter(pk=invoice.pk).update(
            paid_minor=F("paid_minor") - part, credited_minor=F("credited_minor") + part
        )
        tell("payment.refunded", refunds[0].payment, invoice, as_of, actor)
        left -= part
    return amount_minor - left


def _pay_back(invoice: Invoice, amount_minor: int, as_of: date, reason: str) -> list[Refund]:
    """Refund the invoice's payments, the newest first.

    What came through a gateway is booked now and sent back by it, once this has been committed.
    All else is owed: it is booked when a person has paid it and says so.
    """
    return [
        _send_back(invoice, payment, part_minor, as_of, reason)
        if payment.gateway in gateways.NAMES
        else _owe(invoice, payment, part_minor, as_of, reason)
        for payment, part_minor in take_back(invoice, amount_minor)
    ]


def take_back(
    invoice: Invoice, amount_minor: int, *, is_by_hand: bool = False
) -> list[tuple[Payment, int]]:
    """Take so much off what a locked invoice's payments have settled, the newest first.

    Only off payments that a person recorded, where asked for. Answers which payment gives what.
    """
    taken, left = [], amount_minor
    allocations = (
        invoice.allocations.select_for_update(of=["self"])
        .filter(state="settled", amount_minor__gt=F("refunded_minor"))
        .select_related("payment")
        .order_by("-id")
    )
    if is_by_hand:
        allocations = allocations.exclude(payment__gateway__in=gateways.NAMES)
    for allocation in allocations:
        part_minor = min(left, allocation.amount_minor - allocation.refunded_minor)
        if not part_minor:
            break
        left -= part_minor
        allocation.refunded_minor += part_minor
        allocation.save(update_fields=["refunded_minor"])
        payment = allocation.payment
        Payment.objects.filter(pk=payment.pk).update(
            refunded_minor=F("refunded_minor") + part_minor
        )
        taken.append((payment, part_minor))
    return taken


def _send_back(
    invoice: Invoice, payment: Payment, amount_minor: int, as_of: date, reason: str
) -> Refund:
    made = Refund.objects.create(
        payment=payment,
        invoice=invoice,
        amount_minor=amount_minor,
        refunded_on=as_of,
        reason=reason,
        state=Refund.State.CREATED,
    )
    book_refund(made, as_of)
    return made


def _owe(invoice: Invoice, payment: Payment, amount_minor: int, as_of: date, reason: str) -> Refund:
    """A refund that somebody has to pay, to the account that was last known of the customer."""
    known = Refund.objects.filter(payment__customer=payment.customer_id).exclude(to_account="")
    account = known.order_by("-id").values_list("to_account", flat=True).first()
    return Refund.objects.create(
        payment=payment,
        invoice=invoice,
        amount_minor=amount_minor,
        refunded_on=as_of,
        reason=reason,
        state=Refund.State.OWED,
        to_account=account or "",
    )


def book_refund(refund: Refund, as_of: date) -> None:
    """Book that the money of a refund has left us, or is on its way."""
    books = Books(refund.payment.seller)
    posting = Posting(
        books.account(Account.Role.RECEIVABLE),
        books.account(Account.Role.CLEARING),
        refund.amount_minor,
    )
    post_of_payment(refund.payment, Transfer.Document.REFUND, refund.pk, [posting], as_of)


def _checked(invoice: Invoice, amount_minor: int | None) -> int:
    if invoice.kind != Invoice.Kind.INVOICE or not invoice.payable_minor:
        raise Refused(
            f"{invoice} is {invoice.status}: there is nothing to pay.", code="invoice_not_open"
        )
    if amount_minor is None:
        amount_minor = invoice.payable_minor
    if amount_minor <= 0:
        raise InvalidAmount("A payment must be above zero.")
    return amount_minor


def refuse_in_flight(invoice: Invoice) -> None:
    """Raise :class:`Refused` ("payment_in_flight") while a payment of the invoice is under way."""
    if PaymentAllocation.objects.filter(invoice=invoice, state="in_flight").exists():
        raise Refused(
            f"A payment of {invoice} is under way. Wait for it, ask the gateway, or end it first.",
            code="payment_in_flight",
        )


def release_planned(invoice: Invoice) -> None:
    """What the customer has paid in another way is no longer to be collected."""
    planned = invoice.allocations.filter(state="planned")
    Payment.objects.filter(allocations__in=planned, state="planned").update(state="canceled")
    planned.update(state="released")


def count_paid(invoice: Invoice, amount_minor: int, as_of: date) -> None:
    """Count money as paid on a locked invoice; with nothing left to pay it is closed.

    What is left within the seller's tolerance is rounding. Late money takes a loss back.
    """
    was_left_minor = invoice.payable_minor
    invoice.paid_minor += amount_minor
    is_lost = invoice.status == Invoice.Status.UNCOLLECTIBLE
    if 0 < invoice.payable_minor <= invoice.seller.rounding_tolerance_minor:
        round_off(invoice, as_of)
    if is_lost:
        move_loss(invoice, was_left_minor, invoice.payable_minor, as_of)
    if not invoice.payable_minor:
        invoice.move(
            "paid",
            paid_minor=invoice.paid_minor,
            credited_minor=invoice.credited_minor,
            rounded_off_minor=invoice.rounded_off_minor,
            closed_on=as_of,
        )
        record(
            "invoice.paid",
            seller=invoice.seller.public_id,
            subject=invoice.public_id,
            occurred_on=as_of,
            actor="system",
            data={"number": invoice.number},
        )
        for listen in hooks.invoice_paid:
            listen(invoice, as_of=as_of, actor="system")
        return
    invoice.save(update_fields=["paid_minor"])


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
    type: str, payment: Payment, invoice: Invoice, as_of: date, actor: str, **more: Any
) -> None:
    """Record an event of a payment for an invoice."""
    record(
        type,
        seller=payment.seller.public_id,
        subject=payment.public_id,
        occurred_on=as_of,
        actor=actor,
        data={
            "invoice": invoice.public_id,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            **more,
        },
    )
