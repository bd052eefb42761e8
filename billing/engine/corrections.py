"""What is left of an invoice to credit, and what a credit note by hand takes of it.

A note gives back no more than was billed and is left: of no line, of no rate's tax, and of the
whole with its rounding. Each is rounded by itself; so whatever notes were rounded by, the last one
takes exactly what is left, and all of them together are the invoice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import allocate, exponent, major_string, round_ratio
from billing.engine.tax import Amounts, Rate, TaxGroup, Treatment, percent_of, tax_document


@dataclass(frozen=True, slots=True)
class ChargedLine:
    """A line of an invoice, in minor units; below zero where it gives back what another billed.

    ``ref`` tells it apart, and its text names it in a refusal. ``amount_minor`` is after discount,
    with the tax in it where the price includes it. ``is_reversible`` says of a line below zero that
    it is turned round with the rest; one that is not only lessens what is left of the charges.
    """

    ref: Any
    rates: Treatment
    amount_minor: int
    net_minor: int
    is_reversible: bool = True

    @property
    def is_inclusive(self) -> bool:
        return any(rate.is_inclusive for rate in self.rates)

    def amount_of(self, net_minor: int) -> int:
        """The amount of a part of the net: with the tax in it where the price includes it."""
        if not self.is_inclusive or not self.net_minor:
            return net_minor
        sign = 1 if self.net_minor > 0 else -1
        return round_ratio(sign * self.amount_minor * net_minor, sign * self.net_minor)


@dataclass(frozen=True, slots=True)
class Part:
    """What is given back of one line, in minor units; below zero, it is charged again."""

    ref: Any
    amount_minor: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What one document has given back of an invoice.

    ``taxes`` and ``rounding_minor`` are the document's own where it is about nothing else; without
    them, the tax is worked out from the nets.
    """

    parts: Sequence[Part]
    taxes: Mapping[Rate, int] | None = None
    rounding_minor: int = 0


@dataclass(frozen=True, slots=True)
class Correction:
    """What a credit note says, in minor units; ``total = net + tax + rounding``."""

    parts: tuple[Part, ...]
    taxes: tuple[TaxGroup, ...]
    rounding_minor: int = 0

    @property
    def amount_minor(self) -> int:
        return sum(part.amount_minor for part in self.parts)

    @property
    def net_minor(self) -> int:
        return sum(part.net_minor for part in self.parts)

    @property
    def tax_minor(self) -> int:
        return sum(group.tax_minor for group in self.taxes)

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor + self.rounding_minor


