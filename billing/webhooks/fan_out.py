"""What endpoints are told of events: made as those are fanned out, and written down."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from billing.events.models import Event
from billing.events.types import TESTED, matches
from billing.webhooks.bodies import write_bodies
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint

# An event bears the time at which its transaction began, and is seen when that is over. Of what is
# no older than the longest one, nobody can say whether it was seen when an endpoint was made: it is
# sent, since a shop can leave out what it knows and cannot ask for what it never heard of.
TRANSACTION_MAX = timedelta(hours=1)


def make_deliveries(events: Sequence[Event], *, now: datetime) -> None:
    """Make a delivery for each endpoint that has asked; a hook."""
    deliveries = _webhook_deliveries(events, now)
    WebhookDelivery.objects.bulk_create(deliveries)
    _write_down(deliveries)


def _write_down(deliveries: Iterable[WebhookDelivery]) -> None:
    """Write what endpoints will be sent, while objects can still be shown as they were."""
    told: dict[bool, dict[int, Event]] = defaultdict(dict)
    for delivery in deliveries:
        told[delivery.endpoint.is_live][delivery.event.pk] = delivery.event
    for is_live, events in told.items():
        write_bodies(list(events.values()), is_live=is_live)


def _webhook_deliveries(events: Iterable[Event], now: datetime) -> list[WebhookDelivery]:
    public = [event for event in events if event.sequence is not None]
    endpoints: dict[str, list[WebhookEndpoint]] = defaultdict(list)
    sellers = {event.seller for event in public}
    for endpoint in WebhookEndpoint.objects.filter(seller__in=sellers, is_enabled=True):
        endpoints[endpoint.seller].append(endpoint)
    return [
        webhook_delivery(event, endpoint, now)
        for event in public
        for endpoint in endpoints[event.seller]
        # What waited long to be fanned out as the endpoint was made is none of its news.
        if event.recorded_at > endpoint.recorded_at - TRANSACTION_MAX and is_wanted(event, endpoint)
    ]


def is_wanted(event: Event, endpoint: WebhookEndpoint) -> bool:
    """Whether an endpoint is told of a public event of its seller; of a test only its own."""
    if event.type == TESTED:
        return event.subject == endpoint.public_id
    return matches(endpoint.types, event.type)


def webhook_delivery(event: Event, endpoint: WebhookEndpoint, now: datetime) -> WebhookDelivery:
    """The delivery of a public event that has been fanned out; not yet written."""
    assert event.sequence is not None
    return WebhookDelivery(
        event=event,
        endpoint=endpoint,
        subject=event.subject,
        sequence=event.sequence,
        next_attempt_at=now,
    )
