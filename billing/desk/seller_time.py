"""The day it is for whoever owns what a page shows."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from billing.base import clock

# What time it is for a seller; hung on by the app that knows sellers and their test clocks.
now_of_sellers: list[Callable[[Any], datetime | None]] = []


def today_of(obj: Any) -> date:
    """Today where the object's seller keeps its calendar, by its own clock where it has one."""
    seller = getattr(obj, "seller", obj)
    now = now_of_sellers[0](seller) if now_of_sellers else None
    time_zone = getattr(obj, "time_zone", None) or seller.time_zone
    return clock.local_day(now or clock.now(), time_zone)
