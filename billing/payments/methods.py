"""The cards that a customer has left with us: which of them is charged, and which are there."""

from datetime import date

from django.db import transaction
from django.db.models import QuerySet

from billing.base import clock
from billing.engine.errors import Refused
from billing.events.recorder import record
from billing.invoicing.models import Invoice
from billing.payments.checkout import tell_of_method
from billing.payments.models import PaymentMethod
from billing.subscriptions.models import Subscription
from customers.actions import change_details
from customers.models import Customer


@transaction.atomic
def make_default(method: PaymentMethod, *, as_of: date, actor: str) -> PaymentMethod:
    """Charge this card from now on, what has failed on another included.

    One that is charged already stays so. Raises :class:`Refused` ("payment_method_retired",
    "payment_method_refused" for one that its bank will never accept again).
    """
    method = _lock(method)
    if method.is_default:
        return method
    if method.refused_code:
        raise Refused(
            f"The bank of {method} accepts it no longer. Add another card.",
            code="payment_method_refused",
        )
    _choose(method, as_of, actor)
    return method


@transaction.atomic
def remove(method: PaymentMethod, *, as_of: date, actor: str) -> PaymentMethod:
    """Never charge this card again; of those that are left the newest that works is charged.

    What is under way with it goes on. Raises :class:`Refused` ("payment_method_retired", and
    "payment_method_needed" for the only one that works while something is charged to it).
    """
    method = _lock(method)
    heir = others_that_work(method).order_by("-pk").first()
    is_in_use = method.is_default and not method.refused_code
    if is_in_use and heir is None and is_charged(method.customer):
        raise Refused(
            f"{method} is the only card, and the subscription is charged to it. "
            "Add another card first.",
            code="payment_method_needed",
        )
    was_default = method.is_default
    method.is_default, method.retired_at = False, clock.now()
    method.save(update_fields=["is_default", "retired_at"])
    _tell("payment_method.removed", method, as_of, actor)
    if was_default and heir is not None:
        _choose(heir, as_of, actor)
    return method


@transaction.atomic
def charge_from_now_on(customer: Customer, *, as_of: date, actor: str) -> Customer:
    """Charge later invoices to the customer's card, instead of waiting for their payment.

    The way back is the seller's to open: paying afterwards is credit. Raises :class:`Refused`
    ("no_payment_method").
    """
    customer = Customer.objects.select_for_update().select_related("seller").get(pk=customer.pk)
    if customer.collection == Customer.Collection.AUTOMATIC:
        return customer
    if not PaymentMethod.objects.usable().filter(customer=customer).exists():
        raise Refused(
            f"{customer} has no payment method that we may charge. Ask for a card first.",
            code="no_payment_method",
        )
    return change_details(
        customer, as_of=as_of, actor=actor, collection=Customer.Collection.AUTOMATIC
    )


def is_charged(customer: Customer) -> bool:
    """Whether a customer's card is asked for money, now or later."""
    if customer.collection != Customer.Collection.AUTOMATIC:
        return False
    open_ones = Invoice.objects.filter(
        customer=customer, kind=Invoice.Kind.INVOICE, status=Invoice.Status.OPEN
    )
    lives = Subscription.objects.filter(customer=customer).exclude(status=Subscription.Status.ENDED)
    return open_ones.exists() or lives.exists()


def others_that_work(method: PaymentMethod) -> QuerySet[PaymentMethod]:
    """The customer's other cards that can be charged."""
    return PaymentMethod.objects.filter(
        customer=method.customer, retired_at__isnull=True, refused_code=""
    ).exclude(pk=method.pk)


def _choose(method: PaymentMethod, as_of: date, actor: str) -> None:
    customer = method.customer
    PaymentMethod.objects.filter(customer=customer, is_default=True).update(is_default=False)
    method.is_default = True
    method.save(update_fields=["is_default"])
    _tell("payment_method.chosen", method, as_of, actor)
    tell_of_method(customer, as_of, actor)


def _lock(method: PaymentMethod) -> PaymentMethod:
    """A card as it now stands, under its customer's lock."""
    Customer.objects.select_for_update().get(pk=method.customer_id)
    method = (
        PaymentMethod.objects.select_for_update(of=["self"])
        .select_related("customer__seller")
        .get(pk=method.pk)
    )
    if method.retired_at is not None:
        raise Refused(f"{method} has been removed.", code="payment_method_retired")
    return method


def _tell(type: str, method: PaymentMethod, as_of: date, actor: str) -> None:
    record(
        type,
        seller=method.customer.seller.public_id,
        subject=method.customer.public_id,
        occurred_on=as_of,
        actor=actor,
        data={
            "payment_method": method.public_id,
            "brand": method.brand,
            "last4": method.last4,
        },
    )
