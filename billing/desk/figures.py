"""Figures, days, links and words as a page of the desk shows them, in the page's language."""

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.numbers import format_decimal
from django.contrib.admin.utils import quote
from django.db import models
from django.urls import get_script_prefix, reverse
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, pgettext

from billing.base.amounts import locale_of, written_money, written_price, written_rounded
from billing.desk.sentences import in_page_language
from billing.engine.money import EXPONENTS, exact_minor

NOTHING = "–"
_DECIMALS = "#,##0.############"
# Amounts and days as the log, the API and commands write them, the same in every language.
_AMOUNT = re.compile(r"(?<![\w.,])(-?\d+(?:\.\d+)?) ([A-Z]{3})\b")
_DAY = re.compile(r"(?<![\w-])\d{4}-\d\d-\d\d(?![\w-])")


class Figure(SafeString):
    """A figure as it stands on a page; tables align it to the right."""


def figure(text: str) -> Figure:
    return Figure(format_html('<span class="figure">{}</span>', text))


def page_locale() -> Locale:
    """How the page's language writes figures and days."""
    return locale_of(get_language() or "en")


def money(minor: int | None, currency: str) -> str:
    """An amount with its currency, set so that columns of amounts line up."""
    if minor is None or not currency:
        return NOTHING
    return _money_in(get_language() or "en", minor, currency)


# Most of a shop's amounts are those of its plans, and come again in row after row.
@lru_cache(maxsize=8192)
def _money_in(language: str, minor: int, currency: str) -> Figure:
    return figure(written_money(minor, currency, locale_of(language)))


def rounded_money(minor: int, currency: str) -> str:
    """An amount as one takes it in at a glance: in whole units, with its currency."""
    return written_rounded(minor, currency, page_locale())


def unit_price(amount: Decimal, currency: str) -> str:
    """A price in major units with its currency, and all decimals that it has."""
    return written_price(amount, currency, page_locale())


def day(on: date) -> str:
    """A day written out: 3 March 2026."""
    return _day_in(get_language(), on)


@lru_cache(maxsize=8192)
def _day_in(language: str | None, on: date) -> str:
    """The day in the language that is active, which is named to be told from the others."""
    return str(localize(on))


def as_pages_write(text: str) -> str:
    """A sentence in the page's language, with its amounts and days as all pages write them.

    What was done and what was refused is said in words that the log and the API have as well, where
    English, 10.00 SEK and 2026-03-01 stand whatever the language is.
    """
    return _DAY.sub(_written_day, _AMOUNT.sub(_written_amount, in_page_language(text)))


def _written_amount(found: re.Match[str]) -> str:
    number, currency = found.groups()
    _, _, decimals = number.partition(".")
    if len(decimals) != EXPONENTS.get(currency, -1):
        return found[0]
    minor = exact_minor(number, currency)
    return written_money(minor, currency, page_locale())


def _written_day(found: re.Match[str]) -> str:
    try:
        return day(date.fromisoformat(found[0]))
    except ValueError:
        return found[0]


def yes_or_no(is_so: bool) -> str:
    return pgettext("desk", "yes") if is_so else pgettext("desk", "no")


def plain(number: Decimal | None, unit: str = "") -> str:
    """A quantity or a unit price without the zeros that its column pads it with."""
    return NOTHING if number is None else figure(f"{written(number)} {unit}".rstrip())


def written(number: Decimal) -> str:
    """A number with the decimals that it has, as the page's language writes it: ``1 234,5``."""
    return str(format_decimal(number, format=_DECIMALS, locale=page_locale()))


def trimmed(number: Decimal) -> str:
    """199 and not 199.0000000000, as forms send it."""
    return f"{number.normalize():f}"


def link(obj: models.Model | None, text: object = "") -> str:
    """A link to the object's page; the text is escaped."""
    if obj is None:
        return NOTHING
    return format_html('<a href="{}" class="text-link">{}</a>', address_of(obj), text or obj)


def named_with_id(obj: models.Model, name: str = "") -> str:
    """What people call an object, with its public id small beneath."""
    said, public_id = name or obj, getattr(obj, "public_id", "")
    return format_html('{}<span class="block text-subtle text-xs">{}</span>', said, public_id)


def address_of(obj: models.Model) -> str:
    """The path of the object's page."""
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
    if not isinstance(obj.pk, int):
        return reverse(name, args=[quote(obj.pk)])
    before, after = _around_key(name, get_script_prefix())
    return f"{before}{obj.pk}{after}"


@lru_cache
def _around_key(name: str, prefix: str) -> tuple[str, str]:
    """What stands before and after the key in a path; a list asks for a hundred of them."""
    before, _, after = reverse(name, args=["-key-"]).partition("-key-")
    return before, after
