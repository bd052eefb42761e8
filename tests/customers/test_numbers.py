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


@pytest.mark.parametrize(
    ("written", "country", "kept"),
    [
        # Brønnøysund's own example of the check digit: 1 2 3 4 5 6 7 8 has 5.
        ("NO 123 456 785 MVA", "NO", "123456785MVA"),
        ("123456785", "NO", "123456785"),
        # UID with modulus 11, followed by VAT in a language of the country.
        ("CHE-107.787.577 IVA", "CH", "CHE107787577IVA"),
        ("CHE-116.281.710 MWST", "CH", "CHE116281710MWST"),
        ("che-107.787.577", "CH", "CHE107787577"),
        ("CHE-107.787.577 MWST", "LI", "CHE107787577MWST"),
        # Modulus 97; departments and health authorities have short ones.
        ("GB 980 7806 84", "GB", "980780684"),
        ("GBGD001", "GB", "GD001"),
        ("GBHA599", "GB", "HA599"),
        ("100 1234 5670 0003", "AE", "100123456700003"),
        ("300 000 000 000 003", "SA", "300000000000003"),
        ("SA300000000000003", "SA", "300000000000003"),
        # The first eight digits of a certificate's number, or what was made of a company number.
        ("12345678-000-01-22-A", "HK", "12345678"),
        ("12345678", "HK", "12345678"),
        ("F0001234", "HK", "F0001234"),
    ],
)
def test_a_number_of_a_country_outside_the_eu_is_known_in_its_form(
    written: str, country: str, kept: str
) -> None:
    assert numbers.tidy_vat_number(written, country) == kept
    assert numbers.tidy_vat_number(kept, country) == kept
    assert numbers.proves_business(country, written)


@pytest.mark.parametrize(
    ("wrong", "country"),
    [
        ("123456784", "NO"),
        ("CHE-107.787.578 IVA", "CH"),
        ("CHE-107.787.577 XYZ", "CH"),
        ("GB802311781", "GB"),
        ("GBGD500", "GB"),
        ("10012345670000", "AE"),
        ("200123456700003", "AE"),
        ("300000000000004", "SA"),
        ("30000000000003", "SA"),
        ("1234567", "HK"),
        ("12345678-000", "HK"),
    ],
)
def test_a_number_in_another_form_than_its_country_gives_is_refused(
    wrong: str, country: str
) -> None:
    assert not numbers.proves_business(country, wrong)
    with pytest.raises(Refused, match="VAT number"):
        numbers.tidy_vat_number(wrong, country)


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
