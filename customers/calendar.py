"""What time it is for a seller. Doors ask here, once for each request, and pass the day down."""

from datetime import date, datetime

from billing.events import clock
from customers.models import Seller


def now_of(seller: Seller) -> datetime:
    """This instant for a seller, in UTC."""
    return clock.now()


def today_of(seller: Seller) -> date:
    """The day it is where the seller keeps its calendar."""
    return clock.local_day(now_of(seller), seller.time_zone)
