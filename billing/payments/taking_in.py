"""Money that a gateway has taken or paid back and that is written nowhere here.

So it is after a restore: what happened since the backup is lost, and the gateway still knows it.
"""

from datetime import date

from django.db import transaction

from billing.base import clock
from billing.events.recorder import record_for
from billing.payments.booking import book
from billing.payments.gateways.base import Charge
from billing.payments.models import GatewayCustomer, Payment
from customers.locks import lock_customer
from customers.models import Customer


def owner_of(gateway: str, made: Charge) -> Customer | None:
    """Whose charge it is, by the gateway's name for its customer; None where nobody here has it."""
    if not made.customer:
        return None
    known = GatewayCustomer.objects.filter(gateway=gateway, gateway_id=made.customer)
    found = known.select_related("customer__seller").first()
    return found.customer if found else None


@transaction.atomic
def take_in(gateway: str, made: Charge, *, as_of: date, actor: str) -> Payment | None:
    """Take a charge that has succeeded and is unknown here for its customer's money, once.

    It comes to their balance, less what was paid back of it, and pays what they owe, or will owe
    once it is billed again. None where it is known, nobody's here, or nothing is left of it.
    """
    owner = owner_of(gateway, made)
    if owner is None or made.status != "succeeded":
        return None
    lock_customer(owner.pk)
    left_minor = made.amount_minor - made.refunded_minor
    known = Payment.objects.filter(gateway=gateway)
    is_known = known.filter(gateway_id=made.gateway_id) | known.filter(gateway_key=made.reference)
    if is_known.exists() or left_minor <= 0:
        return None
    payment = Payment.objects.create(
        seller=owner.seller,
        customer=owner,
        currency=made.currency,
        amount_minor=left_minor,
        state=Payment.State.SUCCEEDED,
        gateway=gateway,
        gateway_id=made.gateway_id,
        gateway_key=made.reference,
        received_on=as_of,
        settled_at=clock.now(),
    )
    book(payment, {}, as_of)
    record_for(
        "payment.taken_in",
        payment,
        as_of,
        actor,
        gateway_id=made.gateway_id,
        amount_minor=left_minor,
        currency=made.currency,
        number=made.metadata.get("number", ""),
    )
    return payment
