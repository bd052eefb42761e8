"""A process for each lane of the tick that may have to wait for somebody outside.

A gateway, a shop's receiver, a mail provider or a register that hangs holds up its own lane and
nothing else. A lane does its jobs every minute, as the tick would; where rows can tell that
somebody waits, it looks once a second, so that a webhook or a mail leaves within seconds of the
commit. Nothing cuts a lane off that tells of progress: each of its calls has its own limit.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkProcess

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import QuerySet

from billing.base import clock
from billing.events.models import Delivery, Event
from billing.jobs.models import JobRun
from billing.mail import outbox
from billing.schedule.tick import Lane, Outcome, tick
from billing.webhooks.models import WebhookDelivery
from customers.models import TestClock

LANES = tuple(lane for lane in Lane if lane is not Lane.BOOKS)
SECONDS_BETWEEN_ROUNDS, SECONDS_BETWEEN_TRIES, SECONDS_BETWEEN_LOOKS = 60, 5, 1

logger = logging.getLogger(__name__)


def _events() -> list[QuerySet[Event] | QuerySet[Delivery]]:
    due = Delivery.objects.filter(state=Delivery.State.PENDING, next_attempt_at__lte=clock.now())
    return [Event.objects.filter(is_fanned_out=False), due]


def _webhooks() -> list[QuerySet[WebhookDelivery]]:
    due = WebhookDelivery.objects.filter(
        state=WebhookDelivery.State.PENDING,
        next_attempt_at__lte=clock.now(),
        endpoint__is_enabled=True,
    )
    return [due]


# What of a lane may be waiting, if any of the rows are there.
_WAITING: dict[Lane, Callable[[], list[QuerySet]]] = {
    Lane.EVENTS: _events,
    Lane.WEBHOOKS: _webhooks,
    Lane.MAIL: lambda: [outbox.due_now()],
    Lane.CLOCKS: lambda: [TestClock.objects.filter(advancing_to__isnull=False)],
}


def is_waited_for(lane: Lane) -> bool:
    """Whether there is something for a lane to do before its next minute."""
    asked = _WAITING.get(lane)
    return asked is not None and any(rows.exists() for rows in asked())


def work_lane(lane: Lane, parent: int, is_ending: Callable[[], bool]) -> None:
    """Do what is due in a lane, round after round, until it should end or the parent is gone."""
    next_round, comes_to_something = 0.0, True
    while not is_ending() and os.getppid() == parent:
        try:
            is_time = time.monotonic() >= next_round
            if is_time or (comes_to_something and is_waited_for(lane)):
                outcomes = tick(clock.now(), [lane])
                if is_time:
                    # A lane that must wait for the first tick begins soon after it.
                    wait = SECONDS_BETWEEN_ROUNDS if outcomes else SECONDS_BETWEEN_TRIES
                    next_round = time.monotonic() + wait
                # What fails, or is held, is left to the next minute, and not asked every second.
                comes_to_something = _is_fruitful(outcomes) or is_time
        except (DatabaseError, InterfaceError) as error:
            logger.warning("lane=%s waits reason=%r", lane, str(error))
            connections.close_all()
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _is_fruitful(outcomes: list[Outcome]) -> bool:
    return any(each.done and each.state == JobRun.State.DONE for each in outcomes)


def run_lane(lane: Lane, parent: int) -> None:
    """Be a lane's process: it ends on SIGTERM once the work in hand is done."""
    ending = False

    def end(*signalled: object) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent tells us.
    connections.close_all()
    work_lane(lane, parent, lambda: ending)


class Lanes:
    """The lanes' processes: one that dies, is replaced, and the others go on."""

    def __init__(self, start: Callable[[Lane], ForkProcess]) -> None:
        self._start = start
        self._processes = {lane: start(lane) for lane in LANES}

    def look_after(self) -> None:
        for lane, process in self._processes.items():
            if not process.is_alive():
                process.join()
                logger.error("lane=%s restarts reason='its process died'", lane)
                self._processes[lane] = self._start(lane)

    def end(self, seconds: int) -> None:
        """Have each finish what it has in hand, and end what has not after so many seconds."""
        for process in self._processes.values():
            process.terminate()
        until = time.monotonic() + seconds
        for process in self._processes.values():
            process.join(timeout=max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
