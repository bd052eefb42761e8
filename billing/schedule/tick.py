"""What Kvitt does by itself, every minute: the list of what is due, in the order it is done.

The schedule only hints that it is time. Each line is a job of its own, which one worker runs at a
time; each claims the rows that it works on, so that a hint too many, or a worker that dies in the
middle, changes nothing. What takes longer than a minute goes on with the next tick, and a job that
fails does not keep the others from their turn.

Jobs stand in lanes. By hand all are done one after another; `manage.py work` has a process for each
lane that may have to wait for somebody outside, so that what waits holds up nothing else
(:mod:`billing.schedule.lanes`), and leaves the books to the schedule.
"""

import logging
import time as timing
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import partial

from django_q.models import Schedule

from billing.api.idempotency import forget as forget_old_requests
from billing.base import clock, tallies
from billing.base.clock import midnight
from billing.desk.done_forms import forget_done_forms
from billing.events.kept import forget_kept_rows
from billing.events.recorder import deliver_due, fan_out
from billing.events.troubles import forget_over as forget_troubles
from billing.front_page.overview import add_up
from billing.front_page.scope import scope_of
from billing.jobs import broker_schedule
from billing.jobs.heart import ClockWentBack, beat, beat_lane
from billing.jobs.models import JobRun
from billing.jobs.queries import has_run_since, last_beat
from billing.jobs.runs import NotNow, Run, close_dead, close_if_lost, forget_old, job_run, stand
from billing.mail import outbox
from billing.outbound.gate import Kind, refusal
from billing.outbound.mark import look
from billing.outbound.turns import one_turn
from billing.payments.collection import clocks, resolve_due
from billing.payments.inbox import poll_gateways, process_hooks
from billing.schedule.seller_day import (
    BILL,
    CHECK_NUMBERS,
    COLLECT,
    DUN,
    EXPIRE_ORDERS,
    NOTIFY,
    RECOGNIZE,
    Step,
    Work,
    once,
    until_none,
)
from billing.schedule.test_clocks import advancing, job_of, play
from billing.seals.sealing import seal_all
from billing.verification.books import INVARIANTS, broken_invariants, inventory
from billing.webhooks.delivering import deliver_webhooks, forget_old_webhooks
from customers.links import forget_old_links
from customers.models import Seller
from portal.visits import forget_over as forget_sessions

SECONDS_MAX = 60
# Of the ten minutes after which the broker takes a tick for one that hangs.
TICK_SECONDS = 300
PAUSE = timedelta(minutes=10)
HELD = "held"
NIGHTLY_AT = time(2, tzinfo=UTC)
SENTENCES_MAX = 20
logger = logging.getLogger(__name__)


class Lane(StrEnum):
    """What may be done beside each other; the order within a lane is that of a tick."""

    BOOKS = "books"
    CHARGES = "charges"
    CLOCKS = "clocks"
    EVENTS = "events"
    MAIL = "mail"
    WEBHOOKS = "webhooks"
    NUMBERS = "numbers"


type Job = tuple[Lane, str, Work]


def due(now: datetime, *, is_after_pause: bool = False) -> Iterator[tuple[str, Work]]:
    """The jobs to be done at ``now``, in order. Ask for the next one when the last is done."""
    for _, name, work in jobs_in_lanes(now, is_after_pause=is_after_pause):
        yield name, work


