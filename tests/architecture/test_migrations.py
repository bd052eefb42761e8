"""What holds a table up for minutes is not done to it while bills run."""

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations import AddField, AddIndex, AlterField, Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django_migration_linter import MigrationLinter

OURS = ("billing.", "catalog", "customers", "dunning", "portal")


def _our_labels() -> list[str]:
    return [app.label for app in apps.get_app_configs() if app.name.startswith(OURS)]


@pytest.fixture
def linter() -> MigrationLinter:
    """Of our own migrations, but not of those that make the tables, which have no rows yet."""
    return MigrationLinter(
        include_apps=_our_labels(),
        all_warnings_as_errors=True,
        ignore_initial_migrations=True,
    )


# An index made beside the writers shows its statement outside of transactions only.
@pytest.mark.django_db(transaction=True)
def test_no_migration_locks_a_table_that_has_rows(
    linter: MigrationLinter, capsys: pytest.CaptureFixture[str]
) -> None:
    linter.lint_all_migrations()
    assert linter.nb_total
    assert not linter.has_errors, capsys.readouterr().out


HARMFUL: list[Operation] = [
    AddIndex("invoice", models.Index(fields=["public_id"], name="invoice_by_id_again")),
    AddField("invoice", "colour", models.CharField(max_length=9), preserve_default=False),
    AlterField("invoice", "currency", models.TextField()),
]


@pytest.mark.django_db
@pytest.mark.parametrize("operation", HARMFUL, ids=lambda operation: type(operation).__name__)
def test_the_linter_sees_what_would_lock_or_break(
    linter: MigrationLinter, monkeypatch: pytest.MonkeyPatch, operation: Operation
) -> None:
    loader = linter.migration_loader
    state = loader.project_state()
    with connection.schema_editor(collect_sql=True) as editor:
        changed = state.clone()
        operation.state_forwards("invoicing", changed)
        operation.database_forwards("invoicing", editor, state, changed)
    statements = ["BEGIN;", *editor.collected_sql, "COMMIT;"]
    monkeypatch.setattr(linter, "get_sql", lambda *named: statements)
    migration = Migration("0002_initial", "invoicing")
    linter.lint_migration(migration)
    assert linter.has_errors


def test_first_tables_are_made_at_once() -> None:
    # Django builds all models anew after each operation: a first `migrate` took half a minute.
    loader = MigrationLoader(None)
    ours = [each for (app, _), each in loader.disk_migrations.items() if app in _our_labels()]
    first = [each for each in ours if each.name.endswith("_initial")]
    assert first
    many = {str(each): len(each.operations) for each in first if len(each.operations) > 2}
    assert not many, f"Wrap their operations in AtOnce, as the others do: {many}"
