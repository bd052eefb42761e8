"""Test clocks: the time of a test seller, which stands still until it is advanced."""

from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.fields import Instant, Writing
from billing.api.filtering import Filters
from billing.api.reading import Reading
from billing.api.scopes import Scope
from billing.api.scoping import find, for_seller
from billing.api.views import Endpoint, Listing, reply
from billing.engine.errors import Refused
from billing.jobs.hints import ADVANCE_TEST_CLOCKS, hint
from customers import test_clocks
from customers.models import Seller, TestClock

STATUSES = ("ready", "advancing")


class ClockReading(Reading):
    """What time it is for a test seller."""

    scope = Scope.CLOCKS_READ
    shown_as = ("clk", TestClock)

    id = serializers.CharField(source="public_id")
    at = serializers.DateTimeField(help_text="What time it is for the seller.")
    status = serializers.ChoiceField(STATUSES)
    advancing_to = serializers.DateTimeField(
        allow_null=True, help_text="While days are being played: where it will stop."
    )
    recorded_at = serializers.DateTimeField()

    @staticmethod
    def read_status(test_clock: TestClock) -> str:
        return "advancing" if test_clock.is_advancing else "ready"


class ClockWriting(Writing):
    at = Instant(required=False, help_text="Now or later; now where nothing is said.")


class AdvanceWriting(Writing):
    to = Instant(help_text="Later than where the clock stands, by two years at most.")


def refuse_live(seller: Seller) -> None:
    if seller.is_live:
        raise Refused(
            "Time cannot be moved for a live seller. Use a key of a test seller.",
            code="seller_is_live",
        )


class ClockFilters(Filters):
    """None: there is one at most."""

    class Meta:
        model = TestClock
        fields: tuple[str, ...] = ()


class TestClocks(Listing):
    address = "test_clocks"
    scopes = {"GET": Scope.CLOCKS_READ, "POST": Scope.CLOCKS_WRITE}
    reading = ClockReading
    filterset_class = ClockFilters
    needs_key = True

    def rows(self) -> QuerySet[TestClock]:
        return for_seller(TestClock, self.seller)

    @extend_schema(
        operation_id="list_test_clocks",
        summary="List test clocks",
        description="There is one at most.",
        tags=["test clocks"],
        responses=ClockReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        refuse_live(self.seller)
        return self.page()

    @extend_schema(
        operation_id="create_test_clock",
        summary="Let a test seller's time stand still",
        description="From now on nothing happens by itself for this seller, until its clock is "
        "advanced. A clock is for ever. Live keys get 403 `seller_is_live`.",
        tags=["test clocks"],
        request=ClockWriting,
        responses={201: ClockReading},
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(ClockWriting)
        made = test_clocks.create(
            self.seller, at=asked.get("at"), as_of=self.today, actor=self.actor
        )
        made.refresh_from_db()
        return reply(self.show(made), 201)


class OneTestClock(Endpoint):
    address = "test_clocks/<str:test_clock>"
    scopes = {"GET": Scope.CLOCKS_READ}
    reading = ClockReading

    @extend_schema(
        operation_id="get_test_clock",
        summary="Get a test clock",
        tags=["test clocks"],
        responses=ClockReading,
    )
    def get(self, request: Request, test_clock: str) -> HttpResponse:
        refuse_live(self.seller)
        return reply(self.show(find(for_seller(TestClock, self.seller), test_clock)))


class AdvanceTestClock(Endpoint):
    address = "test_clocks/<str:test_clock>/advance"
    scopes = {"POST": Scope.CLOCKS_WRITE}
    reading = ClockReading
    needs_key = True

    @extend_schema(
        operation_id="advance_test_clock",
        summary="Advance a test clock",
        description="Each day until then is played in order: billed, reminded of, charged. That "
        "takes a second or so for a month: ask for the clock until its `status` is `ready`, or "
        "listen to `test_clock.advanced`.",
        tags=["test clocks"],
        request=AdvanceWriting,
        responses={202: ClockReading},
    )
    def post(self, request: Request, test_clock: str) -> HttpResponse:
        refuse_live(self.seller)
        to = self.sent(AdvanceWriting)["to"]
        found = find(for_seller(TestClock, self.seller), test_clock)
        asked = test_clocks.ask(found, to, as_of=self.today, actor=self.actor)
        transaction.on_commit(partial(hint, ADVANCE_TEST_CLOCKS))
        return reply(self.show(asked), 202)