def jobs_in_lanes(now: datetime, *, is_after_pause: bool = False) -> Iterator[Job]:
    """As :func:`due`, with the lane of each.

    After a pause gateways are asked first: a machine that was set back with its database, mark and
    all, hears from them alone that it was, and then bills nobody anew. Lanes wait for that.
    """
    if is_after_pause:
        yield Lane.BOOKS, "poll gateways", once(poll_gateways)
        yield Lane.BOOKS, "process hooks", until_none(process_hooks)
    # The time of a seller with a test clock stands still, unless it is being advanced.
    sellers = list(Seller.objects.filter(test_clock=None).order_by("pk"))
    days = {seller: clock.local_day(now, seller.time_zone) for seller in sellers}

    def of_all(lane: Lane, *steps: Step) -> Iterator[Job]:
        for step in steps:
            for seller, today in days.items():
                name = f"{step.name} {seller.public_id}"
                if not step.is_daily or not has_run_since(name, midnight(today, seller.time_zone)):
                    yield lane, name, partial(step.work, seller, today)

    yield from of_all(Lane.BOOKS, BILL, RECOGNIZE)
    # What gateways know comes before asking them for more.
    yield Lane.CHARGES, "process hooks", until_none(process_hooks)
    yield Lane.CHARGES, "poll gateways", once(poll_gateways)
    yield Lane.CHARGES, "resolve payments", once(resolve_due)
    yield from of_all(Lane.CHARGES, EXPIRE_ORDERS)
    yield from of_all(Lane.BOOKS, DUN)
    yield from of_all(Lane.CHARGES, COLLECT)
    for test_clock in advancing():
        yield Lane.CLOCKS, job_of(test_clock), partial(play, test_clock)
    yield Lane.EVENTS, "fan out events", until_none(fan_out)
    yield Lane.EVENTS, "deliver events", until_none(deliver_due)
    yield from of_all(Lane.BOOKS, NOTIFY)
    yield Lane.MAIL, outbox.JOB, until_none(outbox.send_due)
    yield Lane.WEBHOOKS, "deliver webhooks", once(deliver_webhooks)
    # Last, for a register that is slow to answer must keep nobody waiting.
    yield from of_all(Lane.NUMBERS, CHECK_NUMBERS)
    yield Lane.BOOKS, "seal books", seal
    yield Lane.BOOKS, "add up sums", partial(_add_up, now)
    tonight = datetime.combine(now, NIGHTLY_AT)
    for name, work in nightly(now):
        if now >= tonight and not has_run_since(name, tonight):
            yield Lane.BOOKS, name, work


def _add_up(now: datetime, run: Run) -> None:
    scope = scope_of()
    add_up(clock.local_day(now, scope.time_zone), scope)


def nightly(now: datetime) -> tuple[tuple[str, Work], ...]:
    return (
        ("verify books", verify),
        ("forget old runs", once(forget_old)),
        ("forget old troubles", once(partial(forget_troubles, now))),
        ("forget kept rows", until_none(partial(forget_kept_rows, now))),
        ("forget old webhooks", until_none(forget_old_webhooks)),
        ("forget old requests", until_none(partial(forget_old_requests, now))),
        ("forget done forms", once(partial(forget_done_forms, now))),
        ("forget old links", until_none(partial(forget_old_links, now))),
        ("forget old sessions", until_none(partial(forget_sessions, now))),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job in a tick: done, failed, stopped, or why it did not begin."""

    name: str
    state: str
    done: int = 0


def tick(now: datetime, lanes: Collection[Lane] = tuple(Lane)) -> list[Outcome]:
    """Do all that is due at ``now``, of all lanes or of some.

    Raises :class:`~billing.jobs.heart.ClockWentBack`, and does nothing, where ``now`` is more than
    a minute before the last tick. However long ago that was, everything is caught up.
    """
    look()
    last = last_beat()
    if Lane.BOOKS in lanes:
        beat(now, clocks)
        close_dead()
        tallies.add("ticks", {"begun": 1})
    elif not all([beat_lane(lane, now, PAUSE) for lane in lanes]):
        return []
    if held := refusal(Kind.NUMBER):
        stand(HELD, held.message, now)
        return [Outcome(HELD, held.message)]
    stand(HELD, "", now)
    began, is_after_pause = timing.monotonic(), last is not None and now - last >= PAUSE
    with one_turn():
        return [
            _perform(name, work, timing.monotonic() - began)
            for lane, name, work in jobs_in_lanes(now, is_after_pause=is_after_pause)
            if lane in lanes
        ]


def run() -> None:
    """What the schedule calls: the books, while lanes of their own do what calls out."""
    now = clock.now()
    broker_schedule.ensure_schedule(Schedule.objects, now)
    try:
        tick(now, [Lane.BOOKS])
    except ClockWentBack as error:
        logger.error("tick=refused reason=%r", error.message)


def _perform(name: str, work: Work, seconds: float) -> Outcome:
    """Run one job of a tick that has lasted for so many seconds.

    Late in a tick each job does no more than a step, so that all have their turn before the broker
    would cut the tick off.
    """
    seconds_max = SECONDS_MAX if seconds < TICK_SECONDS else 1
    close_if_lost()
    look()
    if held := refusal(Kind.NUMBER):
        return Outcome(name, held.message)
    try:
        with job_run(name, seconds_max=seconds_max, by_itself=True) as run:
            work(run)
    except NotNow as reason:
        return Outcome(name, reason.message)
    except Exception:  # The run tells of it, and the others must have their turn.
        logger.exception("job=%s failed", name)
        return Outcome(name, JobRun.State.FAILED)
    return Outcome(name, run.row.state, run.done)


def seal(run: Run) -> None:
    """Seal what has come since. It is no work that anybody waited for, so nothing is told of it."""
    seal_all()


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