class Creditable:
    """What earlier documents have left of an invoice: by line, by rate, and of the rounding.

    Lines below zero, which take something off the invoice, take it off what can be credited as
    well: they are turned round with the rest of it, and cannot be asked for by themselves.
    """

    def __init__(
        self,
        lines: Sequence[ChargedLine],
        taxes: Mapping[Rate, int],
        rounding_minor: int = 0,
        given_back: Iterable[GivenBack] = (),
        *,
        currency: str,
        rounds_to_whole: bool = False,
        said: str = "the invoice",
    ):
        """``taxes`` and ``rounding_minor`` are the invoice's, which refusals call ``said``."""
        self.lines, self.currency, self.said = lines, currency, said
        self._by_ref = {line.ref: line for line in lines}
        self._amounts = {line.ref: line.amount_minor for line in lines}
        self._nets = {line.ref: line.net_minor for line in lines}
        self._taxes = dict(taxes)
        self.rounding_minor = rounding_minor
        self._is_whole = rounds_to_whole and not self.total_minor % 10 ** exponent(currency)
        for each in given_back:
            self._take(each)
        self._lessen_by_what_stays_given_back()

    @property
    def unrounded_minor(self) -> int:
        """What the lines have left with their tax, before the rounding of the whole."""
        return sum(self._nets.values()) + sum(self._taxes.values())

    @property
    def total_minor(self) -> int:
        return self.unrounded_minor + self.rounding_minor

    def everything(self) -> Correction:
        """All that is left, to the last unit of tax and of rounding: nothing stays open.

        Raises :class:`Refused` ("credit_exceeds_invoice") where nothing is left.
        """
        if self.total_minor <= 0:
            raise self._nothing_is_left()
        nets = {line: self._nets[line.ref] for line in self.lines}
        return self._correction(nets, self._taxes, self.rounding_minor)

    def by_amount(self, amount_minor: int) -> Correction:
        """A gross amount, spread over the lines in proportion to what is left of each.

        What covers all lines is all that is left: the rounding goes with them. Raises
        :class:`InvalidAmount`, and :class:`Refused` ("credit_exceeds_invoice") beyond what is left.
        """
        if amount_minor <= 0:
            raise InvalidAmount("A credit must be above zero.")
        if amount_minor > self.total_minor:
            left = major_string(max(self.total_minor, 0), self.currency)
            raise Refused(
                f"Only {left} {self.currency} of {self.said} is left to credit.",
                code="credit_exceeds_invoice",
            )
        if amount_minor in (self.total_minor, self.unrounded_minor):
            return self.everything()
        return self._spread(amount_minor) or self._shared_out(amount_minor)

    def by_line(self, asked: Iterable[tuple[Any, int]]) -> Correction:
        """Net amounts of single lines, by their ref; whole units where the invoice is.

        Raises :class:`Refused` beyond what is left of a line ("credit_exceeds_line") or of the
        invoice ("credit_exceeds_invoice").
        """
        nets: dict[Any, int] = defaultdict(int)
        for ref, net_minor in asked:
            if net_minor <= 0 or nets[ref] + net_minor > self._nets.get(ref, 0):
                raise Refused(
                    f"“{ref}” has less than that left to credit.", code="credit_exceeds_line"
                )
            nets[ref] += net_minor
        if nets == {ref: net for ref, net in self._nets.items() if net}:
            return self.everything()
        by_line = {self._by_ref[ref]: net_minor for ref, net_minor in nets.items()}
        taxed = tax_document([(net, line.rates) for line, net in by_line.items()], Amounts.NET)
        taxes = {
            group.rate: min(group.tax_minor, self._tax_left(group.rate)) for group in taxed.groups
        }
        rounding_minor = self._rounding_of(taxed.net_minor + sum(taxes.values()))
        return self._correction(by_line, taxes, rounding_minor)

    def _take(self, given_back: GivenBack) -> None:
        nets: dict[Rate, int] = defaultdict(int)
        for part in given_back.parts:
            self._amounts[part.ref] -= part.amount_minor
            self._nets[part.ref] -= part.net_minor
            for rate in self._by_ref[part.ref].rates:
                nets[rate] += part.net_minor
        taxes = given_back.taxes
        if taxes is None:
            taxes = {rate: percent_of(net, rate.percent) for rate, net in nets.items()}
        for rate, tax_minor in taxes.items():
            self._taxes[rate] -= tax_minor
        self.rounding_minor -= given_back.rounding_minor

    def _lessen_by_what_stays_given_back(self) -> None:
        """Take what is not turned round off the charges that stand beside it at the same rates."""
        for line in self.lines:
            given_minor = -self._nets[line.ref]
            if given_minor <= 0 or line.is_reversible:
                continue
            beside = [each for each in self.lines if each.rates == line.rates]
            left = [self._net_left(each) for each in beside]
            if sum(left) >= given_minor:
                for each, share in zip(beside, allocate(given_minor, left), strict=True):
                    self._nets[each.ref] -= share
                self._nets[line.ref] = 0

    def _spread(self, amount_minor: int) -> Correction | None:
        """Over the groups of equal rates by what is left of them, then over each one's lines.

        None where rounding would take more than is left of a line or a tax, as it may where all is
        so small that whole units are too coarse.
        """
        by_rates: dict[Treatment, list[ChargedLine]] = defaultdict(list)
        for line in self.lines:
            by_rates[line.rates].append(line)
        weights = [self._gross_weight(rates, lines) for rates, lines in by_rates.items()]
        if not any(weights):
            return None
        shares = allocate(amount_minor, weights)
        taxed = tax_document(list(zip(shares, by_rates, strict=True)), Amounts.GROSS)
        nets: dict[ChargedLine, int] = {}
        amounts: dict[ChargedLine, int] = {}
        for lines, gross, net in zip(by_rates.values(), shares, taxed.line_nets, strict=True):
            left = [self._net_left(line) for line in lines]
            if any(left):
                nets |= zip(lines, allocate(net, left), strict=True)
                amounts |= zip(lines, allocate(gross, left), strict=True)
        taxes = {group.rate: group.tax_minor for group in taxed.groups}
        fits = (
            sum(nets.values()) + sum(taxes.values()) == amount_minor
            and all(net <= self._net_left(line) for line, net in nets.items())
            and all(tax_minor <= self._tax_left(rate) for rate, tax_minor in taxes.items())
        )
        return self._correction(nets, taxes, amounts=amounts) if fits else None

    def _shared_out(self, amount_minor: int) -> Correction:
        """Over what is left of each net, each tax and the rounding, as if all were lines."""
        left = [
            *map(self._net_left, self.lines),
            *map(self._tax_left, self._taxes),
            max(self.rounding_minor, 0),
        ]
        shares = iter(allocate(amount_minor, left))
        nets = dict(zip(self.lines, shares, strict=False))
        taxes = dict(zip(self._taxes, shares, strict=False))
        return self._correction(nets, taxes, next(shares))

    def _correction(
        self,
        nets: Mapping[ChargedLine, int],
        taxes: Mapping[Rate, int],
        rounding_minor: int = 0,
        amounts: Mapping[ChargedLine, int] | None = None,
    ) -> Correction:
        """A correction of what each line and each rate gives back, without those that give nothing.

        ``amounts`` are with all tax, and hold where the line's price has it in it. One line stays
        in any case: by its lines a document is known to be about the invoice.
        """
        groups = [
            TaxGroup(
                rate.category,
                rate.percent,
                rate.is_inclusive,
                rate.name,
                sum(net for line, net in nets.items() if rate in line.rates),
                tax_minor,
            )
            for rate, tax_minor in taxes.items()
        ]
        groups = [group for group in groups if group.net_minor or group.tax_minor]
        parts = {
            line: Part(line.ref, self._amount(line, net_minor, amounts), net_minor)
            for line, net_minor in nets.items()
        }
        said = [part for part in parts.values() if part.amount_minor or part.net_minor]
        if not said:
            taxed = [line for line in parts if any(group.rate in line.rates for group in groups)]
            said = [parts[line] for line in (taxed or [*parts])[:1]]
        return Correction(tuple(said), tuple(groups), rounding_minor)

    def _amount(
        self, line: ChargedLine, net_minor: int, amounts: Mapping[ChargedLine, int] | None
    ) -> int:
        """The amount that goes with a net, no more than is left of the line's."""
        if amounts is not None and line.is_inclusive:
            amount_minor = amounts[line]
        else:
            amount_minor = line.amount_of(net_minor)
        return min(amount_minor, max(self._amounts[line.ref], 0))

    def _rounding_of(self, gross_minor: int) -> int:
        """What rounds a part to the whole unit, as the invoice was, within what is left of it."""
        rounding_minor = 0
        if self._is_whole:
            unit = 10 ** exponent(self.currency)
            rounded_minor = round_ratio(gross_minor, unit) * unit
            if 0 < rounded_minor <= self.total_minor:
                rounding_minor = rounded_minor - gross_minor
        left_minor = sum(map(self._net_left, self.lines)) + sum(map(self._tax_left, self._taxes))
        rounding_minor = min(rounding_minor, left_minor + self.rounding_minor - gross_minor)
        if gross_minor + rounding_minor <= 0:
            raise self._nothing_is_left()
        return rounding_minor

    def _net_left(self, line: ChargedLine) -> int:
        """What is left of a charge: of a line below zero, nothing."""
        return max(self._nets[line.ref], 0)

    def _tax_left(self, rate: Rate) -> int:
        """What is left of a rate's tax on the charges alone, without what lines below zero take."""
        below = sum(min(self._nets[line.ref], 0) for line in self.lines if rate in line.rates)
        return max(self._taxes.get(rate, 0) - percent_of(below, rate.percent), 0)

    def _gross_weight(self, rates: Treatment, lines: Sequence[ChargedLine]) -> Decimal:
        """In proportion to what is left of some lines with their tax."""
        percent = sum((rate.percent for rate in rates), Decimal(0))
        return max(sum(self._nets[line.ref] for line in lines) * (100 + percent), Decimal(0))

    def _nothing_is_left(self) -> Refused:
        return Refused("Nothing is left to credit.", code="credit_exceeds_invoice")
