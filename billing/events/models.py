from collections.abc import Mapping
from typing import Any, ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.engine.errors import Refused
from billing.events.public_ids import PublicIdField


class Event(models.Model):
    """What happened, written in the transaction in which it happened.

    Events name objects by public id and not by foreign key: they outlive what they tell of, and
    the app that records one need not be known here.
    """

    public_id = PublicIdField(prefix="evt")
    seller = models.CharField(max_length=40, help_text="Public id of the seller.")
    type = models.CharField(max_length=60, help_text="noun.past_tense, such as invoice.finalized")
    subject = models.CharField(max_length=40, help_text="Public id of the object.")
    occurred_on = models.DateField()
    actor = models.CharField(max_length=80)
    data = models.JSONField(default=dict, db_default={})
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    is_fanned_out = models.BooleanField(db_default=False, default=False)

    class Meta:
        indexes = [
            models.Index(fields=["subject"], name="event_by_subject"),
            models.Index(
                fields=["id"], condition=Q(is_fanned_out=False), name="event_waits_for_fan_out"
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(name="event_is_never_edited", exclude=["is_fanned_out"]),
            pgtrigger.Protect(name="event_is_never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"


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


class Delivery(models.Model):
    """One event on its way to one subscriber: delivered at least once, or listed as dead."""

    class State(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        DEAD = "dead"

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="deliveries")
    subscriber = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    last_error = models.TextField(blank=True, default="")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["event", "subscriber"], name="event_is_delivered_once_to_a_subscriber"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state="pending"),
                name="delivery_is_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event_id} → {self.subscriber} ({self.state})"


class Stateful(models.Model):
    """A model whose state moves only along its ``LIFECYCLE`` table."""

    STATE_FIELD: ClassVar[str] = "status"
    LIFECYCLE: ClassVar[Mapping[str, frozenset[str]]] = {}

    class Meta:
        abstract = True

    def move(self, to: str, **changes: Any) -> None:
        """Move to a state, with other fields in the same statement.

        The update is conditional on the state that this object was read in, so of two that race
        one is told. Raises :class:`Refused` ("invalid_transition") where the table has no such
        step, or where somebody else was faster.
        """
        field, name = self.STATE_FIELD, self._meta.verbose_name
        old = getattr(self, field)
        if to not in self.LIFECYCLE.get(old, frozenset()):
            raise Refused(f"A {name} that is {old} cannot become {to}.", code="invalid_transition")
        values = {field: to, **changes}
        found = type(self)._base_manager.filter(pk=self.pk, **{field: old}).update(**values)
        if not found:
            raise Refused(
                f"This {name} is no longer {old}: somebody else changed it. Read it again.",
                code="invalid_transition",
            )
        for key, value in values.items():
            setattr(self, key, value)
