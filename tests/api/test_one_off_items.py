"""One-off items over the API: billed now or with the next bill, asked again, and removed."""

from typing import Any

import pytest

from billing.invoicing.batch import bill_due
from billing.invoicing.models import OneOffItem
from tests.api.calling import Shop, errors_of
from tests.api.world import World
from tests.factories import ProductFactory


@pytest.fixture
def customer(shop: Shop) -> str:
    return World(shop.seller).named["customer"]


def add(shop: Shop, customer: str, amount_minor: int = 500, **asked: Any) -> Any:
    said = {"customer": customer, "currency": "SEK", "description": "Mug"}
    return shop.post("one_off_items", said | {"amount_minor": amount_minor} | asked)


@pytest.mark.parametrize(
    ("asked", "code", "attr"),
    [
        ({"amount_minor": 1_000_000_000}, "unusual_amount", "amount_minor"),
        ({"amount_minor": -1_000_000_000}, "unusual_amount", "amount_minor"),
        ({"amount_minor": 10**13, "confirm": True}, "amount_too_large", "amount_minor"),
        ({"currency": "AFN"}, "currency_not_used", "currency"),
        ({"revenue_account": "1510"}, "unknown_revenue_account", "revenue_account"),
    ],
)
def test_what_is_most_likely_a_mistake_is_refused(
    shop: Shop, customer: str, asked: dict[str, Any], code: str, attr: str
) -> None:
    before = OneOffItem.objects.count()
    answer = add(shop, customer, **asked)
    assert (answer.status_code, errors_of(answer)) == (422, [(code, attr)])
    assert OneOffItem.objects.count() == before
    if code == "unusual_amount":
        assert add(shop, customer, **asked, confirm=True).status_code == 201


def test_one_that_waits_can_be_removed_and_one_that_is_billed_cannot(
    shop: Shop, customer: str
) -> None:
    waiting = add(shop, customer, bill="with_next_bill").json()
    assert waiting["waits"] is True
    assert shop.send("DELETE", f"one_off_items/{waiting['id']}", None).status_code == 204
    assert shop.get(f"one_off_items/{waiting['id']}").status_code == 404
    billed = add(shop, customer).json()
    bill_due(shop.seller, OneOffItem.objects.get(public_id=billed["id"]).due_on)
    answer = shop.send("DELETE", f"one_off_items/{billed['id']}", None)
    assert (answer.status_code, errors_of(answer)) == (409, [("one_off_billed", None)])


def test_one_is_booked_on_the_account_of_a_product(shop: Shop, customer: str) -> None:
    ProductFactory(seller=shop.seller, revenue_account="3051")
    assert add(shop, customer, revenue_account="3051").json()["revenue_account"] == "3051"
    assert add(shop, customer).json()["revenue_account"] == "3041"
