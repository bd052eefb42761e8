"""Two people, or two tabs, with one row's form: who saves second overwrites nothing unseen.

A page carries a digest of each field as it was read. What is saved is compared with the row as it
is by then, under its lock: where they differ the form comes back, with what was typed, and says
which fields have changed and who changed them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from django import forms
from django.contrib.auth import get_user_model
from django.db import models
from django.http import QueryDict
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import pgettext
from pghistory.core import event_models

from billing.desk.typed_rows import RowsField, RowsInput, TypedRows

# How far back it is looked for who changed a field.
CHANGES_MAX = 20
SHOWN_MAX = 80


def _digest(value: object) -> str:
    return sha256(str(value).encode()).hexdigest()[:12]


def _written(field: forms.Field, value: Any) -> str:
    """A value as its field writes it, the same for what was read and for what was typed."""
    prepared = field.prepare_value(value)
    if isinstance(prepared, TypedRows):
        return prepared.as_text
    if isinstance(prepared, list | tuple | models.QuerySet):
        return ",".join(sorted(str(getattr(each, "pk", each)) for each in prepared))
    return "" if prepared is None else str(prepared)


class AsRead(forms.ModelForm):
    """A form that is refused where its row is no longer what the page showed.

    ``parts`` are the models of the rows that stand within it, each with its key to the row. A form
    that carries no digests was not shown by a page, and is taken as it comes.
    """

    parts: Sequence[tuple[type[models.Model], str]] = ()

    @property
    def as_read(self) -> str:
        """The digests, by field: what the page keeps and sends back."""
        return json.dumps(self._digests(), separators=(",", ":"))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        now, read = self._digests(), _read_from(self.data.get("as_read", ""))
        changed = [name for name, digest in now.items() if read.get(name, digest) != digest]
        if changed:
            self._refuse(changed, read)
        return cleaned

    def _refuse(self, changed: Sequence[str], read: dict[str, str]) -> None:
        authors = authors_of(self.instance, changed)
        self.add_error(
            None,
            pgettext(
                "desk",
                "Nothing has been saved, because this was changed after you opened the page. "
                "What you typed is still here. Check what has changed, then save again.",
            ),
        )
        for name in changed:
            author = authors.get(name)
            if name not in self.fields:
                self.add_error(None, _rows_changed(self._rows(name), author))
                continue
            typed = self.cleaned_data.get(name)
            has_typed = _digest(_written(self.fields[name], typed)) != read[name]
            self.add_error(name, _changed_to(self._shown(name), author))
            if not has_typed:
                self._fill_in(name)

    def _digests(self) -> dict[str, str]:
        if self.instance.pk is None:
            return {}
        found = {
            name: _digest(_written(field, self.initial.get(name)))
            for name, field in self.fields.items()
            if name in self.initial and not field.disabled
        }
        for model, key in self.parts:
            rows = model._base_manager.filter(**{key: self.instance}).order_by("pk")
            found[model._meta.label] = _digest([*rows.values_list()])
        return found

    def _rows(self, label: str) -> str:
        """What the rows of a model within it are called on its page."""
        found = (model._meta for model, _ in self.parts if model._meta.label == label)
        return str(next(found).verbose_name_plural)

    def _shown(self, name: str) -> str:
        """The value of a field as it is by now, in the words of its page."""
        display = getattr(self.instance, f"get_{name}_display", None)
        value = display() if display else self.initial[name]
        if not display and isinstance(self.fields[name], forms.ModelChoiceField):
            value = getattr(self.instance, name)
        elif isinstance(table := self.fields[name], RowsField):
            value = table.in_words(value)
        elif not display:
            value = self.fields[name].prepare_value(value)
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        text = str(localize(value)) if value not in (None, "") else pgettext("desk", "nothing")
        return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"

    def _fill_in(self, name: str) -> None:
        """Put what the row has by now where nothing else was typed, so that it is not undone."""
        field, sent = self.fields[name], cast(QueryDict, self.data).copy()
        value, key = field.prepare_value(self.initial[name]), self.add_prefix(name)
        if isinstance(field.widget, forms.CheckboxInput):
            sent.pop(key, None)
            sent.update({key: "on"} if value else {})
        elif isinstance(field.widget, RowsInput):
            field.widget.fill_in(sent, key, value)
        elif isinstance(value, list | tuple):
            sent.setlist(key, [str(getattr(each, "pk", each)) for each in value])
        else:
            sent[key] = "" if value is None else str(value)
        self.data = sent


def _read_from(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Author:
    """Who changed a field, and when, as the page writes it."""

    who: str
    at: str


@dataclass(frozen=True)
class _Change:
    """A row as its history kept it, and beside it who made it so."""

    values: dict[str, Any]
    user: Any
    actor: str
    at: Any


def authors_of(row: models.Model, names: Iterable[str]) -> dict[str, Author]:
    """Who was the last to change each field, and when; without those that history does not know."""
    found: dict[str, Author] = {}
    for kept in event_models(tracks_model=type(row)):
        fields = {each.name: each.attname for each in kept._meta.concrete_fields}
        asked = [name for name in names if name in fields]
        changes = _changes(kept, row, [fields[name] for name in asked])
        for name in asked:
            for newer, older in zip(changes, [*changes[1:], None], strict=True):
                if older is None or newer.values[fields[name]] != older.values[fields[name]]:
                    if older is not None:
                        found[name] = _author(newer)
                    break
    return found


def _changes(kept: Any, row: models.Model, columns: Sequence[str]) -> list[_Change]:
    """The latest of a row's history, newest first."""
    rows = kept._base_manager.filter(pgh_obj=row.pk).order_by("-pgh_id")[:CHANGES_MAX]
    return [
        _Change(
            values={column: values[column] for column in columns},
            user=(values["pgh_context__metadata"] or {}).get("user"),
            actor=(values["pgh_context__metadata"] or {}).get("actor", ""),
            at=values["pgh_created_at"],
        )
        for values in rows.values(*columns, "pgh_created_at", "pgh_context__metadata")
    ]


def _author(change: _Change) -> Author:
    user = get_user_model()._base_manager.filter(pk=change.user).first() if change.user else None
    who = user.get_username() if user else change.actor or pgettext("desk", "somebody")
    return Author(who, str(localize(localtime(change.at))))


def _changed_to(value: str, author: Author | None) -> str:
    if author is None:
        return pgettext("desk", "Somebody changed this to “%(value)s”.") % {"value": value}
    said = pgettext("desk", "On %(at)s %(who)s changed this to “%(value)s”.")
    return said % {"at": author.at, "who": author.who, "value": value}


def _rows_changed(rows: str, author: Author | None) -> str:
    if author is None:
        return pgettext("desk", "Somebody changed the %(rows)s.") % {"rows": rows}
    said = pgettext("desk", "On %(at)s %(who)s changed the %(rows)s.")
    return said % {"at": author.at, "who": author.who, "rows": rows}
