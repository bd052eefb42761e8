"""What is kept as JSON, shown as small tables of label and value."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import models
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import pgettext

from billing.desk.figures import NOTHING, money


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
    return str(name).removesuffix("_minor").replace("_", " ").capitalize()


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
