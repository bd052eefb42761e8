"""Figures, links and words as a page of the desk shows them."""

from decimal import Decimal
from functools import lru_cache

from django.contrib.admin.utils import quote
from django.db import models
from django.urls import get_script_prefix, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.engine.money import major_string

NOTHING = "–"


class Figure(SafeString):
    """A figure as it stands on a page; tables align it to the right."""


def figure(text: str) -> Figure:
    return Figure(format_html('<span class="figure">{}</span>', text))


def money(minor: int | None, currency: str) -> str:
    """An amount with its currency, set so that columns of amounts line up."""
    if minor is None or not currency:
        return NOTHING
    return figure(f"{major_string(minor, currency)} {currency}")


def plain(number: Decimal | None) -> str:
    """A quantity or a unit price without the zeros that its column pads it with."""
    return NOTHING if number is None else figure(trimmed(number))


def trimmed(number: Decimal) -> str:
    """199 and not 199.0000000000."""
    return f"{number.normalize():f}"


def link(obj: models.Model | None, text: object = "") -> str:
    """A link to the object's page; the text is escaped."""
    if obj is None:
        return NOTHING
    return format_html('<a href="{}" class="text-link">{}</a>', address_of(obj), text or obj)


def named_with_id(obj: models.Model) -> str:
    """What people call an object, with its public id small beneath."""
    public_id = getattr(obj, "public_id", "")
    return format_html('{}<span class="block text-subtle text-xs">{}</span>', obj, public_id)


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
