"""How a placed order is paid: the page at the gateway, and what completes it, however it came."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import transaction

from billing.checkout.models import Order
from billing.checkout.offers import lock_order, refuse_over
from billing.engine.errors import Refused
from billing.events.recorder import record_for
from billing.invoicing.settled import By, Settled
from billing.outbound.gate import Kind
from billing.payments.gateways.base import GatewayUnavailable, Purpose, may_leave
from billing.payments.gateways.registry import choose_gateway
from billing.payments.models import CheckoutSession
from billing.payments.sessions import (
    complete_sessions,
    expire_session,
    open_session,
    prepare_setup,
    return_url_for,
    start_payment,
)
from billing.subscriptions.actions import abandon, complete
from billing.subscriptions.coupons import has_tried
from billing.subscriptions.models import Subscription
from customers.actions import change_details
from customers.calendar import now_of
from customers.models import Customer
from customers.persons import lock_person


def open_page(
    order: Order, *, as_of: date, actor: str, return_url: str = ""
) -> CheckoutSession | None:
    """The gateway's page on which a placed order is paid, or a card left; None once it is complete.

    The one that is open is given again. Raises :class:`Refused` ("order_not_placed",
    "order_expired", "payment_in_flight") and what the gateway's client raises; the order stays.
    """
    order.refresh_from_db()
    if order.status == Order.Status.COMPLETE:
        return None
    if order.status == Order.Status.OPEN:
        raise Refused("Nothing has been ordered yet.", code="order_not_placed")
    refuse_over(order, now_of(order.seller))
    purpose = Purpose.PAY_ON_PAGE if order.invoice else Purpose.KEEP_METHOD
    gateway = choose_gateway(order.seller, purpose)
    if gateway is None:
        raise GatewayUnavailable("No gateway is set up for this seller.")
    if order.invoice is not None:
        return start_payment(
            order.invoice, gateway=gateway.name, as_of=as_of, actor=actor, return_url=return_url
        )
    return _open_page_for_card(
        order, gateway=gateway.name, as_of=as_of, actor=actor, return_url=return_url
    )


def _open_page_for_card(
    order: Order, *, gateway: str, as_of: date, actor: str, return_url: str
) -> CheckoutSession | None:
    """The page of an order that waits for a card alone; one that leads elsewhere is closed."""
    may_leave(Kind.CARD, order.seller.public_id)
    address, page = return_url_for(order.seller, return_url), order.page
    if page is not None and page.status == CheckoutSession.Status.OPEN:
        if (page.gateway, page.return_url) == (gateway, address):
            return page
        expire_session(page, as_of=as_of, actor=actor)
    prepared = _prepare_page_for_card(
        order, gateway=gateway, as_of=as_of, actor=actor, return_url=address
    )
    return open_session(prepared, as_of=as_of, actor=actor) if prepared else None


@transaction.atomic
def _prepare_page_for_card(
    order: Order, *, gateway: str, as_of: date, actor: str, return_url: str
) -> CheckoutSession | None:
    """Write down the page that is to be opened, as the order's; None once that is complete."""
    order = lock_order(order)
    if order.status == Order.Status.COMPLETE:
        return None
    refuse_over(order, now_of(order.seller))
    assert order.customer is not None
    order.page = prepare_setup(
        order.customer, gateway=gateway, as_of=as_of, actor=actor, return_url=return_url
    )
    order.save(update_fields=["page"])
    return order.page


def look(order: Order, *, as_of: date, actor: str) -> Order:
    """Ask the gateway what became of an order's pages, as when the customer comes back.

    Raises what the gateway's client raises.
    """
    complete_sessions(open_pages(order), as_of=as_of, actor=actor)
    order.refresh_from_db()
    return order


def last_page(order: Order) -> CheckoutSession | None:
    """The page at the gateway that was opened last; its ``failure`` says what was wrong."""
    return _all_pages(order).order_by("-id").first()


def _all_pages(order: Order) -> Any:
    pages = CheckoutSession.objects.select_related("customer__seller", "payment")
    if order.invoice_id:
        return pages.filter(payment__allocations__invoice=order.invoice_id)
    # As the row has it, which may name another page than the order in hand.
    return pages.filter(pk__in=Order.objects.filter(pk=order.pk).values("page"))


def open_pages(order: Order) -> list[CheckoutSession]:
    return list(
        _all_pages(order).filter(
            status__in=[CheckoutSession.Status.CREATING, CheckoutSession.Status.OPEN]
        )
    )


def complete_paid_orders(settled: Sequence[Settled], as_of: date, actor: str) -> None:
    """Complete the orders of invoices that money has just paid. Their customers are locked."""
    paid = [each.invoice for each in settled if each.by is By.MONEY]
    for order in Order.objects.filter(invoice__in=paid, status=Order.Status.PLACED).order_by("pk"):
        complete_order(order, as_of, actor)


def note_method(customer: Customer, as_of: date, actor: str) -> None:
    """Complete the orders that waited for a card alone. The customer is locked."""
    for order in Order.objects.filter(customer=customer, status=Order.Status.PLACED, invoice=None):
        complete_order(order, as_of, actor)


def complete_order(order: Order, as_of: date, actor: str) -> None:
    """Let what was ordered begin; the second of two free trials, ordered at once, does not."""
    assert order.customer is not None and order.subscription is not None
    if order.invoice is None and _is_tried_meanwhile(order.subscription):
        abandon(order.subscription, as_of=as_of, actor=actor)
        order.move(Order.Status.EXPIRED, closed_at=now_of(order.seller))
        record_for("checkout.expired", order, as_of, actor)
        return
    # A customer who has paid by invoice until now is charged from here on, as was agreed.
    charged = Customer.Collection.AUTOMATIC
    change_details(order.customer, as_of=as_of, actor=actor, collection=charged)
    complete(order.subscription, as_of=as_of, actor=actor)
    order.move(Order.Status.COMPLETE, closed_at=now_of(order.seller))
    record_for(
        "checkout.completed",
        order,
        as_of,
        actor,
        customer=order.customer.public_id,
        subscription=order.subscription.public_id,
        invoice=order.invoice.public_id if order.invoice else None,
    )


def _is_tried_meanwhile(subscription: Subscription) -> bool:
    if not subscription.has_trial:
        return False
    lock_person(subscription.seller_id, subscription.customer.email)
    return has_tried(subscription.plan, subscription.customer.email)
