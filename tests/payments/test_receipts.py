"""Receipts: what a payment has paid, on paper, and none for what has paid nothing."""

from typing import Any

import pytest
from django.test import Client

from billing.engine.errors import Refused
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.payments import receipts
from billing.payments.booking import record_failure, record_payment
from billing.payments.giving_back import reopen
from customers.models import Seller
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


@pytest.fixture
def invoice() -> Invoice:
    seller: Seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    customer = CustomerFactory(seller=seller, language="sv", name="Åsa Öberg")
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    SubscriptionFactory(customer=customer, plan=plan)
    bill_due(seller, DAY, actor="test")
    return Invoice.objects.get(seller=seller)


def _words(page: str) -> str:
    return " ".join(page.replace("\N{NO-BREAK SPACE}", " ").split())


def test_it_says_what_was_paid_when_and_for_which_invoice(invoice: Invoice) -> None:
    payment = record_payment(invoice, as_of=DAY, actor="test")
    page = _words(receipts.html_of(payment))
    assert "Kvitto" in page
    assert "Åsa Öberg" in page
    assert payment.public_id in page
    assert f"{invoice.number} " in page
    assert "Banköverföring" in page
    assert "varav moms" in page


def test_money_beyond_the_invoice_is_shown_as_balance(invoice: Invoice) -> None:
    amount_minor = invoice.left_minor + 5000
    payment = record_payment(invoice, as_of=DAY, actor="test", amount_minor=amount_minor)
    assert 'Lagt på ditt tillgodohavande</th> <td class="figure">50,00<' in _words(
        receipts.html_of(payment)
    )


def test_what_was_paid_back_is_shown(invoice: Invoice) -> None:
    payment = record_payment(invoice, as_of=DAY, actor="test")
    reopen(Invoice.objects.get(), as_of=DAY, actor="test", amount_minor=1000)
    assert "Återbetalt" in receipts.html_of(payment)


def test_a_payment_that_failed_has_none(invoice: Invoice) -> None:
    payment = record_failure(invoice, as_of=DAY, actor="test")
    with pytest.raises(Refused, match="nothing to give a receipt for"):
        receipts.render_receipt(payment)


def test_the_operator_prints_it_from_the_payments_page(
    invoice: Invoice, admin_client: Client, settings: Any
) -> None:
    payment = record_payment(invoice, as_of=DAY, actor="test")
    page = f"/admin/payments/payment/{payment.pk}/"
    assert f"{page}pdf/" in admin_client.get(f"{page}change/").content.decode()
    answer = admin_client.get(f"{page}pdf/")
    assert answer.content.startswith(b"%PDF")


def test_without_a_receipt_the_page_says_why(invoice: Invoice, admin_client: Client) -> None:
    payment = record_failure(invoice, as_of=DAY, actor="test")
    answer = admin_client.get(f"/admin/payments/payment/{payment.pk}/pdf/", follow=True)
    assert "nothing to give a receipt for" in answer.content.decode()
