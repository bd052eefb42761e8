"""Refunds: booked when they are decided, and sent through the gateway afterwards.

A refund is unknown from the moment before it is sent. Only a clear answer ends that, or the
gateway's own list, which says that it never came: then it is sent again with its key.
"""

from collections.abc import Mapping
from datetime import date, datetime

from django.db import transaction
from django.db.models import F, Q

from billing.base import clock
from billing.base.leases import claim, unheld
from billing.engine.paying_back import shares_paid_back
from billing.events.troubles import Watch
from billing.invoicing.balances import Entry, move_balances
from billing.invoicing.locks import lock_invoices
from billing.invoicing.models import Invoice
from billing.invoicing.settlement import settle_by_money, turn_into_credit
from billing.ledger.actions import Books, Posting, between, post
from billing.ledger.models import Account, Transfer
from billing.outbound.gate import Kind, refusal
from billing.outbound.turns import left_alone, time_is_up
from billing.payments.booking import post_of_payment, tell
from billing.payments.charging import (
    CHECKS,
    FIRST_CHECK,
    NEVER_MADE_AFTER,
    NO_ANSWER,
    asked_once_more,
    next_wait,
)
from billing.payments.gateways import registry
from billing.payments.gateways.base import (
    GatewayRefused,
    GatewayUnavailable,
    GatewayUnclear,
    RefundMade,
)
from billing.payments.guards import CALLS_MAX
from billing.payments.keys import key_of_refund
from billing.payments.models import Payment, PaymentAllocation, Refund
from customers.calendar import in_time_of, today_of
from customers.locks import lock_customer
from customers.models import Seller
from customers.persons import same_person

ACTOR = "system"


# Decided and booked


def refund_credit(
    seller: Seller,
    as_of: date,
    actor: str,
    customer_id: int,
    currency: str,
    amount_minor: int,
    shares_minor: Mapping[int, int],
) -> int:
    """Pay a credit back as far as its invoices were paid: what was paid becomes credited.

    ``shares_minor`` is what of it was credited of each invoice, by id. Each pays back so much
    first: what is left of one may be another credit's. The invoices may be of any who were merged
    into the customer: their payments are the person's.
    """
    found = Invoice.objects.select_for_update(of=["self"]).filter(
        pk__in=shares_minor, customer__in=same_person(customer_id), currency=currency
    )
    paid = {invoice: invoice.paid_minor for invoice in found.order_by("pk")}
    shares = {invoice: shares_minor[invoice.pk] for invoice in paid}
    parts = shares_paid_back(amount_minor, shares, paid)
    for invoice, part in parts.items():
        refunds = _pay_back(invoice, part, as_of, "credit note")
        turn_into_credit(seller, {invoice: part}, as_of=as_of, actor=actor)
        tell("payment.refunded", refunds[0].payment, invoice, as_of, actor)
    return sum(parts.values())


def _pay_back(invoice: Invoice, amount_minor: int, as_of: date, reason: str) -> list[Refund]:
    """Refund the invoice's payments, the newest first.

    What came through a gateway is booked now and sent back by it, once this has been committed.
    All else is owed: it is booked when a person has paid it and says so.
    """
    return [
        _owe(invoice, payment, part_minor, as_of, reason)
        if payment.is_by_hand
        else _send_back(invoice, payment, part_minor, as_of, reason)
        for payment, part_minor in take_back(invoice, amount_minor)
    ]


def refund_surplus(payment: Payment, amount_minor: int, *, as_of: date, actor: str) -> None:
    """Pay back what a payment of a locked customer has brought to the balance without an invoice.

    It is taken off the balance by the caller.
    """
    Payment.objects.filter(pk=payment.pk).update(refunded_minor=F("refunded_minor") + amount_minor)
    pay = _owe if payment.is_by_hand else _send_back
    pay(None, payment, amount_minor, as_of, "balance")
    tell("payment.refunded", payment, None, as_of, actor)


