"""What time it is for a seller. Doors ask here, once for each request, and pass the day down."""

from datetime import date, datetime

from django.db.models import Q

from billing.events import clock
from customers.models import Seller, TestClock


def now_of(seller: Seller) -> datetime:
    """This instant for a seller, in UTC: a test seller may have a clock of its own.

    Asks nothing for a live seller, nor where ``test_clock`` was loaded with the seller.
    """
    own = clock_of(seller)
    return own.at if own else clock.now()


def today_of(seller: Seller) -> date:
    """The day it is where the seller keeps its calendar."""
    return clock.local_day(now_of(seller), seller.time_zone)


def in_time_of(seller: Seller | None, path: str = "seller") -> Q:
    """Rows of a seller; for nobody in particular, of all whose time is that of the world."""
    return Q(**{path: seller}) if seller else Q(**{f"{path}__test_clock": None})


def clock_of(seller: Seller) -> TestClock | None:
    """The seller's test clock, where it has one."""
    return None if seller.is_live else getattr(seller, "test_clock", None)
