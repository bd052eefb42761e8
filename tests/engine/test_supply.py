from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.supply import (
    MEMBER_STATES,
    Kind,
    Party,
    Reason,
    Registrations,
    Supply,
    is_in_eu,
    supply_of,
)

DAY = date(2026, 3, 1)
HOME = Registrations(home=True)
OSS = Registrations(home=True, oss=True)
GOODS, DIGITAL, SERVICE = Kind.GOODS, Kind.DIGITAL, Kind.SERVICE


def business(country: str, *, valid: bool = False) -> Party:
    return Party(country, is_business=True, has_valid_number=valid)


@pytest.mark.parametrize(
    ("kind", "registered", "buyer", "expected"),
    [
        # Article 44 and 196: the business accounts for the tax; article 138: goods are exempt.
        (DIGITAL, HOME, business("DE", valid=True), ("AE", None, Reason.REVERSE_CHARGE)),
        (SERVICE, OSS, business("DE", valid=True), ("AE", None, Reason.REVERSE_CHARGE)),
        (GOODS, OSS, business("DE", valid=True), ("K", None, Reason.INTRA_COMMUNITY)),
        # Articles 58 and 33, declared by the one-stop shop, or kept at home below 10,000 euro.
        (DIGITAL, OSS, Party("FR"), ("S", "FR", Reason.OSS)),
        (GOODS, OSS, Party("FR"), ("S", "FR", Reason.OSS)),
        (DIGITAL, HOME, Party("FR"), ("S", "SE", Reason.BELOW_THRESHOLD)),
        (GOODS, HOME, Party("FR"), ("S", "SE", Reason.BELOW_THRESHOLD)),
        # Article 45: a consumer's other services.
        (SERVICE, OSS, Party("FR"), ("S", "SE", Reason.TAXED_AT_HOME)),
        (SERVICE, HOME, Party("US"), ("S", "SE", Reason.TAXED_AT_HOME)),
        # A number that nobody has confirmed makes no business (282/2011, article 18).
        (DIGITAL, OSS, business("DE"), ("S", "DE", Reason.OSS)),
        (DIGITAL, HOME, business("DE"), ("S", "SE", Reason.BELOW_THRESHOLD)),
        (GOODS, HOME, business("DE"), ("S", "SE", Reason.BELOW_THRESHOLD)),
        # Out of the Union: articles 146, 44, and 58 with 59.
        (GOODS, HOME, Party("NO"), ("G", None, Reason.EXPORT)),
        (GOODS, HOME, business("NO"), ("G", None, Reason.EXPORT)),
        (DIGITAL, HOME, business("US"), ("O", None, Reason.BUSINESS_OUTSIDE_EU)),
        (SERVICE, HOME, business("US"), ("O", None, Reason.BUSINESS_OUTSIDE_EU)),
        (DIGITAL, HOME, Party("US"), ("O", None, Reason.CONSUMER_OUTSIDE_EU)),
        # Article 7: Monaco is France; Åland has a code of its own, and is outside (article 6).
        (DIGITAL, OSS, Party("MC"), ("S", "FR", Reason.OSS)),
        (GOODS, OSS, Party("AX"), ("G", None, Reason.EXPORT)),
    ],
)
def test_the_article_decides(
    kind: Kind, registered: Registrations, buyer: Party, expected: tuple[str, str | None, Reason]
) -> None:
    assert supply_of(kind, "SE", registered, buyer, DAY) == Supply(*expected)


def test_a_registration_elsewhere_is_for_the_consumers_there() -> None:
    registered = Registrations(home=True, oss=True, elsewhere=frozenset({"NO", "DE"}))
    supplies = [
        supply_of(DIGITAL, "SE", registered, buyer, DAY)
        for buyer in (Party("NO"), Party("DE"), business("NO"), business("DE", valid=True))
    ]
    assert [(supply.country, supply.reason) for supply in supplies] == [
        ("NO", Reason.LOCAL),
        ("DE", Reason.LOCAL),
        (None, Reason.BUSINESS_OUTSIDE_EU),
        (None, Reason.REVERSE_CHARGE),
    ]


def test_a_seller_outside_the_union_charges_as_at_home() -> None:
    found = supply_of(DIGITAL, "NO", HOME, business("DE", valid=True), DAY)
    assert found == Supply("S", "NO", Reason.SELLER_OUTSIDE_EU)


def test_the_united_kingdom_was_in_until_the_end_of_2020() -> None:
    assert is_in_eu("GB", date(2020, 12, 31))
    assert not is_in_eu("GB", date(2021, 1, 1))


countries = st.sampled_from([*sorted(MEMBER_STATES), "NO", "CH", "GB", "US", "AX", "MC"])
registrations = st.builds(
    Registrations, st.booleans(), st.booleans(), st.frozensets(countries, max_size=3)
)
parties = st.builds(Party, countries, st.booleans(), st.booleans())


@given(st.sampled_from(Kind), countries, registrations, parties)
def test_laws_of_the_rule(kind: Kind, seller: str, registered: Registrations, buyer: Party) -> None:
    supply = supply_of(kind, seller, registered, buyer, DAY)
    # What has a rate is S, and what has none is not (EN 16931: BR-AE-05, BR-IC-05, BR-G-05, BR-O).
    assert (supply.category == "S") == supply.is_taxed
    # Nobody at home, and nobody of a seller that is not registered, gets another country's rate.
    if buyer.country == seller or not registered.home:
        assert supply.country == seller
    # Another country's rate needs a registration by which it is declared.
    if supply.country not in {None, seller}:
        assert registered.oss or supply.country in registered.elsewhere
    # Without VAT in the Union only to a business whose number is valid.
    if not supply.is_taxed and is_in_eu(buyer.country, DAY):
        assert buyer.has_valid_number


@given(st.sampled_from(Kind), countries, parties)
def test_without_a_registration_all_buyers_are_taxed_as_at_home(
    kind: Kind, seller: str, buyer: Party
) -> None:
    supply = supply_of(kind, seller, Registrations(oss=True), buyer, DAY)
    assert (supply.category, supply.country) == ("S", seller)
