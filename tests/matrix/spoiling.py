"""Spoiling what is typed into a form, field by field, as the form's own definition says.

A form is filled in with what it shows, as a browser would send it back, and then one field is
spoiled at a time. What must be refused is told from what a person may mean.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

from django import forms
from django.db import connection

from billing.desk.typed_rows import RowsField

LONG = "x" * 5_000
CONTROL = "a\x01b"
NUL = "a\x00b"
HUGE = "9" * 40
WORDS = "soon"


@dataclass(frozen=True)
class Spoiled:
    """A field's value that is wrong; ``is_refused`` where nothing but a refusal is right."""

    field: str
    kind: str
    value: str
    is_refused: bool = True


def filled_in(form: Any) -> dict[str, Any]:
    """What a browser sends that changes nothing: each field as it is shown."""
    sent: dict[str, Any] = {}
    for bound in form:
        value: Any = bound.value()
        if isinstance(bound.field, RowsField):
            sent |= bound.field.widget.as_sent(bound.html_name, value)
        elif isinstance(bound.field.widget, forms.MultiWidget):
            parts: Any = value if isinstance(value, list) else _parts(bound.field.widget, value)
            sent |= {f"{bound.html_name}_{n}": _text(part) for n, part in enumerate(parts)}
        elif isinstance(bound.field, forms.BooleanField):
            if value:
                sent[bound.html_name] = "on"
        elif isinstance(value, list | tuple):
            sent[bound.html_name] = [_text(each) for each in value]
        elif value is not None and not isinstance(bound.field, forms.FileField):
            sent[bound.html_name] = _text(value)
        elif bound.field.required:
            sent[bound.html_name] = _some(bound.field)
    return sent


