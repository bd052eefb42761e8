"""How long the database may keep somebody waiting: one row that is held must not hold all doors.

A process says once what it is: web, worker or migrate. What is none of them, such as a command
that a person runs, waits for as long as it takes.
"""

import os
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

ROLE = "KVITT_PROCESS"
# PostgreSQL's own default, 4, is that of disks with arms.
PAGE_COST = "1.1"
ROLE_OF_COMMAND = {"runserver": "web", "work": "worker", "tick": "worker", "migrate": "migrate"}


def is_a(role: str) -> None:
    """Say what this process is, before it first connects; those that it starts are the same."""
    os.environ[ROLE] = role


def limit_session(sender: Any, connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """Give a new connection its process's limits; a receiver of ``connection_created``.

    By a statement and not as a parameter of the connection, which poolers refuse. All are told as
    well that a page of a table is as near as the next one, as it is in memory and on any disk
    without arms: else a thousand rows, sorted by the names of their customers, read all customers.
    """
    limits = settings.PATIENCE_S.get(os.environ.get(ROLE, ""), {})
    if connection.vendor == "postgresql":
        told = {name: f"{seconds}s" for name, seconds in limits.items()}
        told["random_page_cost"] = PAGE_COST
        calls = ", ".join(["set_config(%s, %s, false)"] * len(told))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {calls}", [part for pair in told.items() for part in pair])
