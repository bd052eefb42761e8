"""The tax of buyers in other countries than the seller's: the rule's answer as rates and words."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from billing.base import clock
from billing.engine.supply import Reason, Supply
from billing.engine.tax import Rate, Treatment
from billing.invoicing.snapshots import Snapshot
from billing.tax.supplies import Situation, plain
from customers.models import Seller
from customers.numbers import proves_business

# Without a valid number of the buyer's neither may be on a document.
_BY_NUMBER = frozenset({"AE", "K"})
# The rule does not speak there: all is taxed as at home, and nothing is said of it.
_SILENT = frozenset({Reason.DOMESTIC, Reason.NOT_REGISTERED, Reason.SELLER_OUTSIDE_EU})


def tax_name(country: str) -> str:
    """The name of another country's rate, which keeps it apart from a like one of the seller's."""
    return f"VAT {country}"


@lru_cache(maxsize=1000)
def country_of(name: str) -> str:
    """The country that :func:`tax_name` has made a name of; empty for other names."""
    found = re.fullmatch("VAT ([A-Z]{2})", name)
    return found[1] if found else ""


class Abroad:
    """The buyers abroad of a batch: asks nothing of the database before the first of them.

    Precedence, as for everybody: what is stated on line, price or customer has come before this.
    What is stated on the *seller* is what it charges at home: it stands where the rule says the
    seller's own country, and so always for a seller that is registered nowhere; the rate of
    another country, and no rate, come before it. A seller that states an empty list charges no tax
    at all, whoever buys.

    A price that includes tax is what a consumer pays, whatever the rate in it, none included. A
    business that owes no tax here pays it without the tax that a buyer at home would find in it.
    """

    def __init__(self, seller: Seller, bills_to: Iterable[Snapshot]) -> None:
        self.seller = seller
        self.home = str(seller.country)
        numbers = (to.get("vat", "") for to in bills_to if to["country"] != self.home)
        self.situation = Situation(seller, numbers)

    def supply(self, bill_to: Snapshot, kind: str, on: date) -> Supply | None:
        """How the buyer of a snapshot is taxed by the rule for what is taxed on a day; None for
        whom it does not speak.
        """
        if bill_to["country"] == self.home or self.seller.tax == []:
            return None
        supply = self.situation.supply(
            kind,
            bill_to["country"],
            bill_to.get("vat", ""),
            is_business=_is_business(bill_to),
            on=on,
        )
        return None if supply.reason in _SILENT else supply

    def treatment(
        self,
        supply: Supply,
        bill_to: Snapshot,
        rate_for: Callable[[str, bool], Treatment],
        *,
        is_inclusive: bool,
    ) -> Treatment:
        """The rates of a supply; ``rate_for`` gives a country's, with the tax in the price or not.

        Raises what ``rate_for`` raises.
        """
        if supply.country == self.home:
            return rate_for(self.home, is_inclusive)
        if self.seller.tax is not None:
            stated = rate_for(self.home, is_inclusive)
            is_inclusive = any(rate.is_inclusive for rate in stated)
        if supply.country is not None:
            found = rate_for(supply.country, is_inclusive)
            return tuple(replace(rate, name=tax_name(supply.country)) for rate in found)
        if not is_inclusive:
            return (Rate(supply.category, Decimal(0)),)
        relief = Decimal(0)
        if supply.category in _BY_NUMBER or _is_business(bill_to):
            at_home = rate_for(self.home, is_inclusive)
            relief = sum((rate.percent for rate in at_home if rate.is_inclusive), relief)
        return (Rate(supply.category, Decimal(0), is_inclusive=True, relief=relief),)

    def noted(
        self, bill_to: Snapshot, supplies: Collection[Supply], corrected: Iterable[Snapshot]
    ) -> Snapshot:
        """A snapshot with the rule's answers, as ``bill_to["supply"]``: what a document keeps.

        Its reasons; where another country's rate is on it, which; and, where a VAT number made the
        difference, that number, when it was seen to be valid, and VIES's consultation number. What
        corrects other documents keeps what they kept.
        """
        kept: dict[str, Any] = {}
        reasons = {supply.reason.value for supply in supplies}
        for supply in corrected:
            kept |= supply
            reasons |= set(supply["reasons"])
        for country in {supply.country for supply in supplies} - {None, self.home}:
            kept["country"] = country
        proof = self.situation.confirmed.get(number := plain(bill_to.get("vat", "")))
        if proof and any(supply.category in _BY_NUMBER for supply in supplies):
            day = clock.local_day(proof.asked_at, self.seller.time_zone)
            kept |= {"vat": number, "checked_on": day.isoformat()}
            if proof.consultation_number:
                kept["consultation"] = proof.consultation_number
        return bill_to | {"supply": kept | {"reasons": sorted(reasons)}}


def _is_business(bill_to: Snapshot) -> bool:
    """Whether law lets us take the buyer for a business: by a number that VIES has confirmed in the
    EU, which the rule asks for itself; outside it by a number of that country's businesses, or by
    other evidence that somebody has seen. A company's name alone, or a word, is none.
    """
    country = bill_to["country"]
    return bool(bill_to.get("evidence")) or any(
        proves_business(country, bill_to.get(key, "")) for key in ("vat", "org")
    )
