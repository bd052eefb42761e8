"""What history has kept of a row, as a page says it: who, when, and which fields from what to what.

Rows come from the tables that django-pghistory fills, and from the log of what was done by buttons
of the desk. The fields of parts that stand within the row's form, such as the steps of a policy,
are told with it.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import display_for_field
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import pgettext
from pghistory.core import event_models

from billing.desk.figures import NOTHING, as_pages_write, money, written

ENTRIES_MAX = 200
SHOWN_MAX = 300
# The key of the form that was sent, which the log keeps to know a form that is sent twice.
_KEY_OF_FORM = re.compile(r" \(form [^)]*\)$")
# What stands with every row and says nothing that a person would look for.
_UNSAID = {"id", "recorded_at"}


@dataclass(frozen=True)
class FieldChange:
    """A field, and its value before and after in the words of its page."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Entry:
    """One change of a row or of a part of it, or one deed: when, by whom, and what."""

    at: datetime
    who: str
    what: str
    changes: Sequence[FieldChange] = field(default=())


def history_of(
    row: models.Model,
    parts: Sequence[tuple[type[models.Model], str]],
    said: Collection[str] = (),
) -> list[Entry]:
    """The newest entries of a row, its parts and its buttons, the newest first.

    ``parts`` are the models of the rows within its form, each with its key to the row; ``said`` are
    its fields that keep sentences of the log.
    """
    told = [*_kept(type(row), {"pgh_obj": row.pk}, part="", said=said)]
    for model, key in parts:
        told += _kept(model, {key: row.pk}, part=str(model._meta.verbose_name))
    told += _done(row, are_edits_kept=bool(told))
    users = {each.metadata["user"] for each in told if each.metadata.get("user")}
    found = get_user_model()._base_manager.filter(pk__in=users)
    names = dict(found.values_list("pk", "username"))
    told.sort(key=lambda each: each.at, reverse=True)
    return [
        Entry(each.at, _who(each.metadata, names), each.what, each.changes)
        for each in told[:ENTRIES_MAX]
    ]


@dataclass(frozen=True)
class _Told:
    """An entry whose author is not yet looked up."""

    at: datetime
    metadata: Mapping[str, Any]
    what: str
    changes: Sequence[FieldChange] = ()


def _kept(
    model: type[models.Model], of: Mapping[str, Any], *, part: str, said: Collection[str] = ()
) -> Iterator[_Told]:
    for kept in event_models(tracks_model=model):
        fields = [
            each
            for each in model._meta.concrete_fields
            if each.name in {one.name for one in kept._meta.fields} - _UNSAID - {*of}
        ]
        rows = list(
            kept._base_manager.filter(**of)
            .order_by("-pgh_id")
            .values(
                *(each.attname for each in fields),
                *("pgh_label", "pgh_created_at", "pgh_obj_id", "pgh_context__metadata"),
            )[: ENTRIES_MAX + 1]
        )
        words = _Words(fields, rows, said)
        for position, values in enumerate(rows[:ENTRIES_MAX]):
            older = rows[position + 1 :]
            before = next((one for one in older if one["pgh_obj_id"] == values["pgh_obj_id"]), None)
            label = values["pgh_label"]
            changes = () if label == "delete" else words.changes(before, values)
            if label == "update" and before is not None and not changes:
                continue
            what = _what(label, part, "" if not part else words.named(values))
            yield _Told(
                values["pgh_created_at"], values["pgh_context__metadata"] or {}, what, changes
            )


def _what(label: str, part: str, name: str) -> str:
    what = {
        "insert": pgettext("desk", "Added"),
        "delete": pgettext("desk", "Deleted"),
    }.get(label, pgettext("desk", "Changed"))
    return f"{what}: {part} {name}".rstrip() if part else what


def _done(row: models.Model, *, are_edits_kept: bool) -> Iterator[_Told]:
    """What the log keeps of deeds; of edits only where no table keeps their fields."""
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(row, for_concrete_model=False),
        object_id=row.pk,
    ).order_by("-action_time", "-pk")
    for entry in entries[:ENTRIES_MAX]:
        is_edit = entry.change_message.startswith("[") or not entry.change_message
        if is_edit and are_edits_kept:
            continue
        what = said_of(entry) or _what("update", "", "")
        yield _Told(entry.action_time, {"user": entry.user_id}, what)


