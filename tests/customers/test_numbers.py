"""Numbers of businesses: written down in one form, and told from words."""

from collections.abc import Callable
from datetime import date

import pytest
from django.core.exceptions import ValidationError

from billing.engine.errors import Refused
from customers import numbers
from customers.actions import add_customer, change_details
from tests.factories import CustomerFactory, SellerFactory

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("written", "country", "kept"),
    [
        ("GR094019245", "GR", "EL094019245"),
        ("el 094 019 245", "GR", "EL094019245"),
        ("094019245", "GR", "EL094019245"),
        ("0403.019.261", "BE", "BE0403019261"),
        ("be 0403.019.261", "BE", "BE0403019261"),
        ("SE556012-579001", "SE", "SE556012579001"),
        ("NO 995 525 828 MVA", "NO", "995525828MVA"),
        ("123456789", "US", "12-3456789"),
        ("", "SE", ""),
    ],
)
def test_a_vat_number_is_kept_in_one_form(written: str, country: str, kept: str) -> None:
    assert numbers.tidy_vat_number(written, country) == kept


@pytest.mark.parametrize("word", ["none", "x", "-", "N/A", "n/a 1"])
@pytest.mark.parametrize("country", ["US", "HK", "AE", "NO", "JM", "SE"])
def test_a_word_is_no_vat_number(word: str, country: str) -> None:
    assert not numbers.proves_business(country, word)
    with pytest.raises(Refused, match="VAT number"):
        numbers.tidy_vat_number(word, country)


@pytest.mark.parametrize(
    ("country", "number", "proves"),
    [
        ("NO", "995525828", True),
        ("US", "12-3456789", True),
        ("AE", "100123456789012", True),
        ("JM", "123456789", False),  # No form of it is known.
        ("CL", "12531909-2", False),  # Every Chilean has one.
        ("DE", "DE136695976", False),  # In the EU it is VIES that says.
    ],
)
def test_a_number_of_its_businesses_makes_a_business(
    country: str, number: str, proves: bool
) -> None:
    assert numbers.proves_business(country, number) is proves


@pytest.mark.parametrize(
    ("tidy", "written", "kept"),
    [
        (numbers.tidy_bankgiro, "50501055", "5050-1055"),
        (numbers.tidy_plusgiro, "4105468-5", "410 54 68-5"),
        (numbers.tidy_iban, "SE45 5000 0000 0583 9825 7466", "SE4550000000058398257466"),
        (numbers.tidy_bic, "essesess", "ESSESESS"),
    ],
)
def test_accounts_are_checked(tidy: Callable[[str], str], written: str, kept: str) -> None:
    assert tidy(written) == kept
    with pytest.raises(Refused):
        tidy("hej")


@pytest.mark.django_db
class TestDoors:
    def test_a_customer_is_kept_with_its_number_in_one_form(self) -> None:
        seller = SellerFactory()
        made = add_customer(
            seller, as_of=DAY, actor="test", name="A", country="GR", vat_number="GR094019245"
        )
        assert made.vat_number == "EL094019245"
        changed = change_details(
            made, as_of=DAY, actor="test", country="BE", vat_number="0403.019.261"
        )
        assert changed.vat_number == "BE0403019261"

    def test_a_wrong_number_changes_nothing(self) -> None:
        customer = CustomerFactory(vat_number="")
        with pytest.raises(Refused, match="VAT number"):
            change_details(customer, as_of=DAY, actor="test", name="B", vat_number="SE00")
        customer.refresh_from_db()
        assert customer.vat_number == "" and customer.name != "B"

    @pytest.mark.parametrize(
        ("field", "wrong"),
        [
            ("organisation_number", "hej"),
            ("vat_number", "SE00"),
            ("bankgiro", "hej"),
            ("plusgiro", "12"),
            ("iban", "SE00"),
            ("bic", "x"),
        ],
    )
    def test_a_form_of_a_seller_names_the_field_that_is_wrong(self, field: str, wrong: str) -> None:
        seller = SellerFactory()
        setattr(seller, field, wrong)
        with pytest.raises(ValidationError) as refused:
            seller.full_clean()
        assert field in refused.value.message_dict