def take_back(
    invoice: Invoice, amount_minor: int, *, is_by_hand: bool = False
) -> list[tuple[Payment, int]]:
    """Take so much off what a locked invoice's payments have settled, the newest first.

    Only off payments that a person recorded, where asked for. Answers which payment gives what.
    """
    taken, left = [], amount_minor
    allocations = (
        invoice.allocations.select_for_update(of=["self"])
        .filter(state=PaymentAllocation.State.SETTLED, amount_minor__gt=F("refunded_minor"))
        .select_related("payment")
        .order_by("-id")
    )
    if is_by_hand:
        allocations = allocations.filter(payment__source=Payment.Source.HAND)
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
    invoice: Invoice | None, payment: Payment, amount_minor: int, as_of: date, reason: str
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


def _owe(
    invoice: Invoice | None, payment: Payment, amount_minor: int, as_of: date, reason: str
) -> Refund:
    """A refund that somebody has to pay, to the account that was last known of the person."""
    theirs = Refund.objects.filter(payment__customer__in=same_person(payment.customer_id))
    known = theirs.exclude(to_account="")
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


# Sent, and asked about


def send_refunds(limit: int = 100, seller: Seller | None = None) -> int:
    """Send refunds that wait for it; how many. Stops where the gateway cannot be reached.

    Touches none while refunds are held.
    """
    if refusal(Kind.REFUND):
        return 0
    watch = Watch("send refunds", passing=(GatewayUnavailable,))
    for count in range(limit):
        refund = None if time_is_up() else _claim_unsent(seller)
        if refund is None:
            return count
        try:
            with watch.over(refund.public_id):
                _send(refund)
        except GatewayUnavailable:
            _put_back(refund.pk)
            return count
    return limit


def _send(refund: Refund) -> None:
    """Send one refund and write what is clear; raises :class:`GatewayUnavailable`."""
    try:
        made = registry.account(refund.payment.gateway, refund.payment.seller).refund(
            str(refund.gateway_key),
            charge=str(refund.payment.gateway_id),
            amount_minor=refund.amount_minor,
            reference=str(refund.gateway_key),
        )
    except GatewayRefused as refused:
        _fail(refund.pk, refused.code)
    except GatewayUnclear:
        return
    else:
        settle_refund(refund.pk, made)


@transaction.atomic
def _claim_unsent(seller: Seller | None) -> Refund | None:
    now = clock.now()
    is_due = Q(next_check_at__isnull=True) | Q(next_check_at__lte=now)
    waiting = (
        Refund.objects.filter(in_time_of(seller, "payment__seller"), is_due)
        .filter(state=Refund.State.CREATED, attempts__lt=CALLS_MAX)
        .exclude(payment__gateway__in=left_alone())
        .select_related("payment")
        .order_by("id")
    )
    refund = unheld(waiting).first()
    if refund is not None:
        refund.move(
            Refund.State.UNKNOWN,
            gateway_key=key_of_refund(refund),
            attempts=refund.attempts + 1,
            submitted_at=now,
            next_check_at=now + FIRST_CHECK,
        )
    return refund


def check_refunds(limit: int = 100, seller: Seller | None = None) -> int:
    """Ask for refunds that were sent and not answered; how many.

    Raises :class:`GatewayUnavailable` where the gateway cannot be asked.
    """
    watch = Watch("check refunds", passing=(GatewayUnavailable,))
    for count in range(limit):
        refund = None if time_is_up() else _claim_unknown(clock.now(), seller)
        if refund is None:
            return count
        with watch.over(refund.public_id):
            resolve_refund(refund.pk)
    return limit


def _claim_unknown(now: datetime, seller: Seller | None) -> Refund | None:
    waiting = (
        Refund.objects.filter(
            in_time_of(seller, "payment__seller"),
            state=Refund.State.UNKNOWN,
            next_check_at__lte=now,
        )
        .exclude(payment__gateway__in=left_alone())
        .order_by("next_check_at")
    )
    return claim(waiting, lambda refund: asked_once_more(refund, now))


def resolve_refund(refund_id: int) -> None:
    """Ask the gateway what became of a refund, and write what is clear."""
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    try:
        made = registry.account(refund.payment.gateway, refund.payment.seller).refunds_of(
            str(refund.gateway_key)
        )
    except (GatewayRefused, GatewayUnclear):
        return
    if made:
        settle_refund(refund.pk, made[0])
    elif refund.submitted_at and clock.now() - refund.submitted_at >= NEVER_MADE_AFTER:
        _put_back(refund.pk)


