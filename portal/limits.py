"""How often something may be tried; and forms, which work once. Both are counted in the database,
for all processes alike.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from billing.base.leases import wait_for_turn
from billing.engine.errors import Refused
from customers.models import Customer
from portal.models import Attempt, SentForm

KEPT = timedelta(days=2)
PURGED_MAX = 500


@transaction.atomic
def may_try(kind: str, key: str, *, times: int, within: timedelta, now: datetime) -> bool:
    """Count an attempt, unless there were ``times`` of them in the time before ``now``.

    What is turned away is not counted, so whoever goes on trying does not prolong the wait.
    """
    key_hash = _hash(kind, key)
    wait_for_turn(key_hash)  # Of attempts at once each sees those before it.
    mine = Attempt.objects.filter(kind=kind, key_hash=key_hash, at__gt=now - within)
    if mine.count() >= times:
        return False
    Attempt.objects.create(kind=kind, key_hash=key_hash, at=now)
    _purge(Attempt.objects.all(), now)
    return True


def has_tried(kind: str, key: str, *, times: int, within: timedelta, now: datetime) -> bool:
    """Whether there were ``times`` attempts in the time before ``now``; counts none itself."""
    mine = Attempt.objects.filter(kind=kind, key_hash=_hash(kind, key), at__gt=now - within)
    return mine.count() >= times


def new_key() -> str:
    """A key for a form that is shown: it comes back with the form, which works once."""
    return secrets.token_hex(12)


@transaction.atomic
def once[Done](customer: Customer, key: str, do: Callable[[], Done], *, now: datetime) -> Done:
    """Do what a form asks for, in one transaction with the note that it has been done.

    Raises :class:`Refused` ("form_already_sent") the second time, and what ``do`` raises: then the
    form may be sent again. A form without a key does nothing ("form_without_key").
    """
    if not (key.isalnum() and len(key) <= 32):
        raise Refused("Open the page again, and send the form from there.", code="form_without_key")
    Customer.objects.select_for_update().get(pk=customer.pk)
    if SentForm.objects.filter(customer=customer, key=key).exists():
        raise Refused("This has been done.", code="form_already_sent")
    SentForm.objects.create(customer=customer, key=key, at=now)
    _purge(SentForm.objects.all(), now)
    return do()


def was_sent(customer: Customer, key: str) -> bool:
    """Whether a form has done what it was sent for."""
    return SentForm.objects.filter(customer=customer, key=key[:32]).exists()


def _hash(kind: str, key: str) -> str:
    return salted_hmac("portal.limits", f"{kind}:{key}", algorithm="sha256").hexdigest()


def _purge(rows: QuerySet[Any], now: datetime) -> None:
    """Forget what is old, some of it each time."""
    old = rows.filter(at__lt=now - KEPT).order_by("at")[:PURGED_MAX]
    rows.filter(pk__in=old.values("pk")).delete()
