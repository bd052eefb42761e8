"""What is kept as JSON, shown as small tables of label and value."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import models
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import pgettext, pgettext_lazy

from billing.desk.figures import NOTHING, money

# What snapshots and orders call otherwise, or shorter, than the page of what they are taken of.
_CALLED = {
    "accent": pgettext_lazy("desk", "accent color"),
    "auto": pgettext_lazy("desk", "charged automatically"),
    "business": pgettext_lazy("desk", "is business"),
    "company": pgettext_lazy("desk", "company"),
    "evidence": pgettext_lazy("desk", "business evidence"),
    "f_tax": pgettext_lazy("desk", "has f tax"),
    "inclusive": pgettext_lazy("desk", "in the price"),
    "ip_address": pgettext_lazy("desk", "IP address"),
    "line1": pgettext_lazy("desk", "address line1"),
    "line2": pgettext_lazy("desk", "address line2"),
    "org": pgettext_lazy("desk", "organisation number"),
    "text": pgettext_lazy("desk", "words agreed to"),
    "user_agent": pgettext_lazy("desk", "User Agent"),
    "vat": pgettext_lazy("desk", "vat number"),
    "version": pgettext_lazy("desk", "version of the words"),
}


def facts_of(value: Any) -> str:
    """A value out of JSON as people read it: a mapping as rows, a list of mappings as a table."""
    if value is None or value == "" or value == {} or value == []:
        return NOTHING
    if isinstance(value, bool):
        return pgettext("desk", "yes") if value else pgettext("desk", "no")
    if isinstance(value, Mapping):
        return _rows(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(each, Mapping) for each in value):
            return _table(value)
        return format_html_join(", ", "{}", ((facts_of(each),) for each in value))
    return str(value)


def facts_in(text: str) -> str:
    """What a text of JSON says, as a table; another text as it is."""
    try:
        return facts_of(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _rows(facts: Mapping[str, Any]) -> SafeString:
    rows = ((_label(name), _cell(name, value, facts)) for name, value in facts.items())
    shown = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows)
    return format_html('<table class="desk-facts">{}</table>', shown)


def _table(rows: Sequence[Mapping[str, Any]]) -> SafeString:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = format_html_join("", '<th scope="col">{}</th>', ((_label(name),) for name in names))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        (
            (
                format_html_join(
                    "", "<td>{}</td>", ((_cell(name, row.get(name), row),) for name in names)
                ),
            )
            for row in rows
        ),
    )
    return format_html(
        '<table class="desk-facts"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, body
    )


def _label(name: str) -> str:
    if name in _CALLED:
        return capfirst(str(_CALLED[name]))
    english = str(name).removesuffix("_minor").replace("_", " ")
    label = pgettext("desk", english)
    return capfirst(label if label != english else pgettext("desk", capfirst(english)))


def _cell(name: str, value: Any, beside: Mapping[str, Any]) -> str:
    currency = beside.get("currency")
    is_money = str(name).endswith("_minor") and isinstance(value, int) and currency
    return money(value, str(currency)) if is_money else facts_of(value)


def column_of_facts(field: models.Field) -> Callable[[models.Model], str]:
    """A JSON field as pages show it that do not edit it."""

    def shown(obj: models.Model) -> str:
        return format_html("{}", facts_of(getattr(obj, field.attname)))

    shown.__name__ = f"{field.name}_facts"
    # Asked for when it is shown: the field's own label is translated after its page is made.
    shown.short_description = lazy(lambda: str(field.verbose_name), str)()  # type: ignore[attr-defined]
    return shown
