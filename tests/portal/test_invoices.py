"""Documents: finding them, why they cost what they cost, and their PDFs."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.invoicing import printing
from billing.invoicing.actions import bill_customer
from billing.invoicing.models import Invoice
from billing.invoicing.printing import RenderingFailed
from billing.payments.booking import record_payment
from billing.subscriptions import actions
from billing.subscriptions.models import Subscription
from customers.models import Customer
from portal.queries import documents_of, matching
from portal.views.invoices import PER_PAGE
from tests.factories import DAY, InvoiceFactory, PaymentFactory
from tests.portal.doors import sign_in, text_of
from tests.portal.test_pages import card_of

pytestmark = pytest.mark.django_db


def found(customer: Customer, asked: str) -> list[str]:
    return sorted(str(one.number) for one in matching(documents_of(customer), asked))


@pytest.fixture
def three(customer: Customer) -> None:
    """125.00, 1,234.50 and, the year before, 200.00."""
    for number, (minor, on) in enumerate(
        [(12_500, DAY), (123_450, DAY), (20_000, date(2025, 5, 1))], start=1
    ):
        untaxed = {"amount_minor": minor, "tax": []}
        InvoiceFactory(
            customer=customer,
            lines=[untaxed],
            number=f"F-77{number}",
            sequence=770 + number,
            issued_on=on,
        )


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("", ["F-771", "F-772", "F-773"]),
        ("f-772", ["F-772"]),
        ("77", ["F-771", "F-772", "F-773"]),
        ("125", ["F-771"]),
        ("125,00 kr", ["F-771"]),
        ("125.01", []),
        ("1 234,5", ["F-772"]),
        ("1\N{NO-BREAK SPACE}234,50", ["F-772"]),
        ("1234", ["F-772"]),
        ("2025", ["F-773"]),
        ("2026", ["F-771", "F-772"]),
        ("9" * 30, []),
        ("%", []),
        ("\0", ["F-771", "F-772", "F-773"]),
        ("'; DROP TABLE", []),
    ],
)
def test_documents_are_found_by_number_amount_or_year(
    customer: Customer, three: None, asked: str, numbers: list[str]
) -> None:
    assert found(customer, asked) == numbers


def test_amounts_are_found_in_currencies_with_other_decimals(customer: Customer) -> None:
    for currency, minor, number in (("JPY", 500, "J-1"), ("KWD", 500_250, "K-1")):
        untaxed = {"amount_minor": minor, "tax": []}
        InvoiceFactory(customer=customer, currency=currency, lines=[untaxed], number=number)
    assert found(customer, "500") == ["J-1", "K-1"]
    assert found(customer, "500,25") == ["K-1"]


def test_the_list_is_paged_and_keeps_what_was_searched_for(
    visitor: Client, customer: Customer
) -> None:
    for _ in range(PER_PAGE + 1):
        InvoiceFactory(customer=customer)
    first = visitor.get("/portal/invoices/?q=2026")
    oldest = documents_of(customer).last()
    assert oldest is not None
    assert f"invoices/{oldest.public_id}/" not in first.content.decode()
    last = documents_of(customer)[PER_PAGE - 1]
    assert f"?q=2026&amp;before={last.public_id}" in first.content.decode()
    second = visitor.get(f"/portal/invoices/?q=2026&before={last.public_id}")
    assert f"invoices/{oldest.public_id}/" in second.content.decode()
    assert "Newest" in text_of(second)
    assert visitor.get("/portal/invoices/?before=inv_none").status_code == 404


def test_several_open_invoices_are_listed_by_themselves(
    visitor: Client, customer: Customer, three: None
) -> None:
    first = customer.documents.earliest("pk")
    record_payment(first, as_of=DAY, actor="test")
    assert "/portal/invoices/?state=open" in visitor.get("/portal/home/").content.decode()
    page = visitor.get("/portal/invoices/?state=open")
    assert "These are the invoices you have to pay." in text_of(page)
    assert first.public_id not in page.content.decode()
    assert customer.documents.latest("pk").public_id in page.content.decode()
    assert first.public_id in visitor.get("/portal/invoices/").content.decode()


def test_a_search_without_a_match_says_so(visitor: Client, three: None) -> None:
    said = text_of(visitor.get("/portal/invoices/?q=%3Cb%3E"))
    assert "No invoice has the number, amount or year “<b>”." in said


def test_drafts_are_nobodys_business(visitor: Client, customer: Customer) -> None:
    draft = InvoiceFactory(customer=customer, draft=True)
    assert "There are no invoices yet." in text_of(visitor.get("/portal/invoices/"))
    assert visitor.get(f"/portal/invoices/{draft.public_id}/").status_code == 404


def test_states_are_said_in_words(visitor: Client, customer: Customer, clock: Any) -> None:
    InvoiceFactory(customer=customer, due_on=DAY)
    InvoiceFactory(customer=customer, due_on=date(2026, 2, 28))
    paid = InvoiceFactory(customer=customer, status="paid", paid_minor=12_500, closed_on=DAY)
    InvoiceFactory(customer=customer, status="void")
    InvoiceFactory(customer=customer, credit_note=True)
    under_way = InvoiceFactory(customer=customer)
    payment = PaymentFactory(customer=customer, state="submitted", received_on=None)
    payment.allocations.create(invoice=under_way, amount_minor=12_500, state="in_flight")
    said = text_of(visitor.get("/portal/invoices/"))
    for word in ("To pay", "Overdue", "Paid", "Void", "Credit note", "Payment under way"):
        assert word in said, word
    assert "Total SEK 125.00" in text_of(visitor.get(f"/portal/invoices/{paid.public_id}/"))


def test_a_document_says_why_each_amount_is_what_it_is(
    visitor: Client, customer: Customer, subscription: Subscription, larger: Any
) -> None:
    on = date(2026, 3, 11)
    actions.change(subscription, as_of=on, actor="test", plan=larger)
    (document,) = bill_customer(customer, as_of=on, actor="test")
    said = text_of(visitor.get(f"/portal/invoices/{document.public_id}/"))
    # 21 of 31 days at 620 less 21 of 31 at 310, and 25 % on the difference.
    assert "21 of 31 days credited" in said
    assert "21 of 31 days " in said
    first = Invoice.objects.earliest("pk")
    assert f"Corrects invoice {first.number}, line 1" in said
    assert "Total excluding VAT 210.00 VAT 52.50 To pay SEK 262.50" in said


def test_a_page_is_in_the_readers_language_whatever_the_documents_is(
    client: Client, customer: Customer, subscription: Subscription
) -> None:
    customer.language = "sv"
    customer.save()
    sign_in(client, customer)
    invoice = customer.documents.earliest("pk")
    assert invoice.language == "en"
    said = text_of(client.get(f"/portal/invoices/{invoice.public_id}/"))
    assert "Att betala 387,50 kr" in said
    assert "Fakturadatum 1 mars 2026" in said


def test_the_bank_details_are_there_as_long_as_something_is_left(
    visitor: Client, customer: Customer, subscription: Subscription
) -> None:
    invoice = customer.documents.earliest("pk")
    page = f"/portal/invoices/{invoice.public_id}/"
    said = text_of(visitor.get(page))
    assert "Pay by bank transfer OCR reference" in said
    assert "Bankgiro 5050-1055" in said
    payment = record_payment(invoice, as_of=DAY, actor="test")
    said = text_of(visitor.get(page))
    assert "Pay by bank transfer" not in said
    assert "Payments 1 March 2026 Bank transfer SEK 387.50 Receipt" in said
    answer = visitor.get(f"/portal/payments/{payment.public_id}/receipt/")
    assert answer.content[:5] == b"%PDF-"
    assert answer.headers["Content-Disposition"] == f'inline; filename="{payment.public_id}.pdf"'


def test_a_document_is_printed(
    visitor: Client, customer: Customer, subscription: Subscription
) -> None:
    invoice = customer.documents.earliest("pk")
    answer = visitor.get(f"/portal/invoices/{invoice.public_id}/pdf/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.content[:5] == b"%PDF-"
    assert answer.headers["Content-Disposition"] == f'inline; filename="{invoice.number}.pdf"'


def test_a_document_that_cannot_be_printed_says_what_to_do(
    visitor: Client,
    customer: Customer,
    subscription: Subscription,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(template: str, words: object) -> str:
        raise RenderingFailed("broken", code="template_broken")

    monkeypatch.setattr("billing.invoicing.pdf.fill_in", broken)
    invoice = customer.documents.earliest("pk")
    answer = visitor.get(f"/portal/invoices/{invoice.public_id}/pdf/")
    assert answer.status_code == 503
    assert "The document itself is unchanged" in text_of(answer)
    assert printing.PAGES_MAX > 0


def test_a_payment_that_paid_no_invoice_has_no_receipt(visitor: Client, customer: Customer) -> None:
    payment = PaymentFactory(customer=customer)
    assert visitor.get(f"/portal/payments/{payment.public_id}/receipt/").status_code == 404
    failed = PaymentFactory(customer=customer, failed=True)
    assert visitor.get(f"/portal/payments/{failed.public_id}/receipt/").status_code == 404


def test_tiers_explain_themselves(visitor: Client, customer: Customer) -> None:
    invoice = InvoiceFactory(
        customer=customer,
        lines=[
            {
                "kind": "usage",
                "description": "Calls",
                "quantity": Decimal(140),
                "unit_amount": None,
                "amount_minor": 1200,
                "tiers": [
                    {"quantity": "100", "unit_amount": "0.10", "flat_amount": "0"},
                    {"quantity": "40", "unit_amount": "0.05", "flat_amount": "0"},
                ],
            }
        ],
    )
    said = text_of(visitor.get(f"/portal/invoices/{invoice.public_id}/"))
    assert "100 × 0.10 + 40 × 0.05" in said


def test_what_the_bank_refused_is_not_said_to_be_taken_by_itself(
    visitor: Client, customer: Customer, subscription: Subscription, settings: Any
) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    Customer.objects.update(collection="automatic")
    card_of(customer)
    invoice = customer.documents.earliest("pk")
    PaymentFactory(customer=customer, failed=True, invoice=invoice, failure_code="expired_card")
    said = text_of(visitor.get("/portal/home/"))
    assert "We could not take it from Visa ···· 4242." in said
    assert "You do not need to do anything." not in said
    said = text_of(visitor.get(f"/portal/invoices/{invoice.public_id}/"))
    assert "Payment failed" in said
    assert "The card has expired. Pay it here, or use another card: Payment methods" in said