def _parts(widget: Any, value: Any) -> Any:
    return widget.decompress(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _some(field: Any) -> str:
    """Something that a required field takes."""
    if isinstance(field, forms.ModelChoiceField):
        rows: Any = field.queryset
        first = rows.order_by("-pk").first()
        return str(field.prepare_value(first)) if first else ""
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        return next((str(key) for key, _ in choices if key not in ("", None)), "")
    if isinstance(field, forms.DateField):
        return "2026-03-10"
    if isinstance(field, forms.DateTimeField):
        return "2026-03-10 12:00"
    if isinstance(field, forms.IntegerField | forms.DecimalField):
        return "1"
    if isinstance(field, forms.EmailField):
        return "a@example.com"
    return "some"


def spoiled(form: Any, strangers: dict[type, Any]) -> Iterator[Spoiled]:
    """Each field of a form with each value that is wrong for its kind.

    ``strangers`` are rows of another seller, by model.
    """
    for bound in form:
        field, name = bound.field, bound.html_name
        if field.disabled or isinstance(field, forms.FileField):
            continue
        is_whole = not isinstance(field, forms.BooleanField | forms.MultiValueField)
        if field.required and is_whole:
            yield Spoiled(name, "empty", "")
        yield from _of_kind(field, name, strangers)


def _of_kind(field: Any, name: str, strangers: dict[type, Any]) -> Iterator[Spoiled]:
    if isinstance(field, forms.ModelChoiceField):
        yield Spoiled(name, "wrong kind", WORDS)
        yield Spoiled(name, "huge", HUGE)
        yield Spoiled(name, "control character", NUL)
        rows: Any = field.queryset
        if rows.model in strangers:
            stranger = field.prepare_value(strangers[rows.model])
            yield Spoiled(name, "another seller's", str(stranger), is_refused=False)
    elif isinstance(field, forms.ChoiceField):
        for kind, value in (("wrong kind", WORDS), ("long", LONG), ("control character", NUL)):
            yield Spoiled(name, kind, value)
    elif isinstance(field, forms.BooleanField):
        yield Spoiled(name, "wrong kind", LONG, is_refused=False)
    elif isinstance(field, forms.SplitDateTimeField):
        for kind, value in (("past", "0001-01-01"), ("future", "9999-12-31"), ("words", WORDS)):
            yield Spoiled(f"{name}_0", kind, value)
    elif isinstance(field, forms.DateField | forms.DateTimeField):
        for kind, value in (("past", "0001-01-01"), ("future", "9999-12-31"), ("words", WORDS)):
            yield Spoiled(name, kind, value)
    elif isinstance(field, forms.IntegerField | forms.DecimalField):
        yield Spoiled(name, "huge", HUGE)
        yield Spoiled(name, "large", _large(field, name))
        yield Spoiled(name, "negative", f"-{HUGE}")
        yield Spoiled(name, "minus one", "-1", is_refused=False)
        yield Spoiled(name, "words", WORDS)
        yield Spoiled(name, "no number", "NaN")
    elif isinstance(field, RowsField):
        for column, cell in field.row.columns().items():
            yield from _of_kind(cell, f"{name}-0-{column}", strangers)
    elif isinstance(getattr(field, "base_field", None), forms.EmailField):
        for kind, value in (("words", WORDS), ("long", f"a@{LONG}.example"), ("NUL", NUL)):
            yield Spoiled(name, kind, value)
        yield Spoiled(name, "too many", ", ".join(f"a{n}@b.example" for n in range(11)))
    else:
        is_prose = isinstance(field.widget, forms.Textarea)
        yield Spoiled(name, "long", LONG * (4 if is_prose else 1), is_refused=not is_prose)
        yield Spoiled(name, "control character", CONTROL)
        yield Spoiled(name, "NUL", NUL)
        yield Spoiled(name, "words", "<b>&'\"{{7*7}}%s\\", is_refused=False)


def _large(field: Any, name: str) -> str:
    """More than anybody means, though its column could hold it."""
    if isinstance(field, forms.DecimalField):
        return "1e30"
    return str(10**18 if name.endswith(("_minor", "_number")) else 2**31 - 1)


def guard_names() -> re.Pattern[str]:
    """What the database calls its guards and indexes: no person should read any of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace"
            " WHERE nspname = 'public' UNION SELECT 'pgtrigger' UNION SELECT indexname"
            " FROM pg_indexes WHERE schemaname = 'public'"
        )
        names = sorted(
            row[0] for row in cursor.fetchall() if "_" in row[0] or row[0] == "pgtrigger"
        )
    return re.compile("|".join(map(re.escape, names)))


@dataclass
class Drawn:
    """A form as a page has it: where it is sent, and what a browser would send."""

    path: str
    sent: dict[str, str]
    # The kind of each input by its name, such as "text" or "hidden".
    kinds: dict[str, str]


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.found = page, list[Drawn]()
        self.within: Drawn | None = None
        self.select, self.area = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            is_sent = told.get("method", "get").lower() == "post"
            path = urljoin(self.page, told.get("action", ""))
            self.within = Drawn(path, {}, {}) if is_sent else None
        form, name = self.within, told.get("name", "")
        if form is None:
            return
        if tag == "option" and self.select:
            if "selected" in told or self.select not in form.sent:
                form.sent[self.select] = told.get("value", "")
        elif not name or name == "csrfmiddlewaretoken":
            return
        elif tag in ("input", "button"):
            kind = told.get("type", "text")
            form.kinds.setdefault(name, kind if tag == "input" else "button")
            if kind not in ("checkbox", "radio") or "checked" in told:
                form.sent.setdefault(name, told.get("value", ""))
        elif tag in ("select", "textarea"):
            form.kinds[name] = tag
            self.select, self.area = (name, "") if tag == "select" else ("", name)
            if tag == "textarea":
                form.sent[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self.within is not None:
            self.found.append(self.within)
            self.within = None
        elif tag in ("select", "textarea"):
            self.select = self.area = ""


def drawn_in(page: str, html: str) -> list[Drawn]:
    """The forms of a page that are posted."""
    parser = _Forms(page)
    parser.feed(html)
    return parser.found


# Whatever the field: each of these is wrong somewhere, and no failure anywhere.
ANYTHING = {
    "empty": "",
    "huge": HUGE,
    "negative": "-1",
    "past": "0001-01-01",
    "future": "9999-12-31",
    "no day": "2026-02-31",
    "wrong kind": WORDS,
    "no number": "NaN",
    "long": LONG,
    "control character": CONTROL,
    "NUL": NUL,
}
# No text, day or number is any of these.
NEVER = frozenset({"long", "control character", "NUL"})
