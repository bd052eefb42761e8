"""The tax on a checkout's page follows who orders from where; with a real register behind."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.invoicing.models import Invoice
from billing.tax.loading import DEFAULT_FILE, load_rates
from billing.tax.models import TaxRegistration, VatNumberCheck
from billing.verification.books import broken_invariants
from catalog.models import Plan, Product
from customers.models import Customer, Seller
from portal.views.checkout import NUMBERS_MAX
from tests.factories import DAY, CustomerFactory, PlanFactory, PriceFactory, SellerFactory
from tests.portal.test_checkout import ASA, order, send, text
from tests.tax.register import running_register

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KNOWN, STRANGE, AWAY, SLOW = "DE999990002", "DE999990019", "DE999990027", "FI99999001"
GERMAN = {"country": "DE", "company": "Gryning GmbH", "city": "Hamburg", "postal_code": "20095"}


@pytest.fixture(scope="module")
def register() -> Iterator[str]:
    with running_register({KNOWN: "Gryning GmbH"}, {AWAY: "away", SLOW: "slow"}) as url:
        yield url


@pytest.fixture(autouse=True)
def connected(register: str, settings: Any) -> None:
    settings.VIES_URL, settings.SANDBOX_URL = register, ""


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def seller() -> Seller:
    load_rates(DEFAULT_FILE)
    seller: Seller = SellerFactory(name="Rosteriet", currency="EUR", language="en")
    for scheme in ("home", "oss"):
        TaxRegistration.objects.create(
            seller=seller,
            scheme=scheme,
            country="SE",
            number=seller.vat_number,
            valid_from=date(2026, 1, 1),
        )
    return seller


@pytest.fixture
def plan(seller: Seller) -> Plan:
    plan: Plan = PlanFactory(seller=seller, name="Office")
    PriceFactory(plan=plan, code="seats", model="per_unit", is_tax_inclusive=True, amount=125)
    return plan


@pytest.fixture
def address(plan: Plan) -> str:
    _, token = create_order(plan.seller, plan, as_of=DAY, actor="test")
    return f"/pay/c/{token}/"


@pytest.fixture
def visitor() -> Client:
    return Client(enforce_csrf_checks=True)


def shown(visitor: Client, address: str, **asked: Any) -> str:
    """What the page says when a field has been changed."""
    changed = {**ASA, "quantity-0": "1", "coupon": "", **asked}
    return text(send(visitor, address, changed, headers={"HX-Request": "true"}))


def asked() -> list[tuple[str, str]]:
    return list(VatNumberCheck.objects.order_by("id").values_list("number", "answer"))


@pytest.mark.parametrize(
    ("country", "said"),
    [
        ("SE", "of which VAT 25%, €25.00"),
        ("FR", "of which VAT in France 20%, €20.83"),
        ("US", "We charge no VAT on what we sell to your country."),
    ],
)
def test_the_sum_says_the_tax_of_the_country_that_is_chosen(
    visitor: Client, address: str, country: str, said: str
) -> None:
    page = shown(visitor, address, country=country)
    assert said in page
    assert "€125.00" in page


def test_a_number_that_is_known_takes_the_tax_away_and_the_page_says_why(
    visitor: Client, address: str
) -> None:
    page = shown(visitor, address, **GERMAN, vat_number="de 999990002")
    assert "€100.00 every month" in page
    assert "Reverse charge: you account for the VAT" in page
    assert f"The VAT number {KNOWN} is valid, so you pay no VAT to us" in page
    assert "€100.00 without VAT, is taken from your card" in page
    visitor.cookies["django_language"] = "sv"
    assert f"Momsnumret {KNOWN} är giltigt" in shown(visitor, address, **GERMAN, vat_number=KNOWN)
    assert asked() == [(KNOWN, "valid")]


@pytest.mark.parametrize(
    ("number", "said", "answer"),
    [
        (STRANGE, f"The EU's register does not have {STRANGE}", "invalid"),
        (AWAY, "The EU's register did not answer when we checked the VAT number", "unknown"),
    ],
)
def test_vat_is_charged_as_long_as_the_number_is_not_known_and_the_page_says_so(
    visitor: Client, address: str, number: str, said: str, answer: str
) -> None:
    page = shown(visitor, address, **GERMAN, vat_number=number)
    assert said.replace("'", "&#x27;") in page
    assert "of which VAT in Germany 19%, €19.96" in page
    assert asked() == [(number, answer)]


def test_a_register_that_hangs_keeps_nobody_from_ordering(visitor: Client, address: str) -> None:
    order(visitor, address, **GERMAN | {"country": "FI"}, vat_number=SLOW)
    invoice = Invoice.objects.get()
    assert (invoice.total_minor, invoice.tax_minor) == (125_00, 25_40)
    assert asked() == [(SLOW, "unknown")]


def test_what_was_shown_is_what_is_ordered(
    visitor: Client, address: str, settings: Any, register: str
) -> None:
    shown(visitor, address, **GERMAN, vat_number=KNOWN)
    # Nobody is asked any more: what is known is enough.
    settings.VIES_URL = "http://127.0.0.1:9"
    order(visitor, address, **GERMAN, vat_number=KNOWN)
    placed, invoice = Order.objects.get(), Invoice.objects.get()
    assert (placed.status, invoice.total_minor, invoice.tax_minor) == ("placed", 100_00, 0)
    assert invoice.bill_to["supply"]["vat"] == KNOWN
    assert KNOWN in placed.consent["text"]
    assert broken_invariants() == {}


def test_a_sum_that_has_changed_with_the_answer_is_looked_at_again(
    visitor: Client, address: str, settings: Any, register: str, clock: Any
) -> None:
    settings.VIES_URL = "http://127.0.0.1:9"
    wished = {**ASA, **GERMAN, "quantity-0": "1", "coupon": "", "vat_number": KNOWN}
    page = send(visitor, address, {**wished, "act": "show"}).content.decode()
    seen = page.split('name="seen" value="')[1].split('"')[0]
    settings.VIES_URL = register
    clock.shift(120)
    answer = send(visitor, address, {**wished, "seen": seen, "consent": "on", "act": "order"})
    assert "The total or the terms have changed since you saw them" in text(answer)
    assert not Invoice.objects.exists()


def test_a_country_that_cannot_be_billed_is_told_of_and_another_may_be_chosen(
    visitor: Client, address: str, plan: Plan
) -> None:
    Product.objects.filter(pk=plan.product_id).update(tax_category="food")
    page = shown(visitor, address, country="FR")
    assert "We do not sell this to customers in that country yet" in page
    assert order(visitor, address, country="FR").status_code == 422
    assert not Invoice.objects.exists()
    assert "do not sell" not in shown(visitor, address, country="SE")
    order(visitor, address, country="SE")
    # Food, until the end of March 2026.
    assert Invoice.objects.get().tax_minor == 13_39


def test_nobody_is_asked_for_a_number_that_makes_no_difference(
    visitor: Client, address: str
) -> None:
    shown(visitor, address, country="SE", vat_number=KNOWN)
    shown(visitor, address, country="SE", vat_number="SE556012579001")
    shown(visitor, address, country="DE", vat_number="DE1")
    assert asked() == []


def test_looking_at_a_page_asks_nobody(visitor: Client, plan: Plan) -> None:
    customer: Customer = CustomerFactory(seller=plan.seller, country="DE", vat_number=KNOWN)
    _, token = create_order(plan.seller, plan, as_of=DAY, actor="test", customer=customer)
    assert visitor.get(f"/pay/c/{token}/").status_code == 200
    assert asked() == []


def test_one_order_has_us_ask_only_so_often(visitor: Client, address: str, clock: Any) -> None:
    for _ in range(NUMBERS_MAX + 2):
        shown(visitor, address, **GERMAN, vat_number=AWAY)
        clock.shift(60)
    assert len(asked()) == NUMBERS_MAX
