from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import pytest

from billing.engine.errors import Refused
from billing.invoicing.actions import bill_customer
from billing.invoicing.changes import bill_after, preview
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import coupons
from catalog.models import Plan, Price
from customers.persons import person_of
from tests.factories import CouponFactory, CustomerFactory, PlanFactory, PriceFactory, SellerFactory

pytestmark = pytest.mark.django_db
START = date(2026, 1, 1)


@pytest.fixture
def plan() -> Plan:
    plan = PlanFactory(seller=SellerFactory(tax=[], currency="SEK", time_zone="UTC"))
    PriceFactory(plan=plan, code="fee", amount=Decimal("31"), currency="SEK")
    return plan


def test_a_change_to_the_same_plan_moves_to_the_price_that_it_has_now(plan: Plan) -> None:
    customer = CustomerFactory(seller=plan.seller)
    subscription = subscriptions.start(customer, plan, as_of=START, actor="test")
    bill_customer(customer, as_of=START, actor="test")
    Price.objects.filter(plan=plan).update(is_active=False)
    PriceFactory(plan=plan, code="fee", amount=Decimal("62"), currency="SEK")
    on = START + timedelta(15)
    subscriptions.change(subscription, plan=plan, as_of=on, actor="test")
    [bill] = bill_customer(customer, as_of=on, actor="test")
    # 16 of 31 days: 32.00 for the new price less 16.00 for the old.
    assert bill.total_minor == 16_00


def test_a_price_that_was_only_looked_at_may_change_before_it_is_used(plan: Plan) -> None:
    """A preview uses the price and takes that back: nothing of it is kept."""
    customer = CustomerFactory(seller=plan.seller)
    start = partial(subscriptions.start, customer, plan, as_of=START, actor="test")
    assert preview(start, as_of=START).to_pay_today_minor == 31_00
    Price.objects.filter(plan=plan).update(amount=Decimal(62))
    [bill] = bill_after(start, as_of=START, actor="test").documents
    assert bill.total_minor == 62_00


def test_a_change_that_changes_nothing_is_refused(plan: Plan) -> None:
    customer = CustomerFactory(seller=plan.seller)
    subscription = subscriptions.start(customer, plan, as_of=START, actor="test")
    for asked in ({"plan": plan}, {"quantities": {"fee": Decimal(1)}}):
        with pytest.raises(Refused) as refused:
            subscriptions.change(subscription, as_of=START, actor="test", **asked)
        assert refused.value.code == "nothing_to_change"


def test_a_coupon_of_another_plan_is_refused_at_the_start_and_when_it_is_given(plan: Plan) -> None:
    customer = CustomerFactory(seller=plan.seller)
    other = CouponFactory(seller=plan.seller, plans=["another"])
    with pytest.raises(Refused, match="would take nothing off"):
        subscriptions.start(customer, plan, as_of=START, actor="test", coupons=[other])
    subscription = subscriptions.start(customer, plan, as_of=START, actor="test")
    for owner in (subscription, None):
        with pytest.raises(Refused) as refused:
            coupons.redeem_coupon(customer, other, subscription=owner, as_of=START, actor="test")
        assert refused.value.code == "coupon_of_another_plan"


@pytest.mark.parametrize(
    "email",
    ["twice@example.com", " Twice@Example.com", "twice+more@EXAMPLE.com", "twice+@example.com"],
)
def test_a_person_is_told_by_their_address_in_any_case_and_without_its_plus_part(
    email: str,
) -> None:
    assert person_of(email) == "twice@example.com"
