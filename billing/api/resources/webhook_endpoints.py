"""Webhook endpoints: where a shop is told what happens, and with which secret it is signed."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.fields import Boolean, Text, Writing
from billing.api.filtering import Filters, YesNoFilter
from billing.api.reading import Reading
from billing.api.scopes import Scope
from billing.api.scoping import find, for_seller
from billing.api.views import Endpoint, Listing, nothing, reply
from billing.webhooks import actions
from billing.webhooks.models import WebhookEndpoint

TYPES = "Types such as `invoice.paid`, `invoice.*` for all of a kind, or `*` for all."


class EndpointReading(Reading):
    """An address that is told what happens."""

    scope = Scope.WEBHOOKS_READ
    shown_as = ("we", WebhookEndpoint)

    id = serializers.CharField(source="public_id")
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField(), help_text=TYPES)
    description = serializers.CharField(allow_blank=True)
    is_enabled = serializers.BooleanField()
    disabled_reason = serializers.CharField(
        allow_null=True, help_text="Why it was turned off, where nobody did it by hand."
    )
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="Since when nothing has been taken there."
    )
    recorded_at = serializers.DateTimeField()

    @staticmethod
    def read_disabled_reason(endpoint: WebhookEndpoint) -> str | None:
        return endpoint.disabled_reason or None

    @staticmethod
    def read_types(endpoint: WebhookEndpoint) -> list[str]:
        return list(endpoint.types)


class SecretReading(EndpointReading):
    """An endpoint with its new secret, which is told only here."""

    secret = serializers.CharField(help_text="Signs what is sent, as Standard Webhooks says.")


class TestedReading(Reading):
    """A test that is on its way."""

    event = serializers.CharField(source="public_id", help_text="The event that will arrive.")


class Types(serializers.ListField):
    child = Text(max_length=60)

    def __init__(self, **options: Any) -> None:
        super().__init__(min_length=1, max_length=100, help_text=TYPES, **options)


class EndpointWriting(Writing):
    url = Text(max_length=2000, help_text="An https address on the internet.")
    types = Types()
    description = Text(required=False, allow_blank=True)


class EndpointChanging(EndpointWriting):
    is_enabled = Boolean(required=False)


def with_secret(endpoint: WebhookEndpoint, secret: str) -> dict[str, Any]:
    return {**EndpointReading.show(endpoint), "secret": secret}


class EndpointFilters(Filters):
    is_enabled = YesNoFilter()

    class Meta:
        model = WebhookEndpoint
        fields: tuple[str, ...] = ()


class WebhookEndpoints(Listing):
    address = "webhook_endpoints"
    scopes = {"GET": Scope.WEBHOOKS_READ, "POST": Scope.WEBHOOKS_WRITE}
    reading = EndpointReading
    filterset_class = EndpointFilters
    needs_key = True
    is_secret = True

    def rows(self) -> QuerySet[WebhookEndpoint]:
        return for_seller(WebhookEndpoint, self.seller)

    @extend_schema(
        operation_id="list_webhook_endpoints",
        summary="List webhook endpoints",
        tags=["webhook endpoints"],
        responses=EndpointReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()

    @extend_schema(
        operation_id="create_webhook_endpoint",
        summary="Make a webhook endpoint",
        description="Its secret is told only here. What happened before is not sent; read it from "
        "`GET /events`, where it is within a minute.",
        tags=["webhook endpoints"],
        request=EndpointWriting,
        responses={201: SecretReading},
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(EndpointWriting)
        endpoint, secret = actions.create(
            seller=self.seller.public_id,
            is_live=self.seller.is_live,
            as_of=self.today,
            actor=self.actor,
            **asked,
        )
        endpoint.refresh_from_db()
        return reply(with_secret(endpoint, secret), 201)


class OneWebhookEndpoint(Endpoint):
    address = "webhook_endpoints/<str:endpoint>"
    scopes = {
        "GET": Scope.WEBHOOKS_READ,
        "PATCH": Scope.WEBHOOKS_WRITE,
        "DELETE": Scope.WEBHOOKS_WRITE,
    }
    reading = EndpointReading

    def found(self, endpoint: str) -> WebhookEndpoint:
        return find(for_seller(WebhookEndpoint, self.seller), endpoint)

    @extend_schema(
        operation_id="get_webhook_endpoint",
        summary="Get a webhook endpoint",
        tags=["webhook endpoints"],
        responses=EndpointReading,
    )
    def get(self, request: Request, endpoint: str) -> HttpResponse:
        return reply(self.show(self.found(endpoint)))

    @extend_schema(
        operation_id="update_webhook_endpoint",
        summary="Change a webhook endpoint, or turn it on or off",
        description="What is on its way already goes to the new address. What waits for an "
        "endpoint that is turned off is given up; it can be sent again later.",
        tags=["webhook endpoints"],
        request=EndpointChanging,
        responses=EndpointReading,
    )
    def patch(self, request: Request, endpoint: str) -> HttpResponse:
        asked = self.sent(EndpointChanging, is_partial=True)
        found = self.found(endpoint)
        is_enabled = asked.pop("is_enabled", None)
        if asked:
            found = actions.change(found, as_of=self.today, actor=self.actor, **asked)
        if is_enabled is not None:
            turn = actions.enable if is_enabled else actions.disable
            found = turn(found, as_of=self.today, actor=self.actor)
        return reply(self.show(found))

    @extend_schema(
        operation_id="delete_webhook_endpoint",
        summary="Delete a webhook endpoint",
        tags=["webhook endpoints"],
        responses={204: None},
    )
    def delete(self, request: Request, endpoint: str) -> HttpResponse:
        actions.delete(self.found(endpoint), as_of=self.today, actor=self.actor)
        return nothing()


class RotateSecret(OneWebhookEndpoint):
    address = "webhook_endpoints/<str:endpoint>/rotate_secret"
    scopes = {"POST": Scope.WEBHOOKS_WRITE}
    http_method_names = ["post"]
    needs_key = True
    is_secret = True

    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Give a webhook endpoint a new secret",
        description="The new one is told only here. For 24 hours both sign what is sent.",
        tags=["webhook endpoints"],
        request=None,
        responses=SecretReading,
    )
    def post(self, request: Request, endpoint: str) -> HttpResponse:
        self.sent(Writing)
        found, secret = actions.rotate_secret(
            self.found(endpoint), as_of=self.today, actor=self.actor
        )
        return reply(with_secret(found, secret))


class TestWebhookEndpoint(OneWebhookEndpoint):
    address = "webhook_endpoints/<str:endpoint>/test"
    scopes = {"POST": Scope.WEBHOOKS_WRITE}
    http_method_names = ["post"]

    @extend_schema(
        operation_id="test_webhook_endpoint",
        summary="Send a webhook endpoint a test",
        description="An event `webhook_endpoint.tested` arrives within a minute or so.",
        tags=["webhook endpoints"],
        request=None,
        responses={202: TestedReading},
    )
    def post(self, request: Request, endpoint: str) -> HttpResponse:
        self.sent(Writing)
        event = actions.test(self.found(endpoint), as_of=self.today, actor=self.actor)
        return reply(TestedReading.show(event), 202)
