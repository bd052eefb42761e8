"""How often, until when and by whom a coupon can be redeemed, at every door."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from billing.checkout.offers import create_order, find_coupon
from billing.engine.errors import Refused
from billing.subscriptions import actions, coupons
from billing.subscriptions.models import CouponRedemption, Subscription
from catalog.models import Coupon, Plan
from customers.models import Customer
from tests.factories import DAY, CouponFactory, CustomerFactory, PlanFactory, PriceFactory

pytestmark = pytest.mark.django_db
TOMORROW = DAY + timedelta(days=1)


@pytest.fixture
def plan() -> Plan:
    plan = PlanFactory()
    PriceFactory(plan=plan)
    return plan


@pytest.fixture
def customer(plan: Plan) -> Customer:
    return CustomerFactory(seller=plan.seller, email="asa@example.com")


@pytest.fixture
def subscription(plan: Plan, customer: Customer) -> Subscription:
    return actions.start(customer, plan, as_of=DAY, actor="test")


def coupon_of(plan: Plan, **limits: Any) -> Coupon:
    return CouponFactory(seller=plan.seller, code="WELCOME", **limits)


def redeem(customer: Customer, coupon: Coupon, on: date = DAY) -> CouponRedemption:
    return coupons.redeem_coupon(customer, coupon, as_of=on, actor="test")


def refusals(subscription: Subscription, coupon: Coupon, on: date) -> dict[str, str]:
    """What each door answers to a coupon on a day, by its name; empty where it is taken."""
    customer, plan = subscription.customer, subscription.plan
    doors: dict[str, Callable[[], object]] = {
        "the desk": lambda: redeem(customer, coupon, on),
        "the desk, for one subscription": lambda: coupons.redeem_coupon(
            customer, coupon, as_of=on, actor="test", subscription=subscription
        ),
        "the portal": lambda: coupons.coupon_for(subscription, coupon.code, as_of=on),
        "a start by API": lambda: actions.start(
            customer, plan, as_of=on, actor="test", coupons=[coupon]
        ),
        "a check by API": lambda: coupons.check_coupon(
            coupon, plan, subscription.currency, as_of=on
        ),
        "a checkout link": lambda: create_order(
            plan.seller, plan, as_of=on, actor="test", coupon=coupon
        ),
    }
    told = {}
    for name, knock in doors.items():
        with pytest.raises(Refused) as refused:
            knock()
        assert refused.value.message.startswith("The ")
        told[name] = refused.value.code
    return told


def test_a_coupon_can_be_redeemed_on_its_last_day_and_never_after_it(
    subscription: Subscription,
) -> None:
    coupon = coupon_of(subscription.plan, last_on=DAY)
    redeem(CustomerFactory(seller=subscription.seller), coupon)
    assert set(refusals(subscription, coupon, TOMORROW).values()) == {"coupon_over"}


def test_a_coupon_is_redeemed_as_often_as_it_can_be_and_no_more(
    subscription: Subscription,
) -> None:
    coupon = coupon_of(subscription.plan, uses_max=2)
    for _ in range(2):
        redeem(CustomerFactory(seller=subscription.seller), coupon)
    assert coupons.uses_of(coupon) == 2
    assert set(refusals(subscription, coupon, DAY).values()) == {"coupon_used_up"}


def test_a_discount_outlives_the_last_day_of_its_coupon(subscription: Subscription) -> None:
    coupon = coupon_of(subscription.plan, last_on=DAY, duration="forever")
    redemption = redeem(subscription.customer, coupon)
    assert (redemption.expires_on, redemption.removed_on) == (None, None)


def test_an_order_that_nobody_paid_has_used_nothing(plan: Plan, customer: Customer) -> None:
    coupon = coupon_of(plan, uses_max=1)
    ordered = actions.start(
        customer, plan, as_of=DAY, actor="test", coupons=[coupon], is_incomplete=True
    )
    with pytest.raises(Refused):
        redeem(CustomerFactory(seller=plan.seller), coupon)
    actions.abandon(ordered, as_of=DAY, actor="test")
    assert coupons.uses_of(coupon) == 0
    redeem(CustomerFactory(seller=plan.seller), coupon)


@pytest.mark.parametrize("is_once", [True, False])
def test_what_a_person_has_once_is_had_once_at_every_door(
    subscription: Subscription, is_once: bool
) -> None:
    coupon = coupon_of(subscription.plan, is_once_per_person=is_once)
    other = CustomerFactory(seller=subscription.seller, email="ASA+again@example.com")
    redeem(other, coupon)
    CouponRedemption.objects.update(is_spent=True)
    customer, plan = subscription.customer, subscription.plan
    doors: list[Callable[[], object]] = [
        lambda: coupons.coupon_for(subscription, coupon.code, as_of=DAY),
        lambda: redeem(customer, coupon),
        lambda: actions.start(customer, plan, as_of=DAY, actor="test", coupons=[coupon]),
    ]
    for knock in doors:
        if is_once:
            with pytest.raises(Refused) as refused:
                knock()
            assert refused.value.code == "coupon_used"
        else:
            knock()


def test_the_code_of_a_coupon_that_is_over_is_refused_at_the_checkout(
    plan: Plan,
) -> None:
    order, _ = create_order(plan.seller, plan, as_of=DAY, actor="test")
    coupon_of(plan, last_on=date(2001, 1, 1))
    with pytest.raises(Refused) as refused:
        find_coupon(order, "welcome")
    assert refused.value.code == "coupon_over"
