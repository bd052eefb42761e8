"""What shops and operators do about webhook endpoints and what is sent to them."""

import base64
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing.base import clock
from billing.base.sealing import seal, unseal
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.events.recorder import record_for
from billing.events.types import DISABLED, TESTED, check_patterns
from billing.webhooks.addresses import target_of
from billing.webhooks.fan_out import is_wanted, webhook_delivery
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint

ENDPOINTS_MAX = 16
REPLAYED_MAX = 10_000
OLD_SECRET_LIVES = timedelta(hours=24)
GIVEN_UP = "Its endpoint was turned off."


def create(
    *,
    seller: str,
    is_live: bool,
    url: str,
    types: Sequence[str],
    as_of: date,
    actor: str,
    description: str = "",
) -> tuple[WebhookEndpoint, str]:
    """Tell a seller's shop of what happens from now on; the endpoint, and its secret in plain.

    ``seller`` is the public id and ``is_live`` its mode. Raises :class:`Refused`
    ("webhook_url_refused", "unknown_event_type", "too_many_endpoints").
    """
    target_of(url)
    chosen, secret = check_patterns(types), new_secret()
    if WebhookEndpoint.objects.filter(seller=seller).count() >= ENDPOINTS_MAX:
        raise Refused(
            f"A seller has at most {ENDPOINTS_MAX} webhook endpoints. Delete one first.",
            code="too_many_endpoints",
        )
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.create(
            seller=seller,
            is_live=is_live,
            url=url,
            types=chosen,
            description=description,
            secret_sealed=seal(secret),
        )
        _record("webhook_endpoint.created", endpoint, as_of, actor)
    return endpoint, secret


@transaction.atomic
def change(
    endpoint: WebhookEndpoint,
    *,
    as_of: date,
    actor: str,
    url: str | None = None,
    types: Sequence[str] | None = None,
    description: str | None = None,
) -> WebhookEndpoint:
    """Change what is given. What is on its way already goes to the new address.

    Raises :class:`Refused` as :func:`create` does.
    """
    endpoint = _lock(endpoint)
    if url is not None:
        target_of(url)
        endpoint.url = url
    if types is not None:
        endpoint.types = check_patterns(types)
    if description is not None:
        endpoint.description = description
    endpoint.save(update_fields=["url", "types", "description"])
    _record("webhook_endpoint.changed", endpoint, as_of, actor)
    return endpoint


@transaction.atomic
def enable(endpoint: WebhookEndpoint, *, as_of: date, actor: str) -> WebhookEndpoint:
    """Tell it of what happens from now on; :func:`replay` tells it of what it missed."""
    endpoint = _lock(endpoint)
    if not endpoint.is_enabled:
        endpoint.is_enabled, endpoint.disabled_reason, endpoint.failing_since = True, "", None
        endpoint.save(update_fields=["is_enabled", "disabled_reason", "failing_since"])
        _record("webhook_endpoint.enabled", endpoint, as_of, actor)
    return endpoint


@transaction.atomic
def disable(endpoint: WebhookEndpoint, *, as_of: date, actor: str) -> WebhookEndpoint:
    """Tell it no more; what was on its way is dead, and :func:`replay` can send it later."""
    endpoint = _lock(endpoint)
    if endpoint.is_enabled:
        _turn_off(endpoint, "")
        _record("webhook_endpoint.turned_off", endpoint, as_of, actor)
    return endpoint


def disable_failing(endpoint: WebhookEndpoint, reason: str, *, as_of: date, actor: str) -> None:
    """Turn off an endpoint that does not answer, or said that it is gone; in a transaction."""
    _turn_off(endpoint, reason)
    record_for(DISABLED, endpoint, as_of, actor, url=endpoint.url, reason=reason)


def _turn_off(endpoint: WebhookEndpoint, reason: str) -> None:
    endpoint.is_enabled, endpoint.disabled_reason = False, reason
    endpoint.save(update_fields=["is_enabled", "disabled_reason"])
    WebhookDelivery.objects.filter(endpoint=endpoint, state=WebhookDelivery.State.PENDING).update(
        state=WebhookDelivery.State.DEAD, ended_at=clock.now(), last_error=GIVEN_UP
    )


@transaction.atomic
def delete(endpoint: WebhookEndpoint, *, as_of: date, actor: str) -> None:
    """Forget an endpoint, and what was sent to it; the events stay."""
    endpoint = _lock(endpoint)
    _record("webhook_endpoint.deleted", endpoint, as_of, actor)
    endpoint.delete()


