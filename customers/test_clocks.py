"""Giving a test seller a clock, and telling it where to go.

:mod:`billing.schedule.test_clocks` takes it there.
"""

from datetime import date, datetime, timedelta

from django.db import transaction

from billing.base import clock
from billing.engine.errors import Refused
from billing.events.recorder import record_for
from customers.models import Seller, TestClock

ADVANCE_MAX = timedelta(days=2 * 366)
AHEAD_MAX = timedelta(days=20 * 366)


@transaction.atomic
def create(seller: Seller, *, at: datetime | None, as_of: date, actor: str) -> TestClock:
    """Let a test seller's time stand still at an instant, from now on and for ever.

    Raises :class:`Refused` for a live seller ("seller_is_live"), a second clock
    ("test_clock_exists") and an instant before the present ("clock_goes_back"), for what is billed
    already would lie in the future.
    """
    if seller.is_live:
        raise Refused(
            "Time cannot be moved for a live seller. Use a key of a test seller.",
            code="seller_is_live",
        )
    Seller.objects.select_for_update().get(pk=seller.pk)
    if TestClock.objects.filter(seller=seller).exists():
        raise Refused(
            "This seller has a test clock already. Advance that one.", code="test_clock_exists"
        )
    now = clock.now()
    at = at or now
    if at < now:
        raise Refused(
            "A test clock begins now or later, since what has happened cannot come after it.",
            code="clock_goes_back",
        )
    _check_reach(at, now)
    made = TestClock.objects.create(seller=seller, at=at)
    _record("test_clock.created", made, as_of, actor)
    return made


@transaction.atomic
def ask(test_clock: TestClock, to: datetime, *, as_of: date, actor: str) -> TestClock:
    """Have a clock advanced to an instant; the days between are played after this.

    The same instant once more changes nothing. Raises :class:`Refused` for one that is earlier
    than where the clock stands or is going ("clock_goes_back") or more than two years ahead
    ("clock_goes_too_far").
    """
    Seller.objects.select_for_update().get(pk=test_clock.seller_id)
    test_clock = TestClock.objects.select_related("seller").get(pk=test_clock.pk)
    if to == (test_clock.advancing_to or test_clock.at):
        return test_clock
    if to < (test_clock.advancing_to or test_clock.at):
        raise Refused(
            f"The clock stands at {test_clock}, and goes forward only.", code="clock_goes_back"
        )
    if to - test_clock.at > ADVANCE_MAX:
        raise Refused(
            "Advance a clock by two years at most; once it is there, again.",
            code="clock_goes_too_far",
        )
    _check_reach(to, clock.now())
    test_clock.advancing_to = to
    test_clock.save(update_fields=["advancing_to"])
    _record("test_clock.asked_to_advance", test_clock, as_of, actor, to=to.isoformat())
    return test_clock


def reach(test_clock: TestClock, at: datetime) -> None:
    """Set the clock to an instant on its way, before what is due then is played."""
    test_clock.at = at
    test_clock.save(update_fields=["at"])


@transaction.atomic
def arrive(test_clock: TestClock, *, as_of: date, actor: str) -> bool:
    """The clock is where it was to go, and all until then is played; False where it goes on."""
    here = TestClock.objects.filter(pk=test_clock.pk, advancing_to=test_clock.at)
    if not here.update(advancing_to=None):
        return False
    _record("test_clock.advanced", test_clock, as_of, actor)
    return True


def _check_reach(at: datetime, now: datetime) -> None:
    if at - now > AHEAD_MAX:
        raise Refused(
            "A test clock goes twenty years ahead and no further. Make a new test seller.",
            code="clock_goes_too_far",
        )


def _record(type: str, test_clock: TestClock, as_of: date, actor: str, **more: str) -> None:
    record_for(type, test_clock, as_of, actor, at=test_clock.at.isoformat(), **more)
