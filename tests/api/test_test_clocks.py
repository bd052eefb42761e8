"""Test clocks over the API: made for test sellers, asked to advance, and played by a worker."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from billing.events.models import Event
from billing.schedule.test_clocks import advance_all
from customers.models import TestClock
from tests.api.calling import Shop, errors_of
from tests.factories import CustomerFactory, PlanFactory, PriceFactory, SellerFactory

pytestmark = [pytest.mark.django_db]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.mark.django_db(transaction=True)
def test_a_clock_is_advanced_and_a_subscription_renewed() -> None:
    shop = Shop(SellerFactory(tax=[]))
    customer = CustomerFactory(seller=shop.seller)
    plan = PlanFactory(seller=shop.seller)
    PriceFactory(plan=plan, amount=Decimal(100))
    made = shop.post("test_clocks").json()
    assert made == {
        "id": made["id"],
        "at": "2026-03-01T12:00:00Z",
        "status": "ready",
        "advancing_to": None,
        "recorded_at": made["recorded_at"],
    }
    body = {"customer": customer.public_id, "plan": plan.public_id}
    started = shop.post("subscriptions", body)
    assert started.status_code == 201, started.content
    asked = shop.post(f"test_clocks/{made['id']}/advance", {"to": "2026-04-02T12:00:00+02:00"})
    assert asked.status_code == 202
    assert (asked.json()["status"], asked.json()["advancing_to"]) == (
        "advancing",
        "2026-04-02T10:00:00Z",
    )
    # A hint for the worker, which does what the next tick would do as well.
    assert [hint.func() for hint in OrmQ.objects.all()] == [
        "billing.schedule.test_clocks.advance_all"
    ]
    advance_all()
    there = shop.get(f"test_clocks/{made['id']}").json()
    assert (there["status"], there["at"]) == ("ready", "2026-04-02T10:00:00Z")
    days = [invoice["issued_on"] for invoice in shop.get("invoices").json()["results"]]
    assert days == ["2026-04-01", "2026-03-01"]


def test_a_key_of_a_live_seller_is_refused() -> None:
    live = Shop(SellerFactory(live=True))
    clock = TestClock.objects.create(seller=SellerFactory(), at=NOON)
    path = f"test_clocks/{clock.public_id}"
    answers = [
        live.get("test_clocks"),
        live.post("test_clocks"),
        live.get(path),
        live.post(f"{path}/advance", {"to": "2026-04-01T00:00:00Z"}),
    ]
    for answer in answers:
        assert (answer.status_code, errors_of(answer)) == (403, [("seller_is_live", None)])
    assert TestClock.objects.count() == 1


@pytest.mark.parametrize(
    ("to", "status", "code"),
    [
        ("2026-02-28T00:00:00Z", 422, "clock_goes_back"),
        ("2028-03-05T00:00:00Z", 422, "clock_goes_too_far"),
        ("2026-04-01T00:00:00", 400, "invalid"),
        ("tomorrow", 400, "invalid"),
        ("2026-04-01", 400, "invalid"),
        (7, 400, "invalid"),
        (None, 400, "null"),
    ],
)
def test_where_a_clock_cannot_go_is_refused(shop: Shop, to: Any, status: int, code: str) -> None:
    made = shop.post("test_clocks").json()
    answer = shop.post(f"test_clocks/{made['id']}/advance", {"to": to})
    assert (answer.status_code, errors_of(answer)[0][0]) == (status, code)
    assert TestClock.objects.get().at == NOON


def test_another_sellers_clock_is_not_there_and_a_second_one_is_refused(shop: Shop) -> None:
    other = Shop(SellerFactory())
    theirs = other.post("test_clocks").json()
    assert shop.get(f"test_clocks/{theirs['id']}").status_code == 404
    to = {"to": "2026-04-01T00:00:00Z"}
    assert shop.post(f"test_clocks/{theirs['id']}/advance", to).status_code == 404
    assert shop.get("test_clocks").json()["results"] == []
    assert other.post("test_clocks").status_code == 409


def test_a_key_knows_its_sellers_clock_without_asking_again(shop: Shop) -> None:
    """The day of a request is that of the clock, in as many queries as without one."""

    def make_customer() -> tuple[int, str]:
        with CaptureQueriesContext(connection) as captured:
            answer = shop.post("customers", {"name": "Åsa Öberg"})
        assert answer.status_code == 201
        public_id: str = answer.json()["id"]
        return len(captured), public_id

    make_customer()
    before, _ = make_customer()
    TestClock.objects.create(seller=shop.seller, at=NOON + timedelta(days=100))
    after, public_id = make_customer()
    assert after == before
    assert Event.objects.get(subject=public_id).occurred_on == (NOON + timedelta(days=100)).date()
