"""Which VAT falls on a supply, and whose: the rule of Directive 2006/112/EC for a seller in the EU.

The answer is a category of EN 16931, the country whose rate applies, and a stable code of the
reason; the rate itself is the rate table's. Articles are those of the directive, as it stands with
the e-commerce package (Directives 2017/2455 and 2019/1995), unless another act is named.

**What it does not know.** Goods are sent from the seller's own country, and none from a store
abroad or by a marketplace. Services are none of those that are taxed where they are carried out,
such as admissions, restaurants and land (articles 47 to 55). A territory that has no country code
of its own goes with its country, though the directive leaves it out (article 6): Canary Islands,
Ceuta, Melilla, Livigno, Büsingen, Mount Athos; and Northern Ireland is all of it outside, though
goods there are as in the EU. Åland and the French departments overseas have codes, and are
outside. For any of these, state the tax on the customer.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

MEMBER_STATES: Final = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)
# The United Kingdom was treated as a member until then (withdrawal agreement, articles 126, 127).
_LEFT: Final = {"GB": date(2021, 1, 1)}
# What is meant for Monaco is meant for France (article 7).
_PART_OF: Final = {"MC": "FR"}


class Kind(StrEnum):
    """What is supplied, as far as it decides where: see article 7 of Regulation 282/2011."""

    GOODS = "goods"
    DIGITAL = "digital"
    SERVICE = "service"


class Reason(StrEnum):
    """Why a supply is taxed as it is. Codes are kept on documents: added to, never renamed."""

    DOMESTIC = "domestic"
    NOT_REGISTERED = "seller_not_registered"
    SELLER_OUTSIDE_EU = "seller_outside_eu"
    REVERSE_CHARGE = "eu_business_service"
    INTRA_COMMUNITY = "eu_business_goods"
    OSS = "eu_consumer_oss"
    LOCAL = "registered_there"
    BELOW_THRESHOLD = "eu_consumer_below_threshold"
    TAXED_AT_HOME = "consumer_service_at_home"
    EXPORT = "export"
    BUSINESS_OUTSIDE_EU = "business_outside_eu"
    CONSUMER_OUTSIDE_EU = "consumer_outside_eu"


@dataclass(frozen=True, slots=True)
class Registrations:
    """Where a seller is registered for VAT on a day: at home, for the union OSS, and elsewhere."""

    home: bool = False
    oss: bool = False
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Party:
    """Who buys. ``has_valid_number``: a VAT number of another member state, seen to be valid."""

    country: str
    is_business: bool = False
    has_valid_number: bool = False


@dataclass(frozen=True, slots=True)
class Supply:
    """How a supply is taxed: ``country`` is whose rate applies, and None where none does."""

    category: str
    country: str | None
    reason: Reason

    @property
    def is_taxed(self) -> bool:
        return self.country is not None


def is_in_eu(country: str, on: date) -> bool:
    """Whether a country's VAT territory is the Union's on a day (articles 5 and 7)."""
    return _whole(country) in MEMBER_STATES or (country in _LEFT and on < _LEFT[country])


def supply_of(
    kind: Kind, seller_country: str, registrations: Registrations, buyer: Party, on: date
) -> Supply:
    """How a supply is taxed.

    - The buyer is in the seller's country: taxed there, whoever it is.
    - The seller is registered nowhere, or is outside the EU, whose law this is: as at home.
    - The buyer is in another member state: see :func:`_within_eu`; outside: :func:`_beyond_eu`.
    """
    seller, there = _whole(seller_country), _whole(buyer.country)
    if seller == there:
        return Supply("S", seller_country, Reason.DOMESTIC)
    if not registrations.home:
        return Supply("S", seller_country, Reason.NOT_REGISTERED)
    if not is_in_eu(seller, on):
        return Supply("S", seller_country, Reason.SELLER_OUTSIDE_EU)
    if is_in_eu(there, on):
        return _within_eu(kind, seller_country, registrations, buyer, there)
    return _beyond_eu(kind, seller_country, registrations, buyer, there)


def _within_eu(
    kind: Kind, home: str, registrations: Registrations, buyer: Party, there: str
) -> Supply:
    """To another member state.

    - A business whose number is valid: services are taxed where it is (article 44) and it accounts
      for the tax (article 196); goods are exempt here (article 138) and acquired there.
    - Without a valid number the buyer is taken for a consumer, as article 18(2) of Regulation
      282/2011 allows for services, and since article 138(1)(b) makes the number a condition.
    - A consumer's other services are taxed where the seller is (article 45).
    - A consumer's goods and digital services are taxed where the consumer is (articles 33 and 58):
      declared by the one-stop shop (articles 369a to 369k) or by a registration there. A seller
      without either stays below 10,000 euro a year and taxes them at home (article 59c).
    """
    if buyer.has_valid_number:
        if kind == Kind.GOODS:
            return Supply("K", None, Reason.INTRA_COMMUNITY)
        return Supply("AE", None, Reason.REVERSE_CHARGE)
    if kind == Kind.SERVICE:
        return Supply("S", home, Reason.TAXED_AT_HOME)
    if there in registrations.elsewhere:
        return Supply("S", there, Reason.LOCAL)
    if registrations.oss:
        return Supply("S", there, Reason.OSS)
    return Supply("S", home, Reason.BELOW_THRESHOLD)


def _beyond_eu(
    kind: Kind, home: str, registrations: Registrations, buyer: Party, there: str
) -> Supply:
    """Out of the Union.

    - Where the seller is registered there, a consumer pays that country's tax, by its own law:
      Norway, Switzerland and the United Kingdom want it of digital services.
    - Goods are exported, at zero (article 146), whoever buys them.
    - A business's services are outside the scope (article 44).
    - A consumer's digital services are outside it too (articles 58 and 59); other services are
      taxed where the seller is (article 45).
    """
    if there in registrations.elsewhere and not buyer.is_business:
        return Supply("S", there, Reason.LOCAL)
    if kind == Kind.GOODS:
        return Supply("G", None, Reason.EXPORT)
    if buyer.is_business:
        return Supply("O", None, Reason.BUSINESS_OUTSIDE_EU)
    if kind == Kind.DIGITAL:
        return Supply("O", None, Reason.CONSUMER_OUTSIDE_EU)
    return Supply("S", home, Reason.TAXED_AT_HOME)


def _whole(country: str) -> str:
    return _PART_OF.get(country, country)
