"""What a checkout link offers: the order and its page's token, and how both are found again."""

import secrets
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from billing.checkout.models import Order
from billing.engine.errors import Refused
from billing.events.recorder import record_for
from billing.subscriptions.allowed_changes import counted
from billing.subscriptions.coupons import check_coupon, check_person, coupon_of
from billing.subscriptions.items import checked_quantities, prices_of
from catalog.models import Coupon, Plan, Price
from customers.calendar import now_of, today_of
from customers.links import hash_of
from customers.locks import lock_customer
from customers.models import Customer, Seller
from customers.persons import refuse_merged

PATH = "/pay/c/{token}/"
LIVES = timedelta(hours=24)
URL_LENGTH_MAX = 2000


@transaction.atomic
def create_order(
    seller: Seller,
    plan: Plan,
    *,
    as_of: date,
    actor: str,
    currency: str | None = None,
    quantities: Mapping[str, Decimal] | None = None,
    coupon: Coupon | None = None,
    customer: Customer | None = None,
    success_url: str = "",
    cancel_url: str = "",
    metadata: Mapping[str, Any] | None = None,
    language: str = "",
    lives: timedelta = LIVES,
) -> tuple[Order, str]:
    """Offer a plan: the order and the token of its page (:func:`address_of`), told only here.

    Raises :class:`Refused` ("plan_inactive", "plan_of_another_seller", "unknown_price",
    "customer_of_another_seller", "customer_merged", "invalid_url" and those of
    :func:`check_coupon` and :func:`check_person`), ``InvalidAgreement`` for a quantity below zero
    and ``CurrencyMismatch`` where the plan has no prices in the currency.
    """
    if plan.seller_id != seller.pk:
        raise Refused("This plan is another seller's.", code="plan_of_another_seller")
    if customer is not None and customer.seller_id != seller.pk:
        raise Refused("This customer is another seller's.", code="customer_of_another_seller")
    if customer is not None:
        refuse_merged(customer)
    check_active(plan)
    for url in filter(None, (success_url, cancel_url)):
        _check_url(seller, url)
    prices = prices_of(plan, currency)
    kept = checked_quantities(prices, quantities or {})
    if coupon is not None:
        check_coupon(coupon, plan, prices[0].currency, as_of=as_of)
        if customer is not None:
            check_person(coupon, seller.pk, customer.email, customer)
    token = secrets.token_urlsafe(32)
    order = Order.objects.create(
        seller=seller,
        plan=plan,
        currency=prices[0].currency,
        quantities=kept,
        coupon=coupon,
        customer=customer,
        language=language or (customer.language if customer else seller.language),
        success_url=success_url,
        cancel_url=cancel_url,
        metadata=dict(metadata or {}),
        token_hash=hash_of(token),
        expires_at=now_of(seller) + lives,
    )
    record_for("checkout.created", order, as_of, actor, plan=plan.code)
    return order, token


def offer_again(order: Order, customer: Customer, *, as_of: date, actor: str) -> str:
    """Offer what an open order does to a customer who has shown who they are; the new page's token.

    It is an order of its own: whoever has the page of the first may be a stranger who has typed
    this customer's address, and gets to see nothing of theirs. A coupon that they cannot use is
    left out. Raises as :func:`create_order` does, and :class:`Refused` ("order_expired").
    """
    refuse_over(order, now_of(order.seller))
    offer = partial(
        create_order,
        order.seller,
        order.plan,
        as_of=as_of,
        actor=actor,
        currency=order.currency,
        quantities={code: Decimal(quantity) for code, quantity in order.quantities.items()},
        customer=customer,
        success_url=order.success_url,
        cancel_url=order.cancel_url,
        metadata=order.metadata,
        language=customer.language,
    )
    try:
        return offer(coupon=order.coupon)[1]
    except Refused as refused:
        # A discount that is over keeps nobody from ordering, as on the order's own page.
        if not refused.code.startswith("coupon_"):
            raise
    return offer()[1]


def address_of(token: str) -> str:
    """The whole address of an order's page."""
    return f"{settings.PUBLIC_URL}{PATH.format(token=token)}"


def find_order(token: str) -> Order | None:
    """The order whose page has this token."""
    found = Order.objects.select_related("seller", "plan__product", "coupon", "customer__seller")
    return found.filter(token_hash=hash_of(token)).first()


def find_coupon(order: Order, code: str) -> Coupon:
    """The coupon of a code that a customer has typed, in any case.

    Raises :class:`Refused` with "coupon_unknown" and as :func:`check_coupon` does.
    """
    coupon = coupon_of(order.seller_id, code)
    check_coupon(coupon, order.plan, order.currency, as_of=today_of(order.seller))
    return coupon


def countable_prices(order: Order) -> list[Price]:
    """The prices of which a customer may order more or less."""
    return counted(prices_of(order.plan, order.currency))


def is_over(order: Order, now: datetime) -> bool:
    """Whether an order can no longer be placed or paid, though the tick may not have said so."""
    is_closed = order.status in {Order.Status.COMPLETE, Order.Status.EXPIRED}
    return is_closed or order.expires_at <= now


def _check_url(seller: Seller, url: str) -> None:
    """A page of the shop that its customers are shown the way to: never a script or a file."""
    schemes = {"https"} if seller.is_live else {"http", "https"}
    try:
        parts = urlsplit(url)
        is_page = parts.scheme in schemes and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_page = False
    if not is_page or not url.isprintable() or " " in url or len(url) > URL_LENGTH_MAX:
        raise Refused(
            f"“{url[:80]}” is not an address that customers can be sent to. Write it with https://.",
            code="invalid_url",
        )


def check_active(plan: Plan) -> None:
    if not plan.is_active:
        raise Refused(f"{plan} is no longer offered.", code="plan_inactive")


# Rows and events


def lock_order(order: Order) -> Order:
    """The order as it now stands, under the locks of its customer, where it has one, and itself."""
    if order.customer_id is not None:
        lock_customer(order.customer_id)
    locked = Order.objects.select_for_update(of=["self"]).select_related(
        "seller", "plan", "coupon", "customer", "subscription", "invoice"
    )
    return locked.get(pk=order.pk)


def refuse_over(order: Order, now: datetime) -> None:
    if is_over(order, now):
        raise Refused("This order has run out. Start again.", code="order_expired")
