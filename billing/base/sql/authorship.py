"""Who makes a change, as the history of changes keeps it, beside what requests tell of themselves.

Triggers of the history and of the guards ask the session for two settings. Where one is absent,
they find out by an error that they catch, and each row aborts a subtransaction: PostgreSQL then
walks the whole list of checks that wait for the commit, and an import of n rows takes n² steps.
So every connection has the one from its start, and every command and job the other.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

type _Told = tuple[str, str]

_NOBODY: _Told = ("", "")
_author: ContextVar[_Told] = ContextVar("author", default=_NOBODY)


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """Have the history say that ``actor``, such as a job's name, makes the changes in the block.

    It is told once for the session, which costs no statement more; what a request tells of itself
    stands before it. Begin and end it outside of transactions, whose end would take it back.
    """
    before = _author.set((str(uuid.uuid4()), json.dumps({"actor": actor})))
    try:
        _tell_if_connected()
        yield
    finally:
        _author.reset(before)
        _tell_if_connected()


def actor() -> str:
    """Who acts in this block, such as ``job:send mail``; "" where nobody has said so."""
    _, told = _author.get()
    return str(json.loads(told)["actor"]) if told else ""


def prepare_session(sender: Any, connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """Give a new connection what triggers ask for; a receiver of ``connection_created``.

    By a statement and not as a parameter of the connection, which poolers refuse.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET pgtrigger.ignore = '{}'")
            if _author.get() != _NOBODY:
                cursor.execute(_TELL, _author.get())


_TELL = (
    "SELECT set_config('pghistory.context_id', %s, false),"
    " set_config('pghistory.context_metadata', %s, false)"
)


def _tell_if_connected() -> None:
    """A session that is lost, or whose transaction has failed, is told of nobody any more."""
    if connection.connection is not None and connection.is_usable():
        with connection.cursor() as cursor:
            cursor.execute(_TELL, _author.get())
