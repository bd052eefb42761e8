"""The tick's heartbeat, and the clock that it is held against."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from billing.engine.errors import Refused
from billing.jobs.models import Heartbeat
from billing.jobs.queries import CLOCK_BACK_MAX
from billing.jobs.runs import stand

CLOCK_AHEAD = "clock"
# Clocks that are kept in step differ by less than a second, and summer time by an hour.
AHEAD_MAX = timedelta(hours=1)


class ClockWentBack(Refused):
    """It is earlier than it was at the last tick, by more than clocks differ."""


class ClockAhead(ClockWentBack):
    """It is later for this machine than for the database."""


def refuse_to_run_ahead(now: datetime) -> None:
    """Raise :class:`ClockAhead` where ``now`` is an hour or more ahead of the database's clock.

    Whatever is billed then would be dated in the future, and a document is never taken back. An
    outage is no such thing: after one both clocks are as far on.
    """
    if not settings.COMPARES_CLOCKS:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
    if now - theirs < AHEAD_MAX:
        return
    error = ClockAhead(
        f"This machine's clock is ahead: it says {now:%Y-%m-%d %H:%M:%S} UTC, and the database's "
        f"{theirs:%Y-%m-%d %H:%M:%S}. Nothing runs until they agree. Set the one right that is "
        "wrong; the tick goes on by itself.",
        code="clock_ahead",
    )
    stand(CLOCK_AHEAD, error.message, theirs)
    raise error


def beat(now: datetime) -> None:
    """Tell that the tick is at work at ``now``.

    Raises :class:`ClockWentBack`, and leaves a failed run to say so, where ``now`` is more
    than a minute before the last beat: days that were billed would come a second time, and what is
    written would be dated before what it follows.
    """
    refuse_to_run_ahead(now)
    with transaction.atomic():
        heart, _ = Heartbeat.objects.select_for_update().get_or_create(
            name=Heartbeat.TICK, defaults={"beat_at": now}
        )
        went_back = now < heart.beat_at - CLOCK_BACK_MAX
        if not went_back:
            Heartbeat.objects.filter(pk=heart.pk).update(beat_at=max(now, heart.beat_at))
    if not went_back:
        stand(CLOCK_AHEAD, "", now)
        stand(Heartbeat.TICK, "", now)
        return
    error = _went_back(now, heart)
    stand(Heartbeat.TICK, error.message, now)
    raise error


def beat_lane(lane: str, now: datetime) -> None:
    """Tell that a lane is at work, by the clock that the ticks go by; raises as :func:`beat`."""
    refuse_to_run_ahead(now)
    heart = Heartbeat.objects.filter(name=Heartbeat.TICK).first()
    if heart and now < heart.beat_at - CLOCK_BACK_MAX:
        raise _went_back(now, heart)
    Heartbeat.objects.update_or_create(name=f"lane {lane}", defaults={"beat_at": now})


def _went_back(now: datetime, heart: Heartbeat) -> ClockWentBack:
    return ClockWentBack(
        f"The clock went back: it says {now:%Y-%m-%d %H:%M:%S} UTC, and the last tick was at "
        f"{heart.beat_at:%Y-%m-%d %H:%M:%S}. Nothing runs until that is past. Set the clock right; "
        "if it is right and was wrong before, press Run again.",
        code="clock_went_back",
    )


def accept_clock(now: datetime) -> None:
    """Take the clock for right, however far it went back."""
    Heartbeat.objects.filter(name=Heartbeat.TICK).update(beat_at=now)
    stand(Heartbeat.TICK, "", now)
