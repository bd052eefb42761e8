"""Orders run out: the page at the gateway is closed first, so that no money comes after it.

What comes all the same is the customer's balance (:func:`billing.payments.charging.settle`).
"""

import logging
from datetime import date

from django.db import transaction
from django.db.models import Exists, OuterRef

from billing.checkout.models import Order
from billing.checkout.offers import lock_order
from billing.checkout.paying import open_pages
from billing.events.recorder import record_for
from billing.events.troubles import Watch
from billing.invoicing.corrections import credit
from billing.invoicing.locks import lock_invoice
from billing.invoicing.models import Invoice
from billing.invoicing.voiding import void
from billing.outbound.gate import Kind, refusal
from billing.outbound.turns import time_is_up
from billing.payments.gateways.base import GatewayError, GatewayUnavailable
from billing.payments.models import CheckoutSession, PaymentAllocation
from billing.payments.planning import release_planned
from billing.payments.sessions import complete_sessions, expire_session
from billing.subscriptions.actions import abandon
from billing.subscriptions.models import Subscription
from customers.calendar import now_of
from customers.models import Seller

NEVER_PAID = "The order was not paid."
logger = logging.getLogger(__name__)


def expire_orders(seller: Seller, as_of: date, actor: str, limit: int = 100) -> int:
    """Let orders run out whose time has come; how many.

    One that is being paid waits, and so do all while the gateway cannot be reached, or may not be
    told: nobody may pay for what is no longer there.
    """
    if refusal(Kind.WITHDRAWAL):
        return 0
    in_doubt = PaymentAllocation.objects.filter(
        invoice=OuterRef("invoice"), state=PaymentAllocation.State.IN_FLIGHT
    ).exclude(
        payment__session__status__in=[CheckoutSession.Status.CREATING, CheckoutSession.Status.OPEN]
    )
    over = Order.objects.filter(
        ~Exists(in_doubt),
        seller=seller,
        status__in=[Order.Status.OPEN, Order.Status.PLACED],
        expires_at__lte=now_of(seller),
    ).select_related("seller")
    watch = Watch("expire orders", seller.public_id, passing=(GatewayError,))
    over = over.exclude(public_id__in=watch.waiting)
    count = 0
    for order in over.order_by("expires_at", "pk")[:limit]:
        try:
            with watch.over(order.public_id):
                count += expire(order, as_of=as_of, actor=actor)
        except GatewayUnavailable as error:
            logger.warning("seller=%s orders=waiting reason=%r", seller, error.message)
            break
        except GatewayError as error:
            logger.warning("order=%s expires=later reason=%r", order, error.message)
        if time_is_up():
            break
    return count


def expire(order: Order, *, as_of: date, actor: str) -> bool:
    """Let an order run out: False where it has been paid meanwhile, or may yet be.

    Raises what the gateway's client raises; the order then stays as it is.
    """
    for session in open_pages(order):
        if session.status == CheckoutSession.Status.OPEN:
            expire_session(session, as_of=as_of, actor=actor)
        else:
            complete_sessions([session], as_of=as_of, actor=actor)
    return _expire(order, as_of, actor)


@transaction.atomic
def _expire(order: Order, as_of: date, actor: str) -> bool:
    order = lock_order(order)
    if order.status not in {Order.Status.OPEN, Order.Status.PLACED}:
        return False
    if order.invoice is not None:
        invoice = lock_invoice(order.invoice)
        if (
            open_pages(order)
            or invoice.allocations.filter(state=PaymentAllocation.State.IN_FLIGHT).exists()
        ):
            return False
        _take_back(invoice, as_of, actor)
    if (
        order.subscription is not None
        and order.subscription.status == Subscription.Status.INCOMPLETE
    ):
        abandon(order.subscription, as_of=as_of, actor=actor)
    order.move(Order.Status.EXPIRED, closed_at=now_of(order.seller))
    record_for("checkout.expired", order, as_of, actor)
    return True


def _take_back(invoice: Invoice, as_of: date, actor: str) -> None:
    """Void what nobody has paid; what was paid in part goes to the customer's balance."""
    if invoice.status != Invoice.Status.OPEN:
        return
    release_planned(invoice)
    if invoice.paid_minor or invoice.credited_minor:
        credit(invoice, as_of=as_of, actor=actor)
    else:
        void(invoice, as_of=as_of, actor=actor, reason=NEVER_PAID)