@transaction.atomic
def test(endpoint: WebhookEndpoint, *, as_of: date, actor: str) -> Event:
    """Send it an event that means nothing; what came of it is seen on the endpoint's page.

    Raises :class:`Refused` ("endpoint_disabled").
    """
    _check_enabled(endpoint)
    return record_for(TESTED, endpoint, as_of, actor, url=endpoint.url)


# Secrets


def new_secret() -> str:
    """A secret as Standard Webhooks wants it: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@transaction.atomic
def rotate_secret(
    endpoint: WebhookEndpoint, *, as_of: date, actor: str
) -> tuple[WebhookEndpoint, str]:
    """A new secret, told once; for 24 hours of the world's time the one before signs as well."""
    endpoint, secret = _lock(endpoint), new_secret()
    endpoint.old_secret_sealed = endpoint.secret_sealed
    endpoint.old_secret_until = clock.now() + OLD_SECRET_LIVES
    endpoint.secret_sealed = seal(secret)
    endpoint.save(update_fields=["secret_sealed", "old_secret_sealed", "old_secret_until"])
    _record("webhook_endpoint.secret_rotated", endpoint, as_of, actor)
    return endpoint, secret


def secrets_of(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """The secrets that sign now, the newest first.

    Raises :class:`Refused` ("secret_unreadable") where the newest cannot be read.
    """
    signing = [unseal(endpoint.secret_sealed)]
    if endpoint.old_secret_until and now < endpoint.old_secret_until:
        with suppress(Refused):  # Unreadable is why it was replaced, perhaps.
            signing.append(unseal(endpoint.old_secret_sealed))
    return signing


# Sending again


@transaction.atomic
def send_again(delivery: WebhookDelivery) -> WebhookDelivery:
    """Send what was sent or is dead once more, with its old id, and three days of attempts.

    Raises :class:`Refused` ("endpoint_disabled").
    """
    _check_enabled(_lock(delivery.endpoint))
    _revive(Q(pk=delivery.pk))
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def send_event(event: Event, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Send an event to an endpoint of its seller, whatever that has asked for, or once more.

    Raises :class:`Refused` ("endpoint_disabled", "event_not_public").
    """
    endpoint = _lock(endpoint)
    _check_enabled(endpoint)
    if event.sequence is None or event.seller != endpoint.seller:
        raise Refused(
            "This event is not (yet) one that shops are told of. Try again in a minute.",
            code="event_not_public",
        )
    made = webhook_delivery(event, endpoint, clock.now())
    WebhookDelivery.objects.bulk_create([made], ignore_conflicts=True)
    _revive(Q(event=event, endpoint=endpoint))
    return WebhookDelivery.objects.get(event=event, endpoint=endpoint)


@transaction.atomic
def replay(endpoint: WebhookEndpoint, *, since: datetime) -> int:
    """Send what an endpoint has not taken of all that was recorded since; how many.

    What is dead is tried again, and what happened while the endpoint was turned off is sent.
    Raises :class:`Refused` ("endpoint_disabled", "too_much_to_replay").
    """
    endpoint = _lock(endpoint)
    _check_enabled(endpoint)
    missed = Event.objects.filter(
        seller=endpoint.seller, sequence__isnull=False, recorded_at__gte=since
    ).exclude(webhook_deliveries__in=endpoint.deliveries.exclude(state=WebhookDelivery.State.DEAD))
    events = [event for event in missed.order_by("id") if is_wanted(event, endpoint)]
    if len(events) > REPLAYED_MAX:
        raise Refused(
            f"More than {REPLAYED_MAX} events: choose a later day, or read GET /events.",
            code="too_much_to_replay",
        )
    now = clock.now()
    made = [webhook_delivery(event, endpoint, now) for event in events]
    WebhookDelivery.objects.bulk_create(made, ignore_conflicts=True)
    _revive(Q(endpoint=endpoint, event__in=events, state=WebhookDelivery.State.DEAD))
    return len(events)


def _revive(which: Q) -> None:
    values: dict[str, Any] = {"state": "pending", "next_attempt_at": clock.now(), "attempts": 0}
    WebhookDelivery.objects.filter(which).update(
        **values, first_attempt_at=None, ended_at=None, last_error=""
    )


def _check_enabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_enabled:
        raise Refused("This endpoint is turned off. Turn it on first.", code="endpoint_disabled")


def _lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)


def _record(type: str, endpoint: WebhookEndpoint, as_of: date, actor: str) -> None:
    record_for(type, endpoint, as_of, actor, url=endpoint.url, types=endpoint.types)
