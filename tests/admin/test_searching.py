"""What people type into the desk's search: amounts, cards, addresses, names without accents."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.desk.amounts import amounts_in
from billing.desk.searching import FOUND_MAX
from billing.invoicing.models import CreditNote, Invoice
from billing.payments.models import Payment, PaymentMethod
from billing.subscriptions.models import Subscription
from customers.models import Customer
from tests.admin.shown import url
from tests.factories import (
    CustomerFactory,
    InvoiceFactory,
    PaymentFactory,
    SellerFactory,
    SubscriptionFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def asa(db: None) -> Customer:
    return CustomerFactory(
        name="Åsa Öberg-Müller",
        email="bokhandel@exempel.se",
        organisation_number="556016-0680",
        address_line1="Västra Hamngatan 12",
        postal_code="411 17",
        city="Göteborg",
    )


@pytest.fixture
def erik(db: None) -> Customer:
    return CustomerFactory(name="Erik Ek", email="erik@example.com", city="Lund")


def found(client: Client, model: Any, term: str) -> list[Any]:
    page = client.get(url(model, "changelist"), {"q": term})
    return sorted(row.pk for row in page.context["cl"].result_list)


@pytest.mark.parametrize(
    "term",
    [
        *("asa oberg", "ÅSA", "muller", "berg-m", "as"),
        *("exempel.se", "handel@", "BOKHANDEL"),
        *("vastra hamngatan", "hamngatan 12", "goteborg", "411 17", "Göteborg", "öberg göteborg"),
        *("556016-0680", "016-06"),
    ],
)
def test_a_customer_is_found_by_any_part_of_name_or_address_without_accents(
    anna: Client, asa: Customer, erik: Customer, term: str
) -> None:
    assert found(anna, Customer, term) == [asa.pk]


@pytest.mark.parametrize("term", ["oberg lund", "exempel.com", "vastra gotaland", "12345"])
def test_who_is_not_called_so_is_not_found(
    anna: Client, asa: Customer, erik: Customer, term: str
) -> None:
    assert found(anna, Customer, term) == []


@pytest.mark.parametrize("model", [Invoice, Subscription, Payment])
def test_what_a_customer_has_is_found_by_the_customers_name_and_address(
    anna: Client, asa: Customer, erik: Customer, model: Any
) -> None:
    rows = {}
    for customer in (asa, erik):
        subscription = SubscriptionFactory(customer=customer)
        invoice = InvoiceFactory(customer=customer)
        payment = PaymentFactory(customer=customer, invoice=invoice)
        rows[customer.pk] = {Invoice: invoice, Subscription: subscription, Payment: payment}
    for term in ("oberg", "andel@exem"):
        assert found(anna, model, term) == [rows[asa.pk][model].pk]


@pytest.mark.parametrize(
    "term", ["1234,50", "1234.50", "1 234,50 kr", "SEK 1,234.50", "1.234,50 SEK", "1234,5"]
)
def test_documents_and_payments_are_found_by_their_amount(
    anna: Client, erik: Customer, term: str
) -> None:
    invoice = InvoiceFactory(customer=erik, lines=[{"amount_minor": 98_760}])
    assert invoice.total_minor == 123_450  # With 25 % VAT.
    payment = PaymentFactory(customer=erik, invoice=invoice, amount_minor=123_450)
    InvoiceFactory(customer=erik, lines=[{"amount_minor": 9_876}])
    line = {"kind": "credit", "amount_minor": 98_760, "corrects": invoice.lines.get()}
    note = InvoiceFactory(customer=erik, credit_note=True, lines=[line])
    assert found(anna, Invoice, term) == [invoice.pk]
    assert found(anna, Payment, term) == [payment.pk]
    assert found(anna, CreditNote, term) == [note.pk]


def test_an_amount_counts_in_its_own_currency(anna: Client) -> None:
    yen = CustomerFactory(seller=SellerFactory(currency="JPY"))
    in_yen = InvoiceFactory(customer=yen, currency="JPY", lines=[{"amount_minor": 400}])
    kronor = InvoiceFactory(lines=[{"amount_minor": 40_000}])
    InvoiceFactory(lines=[{"amount_minor": 400}])
    assert found(anna, Invoice, "500") == sorted([in_yen.pk, kronor.pk])
    assert found(anna, Invoice, "500 SEK") == [kronor.pk]
    assert found(anna, Invoice, "JPY 500") == [in_yen.pk]


def test_a_number_is_a_number_before_it_is_an_amount(anna: Client) -> None:
    invoice = InvoiceFactory()
    InvoiceFactory(lines=[{"amount_minor": 80 * int(str(invoice.number))}])
    assert found(anna, Invoice, str(invoice.number)) == [invoice.pk]


@pytest.mark.parametrize("term", ["4242", "•••• 4242", "**** 4242", "x4242"])
def test_who_left_a_card_and_what_it_paid_are_found_by_its_last_four_figures(
    anna: Client, erik: Customer, asa: Customer, term: str
) -> None:
    cards = [
        PaymentMethod.objects.create(
            customer=erik, gateway="sandbox", gateway_id=f"card_{number}", last4=last
        )
        for number, last in enumerate(("4242", "4242", "1881"))
    ]
    payment = PaymentFactory(customer=erik, payment_method=cards[0])
    PaymentFactory(customer=asa)
    assert found(anna, Customer, term) == [erik.pk]
    assert found(anna, Payment, term) == [payment.pk]
    assert found(anna, Customer, "0000") == []


def test_the_field_in_the_menu_finds_the_same(anna: Client, asa: Customer) -> None:
    invoice = InvoiceFactory(customer=asa, lines=[{"amount_minor": 98_760}])
    home = anna.get(reverse("admin:index")).content.decode()
    assert "opencommand" in home and "desk-search" in home
    for term, row in (("goteborg", asa), ("1234,50", invoice)):
        shown = anna.get(reverse("admin:search"), {"s": term}).content.decode()
        assert url(type(row), "change", row.pk) in shown


@pytest.mark.parametrize(
    ("term", "minor"),
    [
        ("1,234", {"SEK": {123_400}, "KWD": {1_234, 1_234_000}}),
        ("-25,00 sek", {"SEK": {-2_500}}),
        ("19:-", {"SEK": {1_900}, "JPY": {19}}),
        ("1 234 567 kr", {"SEK": {123_456_700}}),
    ],
)
def test_what_an_amount_may_mean(term: str, minor: dict[str, set[int]]) -> None:
    for currency, expected in minor.items():
        assert {each for each, codes in amounts_in(term) if currency in codes} == expected


@pytest.mark.parametrize("term", ["", "Anna", "BG 123-4567", "2026-03-01", "9" * 60, "1e5", "-"])
def test_what_is_no_amount_means_none(term: str) -> None:
    assert list(amounts_in(term)) == []


def test_the_index_serves_what_is_typed(asa: Customer) -> None:
    rows = Customer.objects.alias(typed=Customer.TYPED).filter(typed__contains="oberg")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "customer_by_what_is_typed" in rows.explain()
    assert FOUND_MAX >= rows.count() == 1
