"""Links that let a customer in without a password, each for one purpose and for a while.

Only a token's hash is kept, so whoever reads the database gets in nowhere.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from billing.base import clock
from billing.engine.errors import Refused
from customers.calendar import now_of
from customers.models import AccessLink, Customer
from customers.persons import refuse_merged

Purpose = AccessLink.Purpose
LIVES: dict[str, timedelta] = {
    Purpose.SIGN_IN: timedelta(minutes=15),
    Purpose.PORTAL: timedelta(minutes=15),
    Purpose.PAY: timedelta(days=60),
    Purpose.METHOD: timedelta(days=30),
    Purpose.SUBSCRIPTION: timedelta(days=30),
}
# Who has one of these is signed in, so they open once; the others do one thing, as often as needed.
SINGLE_USE = frozenset({Purpose.SIGN_IN, Purpose.PORTAL})

# One that is too old explains itself for so long, and offers a new one.
KEPT = timedelta(days=90)

PATHS: dict[str, str] = {
    Purpose.SIGN_IN: "/portal/enter/{token}/",
    Purpose.PORTAL: "/portal/enter/{token}/",
    Purpose.SUBSCRIPTION: "/portal/s/{token}/",
    Purpose.PAY: "/pay/i/{token}/",
    Purpose.METHOD: "/pay/m/{token}/",
}


def make_link(
    customer: Customer,
    purpose: str,
    *,
    now: datetime,
    subject: str = "",
    return_url: str = "",
    address: str = "",
) -> str:
    """Make a link; its token, which is told to nobody but the customer.

    ``subject`` is the public id of the one thing that it is for, such as an invoice to pay;
    ``address`` is where it is mailed to, of one that signs in. Of a merged customer an invoice may
    still be paid; for all else raises :class:`Refused` ("customer_merged").
    """
    if purpose != Purpose.PAY:
        refuse_merged(customer)
    token = secrets.token_urlsafe(32)
    AccessLink.objects.create(
        customer=customer,
        purpose=purpose,
        subject=subject,
        return_url=return_url,
        address=address,
        token_hash=hash_of(token),
        expires_at=now + LIVES[purpose],
    )
    return token


def find_link(token: str) -> AccessLink | None:
    """The link of a token, whether or not it still opens anything."""
    found = AccessLink.objects.filter(token_hash=hash_of(token))
    return found.select_related("customer__seller").first()


def read_link(token: str, *purposes: str, now: datetime) -> AccessLink:
    """The link of a token, without using it up.

    Raises :class:`Refused` with ``link_unknown``, ``link_merged``, ``link_used`` or
    ``link_expired``; the error's ``details`` have the link where there is one, so that a new one
    can be offered. Of a merged customer only an invoice is still paid by its link.
    """
    link = find_link(token)
    if link is None or link.purpose not in purposes:
        raise Refused("This link is not one of ours, or was cut short.", code="link_unknown")
    if link.customer.merged_into_id is not None and link.purpose != Purpose.PAY:
        raise Refused(
            "The account was merged into another, which has links of its own. Ask for one.",
            code="link_merged",
            link=link,
        )
    if link.used_at is not None:
        raise Refused("This link has been used. Ask for a new one.", code="link_used", link=link)
    if link.expires_at <= now:
        raise Refused("This link is too old. Ask for a new one.", code="link_expired", link=link)
    return link


@transaction.atomic
def use_link(token: str, *purposes: str, now: datetime) -> AccessLink:
    """As :func:`read_link`; one that opens once is used up, by one of two that race."""
    link = read_link(token, *purposes, now=now)
    if link.purpose in SINGLE_USE:
        mine = AccessLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now)
        if not mine:
            raise Refused(
                "This link has been used. Ask for a new one.", code="link_used", link=link
            )
    return link


def time_of(token: str) -> datetime:
    """What time it is for whose link a token is: a test seller may have a clock of its own."""
    link = AccessLink.objects.filter(token_hash=hash_of(token)).select_related("customer__seller")
    found = link.first()
    return now_of(found.customer.seller) if found else clock.now()


def address_of(purpose: str, token: str) -> str:
    """The whole address that a link's token opens, as it is mailed."""
    return settings.PUBLIC_URL + PATHS[purpose].format(token=token)


def end_links(customer: Customer, now: datetime) -> None:
    """End all links of a customer but those by which an invoice is paid."""
    links = AccessLink.objects.filter(customer=customer, expires_at__gt=now)
    links.exclude(purpose=Purpose.PAY).update(expires_at=now)


def forget_old_links(now: datetime, limit: int = 10_000) -> int:
    """Delete links that ran out, used or not, more than :data:`KEPT` ago.

    For the tick, until it returns 0: how many rows went, a bounded number at a time. A test
    seller's clock may stand long ago, so what was made of late stays as well.
    """
    before = now - KEPT
    old = AccessLink.objects.filter(expires_at__lt=before, recorded_at__lt=before)
    count, _ = AccessLink.objects.filter(pk__in=old.values("pk")[:limit]).delete()
    return count


def hash_of(token: str) -> str:
    """What is kept of a token: 32 random bytes need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
