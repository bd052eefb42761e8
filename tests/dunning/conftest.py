from collections.abc import Callable
from datetime import date, timedelta

import pytest

from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from customers.models import Seller
from dunning.cases import close_where_settled, open_cases, step_due
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)

# Customers have two weeks to pay.
DUE = DAY + timedelta(days=14)


@pytest.fixture
def seller(db: None) -> Seller:
    seller: Seller = SellerFactory(country="SE", tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    return seller


@pytest.fixture
def owing(seller: Seller) -> Callable[..., Invoice]:
    """Make an open invoice of a new customer, due on :data:`DUE`."""

    def make(**fields: object) -> Invoice:
        customer = CustomerFactory(seller=seller, **fields)
        plan = PlanFactory(seller=seller)
        PriceFactory(plan=plan)
        SubscriptionFactory(customer=customer, plan=plan)
        bill_due(seller, DAY)
        return Invoice.objects.get(customer=customer)

    return make


def sweep(seller: Seller, on: date) -> int:
    """What the tick does on a day; how many steps were taken."""
    close_where_settled(seller, on, "test")
    open_cases(seller, on, "test")
    steps = 0
    while taken := step_due(seller, on, "test"):
        steps += taken
    return steps


def live_through(seller: Seller, first: date, last: date) -> None:
    for day in range((last - first).days + 1):
        sweep(seller, first + timedelta(days=day))
