"""A change that is planned for a later day, and taken back."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.actions import bill_customer
from billing.subscriptions import actions
from billing.subscriptions.items import planned_change_on
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from tests.factories import CustomerFactory, PlanFactory, PriceFactory, SellerFactory

pytestmark = pytest.mark.django_db
START, TENTH, NEXT = date(2026, 1, 1), date(2026, 1, 10), date(2026, 2, 1)


@pytest.fixture
def plan() -> Plan:
    """10.00 a month for each seat, and two seats."""
    plan = PlanFactory(
        seller=SellerFactory(tax=[], currency="SEK", time_zone="UTC"), family="office"
    )
    seat = {"code": "seats", "model": "per_unit", "currency": "SEK", "quantity": 2}
    PriceFactory(plan=plan, amount=Decimal(10), **seat)
    return plan


@pytest.fixture
def yearly(plan: Plan) -> Plan:
    """200.00 a year, whatever the number."""
    yearly = PlanFactory(
        seller=plan.seller, product=plan.product, family="office", interval_unit="year"
    )
    PriceFactory(plan=yearly, code="year", amount=Decimal(200), currency="SEK")
    return yearly


@pytest.fixture
def subscription(plan: Plan) -> Subscription:
    customer = CustomerFactory(seller=plan.seller)
    subscription = actions.start(
        customer, plan, as_of=START, actor="test", quantities={"seats": Decimal(3)}
    )
    bill_customer(customer, as_of=START, actor="test")
    return subscription


def plan_change(subscription: Subscription, **asked: Any) -> None:
    actions.change(subscription, as_of=TENTH, actor="test", when="period_end", **asked)
    assert planned_change_on(subscription, TENTH) == NEXT


def undo(subscription: Subscription) -> Subscription:
    return actions.undo_change(subscription, as_of=TENTH + timedelta(1), actor="test")


def totals_of(subscription: Subscription, on: date) -> list[int]:
    issued = bill_customer(subscription.customer, as_of=on, actor="test")
    return [document.total_minor for document in issued]


@pytest.mark.parametrize("quantities", [{"seats": Decimal(7)}, {"seats": Decimal(0)}])
def test_a_planned_number_that_is_taken_back_is_never_billed(
    subscription: Subscription, quantities: Mapping[str, Decimal]
) -> None:
    plan_change(subscription, quantities=quantities)
    kept = undo(subscription)
    assert planned_change_on(kept, TENTH + timedelta(1)) is None
    assert kept.quantities == {"seats": "3"}
    assert totals_of(kept, TENTH + timedelta(1)) == []
    assert totals_of(kept, NEXT) == [30_00]


def test_a_planned_plan_that_is_taken_back_is_never_billed(
    subscription: Subscription, yearly: Plan
) -> None:
    plan_change(subscription, plan=yearly)
    kept = undo(subscription)
    assert kept.quantities == {"seats": "3"}
    assert kept.cycles.count() == 1
    assert totals_of(kept, NEXT) == [30_00]
    assert totals_of(kept, date(2026, 3, 1)) == [30_00]
    kept.refresh_from_db()
    assert kept.plan != yearly


def test_a_number_that_was_planned_and_replaced_does_not_come_with_what_replaces_it(
    subscription: Subscription, yearly: Plan
) -> None:
    """A change that names no number has the number that there is, not the one that was planned."""
    plan_change(subscription, quantities={"seats": Decimal(7)})
    actions.change(subscription, as_of=TENTH, actor="test")
    assert subscription.items.get(ends_on=None).quantity == 3
    assert totals_of(subscription, TENTH) == []
    assert totals_of(subscription, NEXT) == [30_00]


def test_what_is_undone_is_told_with_what_was_planned(
    subscription: Subscription, yearly: Plan
) -> None:
    plan_change(subscription, plan=yearly)
    undo(subscription)
    told = Event.objects.get(type="subscription.change_undone")
    assert told.data == {
        "plan": subscription.plan.code,
        "planned_plan": yearly.code,
        "planned_on": "2026-02-01",
    }


def test_where_nothing_is_planned_there_is_nothing_to_undo(
    subscription: Subscription, yearly: Plan
) -> None:
    with pytest.raises(Refused) as refused:
        undo(subscription)
    assert refused.value.code == "no_change_planned"
    plan_change(subscription, plan=yearly)
    bill_customer(subscription.customer, as_of=NEXT, actor="test")
    with pytest.raises(Refused) as refused:
        actions.undo_change(subscription, as_of=NEXT, actor="test")
    assert refused.value.code == "no_change_planned"
