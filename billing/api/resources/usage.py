"""Usage: measured events, one or a thousand, each counted once by its key."""

from collections import Counter
from datetime import date
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.errors import ApiError, invalid, status_of
from billing.api.fields import Boolean, Day, Exact, Instant, PublicId, Text, Writing
from billing.api.filtering import (
    CustomerFilter,
    DayFilter,
    Filters,
    SubscriptionFilter,
    YesNoFilter,
)
from billing.api.reading import Reading, Reference
from billing.api.scopes import Scope
from billing.api.scoping import find, find_subscription, for_seller
from billing.api.views import Endpoint, Listing, reply
from billing.subscriptions.models import Subscription
from billing.usage.actions import Measured, correct_usage, record_many, withdraw_usage
from billing.usage.models import UsageRecord
from billing.usage.periods import PERIODS_MAX, usage_by_period
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
                    f"“{name}” is not a text, number or boolean.", "invalid"
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


class CorrectionWriting(Writing):
    quantity = Exact()
    key = Text(
        max_length=100,
        help_text="Your own id of the correction: a second request with it makes no second one.",
    )
    properties = PropertiesField(required=False, help_text="Those of the wrong record, else.")


class RecordReading(Reading):
    """One event that was recorded. Records are never changed: a wrong one is withdrawn."""

    scope = Scope.USAGE_READ

    id = serializers.CharField(source="public_id")
    subscription = Reference("SubscriptionReading")
    meter = serializers.CharField(source="meter.code")
    key = serializers.CharField(allow_null=True)
    quantity = Exact()
    counted = Exact(
        source="value",
        allow_null=True,
        help_text="What the meter aggregates; null where its filter leaves the record out.",
    )
    properties = serializers.JSONField()
    at = serializers.DateTimeField()
    used_on = serializers.DateField(source="on", help_text="Its day, by which it is billed.")
    recorded_at = serializers.DateTimeField()
    corrects = Reference("RecordReading", allow_null=True)
    withdrawn_at = serializers.DateTimeField(
        allow_null=True, help_text="Since then it counts no longer."
    )

    also_loads = ("meter",)


class PeriodReading(Reading):
    """What a meter comes to in one period, as a bill goes by it."""

    meter = serializers.CharField(help_text="A meter's code.")
    unit = serializers.CharField(allow_blank=True, help_text="The meter's, such as kg.")
    starts_on = serializers.DateField(source="start")
    ends_on = serializers.DateField(source="end")
    quantity = Exact()
    records = serializers.IntegerField(help_text="How many are behind it.")
    is_open = serializers.BooleanField(
        help_text="Usage of it may still be recorded, corrected and withdrawn."
    )


class PeriodsReading(Reading):
    """The sums, newest period first."""

    results = PeriodReading(many=True)


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


class UsageFilters(Filters):
    customer = CustomerFilter("subscription__customer")
    subscription = SubscriptionFilter()
    meter = django_filters.CharFilter(field_name="meter__code", label="A meter's code.")
    key = django_filters.CharFilter(label="Your own id of an event.")
    used_from = DayFilter(field_name="on", lookup_expr="gte")
    used_before = DayFilter(field_name="on", lookup_expr="lt")
    is_withdrawn = YesNoFilter(
        field_name="withdrawn_at", lookup_expr="isnull", exclude=True, label="Counts no longer."
    )

    class Meta:
        model = UsageRecord
        fields: tuple[str, ...] = ()


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


class Usage(Recording, Listing):
    address = "usage"
    scopes = {"GET": Scope.USAGE_READ, "POST": Scope.USAGE_WRITE}
    reading = RecordReading
    filterset_class = UsageFilters

    def rows(self) -> QuerySet[UsageRecord]:
        return for_seller(UsageRecord, self.seller)

    @extend_schema(
        operation_id="list_usage",
        summary="List what was recorded",
        tags=["usage"],
        responses=RecordReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()

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
    address = "usage/batch"
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


def _day(written: str, name: str) -> date:
    """A day of the query; refused by the parameter's name."""
    try:
        found: date = Day().run_validation(written)
    except serializers.ValidationError as error:
        raise serializers.ValidationError({name: error.detail}) from error
    return found


class UsagePeriods(Endpoint):
    address = "usage/periods"
    scopes = {"GET": Scope.USAGE_READ}
    parameters = frozenset({"subscription", "from"})

    @extend_schema(
        operation_id="get_usage_periods",
        summary="Sum up usage by period",
        description="What each meter comes to in each billing period of a subscription, aggregated "
        "as the meter says: what has been billed of a period that is over, and what will be of one "
        f"that is not. Newest first, {PERIODS_MAX} periods at most.",
        tags=["usage"],
        parameters=[
            OpenApiParameter(
                "subscription",
                str,
                required=True,
                description="`sub_…`, or `external:` and your id.",
            ),
            OpenApiParameter(
                "from",
                date,
                description="A day of the oldest period to tell of; else the oldest that is open.",
            ),
        ],
        responses=PeriodsReading,
    )
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        if not query.get("subscription"):
            raise invalid("subscription", "required", "Say which subscription.")
        rows = for_seller(Subscription, self.seller)
        subscription = find_subscription(rows, query["subscription"], "subscription")
        since = _day(query["from"], "from") if "from" in query else None
        found = usage_by_period(subscription, since=since, as_of=self.today)
        return reply({"results": [PeriodReading.show(each) for each in found]})


class OneRecord(Endpoint):
    address = "usage/<str:record>"
    scopes = {"GET": Scope.USAGE_READ}
    reading = RecordReading

    @extend_schema(
        operation_id="get_usage",
        summary="Get one record",
        tags=["usage"],
        responses=RecordReading,
    )
    def get(self, request: Request, record: str) -> HttpResponse:
        return reply(self.show(self.found(record)))

    def found(self, record: str) -> UsageRecord:
        return find(self.loaded(for_seller(UsageRecord, self.seller)), record)


class WithdrawUsage(OneRecord):
    address = "usage/<str:record>/withdraw"
    scopes = {"POST": Scope.USAGE_WRITE}
    http_method_names = ("post",)

    @extend_schema(
        operation_id="withdraw_usage",
        summary="Withdraw a record",
        description="It counts no longer; what has been billed for it comes back with the next "
        "bill. A record of a period that is closed is `usage_too_late`: credit its invoice "
        "instead. A second request changes nothing.",
        tags=["usage"],
        request=Writing,
        responses=RecordReading,
    )
    def post(self, request: Request, record: str) -> HttpResponse:
        self.sent(Writing)
        done = withdraw_usage(self.found(record), as_of=self.today, actor=self.actor)
        return reply(self.show(self.found(done.public_id)))


class CorrectUsage(OneRecord):
    address = "usage/<str:record>/correct"
    scopes = {"POST": Scope.USAGE_WRITE}
    http_method_names = ("post",)

    @extend_schema(
        operation_id="correct_usage",
        summary="Correct a record",
        description="Withdraws it and records another of the same instant in its place, which the "
        "answer shows. What has been billed is charged or given back as a difference by the next "
        "bill; a record of a period that is closed is `usage_too_late`.",
        tags=["usage"],
        request=CorrectionWriting,
        responses={201: RecordReading},
    )
    def post(self, request: Request, record: str) -> HttpResponse:
        wrong, asked = self.found(record), self.sent(CorrectionWriting)
        made = correct_usage(wrong, as_of=self.today, actor=self.actor, **asked)
        return reply(self.show(self.found(made.public_id)), 201)
