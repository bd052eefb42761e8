#!/usr/bin/env python
"""Kvitt's command line: `manage.py help` lists what it can do."""

from __future__ import annotations

import os
import sys

PYTHON_MIN = (3, 12)
NEEDS_NO_DATABASE = {"help", "version", "makemessages", "compilemessages", "collectstatic"}


def explain(error: Exception) -> str:
    """What to run where the database's tables are not those of this code; empty for all else."""
    if getattr(error.__cause__, "sqlstate", "") not in {"42P01", "42703"}:
        return ""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    connection.close()
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return ""
    return "The database has no tables yet, or those of another version: run `manage.py migrate`."


def main(argv: list[str]) -> None:
    """Run one command; a database that cannot start is one sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing.settings")
    if not argv[1:] or argv[1] in NEEDS_NO_DATABASE or {"-h", "--help", "--version"} & set(argv):
        os.environ.setdefault("KVITT_PG", "off")
    from contextlib import nullcontext

    from django.core.management import execute_from_command_line
    from django.db import ProgrammingError

    from billing.base.sql.authorship import acting_as
    from billing.installation import patience
    from billing.installation.postgres import PostgresUnavailableError

    if argv[1:] and argv[1] in patience.ROLE_OF_COMMAND:
        patience.is_a(patience.ROLE_OF_COMMAND[argv[1]])
    try:
        with acting_as(f"command:{argv[1]}") if argv[1:] else nullcontext():
            execute_from_command_line(argv)
    except PostgresUnavailableError as error:
        sys.exit(f"kvitt: {error}")
    except ProgrammingError as error:
        explanation = explain(error)
        if not explanation:
            raise
        sys.exit(f"kvitt: {explanation}")


def refuse_other_python() -> None:
    """Say what to run instead, where this Python is too old or knows nothing of Django."""
    try:
        is_ours = sys.version_info >= PYTHON_MIN and __import__("django")
    except ImportError:
        is_ours = None
    if not is_ours:
        sys.exit(
            "kvitt: this Python cannot run Kvitt: run .venv/bin/python manage.py, "
            "after `make setup`."
        )


if __name__ == "__main__":
    refuse_other_python()
    main(sys.argv)
