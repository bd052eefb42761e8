"""What Kvitt does by itself, every minute: the list of what is due, in the order it is done.

The schedule only hints that it is time. Each line is a job of its own, which one worker runs at a
time; each claims the rows that it works on, so that a hint too many, or a worker that dies in the
middle, changes nothing. What takes longer than a minute goes on with the next tick, and a job that
fails does not keep the others from their turn.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial

from django_q.models import Schedule

from billing.api.idempotency import forget as forget_old_requests
from billing.daily import (
    BILL,
    CHECK_NUMBERS,
    COLLECT,
    DUN,
    EXPIRE_ORDERS,
    NOTIFY,
    RECOGNIZE,
    Step,
    Work,
    advancing,
    job_of,
    midnight,
    once,
    play,
    until_none,
)
from billing.events import clock
from billing.events.recorder import deliver_due, fan_out
from billing.events.troubles import forget_over as forget_troubles
from billing.events.webhooks import deliver_webhooks, forget_old_webhooks
from billing.jobs import schedule
from billing.jobs.heart import ClockWentBack, beat
from billing.jobs.models import JobRun
from billing.jobs.queries import has_run_since, last_beat
from billing.jobs.runs import NotNow, Run, close_dead, close_if_lost, forget_old, job_run, stand
from billing.mail import outbox
from billing.outbound.gate import Kind, refusal
from billing.outbound.mark import look
from billing.payments.collection import clocks, poll_gateways, process_hooks, resolve_due
from billing.verification.books import INVARIANTS, broken_invariants, inventory
from customers.links import forget_old_links
from customers.models import Seller
from portal.visits import forget_over as forget_sessions

SECONDS_MAX = 60
PAUSE = timedelta(minutes=10)
HELD = "held"
NIGHTLY_AT = time(2, tzinfo=UTC)
SENTENCES_MAX = 20

logger = logging.getLogger(__name__)


def due(now: datetime, *, is_after_pause: bool = False) -> Iterator[tuple[str, Work]]:
    """The jobs to be done at ``now``, in order. Ask for the next one when the last is done.

    After a pause gateways are asked first: a machine that was set back with its database, mark and
    all, hears from them alone that it was, and then bills nobody anew.
    """
    if is_after_pause:
        yield "poll gateways", once(poll_gateways)
        yield "process hooks", until_none(process_hooks)
    # The time of a seller with a test clock stands still, unless it is being advanced.
    sellers = list(Seller.objects.filter(test_clock=None).order_by("pk"))
    days = {seller: clock.local_day(now, seller.time_zone) for seller in sellers}

    def of_all(*steps: Step) -> Iterator[tuple[str, Work]]:
        for step in steps:
            for seller, today in days.items():
                name = f"{step.name} {seller.public_id}"
                if not step.is_daily or not has_run_since(name, midnight(today, seller.time_zone)):
                    yield name, partial(step.work, seller, today)

    yield from of_all(BILL, RECOGNIZE)
    # What gateways know comes before asking them for more.
    yield "process hooks", until_none(process_hooks)
    yield "poll gateways", once(poll_gateways)
    yield "resolve payments", once(resolve_due)
    yield from of_all(EXPIRE_ORDERS, DUN, COLLECT)
    for test_clock in advancing():
        yield job_of(test_clock), partial(play, test_clock)
    yield "fan out events", until_none(fan_out)
    yield "deliver events", until_none(deliver_due)
    yield from of_all(NOTIFY)
    yield outbox.JOB, until_none(outbox.send_due)
    yield "deliver webhooks", once(deliver_webhooks)
    # Last, for a register that is slow to answer must keep nobody waiting.
    yield from of_all(CHECK_NUMBERS)
    tonight = datetime.combine(now, NIGHTLY_AT)
    nightly: tuple[tuple[str, Work], ...] = (
        ("verify books", verify),
        ("forget old runs", once(forget_old)),
        ("forget old troubles", once(partial(forget_troubles, now))),
        ("forget old webhooks", until_none(forget_old_webhooks)),
        ("forget old requests", until_none(partial(forget_old_requests, now))),
        ("forget old links", until_none(partial(forget_old_links, now))),
        ("forget old sessions", until_none(partial(forget_sessions, now))),
    )
    for name, work in nightly:
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
    look()
    last = last_beat()
    beat(now, clocks)
    close_dead()
    if held := refusal(Kind.NUMBER):
        stand(HELD, held.message, now)
        return [Outcome(HELD, held.message)]
    stand(HELD, "", now)
    jobs = due(now, is_after_pause=last is not None and now - last >= PAUSE)
    return [_perform(name, work) for name, work in jobs]


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
    look()
    if held := refusal(Kind.NUMBER):
        return Outcome(name, held.message)
    try:
        with job_run(name, seconds_max=SECONDS_MAX, by_itself=True) as run:
            work(run)
    except NotNow as reason:
        return Outcome(name, reason.message)
    except Exception:  # The run tells of it, and the others must have their turn.
        logger.exception("job=%s failed", name)
        return Outcome(name, JobRun.State.FAILED)
    return Outcome(name, run.row.state, run.done)


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
