"""Two customers of one seller who are one person."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.invoicing.actions import add_one_off, bill_customer
from billing.invoicing.models import Invoice
from billing.merging.actions import merge
from billing.merging.moves import Moves
from billing.payments.booking import record_payment
from billing.payments.models import Payment, PaymentMethod
from billing.subscriptions import actions as subscriptions
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.models import Customer, Seller
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)

BY_ANNA: dict[str, Any] = {"as_of": DAY, "actor": "user:anna"}


def by(on: date) -> dict[str, Any]:
    return {"as_of": on, "actor": "user:anna"}


@dataclass
class Two:
    """``closing`` is to be merged into ``staying``; the plan is 310.00 a month, without tax."""

    seller: Seller
    plan: Plan
    closing: Customer
    staying: Customer

    def start(self, customer: Customer) -> Subscription:
        return subscriptions.start(customer, self.plan, **BY_ANNA)

    def bill(self, customer: Customer, on: date = DAY) -> Invoice:
        [invoice] = bill_customer(customer, **by(on))
        return invoice

    def sell(self, customer: Customer, amount_minor: int = 10_000) -> Invoice:
        add_one_off(
            customer, currency="SEK", amount_minor=amount_minor, description="Beans", **BY_ANNA
        )
        return self.bill(customer)

    def pay(self, invoice: Invoice, amount_minor: int | None = None) -> Payment:
        return record_payment(invoice, amount_minor=amount_minor, is_confirmed=True, **BY_ANNA)

    def card(self, customer: Customer, **fields: Any) -> PaymentMethod:
        number = PaymentMethod.objects.count()
        return PaymentMethod.objects.create(
            customer=customer,
            gateway="elsewhere",
            gateway_id=f"pm_{number}",
            gateway_customer=f"cu_{customer.pk}",
            last4=f"000{number}",
            **fields,
        )

    def merge(self, on: date = DAY) -> Moves:
        moved = merge(self.closing, self.staying, **by(on))
        self.closing.refresh_from_db()
        self.staying.refresh_from_db()
        return moved


@pytest.fixture
def two(db: None) -> Two:
    seller: Seller = SellerFactory(tax=[])
    make_accounts(seller)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan, amount=Decimal(310))
    closing, staying = (CustomerFactory(seller=seller) for _ in range(2))
    return Two(seller, plan, closing, staying)


LATER = DAY + timedelta(days=5)
