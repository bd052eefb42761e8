"""What Kvitt does by itself, every minute: the list of what is due, in the order it is done.

The schedule only hints that it is time. Each line is a job of its own, which one worker runs at a
time; each claims the rows that it works on, so that a hint too many, or a worker that dies in the
middle, changes nothing. What takes longer than a minute goes on with the next tick, and a job that
fails does not keep the others from their turn.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from django.db.models import Max, Min
from django_q.models import Schedule

from billing.engine.money import major_string
from billing.events import clock
from billing.events.recorder import deliver_due, fan_out
from billing.invoicing.batch import bill_due
from billing.invoicing.recognition import recognize
from billing.jobs import schedule
from billing.jobs.heart import ClockWentBack, beat
from billing.jobs.models import JobRun
from billing.jobs.queries import has_run_since
from billing.jobs.runs import NotNow, Run, close_dead, close_if_lost, forget_old, job_run
from billing.ledger.models import Account, Transfer
from billing.mail import outbox
from billing.mail.notices import notify
from billing.payments.collection import collect_due, poll_gateways, process_hooks, resolve_due
from billing.verification import INVARIANTS, broken_invariants, inventory
from customers.models import Seller
from dunning.cases import close_where_settled, open_cases, step_due

type Work = Callable[[Run], None]

ACTOR = "tick"
SECONDS_MAX = 60
NIGHTLY_AT = time(2, tzinfo=UTC)
SENTENCES_MAX = 20

logger = logging.getLogger(__name__)


def due(now: datetime) -> Iterator[tuple[str, Work]]:
    """The jobs to be done at ``now``, in order. Ask for the next one when the last is done."""
    sellers = list(Seller.objects.order_by("pk"))
    days = {seller: clock.local_day(now, seller.time_zone) for seller in sellers}
    for seller, today in days.items():
        yield f"bill {seller.public_id}", partial(bill, seller, today)
    for seller, today in days.items():
        name = f"recognize {seller.public_id}"
        if not has_run_since(name, _midnight(today, seller.time_zone)):
            yield name, partial(recognize_months, seller, today)
    # What gateways know comes before asking them for more.
    yield "process hooks", until_none(process_hooks)
    yield "poll gateways", once(poll_gateways)
    yield "resolve payments", once(resolve_due)
    for seller, today in days.items():
        yield f"dun {seller.public_id}", partial(dun, seller, today)
    for seller, today in days.items():
        collect = partial(collect_due, seller, as_of=today, actor=ACTOR)
        yield f"collect {seller.public_id}", until_none(collect)
    yield "fan out events", until_none(fan_out)
    yield "deliver events", until_none(deliver_due)
    for seller, today in days.items():
        name = f"notify {seller.public_id}"
        if not has_run_since(name, _midnight(today, seller.time_zone)):
            yield name, once(partial(notify, seller, today))
    yield outbox.JOB, until_none(outbox.send_due)
    tonight = datetime.combine(now, NIGHTLY_AT)
    for name, work in (("verify books", verify), ("forget old runs", once(forget_old))):
        if now >= tonight and not has_run_since(name, tonight):
            yield name, work


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job in a tick: done, failed, stopped, or why it did not begin."""

    name: str
    state: str
    done: int = 0


def tick(now: datetime) -> list[Outcome]:
    """Do all that is due at ``now``.

    Raises :class:`~billing.jobs.heart.ClockWentBack`, and does nothing, where ``now`` is more than
    a minute before the last tick. However long ago that was, everything is caught up.
    """
    beat(now)
    close_dead()
    return [_perform(name, work) for name, work in due(now)]


def run() -> None:
    """What the schedule calls."""
    now = clock.now()
    schedule.ensure(Schedule.objects, now)
    try:
        tick(now)
    except ClockWentBack as error:
        logger.error("tick=refused reason=%r", error.message)


def _perform(name: str, work: Work) -> Outcome:
    close_if_lost()
    try:
        with job_run(name, seconds_max=SECONDS_MAX, by_itself=True) as run:
            work(run)
    except NotNow as reason:
        return Outcome(name, reason.message)
    except Exception:  # The run tells of it, and the others must have their turn.
        logger.exception("job=%s failed", name)
        return Outcome(name, JobRun.State.FAILED)
    return Outcome(name, run.row.state, run.done)


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
    for first in _months_after(_earned_until(seller), today):
        if written := recognize(seller, as_of=first):
            run.advance(written)
            run.say(f"{seller}: {written} transfers for the month before {first}.")
        run.end_if_asked()


def _earned_until(seller: Seller) -> date | None:
    """A day of the first month that may have something to post; None where nothing is deferred."""
    transfers = Transfer.objects.filter(seller=seller)
    posted = transfers.filter(document=Transfer.Document.RECOGNITION)
    last_day: date | None = posted.aggregate(on=Max("effective_on"))["on"]
    if last_day is not None:
        return last_day + timedelta(days=1)
    deferred = transfers.filter(credit_account__role=Account.Role.DEFERRED_REVENUE)
    first_day: date | None = deferred.aggregate(on=Min("effective_on"))["on"]
    return first_day


def _months_after(day: date | None, today: date) -> Iterator[date]:
    """The first day of every month after a day's, until today."""
    while day is not None:
        day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        if day > today:
            return
        yield day


def verify(run: Run) -> None:
    """Check every invariant of the books; what is broken makes the run a failed one."""
    broken, counts = broken_invariants(), inventory()
    run.advance(len(INVARIANTS))
    run.say("Checked " + ", ".join(f"{count:,} {what}" for what, count in counts.items()) + ".")
    for name, sentences in broken.items():
        for sentence in sentences[:SENTENCES_MAX]:
            run.say(f"{name}: {sentence}")
    if broken:
        run.fail(f"{len(broken)} of {len(INVARIANTS)} invariants are broken: {', '.join(broken)}.")


def _midnight(day: date, time_zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(time_zone))
