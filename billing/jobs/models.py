from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import pgettext

ATTEMPTS_MAX = 5
WORKER_DIED = "The worker died."


class Heartbeat(models.Model):
    """When something that must go on by itself was last seen to."""

    TICK = "tick"

    name = models.CharField(max_length=80, unique=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        named = {"name": self.name, "at": f"{self.beat_at:%Y-%m-%d %H:%M:%S}"}
        return pgettext("desk", "%(name)s at %(at)s UTC") % named


class JobRun(models.Model):
    """One run of a job: the operator's history, and what says whether it may run again.

    A run that found nothing to do leaves no trace: the next one of its name takes over its row.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        STOPPED = "stopped"

    # Jobs belong to no seller: their days are those of UTC.
    time_zone = "UTC"

    name = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(help_text="When it last told how far it had come.")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty where nobody knows beforehand."
    )
    attempts = models.PositiveSmallIntegerField(
        default=1,
        help_text="Runs in a row that came to nothing, this one counted; if the worker dies in the "
        f"{ATTEMPTS_MAX}th the job is halted until somebody presses Run again.",
    )
    stop_requested = models.BooleanField(default=False)
    log = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "job run"
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(state="running"), name="job_runs_once_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["name", "-id"], name="job_run_newest")]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_state_display().lower()})"

    @property
    def needs_a_hand(self) -> bool:
        return self.state in {self.State.FAILED, self.State.STOPPED}

    @property
    def is_halted(self) -> bool:
        """It does not begin again by itself. Run again takes the attempts back to none.

        What only fails is tried for ever: it may be a gateway that is down for days.
        """
        is_deadly = self.error == WORKER_DIED and self.attempts >= ATTEMPTS_MAX and not self.done
        is_stopped = self.state == self.State.STOPPED and self.attempts > 0
        return is_stopped or (self.state == self.State.FAILED and is_deadly)

    def has_ended_in_minute_of(self, now: datetime) -> bool:
        """It began and came to a good end in the same minute of the clock, and says no more."""
        minute = self.started_at.replace(second=0, microsecond=0)
        is_same = minute == now.replace(second=0, microsecond=0)
        return is_same and self.state == self.State.DONE and not self.log

    @property
    def is_quiet(self) -> bool:
        """It came to an end and there is nothing to tell of it."""
        return self.state == self.State.DONE and not (self.done or self.log)
