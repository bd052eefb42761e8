"""Fields that are kept as JSON and typed as a table: a row for each entry, a cell for each part.

A table has some empty rows at its end, and a script adds more. What is left empty is no row.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import pgettext, pgettext_lazy
from unfold.widgets import CHECKBOX_CLASSES, INPUT_CLASSES, SELECT_CLASSES

from billing.base.cards import WithoutCards
from billing.base.typed import Typed
from billing.engine.bounds import METADATA_KEY, METADATA_KEYS, METADATA_VALUE

EMPTY_ROWS = 2
ROWS_MAX = 100

type Cells = Mapping[str, Any]


class TypedRows(list[dict[str, Any]]):
    """Cells by column, row by row, as they were sent or as what is kept has them.

    ``is_none`` says of an empty table that it was ticked to be meant so.
    """

    is_none = False

    @property
    def as_text(self) -> str:
        rows = [{name: str(value) for name, value in row.items() if value} for row in self]
        return f"{self.is_none} {rows}"


class Row(WithoutCards, Typed):
    """A row of the table: its fields are the columns."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options |= {"empty_permitted": True, "use_required_attribute": False}
        super().__init__(*args, **options)

    @classmethod
    def columns(cls) -> dict[str, forms.Field]:
        return cls.base_fields


class RowsInput(forms.Widget):
    """The table. ``none_label`` asks for a box that says that there is to be none at all."""

    def __init__(self, row: type[Row], none_label: Any = "", attrs: Any = None) -> None:
        self.row, self.none_label = row, none_label
        super().__init__(attrs)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        rows = value or TypedRows()
        columns = self.row.columns().values()
        head = format_html_join("", '<th scope="col">{}</th>', ((each.label,) for each in columns))
        body = format_html_join(
            "",
            "<tr>{}</tr>",
            (
                (self._cells(name, number, cells),)
                for number, cells in enumerate([*rows, *({} for _ in range(EMPTY_ROWS))])
            ),
        )
        return format_html(
            '<div id="{}" class="desk-rows"><table><thead><tr>{}</tr></thead><tbody>{}</tbody>'
            '</table><button type="button" class="text-link" hidden>{}</button>{}</div>',
            (attrs or {}).get("id", ""),
            head,
            body,
            pgettext("desk", "Add a row"),
            self._none_box(name, is_ticked=getattr(rows, "is_none", False)),
        )

    def _cells(self, name: str, number: int, cells: Cells) -> SafeString:
        row = self.row(initial=dict(cells), prefix=f"{name}-{number}")
        return format_html_join("", "<td>{}</td>", ((self._cell(bound, number),) for bound in row))

    @staticmethod
    def _cell(bound: forms.BoundField, number: int) -> SafeString:
        words = {"column": bound.label, "number": number + 1}
        widget = bound.field.widget
        classes = INPUT_CLASSES
        if isinstance(widget, forms.CheckboxInput):
            classes = CHECKBOX_CLASSES
        elif isinstance(widget, forms.Select):
            classes = SELECT_CLASSES
        said = pgettext("desk", "%(column)s, row %(number)s") % words
        return bound.as_widget(attrs={"class": " ".join(classes), "aria-label": said})

    def _none_box(self, name: str, *, is_ticked: bool) -> SafeString:
        if not self.none_label:
            return SafeString()
        box = forms.CheckboxInput({"class": " ".join(CHECKBOX_CLASSES)})
        return format_html(
            '<label class="desk-tick">{} {}</label>',
            box.render(f"{name}-none", is_ticked),
            self.none_label,
        )

    def id_for_label(self, id_: str) -> str:
        return f"{id_}-0-{next(iter(self.row.columns()))}" if id_ else ""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> TypedRows:
        rows = TypedRows()
        for number in sorted({number for number, _ in self._sent(data, name)}):
            prefix = f"{name}-{number}-"
            rows.append(
                {
                    column: field.widget.value_from_datadict(data, files, prefix + column)
                    for column, field in self.row.columns().items()
                }
            )
        rows.is_none = bool(self.none_label) and f"{name}-none" in data
        return rows

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-none" not in data and not any(self._sent(data, name))

    def _sent(self, data: Any, name: str) -> Iterator[tuple[int, str]]:
        """The cells that were sent: number of the row and whole name."""
        pattern = re.compile(rf"{re.escape(name)}-(\d{{1,4}})-(\w+)")
        for key in data:
            found = pattern.fullmatch(key)
            if found and found[2] in self.row.columns():
                yield int(found[1]), key

    def as_sent(self, name: str, rows: Sequence[Cells] | None) -> dict[str, str]:
        """What a browser sends of rows that it was shown."""
        sent = {
            f"{name}-{number}-{column}": "on" if value is True else str(value)
            for number, cells in enumerate(rows or ())
            for column, value in cells.items()
            if value not in (None, "", False)
        }
        return sent | ({f"{name}-none": "on"} if getattr(rows, "is_none", False) else {})

    def fill_in(self, sent: QueryDict, name: str, rows: Sequence[Cells]) -> None:
        """Put rows in place of those that were sent."""
        for key in [key for _, key in self._sent(sent, name)]:
            del sent[key]
        sent.pop(f"{name}-none", None)
        sent.update(self.as_sent(name, rows))


