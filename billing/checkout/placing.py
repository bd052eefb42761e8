"""Orders are placed: what the customer has chosen, who they are, and what it comes to.

Placing an order starts a subscription that is incomplete and bills it; the first invoice's money,
by whatever way it arrives, completes both. Where nothing is to be paid yet, a card completes them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction

from billing.base.redaction import card_number_in
from billing.checkout.models import Order
from billing.checkout.offers import (
    LIVES,
    check_active,
    countable_prices,
    lock_order,
    refuse_over,
)
from billing.checkout.paying import complete_order
from billing.engine.bounds import UNITS_ORDERED_MAX
from billing.engine.errors import Refused
from billing.events.recorder import record_for
from billing.invoicing.actions import bill_customer
from billing.invoicing.changes import Preview, check_billable, preview
from billing.invoicing.locks import lock_invoice
from billing.invoicing.models import Invoice
from billing.invoicing.numbering import no_numbers
from billing.invoicing.ordered import issue_ordered
from billing.invoicing.snapshots import bill_to_of
from billing.outbound.gate import Kind, refusal
from billing.payments.gateways.base import Purpose
from billing.payments.gateways.registry import choose_gateway
from billing.payments.models import PaymentMethod
from billing.payments.planning import release_planned
from billing.subscriptions.actions import start
from billing.subscriptions.coupons import check_coupon, has_tried, has_used
from billing.subscriptions.models import Subscription
from catalog.models import Coupon
from customers.actions import add_customer, change_details
from customers.addresses import demanded_fields
from customers.calendar import now_of
from customers.going_live import refuse_unready
from customers.models import Customer, Seller
from customers.numbers import tidy_vat_number
from customers.persons import lock_person, person_of


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


# What it comes to


def quote(order: Order, details: Details, choice: Choice, *, as_of: date, actor: str) -> Preview:
    """What the order would come to for this customer: the real path, rolled back.

    Details that are not known yet may be empty. Raises what :func:`place` raises, and
    :class:`Refused` ("parked") where the first bill could not be made, though it be months ahead:
    nobody is told that nothing follows because we cannot work it out.
    """
    check_active(order.plan)
    with transaction.atomic():
        _check_choice(order, choice, as_of)
        customer = _customer_for(order, details, as_of, actor)
        begin = partial(_start, order, customer, choice, as_of=as_of, actor=actor)
        seen = preview(begin, as_of=as_of)
        if not seen.upcoming:
            begun = begin()
            check_billable(begun, begun.paid_from)
        transaction.set_rollback(True)
    return seen


def check_details(details: Details) -> dict[str, str]:
    """What is wrong with details, by field: missing, invalid_vat_number or card_number."""
    wrong = {
        name: "missing"
        for name in ("name", "email", "country", *demanded_fields(details.country))
        if not getattr(details, name).strip()
    }
    try:
        _vat_number(details)
    except Refused as refused:
        wrong["vat_number"] = refused.code
    for name, text in asdict(details).items():
        if card_number_in(text):
            wrong[name] = "card_number"
    return wrong


def _vat_number(details: Details) -> str:
    number = details.vat_number.strip()
    return tidy_vat_number(number, details.country) if number else ""


def _check_choice(order: Order, choice: Choice, as_of: date) -> None:
    countable = {price.code for price in countable_prices(order)}
    for code, quantity in choice.quantities.items():
        is_whole = quantity == int(quantity) and 1 <= quantity <= UNITS_ORDERED_MAX
        if code not in countable or not is_whole:
            raise Refused(
                f"Order a whole number from 1 to {UNITS_ORDERED_MAX}.", code="quantity_out_of_range"
            )
    if choice.coupon is not None:
        check_coupon(choice.coupon, order.plan, order.currency, as_of=as_of)


# Placing


def refuse_unpayable(seller: Seller) -> None:
    """Raise :class:`Refused` before anything is sold that cannot be paid for or billed.

    The codes are "no_way_to_pay", "seller_not_ready" and those of a gate that lets no charge out.
    """
    refuse_unready(seller)
    if held := refusal(Kind.CHARGE, seller.public_id):
        raise held
    if seller.is_live and choose_gateway(seller, Purpose.PAY_ON_PAGE) is None:
        raise Refused(
            f"No gateway serves {seller}, so an order could not be paid. Start the subscription "
            "by hand, and it is paid by invoice.",
            code="no_way_to_pay",
        )


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
    "quantity_out_of_range", "coupon_used" and those of :func:`check_coupon`.
    """
    order = lock_order(order)
    if order.status in {Order.Status.PLACED, Order.Status.COMPLETE}:
        return order
    now = now_of(order.seller)
    refuse_over(order, now)
    check_active(order.plan)
    refuse_unpayable(order.seller)
    _check_choice(order, choice, as_of)
    if wrong := check_details(details):
        raise Refused("Something is missing or wrong.", code="details_wrong", fields=wrong)
    customer = _customer_for(order, details, as_of, actor)
    subscription = _start(order, customer, choice, as_of=as_of, actor=actor, is_incomplete=True)
    invoice = _first_invoice(subscription, as_of, actor)
    owed_minor = invoice.left_minor if invoice else 0
    if agreed_minor is not None and agreed_minor != owed_minor:
        raise Refused("The price has changed meanwhile.", code="price_changed")
    # Nothing more is billed before it has begun.
    Subscription.objects.filter(pk=subscription.pk).update(next_bill_on=None)
    order.move(
        Order.Status.PLACED,
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
    record_for(
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
        complete_order(order, as_of, actor)
    return order


@transaction.atomic
def correct_details(order: Order, details: Details, *, as_of: date, actor: str) -> bool:
    """Keep what was corrected of the details of a placed order that is ordered once more.

    Customer and invoice then have them, as long as that is only ordered; the order keeps what was
    agreed to first. False, and nothing is kept, where something is missing or wrong, or where
    another would buy: from another country, with another VAT number, a company for a person, or
    somebody who has had the order's coupon or free trial, which each person has once.
    """
    order = lock_order(order)
    before = Details(**order.details)
    if order.status != Order.Status.PLACED or check_details(details):
        return False
    if _taxed_by(details) != _taxed_by(before) or _has_had_its_share(order, details.email):
        return False
    customer = _customer_for(order, details, as_of, actor)
    if order.invoice is not None:
        invoice = lock_invoice(order.invoice)
        said = {key: invoice.bill_to[key] for key in ("supply",) if key in invoice.bill_to}
        corrected = bill_to_of(customer) | said
        if invoice.sequence is None and corrected != invoice.bill_to:
            Invoice.objects.filter(pk=invoice.pk).update(bill_to=corrected)
    return True


def _has_had_its_share(order: Order, email: str) -> bool:
    """Whether an address is another person's, who has had before what the order gives each once."""
    assert order.customer is not None and order.subscription is not None
    if person_of(email) == person_of(order.customer.email):
        return False
    # Of two orders that become one person's the second waits, and then sees the first.
    lock_person(order.seller_id, email)
    if order.subscription.has_trial and has_tried(order.plan, email):
        return True
    return order.coupon is not None and has_used(order.coupon, order.seller_id, email)


def _taxed_by(details: Details) -> tuple[str, str, bool]:
    """What of the details the tax depends on."""
    return details.country, _vat_number(details), bool(details.company.strip())


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
    # Of two orders of one person the second waits, and then sees what the first has redeemed.
    lock_person(order.seller_id, customer.email)
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
        trial_days=0 if has_tried(order.plan, customer.email) else None,
    )


def _first_invoice(subscription: Subscription, as_of: date, actor: str) -> Invoice | None:
    """Bill what is due at the start; None where nothing is to be paid yet: then nothing is kept.

    It is paid on the gateway's page alone, with nothing collected beside it. Then it gets its
    number and is booked: what nobody pays for uses up none, and leaves nothing in the books.
    """
    with transaction.atomic():
        customer = subscription.customer
        documents = bill_customer(
            customer, as_of=as_of, actor=actor, subscription=subscription, numbering=no_numbers
        )
        invoice = next(
            (
                document
                for document in documents
                if document.is_collectable
                and document.lines.filter(subscription=subscription).exists()
            ),
            None,
        )
        if invoice is None:
            transaction.set_rollback(True)
            return None
        others = [document for document in documents if document.pk != invoice.pk]
        issue_ordered(customer.seller, others, as_of=as_of, actor=actor)
    release_planned(invoice)
    return invoice
