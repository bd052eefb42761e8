"""The one place that reads the clock. Everything below takes ``as_of`` from its caller."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.utils import timezone

# Clocks that are kept in step differ by less than a second.
AHEAD_MAX = timedelta(minutes=1)

_stands_at: ContextVar[datetime | None] = ContextVar("stands_at", default=None)


def now() -> datetime:
    """This instant, in UTC."""
    return _stands_at.get() or timezone.now()


@contextlib.contextmanager
def standing_at(instant: datetime) -> Iterator[None]:
    """Let the clock stand at an instant, for playing what happened then; never for live sellers.

    Only this process is moved, and only what asks this module: the database keeps its own time.
    """
    token = _stands_at.set(instant)
    try:
        yield
    finally:
        _stands_at.reset(token)


def today(time_zone: str) -> date:
    """The day it is in a time zone, such as a seller's."""
    return now().astimezone(ZoneInfo(time_zone)).date()


def local_day(at: datetime, time_zone: str) -> date:
    """The day that an instant belongs to in a time zone."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def ahead_of_database(at: datetime) -> timedelta:
    """How much later an instant is than the database's clock; below zero where it is earlier."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
    return at - theirs


def is_ahead() -> bool:
    """Whether this machine's clock is ahead of the database's: then nothing is dated by it.

    One that is behind does no harm but delay, and the tick refuses it by its last beat.
    """
    return settings.COMPARES_CLOCKS and ahead_of_database(timezone.now()) > AHEAD_MAX


def midnight(day: date, time_zone: str) -> datetime:
    """The first instant of a day in a time zone, in UTC."""
    return datetime.combine(day, day_time(), ZoneInfo(time_zone)).astimezone(UTC)
