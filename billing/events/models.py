import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.base.promises import Promise  # noqa: F401  Its table is of this app.
from billing.base.public_ids import PublicIdField
from billing.base.triggers import FrozenOnce


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
    sequence = models.PositiveIntegerField(
        null=True,
        editable=False,
        help_text="Counts the public events of an object from 1; given when it is fanned out.",
    )
    position = models.PositiveBigIntegerField(
        null=True,
        editable=False,
        help_text="Counts those of a seller likewise: whoever has read up to one missed none.",
    )

    class Meta:
        constraints = [
            # Of rows that have one, so that recording, which leaves it empty, costs no more.
            models.UniqueConstraint(
                fields=["subject", "sequence"],
                condition=Q(sequence__isnull=False),
                name="event_sequence_is_unique_for_an_object",
            ),
            models.UniqueConstraint(
                fields=["seller", "position"],
                condition=Q(position__isnull=False),
                name="event_position_is_unique_for_a_seller",
            ),
        ]
        indexes = [
            models.Index(fields=["subject"], name="event_by_subject"),
            models.Index(
                fields=["id"], condition=Q(is_fanned_out=False), name="event_waits_for_fan_out"
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="event_is_never_edited", exclude=["is_fanned_out", "sequence", "position"]
            ),
            FrozenOnce(
                name="event_sequence_is_given_once",
                fields=["sequence", "position"],
                once=pgtrigger.Q(old__sequence__isnull=False),
            ),
            pgtrigger.Protect(name="event_is_never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"


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
            models.Index(fields=["id"], condition=Q(state="dead"), name="delivery_is_given_up"),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state="pending"),
                name="delivery_is_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} → {self.subscriber} ({self.get_state_display().lower()})"


class KeptRow(models.Model):
    """A row as it was before it changed, while an event of its object waited to be written down.

    Written by triggers alone; see :mod:`billing.events.kept`.
    """

    relation = models.CharField(max_length=63, help_text="The table.")
    row_id = models.BigIntegerField()
    subject = models.CharField(max_length=40, help_text="Public id of the object that it is of.")
    event_id = models.BigIntegerField(
        help_text="The newest event of the object that saw the row so."
    )
    old = models.JSONField(null=True, help_text="Empty where the row was not there before.")
    kept_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["subject", "event_id"], name="kept_row_of_an_object")]

    def __str__(self) -> str:
        return f"{self.relation} {self.row_id} as of event {self.event_id}"


class Tally(models.Model):
    """How often something has come about since the installation was made; for ``/metrics``."""

    kind = models.CharField(max_length=40, help_text="What is counted, such as events.")
    outcome = models.CharField(max_length=80, help_text="Which of them, such as invoice.paid.")
    count = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(fields=["kind", "outcome"], name="tally_is_kept_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.outcome}: {self.count}"


class Trouble(models.Model):
    """What went wrong with one customer or thing in a step of the work, while others were served.

    It is tried again at a growing distance, and the row is gone once it goes well.
    """

    # Steps are of all sellers' days; instants here are shown in UTC.
    time_zone = "UTC"

    step = models.CharField(max_length=80, help_text="What was being done.")
    subject = models.CharField(
        max_length=120, help_text="What it was done for: a customer, or one thing of theirs."
    )
    seller = models.CharField(max_length=80, blank=True, default="")
    kind = models.CharField(max_length=120, help_text="The kind of error.")
    message = models.TextField(blank=True, default="")
    traceback = models.TextField(blank=True, default="")
    times = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()

    class Meta:
        verbose_name = "trouble"
        verbose_name_plural = "troubles"
        constraints = [
            models.UniqueConstraint(fields=["step", "subject"], name="one_trouble_of_a_thing")
        ]

    def __str__(self) -> str:
        return f"{self.step}: {self.subject}"
