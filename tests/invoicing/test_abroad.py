"""Bills of buyers in other countries: the rate, the words, and what is kept of the reason."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.invoicing.actions import bill_customer
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.documents import document_in_words, in_its_language
from billing.invoicing.models import Invoice
from billing.subscriptions import actions as subscriptions
from billing.tax.loading import DEFAULT_FILE, load_rates
from billing.tax.models import TaxRegistration, VatNumberCheck
from billing.verification.books import broken_invariants
from catalog.models import Plan, Price, Product
from customers.models import Seller
from tests.factories import DAY, CustomerFactory, SellerFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db
GERMAN = "DE136695976"
TAX_TABLES = re.compile('FROM "?tax_')
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def seller() -> Seller:
    load_rates(DEFAULT_FILE)
    seller = SellerFactory(currency="EUR")
    register(seller, "home")
    return seller


def register(seller: Seller, scheme: str, country: str = "SE") -> TaxRegistration:
    registration = TaxRegistration(
        seller=seller,
        scheme=scheme,
        country=country,
        number=seller.vat_number,
        valid_from=date(2026, 1, 1),
    )
    registration.full_clean()
    registration.save()
    return registration


def check(seller: Seller, answer: str, number: str = GERMAN, day: int = 1, ref: str = "") -> None:
    VatNumberCheck.objects.create(
        seller=seller,
        number=number,
        asked_at=NOON.replace(day=day),
        answer=answer,
        consultation_number=ref,
    )


def plan_of(seller: Seller, supply: str = "digital", **price: Any) -> Plan:
    product, _ = Product.objects.get_or_create(seller=seller, name=supply, supply=supply)
    plan = Plan.objects.create(
        seller=seller, product=product, code=f"plan-{Plan.objects.count()}", name="Läsning"
    )
    Price.objects.create(
        plan=plan, code="fee", currency="EUR", **{"amount": Decimal("125.00")} | price
    )
    return plan


def billed(seller: Seller, plan: Plan, on: date = DAY, **details: Any) -> Invoice:
    customer = CustomerFactory(seller=seller, language="en", **details)
    subscription = subscriptions.start(customer, plan, as_of=on, actor="test")
    return bill_customer(customer, as_of=on, actor="test", subscription=subscription)[0]


def taxed(invoice: Invoice) -> list[tuple[str, Decimal, int, int]]:
    return [
        (group.category, group.percent.normalize(), group.net_minor, group.tax_minor)
        for group in invoice.taxes.all()
    ]


def words(invoice: Invoice) -> dict[str, Any]:
    with in_its_language(invoice):
        return document_in_words(invoice)


def test_a_business_with_a_valid_number_accounts_for_the_tax_itself(seller: Seller) -> None:
    check(seller, "valid", ref="WAPIAAAAZ1")
    invoice = billed(seller, plan_of(seller), country="DE", is_business=True, vat_number=GERMAN)
    assert taxed(invoice) == [("AE", Decimal(0), 125_00, 0)]
    assert invoice.bill_to["supply"] == {
        "reasons": ["eu_business_service"],
        "vat": GERMAN,
        "checked_on": "2026-03-01",
        "consultation": "WAPIAAAAZ1",
    }
    said = words(invoice)
    assert said["notes"] == ["Reverse charge, Article 196 Directive 2006/112/EC."]
    assert ("Your VAT number", GERMAN) in said["facts"]
    assert said["seller"]["vat"] == seller.vat_number
    assert broken_invariants() == {}


def test_its_swedish_words_say_it_in_both_languages(seller: Seller) -> None:
    check(seller, "valid")
    invoice = billed(seller, plan_of(seller), country="DE", vat_number=GERMAN)
    invoice.language = "sv"
    [note] = words(invoice)["notes"]
    assert "Omvänd betalningsskyldighet" in note
    assert "Reverse charge" in note
    assert "196" in note


@pytest.mark.parametrize("answers", [[], ["unknown"], ["invalid"], ["valid", "invalid"]])
def test_vat_is_charged_until_the_number_has_been_seen_to_be_valid(
    seller: Seller, answers: list[str]
) -> None:
    for day, answer in enumerate(answers, 1):
        check(seller, answer, day=day)
    invoice = billed(seller, plan_of(seller), country="DE", is_business=True, vat_number=GERMAN)
    assert taxed(invoice) == [("S", Decimal(25), 125_00, 31_25)]
    assert invoice.bill_to["supply"] == {"reasons": ["eu_consumer_below_threshold"]}


def test_an_outage_does_not_take_back_what_was_known(seller: Seller) -> None:
    check(seller, "valid", day=1)
    check(seller, "unknown", day=2)
    invoice = billed(seller, plan_of(seller), country="DE", vat_number=GERMAN)
    assert taxed(invoice) == [("AE", Decimal(0), 125_00, 0)]


def test_what_another_seller_was_told_does_not_count(seller: Seller) -> None:
    check(SellerFactory(), "valid")
    invoice = billed(seller, plan_of(seller), country="DE", vat_number=GERMAN)
    assert taxed(invoice) == [("S", Decimal(25), 125_00, 31_25)]


def test_a_business_gets_goods_without_tax(seller: Seller) -> None:
    check(seller, "valid")
    invoice = billed(seller, plan_of(seller, "goods"), country="DE", vat_number=GERMAN)
    assert taxed(invoice) == [("K", Decimal(0), 125_00, 0)]
    assert words(invoice)["notes"] == ["Intra-community supply, Article 138 Directive 2006/112/EC."]


def test_a_consumer_pays_the_tax_of_where_they_live_with_the_one_stop_shop(seller: Seller) -> None:
    register(seller, "oss")
    invoice = billed(seller, plan_of(seller), country="FR")
    assert taxed(invoice) == [("S", Decimal(20), 125_00, 25_00)]
    assert invoice.bill_to["supply"] == {"reasons": ["eu_consumer_oss"], "country": "FR"}
    assert words(invoice)["taxes"][0]["category"] == "VAT, France"
    assert broken_invariants() == {}


def test_a_consumer_pays_the_price_that_includes_tax_whatever_the_rate(seller: Seller) -> None:
    register(seller, "oss")
    plan = plan_of(seller, is_tax_inclusive=True)
    totals = {
        country: billed(seller, plan, country=country) for country in ("SE", "FR", "HU", "US")
    }
    assert {invoice.total_minor for invoice in totals.values()} == {125_00}
    assert [totals[country].tax_minor for country in totals] == [25_00, 20_83, 26_57, 0]
    assert words(totals["US"])["notes"] == [
        "Outside the scope of EU VAT, Articles 58 and 59 Directive 2006/112/EC."
    ]


@pytest.mark.parametrize(
    ("country", "number", "category"),
    [("DE", GERMAN, "AE"), ("NO", "995525828MVA", "O"), ("US", "12-3456789", "O")],
)
def test_a_business_pays_a_price_that_includes_tax_without_it(
    seller: Seller, country: str, number: str, category: str
) -> None:
    check(seller, "valid")
    plan = plan_of(seller, is_tax_inclusive=True)
    invoice = billed(seller, plan, country=country, is_business=True, vat_number=number)
    assert taxed(invoice) == [(category, Decimal(0), 100_00, 0)]
    assert (invoice.subtotal_minor, invoice.total_minor) == (125_00, 100_00)
    assert broken_invariants() == {}


@pytest.mark.parametrize(
    ("said", "total_minor"),
    [
        ({}, 125_00),
        ({"is_business": True}, 125_00),
        ({"vat_number": "none"}, 125_00),
        ({"business_evidence": "Certificate of the tax authority, seen 2026-03-01"}, 100_00),
    ],
)
def test_neither_a_company_s_name_nor_a_word_takes_the_tax_out_of_a_price(
    seller: Seller, said: dict[str, Any], total_minor: int
) -> None:
    plan = plan_of(seller, is_tax_inclusive=True)
    assert billed(seller, plan, country="US", **said).total_minor == total_minor


@pytest.mark.parametrize("amount_minor", [None, 33_33])
def test_a_price_without_its_tax_is_credited_to_the_cent(
    seller: Seller, amount_minor: int | None
) -> None:
    check(seller, "valid")
    plan = plan_of(seller, is_tax_inclusive=True)
    invoice = billed(seller, plan, country="DE", vat_number=GERMAN)
    note = credit(invoice, as_of=DAY, actor="test", amount_minor=amount_minor)
    assert note.total_minor == (amount_minor or 100_00)
    assert note.bill_to["supply"]["reasons"] == ["eu_business_service"]
    invoice.refresh_from_db()
    assert invoice.left_minor == 100_00 - note.total_minor
    assert broken_invariants() == {}


def test_what_is_given_back_has_the_tax_and_the_words_of_what_it_corrects(seller: Seller) -> None:
    check(seller, "valid", ref="WAPI1")
    small = plan_of(seller, is_tax_inclusive=True, amount=Decimal("62.50"))
    large = plan_of(seller, is_tax_inclusive=True)
    invoice = billed(seller, large, country="DE", vat_number=GERMAN)
    check(seller, "invalid", day=5)
    [subscription] = invoice.customer.subscriptions.all()
    day = date(2026, 3, 17)
    subscriptions.change(subscription, plan=small, as_of=day, actor="test")
    [note] = bill_customer(invoice.customer, as_of=day, actor="test", subscription=subscription)
    # 15 of 31 days: back comes 60.48 without the 25 % in it; 30.24 with them is charged.
    assert taxed(note) == [("AE", Decimal(0), 48_38, 0), ("S", Decimal(25), -24_19, -6_05)]
    assert note.bill_to["supply"] == {
        "reasons": ["eu_business_service", "eu_consumer_below_threshold"],
        "vat": GERMAN,
        "checked_on": "2026-03-01",
        "consultation": "WAPI1",
    }
    assert broken_invariants() == {}


def test_a_seller_that_is_registered_nowhere_charges_as_at_home(seller: Seller) -> None:
    TaxRegistration.objects.all().delete()
    check(seller, "valid")
    invoice = billed(seller, plan_of(seller), country="DE", vat_number=GERMAN)
    assert taxed(invoice) == [("S", Decimal(25), 125_00, 31_25)]
    assert "supply" not in invoice.bill_to


def test_a_registration_holds_from_its_day(seller: Seller) -> None:
    register(seller, "oss").delete()
    TaxRegistration.objects.create(
        seller=seller, scheme="oss", country="SE", number="SE1", valid_from=date(2026, 3, 2)
    )
    plan = plan_of(seller)
    first = billed(seller, plan, country="FR")
    second = billed(seller, plan, date(2026, 3, 2), country="FR")
    assert [invoice.taxes.get().percent for invoice in (first, second)] == [25, 20]


@pytest.mark.parametrize(
    ("country", "expected"),
    [("SE", "S 12"), ("FR", "S 20"), ("DE", "AE 0"), ("NO", "O 0")],
)
def test_what_a_seller_states_is_what_it_charges_at_home(
    seller: Seller, country: str, expected: str
) -> None:
    seller.tax = [{"category": "S", "rate": "12"}]
    seller.save()
    register(seller, "oss")
    check(seller, "valid")
    number = GERMAN if country == "DE" else ""
    invoice = billed(seller, plan_of(seller), country=country, vat_number=number)
    group = invoice.taxes.get()
    assert f"{group.category} {group.percent.normalize():f}" == expected


def test_a_seller_that_charges_no_tax_charges_none_abroad(seller: Seller) -> None:
    seller.tax = []
    seller.save()
    register(seller, "oss")
    invoice = billed(seller, plan_of(seller), country="FR")
    assert (invoice.tax_minor, taxed(invoice)) == (0, [])


@pytest.mark.parametrize("whose", ["price", "customer"])
def test_what_is_stated_on_price_or_customer_comes_first(seller: Seller, whose: str) -> None:
    check(seller, "valid")
    stated = [{"category": "S", "rate": "6"}]
    plan = plan_of(seller, tax=stated if whose == "price" else None)
    invoice = billed(
        seller,
        plan,
        country="DE",
        vat_number=GERMAN,
        tax=stated if whose == "customer" else None,
    )
    assert taxed(invoice) == [("S", Decimal(6), 125_00, 7_50)]
    assert "supply" not in invoice.bill_to


@pytest.fixture
def queries(seller: Seller) -> Callable[[list[dict[str, Any]]], int]:
    def count(buyers: list[dict[str, Any]]) -> int:
        plan = plan_of(seller)
        for details in buyers:
            SubscriptionFactory(customer=CustomerFactory(seller=seller, **details), plan=plan)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            run = bill_due(seller, DAY)
        assert run.invoices == len(buyers)
        return sum(
            bool(re.search('FROM "?tax_|_vatnumbercheck', query["sql"])) for query in captured
        )

    return count


def test_a_batch_asks_three_times_however_many_buyers_are_abroad(
    seller: Seller, queries: Callable[[list[dict[str, Any]]], int]
) -> None:
    abroad = [{"country": "DE", "vat_number": GERMAN}, {"country": "FR"}, {"country": "US"}]
    assert [queries(abroad), queries(abroad * 4)] == [3, 3]


def test_a_batch_of_buyers_at_home_asks_nothing_more(
    queries: Callable[[list[dict[str, Any]]], int],
) -> None:
    assert queries([{"country": "SE"}, {"country": "SE", "vat_number": "SE556012579001"}]) == 1
