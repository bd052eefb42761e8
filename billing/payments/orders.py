"""Orders: what a checkout link offers, ordered by its customer, paid for, or run out.

Placing an order starts a subscription that is incomplete and bills it; the first invoice's money,
by whatever way it arrives, completes both. Where nothing is to be paid yet, a card completes them.
An order that runs out has its page at the gateway closed first, so that no money comes after it;
what comes all the same is the customer's balance (:func:`billing.payments.charging.settle`).
"""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from stdnum import luhn

from billing.engine.errors import Refused
from billing.events.recorder import record
from billing.invoicing.actions import bill_customer, credit, lock_invoice, void
from billing.invoicing.changes import Preview, preview
from billing.invoicing.issuing import numbers_of_nobody
from billing.invoicing.models import Invoice
from billing.payments import gateways
from billing.payments.actions import release_planned
from billing.payments.checkout import catch_up, expire_session, start_payment, start_setup
from billing.payments.gateways.base import GatewayError, GatewayUnavailable
from billing.payments.models import CheckoutSession, Order, PaymentAllocation, PaymentMethod
from billing.subscriptions.actions import abandon, checked_quantities, complete, prices_of, start
from billing.subscriptions.models import Subscription
from billing.subscriptions.offers import counted
from catalog.models import Coupon, Plan, Price
from customers.actions import add_customer, change_details
from customers.calendar import now_of
from customers.details import tidy_vat_number
from customers.links import hash_of
from customers.models import Customer, Seller

PATH = "/pay/c/{token}/"
LIVES = timedelta(hours=24)
# What a customer can order of one thing by hand.
QUANTITY_MAX = 9999
URL_LENGTH_MAX = 2000
NEVER_PAID = "The order was not paid."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What customers say of themselves; with a ``company`` the company is who buys."""

    name: str = ""
    email: str = ""
    company: str = ""
    address_line1: str = ""
    address_line2: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = "SE"
    vat_number: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the customer has chosen of an offer: quantities by price code, and a coupon."""

    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    coupon: Coupon | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The words that were agreed to, as they were shown, and who sent them from where."""

    text: str
    language: str
    version: str
    ip_address: str = ""
    user_agent: str = ""


# The offer


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
    "customer_of_another_seller", "invalid_url" and those of :func:`check_coupon`),
    ``InvalidAgreement`` for a quantity below zero and ``CurrencyMismatch`` where the plan has no
    prices in the currency.
    """
    if plan.seller_id != seller.pk:
        raise Refused("This plan is another seller's.", code="plan_of_another_seller")
    if customer is not None and customer.seller_id != seller.pk:
        raise Refused("This customer is another seller's.", code="customer_of_another_seller")
    _check_active(plan)
    for url in filter(None, (success_url, cancel_url)):
        _check_url(seller, url)
    prices = prices_of(plan, currency)
    kept = checked_quantities(prices, quantities or {})
    if coupon is not None:
        check_coupon(coupon, plan, prices[0].currency)
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
    _record("checkout.created", order, as_of, actor, plan=plan.code)
    return order, token


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
    coupon = Coupon.objects.filter(seller=order.seller_id, code__iexact=code.strip()).first()
    if coupon is None:
        raise Refused("There is no such code.", code="coupon_unknown")
    check_coupon(coupon, order.plan, order.currency)
    return coupon


def check_coupon(coupon: Coupon, plan: Plan | None, currency: str) -> None:
    """Raise :class:`Refused` for a coupon that takes nothing off a plan, or off any.

    "coupon_of_another_seller", "coupon_inactive", "coupon_of_another_plan" or "coupon_currency".
    """
    if plan is not None and coupon.seller_id != plan.seller_id:
        raise Refused("This coupon is another seller's.", code="coupon_of_another_seller")
    if not coupon.is_active:
        raise Refused(f"The coupon {coupon} is no longer offered.", code="coupon_inactive")
    if plan is not None and coupon.plans and plan.code not in coupon.plans:
        raise Refused(f"The coupon {coupon} is not for {plan}.", code="coupon_of_another_plan")
    if coupon.amount_off_minor and coupon.currency != currency:
        raise Refused(f"The coupon {coupon} is in {coupon.currency}.", code="coupon_currency")


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
            f"“{url[:80]}” is no address that customers can be sent to. Write it with https://.",
            code="invalid_url",
        )


