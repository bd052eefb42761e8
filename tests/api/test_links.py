"""Links that the API makes: told once, kept as hashes, and nobody is sent anywhere by them."""

from typing import Any

import pytest

from billing.api.models import IdempotentRequest
from billing.checkout.models import Order
from customers.calendar import now_of
from customers.links import Purpose, read_link
from customers.models import AccessLink, Customer
from tests.api.calling import Shop, errors_of
from tests.api.world import World
from tests.factories import CustomerFactory, SellerFactory


@pytest.fixture
def customer(shop: Shop) -> Customer:
    customer: Customer = CustomerFactory(seller=shop.seller)
    return customer


def test_a_portal_session_signs_in_its_customer_for_a_quarter_of_an_hour(
    shop: Shop, customer: Customer
) -> None:
    asked = {"customer": customer.public_id, "return_url": "https://rosteriet.example/account"}
    answer = shop.post("portal_sessions", asked)
    assert answer.status_code == 201
    token = answer.json()["url"].rstrip("/").rpartition("/")[2]
    link = read_link(token, Purpose.PORTAL, now=now_of(shop.seller))
    assert (link.customer, link.return_url) == (customer, asked["return_url"])


def test_no_token_is_kept_where_it_can_be_read(shop: Shop, customer: Customer) -> None:
    first = shop.post("portal_sessions", {"customer": customer.public_id}, "a")
    url = first.json()["url"]
    token = url.rstrip("/").rpartition("/")[2]
    assert token not in IdempotentRequest.objects.get().answer
    assert shop.post("portal_sessions", {"customer": customer.public_id}, "a").json()["url"] == url
    assert AccessLink.objects.count() == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://rosteriet.example/",
        "javascript:alert(1)",
        "https://user:pass@rosteriet.example/",
        "https://rosteriet.example\\@evil.example/",
        "//evil.example/",
        "https:///evil.example",
        "ftp://rosteriet.example/",
        "rosteriet.example",
    ],
)
def test_customers_are_sent_to_https_addresses_only(
    shop: Shop, customer: Customer, url: str
) -> None:
    asked = {"customer": customer.public_id, "return_url": url}
    answer = shop.post("portal_sessions", asked)
    assert answer.status_code in (400, 422)
    assert errors_of(answer)[0][1] == "return_url"
    assert not AccessLink.objects.exists()


def test_this_machine_will_do_for_tests_but_not_for_live_sellers(db: None) -> None:
    for is_live, status in ((False, 201), (True, 422)):
        seller = SellerFactory(is_live=is_live)
        asked = {
            "customer": CustomerFactory(seller=seller).public_id,
            "return_url": "http://127.0.0.1:3000/",
        }
        assert Shop(seller).post("portal_sessions", asked).status_code == status


def test_a_checkout_session_is_followed_by_its_id(shop: Shop) -> None:
    world = World(shop.seller)
    asked = {"plan": "small", "customer": world.named["customer"], "metadata": {"cart": "7"}}
    made = shop.post("checkout_sessions", asked, "a").json()
    assert made["url"].startswith("http") and "/pay/c/" in made["url"]
    token = made["url"].rstrip("/").rpartition("/")[2]
    assert token not in IdempotentRequest.objects.get().answer
    seen = shop.get(f"checkout_sessions/{made['id']}").json()
    assert seen == {name: value for name, value in made.items() if name != "url"}
    assert (seen["status"], seen["metadata"]) == ("open", {"cart": "7"})
    expired = shop.post(f"checkout_sessions/{made['id']}/expire", {}).json()
    assert expired["status"] == "expired"
    again = shop.post(f"checkout_sessions/{made['id']}/expire", {})
    assert (again.status_code, errors_of(again)) == (409, [("checkout_not_open", None)])


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ({"customer": "cus_" + "0" * 24}, 403, ("customer_not_publishable", "customer")),
        ({"success_url": "https://evil.example/"}, 422, ("return_url_refused", "success_url")),
    ],
)
def test_a_publishable_key_orders_for_strangers_and_leads_back_to_the_shop(
    shop: Shop, asked: dict[str, Any], status: int, expected: tuple[str, str]
) -> None:
    World(shop.seller)
    page = Shop(shop.seller, kind="publishable")
    before = Order.objects.count()
    refused = page.post("checkout_sessions", {"plan": "small", **asked})
    assert (refused.status_code, errors_of(refused)) == (status, [expected])
    assert Order.objects.count() == before
    home = {"plan": "small", "success_url": "https://rosteriet.example/thanks"}
    assert page.post("checkout_sessions", home).status_code == 201
