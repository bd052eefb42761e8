"""Amounts of money as a language writes them, the same on pages, in mails and on paper."""

import copy
import re
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.numbers import NumberPattern

from billing.engine.money import exponent, to_major

# In English Babel writes a hyphen, which is half as wide and easily overlooked.
MINUS = "\N{MINUS SIGN}"
# English dates and figures as Europe writes them: 3 March 2026, SEK 1,234.50.
_LOCALES = {"sv": "sv_SE", "en": "en_GB"}
_DECIMALS_MAX = 12
_LETTER_BESIDE_FIGURE = re.compile(r"(?<=[^\W\d_])(?=\d)")


@lru_cache
def locale_of(language: str) -> Locale:
    return Locale.parse(_LOCALES.get(language, "en_GB"))


def written_money(minor: int, currency: str, locale: Locale) -> str:
    """Minor units with the currency: ``1 234,50 kr``, ``SEK 1,234.50``."""
    decimals = exponent(currency)
    return _written(to_major(minor, currency), currency, locale, (decimals, decimals))


def written_rounded(minor: int, currency: str, locale: Locale) -> str:
    """The same in whole units, as one takes it in at a glance: ``1 235 kr``, ``SEK 1,235``."""
    return _written(to_major(minor, currency), currency, locale, (0, 0))


def written_price(amount: Decimal, currency: str, locale: Locale) -> str:
    """Major units with the currency and all decimals that a unit price has: ``0,0125 kr``."""
    return _written(amount, currency, locale, (exponent(currency), _DECIMALS_MAX))


def _written(amount: Decimal, currency: str, locale: Locale, decimals: tuple[int, int]) -> str:
    pattern = _money_pattern(locale, decimals)
    written = pattern.apply(amount, locale, currency, currency_digits=False)
    return _LETTER_BESIDE_FIGURE.sub("\N{NO-BREAK SPACE}", written).replace("-", MINUS)


@lru_cache
def _money_pattern(locale: Locale, decimals: tuple[int, int]) -> NumberPattern:
    # CLDR's own decimals are those of shop counters, not ISO 4217's that the books have.
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = decimals
    return pattern
