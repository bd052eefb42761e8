"""Keeping secrets out of the log: what would let somebody in is masked in every line.

Whoever writes a log line has no business with tokens, keys and card numbers; this is for what gets
there by the way, such as the path of a request that was refused, or the text of an error.
"""

import logging
import re

from stdnum import luhn

MASK = "…"
# What opens by its address: the links of the portal and of /pay/.
_LINK = re.compile(r"(/(?:portal/(?:enter|s)|pay/[cim])/)[\w~-]{16,}")
_KEY = re.compile(r"\b((?:sk|pk)_(?:live|test)_|whsec_)[\w+/=-]{6,}")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[^\s'\"]+")
# Thirteen to nineteen digits, also in groups.
_CARD = re.compile(r"(?<![\w.-])\d(?:[ \u00a0-]?\d){12,18}(?![\w-])")


def redacted(text: str) -> str:
    """A text without what would let somebody in; whatever else looks like it goes as well."""
    text = _LINK.sub(rf"\1{MASK}", text)
    text = _KEY.sub(rf"\1{MASK}", text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    return _CARD.sub(_card, text)


def card_number_in(text: str) -> str:
    """The last four digits of a full card number in a text; "" where there is none.

    Thirteen to nineteen digits that begin as cards do, with the right check digit: a long number of
    another kind, such as an article's, is taken for one in a few cases of a hundred.
    """
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if digits[0] in "23456" and luhn.is_valid(digits):
            return digits[-4:]
    return ""


def _card(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    return f"{MASK}{digits[-4:]}" if luhn.is_valid(digits) else match[0]


class Redacting(logging.Formatter):
    """Writes a line redacted as a whole, with the arguments and tracebacks that are in it."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))
