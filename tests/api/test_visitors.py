"""One visitor of a shop's pages takes nothing from another, and guesses no codes."""

import json
from typing import Any

import pytest

from billing.api import keys
from customers.models import Seller
from tests.api.calling import Shop
from tests.factories import CouponFactory

HERE, THERE = "198.51.100.5", "203.0.113.66"


@pytest.fixture(autouse=True)
def behind_a_proxy(settings: Any) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1


@pytest.fixture
def page(seller: Seller) -> Shop:
    return Shop(seller, kind="publishable", burst=5, per_s=1)


def statuses(shop: Shop, address: str, times: int) -> list[int]:
    headers = shop.headers(**{"X-Forwarded-For": address})
    return [shop.client.get("/api/v1/plans", headers=headers).status_code for _ in range(times)]


def validate(shop: Shop, address: str, code: str) -> Any:
    return shop.client.post(
        "/api/v1/coupons/validate",
        json.dumps({"code": code}),
        content_type="application/json",
        headers=shop.headers(**{"X-Forwarded-For": address}),
    )


def test_who_uses_up_a_publishable_key_uses_it_up_for_nobody_else(page: Shop) -> None:
    assert 429 in statuses(page, THERE, 12)
    assert statuses(page, HERE, 4) == [200] * 4


def test_a_visitor_is_told_when_to_come_back(page: Shop) -> None:
    headers = page.headers(**{"X-Forwarded-For": THERE})
    answers = [page.client.get("/api/v1/plans", headers=headers) for _ in range(12)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused["Retry-After"]) >= 1
    assert refused["RateLimit"] == f'"requests";r=0;t={refused["Retry-After"]}'
    assert answers[0]["RateLimit-Policy"] == '"requests";q=5;w=5'
    assert answers[0]["RateLimit"].startswith('"requests";r=3;')


def test_a_secret_key_has_one_budget_wherever_it_is_used(seller: Seller) -> None:
    shop = Shop(seller, burst=5, per_s=1)
    assert 429 in statuses(shop, THERE, 12)
    assert 429 in statuses(shop, HERE, 3)


def test_coupon_codes_are_not_guessed_without_end(seller: Seller) -> None:
    page = Shop(seller, kind="publishable")
    CouponFactory(seller=seller, code="WELCOME")
    for number in range(keys.CODES):
        assert validate(page, THERE, f"GUESS{number}").json()["is_valid"] is False
    refused = validate(page, THERE, "WELCOME")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) == 100
    assert validate(page, HERE, "WELCOME").json()["is_valid"] is True


def test_codes_that_exist_are_asked_for_as_often_as_one_likes(seller: Seller) -> None:
    page = Shop(seller, kind="publishable")
    CouponFactory(seller=seller, code="WELCOME")
    for _ in range(keys.CODES + 5):
        assert validate(page, THERE, "WELCOME").json()["is_valid"] is True
