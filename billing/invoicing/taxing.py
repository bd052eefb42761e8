"""Which rates the lines of a document carry, and what the rule says of a buyer abroad."""

from collections.abc import Collection, Iterable
from datetime import date
from functools import partial

from billing.engine import tax
from billing.engine.lines import Line
from billing.engine.supply import Kind, Supply
from billing.engine.tax_point import tax_point
from billing.invoicing.abroad import Abroad
from billing.invoicing.snapshots import Snapshot
from billing.subscriptions.agreements import Contract
from billing.tax.rates import RateTable, treatment_of
from customers.models import Seller


class Taxing:
    """A seller's rates for some buyers: asks nothing of the database before it must, then once."""

    def __init__(self, seller: Seller, bills_to: Iterable[Snapshot]) -> None:
        self.seller = seller
        self._abroad = Abroad(seller, bills_to)
        self._table: RateTable | None = None
        self._sellers: tax.Treatment | None = None

    def rates(
        self,
        line: Line,
        of_customer: list[dict[str, str]] | None,
        bill_to: Snapshot,
        as_of: date,
        supplies: list[Supply],
    ) -> tax.Treatment:
        """The rates of the line itself, else of price and customer, else what falls on a buyer in
        that country (:class:`Abroad`), who at home has the seller's rates, and last the table's.

        Adds to ``supplies`` what the rule said, where it was asked.
        """
        source, said = line.context, None
        category, kind, is_inclusive = "standard", Kind.DIGITAL.value, False
        if isinstance(source, Contract):
            assert line.item
            terms = source.terms[line.item.price.ref]
            said, category, kind = terms.price.tax, terms.tax_category, terms.supply
            is_inclusive = terms.price.is_tax_inclusive
        else:
            said = source.tax
        for own in (said, of_customer):
            if own is not None:
                return treatment_of(own)
        on = tax_point(line, as_of)
        if found := self._abroad.supply(bill_to, kind, on):
            supplies.append(found)
            rate_for = partial(self._rate_for, category, on)
            return self._abroad.treatment(found, bill_to, rate_for, is_inclusive=is_inclusive)
        return self._rate_for(category, on, self._abroad.home, is_inclusive)

    def noted(
        self, bill_to: Snapshot, supplies: Collection[Supply], corrected: Iterable[Snapshot]
    ) -> Snapshot:
        """The customer with why it was taxed so, see :meth:`Abroad.noted`."""
        return self._abroad.noted(bill_to, supplies, corrected)

    def _rate_for(self, category: str, on: date, country: str, is_inclusive: bool) -> tax.Treatment:
        """A country's rate on a day; at home what the seller has stated, if it has."""
        if self.seller.tax is not None and country == self._abroad.home:
            if self._sellers is None:
                self._sellers = treatment_of(self.seller.tax)
            return self._sellers
        if self._table is None:
            self._table = RateTable.load()
        return self._table.rate_for(country, category, on, is_inclusive=is_inclusive)
