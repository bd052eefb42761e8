"""What the rule of the tax goes by: where a seller is registered, and which numbers are valid."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from django.db import connection

from billing.engine.supply import MEMBER_STATES, Kind, Party, Registrations, Supply, supply_of
from billing.tax.models import TaxRegistration
from customers.models import Seller

# Greece is EL in VAT numbers.
_PREFIXES = (MEMBER_STATES - {"GR"}) | {"EL"}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """When VIES said that a number is valid, and under which consultation number."""

    asked_at: datetime
    consultation_number: str


def plain(number: str) -> str:
    """A VAT number as it is asked for: without what people put between its letters and digits."""
    return "".join(letter for letter in number if letter.isascii() and letter.isalnum()).upper()


def country_prefixes(seller: Seller) -> frozenset[str]:
    """What numbers begin with that make a difference to a seller: all but its own country's."""
    home = str(seller.country)
    return _PREFIXES - {"EL" if home == "GR" else home}


def counts_for(seller: Seller, number: str) -> bool:
    """Whether it matters to a seller if a plain number is valid: it is another member state's."""
    return number[:2] in country_prefixes(seller)


def registrations_of(seller: Seller, on: date) -> Registrations:
    """Where a seller is registered on a day, in one query."""
    return _on(seller, _registrations(seller), on)


type _Registration = tuple[str, str, date, date | None]


def _registrations(seller: Seller) -> list[_Registration]:
    """Scheme, country, first day and first day without, of all that a seller has ever had."""
    columns = ("scheme", "country", "valid_from", "valid_until")
    return list(TaxRegistration.objects.filter(seller=seller).values_list(*columns))


def _on(seller: Seller, known: Iterable[_Registration], on: date) -> Registrations:
    """What holds on a day.

    A registration at home counts as long as the seller's documents show its number, as they must
    (article 226, point 3).
    """
    found = {
        (scheme, country)
        for scheme, country, start, end in known
        if start <= on and (end is None or on < end)
    }
    home, scheme = str(seller.country), TaxRegistration.Scheme
    return Registrations(
        home=(scheme.HOME, home) in found and bool(seller.vat_number),
        oss=(scheme.OSS, home) in found,
        elsewhere=frozenset(country for kind, country in found if kind == scheme.LOCAL),
    )


def confirmed(seller: Seller, numbers: Collection[str]) -> dict[str, Confirmed]:
    """Which numbers are valid by the last answer that was a yes or a no, in one query."""
    if not numbers:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_CONFIRMED, [list(numbers), seller.pk])
        return {number: Confirmed(*rest) for number, answer, *rest in cursor if answer == "valid"}


_CONFIRMED = """
    SELECT n.number, c.answer, c.asked_at, c.consultation_number
    FROM unnest(%s::text[]) AS n (number) CROSS JOIN LATERAL (
        SELECT answer, asked_at, consultation_number FROM tax_vatnumbercheck
        WHERE seller_id = %s AND number = n.number AND answer <> 'unknown'
        ORDER BY asked_at DESC, id DESC LIMIT 1
    ) c
"""


class Situation:
    """A seller's situation, for the buyers abroad of a batch: two queries, when asked."""

    def __init__(self, seller: Seller, numbers: Iterable[str]) -> None:
        self.seller = seller
        self._on: dict[date, Registrations] = {}
        self._numbers = {
            number for number in map(plain, numbers) if number and counts_for(seller, number)
        }

    @cached_property
    def _known(self) -> list[_Registration]:
        return _registrations(self.seller)

    def registrations(self, on: date) -> Registrations:
        if on not in self._on:
            self._on[on] = _on(self.seller, self._known, on)
        return self._on[on]

    @cached_property
    def confirmed(self) -> dict[str, Confirmed]:
        return confirmed(self.seller, self._numbers)

    def supply(
        self, kind: str, country: str, number: str, *, is_business: bool, on: date
    ) -> Supply:
        """How what is taxed on a day is, by :func:`billing.engine.supply.supply_of`."""
        buyer = Party(country, is_business, has_valid_number=plain(number) in self.confirmed)
        home = str(self.seller.country)
        return supply_of(Kind(kind), home, self.registrations(on), buyer, on)
