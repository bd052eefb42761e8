"""Queries that every request and batch asks: sent as written, with rows made as Django makes them.

Django compiles a query anew each time that it is asked. For one that never varies this takes three
times as long as its answer.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Model

from billing.base.sql.prepared import prepared

type Converter = Callable[[Any], Any]


def read[Row: Model](
    model: type[Row], condition: str, values: Sequence[Any], count: int = 1
) -> list[Row]:
    """Rows of a model; ``condition`` is all of the statement that follows the table's name.

    ``count`` says of how many rows it asks, see :func:`prepared`.
    """
    return [row for row, _ in read_beside(model, "", condition, values, count)]


def read_beside[Row: Model](
    model: type[Row], also: str, condition: str, values: Sequence[Any], count: int = 1
) -> list[tuple[Row, tuple[Any, ...]]]:
    """Rows of a model, each with what ``also`` names: further columns, of tables joined to it."""
    names = _names_of(model)
    own = len(names)
    rows = _rows_of(model, names, also, condition, values, count)
    return [(model.from_db(connection.alias, names, row[:own]), row[own:]) for row in rows]


def read_values(
    model: type[Model],
    names: Sequence[str],
    condition: str,
    values: Sequence[Any],
    count: int = 1,
) -> list[dict[str, Any]]:
    """As ``QuerySet.values(*names)``, of a model's own columns."""
    rows = _rows_of(model, tuple(names), "", condition, values, count)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _rows_of(
    model: type[Model],
    names: tuple[str, ...],
    also: str,
    condition: str,
    values: Sequence[Any],
    count: int,
) -> list[tuple[Any, ...]]:
    columns, converters = _columns_of(model, names)
    listed = f"{columns}, {also}" if also else columns
    # The names are the models' own and the condition is its caller's text, never a visitor's.
    statement = f'SELECT {listed} FROM "{model._meta.db_table}" {condition}'  # noqa: S608
    with prepared(count) as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [_converted(row, converters) for row in rows] if converters else rows


def _converted(row: tuple[Any, ...], converters: Sequence[tuple[int, Converter]]) -> Any:
    found = list(row)
    for at, convert in converters:
        found[at] = convert(found[at])
    return tuple(found)


@cache
def _names_of(model: type[Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)


@cache
def _columns_of(
    model: type[Model], names: tuple[str, ...]
) -> tuple[str, list[tuple[int, Converter]]]:
    """The columns as a statement names them, and by their places how those are converted."""
    table, columns, converters = model._meta.db_table, [], []
    for at, name in enumerate(names):
        field: Any = model._meta.get_field(name)
        columns.append(f'"{table}"."{field.column}"')
        converters += [(at, each) for each in _converters_of(field, table)]
    return ", ".join(columns), converters


def _converters_of(field: Any, table: str) -> list[Converter]:
    column = field.get_col(table)
    found = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]

    def bound(convert: Any) -> Converter:
        return lambda value: convert(value, column, connection)

    return [bound(each) for each in found]
