"""Writing events, and turning them into deliveries for whoever subscribes."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from django.db import connection, transaction
from django.db.models import F

from billing.base import clock, tallies
from billing.base.leases import unheld, wait_for_turn
from billing.base.sql.bulk import as_json, copy_rows
from billing.base.sql.prepared import prepared
from billing.base.sql.rows import blank, shape_of
from billing.events import hooks
from billing.events.models import Delivery, Event
from billing.events.troubles import Watch
from billing.events.types import PUBLIC

type Handler = Callable[[Sequence[Event]], None]

ATTEMPTS_MAX = 10
# So far numbers leap after a restore: farther than what is lost can have come.
LEAP_OF_SUBJECT, LEAP_OF_SELLER = 1_000_000, 10_000_000_000
_subscribers: dict[str, tuple[frozenset[str], Handler]] = {}
_unheard: ContextVar[frozenset[str]] = ContextVar("unheard", default=frozenset())


def record(
    type: str,
    *,
    seller: str,
    subject: str,
    occurred_on: date,
    actor: str,
    data: dict[str, Any] | None = None,
) -> Event:
    """Write an event in the caller's transaction; ``seller`` and ``subject`` are public ids."""
    event = Event(
        type=type,
        seller=seller,
        subject=subject,
        occurred_on=occurred_on,
        actor=actor,
        data=data or {},
    )
    return _written(event)


class OfSeller(Protocol):
    """What has a public id, and a seller of which it knows at least the public id."""

    @property
    def public_id(self) -> str: ...

    @property
    def seller(self) -> Any: ...


def record_for(type: str, about: OfSeller, as_of: date, actor: str, /, **data: Any) -> Event:
    """Write an event of an object in the caller's transaction, with what it tells."""
    event = event_for(type, about, as_of, actor, **data)
    return _written(event)


def event_for(type: str, about: OfSeller, as_of: date, actor: str, /, **data: Any) -> Event:
    """An event of an object, for :func:`record_all`."""
    seller = about.seller
    return Event(
        type=type,
        seller=seller if isinstance(seller, str) else seller.public_id,
        subject=about.public_id,
        occurred_on=as_of,
        actor=actor,
        data=data,
    )


def record_all(events: Iterable[Event]) -> None:
    """Write events in the caller's transaction, in one statement; they are not told their ids."""
    copy_rows("events_event", map(_row, events))


def _written(event: Event) -> Event:
    with prepared() as cursor:
        cursor.execute(_RECORD, _SHAPE.values_of(_row(event)))
        event.pk, event.recorded_at = cursor.fetchone()
    event._state.adding = False
    return event


@dataclass(slots=True)
class _Recorded:
    """``events_event``."""

    public_id: str
    seller: str
    type: str
    subject: str
    occurred_on: date
    actor: str
    data: str


def _row(event: Event) -> _Recorded:
    row = blank(_Recorded)
    row.public_id = event.public_id
    row.seller = event.seller
    row.type = event.type
    row.subject = event.subject
    row.occurred_on = event.occurred_on
    row.actor = event.actor
    row.data = as_json(event.data)
    return row


_SHAPE = shape_of(_Recorded)
_RECORD = f"""
    INSERT INTO events_event ({", ".join(_SHAPE.columns)}) VALUES (%s, %s, %s, %s, %s, %s, %s)
    RETURNING id, recorded_at
"""  # noqa: S608


def subscribe(name: str, types: set[str], handler: Handler) -> None:
    """Have a handler told of every event of the types, at least once; it must bear a second time.

    It is told of many at once, in one transaction; where it raises, of each alone.
    """
    _subscribers[name] = (frozenset(types), handler)


def one_by_one(handle: Callable[[Event], None]) -> Handler:
    """A handler that does with each event what is given."""

    def handle_all(events: Sequence[Event]) -> None:
        for event in events:
            handle(event)

    return handle_all


@transaction.atomic
def fan_out(limit: int = 1000) -> int:
    """Make a delivery for each subscriber, and tell who joins in; returns the events handled.

    Public events get their numbers here, of their object and of their seller, and not when they
    are recorded, where it would be one more query, and a lock, in every batch of bills. One worker
    fans out at a time and the others wait their turn, so that no number is seen before a smaller
    one is: ids are given before the commit, and may be. After a restore the numbers of what was
    lost are not given again, for shops leave out what they believe to have: both leap.
    """
    now = clock.now()
    wait_for_turn("kvitt fan out")
    watch = Watch("fan out events")
    waiting = Event.objects.filter(is_fanned_out=False).exclude(public_id__in=watch.waiting)
    events = list(waiting.order_by("id")[:limit])
    return watch.serve(events, partial(_fan_out, now=now), lambda event: event.public_id)


@transaction.atomic
def _fan_out(events: Sequence[Event], now: datetime) -> int:
    _number(events)
    Delivery.objects.bulk_create(
        Delivery(event=event, subscriber=name, next_attempt_at=now)
        for event in events
        for name, (types, _) in _subscribers.items()
        if event.type in types and event.seller not in _unheard.get()
    )
    for join_in in hooks.fanned_out:
        join_in(events, now=now)
    return len(events)


def _number(events: Sequence[Event]) -> None:
    """Give public events their next numbers, and mark all as fanned out."""
    if not events:
        return
    public = [event.pk for event in events if event.type in PUBLIC]
    with connection.cursor() as cursor:
        cursor.execute(
            _NUMBER,
            {
                "ids": [event.pk for event in events],
                "public": public,
                "leap_of_subject": LEAP_OF_SUBJECT,
                "leap_of_seller": LEAP_OF_SELLER,
            },
        )
        numbers = dict(cursor.fetchall())
    for event in events:
        event.is_fanned_out, event.sequence = True, numbers[event.pk]
    tallies.add("events", Counter(event.type for event in events))


