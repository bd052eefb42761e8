"""A preview is what follows it, and leaves nothing behind."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.balances import give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.changes import SeenBill, bill_after, next_bill, preview
from billing.invoicing.models import Invoice, InvoiceLine
from billing.invoicing.number_series import NumberSeries
from billing.ledger.models import Transfer
from billing.subscriptions import actions as subscriptions
from billing.subscriptions.models import CouponRedemption, Subscription
from catalog.models import Plan
from customers.models import Customer, Seller
from tests.factories import (
    DAY,
    CouponFactory,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    return seller


def plan_of(seller: Seller, amount: str, **fields: Any) -> Plan:
    plan: Plan = PlanFactory(seller=seller, family="main", **fields)
    PriceFactory(plan=plan, code="fee", amount=amount)
    return plan


@pytest.fixture
def customer(seller: Seller) -> Customer:
    return CustomerFactory(seller=seller)


def started(customer: Customer, amount: str = "310") -> Subscription:
    plan = plan_of(customer.seller, amount)
    change = partial(subscriptions.start, customer, plan, as_of=DAY, actor="test")
    return bill_after(change, as_of=DAY, actor="test").subscription


def rows() -> Iterator[int]:
    for model in (Subscription, Invoice, InvoiceLine, Transfer, Event, Customer):
        yield model._base_manager.count()
    yield from NumberSeries.objects.values_list("next_number", flat=True)


def sums(bills: list[SeenBill]) -> list[tuple[date, int]]:
    return [(bill.on, bill.to_pay_minor) for bill in bills]


def test_a_new_subscription_is_previewed_with_the_bills_after_it(customer: Customer) -> None:
    change = partial(
        subscriptions.start, customer, plan_of(customer.seller, "310"), as_of=DAY, actor="test"
    )
    before = list(rows())
    seen = preview(change, as_of=DAY)
    assert list(rows()) == before
    assert sums(seen.today) == [(DAY, 38750)]
    assert sums(seen.upcoming) == [(date(2026, 4, 1), 38750), (date(2026, 5, 1), 38750)]


def test_a_preview_takes_the_same_few_statements_however_many_bills_there_were(
    customer: Customer,
) -> None:
    subscription = started(customer)
    larger = plan_of(customer.seller, "620")
    change = partial(subscriptions.change, subscription, plan=larger, as_of=DAY, actor="test")
    preview(change, as_of=DAY)  # What is made once: accounts, prices.
    sent = []
    for day in (DAY, date(2026, 6, 1)):
        bill_due(customer.seller, day)
        change = partial(subscriptions.change, subscription, plan=larger, as_of=day, actor="test")
        with CaptureQueriesContext(connection) as captured:
            preview(change, as_of=day)
        sent.append(statements(captured))
    few, many = sent
    assert len(few) == len(many) <= 55, "\n".join(["At first:", *few, "", "In June:", *many])


def statements(captured: CaptureQueriesContext) -> list[str]:
    """What was sent to the database, a line each."""
    return [" ".join(each["sql"].split())[:200] for each in captured.captured_queries]


def test_what_was_previewed_is_what_is_billed(customer: Customer) -> None:
    subscription = started(customer)
    on = DAY + timedelta(days=10)
    change = partial(
        subscriptions.change,
        subscription,
        as_of=on,
        actor="test",
        plan=plan_of(customer.seller, "620"),
    )
    before = list(rows())
    seen = preview(change, as_of=on)
    assert list(rows()) == before
    made = bill_after(change, as_of=on, actor="test")
    (document,) = made.documents
    (previewed,) = seen.today
    assert previewed.to_pay_minor == document.amount_due_minor > 0
    assert [line.net_minor for line in previewed.lines] == list(
        document.lines.order_by("position").values_list("net_minor", flat=True)
    )
    # 21 of 31 days at twice the price, less as many at the old one.
    assert seen.to_pay_today_minor == 26250


def test_what_comes_back_counts_below_zero(customer: Customer) -> None:
    subscription = started(customer)
    on = DAY + timedelta(days=10)
    change = partial(
        subscriptions.cancel, subscription, as_of=on, actor="test", when="now", is_credited=True
    )
    seen = preview(change, as_of=on)
    assert seen.to_pay_today_minor == -26250
    assert seen.upcoming == []


def test_a_trial_costs_nothing_today_and_its_first_bill_comes_next(customer: Customer) -> None:
    plan = plan_of(customer.seller, "310", trial_days=14)
    change = partial(subscriptions.start, customer, plan, as_of=DAY, actor="test")
    seen = preview(change, as_of=DAY)
    assert seen.today == []
    assert sums(seen.upcoming)[0] == (DAY + timedelta(days=14), 38750)


def test_a_change_that_is_refused_keeps_nothing(customer: Customer) -> None:
    subscription = started(customer)
    other = PlanFactory(seller=customer.seller, family="another")
    PriceFactory(plan=other)
    change = partial(subscriptions.change, subscription, as_of=DAY, actor="test", plan=other)
    before = list(rows())
    for attempt in (preview, partial(bill_after, actor="test")):
        with pytest.raises(Refused) as refused:
            attempt(change, as_of=DAY)
        assert refused.value.code == "plan_of_another_family"
    assert list(rows()) == before


def test_the_next_bill_has_all_subscriptions_or_the_one_asked_for(customer: Customer) -> None:
    first, _ = started(customer), started(customer, "100")
    on = DAY + timedelta(days=3)
    both = next_bill(customer, as_of=on)
    assert both is not None
    assert (both.on, both.to_pay_minor) == (date(2026, 4, 1), 51250)
    one = next_bill(customer, as_of=on, subscription=first)
    assert one is not None
    assert one.to_pay_minor == 38750


def test_who_has_canceled_gets_no_more_bills(customer: Customer) -> None:
    subscription = started(customer)
    subscriptions.cancel(subscription, as_of=DAY, actor="test")
    assert next_bill(customer, as_of=DAY) is None


def with_coupon(customer: Customer, **terms: Any) -> Subscription:
    coupon = CouponFactory(seller=customer.seller, percent_off=15, **terms)
    return subscriptions.start(
        customer, plan_of(customer.seller, "100"), as_of=DAY, actor="test", coupons=[coupon]
    )


@pytest.mark.parametrize(
    ("terms", "from_on"),
    [
        ({"duration": "repeating", "periods": 3}, date(2026, 6, 1)),
        ({"duration": "repeating", "periods": 1}, date(2026, 4, 1)),
        ({"duration": "once"}, None),
        ({"duration": "forever"}, None),
    ],
)
def test_a_preview_tells_what_it_costs_when_the_discount_has_ended(
    customer: Customer, terms: dict[str, Any], from_on: date | None
) -> None:
    seen = preview(partial(with_coupon, customer, **terms), as_of=DAY)
    full_price = seen.full_price
    if from_on is None or from_on == date(2026, 4, 1):
        assert full_price is None
        return
    assert full_price is not None
    assert [bill.to_pay_minor for bill in seen.upcoming] == [10625, 10625]
    assert (full_price.from_on, full_price.bill.to_pay_minor) == (from_on, 12500)
    assert not CouponRedemption.objects.exists()


def test_a_discount_that_another_subscription_has_for_a_time_ends_nothing_here(
    customer: Customer,
) -> None:
    started(customer)
    other = with_coupon(customer, duration="repeating", periods=3)
    mine = with_coupon(customer, duration="forever")
    bill_due(customer.seller, DAY)  # Which fixes the day on which the other's ends.
    bill = next_bill(customer, as_of=DAY, subscription=mine)
    assert bill is not None
    assert bill.full_price is None
    bill = next_bill(customer, as_of=DAY, subscription=other)
    assert bill is not None
    assert bill.full_price is not None


def test_what_it_costs_later_is_not_lowered_by_what_a_balance_pays(customer: Customer) -> None:
    started(customer)  # A currency that the customer uses.
    give_credit(
        customer,
        currency="SEK",
        amount_minor=200_000,
        description="A gift",
        as_of=DAY,
        actor="test",
        is_confirmed=True,
    )
    change = partial(with_coupon, customer, duration="repeating", periods=3)
    seen = preview(change, as_of=DAY)
    assert seen.full_price is not None
    assert (seen.full_price.bill.to_pay_minor, seen.full_price.amount_minor) == (0, 12500)


def test_a_discount_of_the_first_bill_after_a_trial_ends_with_it(customer: Customer) -> None:
    coupon = CouponFactory(seller=customer.seller, percent_off=15, duration="once")
    plan = plan_of(customer.seller, "100", trial_days=14)
    change = partial(subscriptions.start, customer, plan, as_of=DAY, actor="test", coupons=[coupon])
    seen = preview(change, as_of=DAY, bills_ahead=1)
    assert seen.full_price is not None
    assert sums([seen.upcoming[0], seen.full_price.bill]) == [
        (date(2026, 3, 15), 10625),
        (date(2026, 4, 15), 12500),
    ]
    assert seen.full_price.from_on == date(2026, 4, 15)
