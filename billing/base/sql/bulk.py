"""Writing many rows in one statement, in the caller's transaction."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import batched, chain, islice
from typing import Any

import orjson
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import Field, JSONField, Model
from django.db.models.expressions import DatabaseDefault

from billing.base.sql.prepared import FEW, prepared
from billing.base.sql.rows import Shape, shape_of

# Stands for NULL in what is copied. Made anew in each process, so that no text can be taken for it.
NULL = secrets.token_hex(4)
# A value, or the text that stands for NULL.
type OrNull[Value] = Value | str

ROWS_A_PART = 500
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def as_json(value: Any) -> str:
    """JSON of texts, numbers of up to 64 bits, truths, lists and dicts."""
    return orjson.dumps(value).decode()


def as_array(texts: Iterable[str]) -> str:
    """A PostgreSQL array of texts, whatever is in them: ``{"a","b"}``."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def copy_rows(table: str, rows: Iterable[Any], **same: Any) -> None:
    """``COPY`` rows into a table: the fastest way in that PostgreSQL has, but for a few.

    Rows are of one dataclass, whose fields are called as the columns; ``same`` is what all share.
    Values are texts, numbers, dates, true and false; None may be written :data:`NULL`, which is
    faster. Rows that are made as they are asked for are made while PostgreSQL writes those before;
    making them asks nothing of the database. Raises Django's errors for what the database refuses,
    as ``execute`` does and ``copy`` does not.
    """
    rows = iter(rows)
    few = list(islice(rows, FEW + 1))
    if few:
        kind: Any = type(few[0])
        _copy(table, shape_of(kind), same, few, rows)


def copy_new(
    model: type[Model], same: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> list[int]:
    """``COPY`` new rows of a model, and return their ids, in their order.

    ``same`` has what all share, and each row what is its own, by the names of attributes
    (``customer_id``); what neither has is as in a new object. Of several values a model makes one
    by itself, such as its public id, each row has to bring its own. Nothing is validated.
    """
    new, table = model(**same), model._meta.db_table
    fields: dict[str, Field[Any, Any]] = {
        field.attname: field
        for field in model._meta.concrete_fields
        if not field.primary_key and not isinstance(getattr(new, field.attname), DatabaseDefault)
    }
    writers: dict[str, Callable[[Any], str]] = {
        name: as_json if isinstance(field, JSONField) else as_array
        for name, field in fields.items()
        if isinstance(field, JSONField | ArrayField)
    }

    def as_copied(row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: NULL if value is None else writers[name](value) if name in writers else value
            for name, value in row.items()
        }

    usual = as_copied({name: getattr(new, name) for name in fields})
    values = [usual | as_copied(row) for row in rows]
    ids = take_ids(table, len(values))
    new_rows = [(pk, *row.values()) for pk, row in zip(ids, values, strict=True)]
    shape = Shape(["id", *(f'"{field.column}"' for field in fields.values())], tuple, _filled)
    if new_rows:
        _copy(table, shape, {}, new_rows[: FEW + 1], new_rows[FEW + 1 :])
    return ids


def _copy(
    table: str, shape: Shape, same: Mapping[str, Any], first: Sequence[Any], rest: Iterable[Any]
) -> None:
    """Write the first rows, of which there are one or more, and all others."""
    columns = ", ".join([*shape.columns, *same])
    shared = tuple(same.values())
    if len(first) <= FEW:
        _insert_rows(table, columns, [(*shape.values_of(row), *shared) for row in first])
        return
    template = _template(shape, shared)
    statement = f"COPY {table} ({columns}) FROM STDIN WITH (NULL '{NULL}')"
    with connection.wrap_database_errors, connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for part in batched(chain(first, rest), ROWS_A_PART, strict=False):
                copy.write(_text_of(shape, template, part))


def _insert_rows(table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """The same as one statement: ``COPY`` goes to and fro twice, which a few rows do not repay.

    All values are sent as texts, as ``COPY`` does: else each size of number would be a type, and
    a statement, of its own.
    """
    marks = ", ".join(["(" + ", ".join(["%s"] * len(rows[0])) + ")"] * len(rows))
    values = [
        None if value is None or value == NULL else str(value) for row in rows for value in row
    ]
    with prepared(len(rows)) as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES {marks}", values)  # noqa: S608


def _template(shape: Shape, shared: Sequence[Any]) -> str:
    """A row in PostgreSQL's text format: what all share as it is, and ``%s`` for all else."""
    said = [str(_escaped(value)).replace("%", "%%") for value in shared]
    return "\t".join([*["%s"] * len(shape.columns), *said]) + "\n"


def _text_of(shape: Shape, template: str, rows: Sequence[Any]) -> str:
    """The rows in PostgreSQL's text format.

    Almost no text needs escaping, and to look the whole over for what does is much cheaper than to
    look at each value.
    """
    text = shape.text_of(template, rows)
    is_plain = (
        text.count("\t") == len(rows) * template.count("\t")
        and text.count("\n") == len(rows)
        and "\\" not in text
        and "\r" not in text
        and "None" not in text
    )
    if is_plain:
        return text
    return _filled(template, [tuple(map(_escaped, shape.values_of(row))) for row in rows])


def _filled(template: str, rows: Sequence[tuple[Any, ...]]) -> str:
    return "".join([template % row for row in rows])


def _escaped(value: Any) -> Any:
    if value is None:
        return NULL
    return value.translate(_ESCAPES) if isinstance(value, str) else value


def take_ids(table: str, count: int) -> list[int]:
    """So many ids of a table's own sequence, ascending."""
    if not count:
        return []
    with prepared() as cursor:
        cursor.execute(
            "SELECT array_agg(nextval(%s::regclass)) FROM generate_series(1, %s::int)",
            [_sequence_of(table), count],
        )
        return list(cursor.fetchone()[0])


@cache
def _sequence_of(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
        return str(cursor.fetchone()[0])