_NUMBER = """
    WITH restored AS (
        SELECT coalesce((SELECT restores FROM outbound_databasemark), 0)::bigint AS restores
    ), public AS (
        SELECT id, subject, seller,
            row_number() OVER (PARTITION BY subject ORDER BY id) AS of_subject,
            row_number() OVER (PARTITION BY seller ORDER BY id) AS of_seller
        FROM events_event WHERE id = ANY (%(public)s)
    ), last AS (
        SELECT seller, greatest(restores * %(leap_of_seller)s, (
            SELECT max(position) FROM events_event
            WHERE seller = sellers.seller AND position IS NOT NULL
        )) AS position
        FROM (SELECT DISTINCT seller FROM public) sellers, restored
    ), numbered AS (
        SELECT public.id, public.of_seller + last.position AS position, public.of_subject
            + greatest(restores * %(leap_of_subject)s, last_of_subject.sequence) AS sequence
        FROM restored, public JOIN last USING (seller) LEFT JOIN LATERAL (
            SELECT sequence FROM events_event
            WHERE subject = public.subject AND sequence IS NOT NULL
            ORDER BY sequence DESC LIMIT 1
        ) last_of_subject ON true
    )
    UPDATE events_event event
    SET is_fanned_out = true, sequence = numbered.sequence, position = numbered.position
    FROM unnest(%(ids)s::bigint[]) AS waiting (id) LEFT JOIN numbered USING (id)
    WHERE event.id = waiting.id RETURNING event.id, event.sequence
"""


@contextmanager
def unheard(seller: str) -> Iterator[None]:
    """Have subscribers not hear of a seller's events that are fanned out in the block.

    For a past that is only played: nobody is to be mailed of it. ``seller`` is a public id.
    """
    before = _unheard.set(_unheard.get() | {seller})
    try:
        yield
    finally:
        _unheard.reset(before)


def deliver_due(limit: int = 500) -> int:
    """Try what is due; returns how many were claimed.

    The next attempt is pushed ahead and counted before trying, so a crash loses nothing. What is
    tried for the first time goes in one transaction; where one of it fails, and for whatever was
    tried before, each has its own, so that one that kills its worker is counted alone from then on.
    """
    now = clock.now()
    with transaction.atomic():
        due = list(
            unheld(
                Delivery.objects.filter(state=Delivery.State.PENDING, next_attempt_at__lte=now)
                .select_related("event")
                .order_by("next_attempt_at")
            )[:limit]
        )
        # What happened at one instant is told in the order in which it happened.
        due.sort(key=lambda delivery: (delivery.next_attempt_at, delivery.pk))
        fresh = [delivery for delivery in due if not delivery.attempts]
        tried = [delivery for delivery in due if delivery.attempts]
        ids = [delivery.pk for delivery in fresh]
        later = now + timedelta(minutes=1)
        Delivery.objects.filter(pk__in=ids).update(next_attempt_at=later, attempts=1)
        for delivery in fresh:
            delivery.next_attempt_at, delivery.attempts = later, 1
        for delivery in tried:
            delivery.next_attempt_at = now + timedelta(minutes=min(2**delivery.attempts, 24 * 60))
        Delivery.objects.bulk_update(tried, ["next_attempt_at"])
    watch = Watch("deliver events")
    if not _are_delivered(fresh, watch):
        for delivery in fresh:
            _deliver(delivery, watch)
    for delivery in tried:
        if _is_begun(delivery):
            _deliver(delivery, watch)
    return len(due)


def _are_delivered(fresh: Sequence[Delivery], watch: Watch) -> bool:
    """Tell all of it in one transaction; False, with nothing done, where one cannot be told."""
    if len(fresh) < 2:
        return False
    try:
        with transaction.atomic():
            told: dict[str, list[Event]] = defaultdict(list)
            for delivery in fresh:
                told[delivery.subscriber].append(delivery.event)
            for subscriber, events in told.items():
                _, handler = _subscribers[subscriber]
                handler(events)
            done = Delivery.objects.filter(pk__in=[delivery.pk for delivery in fresh])
            done.update(state=Delivery.State.DONE)
    except Exception as error:
        watch.let_through(error)
        return False
    return True


def _is_begun(delivery: Delivery) -> bool:
    """Count the attempt; not where another worker has claimed it since, or none is left."""
    mine = Delivery.objects.filter(
        pk=delivery.pk,
        state=Delivery.State.PENDING,
        next_attempt_at=delivery.next_attempt_at,
    )
    if delivery.attempts >= ATTEMPTS_MAX:
        mine.update(state=Delivery.State.DEAD, last_error="The worker died in the last attempt.")
        return False
    delivery.attempts += 1
    return bool(mine.update(attempts=F("attempts") + 1))


def _deliver(delivery: Delivery, watch: Watch) -> None:
    about = f"{delivery.subscriber} {delivery.event.public_id}"
    try:
        _, handler = _subscribers[delivery.subscriber]
        handler([delivery.event])
    except Exception as error:  # One subscriber's fault must not stop the others.
        watch.let_through(error)
        watch.keep(about, error)
        is_last = delivery.attempts >= ATTEMPTS_MAX
        Delivery.objects.filter(pk=delivery.pk).update(
            last_error=f"{type(error).__name__}: {error}",
            state=Delivery.State.DEAD if is_last else Delivery.State.PENDING,
        )
    else:
        watch.clear(about)
        Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.DONE)
