"""Rows that are named before they are there, and must be by the commit."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

_IS_KEPT = """
    EXECUTE format('SELECT count(*) FROM %I WHERE id = ANY ($1)', NEW.target)
        INTO found USING NEW.ids;
    IF found < cardinality(NEW.ids) THEN
        EXECUTE format('SELECT min(named.id) FROM unnest($1) AS named (id)'
                       ' WHERE NOT EXISTS (SELECT FROM %I target WHERE target.id = named.id)',
                       NEW.target) INTO found USING NEW.ids;
        RAISE EXCEPTION '%: there is no such row in %', found, NEW.target
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = NEW.guard;
    END IF;
    DELETE FROM events_promise WHERE id = NEW.id;
    RETURN NULL;
"""


class Promise(models.Model):
    """Rows that others refer to already and that are there by the commit, or it fails.

    What ``ReferencesExist`` writes for a statement, since PostgreSQL puts off no check of a whole
    statement, only of a row. No promise outlives its transaction.
    """

    target = models.CharField(max_length=63, help_text="The table.")
    ids = ArrayField(models.BigIntegerField())
    guard = models.CharField(max_length=63, help_text="The trigger that asks.")

    class Meta:
        # The table has stood there from the start; base is no app.
        app_label = "events"
        triggers = [
            pgtrigger.Trigger(
                name="promise_is_kept",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                level=pgtrigger.Row,
                declare=[("found", "bigint")],
                func=_IS_KEPT,
            )
        ]

    def __str__(self) -> str:
        return f"{len(self.ids)} of {self.target}"
