"""What is kept as JSON, shown as small tables of label and value."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.db import models
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import pgettext
from unfold.widgets import UnfoldAdminTextareaWidget

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


class FactsInput(UnfoldAdminTextareaWidget):
    """JSON to be edited, with what there is as a table beneath it."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        written = super().render(name, value, attrs, renderer)
        try:
            there_is = json.loads(value) if value else None
        except (ValueError, RecursionError):
            there_is = None
        return format_html("{}{}", written, facts_of(there_is)) if there_is else written


class FactsField(forms.JSONField):
    """JSON in a form, where nothing is an empty field and not ``null``, ``{}`` or ``[]``.

    ``when_empty`` is what is kept of an empty field.
    """

    widget = FactsInput

    def __init__(self, *, when_empty: Any = None, **options: Any) -> None:
        self.when_empty = when_empty
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        is_nothing = value is None or value == self.when_empty
        return "" if is_nothing else super().prepare_value(value)

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        return self.when_empty if cleaned is None else cleaned

    def has_changed(self, initial: Any, data: Any) -> bool:
        if data in ("", None):
            return initial not in (None, self.when_empty)
        return bool(super().has_changed(initial, data))
