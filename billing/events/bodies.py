"""What a webhook says: the event, its number in the order of its object, and the whole object.

Those who know the objects hang their renderers on at start, by the prefix of the public id. A body
is written down when it is first sent and never again, so that a receiver who is told twice is told
the same.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from billing.events.models import Event, EventBody

# What objects look like to the outside, by public id; those that are gone are left out.
type Renderer = Callable[[Sequence[str]], dict[str, dict[str, Any]]]
renderers: dict[str, Renderer] = {}


def bodies_of(events: Sequence[Event], *, is_live: bool) -> dict[int, str]:
    """The texts that are sent of one seller's events, by key; written down if they were not."""
    written = EventBody.objects.filter(event__in=events).values_list("event_id", "text")
    texts = dict(written)
    missing = [event for event in events if event.pk not in texts]
    if not missing:
        return texts
    objects = objects_of(event.subject for event in missing)
    payloads = [_payload(event, objects.get(event.subject), is_live) for event in missing]
    EventBody.objects.bulk_create(
        [
            EventBody(event=event, text=json.dumps(payload, ensure_ascii=False, default=str))
            for event, payload in zip(missing, payloads, strict=True)
        ],
        ignore_conflicts=True,
    )
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
        else _payload(event, objects.get(event.subject), is_live)
        for event in events
    ]


def _payload(event: Event, found: dict[str, Any] | None, is_live: bool) -> dict[str, Any]:
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
        "data": {"object": shown, "details": event.data},
    }


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
