"""Statements that the database parses and plans once for a connection, and not each time.

Django's cursors write the values into the statement, so that each is a new one. For a statement
about one row, parsing and planning are most of what it takes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from pghistory import runtime

FEW = 4


@contextmanager
def prepared(count: int = 1) -> Iterator[Any]:
    """A cursor of Django's that sends values beside the statement, which is kept prepared.

    For fixed statements about a few rows: the plan is made without regard to the values, and one
    that suits ten ids would be kept for thousands. So for a ``count`` above :data:`FEW` it is a
    usual cursor, and where history puts a statement of its own in front of each. Say a value's
    type where its place does not, as in ``%s::date``.
    """
    if count > FEW or runtime._inject_history_context in connection.execute_wrappers:
        with connection.cursor() as cursor:
            yield cursor
        return
    connection.ensure_connection()
    # Whoever uses the cursor has it alone; who asks meanwhile is given one of their own.
    kept: _Kept | None = getattr(connection, _NAME, None)
    setattr(connection, _NAME, None)
    if kept is None or not kept.is_of_now():
        kept = _Kept(connection.connection, connection.queries_logged, _new_cursor())
    try:
        yield kept.cursor
    finally:
        setattr(connection, _NAME, kept)


_NAME = "kept_cursor"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A thread's cursor, used again: to make one takes as long as a small statement."""

    of: Any
    is_logging: bool
    cursor: Any

    def is_of_now(self) -> bool:
        return self.of is connection.connection and self.is_logging == connection.queries_logged


def _new_cursor() -> Any:
    raw: Any = connection.connection
    usual, raw.cursor_factory = raw.cursor_factory, ServerBindingCursor
    try:
        return connection.cursor()
    finally:
        raw.cursor_factory = usual
