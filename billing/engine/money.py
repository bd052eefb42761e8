"""Money: whole minor units beside their currency, one way to round and one way to split.

Amounts are `int` in the currency's smallest unit wherever they are final, and `Decimal` in major
units wherever they are still exact and unrounded. Rounding is half away from zero, everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from fractions import Fraction
from functools import total_ordering
from math import lcm
from typing import Final

from billing.engine.errors import CurrencyMismatch, InvalidAmount, UnknownCurrency

# Arithmetic in this context is exact or it fails: 200 digits hold any product of a price, a
# quantity and a rate, and what would have to be rounded raises Inexact instead of losing a digit.
EXACT: Final = Context(
    prec=200,
    rounding=ROUND_HALF_UP,
    traps=[InvalidOperation, DivisionByZero, Overflow, Inexact],
)

# The active codes of ISO 4217 list one (SIX, published 2026-01-01) by their number of decimals.
# Metals, XDR, XSU, XUA, XTS and XXX have no minor unit and cannot be billed in.
_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
        "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
        "GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK "
        "LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO "
        "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
        "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST "
        "XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS: Final[dict[str, int]] = {
    code: digits for digits, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}

# The largest power of ten in a database's 64-bit integer is 10 to the 18th.
_POWER_MAX: Final = 18


def exponent(currency: str) -> int:
    """Return how many decimals the currency has: SEK 2, JPY 0, KWD 3 (ISO 4217).

    Raises UnknownCurrency for anything but an active code in capitals.
    """
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(
            f"{currency!r} is not an active ISO 4217 currency; use a code such as SEK or EUR.",
            currency=currency,
        ) from None


def round_ratio(numerator: int, denominator: int) -> int:
    """Return numerator / denominator as a whole number, halves away from zero, exactly.

    Shares of a period stay ratios of integers until here, so no digit is lost before the one
    rounding. Raises ValueError unless the denominator is positive.
    """
    if denominator <= 0:
        raise ValueError("The denominator of a share must be positive.")
    if numerator < 0:
        return -((denominator - 2 * numerator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


def to_minor(amount: Decimal | int | str, currency: str) -> int:
    """Round an amount in major units to the currency's minor units, half away from zero.

    Raises TypeError for a float, which has lost the cents before it comes here, InvalidAmount for
    what is no finite number or does not fit 64 bits, UnknownCurrency.
    """
    return int(_scaled(amount, currency).to_integral_value(ROUND_HALF_UP))


def exact_minor(amount: Decimal | int | str, currency: str) -> int:
    """Return an amount in major units as minor units, refusing what would have to be rounded.

    For amounts that people and programs hand in: 10.005 SEK is a mistake to report, not to round.
    Raises as `to_minor`, and InvalidAmount for more decimals than the currency has.
    """
    scaled = _scaled(amount, currency)
    minor = scaled.to_integral_value(ROUND_HALF_UP)
    if minor != scaled:
        raise InvalidAmount(
            f"{amount} has more than the {exponent(currency)} decimals of {currency}.",
            amount=str(amount),
            currency=currency,
        )
    return int(minor)


def _scaled(amount: Decimal | int | str, currency: str) -> Decimal:
    """The amount in minor units, not yet rounded."""
    if isinstance(amount, bool | float):
        raise TypeError(f"An amount is a Decimal, an int or a str, not {type(amount).__name__}.")
    try:
        scaled = EXACT.scaleb(Decimal(amount), exponent(currency))
    except (InvalidOperation, Inexact):
        scaled = Decimal("NaN")
    if not scaled.is_finite() or (scaled and scaled.adjusted() > _POWER_MAX):
        raise InvalidAmount(
            f"{str(amount)[:40]!r} is not an amount; write a number such as 10.00.",
            currency=currency,
        )
    return scaled


def to_major(minor: int, currency: str) -> Decimal:
    """Return minor units as a Decimal in major units with the currency's decimals: 1000 → 10.00."""
    return EXACT.scaleb(Decimal(minor), -exponent(currency))


