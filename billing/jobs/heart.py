"""The tick's heartbeat, and the clock that it is held against."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from billing.base.clock import AHEAD_MAX, ahead_of_database
from billing.engine.errors import Refused
from billing.jobs.models import Heartbeat
from billing.jobs.queries import CLOCK_BACK_MAX, last_beat
from billing.jobs.runs import stand
from billing.outbound.actions import hold, release
from billing.outbound.gate import standing_holds
from billing.outbound.models import Hold

CLOCK_AHEAD = "clock"
# Code of the hold while nobody knows whether Kvitt stood still for days, or its clock jumped.
CLOCK_JUMPED = "clock_jumped"
# From here on others are asked what time it is, and where nobody can say, a person is.
STOOD_STILL, JUMP = timedelta(hours=1), timedelta(days=2)

type Clocks = Callable[[], Sequence[datetime]]


class ClockWentBack(Refused):
    """It is earlier than it was at the last tick, by more than clocks differ."""


class ClockAhead(ClockWentBack):
    """It is later for this machine than for others, or nobody can say whether it is."""


def _refuse_to_run_ahead(now: datetime, ask_others: Clocks) -> None:
    """Raise :class:`ClockAhead` where ``now`` is ahead of the database's clock or of another's.

    Whatever is billed then would be dated in the future, and a document is never taken back. The
    database may share its clock with this machine, so after a pause the gateways are asked, and
    after days that nobody can confirm a person is: an outage and a clock that jumped look alike.
    """
    if not settings.COMPARES_CLOCKS:
        return
    database = now - ahead_of_database(now)
    pause = now - (last_beat() or now)
    others = ask_others() if pause >= STOOD_STILL else ()
    if behind := [at for at in (database, *others) if now - at > AHEAD_MAX]:
        error = ClockAhead(
            f"This machine's clock is ahead: it says {now:%Y-%m-%d %H:%M:%S} UTC, and that of the "
            f"{'database' if behind[0] == database else 'payment gateway'} "
            f"{behind[0]:%Y-%m-%d %H:%M:%S}. Nothing runs until they agree. Set the one right that "
            "is wrong; the tick goes on by itself.",
            code="clock_ahead",
        )
    elif pause >= JUMP and not others and not _is_accepted(now - pause):
        error = _have_a_person_look(now, pause)
    else:
        return
    stand(CLOCK_AHEAD, error.message, database)
    raise error


def _have_a_person_look(now: datetime, pause: timedelta) -> ClockAhead:
    reason = (
        f"The last tick was at {now - pause:%Y-%m-%d %H:%M} UTC, {pause.days} days before what "
        "this machine's clock says, and no payment gateway can confirm it. If Kvitt stood still "
        "for so long, resume everything. If a clock is wrong, set it right first: what is "
        "billed now would be dated in the future."
    )
    if not standing_holds().exists():
        hold(CLOCK_JUMPED, reason, {"since": (now - pause).isoformat()})
    return ClockAhead(reason, code=CLOCK_JUMPED)


def _is_accepted(last: datetime) -> bool:
    """Whether a person has looked since the last tick, or is asked to for another reason."""
    released = Hold.objects.filter(code=CLOCK_JUMPED, released_at__isnull=False)
    asked = standing_holds().exclude(code=CLOCK_JUMPED)
    return released.filter(held_at__gt=last).exists() or asked.exists()


def _release_where_right_again() -> None:
    for held in standing_holds().filter(code=CLOCK_JUMPED):
        release(held, actor="system")


def _nobody() -> Sequence[datetime]:
    return ()


def beat(now: datetime, ask_others: Clocks = _nobody) -> None:
    """Tell that the tick is at work at ``now``; ``ask_others`` says what time it is elsewhere.

    Raises :class:`ClockWentBack`, and leaves a failed run to say so, where ``now`` is more
    than a minute before the last beat: days that were billed would come a second time, and what is
    written would be dated before what it follows.
    """
    _refuse_to_run_ahead(now, ask_others)
    with transaction.atomic():
        heart, _ = Heartbeat.objects.select_for_update().get_or_create(
            name=Heartbeat.TICK, defaults={"beat_at": now}
        )
        went_back = now < heart.beat_at - CLOCK_BACK_MAX
        if not went_back:
            Heartbeat.objects.filter(pk=heart.pk).update(beat_at=max(now, heart.beat_at))
    if not went_back:
        stand(CLOCK_AHEAD, "", now)
        _release_where_right_again()
        stand(Heartbeat.TICK, "", now)
        return
    error = _went_back(now, heart)
    stand(Heartbeat.TICK, error.message, now)
    raise error


def beat_lane(lane: str, now: datetime, pause: timedelta) -> bool:
    """Tell that a lane is at work at ``now``; False where it must wait for a tick.

    That is where none has begun for so long as ``pause``, since the tick finds out first what a
    pause was and whether the clock is right, and where the clock is behind the last tick's.
    """
    last = last_beat()
    if last is None or not -CLOCK_BACK_MAX <= now - last < pause:
        return False
    Heartbeat.objects.update_or_create(name=f"lane {lane}", defaults={"beat_at": now})
    return True


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
