"""Putting a database back to what the migrations left in it, after a test that has committed.

Django truncates every table, which takes the longer the more tables there are, however few hold a
row, and has all apps make their permissions anew: more than a second together, and more than most
of these tests take. So what the migrations left is remembered, and only what was written is undone.
"""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

# What deleting leaves behind is not worth a truncation of all before a table has grown to this.
BYTES_MAX = 1024 * 1024


@dataclass
class Migrated:
    """What each table held when nothing but the migrations had run, as COPY writes it."""

    rows: dict[str, bytes] = field(default_factory=dict)

    def remember(self) -> None:
        with connection.cursor() as cursor:
            written = {table: _copied(cursor, table) for table, _ in _written_tables(cursor)}
        self.rows = {table: rows for table, rows in written.items() if rows}

    def put_back(self, truncation: list[str]) -> None:
        """Bring every table to what is remembered; ``truncation`` empties all, as Django does.

        The ledger refuses to be emptied, and even its owner: so triggers do not fire meanwhile.
        """
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            # As a truncation does, wait for whoever is still writing: their rows go too.
            cursor.execute(f"LOCK TABLE {', '.join(map(connection.ops.quote_name, _tables()))}")
            written = _written_tables(cursor)
            if max((size for _, size in written), default=0) > BYTES_MAX:
                for statement in truncation:
                    cursor.execute(statement)
            else:
                self._delete(cursor, [table for table, _ in written])
            for table, rows in self.rows.items():
                if _copied(cursor, table) != rows:
                    with cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                        copy.write(rows)

    def _delete(self, cursor: Any, tables: list[str]) -> None:
        for table in tables:
            if table not in self.rows or _copied(cursor, table) != self.rows[table]:
                cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 -- a model's own name.


def _tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return list(names)


def _copied(cursor: Any, table: str) -> bytes:
    with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
        return b"".join(bytes(part) for part in copy)


def _written_tables(cursor: Any) -> list[tuple[str, int]]:
    """The models' tables that have held a row since they were last truncated, and their bytes."""
    cursor.execute(
        "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname = ANY(%s)"
        " AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0",
        [_tables()],
    )
    return list(cursor.fetchall())
