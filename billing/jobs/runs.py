"""Running a job so that an operator can follow it, stop it, and see what became of it.

Attempts are counted on the run's row before its work begins, because a job that kills its worker
has no other chance to be counted. An advisory lock tells whether the worker of a run still lives:
PostgreSQL lets it go with the connection, however the worker came to its end.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet

from billing.base import clock
from billing.base.leases import alone
from billing.base.sql.authorship import acting_as
from billing.engine.errors import BillingError, Refused
from billing.jobs.models import ATTEMPTS_MAX, WORKER_DIED, JobRun
from billing.outbound.turns import one_turn, until

SECONDS_BETWEEN_BEATS = 1
WAIT_MAX_MINUTES = 16
ATTEMPTS_COUNTED = 1000
KEPT_FOR = timedelta(days=90)

logger = logging.getLogger(__name__)


class NotNow(Refused):
    """The job is running elsewhere, waits after a failure, or is halted."""


class RunEnds(Exception):
    """Raised by :meth:`Run.end_if_asked`; ends the run and goes no further."""


class Run:
    """A run in hand. Tell it of progress outside of transactions, so that others see it."""

    def __init__(self, row: JobRun, seconds_max: int | None) -> None:
        self.row = row
        self._done_before = row.done
        self._is_asked_to_stop = False
        self._failure = ""
        self._beaten = self._began = time.monotonic()
        self._ends = None if seconds_max is None else self._began + seconds_max

    @property
    def done(self) -> int:
        """How many this run has done; its row may tell of earlier ones of the same minute."""
        return self.row.done - self._done_before

    def advance(self, count: int = 1) -> None:
        """So many more are done. The first is written at once, the others once a second."""
        is_first = not self.done
        self.row.done += count
        self._beat(at_once=is_first)

    def say(self, text: str) -> None:
        """A line for the run's log."""
        self.row.log += f"{clock.now():%H:%M:%S} {text}\n"
        self._beat(at_once=True)

    def fail(self, reason: str) -> None:
        """The work comes to its end, and what it found is a failure."""
        self._failure = reason

    @property
    def should_stop(self) -> bool:
        """Whether an operator pressed Stop, or its time is up: the next tick takes up the rest."""
        self._beat()
        return self._is_asked_to_stop or self._is_over_time

    def end_if_asked(self) -> None:
        """End here, after a step that was committed, where it should stop."""
        if self.should_stop:
            raise RunEnds

    @property
    def _is_over_time(self) -> bool:
        return self._ends is not None and time.monotonic() > self._ends

    def _beat(self, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._beaten < SECONDS_BETWEEN_BEATS:
            return
        self._beaten = time.monotonic()
        # In its own time: the clock may stand at a day that is played, a year from now.
        beat_at = self.row.started_at + timedelta(seconds=self._beaten - self._began)
        mine = self._mine()
        is_mine = mine.update(beat_at=beat_at, done=self.row.done, log=self.row.log)
        stop_requested = mine.values_list("stop_requested", flat=True).first()
        # Who was taken for dead has a successor, and must not work beside it.
        self._is_asked_to_stop = not is_mine or bool(stop_requested)

    def _mine(self) -> QuerySet[JobRun]:
        row = self.row
        return JobRun.objects.filter(
            pk=row.pk, state=JobRun.State.RUNNING, started_at=row.started_at
        )

    def _end(self, error: str = "") -> None:
        error = error or self._failure
        state = JobRun.State.FAILED if error else JobRun.State.DONE
        if self._is_asked_to_stop and not error:
            state = JobRun.State.STOPPED
        now = clock.now()
        self._mine().update(
            state=state,
            ended_at=now,
            beat_at=now,
            done=self.row.done,
            log=self.row.log,
            error=error,
        )
        self.row.state, self.row.error, self.row.ended_at = state, error, now
        logger.log(
            logging.ERROR if error else logging.DEBUG if self.row.is_quiet else logging.INFO,
            "job=%s run=%s state=%s attempt=%s done=%s seconds=%.1f error=%r",
            self.row.name,
            self.row.pk,
            state,
            self.row.attempts,
            self.row.done,
            time.monotonic() - self._began,
            error,
        )


@contextmanager
def job_run(
    name: str, total: int | None = None, *, seconds_max: int | None = None, by_itself: bool = False
) -> Iterator[Run]:
    """Run what is inside as a job that nobody else runs at the same time.

    ``by_itself`` is for what no person begins: it waits 1, 2, 4 … at most 16 minutes after runs
    that failed without getting anywhere. When an operator has stopped it, or it has killed its
    worker and is in its attempt ``ATTEMPTS_MAX`` or later, it waits until somebody presses Run
    again. Raises :class:`NotNow` instead of beginning. What
    the inside raises is kept on the run and goes on to the caller.
    """
    with _alone(name), acting_as(f"job:{name}"):
        run = Run(_begin(name, total, by_itself), seconds_max)
        try:
            with one_turn(), until(lambda: run.should_stop):
                yield run
        except RunEnds:
            run._end()
        except Exception as error:
            _record(run, _described(error))
            raise
        except BaseException as error:
            # A timeout strikes anywhere, and may leave a connection in the midst of a statement.
            connection.close()
            _record(run, f"Cut off by {_described(error)}")
            raise
        else:
            run._end()


def close_dead() -> int:
    """Close the runs whose workers have died as failed; returns how many."""
    closed = 0
    running = JobRun.objects.filter(state=JobRun.State.RUNNING)
    for name in list(running.values_list("name", flat=True)):
        with suppress(NotNow), _alone(name):
            closed += _close_dead(name)
    return closed


def stand(name: str, error: str, now: datetime) -> None:
    """How something stands that is asked all the time: one failed row for as long as it is wrong.

    An empty ``error`` closes that row.
    """
    wrong = JobRun.objects.filter(name=name, state=JobRun.State.FAILED)
    if not error:
        wrong.update(state=JobRun.State.DONE, ended_at=now)
    elif not wrong.update(beat_at=now, error=error):
        JobRun.objects.create(
            name=name,
            state=JobRun.State.FAILED,
            started_at=now,
            beat_at=now,
            error=error,
            attempts=ATTEMPTS_MAX,
        )


def forget_old() -> int:
    """Delete what ended long ago, but for the newest run of each job; returns how many."""
    newest = JobRun.objects.order_by("name", "-id").distinct("name").values("pk")
    old = JobRun.objects.filter(ended_at__lt=clock.now() - KEPT_FOR).exclude(pk__in=newest)
    return old.delete()[0]


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Hold the job's lock, which goes with the connection; raises where another holds it."""
    with alone("kvitt job", name) as is_free:
        if not is_free:
            raise NotNow(f"{name} is running already.", code="job_is_running")
        yield


@transaction.atomic
def _begin(name: str, total: int | None, by_itself: bool) -> JobRun:
    """The row of a new run, with its attempt counted; the caller holds the job's lock."""
    _close_dead(name)
    now = clock.now()
    latest = JobRun.objects.filter(name=name).order_by("-id").first()
    if latest and by_itself:
        _check_may_begin(latest, now)
    is_retry = latest and latest.state == JobRun.State.FAILED and not latest.done
    # Of what runs by itself whenever somebody waits, a minute is one line of the history.
    goes_on = latest and by_itself and latest.has_ended_in_minute_of(now)
    row = JobRun(
        pk=latest.pk if latest and (latest.is_quiet or goes_on) else None,
        name=name,
        total=total,
        done=latest.done if latest and goes_on else 0,
        started_at=now,
        beat_at=now,
        attempts=min(latest.attempts + 1, ATTEMPTS_COUNTED) if latest and is_retry else 1,
    )
    row.save()
    return row


def _check_may_begin(latest: JobRun, now: datetime) -> None:
    name = latest.name
    if latest.is_halted:
        raise NotNow(f"{name} is halted until somebody presses Run again.", code="job_halted")
    if latest.state == JobRun.State.FAILED and not latest.done and latest.attempts:
        assert latest.ended_at is not None
        wait = timedelta(minutes=min(2 ** (latest.attempts - 1), WAIT_MAX_MINUTES))
        # Not before it ended either: a clock that was set back must not make it wait for days.
        if latest.ended_at <= now < latest.ended_at + wait:
            raise NotNow(f"{name} waits after a failure.", code="job_waits")


def _close_dead(name: str) -> int:
    """Whoever holds the lock knows that no other run of the name is alive."""
    now = clock.now()
    dead = JobRun.objects.filter(name=name, state=JobRun.State.RUNNING)
    closed = dead.update(state=JobRun.State.FAILED, ended_at=now, error=WORKER_DIED)
    if closed:
        logger.error("job=%s state=failed error=%r", name, WORKER_DIED)
    return closed


def _record(run: Run, error: str) -> None:
    """Keep what went wrong; without a database the run's successor closes it."""
    with suppress(OperationalError, InterfaceError):
        close_if_lost()
        run._end(error)


def close_if_lost() -> None:
    """Drop a connection that the server has closed; the next statement opens another."""
    if not connection.in_atomic_block and not connection.is_usable():
        connection.close()


def _described(error: BaseException) -> str:
    return error.message if isinstance(error, BillingError) else f"{type(error).__name__}: {error}"