@transaction.atomic
def settle_refund(refund_id: int, made: RefundMade) -> None:
    """Write that the gateway has paid back; what is not the refund asked for stays unknown."""
    refund = _lock(refund_id)
    if refund.state == Refund.State.CREATED:
        refund.move(Refund.State.UNKNOWN)  # Put back as never sent, and the gateway knows better.
    if refund.state != Refund.State.UNKNOWN:
        return
    payment = refund.payment
    for theirs, ours in (
        (made.amount_minor, refund.amount_minor),
        (made.currency, payment.currency),
        (made.charge, payment.gateway_id),
        (made.reference, refund.gateway_key),
    ):
        if theirs != ours:
            refund.attention = f"The gateway's refund says {theirs}, ours {ours}."[:300]
            refund.save(update_fields=["attention"])
            _tell("refund.flagged", refund, reason=refund.attention)
            return
    refund.move(
        Refund.State.SUCCEEDED, gateway_id=made.gateway_id, next_check_at=None, attention=""
    )
    _tell("refund.succeeded", refund)


@transaction.atomic
def _put_back(refund_id: int) -> None:
    refund = _lock(refund_id)
    if refund.state == Refund.State.UNKNOWN:
        wait = next_wait(refund.attempts) or CHECKS[-1]
        attention = NO_ANSWER if refund.attempts >= CALLS_MAX else ""
        refund.move(Refund.State.CREATED, next_check_at=clock.now() + wait, attention=attention)


@transaction.atomic
def _fail(refund_id: int, code: str) -> None:
    """Take a refund back that the gateway has clearly refused: we still have the money.

    It pays what is owed of its invoice again; what is not goes to the customer's balance.
    """
    refund = _lock(refund_id)
    if refund.state != Refund.State.UNKNOWN:
        return
    refund.move(Refund.State.FAILED, failure_code=code[:60], next_check_at=None)
    payment, as_of = refund.payment, today_of(refund.payment.seller)
    invoice = lock_invoices([refund.invoice_id])[0] if refund.invoice_id else None
    may_be_paid = invoice is not None and invoice.may_be_paid
    again_minor = min(refund.amount_minor, invoice.left_minor) if invoice and may_be_paid else 0
    kept_minor = refund.amount_minor - again_minor
    _take_back(refund, invoice, kept_minor)
    if invoice and again_minor:
        settle_by_money(payment.seller, {invoice: again_minor}, as_of=as_of, actor=ACTOR)
    if kept_minor:
        entry = Entry(payment.customer_id, payment.currency, kept_minor, None, refund.public_id)
        move_balances([entry], as_of)
    books = Books(payment.seller)
    clearing = books.account(Account.Role.CLEARING)
    post(
        payment.seller,
        [
            *between(clearing, books.account(Account.Role.RECEIVABLE), again_minor),
            *between(clearing, books.account(Account.Role.CUSTOMER_BALANCE), kept_minor),
        ],
        currency=payment.currency,
        effective_on=as_of,
        document=Transfer.Document.REFUND,
        document_id=refund.pk,
        customer_id=payment.customer_id,
    )
    _tell("refund.failed", refund, failure_code=code)


def _take_back(refund: Refund, invoice: Invoice | None, kept_minor: int) -> None:
    """The allocation was not paid back; what its invoice has no more need of, it loses."""
    Payment.objects.filter(pk=refund.payment_id).update(
        refunded_minor=F("refunded_minor") - refund.amount_minor
    )
    if invoice is None:
        return
    allocation = refund.payment.allocations.select_for_update().get(
        invoice=invoice, state=PaymentAllocation.State.SETTLED
    )
    allocation.refunded_minor -= refund.amount_minor
    if kept_minor == allocation.amount_minor:
        allocation.state = PaymentAllocation.State.RELEASED
    else:
        allocation.amount_minor -= kept_minor
    allocation.save(update_fields=["refunded_minor", "amount_minor", "state"])


def _tell(type: str, refund: Refund, **more: str) -> None:
    as_of = today_of(refund.payment.seller)
    tell(type, refund.payment, refund.invoice, as_of, ACTOR, refund=refund.public_id, **more)


def _lock(refund_id: int) -> Refund:
    lock_customer(Payment.objects.values_list("customer_id", flat=True).get(refunds=refund_id))
    return (
        Refund.objects.select_for_update(of=["self"])
        .select_related("payment__seller", "invoice")
        .get(pk=refund_id)
    )
