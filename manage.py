#!/usr/bin/env python
"""Kvitt's command line: `manage.py help` lists what it can do."""

import os
import sys
from contextlib import nullcontext

from billing.postgres import PostgresUnavailableError

NEEDS_NO_DATABASE = {"help", "version", "makemessages", "compilemessages", "collectstatic"}


def main(argv: list[str]) -> None:
    """Run one command; a database that cannot start is one sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing.settings")
    if not argv[1:] or argv[1] in NEEDS_NO_DATABASE or {"-h", "--help", "--version"} & set(argv):
        os.environ.setdefault("KVITT_PG", "off")
    from django.core.management import execute_from_command_line

    from billing.events.authorship import acting_as

    try:
        with acting_as(f"command:{argv[1]}") if argv[1:] else nullcontext():
            execute_from_command_line(argv)
    except PostgresUnavailableError as error:
        sys.exit(f"kvitt: {error}")


if __name__ == "__main__":
    main(sys.argv)
