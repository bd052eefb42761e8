"""What a meter counts stands after each quantity, as it was on the day of issue."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import translation

from billing.invoicing import actions as invoicing
from billing.invoicing import corrections
from billing.invoicing.batch import bill_due
from billing.invoicing.documents import document_in_words
from billing.invoicing.models import Invoice, InvoiceLine
from billing.subscriptions import actions as subscriptions
from billing.usage.actions import record_usage
from billing.usage.models import Meter
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

pytestmark = pytest.mark.django_db
APRIL = date(2026, 4, 1)
TIERS: list[dict[str, str | None]] = [
    {"up_to": "10", "unit_amount": "249", "flat_amount": "0"},
    {"up_to": None, "unit_amount": "219", "flat_amount": "0"},
]


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    return seller


@pytest.fixture
def meter(seller: Seller) -> Meter:
    return Meter.objects.create(seller=seller, code="weight", name="Beans", unit="kg")


def by_weight(seller: Seller) -> Plan:
    plan: Plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan, code="fee", amount=Decimal(10))
    PriceFactory(
        plan=plan,
        code="weight",
        model="graduated",
        billing="in_arrears",
        meter="weight",
        tiers=TIERS,
        amount=Decimal(0),
    )
    return plan


def billed(seller: Seller, meter: Meter, quantity: str) -> Invoice:
    """The invoice of April, with what was used in March."""
    customer: Customer = CustomerFactory(seller=seller)
    subscription = subscriptions.start(customer, by_weight(seller), as_of=DAY, actor="test")
    invoicing.bill_customer(customer, as_of=DAY, actor="test")
    at = datetime(2026, 3, 5, 12, tzinfo=UTC)
    record_usage(subscription, meter, at=at, as_of=date(2026, 3, 6), quantity=Decimal(quantity))
    bill_due(seller, APRIL)
    return Invoice.objects.filter(customer=customer).latest("pk")


def used(invoice: Invoice) -> InvoiceLine:
    return invoice.lines.get(kind=InvoiceLine.Kind.USAGE)


def test_a_line_of_usage_says_what_was_counted(seller: Seller, meter: Meter) -> None:
    invoice = billed(seller, meter, "14")
    assert {line.kind: line.unit for line in invoice.lines.all()} == {
        "usage": "kg",
        "recurring": "",
    }
    with translation.override("sv"):
        said = document_in_words(invoice, "sv")["lines"]
    (line,) = [each for each in said if "kg" in each["quantity"]]
    assert line["quantity"].replace("\xa0", " ") == "14 kg"
    told = line["explained"].replace("\xa0", " ")
    assert told.endswith("10 kg × 249,00 + 4 kg × 219,00")


def test_an_issued_line_keeps_its_unit_whatever_the_meter_is_given(
    seller: Seller, meter: Meter
) -> None:
    invoice = billed(seller, meter, "14")
    meter.unit = "lb"
    meter.save()
    assert used(invoice).unit == "kg"
    corrections.credit(invoice, as_of=APRIL, actor="test")
    credited = InvoiceLine.objects.get(corrects=used(invoice))
    assert (credited.quantity, credited.unit) == (Decimal(14), "kg")


def test_nothing_used_is_nothing_of_the_unit(seller: Seller, meter: Meter) -> None:
    tiers = [TIERS[0] | {"flat_amount": "5"}, TIERS[1]]
    plan = by_weight(seller)
    plan.prices.filter(code="weight").update(tiers=tiers)
    customer: Customer = CustomerFactory(seller=seller)
    subscriptions.start(customer, plan, as_of=DAY, actor="test")
    bill_due(seller, APRIL)
    line = InvoiceLine.objects.get(kind=InvoiceLine.Kind.USAGE)
    assert (line.quantity, line.unit) == (Decimal(0), "kg")


def test_without_a_unit_a_quantity_stands_alone(seller: Seller, meter: Meter) -> None:
    Meter.objects.update(unit="")
    invoice = billed(seller, meter, "14")
    assert used(invoice).unit == ""
    with translation.override("en"):
        said = [line["quantity"] for line in document_in_words(invoice, "en")["lines"]]
    assert "14" in said
