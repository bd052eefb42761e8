"""One-off items: billed now or with the regular bill, as was chosen; removed while they wait."""

from datetime import date
from typing import Any

import pytest

from billing.engine.errors import BillingError
from billing.events.models import Event
from billing.invoicing.actions import add_one_off, bill_customer, remove_one_off
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice, OneOffItem
from billing.subscriptions.models import Subscription
from customers.models import Customer
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db
NEXT = date(2026, 4, 1)


@pytest.fixture
def subscription() -> Subscription:
    """100.00 a month, billed for March."""
    seller = SellerFactory(tax=[])
    make_accounts(seller)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    subscription = SubscriptionFactory(customer=CustomerFactory(seller=seller), plan=plan)
    bill_due(seller, DAY)
    return subscription


@pytest.fixture
def customer(subscription: Subscription) -> Customer:
    return subscription.customer


def add(customer: Customer, amount_minor: int = 1_250, **more: Any) -> OneOffItem:
    return add_one_off(
        customer,
        currency="SEK",
        amount_minor=amount_minor,
        description="Installation",
        as_of=DAY,
        actor="user:anna",
        **more,
    )


def totals(customer: Customer) -> list[int]:
    return list(
        Invoice.objects.filter(customer=customer)
        .order_by("id")
        .values_list("total_minor", flat=True)
    )


def test_one_that_waits_comes_with_the_regular_bill(customer: Customer) -> None:
    add(customer, waits=True)
    assert bill_due(customer.seller, DAY).invoices == 0
    assert bill_customer(customer, as_of=DAY, actor="user:anna") == []
    bill_due(customer.seller, NEXT)
    assert totals(customer) == [10_000, 11_250]


def test_one_that_does_not_wait_is_billed_at_once(customer: Customer) -> None:
    add(customer)
    assert bill_due(customer.seller, DAY).invoices == 1
    assert totals(customer) == [10_000, 1_250]


def test_one_below_zero_reduces_the_regular_bill_whether_it_waits_or_not(
    customer: Customer,
) -> None:
    for waits in (True, False):
        add(customer, -1_000, waits=waits)
    assert bill_due(customer.seller, DAY).credit_notes == 0
    bill_due(customer.seller, NEXT)
    assert totals(customer) == [10_000, 8_000]


def test_nothing_waits_for_a_bill_that_never_comes(
    customer: Customer, subscription: Subscription
) -> None:
    add(customer, waits=True)
    Subscription.objects.filter(pk=subscription.pk).update(next_bill_on=None)
    with pytest.raises(BillingError) as refused:
        add(customer, waits=True)
    assert refused.value.code == "no_bill_to_come"
    # What has waited already is billed by itself then, rather than never.
    bill_due(customer.seller, DAY)
    assert totals(customer) == [10_000, 1_250]


def test_who_gets_a_bill_for_each_subscription_gets_what_waits_on_the_same_day(
    customer: Customer,
) -> None:
    Customer.objects.filter(pk=customer.pk).update(is_consolidated=False)
    add(customer, waits=True)
    bill_due(customer.seller, DAY)
    assert totals(customer) == [10_000]
    bill_due(customer.seller, NEXT)
    assert sorted(totals(customer)) == [1_250, 10_000, 10_000]


@pytest.mark.parametrize("kind", [{}, {"waits": True}, {"amount_minor": -500}])
def test_what_waits_can_be_removed(kind: dict[str, Any], customer: Customer) -> None:
    item = add(customer, **kind)
    remove_one_off(item, as_of=DAY, actor="user:anna")
    assert not OneOffItem.objects.exists()
    told = Event.objects.get(type="one_off_item.removed")
    assert (told.subject, told.actor) == (item.public_id, "user:anna")
    bill_due(customer.seller, NEXT)
    assert totals(customer) == [10_000, 10_000]


def test_what_is_billed_is_not_removed(customer: Customer) -> None:
    item = add(customer)
    bill_due(customer.seller, DAY)
    with pytest.raises(BillingError) as refused:
        remove_one_off(item, as_of=DAY, actor="user:anna")
    assert refused.value.code == "one_off_billed"
    assert OneOffItem.objects.get().line is not None
