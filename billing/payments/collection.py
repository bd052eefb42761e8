"""Collection through gateways: the sweeps that the tick calls, any number of them at once.

Rows are the truth. Each sweep claims what it works on, and leaves a row that says so before it
calls a gateway; so a second sweep, or one that dies, charges nobody twice.
"""

import logging
from contextlib import suppress
from datetime import date, datetime
from functools import partial

from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.base import clock
from billing.engine.errors import Refused
from billing.events.troubles import Watch
from billing.invoicing.models import Invoice
from billing.invoicing.owed import IS_ORDERED
from billing.outbound.gate import Held, Kind, refusal
from billing.outbound.turns import left_alone, time_is_up
from billing.payments.charging import charge, claim_in_doubt, resolve
from billing.payments.from_balance import settle_from_balance
from billing.payments.gateways import registry
from billing.payments.gateways.base import GatewayError, GatewayUnavailable
from billing.payments.models import CheckoutSession, Payment, PaymentAllocation, PaymentMethod
from billing.payments.planning import collect_soon
from billing.payments.refunds import check_refunds, send_refunds
from billing.payments.sessions import check_sessions, expire_session
from customers.models import Customer, Seller

ACTOR = "system"

logger = logging.getLogger(__name__)


def collect_due(seller: Seller, as_of: date, actor: str, limit: int = 100) -> int:
    """Charge what is planned until ``as_of`` for customers with a card; how many were charged for.

    Customers without a card wait, and those whom another worker holds are passed by. A gateway
    that cannot be reached, or hangs, ends the sweep: nothing is lost, and the next one tries again.
    """
    if refusal(Kind.CHARGE, seller.public_id):
        return 0
    watch = Watch("collect", seller.public_id, passing=(GatewayUnavailable,))
    due = _due(seller, as_of).exclude(public_id__in=watch.waiting)
    count = 0
    for payment_id, public_id in due.values_list("pk", "public_id")[:limit]:
        try:
            with watch.over(public_id):
                count += charge(payment_id, as_of=as_of, actor=actor)
        except GatewayUnavailable as error:
            logger.warning("seller=%s collection=stopped reason=%r", seller, error.message)
            break
        if time_is_up():
            break
    return count


def collect_from(customer: Customer, *, as_of: date, actor: str) -> int:
    """Charge at once what is planned for one customer, who has just left another card; how much.

    A page on which an invoice was to be paid is closed first: what was not paid there is charged
    as well. What is ordered is not: whoever orders pays it on its own page. Raises what the
    gateway's client raises; the tick goes on then.
    """
    ordered = Invoice.objects.filter(IS_ORDERED, customer=customer)
    pages = CheckoutSession.objects.filter(
        customer=customer, kind=CheckoutSession.Kind.PAYMENT, status=CheckoutSession.Status.OPEN
    ).exclude(payment__allocations__invoice__in=ordered)
    for page in pages.select_related("customer__seller", "payment"):
        expire_session(page, as_of=as_of, actor=actor)
    due = _due(customer.seller, as_of).filter(customer=customer)
    return sum(charge(payment.pk, as_of=as_of, actor=actor) for payment in list(due))


def pay_now(invoice: Invoice, *, as_of: date, actor: str) -> Payment:
    """Charge the customer's card for an open invoice at once; the payment as it came out.

    What the customer has with us pays first, and is not charged.
    Calls the gateway, so no transaction may be open. Raises what :func:`collect_soon` raises,
    :class:`Refused` ("payment_in_flight") where another worker is at it, and
    :class:`GatewayUnavailable`; the payment is then planned, and made a little later by itself.
    """
    settle_from_balance(invoice.customer, as_of=as_of, actor=actor)
    planned = collect_soon(invoice, as_of=as_of, actor=actor)
    if not charge(planned.pk, as_of=as_of, actor=actor):
        raise Refused(f"A payment of {invoice} is under way.", code="payment_in_flight")
    # Where the amount has changed since it was planned, another payment was made for it.
    asked = Payment.objects.filter(allocations__invoice=invoice)
    made = asked.exclude(state__in=[Payment.State.PLANNED, Payment.State.CANCELED])
    return made.select_related("customer", "payment_method").latest("id")


def clocks() -> list[datetime]:
    """What time it is for the gateways that can be asked now."""
    found = []
    for one in registry.accounts():
        with suppress(GatewayError):
            found.append(one.clock())
    return [at for at in found if at is not None]


def _due(seller: Seller, as_of: date) -> QuerySet[Payment]:
    cards = PaymentMethod.objects.chargeable(seller).exclude(gateway__in=left_alone())
    under_way = PaymentAllocation.objects.filter(
        invoice=OuterRef("allocations__invoice"), state=PaymentAllocation.State.IN_FLIGHT
    )
    planned = Payment.objects.filter(
        Q(next_check_at__isnull=True) | Q(next_check_at__lte=clock.now()),
        Exists(cards.filter(customer=OuterRef("customer"))),
        ~Exists(under_way),
        seller=seller,
        state=Payment.State.PLANNED,
        planned_on__lte=as_of,
        attention="",
    )
    return planned.order_by("planned_on", "id")


def _public_id(payment_id: int) -> str:
    return Payment.objects.values_list("public_id", flat=True).get(pk=payment_id)


def resolve_due(limit: int = 100, seller: Seller | None = None) -> int:
    """Ask gateways for what is in doubt, and send refunds that wait; how many of all.

    For one seller, or for all but those with a test clock, whose time is another. Raises nothing
    for a gateway that cannot be reached: what it was to be asked is asked later.
    """
    if refusal(Kind.QUESTION):
        return 0
    # A turn that comes to nothing is followed by another: each claim puts the next one off.
    watch = Watch("resolve payments", passing=(GatewayUnavailable,))
    count = 0
    try:
        while count < limit and not time_is_up():
            if (payment_id := claim_in_doubt(clock.now(), seller)) is None:
                break
            count += 1
            # It pays an order, whose invoice gets no number now: it is asked for again later.
            with suppress(Held), watch.over(partial(_public_id, payment_id)):
                resolve(payment_id, ACTOR)
        count += check_sessions(ACTOR, limit, seller)
        count += check_refunds(limit, seller)
        count += send_refunds(limit, seller)
    except GatewayUnavailable as error:
        logger.warning("resolve=stopped reason=%r", error.message)
    return count
