from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management.commands import flush
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.utils import timezone, translation
from pytest_django import DjangoDbBlocker

from tests.migrated import migrated_database
from tests.putting_back import Migrated


@pytest.fixture(autouse=True)
def _begins_as_set_up() -> Iterator[None]:
    """Forget the language and the time zone of the page that a test asked for last."""
    yield
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Have each worker's database copied from the one that is migrated."""
    with django_db_blocker.unblock():
        template = migrated_database()
    for given in (settings.DATABASES["default"], connection.settings_dict):
        given.setdefault("TEST", {})["TEMPLATE"] = template


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Have tests with real transactions put back what they wrote, rather than empty all tables."""
    migrated = Migrated()
    with django_db_blocker.unblock():
        migrated.remember()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            DatabaseOperations,
            "execute_sql_flush",
            lambda _, truncation: migrated.put_back(truncation),
        )
        # What apps make of themselves after migrations is among what is put back.
        patch.setattr(flush, "emit_post_migrate_signal", lambda *args, **options: None)
        yield
