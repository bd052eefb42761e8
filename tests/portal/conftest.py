from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.models import Customer, Seller
from tests.factories import CustomerFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of, sign_in, started

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    """Noon of the first day that the factories make."""
    with time_machine.travel(NOON, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(tax=[{"category": "S", "rate": "25"}], language="en")
    make_accounts(seller)
    return seller


@pytest.fixture
def plan(seller: Seller) -> Plan:
    return plan_of(seller, "310", name="Small")


@pytest.fixture
def larger(seller: Seller) -> Plan:
    return plan_of(seller, "620", name="Large")


@pytest.fixture
def customer(seller: Seller) -> Customer:
    return CustomerFactory(seller=seller)


@pytest.fixture
def subscription(customer: Customer, plan: Plan) -> Subscription:
    return started(customer, plan)


@pytest.fixture
def stranger(seller: Seller, plan: Plan) -> Customer:
    """Another customer of the same seller, with a subscription and an invoice."""
    stranger: Customer = CustomerFactory(seller=seller)
    started(stranger, plan)
    return stranger


@pytest.fixture
def visitor(client: Client, customer: Customer) -> Client:
    """A client in which the customer is signed in."""
    sign_in(client, customer)
    return client