def _check_active(plan: Plan) -> None:
    if not plan.is_active:
        raise Refused(f"{plan} is no longer offered.", code="plan_inactive")


# What it comes to


def quote(order: Order, details: Details, choice: Choice, *, as_of: date, actor: str) -> Preview:
    """What the order would come to for this customer: the real path, rolled back.

    Details that are not known yet may be empty. Raises what :func:`place` raises, and
    :class:`Refused` ("parked") where the first bill could not be made, though it be months ahead:
    nobody is told that nothing follows because we cannot work it out.
    """
    with transaction.atomic():
        _check_choice(order, choice)
        customer = _customer_for(order, details, as_of, actor)
        begin = partial(_start, order, customer, choice, as_of=as_of, actor=actor)
        seen = preview(begin, as_of=as_of, actor=actor)
        if not seen.upcoming:
            begun = begin()
            bill_customer(
                customer,
                as_of=begun.paid_from,
                actor=actor,
                subscription=begun,
                numbering=numbers_of_nobody,
            )
        transaction.set_rollback(True)
    return seen


def check_details(details: Details) -> dict[str, str]:
    """What is wrong with details, by field: missing, invalid_vat_number or card_number."""
    wrong = {
        name: "missing"
        for name in ("name", "email", "address_line1", "postal_code", "city", "country")
        if not getattr(details, name).strip()
    }
    try:
        _vat_number(details)
    except Refused as refused:
        wrong["vat_number"] = refused.code
    for name, text in asdict(details).items():
        if _is_card_number(text):
            wrong[name] = "card_number"
    return wrong


def _vat_number(details: Details) -> str:
    number = details.vat_number.strip()
    return tidy_vat_number(number, details.country) if number else ""


def _is_card_number(text: str) -> bool:
    """Whether somebody has typed a card's number where none belongs: it is never kept."""
    digits = "".join(character for character in text if character not in " -\u00a0")
    is_long = digits.isascii() and digits.isdigit() and 13 <= len(digits) <= 19
    return is_long and luhn.is_valid(digits)


def _check_choice(order: Order, choice: Choice) -> None:
    countable = {price.code for price in countable_prices(order)}
    for code, quantity in choice.quantities.items():
        if code not in countable or quantity != int(quantity) or not 1 <= quantity <= QUANTITY_MAX:
            raise Refused(
                f"Order a whole number from 1 to {QUANTITY_MAX}.", code="quantity_out_of_range"
            )
    if choice.coupon is not None:
        check_coupon(choice.coupon, order.plan, order.currency)


# Placing


