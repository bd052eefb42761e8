"""Amounts as people type them into a search: 199 kr, SEK 1,234.50, 1 234,50."""

import re
from collections.abc import Iterator
from decimal import Decimal

from billing.engine.errors import InvalidAmount
from billing.engine.money import EXPONENTS, exact_minor

_TYPED = re.compile(
    r"(?P<before>[^\W\d_]{2,3}|[€$£¥])?\s*(?P<sign>[-\u2212])?(?P<number>\d[\d\s.,'\u2019]*)"
    r"\s*(?P<after>[^\W\d_]{2,3}\.?|[€$£¥]|:-)?"
)
_SEPARATOR = re.compile(r"[.,]")
_FRACTION_MAX = 4


def amounts_in(term: str) -> Iterator[tuple[int, list[str]]]:
    """What an amount may mean in minor units, each with the currencies in which it does.

    Where 1,234 may be a thousand or a little more than one, it is both. Nothing for what is no
    amount.
    """
    typed = _TYPED.fullmatch(term.strip())
    if typed is None:
        return
    named = {(typed["before"] or "").upper(), (typed["after"] or "").upper()} & EXPONENTS.keys()
    by_exponent: dict[int, list[str]] = {}
    for code in sorted(named) or EXPONENTS:
        by_exponent.setdefault(EXPONENTS[code], []).append(code)
    for number in sorted(_numbers(re.sub(r"[\s'\u2019]", "", typed["number"]).rstrip(".,"))):
        for codes in by_exponent.values():
            try:
                minor = exact_minor(number, codes[0])
            except InvalidAmount:
                continue  # It has more decimals than the currency, or is larger than any column.
            yield (-minor if typed["sign"] else minor), codes


def _numbers(written: str) -> set[Decimal]:
    """The numbers that figures with points and commas may be."""
    *whole, last = _SEPARATOR.split(written)
    if not whole:
        return {Decimal(last)}
    found = set()
    if len(last) <= _FRACTION_MAX:
        found.add(Decimal(f"{''.join(whole)}.{last}"))
    if len(last) == 3:
        found.add(Decimal("".join([*whole, last])))
    return found
