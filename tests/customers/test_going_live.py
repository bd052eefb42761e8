"""A live seller issues when all that the law wants on an invoice is there, and not before."""

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from billing.checkout.placing import refuse_unpayable
from billing.engine.errors import Refused
from billing.invoicing.actions import add_one_off, bill_customer
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from customers.going_live import missing_to_go_live, refuse_unready
from customers.models import Seller
from tests.factories import DAY, VAT_25, CustomerFactory, SellerFactory

pytestmark = pytest.mark.django_db


def misses(**changed: Any) -> list[str]:
    seller = SellerFactory.build(is_live=True, **changed)
    return [each.field for each in missing_to_go_live(seller)]


def test_a_whole_seller_misses_nothing() -> None:
    assert misses() == []


def test_a_seller_with_only_a_name_is_told_all_that_it_misses() -> None:
    assert misses(**dict.fromkeys(EMPTY, "")) == [
        "legal_name",
        "organisation_number",
        "vat_number",
        "address_line1",
        "postal_code",
        "city",
        "bankgiro",
    ]


EMPTY = (
    "legal_name seat organisation_number vat_number bankgiro plusgiro iban bic address_line1 "
    "postal_code city"
).split()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("organisation_number", "hej"),
        ("organisation_number", "559900-0015"),
        ("vat_number", "SE00"),
        ("bankgiro", "5050-1056"),
        ("plusgiro", "1234567-8"),
        ("iban", "SE4550000000058398257467"),
    ],
)
def test_a_number_whose_check_digits_are_wrong_is_as_good_as_none(field: str, wrong: str) -> None:
    assert field in misses(**{field: wrong})


def test_a_limited_company_names_its_seat() -> None:
    assert misses(seat="") == ["seat"]
    # A sole trader's number is a personal one, and has no seat.
    assert misses(seat="", organisation_number="800101-2387", vat_number="SE800101238701") == []


def test_who_charges_no_vat_needs_no_vat_number() -> None:
    assert misses(vat_number="") == ["vat_number"]
    assert misses(vat_number="", tax=VAT_25) == ["vat_number"]
    assert misses(vat_number="", tax=[]) == []
    assert misses(vat_number="", tax=[{"category": "E", "rate": "0"}]) == []


def test_one_way_to_be_paid_is_enough() -> None:
    nothing = {"bankgiro": "", "plusgiro": "", "iban": "", "bic": ""}
    assert misses(**nothing) == ["bankgiro"]
    for way in ({"bankgiro": "5050-1055"}, {"plusgiro": "410 54 68-5"}):
        assert misses(**nothing | way) == []
    assert misses(**nothing | {"iban": "SE4550000000058398257466"}) == []


@pytest.mark.parametrize("country", ["HK", "AE", "IE"])
def test_a_seller_needs_a_postal_code_only_where_there_are_such(country: str) -> None:
    found = misses(
        country=country, postal_code="", organisation_number="12345678", vat_number="", tax=[]
    )
    assert "postal_code" not in found


def test_test_sellers_need_nothing() -> None:
    refuse_unready(SellerFactory.build(is_live=False, **dict.fromkeys(EMPTY, "")))


# Doors


def test_a_form_says_of_each_field_what_a_live_seller_misses() -> None:
    seller = SellerFactory.build(is_live=True, vat_number="", city="")
    with pytest.raises(ValidationError) as refused:
        seller.full_clean()
    assert set(refused.value.message_dict) == {"vat_number", "city"}


def test_a_live_seller_cannot_lose_what_it_needs() -> None:
    seller = SellerFactory(is_live=True)
    seller.iban = seller.bankgiro = ""
    with pytest.raises(ValidationError) as refused:
        seller.full_clean()
    assert "bankgiro" in refused.value.message_dict


def _unready() -> Seller:
    """As one from before this was asked: no form would write it."""
    return SellerFactory(
        is_live=True, organisation_number="", vat_number="SE559900001401", tax=VAT_25
    )


def test_nothing_is_issued_for_a_live_seller_that_misses_something() -> None:
    seller = _unready()
    customer = CustomerFactory(seller=seller)
    add_one_off(
        customer, currency="SEK", amount_minor=100, description="Mug", as_of=DAY, actor="anna"
    )
    for work in (
        lambda: bill_due(seller, DAY),
        lambda: bill_customer(customer, as_of=DAY, actor="anna"),
        lambda: refuse_unpayable(seller),
    ):
        with pytest.raises(Refused, match="Organisation number") as refused:
            work()
        assert refused.value.code == "seller_not_ready"
        assert refused.value.details["missing"] == ["organisation_number"]
    assert not Invoice.objects.exists()
    Seller.objects.filter(pk=seller.pk).update(organisation_number="559900-0014")
    assert bill_due(Seller.objects.get(pk=seller.pk), DAY).invoices == 1


def test_a_credit_note_is_an_invoice_as_well() -> None:
    seller = SellerFactory(is_live=True, tax=VAT_25)
    customer = CustomerFactory(seller=seller)
    add_one_off(
        customer, currency="SEK", amount_minor=100, description="Mug", as_of=DAY, actor="anna"
    )
    [invoice] = bill_customer(customer, as_of=DAY, actor="anna")
    Seller.objects.filter(pk=seller.pk).update(address_line1="")
    with pytest.raises(Refused) as refused:
        credit(invoice, as_of=date(2026, 3, 2), actor="anna")
    assert refused.value.code == "seller_not_ready"


def test_the_command_says_what_is_missing() -> None:
    seller = _unready()
    with pytest.raises(CommandError, match="Organisation number: enter the registered one"):
        call_command("bill", seller=seller.public_id)
