"""Asking for a link to sign in with. What is answered, and what is done, tells nobody who is known.

The link itself is made by whoever writes the mail: no token is in an event.
"""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q

from billing.engine.errors import Refused
from billing.events.recorder import record
from customers.calendar import today_of
from customers.links import LIVES
from customers.models import AccessLink, Customer, Seller
from customers.persons import led_to_by
from portal.limits import may_try
from portal.models import Attempt
from portal.news import SIGN_IN_REQUESTED, mail_links_soon
from portal.queries import is_only_ordered

# As many in the time that a link lives: whoever is told to wait has one that works in the mail
# already, so nobody can keep anybody out by asking in their name.
ADDRESS_TIMES, ADDRESS_WITHIN = 4, LIVES[AccessLink.Purpose.SIGN_IN]
NETWORK_TIMES, NETWORK_WITHIN = 30, timedelta(hours=1)
# One person is hardly a customer of more sellers in one house.
SELLERS_MAX = 10


def ask_for_link(
    address: str,
    *,
    network: str,
    now: datetime,
    seller: Seller | None = None,
    order: str = "",
) -> int:
    """Have a link mailed for an address, by one seller or by each that has it; how many.

    One opens all accounts of the seller that have the address. Whose address was that of an account
    which was merged into another gets it at the address of that one. With the public id of an
    ``order`` it leads on to what that offers. What came of it is not for the one who asked. Raises
    :class:`Refused` ("too_many_attempts") for a network that asks too often, whatever the address.
    """
    address = address.strip().lower()
    if not may_try(
        Attempt.Kind.NETWORK, network, times=NETWORK_TIMES, within=NETWORK_WITHIN, now=now
    ):
        raise Refused(
            "Too many links were asked for from your network. Wait an hour, then try again.",
            code="too_many_attempts",
        )
    is_counted = may_try(
        Attempt.Kind.ADDRESS, address, times=ADDRESS_TIMES, within=ADDRESS_WITHIN, now=now
    )
    customers = led_to_by(address).select_related("seller__test_clock")
    if seller is not None:
        customers = customers.filter(seller=seller)
    # Who is nothing but an order that nobody has paid is signed in where there is nobody else.
    first = customers.annotate(
        is_only_ordered=is_only_ordered(),
        is_led=ExpressionWrapper(~Q(email__iexact=address), BooleanField()),
    )
    first = first.order_by("seller", "is_only_ordered", "is_led", "-pk").distinct("seller")
    found: list[Customer] = list(first[:SELLERS_MAX])
    _record(found if is_counted else [], now.date(), {"order": order} if order else {})
    return len(found) if is_counted else 0


@transaction.atomic
def _record(customers: list[Customer], day: date, data: dict[str, str]) -> None:
    """An event for each customer; for nobody the same work, and nothing left of it."""
    mail_links_soon()
    with transaction.atomic():
        for customer in customers:
            seller = customer.seller
            _record_one(seller.public_id, customer.public_id, today_of(seller), data)
        if not customers:
            _record_one("", "", day, data)
            transaction.set_rollback(True)


def _record_one(seller: str, subject: str, day: date, data: dict[str, str]) -> None:
    record(
        SIGN_IN_REQUESTED,
        seller=seller,
        subject=subject,
        occurred_on=day,
        actor="portal",
        data=data,
    )
