"""The one place that reads the clock. Everything below takes ``as_of`` from its caller."""

import zoneinfo
from datetime import date, datetime

from django.utils import timezone


def now() -> datetime:
    """This instant, in UTC."""
    return timezone.now()


def today(time_zone: str) -> date:
    """The day it is in a time zone, such as a seller's."""
    return now().astimezone(zoneinfo.ZoneInfo(time_zone)).date()


def local_day(at: datetime, time_zone: str) -> date:
    """The day that an instant belongs to in a time zone."""
    return at.astimezone(zoneinfo.ZoneInfo(time_zone)).date()
