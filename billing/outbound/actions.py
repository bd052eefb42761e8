"""Holding everything and letting it go on; stopping charges and letting them go on."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from billing.engine.errors import Refused
from billing.outbound.models import Hold, KillSwitch


@transaction.atomic
def hold(code: str, reason: str, details: dict[str, Any] | None = None) -> Hold:
    """Hold everything that leaves, until somebody releases it; a second for a code is the first.

    ``reason`` is a sentence that says what was seen and what to do.
    """
    made = Hold(code=code, reason=reason, details=details or {})
    Hold.objects.bulk_create([made], ignore_conflicts=True)
    return Hold.objects.get(code=code, released_at=None)


def record_comparison(held: Hold, charges: Sequence[str]) -> None:
    """Have a hold know the charges of nobody here that a person was told of: they hold no more."""
    details = held.details | {"compared": list(charges)}
    Hold.objects.filter(pk=held.pk, released_at=None).update(details=details)


@transaction.atomic
def release(held: Hold, *, actor: str) -> Hold:
    """Take a hold away; where it was the last, everything goes on by itself.

    Raises :class:`Refused` ("hold_released") where somebody was faster.
    """
    standing = Hold.objects.filter(pk=held.pk, released_at=None)
    if not standing.update(released_at=Now(), released_by=actor):
        raise Refused("This hold has already been released.", code="hold_released")
    held.refresh_from_db()
    return held


@transaction.atomic
def stop_charging(*, reason: str, actor: str, seller: str | None = None) -> KillSwitch:
    """Stop all charging at once, or that of a seller by its public id.

    Charges that the gateway has been asked for already end as they end. Raises :class:`Refused`
    ("reason_missing", "charging_stopped").
    """
    if not reason.strip():
        raise Refused("Say why charging is stopped: others will ask.", code="reason_missing")
    try:
        with transaction.atomic():
            switch = KillSwitch.objects.create(seller=seller, reason=reason.strip(), on_by=actor)
    except IntegrityError:
        on = KillSwitch.objects.get(seller=seller, off_at=None)
        raise Refused(
            f"Charging is already stopped: {on.reason}", code="charging_stopped"
        ) from None
    switch.refresh_from_db()
    return switch


@transaction.atomic
def resume_charging(switch: KillSwitch, *, actor: str) -> KillSwitch:
    """Turn a kill switch off: what is planned is charged by the next tick.

    Raises :class:`Refused` ("kill_switch_off") where somebody was faster.
    """
    on = KillSwitch.objects.filter(pk=switch.pk, off_at=None)
    if not on.update(off_at=Now(), off_by=actor):
        raise Refused("This kill switch is already off.", code="kill_switch_off")
    switch.refresh_from_db()
    return switch
