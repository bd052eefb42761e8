"""Money back, as a person decides it: given back for good, reopened, and paid by hand.

*Give back* settles: a credit note takes the debt away, and the money goes back the way it came.
*Reopen* is for what came back in part or was recorded in error: the invoice is owed again, and
nothing is sent. A payment that its bank takes back as a whole is *returned* (``returns.py``).
"""

from datetime import date

from django.db import transaction

from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import major_string
from billing.invoicing import settlement
from billing.invoicing.corrections import credit
from billing.invoicing.locks import lock_invoice
from billing.invoicing.models import Invoice
from billing.payments.booking import tell
from billing.payments.models import Payment, PaymentAllocation, Refund
from billing.payments.refunds import book_refund, take_back
from customers.locks import lock_customer


@transaction.atomic
def give_back(
    invoice: Invoice,
    *,
    as_of: date,
    actor: str,
    amount_minor: int | None = None,
    reason: str = "",
) -> Invoice:
    """Give money of a paid invoice back for good, by default all of it; answers the credit note.

    What came through a gateway is sent back by it; what did not is owed until somebody has paid
    it. Raises :class:`Refused` ("invoice_open") where something is still owed, which a credit note
    would lower first, and ("refund_exceeds_paid") beyond the money that came.
    """
    invoice = lock_invoice(invoice)
    if invoice.is_collectable:
        raise Refused(
            f"Something is left to pay of {invoice}. Credit what is wrong instead: that lowers "
            "what is unpaid first.",
            code="invoice_open",
        )
    amount_minor = _checked(invoice, invoice.paid_minor, amount_minor)
    return credit(
        invoice,
        amount_minor=amount_minor,
        to=Invoice.CreditTo.REFUND,
        reason=reason,
        as_of=as_of,
        actor=actor,
    )


@transaction.atomic
def reopen(
    invoice: Invoice,
    *,
    as_of: date,
    actor: str,
    amount_minor: int | None = None,
    reason: str = "",
) -> list[Refund]:
    """Take off an invoice what came back or was recorded in error: it is owed again.

    The money is gone by itself, so nothing is sent, and nobody is told that they get anything.
    Raises :class:`Refused` ("refund_exceeds_paid") beyond what a person had recorded as paid: what
    a gateway has taken is still there, and only the gateway sends it back.
    """
    invoice = lock_invoice(invoice)
    amount_minor = _checked(invoice, paid_by_hand_minor(invoice), amount_minor)
    returned = []
    for payment, part_minor in take_back(invoice, amount_minor, is_by_hand=True):
        made = Refund.objects.create(
            payment=payment,
            invoice=invoice,
            amount_minor=part_minor,
            refunded_on=as_of,
            reason=reason,
            state=Refund.State.SUCCEEDED,
            is_return=True,
            paid_on=as_of,
            paid_by=actor,
        )
        book_refund(made, as_of)
        tell("payment.returned", payment, invoice, as_of, actor, refund=made.public_id)
        returned.append(made)
    settlement.reopen(invoice.seller, {invoice: amount_minor}, as_of=as_of, actor=actor)
    return returned


@transaction.atomic
def mark_paid_back(
    refund: Refund, *, paid_on: date, as_of: date, actor: str, reference: str = ""
) -> Refund:
    """Take somebody's word that they have paid a refund by hand: it is booked on that day.

    Raises :class:`Refused` ("refund_not_owed") for one that nobody has to pay, and
    ("day_ahead" or "day_before_payment") for a day on which it cannot have been paid.
    """
    refund = _lock(refund)
    if refund.state != Refund.State.OWED:
        raise Refused(
            f"{refund} is {Refund.State(refund.state).label}: nobody has to pay it by hand.",
            code="refund_not_owed",
        )
    if paid_on > as_of:
        raise Refused(
            f"{paid_on} is still to come. Say it on the day on which you pay.", code="day_ahead"
        )
    received_on = refund.payment.received_on
    if received_on and paid_on < received_on:
        raise Refused(
            f"The money came on {received_on}: it was not paid back before.",
            code="day_before_payment",
        )
    refund.move(Refund.State.SUCCEEDED, paid_on=paid_on, paid_by=actor, reference=reference.strip())
    book_refund(refund, paid_on)
    tell("refund.succeeded", refund.payment, refund.invoice, as_of, actor, refund=refund.public_id)
    return refund


@transaction.atomic
def note_account(refund: Refund, *, to_account: str) -> Refund:
    """Note where an owed refund is to be paid; later ones of the customer start from it."""
    refund = _lock(refund)
    if refund.state != Refund.State.OWED:
        raise Refused(f"{refund} does not wait to be paid.", code="refund_not_owed")
    refund.to_account = to_account.strip()
    refund.save(update_fields=["to_account"])
    return refund


def paid_by_hand_minor(invoice: Invoice) -> int:
    """What of an invoice was paid by money that a person has seen, and is still with us."""
    by_hand = invoice.allocations.filter(
        state=PaymentAllocation.State.SETTLED, payment__source=Payment.Source.HAND
    )
    return sum(each.amount_minor - each.refunded_minor for each in by_hand)


def _checked(invoice: Invoice, most_minor: int, amount_minor: int | None) -> int:
    amount_minor = most_minor if amount_minor is None else amount_minor
    if amount_minor <= 0 and most_minor:
        raise InvalidAmount("Say an amount above zero.")
    if amount_minor > most_minor or not most_minor:
        most = major_string(most_minor, invoice.currency)
        raise Refused(
            f"Only {most} {invoice.currency} of {invoice} was paid so and is still here.",
            code="refund_exceeds_paid",
        )
    return amount_minor


def _lock(refund: Refund) -> Refund:
    lock_customer(refund.payment.customer_id)
    return (
        Refund.objects.select_for_update(of=["self"])
        .select_related("payment__seller", "invoice")
        .get(pk=refund.pk)
    )
