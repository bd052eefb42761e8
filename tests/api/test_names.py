"""What shops name by their own words: plans by code, customers and subscriptions by their ids."""

import pytest

from billing.subscriptions import actions
from customers.models import Seller
from tests.api.calling import Shop, errors_of
from tests.factories import DAY, CustomerFactory, PlanFactory, PriceFactory, ProductFactory

ACTOR = "user:anna"


@pytest.fixture
def plan(seller: Seller) -> object:
    plan = PlanFactory(
        seller=seller, product=ProductFactory(seller=seller), code="basic", features=["filter"]
    )
    PriceFactory(plan=plan)
    return plan


@pytest.mark.parametrize("name", ["public_id", "code"])
def test_a_plan_is_found_by_its_id_and_by_its_code_at_every_door(
    shop: Shop, plan: object, name: str
) -> None:
    customer = CustomerFactory(seller=shop.seller)
    begun = actions.start(customer, plan, as_of=DAY, actor=ACTOR)  # type: ignore[arg-type]
    key = getattr(plan, name)
    assert shop.get(f"plans/{key}").json()["code"] == "basic"
    listed = shop.get("subscriptions", plan=key).json()["results"]
    assert [each["id"] for each in listed] == [begun.public_id]
    assert len(shop.get("prices", plan=key).json()["results"]) == 1
    access = shop.get("access", customer=customer.public_id, plan=key).json()
    assert (access["access"], access["plan"]) == ("full", "basic")


@pytest.mark.parametrize(
    ("what", "name"), [("plan", "bsaic"), ("feature", "fliter"), ("plan", "pln_" + "0" * 24)]
)
def test_access_to_what_does_not_exist_is_no_quiet_none(
    shop: Shop, plan: object, what: str, name: str
) -> None:
    customer = CustomerFactory(seller=shop.seller)
    answer = shop.get("access", customer=customer.public_id, **{what: name})
    assert answer.status_code == 404
    assert errors_of(answer) == [("not_found", what)]


def test_who_has_nothing_of_what_exists_is_told_none(shop: Shop, plan: object) -> None:
    customer = CustomerFactory(seller=shop.seller)
    for asked in ({"plan": "basic"}, {"feature": "filter"}):
        answer = shop.get("access", customer=customer.public_id, **asked).json()
        assert (answer["access"], answer["reason"]) == ("none", "no_subscription")


@pytest.mark.parametrize("path", ["subscriptions", "prices"])
def test_a_list_is_not_filtered_by_a_plan_that_does_not_exist(shop: Shop, path: str) -> None:
    answer = shop.get(path, plan="bsaic")
    assert answer.status_code == 400
    assert errors_of(answer) == [("unknown_plan", "plan")]


def test_another_sellers_plan_does_not_exist(shop: Shop) -> None:
    foreign = PlanFactory(code="foreign")
    assert shop.get("plans/foreign").status_code == 404
    assert shop.get("subscriptions", plan=foreign.public_id).status_code == 400


@pytest.mark.parametrize(
    "external_id", ["order-17", "2026/17", "a/change", "a/change/preview", "å ä"]
)
def test_a_shops_own_id_opens_what_it_names(shop: Shop, plan: object, external_id: str) -> None:
    customer = CustomerFactory(seller=shop.seller, external_id=external_id)
    begun = actions.start(
        customer,
        plan,  # type: ignore[arg-type]
        external_id=external_id,
        as_of=DAY,
        actor=ACTOR,
    )
    assert shop.get(f"customers/external:{external_id}").json()["id"] == customer.public_id
    path = f"subscriptions/external:{external_id}"
    assert shop.get(path).json()["id"] == begun.public_id
    assert shop.post(f"{path}/cancel").json()["subscription"]["id"] == begun.public_id


def test_an_id_that_no_subscription_has_is_not_found(shop: Shop) -> None:
    for path in ("subscriptions/external:nobody", "customers/external:nobody"):
        assert shop.get(path).status_code == 404
    assert shop.post("subscriptions/external:nobody/cancel").status_code == 404
