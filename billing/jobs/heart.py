"""The tick's heartbeat, and the clock that it is held against."""

from datetime import datetime

from django.db import transaction

from billing.engine.errors import Refused
from billing.jobs.models import Heartbeat
from billing.jobs.queries import CLOCK_BACK_MAX
from billing.jobs.runs import stand


class ClockWentBack(Refused):
    """It is earlier than it was at the last tick, by more than clocks differ."""


def beat(now: datetime) -> None:
    """Tell that the tick is at work at ``now``.

    Raises :class:`ClockWentBack`, and leaves a failed run to say so, where ``now`` is more
    than a minute before the last beat: days that were billed would come a second time, and what is
    written would be dated before what it follows.
    """
    with transaction.atomic():
        heart, _ = Heartbeat.objects.select_for_update().get_or_create(
            name=Heartbeat.TICK, defaults={"beat_at": now}
        )
        went_back = now < heart.beat_at - CLOCK_BACK_MAX
        if not went_back:
            Heartbeat.objects.filter(pk=heart.pk).update(beat_at=max(now, heart.beat_at))
    if not went_back:
        stand(Heartbeat.TICK, "", now)
        return
    error = ClockWentBack(
        f"The clock went back: it says {now:%Y-%m-%d %H:%M:%S} UTC, and the last tick was at "
        f"{heart.beat_at:%Y-%m-%d %H:%M:%S}. Nothing runs until that is past. Set the clock right; "
        "if it is right and was wrong before, press Run again.",
        code="clock_went_back",
    )
    stand(Heartbeat.TICK, error.message, now)
    raise error


def accept_clock(now: datetime) -> None:
    """Take the clock for right, however far it went back."""
    Heartbeat.objects.filter(name=Heartbeat.TICK).update(beat_at=now)
    stand(Heartbeat.TICK, "", now)
