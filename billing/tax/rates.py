"""Which tax is on what: the rate table, and the rates that people have stated.

Stated rates are JSON on sellers, customers, prices and one-off items, such as
``[{"category": "S", "rate": "25", "inclusive": false, "name": ""}]``. Null there means that
nothing is said, so that whoever is asked next decides; an empty list means no tax. A line whose
amount contains a tax that its buyer does not owe has that tax's rate as ``"relief"`` as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from billing.engine.errors import BillingError
from billing.engine.tax import Rate, Treatment
from billing.tax.models import TaxRate

# EN 16931 (UNCL5305): standard, zero, exempt, reverse charge, intra-community, export, outside.
CATEGORIES = ("S", "Z", "E", "AE", "K", "G", "O")
_KEYS = frozenset({"category", "rate", "inclusive", "name", "relief"})


class NoTaxRate(BillingError):
    """Raised when the rate table has no rate, or several, for a country, category and day.

    ``is_choice`` says that there are several, of which somebody must choose the default.
    """

    code = "no_tax_rate"

    @property
    def is_choice(self) -> bool:
        return bool(self.details.get("choices"))


class InvalidTax(BillingError):
    """Raised when stated rates are not of the shape that this module's docstring shows."""

    code = "invalid_tax"


@dataclass(frozen=True, slots=True)
class _Dated:
    """A rate of the table on [valid_from, valid_until); an empty end is open."""

    percent: Decimal
    valid_from: date | None
    valid_until: date | None
    is_default: bool

    def holds_on(self, on: date) -> bool:
        return (self.valid_from is None or self.valid_from <= on) and (
            self.valid_until is None or on < self.valid_until
        )


class RateTable:
    """All rates in memory, for whoever asks for many. `load` takes one query."""

    def __init__(self, rates: Iterable[TaxRate]):
        self._rates: dict[tuple[str, str], list[_Dated]] = {}
        for rate in rates:
            self._rates.setdefault((str(rate.country), rate.category), []).append(
                _Dated(rate.percent, rate.valid_from, rate.valid_until, rate.is_default)
            )

    @classmethod
    def load(cls) -> "RateTable":
        return cls(TaxRate.objects.order_by("percent", "id"))

    def rate_for(
        self, country: str, category: str, on: date, *, is_inclusive: bool = False
    ) -> Treatment:
        """The default rate of a category in a country on a day, as the engine takes it.

        Raises :class:`NoTaxRate` where there is none to pick. A reduced rate is never guessed:
        where several hold at once and none is marked as default, the seller must choose.
        """
        rates = self._rates.get((str(country), category), [])
        for rate in rates:
            if rate.is_default and rate.holds_on(on):
                return (_table_rate(rate.percent, is_inclusive),)
        holding = [rate.percent for rate in rates if rate.holds_on(on)]
        raise _none_to_pick(str(country), category, on, holding)


def rate_for(country: str, category: str, on: date, *, is_inclusive: bool = False) -> Treatment:
    """One answer of the rate table, with a query of its own; see `RateTable.rate_for`."""
    table = RateTable(TaxRate.objects.filter(country=str(country), category=category))
    return table.rate_for(country, category, on, is_inclusive=is_inclusive)


@lru_cache(maxsize=1000)
def _table_rate(percent: Decimal, is_inclusive: bool) -> Rate:
    return Rate("S" if percent else "Z", _tidy(percent), is_inclusive)


def _none_to_pick(country: str, category: str, on: date, holding: Sequence[Decimal]) -> NoTaxRate:
    details = {"country": country, "category": category, "on": on.isoformat()}
    if holding:
        listed = ", ".join(f"{percent.normalize():f} %" for percent in sorted(holding))
        return NoTaxRate(
            f"{country} has {category} rates on {on} ({listed}) but none is its default, because "
            "which goods get which is national law. Mark the right one as default under Tax rates, "
            "or state the tax on the customer.",
            choices=[f"{percent.normalize():f}" for percent in sorted(holding)],
            **details,
        )
    return NoTaxRate(
        f"There is no {category} tax rate for {country} on {on}. Add it under Tax rates, load a "
        "newer file with load_vat_rates, or state the tax on the customer.",
        **details,
    )


def treatment_of(stated: Sequence[Mapping[str, Any]]) -> Treatment:
    """Stated rates as the engine takes them; an empty list is no tax.

    ``category`` defaults to S. Raises :class:`InvalidTax` for any other shape, null included:
    who reads a null must ask the next one.
    """
    if not isinstance(stated, list | tuple):
        raise InvalidTax("Tax is stated as a list of rates; an empty list means no tax.")
    return tuple([_stated_rate(entry) for entry in stated])


def json_of(treatment: Treatment) -> list[dict[str, Any]]:
    """The reverse of `treatment_of`, with the rate as a string and every key; relief if any."""
    return [
        {
            "category": rate.category,
            "rate": f"{rate.percent.normalize():f}",
            "inclusive": rate.is_inclusive,
            "name": rate.name,
            **({"relief": f"{rate.relief.normalize():f}"} if rate.relief else {}),
        }
        for rate in treatment
    ]


def _stated_rate(entry: Mapping[str, Any]) -> Rate:
    if not isinstance(entry, Mapping) or not entry.keys() <= _KEYS:
        raise InvalidTax(f"A tax rate has the keys {', '.join(sorted(_KEYS))}, not {entry!r}.")
    try:
        return _parsed(
            entry.get("category", "S"),
            entry.get("rate"),
            entry.get("inclusive", False),
            entry.get("name", ""),
            entry.get("relief", "0"),
        )
    except TypeError:  # What cannot be a key of the cache is no text or number either.
        raise InvalidTax(f"A tax rate holds texts, not {entry!r}.") from None


# The cache must know 25 from 25.0 and True from 1: a float is no exact rate.
@lru_cache(maxsize=1000, typed=True)
def _parsed(category: Any, rate: Any, is_inclusive: Any, name: Any, relief: Any) -> Rate:
    if category not in CATEGORIES:
        raise InvalidTax(f"{category!r} is not a tax category. Use one of {', '.join(CATEGORIES)}.")
    if type(is_inclusive) is not bool:
        raise InvalidTax(f"“inclusive” is true or false, not {is_inclusive!r}.")
    if type(name) is not str:
        raise InvalidTax(f"A tax's name is a text, not {name!r}.")
    percent = _percent(rate)
    if percent and category != "S":
        raise InvalidTax(f"Tax category {category} has the rate 0, not {rate}.")
    relieved = _percent(relief)
    if relieved and (percent or not is_inclusive):
        raise InvalidTax("“relief” is from a tax that is in the price, in place of any other.")
    return Rate(category, percent, is_inclusive, name, relieved)


def _percent(rate: Any) -> Decimal:
    try:
        if type(rate) not in (str, int):
            raise InvalidOperation
        percent = Decimal(rate)
        if not percent.is_finite() or not 0 <= percent <= 100:
            raise InvalidOperation
    except InvalidOperation:
        raise InvalidTax(
            f"A tax rate is a text such as “25” from 0 to 100, not {rate!r}."
        ) from None
    return _tidy(percent)


def _tidy(percent: Decimal) -> Decimal:
    """The same number without the zeros that a column pads it with: 25.0000 → 25."""
    return Decimal(f"{abs(percent).normalize():f}")
