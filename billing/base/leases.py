"""How workers beside each other share what waits: nobody takes what another has in hand.

Rows are *claimed* for a transaction, in which the attempt is counted and the next one put off,
before anything is tried: whoever dies at it leaves a row whose turn comes again, and one that kills
its workers is counted too. A *lease* is held by a database session and goes with it, so that the
death of a worker is known at once, and no long silence is taken for one. A *turn* is waited for.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Model, QuerySet

LEASES_MAX = 2**31


def unheld[Row: Model](rows: QuerySet[Row]) -> QuerySet[Row]:
    """The rows that nobody else holds, locked until the transaction ends; others are passed by."""
    return rows.select_for_update(skip_locked=True, of=["self"])


@transaction.atomic
def claim[Row: Model](
    rows: QuerySet[Row], put_off: Callable[[Row], Mapping[str, Any]]
) -> Row | None:
    """Take the first of some rows that nobody else holds; None where there is none.

    ``put_off`` says what is written of it before it is tried: the attempt, and when it is tried
    next.
    """
    row = unheld(rows).first()
    if row is not None:
        written = put_off(row)
        for name, value in written.items():
            setattr(row, name, value)
        row.save(update_fields=[*written])
    return row


@contextmanager
def lease(space: str) -> Iterator[int]:
    """A number for what this worker claims, which nobody else in the space has while it lives."""
    number = random.randrange(LEASES_MAX)  # noqa: S311 -- no secret.
    while not _ask("pg_try_advisory_lock(hashtext(%s), %s)", space, number):
        number = random.randrange(LEASES_MAX)  # noqa: S311
    try:
        yield number
    finally:
        _let_go("pg_advisory_unlock(hashtext(%s), %s)", space, number)


@contextmanager
def alone(space: str, name: str) -> Iterator[bool]:
    """Whether nobody else holds a name in the space; if so, it is held for the block."""
    is_mine = _ask("pg_try_advisory_lock(hashtext(%s), hashtext(%s))", space, name)
    try:
        yield is_mine
    finally:
        if is_mine:
            _let_go("pg_advisory_unlock(hashtext(%s), hashtext(%s))", space, name)


def living(space: str) -> set[int]:
    """The leases in a space whose workers live."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = hashtext(%s)::bigint & 4294967295 AND objsubid = 2",
            [space],
        )
        return {number for (number,) in cursor}


def wait_for_turn(name: str) -> None:
    """Have all others who wait for this name wait until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])


def _ask(lock: str, space: str, key: int | str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}", [space, key])
        (is_granted,) = cursor.fetchone()
    return bool(is_granted)


def _let_go(unlock: str, space: str, key: int | str) -> None:
    # A connection that is lost has let it go.
    with suppress(OperationalError, InterfaceError):
        _ask(unlock, space, key)
