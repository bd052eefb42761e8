"""The worker: what goes on by itself goes on while this runs.

The broker's processes keep the books. They hand each other work through queues whose locks die with
whoever held them: after one of them was killed, the others may wait for ever and look well. So they
are started anew whenever one has died, and when no tick has come for long, which costs nothing: all
that they do can be cut off anywhere. What calls out has processes of its own, which share nothing
and are replaced one by one (:mod:`billing.schedule.lanes`).
"""

import logging
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from datetime import timedelta
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Event
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django_q.cluster import Cluster
from django_q.models import Schedule

from billing.base import clock
from billing.jobs import broker_schedule
from billing.jobs.hints import TICK, hint
from billing.jobs.queries import tick_age
from billing.schedule.lanes import Lanes, run_lane
from billing.schedule.tick import Lane

SECONDS_BETWEEN_REPAIRS = 15
SECONDS_BEFORE_RESTART = 3
# A job looks once a minute whether it should go on, and others must not wait for one that hangs.
SECONDS_TO_FINISH, SECONDS_TO_FINISH_WHEN_HURT = 100, 10
GIVEN_UP_AFTER = timedelta(minutes=15)
FORK = multiprocessing.get_context("fork")

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """``work``: ends on SIGTERM or Ctrl-C when the work in hand is done."""

    help = (
        "Run the worker: every minute a tick, which bills what is due, collects, asks the gateways "
        "and delivers events. KVITT_WORKERS says how many processes keep the books (default 2); "
        "charges, mail, webhooks and what else calls out have one each. Any number of "
        "workers on any number of machines run beside each other over one database. While it runs "
        "it keeps the one schedule right, so that no row beside it can stop the tick, and replaces "
        "processes that die. Ends on SIGTERM or Ctrl-C, after the work in hand; exit status 1 "
        "where the database does not answer at the start."
    )

    is_ending = False

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _repair_and_hint()
        except DatabaseError as error:
            raise CommandError(
                f"The database failed: {str(error).splitlines()[0]}\n"
                "Is it up, and has `manage.py migrate` been run?"
            ) from error
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self.stdout.write(f"At work with {settings.WORKERS} processes; Ctrl-C ends it.")
        self.stdout.flush()
        lanes = Lanes(_start_lane)
        while True:
            hurt = FORK.Event()
            processes = _start(hurt)
            why = self._look_after(processes, hurt, lanes)
            if not why:
                lanes.end(SECONDS_TO_FINISH)
            _end(processes, SECONDS_TO_FINISH_WHEN_HURT if why else SECONDS_TO_FINISH)
            if not why:
                return
            logger.error("worker=restarts reason=%r", why)
            time.sleep(SECONDS_BEFORE_RESTART)
            with suppress(DatabaseError):
                _repair_and_hint()

    def _on_signal(self, *signalled: object) -> None:
        self.is_ending = True

    def _look_after(self, processes: ForkProcess, hurt: Event, lanes: Lanes) -> str:
        """Keep the schedule right; returns why the processes must be replaced, "" at the end."""
        began = repaired = time.monotonic()
        while not self.is_ending:
            if not processes.is_alive():
                return "the cluster came to an end"
            if hurt.is_set():
                return "a process died"
            if time.monotonic() - repaired > SECONDS_BETWEEN_REPAIRS:
                repaired = time.monotonic()
                if _is_given_up() and repaired - began > GIVEN_UP_AFTER.total_seconds():
                    return "no tick has come"
            lanes.look_after()
            processes.join(timeout=1)
        return ""


def _repair_and_hint() -> None:
    """The first tick comes now and not in half a minute."""
    broker_schedule.ensure_schedule(Schedule.objects, clock.now())
    hint(TICK)
    # Processes that are started must not share a connection with this one.
    connections.close_all()


def _is_given_up() -> bool:
    """Repair the schedule, and tell whether the tick has not come for so long that it will not."""
    try:
        broker_schedule.ensure_schedule(Schedule.objects, clock.now())
        age = tick_age()
    except DatabaseError as error:
        logger.warning("schedule=unknown reason=%r", str(error))
        connections.close_all()
        return False
    return age is not None and age > GIVEN_UP_AFTER


def _start(hurt: Event) -> ForkProcess:
    process = FORK.Process(target=_run_cluster, args=(hurt, os.getpid()))
    process.start()
    return process


def _start_lane(lane: Lane) -> ForkProcess:
    connections.close_all()
    process = FORK.Process(target=run_lane, args=(lane, os.getpid()), name=f"lane {lane}")
    process.start()
    return process


def _run_cluster(hurt: Event, parent: int) -> None:
    """Be the broker's cluster, in a session of its own so that all of it can be killed at once."""
    os.setsid()
    logging.getLogger("django-q").addHandler(_TellsOfDeaths(hurt))
    cluster = Cluster()
    cluster.start()
    while cluster.sentinel.is_alive() and os.getppid() == parent:
        cluster.sentinel.join(timeout=1)
    cluster.stop()


class _TellsOfDeaths(logging.Handler):
    """The cluster's critical messages are those of processes that died; it says so nowhere else."""

    def __init__(self, hurt: Event) -> None:
        super().__init__(logging.CRITICAL)
        self.hurt = hurt

    def emit(self, record: logging.LogRecord) -> None:
        self.hurt.set()


def _end(processes: ForkProcess, seconds: int) -> None:
    """Let the work in hand be finished, and kill what is left then."""
    assert processes.pid is not None
    processes.terminate()
    processes.join(timeout=seconds)
    with suppress(ProcessLookupError):
        os.killpg(processes.pid, signal.SIGKILL)
    processes.join()
