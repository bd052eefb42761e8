"""The day it is for whoever owns what a page shows."""

from datetime import date
from typing import Any

from billing.base import clock
from billing.desk.hooks import seller_now


def today_of(obj: Any) -> date:
    """Today where the object's seller keeps its calendar, by its own clock where it has one."""
    seller = getattr(obj, "seller", obj)
    time_zone = getattr(obj, "time_zone", None) or seller.time_zone
    return clock.local_day(seller_now.only(seller) or clock.now(), time_zone)
