"""Tax on a document: rounded once per group, with every sum closed.

A group is a category and a rate. EN 16931 computes the tax of a group from the sum of its lines
(BR-CO-17: BT-117 = BT-116 × BT-119 / 100, rounded to two decimals), never line by line: three lines
of 0.10 at 25 % carry 0.08 tax (0.075), not three times 0.03.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import reduce

from billing.engine.money import EXACT, allocate, hand_out, round_ratio


@dataclass(frozen=True, slots=True)
class Rate:
    """A tax rate on a line: EN 16931 category (S, Z, E, AE, K, G, O) and percent.

    `is_inclusive` says that the line's amount contains the tax. `name` keeps apart taxes that fall
    on one line side by side, such as Canada's GST and QST. `relief` is the percentage of a tax that
    the amount contains and the buyer does not owe, such as the seller's own under reverse charge:
    it is taken out of the amount and is no tax of the document. Raises ValueError for a percentage
    that is negative or no number, and for relief from what the amount does not contain.
    """

    category: str
    percent: Decimal
    is_inclusive: bool = False
    name: str = ""
    relief: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        for percent in (self.percent, self.relief):
            if not percent.is_finite() or percent < 0:
                raise ValueError("A tax rate is a percentage from zero up.")
        if self.relief and (self.percent or not self.is_inclusive):
            raise ValueError("Relief is from a tax that is in the amount, in place of any other.")

    @property
    def relieved(self) -> "Rate":
        """The rate that is left once the relief has been taken out of the amount."""
        return replace(self, relief=Decimal(0)) if self.relief else self


# The rates on a line: none, usually one, several where taxes stand beside each other.
Treatment = tuple[Rate, ...]


class Amounts(Enum):
    """What the amounts of lines are: as each rate says, all without their taxes, or all with them.

    NET and GROSS are of lines that were taxed before: any relief has been taken out of those.
    """

    AS_PRICED = "as priced"
    NET = "net"
    GROSS = "gross"


@dataclass(frozen=True, slots=True)
class TaxedAmount:
    """Net, tax and gross in minor units. Raises ValueError unless net + tax = gross."""

    net_minor: int
    tax_minor: int
    gross_minor: int

    def __post_init__(self) -> None:
        _check_gross(self)


def _check_gross(taxed: "TaxedAmount | TaxedDocument") -> None:
    if taxed.net_minor + taxed.tax_minor != taxed.gross_minor:
        raise ValueError(
            f"Net {taxed.net_minor} and tax {taxed.tax_minor} are not gross {taxed.gross_minor}."
        )


@dataclass(frozen=True, slots=True)
class TaxGroup:
    """One rate's share of a document in minor units (EN 16931 BG-23)."""

    category: str
    percent: Decimal
    is_inclusive: bool
    name: str
    net_minor: int
    tax_minor: int

    @property
    def rate(self) -> Rate:
        return Rate(self.category, self.percent, self.is_inclusive, self.name)

    @property
    def gross_minor(self) -> int:
        return self.net_minor + self.tax_minor


@dataclass(frozen=True, slots=True)
class TaxedDocument:
    """A document's taxes in minor units.

    `groups` stand in the order in which their rates first appear on the lines; `line_nets` in the
    order of the lines. Raises ValueError unless net + tax = gross, the lines' nets sum to the net
    and the groups' taxes to the tax.
    """

    groups: tuple[TaxGroup, ...]
    line_nets: tuple[int, ...]
    net_minor: int
    tax_minor: int
    gross_minor: int

    def __post_init__(self) -> None:
        _check_gross(self)
        if sum(self.line_nets) != self.net_minor:
            raise ValueError("The lines' nets do not sum to the document's net.")
        if sum(group.tax_minor for group in self.groups) != self.tax_minor:
            raise ValueError("The groups' taxes do not sum to the document's tax.")


def tax_document(
    lines: Sequence[tuple[int, Treatment]], amounts: Amounts = Amounts.AS_PRICED
) -> TaxedDocument:
    """Compute the taxes of a document from its lines: (amount in minor units, rates).

    Amounts are after discount and may be negative (credit lines); the negated lines give the
    negated document. Each rounding is half away from zero and happens once per group:

    - An exclusive rate: tax = sum of the nets × percent / 100.
    - An inclusive rate: the lines' gross is kept, net = gross / (1 + rate), tax = gross − net; the
      lines' nets follow by largest remainder, so that they sum to the group's net.
    - Several exclusive rates on a line each apply to its net. Several inclusive ones are taken out
      together, net = gross / (1 + sum of the rates), and the tax is split over them by largest
      remainder. Inclusive and exclusive on one line: first the inclusive are taken out, then the
      exclusive apply to that net.
    - Relief is taken out before all else, as the tax of that rate would be, and is then forgotten.

    A line without rates has no tax and joins no group. With ``amounts`` all rates are taken as
    exclusive, or all as inclusive; the groups say of each how it was priced.
    """
    if lines and _is_one_exclusive_rate(lines) and amounts is not Amounts.GROSS:
        return _taxed(lines[0][1], [amount for amount, _ in lines])
    lines = _relieved(lines)
    nets = [amount for amount, _ in lines]
    taxes = {rate: 0 for _, treatment in lines for rate in treatment}
    if amounts is not Amounts.NET:
        _take_out_inclusive(lines, nets, taxes, amounts)
    bases = dict.fromkeys(taxes, 0)
    for net, (_, treatment) in zip(nets, lines, strict=True):
        for rate in treatment:
            bases[rate] += net
    for rate, base in bases.items():
        if not _is_within(rate, amounts):
            taxes[rate] = percent_of(base, rate.percent)
    groups = tuple(_group(rate, bases[rate], tax) for rate, tax in taxes.items())
    return _document(groups, nets)


