"""Writing events, and turning them into deliveries for whoever subscribes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from billing.events import clock
from billing.events.models import Delivery, Event

Handler = Callable[[Event], None]

ATTEMPTS_MAX = 10
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
    return Event.objects.create(
        type=type,
        seller=seller,
        subject=subject,
        occurred_on=occurred_on,
        actor=actor,
        data=data or {},
    )


def record_all(events: Iterable[Event]) -> None:
    """Write events in the caller's transaction, in one statement."""
    Event.objects.bulk_create(events)


def subscribe(name: str, types: set[str], handler: Handler) -> None:
    """Have a handler called for every event of the types, at least once; it must bear a second."""
    _subscribers[name] = (frozenset(types), handler)


@transaction.atomic
def fan_out(limit: int = 1000) -> int:
    """Make a delivery for each subscriber of each waiting event; returns the events handled."""
    now = clock.now()
    events = list(
        Event.objects.select_for_update(skip_locked=True)
        .filter(is_fanned_out=False)
        .order_by("id")[:limit]
    )
    Delivery.objects.bulk_create(
        Delivery(event=event, subscriber=name, next_attempt_at=now)
        for event in events
        for name, (types, _) in _subscribers.items()
        if event.type in types and event.seller not in _unheard.get()
    )
    Event.objects.filter(id__in=[event.id for event in events]).update(is_fanned_out=True)
    return len(events)


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


def deliver_due(limit: int = 100) -> int:
    """Try what is due; returns how many were claimed.

    The next attempt is pushed ahead before trying, so a crash loses nothing. An attempt is counted
    when its turn comes and before it begins: one that kills its worker is counted, and what was
    claimed beside it is not.
    """
    now = clock.now()
    with transaction.atomic():
        due = list(
            Delivery.objects.select_for_update(skip_locked=True, of=["self"])
            .filter(state=Delivery.State.PENDING, next_attempt_at__lte=now)
            .select_related("event")
            .order_by("next_attempt_at")[:limit]
        )
        for delivery in due:
            wait = timedelta(minutes=min(2**delivery.attempts, 24 * 60))
            delivery.next_attempt_at = now + wait
        Delivery.objects.bulk_update(due, ["next_attempt_at"])
    for delivery in due:
        if _is_begun(delivery):
            _deliver(delivery)
    return len(due)


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
    return bool(mine.update(attempts=F("attempts") + 1))


def _deliver(delivery: Delivery) -> None:
    try:
        _, handler = _subscribers[delivery.subscriber]
        handler(delivery.event)
    except Exception as error:  # One subscriber's fault must not stop the others.
        is_last = delivery.attempts + 1 >= ATTEMPTS_MAX
        Delivery.objects.filter(pk=delivery.pk).update(
            last_error=f"{type(error).__name__}: {error}",
            state=Delivery.State.DEAD if is_last else Delivery.State.PENDING,
        )
    else:
        Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.DONE)
