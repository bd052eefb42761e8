"""Lists and pages hold what is one's own, and nothing beside it: compared by ids."""

import re
from typing import Any

import pytest

from billing.events.models import Event
from billing.invoicing.models import CreditNote, Invoice, OneOffItem
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from billing.usage.models import UsageRecord
from billing.webhooks.models import WebhookEndpoint
from catalog.models import Plan, Price
from customers.models import Customer, Seller, TestClock
from tests.api.calling import Shop
from tests.api.world import Asked, requests
from tests.api.world import World as ShopWorld
from tests.matrix.addresses import filled
from tests.matrix.asking import Actors, undone, word_of
from tests.matrix.conftest import open_shop
from tests.matrix.expecting import EXPECTED, values_of
from tests.matrix.world import World

pytestmark = pytest.mark.django_db

ID = re.compile(r"\b(?:cus|sub|inv|cn|pay|pm|ooi|ord|plan|prc)_[0-9a-z]{12,}\b")
# The lists of the API, and how a row of each is a seller's.
LISTS: dict[str, tuple[Any, str]] = {
    "customers": (Customer, "seller"),
    "plans": (Plan, "seller"),
    "prices": (Price, "plan__seller"),
    "subscriptions": (Subscription, "seller"),
    "invoices": (Invoice, "seller"),
    "credit_notes": (CreditNote, "seller"),
    "payments": (Payment, "seller"),
    "one_off_items": (OneOffItem, "seller"),
    "usage": (UsageRecord, "subscription__seller"),
    "events": (Event, "seller"),
    "webhook_endpoints": (WebhookEndpoint, "seller"),
    "test_clocks": (TestClock, "seller"),
}


def test_every_list_of_the_api_is_compared() -> None:
    rows = EXPECTED["api"]["addresses"]
    lists = {name for name, row in rows.items() if "GET" in row and "<" not in name}
    assert lists - {"access", "usage/periods"} == set(LISTS)


def ids_of(seller: Seller, name: str) -> set[str]:
    model, way = LISTS[name]
    owner = seller.public_id if model in (Event, WebhookEndpoint) else seller.pk
    rows = model.objects.filter(**{way: owner})
    if model is Invoice:
        rows = rows.filter(kind="invoice")
    if model is Event:  # Those that have been fanned out.
        rows = rows.filter(sequence__isnull=False)
    return set(rows.values_list("public_id", flat=True))


@pytest.mark.parametrize("name", LISTS)
def test_a_key_lists_its_own_sellers_rows(house: World, actors: Actors, name: str) -> None:
    for actor, seller in (("key", house.seller), ("another's key", house.other)):
        if name == "test_clocks" and seller.is_live:
            continue
        listed = actors.ask(actor, "GET", f"/api/v1/{name}?limit=100").json()["results"]
        own = ids_of(seller, name)
        assert own
        assert {row["id"] for row in listed} == own


def test_a_customers_pages_name_nothing_of_anybody_elses(house: World, actors: Actors) -> None:
    """All pages that A, B and who has a link to one subscription get, as they are drawn."""
    seen = set()
    own = {"A": house.a.ids, "B": house.b.ids, "A, one only": house.a.ids}
    strangers = house.b.ids | house.c.ids
    for route, row in EXPECTED["addresses"].items():
        if not route.startswith("portal/") or "GET" not in row or "token" in route:
            continue
        path = filled(route, values_of(route, house))
        for actor, ids in own.items():
            answer = actors.ask(actor, "GET", path)
            if word_of(answer) != "in" or "pdf" in path or "receipt" in path:
                continue
            text = b"".join(answer).decode() if answer.streaming else answer.content.decode()
            named = {each for each in ID.findall(text) if each not in path}
            seen |= named
            foreign = (strangers | house.a.ids) - ids
            assert not named & foreign, (actor, path)
            for other in (house.b.customer, house.c.customer):
                if other.public_id not in ids:
                    assert other.email not in text
                    assert other.name not in text
    assert house.a.ids & seen
    assert house.b.ids & seen


def test_who_is_nobody_is_told_nothing_of_an_object(house: World, actors: Actors) -> None:
    """Nor is the other customer, where the address names an object of A's."""
    a = house.a.customer
    for route in EXPECTED["addresses"]:
        if not route.startswith(("portal/", "pay/")) or "token" in route or "pdf" in route:
            continue
        path = filled(route, values_of(route, house))
        for actor in ("anonymous", "B", "A, signed out", "key"):
            answer = actors.ask(actor, "GET", path)
            text = b"".join(answer).decode() if answer.streaming else answer.content.decode()
            assert a.name not in text and a.email not in text, (actor, path)
            told = {each for each in ID.findall(text) if each not in path}
            assert not told & house.a.ids, (actor, path)


# What is another seller's cannot be named in a request either


@pytest.fixture
def shops(db: None) -> tuple[Shop, ShopWorld, ShopWorld]:
    own, other = open_shop(), open_shop()
    return Shop(own), ShopWorld(own), ShopWorld(other)


def test_no_request_reaches_another_sellers_objects(
    shops: tuple[Shop, ShopWorld, ShopWorld],
) -> None:
    shop, own, other = shops
    asked = requests(other)
    named = set(other.named.values())
    tried = 0
    for name, request in asked.items():
        if not names_one_of(request, named) or name == "record_usage_batch":
            continue  # A batch answers record by record: see below.
        tried += 1
        with undone():
            answer = shop.send(request.method, request.path, request.body)
            assert answer.status_code in (404, 422, 400), (name, answer.status_code)
            told = set(ID.findall(answer.content.decode()))
            assert not told & named - set(ID.findall(f"{request.path} {request.body}")), name
            assert not Event.objects.filter(actor__contains=shop.key.public_id).exists(), name
    assert tried > 20
    # The same request for one's own is met.
    mine = requests(own)["get_customer"]
    assert shop.get(mine.path).status_code == 200


def names_one_of(request: Asked, ids: set[str]) -> bool:
    return any(each in f"{request.path} {request.body}" for each in ids)


def test_a_record_of_usage_for_another_sellers_subscription_is_refused_alone(
    shops: tuple[Shop, ShopWorld, ShopWorld],
) -> None:
    shop, own, other = shops
    record = {"meter": "calls", "quantity": "1"}
    answer = shop.post(
        "usage/batch",
        {
            "records": [
                {**record, "key": "1", "subscription": own.named["subscription"]},
                {**record, "key": "2", "subscription": other.named["subscription"]},
            ]
        },
    )
    assert answer.status_code == 200
    assert [row["status"] for row in answer.json()["results"]][0] == "recorded"
    assert "recorded" not in [row["status"] for row in answer.json()["results"]][1:]
    assert not UsageRecord.objects.filter(subscription__seller=other.seller).exists()
