"""What is due for one seller on one day: played by the tick as days pass, and by test clocks.

A test clock plays the days between where it stands and where it goes, in order, each as the tick
would have, with the clock of this process standing there. The day is claimed by moving the clock
to it before it is played, and a day that is played twice is the same as once, so whoever is killed
in the middle is followed by another who begins with that day.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from functools import partial
from zoneinfo import ZoneInfo

from django_q.tasks import async_task

from billing.engine.money import major_string
from billing.events import clock
from billing.events.recorder import deliver_due, fan_out
from billing.invoicing.batch import bill_due
from billing.invoicing.recognition import recognize, recognized_until
from billing.jobs.runs import NotNow, Run, job_run
from billing.mail import outbox
from billing.mail.notices import notify
from billing.payments.collection import collect_due, resolve_due
from billing.payments.orders import expire_orders
from billing.tax.checks import ask_due
from customers.calendar import today_of
from customers.models import Seller, TestClock
from customers.test_clocks import arrive, ask, reach
from dunning.cases import close_where_settled, open_cases, step_due

type Work = Callable[[Run], None]

ACTOR = "tick"
# Shorter than the broker's own limit for a task.
SECONDS_MAX = 300

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """A thing that is done for a seller on a day; ``is_daily`` where once in a day is enough."""

    name: str
    work: Callable[[Seller, date, Run], None]
    is_daily: bool = False


def until_none(work: Callable[[], int]) -> Work:
    """A job that does a handful at a time, until there is no more or it should stop."""

    def job(run: Run) -> None:
        while count := work():
            run.advance(count)
            run.end_if_asked()

    return job


def once(work: Callable[[], int]) -> Work:
    """A job that does what it can in one go."""

    def job(run: Run) -> None:
        run.advance(work())

    return job


def bill(seller: Seller, today: date, run: Run) -> None:
    """Bill what is due for a seller's customers, missed periods as well."""

    def on_batch(customers: int) -> None:
        run.advance(customers)
        run.end_if_asked()

    billed = bill_due(seller, today, actor=ACTOR, on_batch=on_batch)
    if billed.refused:
        # They come again with every tick, and are no progress.
        run.advance(-len(billed.refused))
        logger.warning("job=%s refused=%r", run.row.name, billed.refused)
    if billed.invoices or billed.credit_notes or billed.parked:
        totals = ", ".join(
            f"{major_string(minor, currency)} {currency}"
            for currency, minor in sorted(billed.totals_minor.items())
        )
        run.say(
            f"{seller}: {billed.invoices} invoices, {billed.credit_notes} credit notes, "
            f"{billed.parked} parked. Total {totals or 'nothing'}."
        )


def dun(seller: Seller, today: date, run: Run) -> None:
    """Take what is settled out of dunning and what is late into it, and every step that is due."""
    for work in (close_where_settled, open_cases, step_due):
        until_none(partial(work, seller, today, ACTOR))(run)


def recognize_months(seller: Seller, today: date, run: Run) -> None:
    """Post what each month that is over has earned and that is not posted yet, month by month."""
    for first in _months_after(recognized_until(seller), today):
        if written := recognize(seller, as_of=first):
            run.advance(written)
            run.say(f"{seller}: {written} transfers for the month before {first}.")
        run.end_if_asked()


def _months_after(day: date | None, today: date) -> Iterator[date]:
    """The first day of every month after a day's, until today."""
    while day is not None:
        day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        if day > today:
            return
        yield day


def collect(seller: Seller, today: date, run: Run) -> None:
    """Charge what is planned until today."""
    until_none(partial(collect_due, seller, as_of=today, actor=ACTOR))(run)


def let_orders_expire(seller: Seller, today: date, run: Run) -> None:
    """Let checkouts run out that nobody has come to the end of."""
    until_none(partial(expire_orders, seller, as_of=today, actor=ACTOR))(run)


def check_numbers(seller: Seller, today: date, run: Run) -> None:
    """Ask about the VAT numbers that are due, a handful at a time."""

    def on_answer() -> None:
        run.advance(1)
        run.end_if_asked()

    ask_due(seller, on_answer)


def tell_ahead(seller: Seller, today: date, run: Run) -> None:
    """Write the mails that have to be sent some days before something happens."""
    run.advance(notify(seller, today))


BILL = Step("bill", bill)
RECOGNIZE = Step("recognize", recognize_months, is_daily=True)
EXPIRE_ORDERS = Step("expire orders", let_orders_expire)
DUN = Step("dun", dun)
COLLECT = Step("collect", collect)
CHECK_NUMBERS = Step("check VAT numbers", check_numbers)
NOTIFY = Step("notify", tell_ahead, is_daily=True)


def play_day(seller: Seller, today: date, run: Run) -> None:
    """All of a day for one seller, in the order of the tick, but for mail."""
    for step in (BILL, RECOGNIZE):
        step.work(seller, today, run)
    run.advance(resolve_due(seller=seller))
    for step in (EXPIRE_ORDERS, DUN, COLLECT, CHECK_NUMBERS):
        step.work(seller, today, run)


# Test clocks


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


def hint() -> None:
    """Have a worker advance clocks at once; without a worker the next tick does."""
    async_task("billing.daily.advance_all")


def midnight(day: date, time_zone: str) -> datetime:
    """The first instant of a day in a time zone, in UTC."""
    return datetime.combine(day, day_time(), ZoneInfo(time_zone)).astimezone(UTC)
