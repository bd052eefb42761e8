from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from billing.invoicing import actions as invoicing
from billing.invoicing import corrections, recognition, voiding
from billing.invoicing.models import Invoice
from billing.invoicing.recognition import recognize, recognized_until
from billing.ledger.models import Transfer
from billing.subscriptions import actions as subscriptions
from catalog.models import Plan, Price, Product
from customers.models import Customer, Seller

pytestmark = pytest.mark.django_db
ACTOR = "test"


@pytest.fixture
def invoice() -> Invoice:
    """A year from 1 January 2026, 365 days at 1.00 a day, billed ahead."""
    seller = Seller.objects.create(name="Acme", currency="EUR", time_zone="UTC", tax=[])
    product = Product.objects.create(seller=seller, name="Access")
    plan = Plan.objects.create(
        seller=seller, product=product, code="year", name="Year", interval_unit="year"
    )
    Price.objects.create(plan=plan, code="fee", currency="EUR", amount=Decimal("365"))
    customer = Customer.objects.create(seller=seller, name="Alice")
    start = date(2026, 1, 1)
    subscription = subscriptions.start(customer, plan, as_of=start, actor=ACTOR)
    return invoicing.bill_customer(customer, as_of=start, actor=ACTOR, subscription=subscription)[0]


def balances(seller: Seller) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for transfer in Transfer.objects.filter(seller=seller):
        sums[transfer.debit_account.role] += transfer.amount_minor
        sums[transfer.credit_account.role] -= transfer.amount_minor
    return dict(sums)


def test_each_completed_month_earns_its_days(invoice: Invoice) -> None:
    recognize(invoice.seller, as_of=date(2026, 2, 1))
    assert balances(invoice.seller)["revenue"] == -31_00
    recognize(invoice.seller, as_of=date(2026, 4, 15))
    assert balances(invoice.seller)["revenue"] == -90_00  # January to March: 31 + 28 + 31
    recognize(invoice.seller, as_of=date(2027, 1, 1))
    assert balances(invoice.seller)["revenue"] == -365_00
    assert balances(invoice.seller)["deferred_revenue"] == 0


def test_a_second_run_posts_nothing(invoice: Invoice) -> None:
    assert recognize(invoice.seller, as_of=date(2026, 3, 1)) == 1
    assert recognize(invoice.seller, as_of=date(2026, 3, 31)) == 0


def test_what_was_earned_on_a_voided_invoice_comes_back(invoice: Invoice) -> None:
    recognize(invoice.seller, as_of=date(2026, 3, 1))
    voiding.void(invoice, as_of=date(2026, 3, 5), actor=ACTOR)
    recognize(invoice.seller, as_of=date(2026, 4, 1))
    assert balances(invoice.seller)["revenue"] == 0
    assert balances(invoice.seller)["deferred_revenue"] == 0


def test_deferred_and_recognized_together_are_what_was_invoiced(invoice: Invoice) -> None:
    corrections.credit(invoice, as_of=date(2026, 5, 10), actor=ACTOR, amount_minor=100_01)
    recognize(invoice.seller, as_of=date(2026, 8, 1))
    sums = balances(invoice.seller)
    assert sums["revenue"] + sums["deferred_revenue"] == -(365_00 - 100_01)


def test_months_that_are_posted_are_not_looked_for_again(invoice: Invoice) -> None:
    assert recognized_until(invoice.seller) == date(2026, 1, 1)  # The day of the first bill.
    recognize(invoice.seller, as_of=date(2026, 4, 15))
    assert recognized_until(invoice.seller) == date(2026, 4, 1)
    recognize(invoice.seller, as_of=date(2026, 2, 1))
    assert recognized_until(invoice.seller) == date(2026, 4, 1)


def test_a_month_that_could_not_be_posted_is_tried_again(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(recognition, "_posted", lambda *_: 1 // 0)
        assert recognize(invoice.seller, as_of=date(2026, 2, 1)) == 0
    assert recognized_until(invoice.seller) == date(2026, 1, 1)
    assert recognize(invoice.seller, as_of=date(2026, 2, 1)) == 1
    assert recognized_until(invoice.seller) == date(2026, 2, 1)


def test_a_seller_who_has_billed_nothing_has_nothing_to_earn() -> None:
    assert recognized_until(Seller.objects.create(name="New", tax=[])) is None
