"""A gateway that has lost its memory, and events that make no sense, stop nobody."""

import json
from typing import Any

import pytest

from billing.base import clock
from billing.payments import inbox
from billing.payments.gateway_events import GatewayCursor, GatewayEvent
from billing.payments.gateways.base import GatewayRefused, Notice

pytestmark = pytest.mark.django_db


class Forgetful:
    """Knows one event, and none of those that were read before."""

    name = "sandbox"

    def events_after(self, event_id: str, limit: int) -> list[Notice]:
        if event_id == "evt_lost":
            raise GatewayRefused("There is no such event.", status=404)
        body = json.dumps({"object": {"id": "ch_1", "reference": "pay_1"}})
        return [] if event_id else [Notice("evt_new", "charge.succeeded", body)]


def test_a_gateway_that_lost_our_place_is_read_anew(monkeypatch: Any) -> None:
    monkeypatch.setattr(inbox.registry, "accounts", lambda: [Forgetful()])
    GatewayCursor.objects.create(gateway="sandbox", event_id="evt_lost")
    assert [inbox.poll_gateways(), inbox.poll_gateways()] == [1, 0]
    assert GatewayEvent.objects.get().event_id == "evt_new"


@pytest.mark.parametrize(
    "body",
    ['{"object": {"id": "ch_\\u0000", "reference": "pay_1"}}', "[1]", "null", "nonsense"],
)
def test_an_event_that_makes_no_sense_is_parked_and_the_next_taken_up(body: str) -> None:
    now = clock.now()
    good = '{"object": {"id": "ch_2", "reference": "pay_2"}}'
    notices = [Notice("evt_1", "charge.failed", body), Notice("evt_2", "charge.failed", good)]
    inbox.keep("sandbox", notices, now, is_polled=False)
    assert inbox.process_hooks() == 2
    reasons = dict(GatewayEvent.objects.values_list("event_id", "parked_reason"))
    assert reasons["evt_1"] and "We have no payment" in reasons["evt_2"]
