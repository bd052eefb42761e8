"""A shop's own pages ask from the browser what a publishable key opens, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from billing.api.urls import urlpatterns
from billing.api.views import Endpoint
from tests.api.calling import Shop
from tests.api.conftest import open_seller
from tests.browsing import chromium
from tests.factories import PlanFactory, PriceFactory, ProductFactory

OPEN = {
    "plans",
    "plans/<str:plan>",
    "prices",
    "prices/<str:price>",
    "coupons/validate",
    "checkout_sessions",
}


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch, chromium() as browser:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield browser


ASK = """
async ([url, key, body]) => {
  const headers = { Authorization: `Bearer ${key}` };
  const options = { headers };
  if (body) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
    headers["Idempotency-Key"] = "cart";
  }
  try {
    const answer = await fetch(url, options);
    const replayed = answer.headers.get("Idempotency-Replayed");
    return [answer.status, await answer.json(), replayed];
  } catch (error) {
    return [0, String(error), null];
  }
}
"""


@pytest.mark.django_db(transaction=True)
def test_a_page_of_the_shop_orders_with_its_publishable_key(
    window: Browser, live_server: LiveServer
) -> None:
    seller = open_seller()
    plan = PlanFactory(seller=seller, product=ProductFactory(seller=seller))
    PriceFactory(plan=plan)
    shop = Shop(seller, kind="publishable")
    page = window.new_page()  # An empty page is of no origin, and so of another than Kvitt's.

    def ask(path: str, key: str, body: Any = None) -> Any:
        return page.evaluate(ASK, [f"{live_server.url}/api/v1/{path}", key, body])

    status, told, _ = ask("plans", shop.text)
    assert (status, [each["id"] for each in told["results"]]) == (200, [plan.public_id])
    status, made, _ = ask("checkout_sessions", shop.text, {"plan": plan.code})
    assert (status, made["plan"]) == (201, plan.public_id)
    assert ask("checkout_sessions", shop.text, {"plan": plan.code}) == [201, made, "true"]
    # It reads why it is refused, too.
    status, refused, _ = ask("coupons/validate", "pk_test_x", {"code": "X"})
    assert (status, refused["errors"][0]["code"]) == (401, "key_invalid")
    # What a publishable key does not open, no page may ask for, whatever key it has.
    assert ask("customers", Shop(seller).text)[0] == 0


@pytest.mark.django_db
def test_a_browser_is_told_what_it_may_send_without_a_key(shop: Shop) -> None:
    answer = shop.client.options("/api/v1/checkout_sessions")
    assert (answer.status_code, answer.content) == (204, b"")
    told = {name: answer.headers[f"Access-Control-{name}"] for name in ("Allow-Origin", "Max-Age")}
    assert told == {"Allow-Origin": "*", "Max-Age": "7200"}
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]


def test_the_addresses_that_pages_may_ask_are_these() -> None:
    found = set()
    for pattern in urlpatterns:
        view: Any = pattern.callback.view_class  # type: ignore[union-attr]
        assert issubclass(view, Endpoint)
        if view.is_for_pages():
            found.add(str(pattern.pattern))
    assert found == OPEN