def said_of(entry: LogEntry) -> str:
    """What the log has of a deed or an edit, as pages say it."""
    return as_pages_write(_KEY_OF_FORM.sub("", str(entry.get_change_message())))


def _who(metadata: Mapping[str, Any], names: Mapping[Any, str]) -> str:
    """Who made a change, as far as what was kept beside it tells."""
    if user := metadata.get("user"):
        return names.get(user) or pgettext("desk", "Somebody who is no longer staff")
    actor, address = str(metadata.get("actor") or ""), str(metadata.get("url") or "")
    if actor.startswith("job:"):
        return pgettext("desk", "Kvitt, automatically")
    if actor.startswith("command:"):
        return f"manage.py {actor.removeprefix('command:')}"
    if address.startswith("/api/") or actor.startswith("key:"):
        return pgettext("desk", "The shop, by the API")
    if address.startswith(("/portal/", "/pay/")):
        return pgettext("desk", "The customer")
    return actor or pgettext("desk", "Not known")


class _Words:
    """The values of some fields in the words of their page; what they point at is read at once."""

    def __init__(
        self,
        fields: Sequence[models.Field],
        rows: Sequence[Mapping[str, Any]],
        said: Collection[str],
    ):
        self.fields, self.said = fields, said
        self._targets: dict[str, dict[Any, str]] = {}
        for each in fields:
            if isinstance(each, models.ForeignKey):
                keys = {row[each.attname] for row in rows} - {None}
                found = each.related_model._base_manager.in_bulk(list(keys))
                self._targets[each.name] = {key: str(target) for key, target in found.items()}

    def changes(
        self, before: Mapping[str, Any] | None, after: Mapping[str, Any]
    ) -> list[FieldChange]:
        """Fields that differ; of a row that is new, those that say something."""
        found = []
        for each in self.fields:
            old = None if before is None else before[each.attname]
            if before is None and after[each.attname] in (None, "", [], {}, False):
                continue
            if old != after[each.attname] or before is None:
                found.append(
                    FieldChange(
                        capfirst(_label(each)),
                        NOTHING if before is None else self._shown(each, before),
                        self._shown(each, after),
                    )
                )
        return found

    def named(self, row: Mapping[str, Any]) -> str:
        """A part of a row by its values, since the part itself may be gone."""
        shown = (self._shown(each, row) for each in self.fields if each.attname in row)
        return ", ".join(text for text in shown if text != NOTHING)

    def _shown(self, asked: models.Field, row: Mapping[str, Any]) -> str:
        value = row[asked.attname]
        if value is None or value in ("", [], {}):
            return NOTHING
        if isinstance(asked, models.ForeignKey):
            gone = pgettext("desk", "deleted (%(key)s)") % {"key": value}
            return self._targets[asked.name].get(value, gone)
        if asked.name.endswith("_minor") and row.get("currency"):
            return str(money(value, row["currency"]))
        if isinstance(asked, models.BooleanField):
            return pgettext("desk", "yes") if value else pgettext("desk", "no")
        if isinstance(asked, models.JSONField):
            text = _json_in_words(value)
        elif isinstance(asked, models.DecimalField):
            text = written(value)
        elif asked.name in self.said:
            text = as_pages_write(value)
        else:
            text = str(display_for_field(value, asked, NOTHING))
        return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _label(asked: models.Field) -> str:
    return str(asked.verbose_name).removesuffix(" minor")


def _json_in_words(value: Any) -> str:
    """``rate: 25, name: VAT``; what is in a list is set apart by semicolons."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_json_in_words(each)}" for key, each in value.items())
    if isinstance(value, list):
        return "; ".join(map(_json_in_words, value))
    if isinstance(value, bool):
        return pgettext("desk", "yes") if value else pgettext("desk", "no")
    return NOTHING if value in (None, "") else str(value)