@transaction.atomic
def place(
    order: Order,
    details: Details,
    choice: Choice,
    consent: Consent,
    *,
    as_of: date,
    actor: str,
    agreed_minor: int | None = None,
) -> Order:
    """Order with obligation to pay: the customer, the subscription and its first invoice, or none.

    A second time changes nothing and gives what is there. ``agreed_minor`` is what the customer
    was told to pay today; another sum is refused ("price_changed"). Raises :class:`Refused` also
    with "order_expired", "plan_inactive", "details_wrong" (``details`` has the fields),
    "quantity_out_of_range" and those of :func:`check_coupon`.
    """
    order = _lock(order)
    if order.status in {Order.Status.PLACED, Order.Status.COMPLETE}:
        return order
    now = now_of(order.seller)
    _refuse_over(order, now)
    _check_active(order.plan)
    _check_choice(order, choice)
    if wrong := check_details(details):
        raise Refused("Something is missing or wrong.", code="details_wrong", fields=wrong)
    customer = _customer_for(order, details, as_of, actor)
    subscription = _start(order, customer, choice, as_of=as_of, actor=actor, is_incomplete=True)
    invoice = _first_invoice(subscription, as_of, actor)
    owed_minor = invoice.outstanding_minor if invoice else 0
    if agreed_minor is not None and agreed_minor != owed_minor:
        raise Refused("The price has changed meanwhile.", code="price_changed")
    # Nothing more is billed before it has begun.
    Subscription.objects.filter(pk=subscription.pk).update(next_bill_on=None)
    order.move(
        "placed",
        customer=customer,
        quantities=subscription.quantities,
        coupon=choice.coupon,
        details=asdict(details),
        consent={**asdict(consent), "at": now.isoformat()},
        subscription=subscription,
        invoice=invoice,
        placed_at=now,
        expires_at=now + LIVES,
    )
    _record(
        "checkout.placed",
        order,
        as_of,
        actor,
        customer=customer.public_id,
        subscription=subscription.public_id,
        invoice=invoice.public_id if invoice else None,
        amount_minor=owed_minor,
        currency=order.currency,
    )
    if invoice is None and PaymentMethod.objects.usable().filter(customer=customer).exists():
        _complete(order, as_of, actor)
    return order


def _customer_for(order: Order, details: Details, as_of: date, actor: str) -> Customer:
    """The order's customer with these details, or a new one; the order's is locked first."""
    is_business = bool(details.company.strip())
    said: dict[str, Any] = {
        "name": (details.company if is_business else details.name).strip(),
        "email": details.email.strip(),
        "is_business": is_business,
        "country": details.country,
        "language": details.language,
        "vat_number": _vat_number(details),
    }
    for name in ("address_line1", "address_line2", "postal_code", "city"):
        said[name] = getattr(details, name).strip()
    known = order.customer
    if is_business:
        before = known.metadata if known else {}
        said["metadata"] = {**before, "contact": details.name.strip()}
    if known is not None:
        changed = change_details(known, as_of=as_of, actor=actor, **said)
        changed.seller = order.seller
        return changed
    charged = Customer.Collection.AUTOMATIC
    return add_customer(order.seller, as_of=as_of, actor=actor, collection=charged, **said)


def _start(
    order: Order,
    customer: Customer,
    choice: Choice,
    *,
    as_of: date,
    actor: str,
    is_incomplete: bool = False,
) -> Subscription:
    asked = {code: Decimal(quantity) for code, quantity in order.quantities.items()}
    return start(
        customer,
        order.plan,
        as_of=as_of,
        actor=actor,
        currency=order.currency,
        quantities=asked | dict(choice.quantities),
        coupons=[choice.coupon] if choice.coupon else [],
        metadata=order.metadata,
        is_incomplete=is_incomplete,
    )


def _first_invoice(subscription: Subscription, as_of: date, actor: str) -> Invoice | None:
    """Bill what is due at the start; None where nothing is to be paid yet: then nothing is kept.

    It is paid on the gateway's page alone, with nothing collected beside it.
    """
    with transaction.atomic():
        documents = bill_customer(
            subscription.customer, as_of=as_of, actor=actor, subscription=subscription
        )
        invoice = next(
            (
                document
                for document in documents
                if document.outstanding_minor
                and document.lines.filter(subscription=subscription).exists()
            ),
            None,
        )
        if invoice is None:
            transaction.set_rollback(True)
            return None
    release_planned(invoice)
    return invoice


# Paying


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
    _refuse_over(order, now_of(order.seller))
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
    catch_up(_pages(order), as_of=as_of, actor=actor)
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


def _pages(order: Order) -> list[CheckoutSession]:
    return list(_all_pages(order).filter(status__in=["creating", "open"]))


def note_paid(invoice: Invoice, as_of: date, actor: str) -> None:
    """Complete the order of an invoice that has just been paid. Its customer is locked."""
    order = Order.objects.filter(invoice=invoice, status="placed").first()
    if order is not None:
        _complete(order, as_of, actor)


