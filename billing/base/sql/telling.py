"""Telling the history who makes a change: once for a transaction.

pghistory's middleware puts the request's context in front of every statement that may write. The
settings that it makes hold until the transaction ends, so once is enough; thirty times is a tenth
of what starting a subscription takes.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from pghistory import config, runtime

from billing.base.sql.prepared import prepared


@contextmanager
def one_transaction() -> Iterator[None]:
    """A transaction all of whose changes have the request's context in their history."""
    with transaction.atomic():
        context = getattr(runtime._tracker, "value", None)
        if context is None or runtime._inject_history_context not in connection.execute_wrappers:
            yield
            return
        with untold():
            with prepared() as cursor:
                cursor.execute(
                    "SELECT set_config('pghistory.context_id', %s, true),"
                    " set_config('pghistory.context_metadata', %s, true)",
                    [str(context.id), json.dumps(context.metadata, cls=config.json_encoder())],
                )
            yield


@contextmanager
def untold() -> Iterator[None]:
    """Statements that need not tell: they have told before, or write nothing that has a history."""
    told = runtime._inject_history_context
    if told not in connection.execute_wrappers:
        yield
        return
    at = connection.execute_wrappers.index(told)
    connection.execute_wrappers.remove(told)
    try:
        yield
    finally:
        connection.execute_wrappers.insert(at, told)