def _is_within(rate: Rate, amounts: Amounts) -> bool:
    """Whether a line's amount has the tax of a rate on it in it."""
    return rate.is_inclusive if amounts is Amounts.AS_PRICED else amounts is Amounts.GROSS


def _is_one_exclusive_rate(lines: Sequence[tuple[int, Treatment]]) -> bool:
    """The usual document, worth its own short path."""
    first = lines[0][1]
    return (
        len(first) == 1
        and not first[0].is_inclusive
        and all(treatment is first or treatment == first for _, treatment in lines)
    )


def _taxed(treatment: Treatment, nets: list[int]) -> TaxedDocument:
    rate = treatment[0]
    base = sum(nets)
    return _document((_group(rate, base, percent_of(base, rate.percent)),), nets)


def _document(groups: tuple[TaxGroup, ...], nets: list[int]) -> TaxedDocument:
    net = sum(nets)
    tax = sum(group.tax_minor for group in groups)
    return TaxedDocument(groups, tuple(nets), net, tax, net + tax)


def _group(rate: Rate, net: int, tax: int) -> TaxGroup:
    return TaxGroup(rate.category, rate.percent, rate.is_inclusive, rate.name, net, tax)


def percent_of(base: int, percent: Decimal) -> int:
    """A percentage of an amount, rounded."""
    numerator, denominator = percent.as_integer_ratio()
    return round_ratio(base * numerator, 100 * denominator)


def gross_minor(net_minor: int, rates: Treatment) -> int:
    """A net with the taxes on it, each rounded; within a unit or two of the document's for it."""
    return net_minor + sum(percent_of(net_minor, rate.percent) for rate in rates)


def _relieved(lines: Sequence[tuple[int, Treatment]]) -> Sequence[tuple[int, Treatment]]:
    """The lines without the taxes that their buyer does not owe, each rate's rounded as one."""
    indexes_by_relief: dict[Decimal, list[int]] = {}
    for index, (_, treatment) in enumerate(lines):
        for rate in treatment:
            if rate.relief:
                indexes_by_relief.setdefault(rate.relief, []).append(index)
    if not indexes_by_relief:
        return lines
    left = [(amount, tuple(rate.relieved for rate in rates)) for amount, rates in lines]
    for relief, indexes in indexes_by_relief.items():
        nets = _nets_within([left[index][0] for index in indexes], relief)
        for index, net in zip(indexes, nets, strict=True):
            left[index] = (net, left[index][1])
    return left


def _take_out_inclusive(
    lines: Sequence[tuple[int, Treatment]],
    nets: list[int],
    taxes: dict[Rate, int],
    amounts: Amounts,
) -> None:
    """Turn gross into net in `nets` and add the tax taken out to `taxes`, both in place.

    Lines with the same inclusive rates are rounded as one.
    """
    indexes_by_rates: dict[Treatment, list[int]] = {}
    for index, (_, treatment) in enumerate(lines):
        inclusive = tuple(rate for rate in treatment if _is_within(rate, amounts))
        if inclusive:
            indexes_by_rates.setdefault(inclusive, []).append(index)
    for inclusive, indexes in indexes_by_rates.items():
        percents = [rate.percent for rate in inclusive]
        gross_parts = [nets[index] for index in indexes]
        net_parts = _nets_within(gross_parts, reduce(EXACT.add, percents))
        for index, net in zip(indexes, net_parts, strict=True):
            nets[index] = net
        tax = sum(gross_parts) - sum(net_parts)
        for rate, part in zip(inclusive, allocate(tax, percents), strict=True):
            taxes[rate] += part


def _nets_within(gross_parts: list[int], percent: Decimal) -> list[int]:
    """Return the net of each gross so that they sum to the net of the whole, rounded once.

    Each is within one unit of its exact net. Charges and credits may stand in one group, so this
    is largest remainder on the exact nets rounded down, which works for both signs; a group below
    zero is computed as its opposite to keep credit the mirror image of charge.
    """
    numerator, denominator = percent.as_integer_ratio()
    numerator, denominator = 100 * denominator, 100 * denominator + numerator
    gross = sum(gross_parts)
    leading = gross or next((part for part in gross_parts if part), 0)
    sign = -1 if leading < 0 else 1
    nets, rests = [], []
    for part in gross_parts:
        net, rest = divmod(sign * part * numerator, denominator)
        nets.append(net)
        rests.append(rest)
    hand_out(nets, rests, round_ratio(sign * gross * numerator, denominator) - sum(nets))
    return [sign * net for net in nets]