def note_method(customer: Customer, as_of: date, actor: str) -> None:
    """Complete the orders that waited for a card alone. The customer is locked."""
    for order in Order.objects.filter(customer=customer, status="placed", invoice=None):
        _complete(order, as_of, actor)


def _complete(order: Order, as_of: date, actor: str) -> None:
    assert order.customer is not None and order.subscription is not None
    # A customer who has paid by invoice until now is charged from here on, as was agreed.
    charged = Customer.Collection.AUTOMATIC
    change_details(order.customer, as_of=as_of, actor=actor, collection=charged)
    complete(order.subscription, as_of=as_of, actor=actor)
    order.move("complete", closed_at=now_of(order.seller))
    _record(
        "checkout.completed",
        order,
        as_of,
        actor,
        customer=order.customer.public_id,
        subscription=order.subscription.public_id,
        invoice=order.invoice.public_id if order.invoice else None,
    )


# Running out


def expire_orders(seller: Seller, as_of: date, actor: str, limit: int = 100) -> int:
    """Let orders run out whose time has come; how many.

    One that is being paid waits, and so do all while the gateway cannot be reached: nobody may pay
    for what is no longer there.
    """
    in_doubt = PaymentAllocation.objects.filter(
        invoice=OuterRef("invoice"), state="in_flight"
    ).exclude(payment__session__status__in=["creating", "open"])
    over = Order.objects.filter(
        ~Exists(in_doubt),
        seller=seller,
        status__in=["open", "placed"],
        expires_at__lte=now_of(seller),
    ).select_related("seller")
    count = 0
    for order in over.order_by("expires_at", "pk")[:limit]:
        try:
            count += expire(order, as_of=as_of, actor=actor)
        except GatewayUnavailable as error:
            logger.warning("seller=%s orders=waiting reason=%r", seller, error.message)
            break
        except GatewayError as error:
            logger.warning("order=%s expires=later reason=%r", order, error.message)
    return count


def expire(order: Order, *, as_of: date, actor: str) -> bool:
    """Let an order run out: False where it has been paid meanwhile, or may yet be.

    Raises what the gateway's client raises; the order then stays as it is.
    """
    for session in _pages(order):
        if session.status == CheckoutSession.Status.OPEN:
            expire_session(session, as_of=as_of, actor=actor)
        else:
            catch_up([session], as_of=as_of, actor=actor)
    return _expire(order, as_of, actor)


@transaction.atomic
def _expire(order: Order, as_of: date, actor: str) -> bool:
    order = _lock(order)
    if order.status not in {Order.Status.OPEN, Order.Status.PLACED}:
        return False
    if order.invoice is not None:
        invoice = lock_invoice(order.invoice)
        if _pages(order) or invoice.allocations.filter(state="in_flight").exists():
            return False
        _take_back(invoice, as_of, actor)
    if order.subscription is not None and order.subscription.status == "incomplete":
        abandon(order.subscription, as_of=as_of, actor=actor)
    order.move("expired", closed_at=now_of(order.seller))
    _record("checkout.expired", order, as_of, actor)
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


# Rows and events


def _lock(order: Order) -> Order:
    """The order as it now stands, under the locks of its customer, where it has one, and itself."""
    if order.customer_id is not None:
        Customer.objects.select_for_update().get(pk=order.customer_id)
    locked = Order.objects.select_for_update(of=["self"]).select_related(
        "seller", "plan", "coupon", "customer", "subscription", "invoice"
    )
    return locked.get(pk=order.pk)


def _refuse_over(order: Order, now: datetime) -> None:
    if is_over(order, now):
        raise Refused("This order has run out. Start again.", code="order_expired")


def _record(type: str, order: Order, as_of: date, actor: str, **data: Any) -> None:
    record(
        type,
        seller=order.seller.public_id,
        subject=order.public_id,
        occurred_on=as_of,
        actor=actor,
        data=data,
    )
