"""Usage: measured events, one or a thousand, each counted once by its key."""

from collections import Counter
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.errors import ApiError, status_of
from billing.api.fields import Boolean, Exact, Instant, PublicId, Text, Writing
from billing.api.reading import Reading
from billing.api.scopes import Scope
from billing.api.views import Endpoint, reply
from billing.usage.actions import Measured, record_many
from customers.calendar import now_of

RECORDS_MAX = 1000
STATUSES = ("recorded", "duplicate", "refused")


class PropertiesField(serializers.DictField):
    """What the meter may look at: texts, numbers and booleans."""

    child = serializers.JSONField()

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict) or len(data) > 50:
            raise serializers.ValidationError("Send an object of 50 properties at most.", "invalid")
        for name, value in data.items():
            if not isinstance(value, str | int | type(None)) and not hasattr(value, "as_tuple"):
                raise serializers.ValidationError(
                    f"“{name}” is no text, number or boolean.", "invalid"
                )
            if len(name) > 80 or len(str(value)) > 200:
                raise serializers.ValidationError(f"“{name[:80]}” is too long.", "too_long")
        return {name: _plain(value) for name, value in data.items()}


def _plain(value: Any) -> Any:
    """Decimals as text, which keeps each digit; the meter reads numbers either way."""
    return str(value) if hasattr(value, "as_tuple") else value


class UsageWriting(Writing):
    subscription = PublicId("sub")
    meter = Text(max_length=80, help_text="A meter's code.")
    quantity = Exact(required=False, help_text="1 where nothing is said.")
    at = Instant(required=False, help_text="Now where nothing is said.")
    key = Text(
        max_length=100,
        help_text="Your own id of the event: a second one with it counts no second time.",
    )
    properties = PropertiesField(required=False)


class BatchWriting(Writing):
    records = serializers.ListField(child=UsageWriting(), allow_empty=False, max_length=RECORDS_MAX)
    is_all_or_nothing = Boolean(
        default=False, help_text="Record nothing where any would be refused."
    )


class OutcomeReading(Reading):
    """What became of one event."""

    key = serializers.CharField()
    status = serializers.ChoiceField(STATUSES)
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


class BatchReading(Reading):
    """What became of each event, in their order."""

    recorded = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = OutcomeReading(many=True)


class Recording(Endpoint):
    """Records what was measured; the events' own keys keep a retry from counting twice."""

    def record(self, rows: list[dict[str, Any]], *, is_all_or_nothing: bool) -> dict[str, Any]:
        now = now_of(self.seller)
        events = [
            Measured(
                subscription=row["subscription"],
                meter=row["meter"],
                quantity=row.get("quantity", 1),
                at=row.get("at", now),
                key=row["key"],
                properties=row.get("properties", {}),
            )
            for row in rows
        ]
        outcomes = record_many(
            self.seller, events, as_of=self.today, is_all_or_nothing=is_all_or_nothing
        )
        refusals = [
            (number, outcome.refusal)
            for number, outcome in enumerate(outcomes)
            if outcome.refusal is not None
        ]
        if refusals and is_all_or_nothing:
            number, refusal = refusals[0]
            attr = f"records.{number}" if len(rows) > 1 else None
            raise ApiError(status_of(refusal), refusal.code, refusal.message, attr=attr)
        counts = Counter(outcome.status for outcome in outcomes)
        return {
            "recorded": counts["recorded"],
            "duplicates": counts["duplicate"],
            "refused": counts["refused"],
            "results": [
                {
                    "key": event.key,
                    "status": outcome.status,
                    "code": outcome.refusal.code if outcome.refusal else None,
                    "detail": outcome.refusal.message if outcome.refusal else None,
                }
                for event, outcome in zip(events, outcomes, strict=True)
            ],
        }


class Usage(Recording):
    scopes = {"POST": Scope.USAGE_WRITE}

    @extend_schema(
        operation_id="record_usage",
        summary="Record one event",
        tags=["usage"],
        request=UsageWriting,
        responses={201: OutcomeReading},
    )
    def post(self, request: Request) -> HttpResponse:
        told = self.record([self.sent(UsageWriting)], is_all_or_nothing=True)
        return reply(told["results"][0], 201)


class UsageBatch(Recording):
    scopes = {"POST": Scope.USAGE_WRITE}

    @extend_schema(
        operation_id="record_usage_batch",
        summary="Record up to a thousand events",
        description="Each is recorded, known already or refused by itself, and the answer says "
        "which; with `is_all_or_nothing` one refusal refuses all. What is malformed refuses all "
        "in any case.",
        tags=["usage"],
        request=BatchWriting,
        responses={200: BatchReading},
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(BatchWriting)
        told = self.record(asked["records"], is_all_or_nothing=asked["is_all_or_nothing"])
        return reply(told)
