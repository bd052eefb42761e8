"""Which rates a line carries: what rows say in JSON, and the dated table behind it."""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from billing.engine.errors import BillingError
from billing.engine.tax import Rate, Treatment
from billing.tax.models import TaxRate


@lru_cache(maxsize=1000)
def _parsed(text: str) -> Treatment:
    return tuple(
        Rate(
            category=rate.get("category", "S"),
            percent=Decimal(rate["rate"]),
            is_inclusive=bool(rate.get("inclusive", False)),
            name=rate.get("name", ""),
        )
        for rate in json.loads(text)
    )


def treatment_of(rates: Sequence[dict[str, Any]]) -> Treatment:
    """The rates that a row's JSON names: ``[{category, rate, inclusive, name}]``; [] is no tax."""
    return _parsed(json.dumps(rates)) if rates else ()


@lru_cache(maxsize=1000)
def json_of(treatment: Treatment) -> str:
    """The same rates as JSON text, as kept on the line."""
    return json.dumps(
        [
            {
                "category": rate.category,
                "rate": f"{rate.percent:f}",
                "inclusive": rate.is_inclusive,
                "name": rate.name,
            }
            for rate in treatment
        ]
    )


class RateTable:
    """All default rates, read once and answered from memory."""

    def __init__(self) -> None:
        self._rates: dict[tuple[str, str], list[TaxRate]] = {}
        for rate in TaxRate.objects.filter(is_default=True):
            self._rates.setdefault((str(rate.country), rate.category), []).append(rate)

    def treatment(
        self, country: str, category: str, on: date, *, is_inclusive: bool = False
    ) -> Treatment:
        """The one rate of a category in a country on a day.

        Raises :class:`BillingError` ("no_tax_rate") where the table has none.
        """
        for rate in self._rates.get((country, category), ()):
            if (rate.valid_from is None or rate.valid_from <= on) and (
                rate.valid_until is None or on < rate.valid_until
            ):
                return (Rate("S", rate.percent, is_inclusive),)
        raise BillingError(
            f"There is no {category} tax rate for {country} on {on}. Load one with "
            "“manage.py load_vat_rates”, add it in the admin, or set the seller's own rates.",
            code="no_tax_rate",
        )
