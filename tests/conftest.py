from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from pytest_django import DjangoDbBlocker

from tests.migrated import migrated_database


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Have each worker's database copied from the one that is migrated."""
    with django_db_blocker.unblock():
        template = migrated_database()
    for given in (settings.DATABASES["default"], connection.settings_dict):
        given.setdefault("TEST", {})["TEMPLATE"] = template


@pytest.fixture(autouse=True, scope="session")
def flush_passes_the_guards() -> Iterator[None]:
    """Tests with real transactions end with TRUNCATE, which the ledger refuses even its owner."""
    flush = DatabaseOperations.execute_sql_flush

    def unguarded(self: DatabaseOperations, statements: list[str]) -> None:
        flush(self, ["SET LOCAL session_replication_role = replica", *statements])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", unguarded)
        yield
