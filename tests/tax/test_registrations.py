from datetime import date
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from billing.engine.supply import Registrations
from billing.tax.models import TaxRegistration
from billing.tax.supplies import registrations_of
from customers.models import Seller
from tests.factories import SellerFactory

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory()
    return seller


def registration(seller: Seller, **fields: Any) -> TaxRegistration:
    usual = {"scheme": "home", "country": "SE", "number": seller.vat_number, "valid_from": DAY}
    return TaxRegistration(seller=seller, **usual | fields)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"country": "DE"}, "country"),
        ({"scheme": "oss", "country": "DE"}, "country"),
        ({"scheme": "local"}, "country"),
        ({"number": "SE556012579001"}, "number"),
        ({"number": ""}, "number"),
        ({"valid_until": DAY}, "__all__"),
    ],
)
def test_a_registration_that_contradicts_its_seller_is_refused(
    seller: Seller, fields: dict[str, str], wrong: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        registration(seller, **fields).full_clean()
    assert wrong in refused.value.message_dict


def test_the_union_scheme_is_for_sellers_in_the_eu() -> None:
    seller = SellerFactory(country="NO")
    with pytest.raises(ValidationError) as refused:
        registration(seller, scheme="oss", country="NO", number="NO923609016MVA").full_clean()
    assert "scheme" in refused.value.message_dict


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2026, 2, 28), Registrations()),
        (DAY, Registrations(home=True, oss=True, elsewhere=frozenset({"NO"}))),
        (date(2026, 4, 1), Registrations(home=True, elsewhere=frozenset({"NO"}))),
    ],
)
def test_registrations_hold_from_their_day_until_their_last(
    seller: Seller, on: date, expected: Registrations
) -> None:
    registration(seller).save()
    registration(seller, scheme="oss", valid_until=date(2026, 4, 1)).save()
    registration(seller, scheme="local", country="NO", number="NO999999999MVA").save()
    registration(SellerFactory(), scheme="local", country="DE").save()
    assert registrations_of(seller, on) == expected


def test_without_a_number_on_its_documents_a_seller_is_not_registered_at_home(
    seller: Seller,
) -> None:
    registration(seller).save()
    seller.vat_number = ""
    assert registrations_of(seller, DAY) == Registrations()
