"""Figures, dates and references as a language writes them on paper."""

import copy
import re
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.dates import format_date
from babel.numbers import NumberPattern
from django.utils.translation import pgettext

from billing.base.amounts import MINUS, locale_of, written_money
from billing.engine.declines import Decline
from billing.engine.money import exponent, to_major

NO_BREAK = "\N{NO-BREAK SPACE}"


class Writer:
    """Writes figures and dates in one language and one currency."""

    def __init__(self, language: str, currency: str):
        self.locale = locale_of(language)
        self.currency, self.decimals = currency, exponent(currency)

    def money(self, minor: int) -> str:
        """Minor units with the currency: ``1 234,50 kr``, ``SEK 1,234.50``."""
        return written_money(minor, self.currency, self.locale)

    def amount(self, minor: int) -> str:
        """Minor units without the currency, which stands in the head of the column."""
        return self.number(to_major(minor, self.currency), self.decimals)

    def unit_price(self, amount: Decimal) -> str:
        """Major units with at least the currency's decimals, and all that a unit price has."""
        return self.number(amount, self.decimals)

    def number(self, value: Decimal, decimals: int = 0) -> str:
        """A number with so many decimals or more, never rounded."""
        pattern = _number_pattern(self.locale, decimals)
        written = pattern.apply(value, self.locale, decimal_quantization=False)
        return written.replace("-", MINUS)

    def quantity(self, value: Decimal, unit: str) -> str:
        """A number with its unit, on one line: ``1 200 GB``; alone where it has none."""
        return f"{self.number(value)}{NO_BREAK}{unit}" if unit else self.number(value)

    def percent(self, value: Decimal) -> str:
        """``25 %`` in Swedish, ``25%`` in English."""
        space = NO_BREAK if self.locale.language == "sv" else ""
        return f"{self.number(value)}{space}%"

    def day(self, on: date) -> str:
        """``3 mars 2026``, which stays on one line."""
        return self._date(on, "d MMMM y")

    def period(self, start: date, end: date) -> str:
        """The days of ``[start, end)`` with the last day included: ``1–31 mars 2026``."""
        last = end - timedelta(days=1)
        if last <= start:
            return self.day(start)
        if (start.year, start.month) == (last.year, last.month):
            return f"{start.day}–{self.day(last)}"
        start_pattern = "d MMMM" if start.year == last.year else "d MMMM y"
        return f"{self._date(start, start_pattern)}{NO_BREAK}– {self.day(last)}"

    def _date(self, on: date, pattern: str) -> str:
        return format_date(on, pattern, locale=self.locale).replace(" ", NO_BREAK)

    def country(self, code: str) -> str:
        return self.locale.territories.get(code, code)


@lru_cache
def _number_pattern(locale: Locale, decimals: int) -> NumberPattern:
    pattern = copy.copy(locale.decimal_formats[None])
    pattern.frac_prec = (decimals, decimals)
    return pattern


def in_fours(characters: str) -> str:
    """Groups of four, as one reads a long number: ``1001 69``."""
    plain = re.sub(r"\s", "", characters)
    return NO_BREAK.join(plain[at : at + 4] for at in range(0, len(plain), 4))


def decline_in_words(stored: str) -> str:
    """Why a charge was refused, in the active language; for a page, a mail and a document alike.

    Banks' finer reasons, such as fraud, are between them and their customer.
    """
    blocked = pgettext("decline", "The bank has blocked the card.")
    wrong = pgettext("decline", "The card number is not correct.")
    return {
        Decline.INSUFFICIENT_FUNDS: pgettext(
            "decline", "There was not enough money in the account."
        ),
        Decline.EXPIRED_CARD: pgettext("decline", "The card has expired."),
        Decline.LOST_CARD: blocked,
        Decline.STOLEN_CARD: blocked,
        Decline.PICKUP_CARD: blocked,
        Decline.RESTRICTED_CARD: blocked,
        Decline.INCORRECT_NUMBER: wrong,
        Decline.INVALID_ACCOUNT: wrong,
        Decline.CARD_NOT_SUPPORTED: pgettext(
            "decline", "The card cannot be used for this payment."
        ),
        Decline.AUTHENTICATION_FAILED: pgettext(
            "decline", "The payment was not confirmed with the bank."
        ),
        Decline.PROCESSING_ERROR: pgettext("decline", "The bank could not be reached."),
    }.get(Decline.of(stored), pgettext("decline", "The bank declined the payment."))
