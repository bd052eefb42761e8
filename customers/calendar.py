"""What time it is for a seller. Doors ask here, once for each request, and pass the day down."""

from datetime import date, datetime, timedelta

from django.db.models import DateField, DateTimeField, F, Func, Max, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce

from billing.base import clock
from billing.engine.errors import Refused
from customers.models import Seller, TestClock


def now_of(seller: Seller) -> datetime:
    """This instant for a seller, in UTC: a test seller may have a clock of its own.

    Asks nothing for a live seller, nor where ``test_clock`` was loaded with the seller.
    """
    own = clock_of(seller)
    return own.at if own else clock.now()


def now_on_pages(seller: object) -> datetime | None:
    """This instant for the pages of all apps; not everything that they call a seller is one."""
    return now_of(seller) if isinstance(seller, Seller) else None


def today_of(seller: Seller) -> date:
    """The day it is where the seller keeps its calendar."""
    return clock.local_day(now_of(seller), seller.time_zone)


def with_today[Rows: QuerySet](rows: Rows) -> Rows:
    """Rows of sellers beside ``today``, the day it is where each keeps its calendar.

    A join, however many sellers there are. Compare with :func:`by_today`, or with ``F("today")``,
    in a filter of its own: in one filter, Django would leave out the sellers without a test clock.
    """
    now = Coalesce(F("seller__test_clock__at"), Value(clock.now()))
    local = Func(F("seller__time_zone"), now, function="timezone", output_field=DateTimeField())
    return rows.alias(today=Cast(local, DateField()))


def by_today(field: str, *, before: bool = False) -> Q:
    """Rows, each beside ``today``, whose day in ``field`` has come, or is ``before`` today.

    The latest day that it is for any seller bounds them as well. PostgreSQL knows how many rows are
    beyond that and finds the rest by an index; of a day beside each row it knows nothing, and would
    read them all.
    """
    compare = "lt" if before else "lte"
    own = Q(**{f"{field}__{compare}": F("today")})
    return own & Q(**{f"{field}__lte": _latest_today()})


def on_today(field: str) -> Q:
    """As :func:`by_today`, but only what is of today.

    By two bounds, since PostgreSQL answers an equality of two tables by reading all of both.
    """
    return by_today(field) & Q(**{f"{field}__gte": F("today")})


def _latest_today() -> date:
    """The latest day that can be a seller's today: in UTC+14, the easternmost time zone there is,
    by the world's clock or by the test clock that is furthest ahead.
    """
    ahead = TestClock.objects.aggregate(at=Max("at"))["at"]
    return (max(filter(None, (clock.now(), ahead))) + timedelta(hours=14)).date()


def in_time_of(seller: Seller | None, path: str = "seller") -> Q:
    """Rows of a seller; for nobody in particular, of all whose time is that of the world."""
    return Q(**{path: seller}) if seller else Q(**{f"{path}__test_clock": None})


def refuse_day_to_come(seller: Seller, as_of: date) -> None:
    """Refuse what would date a live seller's documents after the database's own day.

    Raises :class:`Refused` ("clock_ahead").
    """
    if not seller.is_live:
        return
    now = clock.now()
    latest = now - clock.ahead_of_database(now) + clock.AHEAD_MAX
    if as_of > clock.local_day(latest, seller.time_zone):
        raise Refused(
            f"{as_of} is still to come for the database of {seller}: nothing is billed by it. Set "
            "this machine's clock right.",
            code="clock_ahead",
        )


def clock_of(seller: Seller) -> TestClock | None:
    """The seller's test clock, where it has one."""
    return None if seller.is_live else getattr(seller, "test_clock", None)
