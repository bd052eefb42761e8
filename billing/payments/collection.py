"""Collection through gateways: the sweeps that the tick calls, any number of them at once.

Rows are the truth. Each sweep claims what it works on, and leaves a row that says so before it
calls a gateway; so a second sweep, or one that dies, charges nobody twice.
"""

import logging
from datetime import date

from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.events import clock
from billing.payments import gateways
from billing.payments.charging import charge, claim_in_doubt, resolve
from billing.payments.checkout import check_sessions, expire_session
from billing.payments.gateways.base import GatewayUnavailable
from billing.payments.inbox import poll_gateways, process_hooks
from billing.payments.models import CheckoutSession, Payment, PaymentAllocation, PaymentMethod
from billing.payments.paying_back import check_refunds, send_refunds
from customers.models import Customer, Seller

__all__ = ["collect_due", "collect_from", "poll_gateways", "process_hooks", "resolve_due"]

ACTOR = "system"

logger = logging.getLogger(__name__)


def collect_due(seller: Seller, as_of: date, actor: str, limit: int = 100) -> int:
    """Charge what is planned until ``as_of`` for customers with a card; how many were charged for.

    Customers without a card wait, and those whom another worker holds are passed by. A gateway
    that cannot be reached ends the sweep: nothing is lost, and the next one tries again.
    """
    count = 0
    for payment_id in _due(seller, as_of)[:limit]:
        try:
            count += charge(payment_id, as_of=as_of, actor=actor)
        except GatewayUnavailable as error:
            logger.warning("seller=%s collection=stopped reason=%r", seller, error.message)
            break
    return count


def collect_from(customer: Customer, *, as_of: date, actor: str) -> int:
    """Charge at once what is planned for one customer, who has just left another card; how much.

    A page on which an invoice was to be paid is closed first: what was not paid there is charged
    as well. What is ordered is not: whoever orders pays it on its own page. Raises what the
    gateway's client raises; the tick goes on then.
    """
    ordered = Q(payment__allocations__invoice__order__status="placed")
    pages = CheckoutSession.objects.filter(
        customer=customer, kind=CheckoutSession.Kind.PAYMENT, status="open"
    ).exclude(ordered)
    for page in pages.select_related("customer__seller", "payment"):
        expire_session(page, as_of=as_of, actor=actor)
    due = _due(customer.seller, as_of).filter(customer=customer)
    return sum(charge(payment_id, as_of=as_of, actor=actor) for payment_id in list(due))


def _due(seller: Seller, as_of: date) -> QuerySet[Payment, int]:
    names = [one.name for one in gateways.gateways_for(seller)]
    usable = PaymentMethod.objects.usable().filter(customer=OuterRef("customer"), gateway__in=names)
    under_way = PaymentAllocation.objects.filter(
        invoice=OuterRef("allocations__invoice"), state="in_flight"
    )
    planned = Payment.objects.filter(
        Q(next_check_at__isnull=True) | Q(next_check_at__lte=clock.now()),
        Exists(usable),
        ~Exists(under_way),
        seller=seller,
        state="planned",
        planned_on__lte=as_of,
        attention="",
    )
    return planned.order_by("planned_on", "id").values_list("pk", flat=True)


def resolve_due(limit: int = 100) -> int:
    """Ask gateways for what is in doubt, and send refunds that wait; how many of all.

    Raises nothing for a gateway that cannot be reached: what it was to be asked is asked later.
    """
    count = 0
    try:
        while count < limit and (payment_id := claim_in_doubt(clock.now())):
            count += 1
            resolve(payment_id, ACTOR)
        count += check_sessions(ACTOR, limit)
        count += check_refunds(limit)
        count += send_refunds(limit)
    except GatewayUnavailable as error:
        logger.warning("resolve=stopped reason=%r", error.message)
    return count
