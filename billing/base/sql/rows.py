"""Rows on their way into a table: slotted dataclasses, whose fields are called as its columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any, Protocol, cast


class _Blank(Protocol):
    def __call__[Row](self, kind: type[Row], /) -> Row: ...


# A row none of whose fields is set yet. Of rows that are made by the thousand each field is set in
# a line of its own: Python takes longer over the names in a call of a class than over all else of
# the row. One that is forgotten is an AttributeError when the row is written down.
blank = cast("_Blank", object.__new__)


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of one kind are written: their columns, one's values, and many as text.

    The text is a template, with ``%s`` for each column, filled in for each row.
    """

    columns: Sequence[str]
    values_of: Callable[[Any], tuple[Any, ...]]
    text_of: Callable[[str, Sequence[Any]], str]


@cache
def shape_of(kind: type[Any]) -> Shape:
    """The shape of a dataclass, compiled once: nothing is looked up for each row."""
    names = [field.name for field in fields(kind)]
    values = ", ".join(f"row.{name}" for name in names)
    # Made of nothing but the names of fields.
    source = f"lambda template, rows: ''.join([template % ({values},) for row in rows])"
    get = attrgetter(*names)
    return Shape(
        columns=names,
        values_of=get if len(names) > 1 else lambda row: (get(row),),
        text_of=eval(source),  # noqa: S307
    )
