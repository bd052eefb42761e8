"""Charging a planned payment in three steps, and what comes of a charge.

A transaction writes that the gateway is about to be asked; it is asked with no transaction open; a
second transaction writes the outcome. Whoever dies in between leaves a payment in flight, which
only the gateway's own record brings to an end.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from billing.base import clock
from billing.base.leases import claim, unheld
from billing.engine.errors import Refused
from billing.invoicing.locks import lock_invoices
from billing.invoicing.models import Invoice
from billing.outbound.gate import Kind, refusal
from billing.outbound.turns import left_alone
from billing.payments import hooks
from billing.payments.booking import book, tell
from billing.payments.from_balance import settle_debts
from billing.payments.gateways import registry
from billing.payments.gateways.base import (
    KEY_USED_BEFORE,
    Charge,
    ChargeRequest,
    Gateway,
    GatewayHeld,
    GatewayRefused,
    GatewayUnavailable,
    GatewayUnclear,
    may_leave,
)
from billing.payments.guards import Halt, forbidden, halt_of
from billing.payments.keys import key_of_charge
from billing.payments.locks import lock_payment, lock_with_customer
from billing.payments.models import IN_FLIGHT, Payment, PaymentAllocation, PaymentMethod, Refund
from billing.payments.planning import plan, release_planned
from customers.calendar import in_time_of, today_of
from customers.models import Customer, Seller

ACTION_DAYS_MAX = 7
FIRST_CHECK = timedelta(minutes=1)
CHECKS = (timedelta(minutes=5), timedelta(hours=1), *[timedelta(days=1)] * 5)
# A request that the gateway has not answered may still be on its way to it, but not for so long.
NEVER_MADE_AFTER = timedelta(minutes=5)
WAITING_CHECK = timedelta(hours=1)
NO_ANSWER = "The gateway has given no clear answer for days. Look there, then ask it again."


# The three steps


def charge(payment_id: int, *, as_of: date, actor: str) -> bool:
    """Charge a planned payment; False where there is nothing to charge, or another is at it.

    Raises :class:`GatewayUnavailable` where the gateway was not reached; the payment is then
    planned as before, for a little later. Where charging is held or stopped it is not touched.
    """
    seller = Seller.objects.get(payments=payment_id)
    may_leave(Kind.CHARGE, seller.public_id)
    request = _begin(payment_id, as_of, actor)
    if request is None:
        return False
    payment_id, order = request
    try:
        made = registry.account(_gateway_of(payment_id), seller).charge(order)
    except GatewayUnavailable as error:
        put_back(payment_id, was_asked=not isinstance(error, GatewayHeld))
        raise
    except GatewayRefused as refused:
        fail(payment_id, refused.code, as_of=as_of, actor=actor)
    except GatewayUnclear as unclear:
        mark_unknown(payment_id, unclear.message, as_of=as_of, actor=actor)
        if unclear.code == KEY_USED_BEFORE:
            # What was charged under the key is what is asked for, in other words: it counts.
            resolve(payment_id, actor)
    else:
        settle(payment_id, made, as_of=as_of, actor=actor)
    return True


def _gateway_of(payment_id: int) -> str:
    return Payment.objects.values_list("gateway", flat=True).get(pk=payment_id)


@transaction.atomic
def _begin(payment_id: int, as_of: date, actor: str) -> tuple[int, ChargeRequest] | None:
    """The first step: what is owed is read again, and the payment is in flight from here on."""
    now = clock.now()
    customer = unheld(Customer.objects.filter(payments=payment_id)).first()
    if customer is None:
        return None  # Another worker has the customer.
    payment = lock_payment(payment_id)
    method = PaymentMethod.objects.usable().filter(customer=customer).first()
    if payment.state != Payment.State.PLANNED or method is None:
        return None
    # What the customer has with us already is not charged; it may leave nothing of the payment.
    if settle_debts([customer.pk], as_of, actor):
        payment = lock_payment(payment_id)
        if payment.state != Payment.State.PLANNED:
            return None
    invoice = lock_invoices([allocation.invoice_id for allocation in _planned(payment)])[0]
    if PaymentAllocation.objects.filter(
        invoice=invoice, state=PaymentAllocation.State.IN_FLIGHT
    ).exists():
        return None
    is_ours_to_charge = customer.collection == Customer.Collection.AUTOMATIC
    if not invoice.is_collectable or not is_ours_to_charge or forbidden([invoice.pk]):
        release_planned(invoice)
        return None
    if halt := halt_of(payment, invoice, now):
        _halt(payment, halt, as_of, actor)
        return None
    if payment.amount_minor != invoice.left_minor:
        release_planned(invoice)
        payment = plan(invoice, as_of)
    _submit(payment, invoice, method, now)
    return payment.pk, ChargeRequest(
        key=str(payment.gateway_key),
        customer=method.gateway_customer,
        payment_method=method.gateway_id,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        reference=payment.gateway_reference,
        seller=payment.seller.public_id,
        metadata=metadata_of(payment, invoice),
    )


def metadata_of(payment: Payment, invoice: Invoice) -> dict[str, str]:
    """What is written on a charge, so that it can be told by itself whose it is and what for."""
    return {
        "seller": payment.seller.public_id,
        "customer": payment.customer.public_id,
        # What is only ordered has no number yet.
        **({"number": str(invoice.number)} if invoice.number else {}),
        **({"sequence": str(invoice.sequence)} if invoice.sequence else {}),
    }


def _halt(payment: Payment, halt: Halt, as_of: date, actor: str) -> None:
    if halt.reason:
        _flag(payment, halt.reason, as_of, actor)
    else:
        payment.next_check_at = halt.until
        payment.save(update_fields=["next_check_at"])


def _submit(payment: Payment, invoice: Invoice, method: PaymentMethod, now: datetime) -> None:
    payment.move(
        Payment.State.CREATED,
        gateway=method.gateway,
        gateway_key=key_of_charge(payment, invoice),
        payment_method=method,
        attempts=payment.attempts + 1,
        submitted_at=now,
        next_check_at=now + FIRST_CHECK,
    )
    payment.allocations.filter(state=PaymentAllocation.State.PLANNED).update(
        state=PaymentAllocation.State.IN_FLIGHT
    )


# What comes of it


@transaction.atomic
def settle(payment_id: int, made: Charge, *, as_of: date, actor: str) -> Payment:
    """The third step: write what the gateway says of a charge. A second time changes nothing.

    A charge that is not the one that was asked for is never booked: its payment stays unknown, and
    a person is told.
    """
    payment = lock_with_customer(payment_id)
    if payment.state == Payment.State.PLANNED and payment.attempts:
        # Put back as never asked for, and the gateway knows better.
        payment.move(Payment.State.CREATED)
        payment.allocations.filter(state=PaymentAllocation.State.PLANNED).update(
            state=PaymentAllocation.State.IN_FLIGHT
        )
    if payment.state == Payment.State.CANCELED and made.status == "succeeded":
        _take_late(payment, made, as_of, actor)
    elif payment.state not in IN_FLIGHT:
        _compare(payment, made, as_of, actor)
    elif lie := contradiction(payment, made):
        _mark_unknown(payment, lie, as_of, actor, is_flagged=True)
    elif made.status == "succeeded":
        _succeed(payment, made, as_of, actor)
    elif made.status == "requires_action":
        _await_action(payment, made, as_of, actor)
    else:
        code = made.failure_code or made.status
        _fail(payment, code, as_of, actor, is_hard=made.is_hard, gateway_id=made.gateway_id)
    return payment


def contradiction(payment: Payment, made: Charge) -> str:
    """In what the charge is not the one that the payment stands for; empty where it is."""
    for what, theirs, ours in (
        ("amount", made.amount_minor, payment.amount_minor),
        ("currency", made.currency, payment.currency),
        ("reference", made.reference, payment.gateway_reference),
        ("id", made.gateway_id, payment.gateway_id or made.gateway_id),
    ):
        if theirs != ours:
            return f"The gateway's {what} is {theirs}, ours {ours}."
    return ""


def _compare(payment: Payment, made: Charge, as_of: date, actor: str) -> None:
    """What is settled stays so; a gateway that has taken money for it makes a person look.

    What has come back had succeeded before, and its charge may go on saying so.
    """
    is_booked = payment.received_on is not None
    if (made.status == "succeeded") != is_booked or (is_booked and contradiction(payment, made)):
        _flag(
            payment,
            f"The gateway says {made.status} of {made.gateway_id}, "
            f"but this payment has {payment.state}.",
            as_of,
            actor,
        )


def _take_late(payment: Payment, made: Charge, as_of: date, actor: str) -> None:
    """Money for what we had given up, such as an order that has run out: it is the customer's.

    It goes to their balance as a payment of its own, once, and a person is told.
    """
    known = Payment.objects.filter(gateway=payment.gateway, gateway_id=made.gateway_id)
    if contradiction(payment, made) or not registry.is_gateway(payment.gateway):
        _compare(payment, made, as_of, actor)
        return
    if known.exists():
        return
    late = Payment.objects.create(
        seller=payment.seller,
        customer=payment.customer,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        state=Payment.State.SUCCEEDED,
        gateway=payment.gateway,
        gateway_id=made.gateway_id,
        payment_method=payment.payment_method,
        received_on=as_of,
        settled_at=clock.now(),
    )
    book(late, {}, as_of)
    tell("payment.kept_as_balance", late, _invoice_of(payment), as_of, actor)
    reason = f"The gateway took the money after all: {late} has put it on the customer's balance."
    _flag(payment, reason, as_of, actor)


def _succeed(payment: Payment, made: Charge, as_of: date, actor: str) -> None:
    """Book the money: what it settles of its invoices as they now stand, the rest as balance."""
    allocations = list(
        payment.allocations.filter(state=PaymentAllocation.State.IN_FLIGHT).order_by("invoice_id")
    )
    invoices = lock_invoices([allocation.invoice_id for allocation in allocations])
    settled: dict[Invoice, int] = {}
    for allocation, invoice in zip(allocations, invoices, strict=True):
        left_minor = invoice.left_minor if invoice.may_be_paid else 0
        part_minor = min(allocation.amount_minor, left_minor)
        allocation.state = (
            PaymentAllocation.State.SETTLED if part_minor else PaymentAllocation.State.RELEASED
        )
        allocation.amount_minor = part_minor or allocation.amount_minor
        allocation.save(update_fields=["state", "amount_minor"])
        if part_minor:
            settled[invoice] = part_minor
    payment.move(
        Payment.State.SUCCEEDED,
        gateway_id=made.gateway_id,
        received_on=as_of,
        settled_at=clock.now(),
        next_check_at=None,
        action_url="",
        attention="",
    )
    for invoice in settled:
        release_planned(invoice)  # What waited while this was under way.
    book(payment, settled, as_of)
    tell("payment.succeeded", payment, invoices[0], as_of, actor)


def _await_action(payment: Payment, made: Charge, as_of: date, actor: str) -> None:
    payment.gateway_id, payment.action_url = made.gateway_id, made.action_url
    payment.next_check_at = clock.now() + WAITING_CHECK
    payment.save(update_fields=["gateway_id", "action_url", "next_check_at"])
    if payment.state != Payment.State.REQUIRES_ACTION:
        payment.move(Payment.State.REQUIRES_ACTION, attention="")
        tell("payment.action_required", payment, _invoice_of(payment), as_of, actor)


@transaction.atomic
def fail(payment_id: int, code: str, *, as_of: date, actor: str) -> None:
    """Write that a payment in flight has failed for sure, and plan the next attempt."""
    payment = lock_with_customer(payment_id)
    if payment.state in IN_FLIGHT:
        _fail(payment, code, as_of, actor, gateway_id=payment.gateway_id)


def _fail(
    payment: Payment,
    code: str,
    as_of: date,
    actor: str,
    *,
    gateway_id: str | None,
    is_hard: bool = False,
) -> None:
    invoice = lock_invoices([_invoice_of(payment).pk])[0]
    decline = registry.decline_of(payment.gateway, code)
    payment.move(
        Payment.State.FAILED,
        failure_code=decline.value,
        gateway_code=code[:60],
        gateway_id=gateway_id,
        settled_at=clock.now(),
        next_check_at=None,
        action_url="",
        attention="",
    )
    payment.allocations.filter(state=PaymentAllocation.State.IN_FLIGHT).update(
        state=PaymentAllocation.State.RELEASED
    )
    # A balance that came meanwhile has waited for this.
    if settle_debts([payment.customer_id], as_of, actor):
        invoice.refresh_from_db()
    method = payment.payment_method
    if method and (is_hard or decline.is_hard):
        PaymentMethod.objects.filter(pk=method.pk).update(refused_code=decline.value)
    again = [listen(invoice, as_of=as_of, actor=actor) for listen in hooks.payment_failed]
    tell(
        "payment.failed",
        payment,
        invoice,
        as_of,
        actor,
        failure_code=decline.value,
        gateway_code=code,
        is_hard=is_hard,
        next_attempt_on=next((day.isoformat() for day in again if day), None),
    )


@transaction.atomic
def put_back(payment_id: int, *, was_asked: bool = True) -> None:
    """Plan a payment as before: the gateway has certainly made no charge for it.

    Where it was not even asked, this was no attempt.

    It keeps its key, so that even a charge that nobody believes in any more would not be a second.
    """
    payment = lock_with_customer(payment_id)
    is_asked_for = payment.state in {Payment.State.CREATED, Payment.State.UNKNOWN}
    if is_asked_for and payment.payment_method:
        if was_asked:
            wait = next_wait(payment.attempts) or CHECKS[-1]
            payment.move(Payment.State.PLANNED, next_check_at=clock.now() + wait, attention="")
        else:
            attempts = payment.attempts - 1
            payment.move(Payment.State.PLANNED, attempts=attempts, next_check_at=None, attention="")
        payment.allocations.filter(state=PaymentAllocation.State.IN_FLIGHT).update(
            state=PaymentAllocation.State.PLANNED
        )


@transaction.atomic
def mark_unknown(payment_id: int, reason: str, *, as_of: date, actor: str) -> None:
    """Write that nobody knows what became of a payment in flight; only asking will tell.

    One that waits for its customer still does when the gateway cannot say more.
    """
    payment = lock_with_customer(payment_id)
    if payment.state in IN_FLIGHT and payment.state != Payment.State.REQUIRES_ACTION:
        _mark_unknown(payment, reason, as_of, actor)


def _mark_unknown(
    payment: Payment, reason: str, as_of: date, actor: str, *, is_flagged: bool = False
) -> None:
    if payment.state != Payment.State.UNKNOWN:
        payment.move(Payment.State.UNKNOWN)
        tell("payment.doubted", payment, _invoice_of(payment), as_of, actor, reason=reason)
    if is_flagged:
        _flag(payment, reason, as_of, actor)


def _flag(payment: Payment, reason: str, as_of: date, actor: str) -> None:
    """Have a person look; told once for each reason."""
    if payment.attention != reason[:300]:
        payment.attention = reason[:300]
        payment.save(update_fields=["attention"])
        tell("payment.flagged", payment, _invoice_of(payment), as_of, actor, reason=reason)


@transaction.atomic
def clear_attention(payment: Payment) -> Payment:
    """Take somebody's word that they have looked at a payment that has come to an end.

    Raises :class:`Refused` ("nothing_to_look_at") for any other: that goes on asking.
    """
    payment = lock_with_customer(payment.pk)
    if not payment.attention or not payment.is_over:
        raise Refused(f"Nothing of {payment} waits for a person.", code="nothing_to_look_at")
    payment.attention = ""
    payment.save(update_fields=["attention"])
    return payment


def next_wait(attempts: int) -> timedelta | None:
    """How long until the gateway is asked again after so many calls; None: a person must look."""
    waits = (FIRST_CHECK, *CHECKS)
    return waits[attempts - 1] if 0 < attempts <= len(waits) else None


def asked_once_more(row: Payment | Refund, now: datetime) -> dict[str, Any]:
    """What is written of a payment or refund before its gateway is asked about it."""
    attempts = row.attempts + 1
    wait = next_wait(attempts)
    return {
        "attempts": attempts,
        "next_check_at": now + wait if wait else None,
        # Said before the last call, which may be what ends this process.
        "attention": row.attention if wait else NO_ANSWER,
    }


# Asking what became of it


def claim_in_doubt(now: datetime, seller: Seller | None = None) -> int | None:
    """Take one payment in flight whose gateway is to be asked now: the call is counted first.

    Of one seller, or of all who have no clock of their own.
    """
    waiting = (
        Payment.objects.filter(in_time_of(seller), state__in=IN_FLIGHT, next_check_at__lte=now)
        .exclude(gateway__in=left_alone())
        .order_by("next_check_at")
    )

    def put_off(payment: Payment) -> dict[str, Any]:
        if payment.state == Payment.State.REQUIRES_ACTION:
            return {"next_check_at": now + WAITING_CHECK}
        return asked_once_more(payment, now)

    payment = claim(waiting, put_off)
    return payment.pk if payment else None


def resolve(payment_id: int, actor: str) -> None:
    """Ask the gateway what became of a payment in flight, and write what is clear.

    Raises :class:`GatewayUnavailable` where it cannot be asked.
    """
    payment = Payment.objects.select_related("seller").get(pk=payment_id)
    as_of, now = today_of(payment.seller), clock.now()
    try:
        gateway = registry.account(payment.gateway, payment.seller)
        made = _ask(gateway, payment)
        if made is not None and made.status == "requires_action" and _is_to_end(payment, now):
            made = gateway.cancel_charge(made.gateway_id)
    except (GatewayRefused, GatewayUnclear) as unclear:
        mark_unknown(payment.pk, unclear.message, as_of=as_of, actor=actor)
        return
    if made is not None:
        settle(payment.pk, made, as_of=as_of, actor=actor)
    elif payment.submitted_at and now - payment.submitted_at >= NEVER_MADE_AFTER:
        put_back(payment.pk)


def _ask(gateway: Gateway, payment: Payment) -> Charge | None:
    """The charge of a payment by its id, else by our reference; None where there never was one."""
    if payment.gateway_id:
        return gateway.get_charge(payment.gateway_id)
    return decisive_charge(gateway.charges_of(payment.gateway_reference))


def decisive_charge(charges: Sequence[Charge]) -> Charge | None:
    """Of several charges for one payment the paid one, else one that may be, else the last.

    Raises :class:`GatewayUnclear` where two are paid.
    """
    if sum(made.status == "succeeded" for made in charges) > 1:
        raise GatewayUnclear("The gateway has charged twice for one payment.")
    rank = ("succeeded", "requires_action")
    for status in rank:
        for made in charges:
            if made.status == status:
                return made
    return charges[-1] if charges else None


def _is_to_end(payment: Payment, now: datetime) -> bool:
    """Whether its customer has had time enough, and we may take it back now."""
    since = payment.submitted_at or payment.recorded_at
    is_late = now - since >= timedelta(days=ACTION_DAYS_MAX)
    return is_late and refusal(Kind.WITHDRAWAL) is None


def _planned(payment: Payment) -> list[PaymentAllocation]:
    return list(payment.allocations.filter(state=PaymentAllocation.State.PLANNED))


def _invoice_of(payment: Payment) -> Invoice:
    allocation = payment.allocations.select_related("invoice").order_by("id")[0]
    return allocation.invoice
