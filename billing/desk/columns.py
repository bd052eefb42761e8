"""Columns of lists."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from operator import attrgetter

from django.db import models
from django.template.loader import render_to_string
from django.utils.functional import lazy
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from unfold.decorators import display

from billing.desk.figures import NOTHING, as_pages_write, day, link, money, plain

_ANCHOR = re.compile(r"</?a\b[^>]*>")


def money_column(name: str, description: str = "", currency: str = "currency") -> Callable:
    """A column that shows a field of minor units as money."""
    minor_of, currency_of = attrgetter(name), attrgetter(currency)
    title = description or name.removesuffix("_minor").replace("_", " ")

    @display(description=title, ordering=name.replace(".", "__"), formatting="price")
    def column(admin: object, obj: models.Model) -> str:
        return money(minor_of(obj), currency_of(obj))

    return column


def plain_column(name: str, description: str = "") -> Callable:
    """A column that shows a decimal field without padding."""
    title = description or name.replace("_", " ")

    @display(description=title, ordering=name, formatting="price")
    def column(admin: object, obj: models.Model) -> str:
        return plain(getattr(obj, name))

    return column


def link_column(name: str, ordering: str = "") -> Callable:
    """A column that links to what a foreign key points at."""
    target_of = attrgetter(name)

    @display(description=name.rpartition(".")[2].replace("_", " "), ordering=ordering or name)
    def column(admin: object, obj: models.Model) -> str:
        return link(target_of(obj))

    return column


def label_column(name: str, colors: Mapping[str, str], description: str = "") -> Callable:
    """A column that shows a choice as a word on a ground: success, warning, danger or info."""
    title = description or name.replace("_", " ")

    # Else the words of all choices are made to find one, in every row.
    @lru_cache(maxsize=1024)
    def label_of(model: type[models.Model], value: str, language: str | None) -> str:
        word = getattr(model(**{name: value}), f"get_{name}_display")()
        return _label(word, colors.get(value, ""))

    @display(description=title, ordering=name)
    def column(admin: object, obj: models.Model) -> str:
        return label_of(type(obj), getattr(obj, name), get_language())

    return column


def said_column(field: models.Field) -> Callable[[models.Model], str]:
    """A column that shows, in the page's language, a sentence that is kept as the log says it."""
    said_of = attrgetter(field.attname)
    return _column_of(field, lambda obj: as_pages_write(said_of(obj)) or NOTHING)


def day_column(field: models.Field) -> Callable[[models.Model], str]:
    """A column of days: a list shows the same few in row upon row, and writes each once."""
    day_of = attrgetter(field.attname)

    def shown(obj: models.Model) -> str:
        on = day_of(obj)
        return NOTHING if on is None else day(on)

    return _column_of(field, shown)


def _column_of(
    field: models.Field, shown: Callable[[models.Model], str]
) -> Callable[[models.Model], str]:
    """A column that is called what the field is, and sorted by it."""
    # By its name Django finds the help that goes with the field.
    shown.__name__ = field.name
    shown.admin_order_field = field.name  # type: ignore[attr-defined]
    # Asked for when it is shown: the field's own label is translated after its page is made.
    shown.short_description = lazy(lambda: str(field.verbose_name), str)()  # type: ignore[attr-defined]
    return shown


@lru_cache
def _label(word: str, color: str) -> str:
    """Kept, because a list shows the same few labels in every row."""
    label = render_to_string("unfold/helpers/label.html", {"text": word, "type": color})
    return SafeString(label.strip())


def own_link_column(column: Callable[[models.Model], object]) -> Callable:
    """The column with its words alone, for the column of a list that opens the row's own page.

    A link within that link would end it before its first word, and the row could not be opened.
    """

    @wraps(column)
    def words(obj: models.Model) -> object:
        shown = column(obj)
        bare = SafeString(_ANCHOR.sub("", shown)) if isinstance(shown, SafeString) else shown
        return NOTHING if bare in ("", None) else bare

    return words