class RowsField(forms.Field):
    """A table. Each kind of it has a ``row`` and says how rows are kept, and shown again.

    ``when_empty`` is what is kept of a table without rows.
    """

    row: type[Row]
    none_label: Any = ""
    # In place of the model's help, which tells programmers what is kept.
    said: Any = ""

    def __init__(self, *, when_empty: Any = None, **options: Any) -> None:
        self.when_empty = when_empty
        # What a field of JSON, and Django for what has a default, would have in its form.
        for unknown in ("encoder", "decoder", "show_hidden_initial"):
            options.pop(unknown, None)
        if self.said:
            options["help_text"] = self.said
        super().__init__(**options | {"widget": RowsInput(self.row, self.none_label)})

    def cells_of(self, kept: Any) -> TypedRows:
        """What is kept, as the table shows it."""
        raise NotImplementedError

    def kept_of(self, rows: Sequence[dict[str, Any]]) -> Any:
        """The cleaned rows as they are kept; raises ValidationError for what they cannot be."""
        raise NotImplementedError

    def as_typed(self, kept: Any) -> Any:
        """What is kept as this table would keep the same; raises ValueError where it cannot."""
        return kept

    def can_show(self, kept: Any) -> bool:
        """Whether the table, sent back as it is shown, comes to the same as what is kept.

        What shops and other programs keep may be more than rows of texts.
        """
        sent = self.widget.as_sent("kept", self.cells_of(kept))
        if any(text.splitlines() != [text] for text in sent.values()):
            return False  # A browser drops line breaks.
        try:
            again = self.clean(self.widget.value_from_datadict(sent, {}, "kept"))
            return bool(again == self.as_typed(kept))
        except (ValidationError, ValueError):
            return False

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, TypedRows) else self.cells_of(value)

    def _clean_bound_field(self, bound: forms.BoundField) -> Any:
        """What nobody has touched stays as it is kept, though the table would write it anew."""
        if not self.has_changed(bound.initial, bound.data):
            return bound.initial
        return super()._clean_bound_field(bound)  # type: ignore[misc]

    def clean(self, value: Any) -> Any:
        typed = value if isinstance(value, TypedRows) else TypedRows(value or ())
        filled = [
            (number, row)
            for number, row in enumerate(map(self._row, typed), 1)
            if row.has_changed()
        ]
        if len(filled) > ROWS_MAX:
            raise ValidationError(pgettext("desk", "At most %(count)s rows.") % {"count": ROWS_MAX})
        rows, faults = [], []
        for number, row in filled:
            if row.is_valid():
                rows.append(row.cleaned_data)
            faults += [_fault(number, row, name, each) for name, each in row.errors.items()]
        if faults:
            raise ValidationError(faults)
        if typed.is_none and rows:
            raise ValidationError(
                pgettext("desk", "Either leave the rows empty or untick “%(none)s”.")
                % {"none": self.none_label}
            )
        if not rows:
            return [] if typed.is_none else self.when_empty
        return self.kept_of(rows)

    def _row(self, cells: Cells) -> Row:
        return self.row({name: cell for name, cell in cells.items() if cell is not False})

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(self.prepare_value(initial)) != self.clean(data))
        except ValidationError:
            return True

    def in_words(self, kept: Any) -> str:
        """What is kept on one line: the cells with commas, the rows with semicolons."""
        rows = self.prepare_value(kept)
        if not rows:
            return str(self.none_label) if rows.is_none else ""
        texts = (", ".join(str(cell) for cell in row.values() if cell) for row in rows)
        return "; ".join(texts)


def _fault(number: int, row: Row, name: str, errors: Iterable[Any]) -> str:
    said = {"number": number, "fault": " ".join(map(str, errors))}
    if name not in row.fields:
        return pgettext("desk", "Row %(number)s: %(fault)s") % said
    said["column"] = row[name].label
    return pgettext("desk", "Row %(number)s, %(column)s: %(fault)s") % said


class NoteRow(Row):
    name = forms.CharField(label=pgettext_lazy("desk", "Name"), max_length=METADATA_KEY)
    value = forms.CharField(
        label=pgettext_lazy("desk", "Value"), max_length=METADATA_VALUE, required=False
    )


class NotesField(RowsField):
    """The shop's own notes (``metadata``): texts by name."""

    row = NoteRow

    def cells_of(self, kept: Any) -> TypedRows:
        notes = kept if isinstance(kept, Mapping) else {}
        return TypedRows({"name": str(name), "value": str(text)} for name, text in notes.items())

    def kept_of(self, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
        kept: dict[str, str] = {}
        for row in rows:
            if row["name"] in kept:
                raise ValidationError(
                    pgettext("desk", "“%(name)s” is there twice.") % {"name": row["name"]}
                )
            kept[row["name"]] = row["value"]
        if len(kept) > METADATA_KEYS:
            raise ValidationError(
                pgettext("desk", "At most %(count)s rows.") % {"count": METADATA_KEYS}
            )
        return kept
