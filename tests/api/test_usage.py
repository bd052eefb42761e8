"""Usage over the API: each event once, a thousand at a time, and each told of by itself."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.invoicing.actions import bill_customer
from billing.invoicing.models import Invoice
from billing.subscriptions.actions import abandon, start
from billing.subscriptions.models import Subscription
from billing.usage.models import Meter, UsageRecord
from tests.api.calling import Shop, errors_of
from tests.api.world import ACTOR, World
from tests.factories import CustomerFactory, PlanFactory, PriceFactory, SellerFactory

A_CALL: dict[str, Any] = {
    "model": "per_unit",
    "amount": Decimal(1),
    "meter": "calls",
    "billing": "in_arrears",
}


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
        ({"quantity": "99999999999999"}, 422, "usage_quantity_out_of_bounds"),
        ({"quantity": "-99999999999999"}, 422, "usage_quantity_out_of_bounds"),
        ({"at": "2199-01-01T00:00:00Z"}, 422, "usage_in_the_future"),
        ({"meter": "unused"}, 422, "usage_not_metered"),
        ({"meter": "seats"}, 422, "usage_not_metered"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    shop: Shop, world: World, more: dict[str, Any], status: int, code: str
) -> None:
    Meter.objects.create(seller=shop.seller, code="unused")
    Meter.objects.create(seller=shop.seller, code="seats")
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


def test_half_a_seat_is_refused_where_the_meter_takes_whole_units(shop: Shop, world: World) -> None:
    Meter.objects.filter(seller=shop.seller, code="calls").update(is_whole=True)
    answer = shop.post("usage", event(world, "a", quantity="0.5"))
    assert (answer.status_code, errors_of(answer)[0][0]) == (422, "usage_not_whole")
    assert shop.post("usage", event(world, "a", quantity="2.0")).status_code == 201


def test_an_order_that_is_not_paid_takes_no_usage(shop: Shop, world: World) -> None:
    placed = start(world.customer, world.plan, as_of=world.today, actor=ACTOR, is_incomplete=True)
    sent = event(world, "a") | {"subscription": placed.public_id}
    answer = shop.post("usage", sent)
    assert (answer.status_code, errors_of(answer)[0][0]) == (422, "subscription_incomplete")
    abandon(placed, as_of=world.today, actor=ACTOR)


class TestReading:
    def test_what_was_recorded_can_be_read_back(self, shop: Shop, world: World) -> None:
        shop.post("usage", event(world, "a", properties={"user": "ada"}))
        shop.post("usage", event(world, "b", quantity="4.5"))
        newest, oldest = shop.get("usage").json()["results"]
        assert (newest["key"], newest["quantity"]) == ("b", "4.5")
        assert oldest["properties"] == {"user": "ada"}
        assert oldest["counted"] == "3"
        assert oldest["used_on"] == world.today.isoformat()
        assert oldest["subscription"] == world.named["subscription"]
        assert shop.get(f"usage/{oldest['id']}").json() == oldest

    def test_a_list_is_filtered_and_goes_on_by_its_cursor(self, shop: Shop, world: World) -> None:
        for key in ("a", "b", "c"):
            shop.post("usage", event(world, key))

        def keys(**query: Any) -> list[str]:
            return [row["key"] for row in shop.get("usage", **query).json()["results"]]

        assert keys(key="b") == ["b"]
        assert keys(meter="calls", customer="external:shop-1") == ["c", "b", "a"]
        assert keys(meter="other") == []
        assert keys(used_from=world.today.isoformat()) == ["c", "b", "a"]
        assert keys(used_before=world.today.isoformat()) == []
        assert keys(is_withdrawn="true") == []
        first = shop.get("usage", limit=2).json()
        rest = shop.client.get(first["next"], headers=shop.headers()).json()
        assert [row["key"] for row in first["results"] + rest["results"]] == ["c", "b", "a"]

    def test_usage_is_summed_up_by_period_as_a_bill_goes_by_it(
        self, shop: Shop, world: World, metered: Callable[..., Subscription]
    ) -> None:
        subscription = metered(days_ago=40)
        for ago, quantity in ((35, 10), (36, 5), (1, 7)):
            at = f"{world.today - timedelta(days=ago)}T12:00:00Z"
            recorded(shop, subscription, f"{ago}", at=at, quantity=str(quantity))
        told = shop.get("usage/periods", subscription=subscription.public_id).json()["results"]
        assert [(row["quantity"], row["records"], row["is_open"]) for row in told] == [
            ("7", 1, True),
            ("15", 2, True),
        ]
        assert told[0]["starts_on"] == told[1]["ends_on"]
        since = told[0]["starts_on"]
        asked = {"subscription": subscription.public_id, "from": since}
        assert len(shop.get("usage/periods", **asked).json()["results"]) == 1

    def test_quantities_are_told_with_the_unit_of_their_meter(
        self, shop: Shop, world: World, metered: Callable[..., Subscription]
    ) -> None:
        subscription = metered(days_ago=3)
        Meter.objects.filter(code="calls").update(unit="min")
        at = f"{world.today - timedelta(days=1)}T12:00:00Z"
        recorded(shop, subscription, "a", at=at, quantity="7")
        asked = {"subscription": subscription.public_id}
        assert [row["unit"] for row in shop.get("usage/periods", **asked).json()["results"]] == [
            "min"
        ]
        offered = shop.get(f"plans/{subscription.plan.code}").json()["prices"]
        listed = shop.get("prices", plan=subscription.plan.public_id).json()["results"]
        for prices in (offered, listed):
            assert {price["meter"]: price["unit"] for price in prices}["calls"] == "min"
            assert all(price["unit"] == "" for price in prices if price["meter"] is None)

    def test_sums_of_nothing_in_particular_are_refused(self, shop: Shop, world: World) -> None:
        assert errors_of(shop.get("usage/periods")) == [("required", "subscription")]
        mine = {"subscription": world.named["subscription"]}
        for wrong in ("soon", "0001-01-01", "9999-12-31"):
            answer = shop.get("usage/periods", **mine, **{"from": wrong})
            assert (answer.status_code, errors_of(answer)[0][1]) == (400, "from")
        absent = {"subscription": "sub_" + "0" * 24}
        assert errors_of(shop.get("usage/periods", **absent)) == [("not_found", "subscription")]


@pytest.fixture
def metered(shop: Shop, world: World) -> Callable[..., Subscription]:
    """Starts a subscription at 1.00 a call, so many days ago."""
    plan = PlanFactory(seller=shop.seller, product=world.plan.product, code="calls")
    PriceFactory(
        plan=plan, model="per_unit", amount=Decimal(1), meter="calls", billing="in_arrears"
    )

    def begin(days_ago: int = 0) -> Subscription:
        day = world.today - timedelta(days=days_ago)
        return start(CustomerFactory(seller=shop.seller), plan, as_of=day, actor=ACTOR)

    return begin


def recorded(shop: Shop, subscription: Subscription, key: str, **more: Any) -> str:
    """The id of a new record."""
    sent = {"subscription": subscription.public_id, "meter": "calls", "key": key, **more}
    assert shop.post("usage", sent).status_code == 201
    found: str = UsageRecord.objects.get(key=key).public_id
    return found


def nets_of(subscription: Subscription) -> list[int]:
    """Before tax, what each document came to; below zero for credit notes."""
    return [
        invoice.net_minor * (1 if invoice.kind == "invoice" else -1)
        for invoice in Invoice.objects.filter(customer=subscription.customer).order_by("pk")
    ]


class TestCorrecting:
    def test_a_withdrawn_record_is_not_billed(
        self, shop: Shop, world: World, metered: Callable[..., Subscription]
    ) -> None:
        subscription = metered()
        recorded(shop, subscription, "right", quantity="3")
        wrong = recorded(shop, subscription, "wrong", quantity="900")
        first = shop.post(f"usage/{wrong}/withdraw", {}, None)
        again = shop.post(f"usage/{wrong}/withdraw", {}, None)
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json()["withdrawn_at"] == again.json()["withdrawn_at"] is not None
        assert [row["key"] for row in shop.get("usage", is_withdrawn="true").json()["results"]] == [
            "wrong"
        ]
        told = shop.get("usage/periods", subscription=subscription.public_id).json()["results"]
        assert [(row["quantity"], row["records"]) for row in told] == [("3", 1)]
        bill_customer(subscription.customer, as_of=world.today + timedelta(days=32), actor=ACTOR)
        assert nets_of(subscription) == [300]

    def test_a_corrected_record_is_billed_once_as_it_should_be(
        self, shop: Shop, world: World, metered: Callable[..., Subscription]
    ) -> None:
        subscription = metered()
        wrong = recorded(shop, subscription, "wrong", quantity="900", properties={"a": "b"})
        body = {"quantity": "9", "key": "right"}
        made = shop.post(f"usage/{wrong}/correct", body, None)
        again = shop.post(f"usage/{wrong}/correct", body, None)
        assert (made.status_code, again.json()) == (201, made.json())
        assert (made.json()["corrects"], made.json()["properties"]) == (wrong, {"a": "b"})
        assert made.json()["at"] == shop.get(f"usage/{wrong}").json()["at"]
        second = shop.post(f"usage/{wrong}/correct", {"quantity": "1", "key": "third"}, None)
        assert (second.status_code, errors_of(second)[0][0]) == (409, "usage_withdrawn")
        bill_customer(subscription.customer, as_of=world.today + timedelta(days=32), actor=ACTOR)
        assert nets_of(subscription) == [900]

    def test_what_has_been_billed_comes_back_with_the_next_bill(
        self, shop: Shop, world: World, metered: Callable[..., Subscription]
    ) -> None:
        subscription = metered(days_ago=33)
        at = f"{world.today - timedelta(days=32)}T12:00:00Z"
        wrong = recorded(shop, subscription, "wrong", quantity="900", at=at)
        bill_customer(subscription.customer, as_of=world.today, actor=ACTOR)
        assert shop.post(f"usage/{wrong}/correct", {"quantity": "9", "key": "right"}).json()
        bill_customer(subscription.customer, as_of=world.today, actor=ACTOR)
        bill_customer(subscription.customer, as_of=world.today, actor=ACTOR)
        assert nets_of(subscription) == [90000, -89100]

    def test_what_is_closed_stays_and_is_credited_by_hand(
        self, shop: Shop, world: World, metered: Callable[..., Subscription]
    ) -> None:
        subscription = metered(days_ago=100)
        at = f"{world.today - timedelta(days=99)}T12:00:00Z"
        wrong = recorded(shop, subscription, "wrong", quantity="5", at=at)
        bill_customer(subscription.customer, as_of=world.today, actor=ACTOR)
        for deed, body in (("withdraw", {}), ("correct", {"quantity": "1", "key": "right"})):
            answer = shop.post(f"usage/{wrong}/{deed}", body)
            assert (answer.status_code, errors_of(answer)[0][0]) == (422, "usage_too_late")
        assert UsageRecord.objects.get().withdrawn_at is None

    def test_a_correction_that_is_refused_withdraws_nothing(
        self, shop: Shop, world: World, metered: Callable[..., Subscription]
    ) -> None:
        subscription = metered()
        wrong = recorded(shop, subscription, "wrong", quantity="5")
        recorded(shop, subscription, "other")
        for body, code in (
            ({"quantity": "99999999999999", "key": "right"}, "usage_quantity_out_of_bounds"),
            ({"quantity": "1", "key": "other"}, "usage_key_used"),
            ({"quantity": "1"}, "required"),
        ):
            assert errors_of(shop.post(f"usage/{wrong}/correct", body))[0][0] == code
        assert not UsageRecord.objects.filter(withdrawn_at__isnull=False).exists()

    def test_another_sellers_record_is_not_there(self, shop: Shop, world: World) -> None:
        stranger = Shop(SellerFactory())
        world.use()
        for asked in (
            stranger.get(f"usage/{world.named['record']}"),
            stranger.post(f"usage/{world.named['record']}/withdraw"),
        ):
            assert asked.status_code == 404


# M6: what was accepted is billed, whatever is done that day and by whichever door it came.


def _one(shop: Shop, sent: dict[str, Any]) -> str:
    answer = shop.post("usage", sent)
    return "recorded" if answer.status_code == 201 else errors_of(answer)[0][0]


def _of_a_batch(shop: Shop, sent: dict[str, Any]) -> str:
    [told] = shop.post("usage/batch", {"records": [sent]}).json()["results"]
    return told["code"] or told["status"]


@pytest.mark.parametrize("door", [_one, _of_a_batch])
@pytest.mark.parametrize(
    ("deed", "body", "after"),
    [
        ("cancel", {"when": "now"}, "usage_after_end"),
        ("pause", {}, "usage_during_pause"),
        ("change", {"plan": "flat"}, "usage_not_metered"),
        ("change", {"plan": "dear"}, "recorded"),
        ("cancel", {"when": "period_end"}, "recorded"),
    ],
)
def test_usage_of_the_day_of_a_change_is_billed_or_refused(
    shop: Shop,
    world: World,
    metered: Callable[..., Subscription],
    door: Callable[[Shop, dict[str, Any]], str],
    deed: str,
    body: dict[str, Any],
    after: str,
) -> None:
    subscription = metered()
    of = {"seller": shop.seller, "product": world.plan.product}
    PriceFactory(plan=PlanFactory(code="flat", **of), amount=Decimal(0))
    dear = PlanFactory(code="dear", **of)
    PriceFactory(
        plan=dear, model="per_unit", amount=Decimal(1), meter="calls", billing="in_arrears"
    )
    sent = {"subscription": subscription.public_id, "meter": "calls", "quantity": "4"}
    accepted = Decimal(0)
    for key, wanted in (("before", "recorded"), ("after", after)):
        found = door(shop, sent | {"key": key})
        assert found == wanted
        accepted += 4 * (found == "recorded")
        if key == "before":
            done = shop.post(f"subscriptions/{subscription.public_id}/{deed}", body)
            assert done.status_code == 200, done.json()
    bill_customer(subscription.customer, as_of=world.today + timedelta(days=32), actor=ACTOR)
    assert sum(nets_of(subscription)) == accepted * 100
