"""Subscriptions over the API: what is foreseen is what comes, and it is billed at once."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from catalog.models import Plan
from customers.calendar import today_of
from customers.models import Customer
from tests.api.calling import Shop, errors_of
from tests.api.conftest import open_seller
from tests.factories import (
    CouponFactory,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
)


@pytest.fixture
def customer(shop: Shop) -> Customer:
    """A customer, beside plans of 100.00 (small) and 250.00 (large) a month."""
    offer(shop)
    customer: Customer = CustomerFactory(seller=shop.seller, external_id="shop-1")
    return customer


def offer(shop: Shop) -> None:
    product = ProductFactory(seller=shop.seller)
    for code, amount in (("small", 100), ("large", 250)):
        plan = PlanFactory(seller=shop.seller, product=product, code=code, family="coffee")
        PriceFactory(plan=plan, amount=Decimal(amount), model="per_unit")


def start(shop: Shop, **asked: Any) -> Any:
    body = {"customer": "external:shop-1", "plan": "small", **asked}
    return shop.post("subscriptions", body)


def path_of(started: Any) -> str:
    return f"subscriptions/{started.json()['subscription']['id']}"


def test_a_start_takes_the_same_few_statements_however_much_there_is(
    shop: Shop, customer: Customer
) -> None:
    plan = Plan.objects.get(code="small")
    counted = {}
    for items in (1, 4):
        for number in range(1, items):
            PriceFactory(plan=plan, code=f"more-{number}", amount=Decimal(10))
        assert start(shop).status_code == 201  # What is made once: accounts, letterhead, plans.
        with CaptureQueriesContext(connection) as captured:
            answer = start(shop)
        assert len(answer.json()["subscription"]["items"]) == items
        counted[items] = len(captured)
    assert counted[1] == counted[4] <= 45


def test_a_start_bills_at_once_and_tells_who_did_it(shop: Shop, customer: Customer) -> None:
    answer = start(shop, quantities={"base": "2"}, metadata={"order": "7"})
    assert answer.status_code == 201
    subscription, (document,) = answer.json()["subscription"], answer.json()["documents"]
    assert subscription["customer"] == customer.public_id
    assert subscription["starts_on"] == today_of(shop.seller).isoformat()
    assert [item["quantity"] for item in subscription["items"]] == ["2"]
    assert subscription["metadata"] == {"order": "7"}
    assert (document["total_minor"], document["tax_minor"]) == (25_000, 5_000)
    assert document["subscription"] == subscription["id"]
    actors = set(Event.objects.filter(subject=subscription["id"]).values_list("actor", flat=True))
    assert actors == {f"key:{shop.key.public_id}"}
    assert broken_invariants() == {}


def test_a_preview_is_what_follows_it_and_keeps_nothing(shop: Shop, customer: Customer) -> None:
    asked = {"customer": customer.public_id, "plan": "small"}
    seen = shop.post("subscriptions/preview", asked, None).json()
    assert not Subscription.objects.exists() and not Invoice.objects.exists()
    assert seen["to_pay_today_minor"] == 12_500
    assert len(seen["upcoming"]) == 2
    made = start(shop).json()["documents"][0]
    amounts = ("net_minor", "tax_minor", "total_minor", "due_on")
    assert [seen["today"][0][name] for name in amounts] == [made[name] for name in amounts]


def test_a_change_is_foreseen_and_then_made(shop: Shop, customer: Customer) -> None:
    path = path_of(start(shop))
    change = {"plan": "large"}
    seen = shop.post(f"{path}/change/preview", change, None).json()
    changed = shop.post(f"{path}/change", change).json()
    (document,) = changed["documents"]
    assert seen["to_pay_today_minor"] == document["amount_due_minor"] > 0
    assert changed["subscription"]["plan"] != shop.get("plans", code="small").json()["results"][0]
    later = shop.post(f"{path}/change", {"plan": "small", "when": "period_end"}).json()
    assert later["documents"] == []
    assert later["subscription"]["items"][-1]["unit_amount"] == "100"


def test_a_planned_change_is_taken_back(shop: Shop, customer: Customer) -> None:
    path = path_of(start(shop))
    assert errors_of(shop.post(f"{path}/undo_change", {})) == [("no_change_planned", None)]
    shop.post(f"{path}/change", {"quantities": {"base": "4"}, "when": "period_end"})
    kept = shop.post(f"{path}/undo_change", {}).json()
    assert kept["documents"] == []
    (item,) = [each for each in kept["subscription"]["items"] if each["code"] == "base"]
    assert (item["quantity"], item["ends_on"]) == ("1", None)


def test_it_is_paused_resumed_canceled_and_kept(shop: Shop, customer: Customer) -> None:
    path = path_of(start(shop))
    assert shop.post(f"{path}/pause", {}).json()["subscription"]["status"] == "paused"
    assert errors_of(shop.post(f"{path}/pause", {})) == [("already_paused", None)]
    assert shop.post(f"{path}/resume", {}).json()["subscription"]["status"] == "active"
    canceled = shop.post(f"{path}/cancel", {}).json()["subscription"]
    assert canceled["cancels_on"] == canceled["ends_on"] is not None
    kept = shop.post(f"{path}/undo_cancel", {}).json()["subscription"]
    assert kept["cancels_on"] is kept["ends_on"] is None
    ended = shop.post(f"{path}/cancel", {"when": "now"}).json()["subscription"]
    assert ended["status"] == "ended"
    assert errors_of(shop.post(f"{path}/undo_cancel", {})) == [("subscription_ended", None)]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"plan": "nothing"}, 404, "not_found"),
        ({"customer": "external:nobody"}, 404, "not_found"),
        ({"quantities": {"seats": "1"}}, 422, "unknown_price"),
        ({"quantities": {"base": "-1"}}, 400, "negative_quantity"),
        ({"quantities": {"base": "1.00000000001"}}, 400, "invalid"),
        ({"quantities": ["base"]}, 400, "invalid"),
        ({"currency": "EUR"}, 422, "currency_mismatch"),
        ({"currency": "XXX"}, 400, "unknown_currency"),
        ({"coupons": ["NOTHING"]}, 404, "coupon_unknown"),
        ({"ends_on": "2020-01-01"}, 422, "end_before_start"),
        ({"ends_on": "tomorrow"}, 400, "invalid"),
        ({"anchor_day": 32}, 400, "max_value"),
        ({"align": "moon"}, 400, "invalid_choice"),
    ],
)
def test_what_cannot_be_started_starts_nothing(
    shop: Shop, customer: Customer, asked: dict[str, Any], status: int, code: str
) -> None:
    answer = start(shop, **asked)
    assert (answer.status_code, errors_of(answer)[0][0]) == (status, code)
    assert not Subscription.objects.exists()


def test_a_coupon_takes_its_share_off(shop: Shop, customer: Customer) -> None:
    CouponFactory(seller=shop.seller, code="WELCOME")
    (document,) = start(shop, coupons=["welcome"]).json()["documents"]
    assert document["discount_minor"] == 2_000


def test_of_two_codes_that_differ_in_case_the_one_that_is_written_counts(
    shop: Shop, customer: Customer
) -> None:
    CouponFactory(seller=shop.seller, code="welcome", percent_off=Decimal(10))
    CouponFactory(seller=shop.seller, code="WELCOME", percent_off=Decimal(50))
    for code, percent in (("WELCOME", "50"), ("welcome", "10")):
        answer = shop.post("coupons/validate", {"code": code}).json()
        assert Decimal(answer["coupon"]["percent_off"]) == Decimal(percent)
    (document,) = start(shop, coupons=["WELCOME"]).json()["documents"]
    assert document["discount_minor"] == document["subtotal_minor"] // 2


def test_a_coupon_that_would_take_nothing_off_is_refused_and_starts_nothing(
    shop: Shop, customer: Customer
) -> None:
    CouponFactory(seller=shop.seller, code="LARGE", plans=["large"])
    CouponFactory(seller=shop.seller, code="EURO", amount=True, currency="EUR")
    for code, refusal in (("large", "coupon_of_another_plan"), ("euro", "currency_mismatch")):
        answer = start(shop, coupons=[code])
        assert errors_of(answer)[0][0] == refusal
        assert "would take nothing off" in answer.json()["errors"][0]["detail"]
    assert not Subscription.objects.exists()


def test_the_same_plan_brings_its_new_price_or_is_refused(shop: Shop, customer: Customer) -> None:
    path = path_of(start(shop))
    answer = shop.post(f"{path}/change", {"plan": "small"})
    assert (answer.status_code, errors_of(answer)) == (409, [("nothing_to_change", None)])
    assert not Event.objects.filter(type="subscription.changed").exists()
    small = Plan.objects.get(code="small")
    small.prices.update(is_active=False)
    price = PriceFactory(plan=small, amount=Decimal(150), model="per_unit")
    changed = shop.post(f"{path}/change", {"plan": "small"})
    assert changed.status_code == 200
    items = changed.json()["subscription"]["items"]
    assert [item["price"] for item in items if item["ends_on"] is None] == [price.public_id]


@pytest.mark.parametrize("quantity", ["1" + "0" * 13, "99999999999999"])
def test_an_unlikely_quantity_is_refused_at_every_door(
    shop: Shop, customer: Customer, quantity: str
) -> None:
    asked = {"quantities": {"base": quantity}}
    path = path_of(start(shop))
    offer = {"plan": "small", **asked}
    for answer in (
        start(shop, **asked),
        shop.post(f"{path}/change", asked),
        shop.post("checkout_sessions", offer),
    ):
        assert errors_of(answer)[0][0] == "quantity_out_of_bounds", answer.content
    assert Subscription.objects.count() == 1


def test_an_external_id_starts_one_subscription(shop: Shop, customer: Customer) -> None:
    assert start(shop, external_id="order-7").status_code == 201
    again = start(shop, external_id="order-7")
    assert (again.status_code, errors_of(again)[0][0]) == (409, "external_id_taken")
    assert Subscription.objects.count() == Invoice.objects.count() == 1


def test_a_day_in_the_past_is_no_day_to_change_on(shop: Shop, customer: Customer) -> None:
    path = path_of(start(shop))
    yesterday = (today_of(shop.seller) - timedelta(days=1)).isoformat()
    answer = shop.post(f"{path}/change", {"plan": "large", "when": yesterday})
    assert (answer.status_code, errors_of(answer)) == (422, [("date_in_the_past", None)])


@pytest.mark.django_db(transaction=True)
def test_of_many_starts_at_once_with_one_key_one_counts() -> None:
    shop = Shop(open_seller())
    offer(shop)
    CustomerFactory(seller=shop.seller, external_id="shop-1")
    ready = threading.Barrier(6)
    answers: list[Any] = []

    def ask() -> None:
        try:
            ready.wait()
            body = {"customer": "external:shop-1", "plan": "small"}
            answers.append(shop.post("subscriptions", body, "one"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Subscription.objects.count() == Invoice.objects.count() == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert broken_invariants() == {}
