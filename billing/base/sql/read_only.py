"""Reading without a trace: PostgreSQL itself refuses what would write, lock rows or take ids."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from billing.base.sql.telling import untold


@contextmanager
def read_only() -> Iterator[None]:
    """A transaction that reads how all stood at one moment, and can do nothing else.

    Inside of a caller's transaction it reads as that one does.
    """
    is_outermost = not connection.in_atomic_block
    with untold(), transaction.atomic():
        if is_outermost:
            _set("ISOLATION LEVEL REPEATABLE READ READ ONLY")
        else:
            refuse_writes()
        yield


def refuse_writes() -> None:
    """Let the transaction or savepoint that is open only read from here on, until it ends."""
    _set("READ ONLY")


def _set(how: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET TRANSACTION {how}")
