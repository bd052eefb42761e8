"""May customer X use Y: asked of the agreement's own days."""

from datetime import date, timedelta
from typing import Any

import pytest

from billing.subscriptions import actions, pausing
from billing.subscriptions.entitlements import entitlement
from billing.subscriptions.models import Subscription
from customers.models import Customer, Seller
from tests.api.calling import Shop, errors_of
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
    SubscriptionFactory,
)

ACTOR = "user:anna"
WEEK = timedelta(days=7)


@pytest.fixture
def customer(seller: Seller) -> Customer:
    """Of plans small (filter) and large (filter, espresso), both of one family."""
    product = ProductFactory(seller=seller)
    for code, features in (("small", ["filter"]), ("large", ["filter", "espresso"])):
        plan = PlanFactory(
            seller=seller, product=product, code=code, family="coffee", features=features
        )
        PriceFactory(plan=plan)
    customer: Customer = CustomerFactory(seller=seller)
    return customer


def begun(customer: Customer, code: str = "small", **asked: Any) -> Subscription:
    plan = customer.seller.plans.get(code=code)
    return actions.start(customer, plan, as_of=DAY, actor=ACTOR, **asked)


def asked(customer: Customer, on: date = DAY, **what: str) -> tuple[Any, ...]:
    found = entitlement(customer, as_of=on, **what)
    return found.access, found.reason, found.since, found.until


def test_who_has_nothing_may_use_nothing(customer: Customer) -> None:
    assert asked(customer, feature="filter") == ("none", "no_subscription", None, None)


def test_a_plan_and_its_features_may_be_used_and_no_others(customer: Customer) -> None:
    begun(customer)
    may, may_not = ("full", "active", DAY, None), ("none", "no_subscription", None, None)
    assert asked(customer, plan="small") == asked(customer, feature="filter") == may
    assert asked(customer, plan="large") == asked(customer, feature="espresso") == may_not


def test_a_trial_counts(customer: Customer) -> None:
    begun(customer, trial_days=14)
    assert asked(customer, plan="small") == ("full", "trialing", DAY, None)
    assert asked(customer, DAY + 2 * WEEK, plan="small") == ("full", "active", DAY, None)


def test_an_end_is_told_before_and_after_it_comes(customer: Customer) -> None:
    end = DAY + WEEK
    actions.cancel(begun(customer), as_of=DAY, actor=ACTOR, when=end)
    assert asked(customer, plan="small") == ("full", "active", DAY, end)
    assert asked(customer, end, plan="small") == ("none", "ended", end, None)


def test_a_pause_takes_access_until_it_ends(customer: Customer) -> None:
    until = DAY + WEEK
    pausing.pause(begun(customer), as_of=DAY, actor=ACTOR, until=until)
    assert asked(customer, plan="small") == ("none", "paused", DAY, until)
    assert asked(customer, until, plan="small") == ("full", "active", until, None)


def test_a_feature_that_two_plans_have_is_had_through_a_change(customer: Customer) -> None:
    on = DAY + WEEK
    large = customer.seller.plans.get(code="large")
    actions.change(begun(customer), as_of=DAY, actor=ACTOR, plan=large, when=on)
    assert asked(customer, plan="small") == ("full", "active", DAY, on)
    assert asked(customer, plan="large") == ("none", "not_started", None, on)
    assert asked(customer, feature="filter") == ("full", "active", DAY, None)
    assert asked(customer, on, feature="filter") == ("full", "active", DAY, None)
    assert asked(customer, on, plan="small") == ("none", "ended", None, None)
    assert asked(customer, on, plan="large") == ("full", "active", on, None)


@pytest.mark.parametrize("access", ["restricted", "none"])
def test_late_payment_restricts(customer: Customer, access: str) -> None:
    subscription = begun(customer)
    Subscription.objects.filter(pk=subscription.pk).update(access=access)
    assert asked(customer, plan="small") == (access, "late_payment", DAY, None)


def test_of_two_subscriptions_the_better_counts(customer: Customer) -> None:
    worse = begun(customer)
    Subscription.objects.filter(pk=worse.pk).update(access="none")
    begun(customer, "large")
    assert asked(customer, feature="filter")[:2] == ("full", "active")


def test_the_api_answers_with_the_reason(shop: Shop) -> None:
    plan = PlanFactory(seller=shop.seller, code="small", features=["filter"])
    customer = CustomerFactory(seller=shop.seller, external_id="shop-1")
    subscription = SubscriptionFactory(customer=customer, plan=plan)
    answer = shop.get("access", customer="external:shop-1", feature="filter").json()
    assert answer == {
        "customer": customer.public_id,
        "plan": None,
        "feature": "filter",
        "access": "full",
        "reason": "active",
        "since": DAY.isoformat(),
        "until": None,
        "subscription": subscription.public_id,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"plan": "small"}, ("required", "customer")),
        ({"customer": "external:shop-1"}, ("required", "plan")),
        ({"customer": "external:shop-1", "plan": "a", "feature": "b"}, ("required", "plan")),
        ({"customer": "external:nobody", "plan": "a"}, ("not_found", "customer")),
    ],
)
def test_what_is_not_asked_whole_is_refused(
    shop: Shop, query: dict[str, str], expected: tuple[str, str | None]
) -> None:
    CustomerFactory(seller=shop.seller, external_id="shop-1")
    assert errors_of(shop.get("access", **query)) == [expected]