def major_string(minor: int, currency: str) -> str:
    """Write minor units in major units with all decimals: "10.00", JPY "10", "-0.05"."""
    digits = exponent(currency)
    if digits == 0:
        return str(minor)
    whole, part = divmod(abs(minor), 10**digits)
    return f"{'-' if minor < 0 else ''}{whole}.{part:0{digits}d}"


def allocate(total: int, weights: Sequence[int | Decimal | Fraction]) -> list[int]:
    """Split a total in proportion to weights so that the parts sum to the total.

    Largest remainder: each part is rounded towards zero, then the missing units go to the largest
    remainders, at a tie to the earlier. 100 over weights 1, 1, 1 is 34, 33, 33; rounding each part
    by itself would give 33, 33, 33 and lose a cent. A negative total is split as its opposite, and
    a weight of zero gets nothing.

    Raises InvalidAmount for a negative or infinite weight, and when there is something to split
    but no weight to split it by. Raises TypeError for a float.
    """
    whole = _whole_weights(weights)
    weight_sum = sum(whole)
    if weight_sum == 0:
        if total != 0:
            raise InvalidAmount("There is nothing to share the amount over: all weights are zero.")
        return [0] * len(whole)
    parts, rests = [], []
    for weight in whole:
        part, rest = divmod(abs(total) * weight, weight_sum)
        parts.append(part)
        rests.append(rest)
    hand_out(parts, rests, abs(total) - sum(parts))
    return parts if total >= 0 else [-part for part in parts]


def hand_out(parts: list[int], rests: Sequence[int], missing: int) -> None:
    """Add one to the `missing` parts with the largest rests, at a tie to the earlier, in place."""
    if missing:
        # Sorting is stable, also in reverse, so equal rests stay in their order.
        for index in sorted(range(len(parts)), key=rests.__getitem__, reverse=True)[:missing]:
            parts[index] += 1


def _whole_weights(weights: Sequence[int | Decimal | Fraction]) -> list[int]:
    """The weights as integers in the same proportion."""
    if all(type(weight) is int for weight in weights):
        whole = [int(weight) for weight in weights]
    else:
        if any(isinstance(weight, float) for weight in weights):
            raise TypeError("A weight is an int, a Decimal or a Fraction, not a float.")
        try:
            ratios = [weight.as_integer_ratio() for weight in weights]
        except (ValueError, OverflowError):
            raise InvalidAmount("A weight must be a finite number.") from None
        common = lcm(*(denominator for _, denominator in ratios))
        whole = [numerator * (common // denominator) for numerator, denominator in ratios]
    if min(whole, default=0) < 0:
        raise InvalidAmount("A weight must not be negative.")
    return whole


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency's minor units. Two currencies never mix.

    Raises UnknownCurrency for a code that is not active, TypeError for anything but whole units,
    CurrencyMismatch when added to or compared with another currency. Equality does not raise:
    10 SEK simply is not 10 EUR.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"Minor units are an int, not {type(self.minor).__name__}.")
        exponent(self.currency)

    @classmethod
    def of(cls, amount: Decimal | int | str, currency: str) -> "Money":
        """Build from major units, refusing more decimals than the currency has."""
        return cls(exact_minor(amount, currency), currency)

    @property
    def major(self) -> Decimal:
        return to_major(self.minor, self.currency)

    def allocate(self, weights: Sequence[int | Decimal | Fraction]) -> list["Money"]:
        """Split by largest remainder; see `allocate`."""
        return [Money(part, self.currency) for part in allocate(self.minor, weights)]

    def __add__(self, other: "Money") -> "Money":
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.minor + self._minor_of(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.minor - self._minor_of(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __mul__(self, factor: int) -> "Money":
        if type(factor) is not int:
            return NotImplemented
        return Money(self.minor * factor, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: "Money") -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.minor < self._minor_of(other)

    def __str__(self) -> str:
        return f"{major_string(self.minor, self.currency)} {self.currency}"

    def _minor_of(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(
                f"{self} and {other} are in different currencies; convert one of them first.",
                currencies=(self.currency, other.currency),
            )
        return other.minor
