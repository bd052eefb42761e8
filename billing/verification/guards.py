"""Whether the guards stand, and whether what they guard is what was sealed.

A guard that was switched off, replaced or never made raises nothing, so each is looked for by its
name: what the models declare is held against the database's own catalogue.
"""

from collections.abc import Iterator

from django.apps import apps
from django.db.models import Model
from pgtrigger import registry

from billing.seals.sealing import broken_seals
from billing.verification.rows import rows_of


def guards_stand() -> Iterator[str]:
    """Every declared trigger and constraint is there, switched on, valid and as declared."""
    found = {(table, name): (mode, body) for table, name, mode, body in rows_of(_TRIGGERS)}
    for guarded, trigger in registry.registered():
        table, name = guarded._meta.db_table, trigger.get_pgid(guarded)
        mode, body = found.get((table, name), ("", ""))
        if not mode:
            yield f"The trigger {trigger.name} of {table} is not there. Run: manage.py migrate"
        elif mode not in ("O", "A"):
            yield f"The trigger {trigger.name} of {table} is switched off."
        elif _squeezed(body) not in _squeezed(str(trigger.compile(guarded).install_sql)):
            yield f"The trigger {trigger.name} of {table} does something else than was declared."
    constraints = {(table, name): valid for table, name, valid in rows_of(_CONSTRAINTS)}
    for model in _tables():
        table = model._meta.db_table
        for name in _declared(model):
            if (table, name) not in constraints:
                yield f"The constraint {name} of {table} is not there. Run: manage.py migrate"
            elif not constraints[table, name]:
                yield f"The constraint {name} of {table} was never validated."
    keys = {(table, column) for table, column in rows_of(_KEYS)}
    for model in _tables():
        for field in model._meta.local_concrete_fields:
            is_checked = field.remote_field and getattr(field, "db_constraint", False)
            if is_checked and (model._meta.db_table, field.column) not in keys:
                yield f"The foreign key {field.column} of {model._meta.db_table} is not checked."
    for (role,) in rows_of(_TURNED_OFF):
        yield f"Sessions of {role} run without any trigger (session_replication_role)."


def what_was_sealed_is_unchanged() -> Iterator[str]:
    """Documents, transfers, payments booked, events, usage and history fit their digests."""
    yield from broken_seals()


def _tables() -> Iterator[type[Model]]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield model


def _declared(model: type[Model]) -> Iterator[str]:
    for constraint in model._meta.constraints:
        yield constraint.name


def _squeezed(code: str) -> str:
    return "".join(code.split())


_TRIGGERS = """
    SELECT c.relname, t.tgname, t.tgenabled::text, f.prosrc
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
"""
_CONSTRAINTS = """
    SELECT c.relname, o.conname, o.convalidated
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
    WHERE c.relnamespace = current_schema()::regnamespace
    UNION
    SELECT c.relname, n.relname, i.indisvalid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid
    WHERE i.indisunique AND c.relnamespace = current_schema()::regnamespace
"""
_KEYS = """
    SELECT c.relname, a.attname
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (o.conkey)
    WHERE o.contype = 'f' AND o.convalidated AND c.relnamespace = current_schema()::regnamespace
"""
_TURNED_OFF = """
    SELECT coalesce(r.rolname, 'everybody') FROM pg_db_role_setting s
    LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE 'session_replication_role=replica' = ANY (s.setconfig)
"""
