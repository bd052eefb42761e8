"""Test clocks: days played between where a clock stands and where it goes.

A test clock plays the days in order, each as the tick would have, with the clock of this process
standing there. The day is claimed by moving the clock to it before it is played, and a day that is
played twice is the same as once, so whoever is killed in the middle is followed by another who
begins with that day.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from billing.base import clock
from billing.base.clock import midnight
from billing.events.recorder import deliver_due, fan_out
from billing.jobs.runs import NotNow, Run, job_run
from billing.mail import outbox
from billing.schedule.seller_day import ACTOR, NOTIFY, play_day, until_none
from customers.calendar import today_of
from customers.models import Seller, TestClock
from customers.test_clocks import arrive, ask, reach

# Shorter than the broker's own limit for a task.
SECONDS_MAX = 300

logger = logging.getLogger(__name__)


def advancing() -> list[TestClock]:
    """The clocks on their way somewhere."""
    found = TestClock.objects.filter(advancing_to__isnull=False).select_related("seller")
    return list(found.order_by("pk"))


def job_of(test_clock: TestClock) -> str:
    return f"advance {test_clock.public_id}"


def play(test_clock: TestClock, run: Run) -> None:
    """Take a clock to where it is going; ends the run where it should stop, to be gone on with."""
    while True:
        seller = Seller.objects.select_related("test_clock").get(pk=test_clock.seller_id)
        test_clock = seller.test_clock
        for at in _instants(test_clock):
            with clock.standing_at(at):
                reach(test_clock, at)
                play_day(seller, today_of(seller), run)
            _tell(seller, run)
            run.end_if_asked()
        if arrive(test_clock, as_of=today_of(seller), actor=ACTOR):
            return
        if not TestClock.objects.filter(pk=test_clock.pk, advancing_to__isnull=False).exists():
            return


def _tell(seller: Seller, run: Run) -> None:
    """Have a seller's customers mailed of a day while it still is that day for them.

    Letters leave in the world's time, or they would lie there for a year.
    """
    NOTIFY.work(seller, today_of(seller), run)
    for work in (fan_out, deliver_due, partial(outbox.send_due, seller=seller)):
        until_none(work)(run)


def _instants(test_clock: TestClock) -> Iterator[datetime]:
    """Where the clock stands, which may be in the middle of a day's work, each midnight, the end.

    Midnights are those of the seller's calendar, and therefore 23 to 25 hours apart.
    """
    end = test_clock.advancing_to
    if end is None:
        return
    zone = test_clock.seller.time_zone
    yield (at := test_clock.at)
    day = clock.local_day(at, zone) + timedelta(days=1)
    while midnight(day, zone) < end:
        yield midnight(day, zone)
        day += timedelta(days=1)
    if end > at:
        yield end


def advance(test_clock: TestClock, to: datetime, *, actor: str) -> TestClock:
    """Take a clock to an instant and play each day until then; waits until that is done.

    Raises :class:`Refused` as :func:`customers.test_clocks.ask` does, and
    :class:`~billing.jobs.runs.NotNow` where another process is at it.
    """
    asked = ask(test_clock, to, as_of=today_of(test_clock.seller), actor=actor)
    if asked.is_advancing:
        with job_run(job_of(asked)) as run:
            play(asked, run)
    asked.refresh_from_db()
    return asked


def advance_all() -> None:
    """Take all clocks that wait as far as the time allows; another tick goes on."""
    ends = time.monotonic() + SECONDS_MAX
    for test_clock in advancing():
        if (left := round(ends - time.monotonic())) <= 0:
            return
        with suppress(NotNow), job_run(job_of(test_clock), seconds_max=left) as run:
            play(test_clock, run)
