"""How a placed order is paid: the page at the gateway, and what completes it, however it came."""

from datetime import date
from typing import Any

from django.db.models import Q

from billing.engine.errors import Refused
from billing.invoicing.models import Invoice
from billing.payments import gateways
from billing.payments.checkout import catch_up, start_payment, start_setup
from billing.payments.gateways.base import GatewayUnavailable
from billing.payments.models import CheckoutSession, Order
from billing.payments.order_offer import refuse_over, tell
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
    found = gateways.gateways_for(order.seller)
    if not found:
        raise GatewayUnavailable("No gateway is set up for this seller.")
    name = found[0].name
    if order.invoice is not None:
        return start_payment(
            order.invoice, gateway=name, as_of=as_of, actor=actor, return_url=return_url
        )
    assert order.customer is not None
    return start_setup(
        order.customer,
        gateway=name,
        as_of=as_of,
        actor=actor,
        return_url=return_url,
        order=order,
    )


def look(order: Order, *, as_of: date, actor: str) -> Order:
    """Ask the gateway what became of an order's pages, as when the customer comes back.

    Raises what the gateway's client raises.
    """
    catch_up(open_pages(order), as_of=as_of, actor=actor)
    order.refresh_from_db()
    return order


def last_page(order: Order) -> CheckoutSession | None:
    """The page at the gateway that was opened last; its ``failure`` says what was wrong."""
    return _all_pages(order).order_by("-id").first()


def _all_pages(order: Order) -> Any:
    of_order = Q(order=order)
    if order.invoice_id:
        of_order |= Q(payment__allocations__invoice=order.invoice_id)
    return CheckoutSession.objects.filter(of_order).select_related("customer__seller", "payment")


def open_pages(order: Order) -> list[CheckoutSession]:
    return list(_all_pages(order).filter(status__in=["creating", "open"]))


def note_paid(invoice: Invoice, as_of: date, actor: str) -> None:
    """Complete the order of an invoice that has just been paid. Its customer is locked."""
    order = Order.objects.filter(invoice=invoice, status="placed").first()
    if order is not None:
        complete_order(order, as_of, actor)


def note_method(customer: Customer, as_of: date, actor: str) -> None:
    """Complete the orders that waited for a card alone. The customer is locked."""
    for order in Order.objects.filter(customer=customer, status="placed", invoice=None):
        complete_order(order, as_of, actor)


def complete_order(order: Order, as_of: date, actor: str) -> None:
    """Let what was ordered begin; the second of two free trials, ordered at once, does not."""
    assert order.customer is not None and order.subscription is not None
    if order.invoice is None and _is_tried_meanwhile(order.subscription):
        abandon(order.subscription, as_of=as_of, actor=actor)
        order.move("expired", closed_at=now_of(order.seller))
        tell("checkout.expired", order, as_of, actor)
        return
    # A customer who has paid by invoice until now is charged from here on, as was agreed.
    charged = Customer.Collection.AUTOMATIC
    change_details(order.customer, as_of=as_of, actor=actor, collection=charged)
    complete(order.subscription, as_of=as_of, actor=actor)
    order.move("complete", closed_at=now_of(order.seller))
    tell(
        "checkout.completed",
        order,
        as_of,
        actor,
        customer=order.customer.public_id,
        subscription=order.subscription.public_id,
        invoice=order.invoice.public_id if order.invoice else None,
    )


def _is_tried_meanwhile(subscription: Subscription) -> bool:
    if subscription.paid_from == subscription.starts_on:
        return False
    lock_person(subscription.seller_id, subscription.customer.email)
    return has_tried(subscription.plan, subscription.customer.email)
