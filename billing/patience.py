"""How long the database may keep somebody waiting: one row that is held must not hold all doors.

A process says once what it is: web, worker or migrate. What is none of them, such as a command
that a person runs, waits for as long as it takes.
"""

import os
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

ROLE = "KVITT_PROCESS"
ROLE_OF_COMMAND = {"runserver": "web", "work": "worker", "tick": "worker", "migrate": "migrate"}


def is_a(role: str) -> None:
    """Say what this process is, before it first connects; those that it starts are the same."""
    os.environ[ROLE] = role


def limit_session(sender: Any, connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """Give a new connection its process's limits; a receiver of ``connection_created``.

    By a statement and not as a parameter of the connection, which poolers refuse.
    """
    limits = settings.PATIENCE_S.get(os.environ.get(ROLE, ""))
    if limits and connection.vendor == "postgresql":
        told = {name: f"{seconds}s" for name, seconds in limits.items()}
        with connection.cursor() as cursor:
            cursor.execute(_TELL, [part for pair in told.items() for part in pair])


_TELL = "SELECT set_config(%s, %s, false), set_config(%s, %s, false), set_config(%s, %s, false)"
