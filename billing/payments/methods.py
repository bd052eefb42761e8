"""The cards that a customer leaves with us: kept, charged from now on, and taken away."""

from datetime import date

from django.db import transaction
from django.db.models import QuerySet

from billing.base import clock
from billing.engine.errors import Refused
from billing.events.recorder import record_for
from billing.invoicing.models import Invoice
from billing.payments import hooks
from billing.payments.gateways import registry
from billing.payments.gateways.base import Method
from billing.payments.models import GatewayCustomer, Payment, PaymentMethod
from billing.subscriptions.models import Subscription
from customers.actions import change_details
from customers.locks import lock_customer
from customers.models import Customer
from customers.persons import person_ids, refuse_merged, staying_of


def keep_method(
    customer: Customer, *, gateway: str, gateway_id: str, as_of: date, actor: str
) -> PaymentMethod:
    """Keep a card that the customer has left at a gateway, as the one that is charged from now on.

    A second time changes nothing. Raises what the gateway's client raises, and :class:`Refused`
    ("foreign_payment_method") for one that is another customer's.
    """
    method = registry.account(gateway, customer.seller).get_method(gateway_id)
    return keep_fetched_method(customer, gateway, method, as_of, actor)


@transaction.atomic
def keep_fetched_method(
    customer: Customer, gateway: str, method: Method, as_of: date, actor: str
) -> PaymentMethod:
    """Keep a card that the gateway has told of, as :func:`keep_method` does.

    What a merged customer leaves is kept for the one that stays.
    """
    lock_customer(customer.pk)
    customer = staying_of(Customer.objects.select_related("merged_into").get(pk=customer.pk))
    known = PaymentMethod.objects.filter(gateway=gateway, gateway_id=method.gateway_id).first()
    at_gateway = GatewayCustomer.objects.filter(gateway=gateway, gateway_id=method.customer)
    others = at_gateway.exclude(customer__in=person_ids(customer))
    if (known and known.customer_id != customer.pk) or others.exists():
        raise Refused("This card is another customer's.", code="foreign_payment_method")
    if known:
        return known
    GatewayCustomer.objects.get_or_create(
        customer=customer, gateway=gateway, defaults={"gateway_id": method.customer}
    )
    PaymentMethod.objects.filter(customer=customer, is_default=True).update(is_default=False)
    kept = PaymentMethod.objects.create(
        customer=customer,
        gateway=gateway,
        gateway_id=method.gateway_id,
        gateway_customer=method.customer,
        brand=method.brand,
        last4=method.last4,
        expires_on=method.expires_on,
        is_default=True,
    )
    _record("payment_method.added", kept, as_of, actor)
    announce_method(customer, as_of, actor)
    return kept


def announce_method(customer: Customer, as_of: date, actor: str) -> None:
    """Act on a locked customer's having another payment method than the one that was tried."""
    # What only waits for its next attempt need not wait for the old card's turn.
    Payment.objects.filter(
        customer=customer, state=Payment.State.PLANNED, planned_on__gt=as_of
    ).update(planned_on=as_of)
    for listen in hooks.method_changed:
        listen(customer, as_of=as_of, actor=actor)


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
            f"The bank of {method} no longer accepts it. Add another card.",
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
    heir = heir_of(method)
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
    _record("payment_method.removed", method, as_of, actor)
    if was_default and heir is not None:
        _choose(heir, as_of, actor)
    return method


@transaction.atomic
def charge_from_now_on(customer: Customer, *, as_of: date, actor: str) -> Customer:
    """Charge later invoices to the customer's card, instead of waiting for their payment.

    The way back is the seller's to open: paying afterwards is credit. Raises :class:`Refused`
    ("no_payment_method", "customer_merged").
    """
    lock_customer(customer.pk)
    customer = Customer.objects.select_related("seller", "merged_into").get(pk=customer.pk)
    refuse_merged(customer)
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
    open_ones = Invoice.objects.open().filter(customer=customer)
    lives = Subscription.objects.filter(customer=customer).exclude(status=Subscription.Status.ENDED)
    return open_ones.exists() or lives.exists()


def heir_of(method: PaymentMethod) -> PaymentMethod | None:
    """Which card takes a card's place when it is removed: the newest of the others that work."""
    return other_usable_methods(method).order_by("-pk").first()


def other_usable_methods(method: PaymentMethod) -> QuerySet[PaymentMethod]:
    """The customer's other cards that can be charged."""
    return PaymentMethod.objects.filter(
        customer=method.customer, retired_at__isnull=True, refused_code=""
    ).exclude(pk=method.pk)


def _choose(method: PaymentMethod, as_of: date, actor: str) -> None:
    customer = method.customer
    PaymentMethod.objects.filter(customer=customer, is_default=True).update(is_default=False)
    method.is_default = True
    method.save(update_fields=["is_default"])
    _record("payment_method.chosen", method, as_of, actor)
    announce_method(customer, as_of, actor)


def _lock(method: PaymentMethod) -> PaymentMethod:
    """A card as it now stands, under its customer's lock."""
    lock_customer(method.customer_id)
    method = (
        PaymentMethod.objects.select_for_update(of=["self"])
        .select_related("customer__seller")
        .get(pk=method.pk)
    )
    if method.retired_at is not None:
        raise Refused(f"{method} has been removed.", code="payment_method_retired")
    return method


def _record(type: str, method: PaymentMethod, as_of: date, actor: str) -> None:
    record_for(
        type,
        method.customer,
        as_of,
        actor,
        payment_method=method.public_id,
        brand=method.brand,
        last4=method.last4,
    )
