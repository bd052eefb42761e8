"""What a webhook says: the event, its number in the order of its object, and the whole object.

Those who know the objects hang their renderers on at start, by the prefix of the public id. A body
is written down when the event is fanned out and never again: it shows the object as it was when the
event was committed, whatever has become of it since, and a receiver who is told twice is told the
same. What no endpoint was told of has no body, and is shown with its object as it is now.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import transaction

from billing.events.kept import changed_since, one_event_an_object, rows_as_of
from billing.events.models import Event
from billing.events.troubles import Watch
from billing.webhooks.models import EventBody

# What objects look like to the outside, by public id; those that are gone are left out.
type Renderer = Callable[[Sequence[str]], dict[str, dict[str, Any]]]
renderers: dict[str, Renderer] = {}


def write_bodies(events: Sequence[Event], *, is_live: bool) -> None:
    """Write down what is sent of events that are being fanned out, in the caller's transaction.

    What one object cannot be shown for is left to its deliveries, which tell of it.
    """
    try:
        with transaction.atomic():
            _write(events, _objects_then(events), is_live, is_as_of_event=True)
    except Exception as error:
        watch = Watch("write webhooks")
        watch.let_through(error)
        if len(events) == 1:
            watch.keep(events[0].public_id, error)
            return
        for event in events:
            write_bodies([event], is_live=is_live)


def bodies_of(events: Sequence[Event], *, is_live: bool) -> dict[int, str]:
    """The texts that are sent of one seller's events, by key; written down if they were not."""
    written = EventBody.objects.filter(event__in=events).values_list("event_id", "text")
    texts = dict(written)
    missing = [event for event in events if event.pk not in texts]
    if not missing:
        return texts
    objects = objects_of(event.subject for event in missing)
    now = {event.pk: objects.get(event.subject) for event in missing}
    _write(missing, now, is_live, is_as_of_event=False)
    # Of two who render at once, the one who is slower takes what the other wrote.
    return dict(written.all())


def payloads_of(events: Sequence[Event], *, is_live: bool) -> list[dict[str, Any]]:
    """Events of one seller as they were sent; those that were not, with their objects as now.

    Asks once for each kind of object, however many there are.
    """
    sent = dict(EventBody.objects.filter(event__in=events).values_list("event_id", "text"))
    objects = objects_of(event.subject for event in events if event.pk not in sent)
    return [
        json.loads(sent[event.pk])
        if event.pk in sent
        else _payload(event, objects.get(event.subject), is_live, is_as_of_event=False)
        for event in events
    ]


def _write(
    events: Sequence[Event],
    objects: dict[int, dict[str, Any] | None],
    is_live: bool,
    *,
    is_as_of_event: bool,
) -> None:
    payloads = [
        _payload(event, objects.get(event.pk), is_live, is_as_of_event=is_as_of_event)
        for event in events
    ]
    EventBody.objects.bulk_create(
        [
            EventBody(event=event, text=json.dumps(payload, ensure_ascii=False, default=str))
            for event, payload in zip(events, payloads, strict=True)
        ],
        ignore_conflicts=True,
    )


def _payload(
    event: Event, found: dict[str, Any] | None, is_live: bool, *, is_as_of_event: bool
) -> dict[str, Any]:
    """An event and its object; ``details`` are what only this event tells."""
    # Where nobody can render the object, the event's own words are all that there is.
    shown = found if found is not None else {"id": event.subject, **event.data}
    return {
        "id": event.public_id,
        "type": event.type,
        "mode": "live" if is_live else "test",
        "seller": event.seller,
        "subject": event.subject,
        "occurred_on": event.occurred_on.isoformat(),
        "recorded_at": event.recorded_at.isoformat().replace("+00:00", "Z"),
        "sequence": event.sequence,
        "data": {"object": shown, "details": event.data, "is_as_of_event": is_as_of_event},
    }


def _objects_then(events: Sequence[Event]) -> dict[int, dict[str, Any] | None]:
    """Objects as they were when each event was committed, by the event's key.

    Today's are read first: what changes while they are read has left its old row by then.
    """
    today = objects_of(event.subject for event in events)
    shown = {event.pk: today.get(event.subject) for event in events}
    for turn in one_event_an_object(changed_since(events)):
        with rows_as_of(turn):
            then = objects_of(event.subject for event in turn)
        shown |= {event.pk: then.get(event.subject) for event in turn}
    return shown


def objects_of(public_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Objects as they are now, by public id."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for public_id in public_ids:
        kinds[public_id.partition("_")[0]].add(public_id)
    found: dict[str, dict[str, Any]] = {}
    for prefix, ids in kinds.items():
        if prefix in renderers:
            found |= renderers[prefix](sorted(ids))
    return found
