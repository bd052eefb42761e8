"""Events: what happened, as webhooks tell it, to be read again by whoever missed some of it."""

from collections.abc import Sequence
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.errors import invalid
from billing.api.fields import PublicId, Writing
from billing.api.filtering import Filters
from billing.api.pagination import Cursor
from billing.api.reading import SHOWN, Reading
from billing.api.scopes import Scope
from billing.api.scoping import find, for_seller
from billing.api.views import Endpoint, Listing, reply
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.events.types import check_patterns
from billing.webhooks import actions
from billing.webhooks.bodies import payloads_of
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint


class DataReading(serializers.Serializer[Any]):
    object = serializers.JSONField(
        help_text="The object, as the API shows it: as it was when the event happened, where an "
        "endpoint is told of it, or else as it is now."
    )
    details = serializers.JSONField(help_text="What only this event tells.")
    is_as_of_event = serializers.BooleanField(
        help_text="Whether the object is shown as it was when the event happened."
    )


class EventReading(Reading):
    """What happened to one object."""

    id = serializers.CharField(source="public_id")
    type = serializers.CharField(help_text="Such as `invoice.paid`.")
    mode = serializers.ChoiceField(["live", "test"])
    seller = serializers.CharField()
    subject = serializers.CharField(help_text="The object's id.")
    occurred_on = serializers.DateField(help_text="The day, where the seller keeps its calendar.")
    recorded_at = serializers.DateTimeField()
    sequence = serializers.IntegerField(
        help_text="Counts the events of an object from 1, without a gap."
    )
    data = DataReading()  # type: ignore[assignment]


class DeliveryReading(Reading):
    """An event on its way to an endpoint."""

    event = serializers.CharField(source="event.public_id")
    webhook_endpoint = serializers.CharField(source="endpoint.public_id")
    status = serializers.ChoiceField(WebhookDelivery.State.choices, source="state")


class SendWriting(Writing):
    webhook_endpoint = PublicId("we", help_text="An endpoint of the same seller.")


class EventFilters(Filters):
    type = django_filters.CharFilter(
        method="of_type", label="Such as `invoice.paid`, or `invoice.*` for all of a kind."
    )
    subject = django_filters.CharFilter(label="The id of an object.")
    after = django_filters.CharFilter(
        method="since", label="The id of an event: only what came after it, and all that did."
    )

    class Meta:
        model = Event
        fields: tuple[str, ...] = ()

    def of_type(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        try:
            check_patterns([value])
        except Refused as refusal:
            raise invalid("type", refusal.code, refusal.message) from refusal
        if value == "*":
            return rows
        if value.endswith(".*"):
            return rows.filter(type__startswith=value.removesuffix("*"))
        return rows.filter(type=value)

    def since(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        seen = for_seller(Event, self.request.user.seller).filter(public_id=value)
        position = seen.values_list("position", flat=True).first()
        if position is None:
            raise invalid("after", "unknown_event", "There is no such event.")
        return rows.filter(position__gt=position)


def told(endpoint: Endpoint) -> QuerySet[Event]:
    """What shops are told of; the rest is our own business."""
    return for_seller(Event, endpoint.seller).filter(position__isnull=False)


class Pages(Cursor):
    """By the numbers that the fan-out gives: what was recorded earlier may be committed later."""

    ordering = "-position"


def seen_by(endpoint: Endpoint, payloads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events as a key may see them: of an object that it may not read, the id and no more."""
    may = {
        prefix: reading.scope in endpoint.caller.scopes for prefix, (reading, _) in SHOWN.items()
    }
    return [
        payload
        if may.get(payload["subject"].partition("_")[0])
        else {**payload, "data": _only_id(payload["subject"])}
        for payload in payloads
    ]


def _only_id(subject: str) -> dict[str, Any]:
    return {"object": {"id": subject}, "details": {}, "is_as_of_event": False}


class Events(Listing):
    address = "events"
    scopes = {"GET": Scope.EVENTS_READ}
    reading = EventReading
    filterset_class = EventFilters

    def rows(self) -> QuerySet[Event]:
        return told(self)

    @extend_schema(
        operation_id="list_events",
        summary="List events",
        description="Newest first, each as it was or would be sent. To catch up after an outage, "
        "read all pages with `after` set to the last event that you have handled, and begin with "
        "the oldest; events come here within a minute of what they tell of, and those of one "
        "object in the order of their `sequence`.",
        tags=["events"],
        responses=EventReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        rows = EventFilters.applied(request._request.GET, self.rows(), request)
        pages = Pages()
        found = pages.paginate_queryset(rows, request)
        return reply(
            {
                "next": pages.get_next_link(),
                "previous": pages.get_previous_link(),
                "results": seen_by(self, payloads_of(found, is_live=self.seller.is_live)),
            }
        )


class OneEvent(Endpoint):
    address = "events/<str:event>"
    scopes = {"GET": Scope.EVENTS_READ}
    reading = EventReading

    @extend_schema(
        operation_id="get_event",
        summary="Get an event",
        tags=["events"],
        responses=EventReading,
    )
    def get(self, request: Request, event: str) -> HttpResponse:
        found = find(told(self), event)
        (payload,) = seen_by(self, payloads_of([found], is_live=self.seller.is_live))
        return reply(payload)


class SendEvent(Endpoint):
    address = "events/<str:event>/send"
    scopes = {"POST": Scope.WEBHOOKS_WRITE}

    @extend_schema(
        operation_id="send_event",
        summary="Send an event to a webhook endpoint once more",
        description="Under its old id, whatever types the endpoint has asked for.",
        tags=["events"],
        request=SendWriting,
        responses={202: DeliveryReading},
    )
    def post(self, request: Request, event: str) -> HttpResponse:
        asked = self.sent(SendWriting)
        endpoints = for_seller(WebhookEndpoint, self.seller)
        endpoint = find(endpoints, asked["webhook_endpoint"], "webhook_endpoint")
        delivery = actions.send_event(find(told(self), event), endpoint)
        return reply(DeliveryReading.show(delivery), 202)
