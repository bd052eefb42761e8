"""What a webhook says: the event, its number in the order of its object, and the whole object.

Those who know the objects hang their renderers on at start, by the prefix of the public id. A body
is written down at its first rendering and never again, so that a receiver who is told twice is told
the same.
"""

import json
from collections.abc import Callable
from typing import Any

from billing.events.models import Event, EventBody

# What an object looks like to the outside, by the prefix of its public id; None where it is gone.
type Renderer = Callable[[str], dict[str, Any] | None]
renderers: dict[str, Renderer] = {}


def body_of(event: Event, *, is_live: bool) -> str:
    """The text that is sent of an event, written down if it has not been."""
    written = EventBody.objects.filter(event=event).values_list("text", flat=True).first()
    if written is not None:
        return written
    text = json.dumps(payload_of(event, is_live=is_live), ensure_ascii=False, default=str)
    # Of two who render at once, the one who is slower takes what the other wrote.
    EventBody.objects.bulk_create([EventBody(event=event, text=text)], ignore_conflicts=True)
    return EventBody.objects.values_list("text", flat=True).get(event=event)


def payload_of(event: Event, *, is_live: bool) -> dict[str, Any]:
    """An event with its object as it is now; ``details`` are what only this event tells."""
    return {
        "id": event.public_id,
        "type": event.type,
        "mode": "live" if is_live else "test",
        "seller": event.seller,
        "occurred_on": event.occurred_on.isoformat(),
        "recorded_at": event.recorded_at.isoformat().replace("+00:00", "Z"),
        "sequence": event.sequence,
        "data": {"object": object_of(event), "details": event.data},
    }


def object_of(event: Event) -> dict[str, Any]:
    """The object that an event tells of; where nobody can render it, its id and the details."""
    render = renderers.get(event.subject.partition("_")[0])
    rendered = render(event.subject) if render else None
    return rendered if rendered is not None else {"id": event.subject, **event.data}
