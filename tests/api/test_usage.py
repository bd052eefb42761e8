"""Usage over the API: each event once, a thousand at a time, and each told of by itself."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.subscriptions.models import Subscription
from billing.usage.models import UsageRecord
from tests.api.calling import Shop, errors_of
from tests.api.world import World


@pytest.fixture
def world(shop: Shop) -> World:
    return World(shop.seller)


def event(world: World, key: str, **more: Any) -> dict[str, Any]:
    subscription = world.named["subscription"]
    return {"subscription": subscription, "meter": "calls", "quantity": "3", "key": key, **more}


def test_an_event_counts_once(shop: Shop, world: World) -> None:
    first = shop.post("usage", event(world, "a"), None)
    again = shop.post("usage", event(world, "a", quantity="4"), None)
    assert (first.status_code, first.json()["status"]) == (201, "recorded")
    assert (again.status_code, again.json()["status"]) == (201, "duplicate")
    record = UsageRecord.objects.get()
    assert record.quantity == record.value == 3


def test_an_event_needs_a_key(shop: Shop, world: World) -> None:
    sent = event(world, "a")
    del sent["key"]
    assert errors_of(shop.post("usage", sent)) == [("required", "key")]


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"subscription": "sub_" + "0" * 24}, 404, "unknown_subscription"),
        ({"meter": "nothing"}, 404, "unknown_meter"),
        ({"at": "2020-01-01T00:00:00Z"}, 422, "usage_before_start"),
        ({"at": "2020-01-01T00:00:00"}, 400, "invalid"),
        ({"quantity": "many"}, 400, "invalid"),
        ({"properties": {"a": {"b": 1}}}, 400, "invalid"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    shop: Shop, world: World, more: dict[str, Any], status: int, code: str
) -> None:
    answer = shop.post("usage", event(world, "a", **more))
    assert (answer.status_code, errors_of(answer)[0][0]) == (status, code)
    assert not UsageRecord.objects.exists()


def test_of_a_batch_each_is_told_of_by_itself(shop: Shop, world: World) -> None:
    shop.post("usage", event(world, "known"))
    records = [
        event(world, "a"),
        event(world, "a"),
        event(world, "known"),
        event(world, "b", meter="nothing"),
    ]
    told = shop.post("usage/batch", {"records": records}).json()
    assert (told["recorded"], told["duplicates"], told["refused"]) == (1, 2, 1)
    assert [row["status"] for row in told["results"]] == [
        "recorded",
        "duplicate",
        "duplicate",
        "refused",
    ]
    assert told["results"][3]["code"] == "unknown_meter"
    assert UsageRecord.objects.count() == 2


def test_all_or_nothing_records_nothing_where_one_is_refused(shop: Shop, world: World) -> None:
    records = [event(world, "a"), event(world, "b", meter="nothing")]
    body = {"records": records, "is_all_or_nothing": True}
    answer = shop.post("usage/batch", body)
    assert (answer.status_code, errors_of(answer)) == (404, [("unknown_meter", "records.1")])
    assert not UsageRecord.objects.exists()


def test_a_thousand_take_as_many_queries_as_ten(shop: Shop, world: World) -> None:
    def queries(count: int, name: str) -> int:
        records = [event(world, f"{name}-{number}") for number in range(count)]
        with CaptureQueriesContext(connection) as captured:
            assert shop.post("usage/batch", {"records": records}).json()["recorded"] == count
        return len(captured)

    assert queries(10, "few") == queries(1000, "many")
    answer = shop.post("usage/batch", {"records": [event(world, "a")] * 1001})
    assert errors_of(answer) == [("max_length", "records")]


def test_usage_of_days_that_were_billed_comes_on_the_next_bill(shop: Shop, world: World) -> None:
    shop.post("usage", event(world, "a"))
    subscription = Subscription.objects.get(public_id=world.named["subscription"])
    assert subscription.billed_through is not None
    assert subscription.next_bill_on is not None
    assert subscription.next_bill_on > world.today
    Subscription.objects.filter(pk=subscription.pk).update(
        billed_through=world.today.replace(year=world.today.year + 1)
    )
    shop.post("usage", event(world, "b"))
    subscription.refresh_from_db()
    assert subscription.next_bill_on == world.today
