"""What `/healthz` and the front page ask."""

from datetime import datetime, timedelta

from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max, QuerySet

from billing.base import clock
from billing.jobs.models import WORKER_DIED, Heartbeat, JobRun

LATE_AFTER = timedelta(minutes=5)
CLOCK_BACK_MAX = timedelta(minutes=1)


def last_beat() -> datetime | None:
    """When the tick last began; None where it never has."""
    beats = Heartbeat.objects.filter(name=Heartbeat.TICK)
    return beats.values_list("beat_at", flat=True).first()


def tick_age() -> timedelta | None:
    """How long ago the tick last began: below zero where the clock went back, None for never."""
    beat_at = last_beat()
    return None if beat_at is None else clock.now() - beat_at


def tick_is_late() -> bool:
    """Whether somebody must look: five minutes without a tick, or a clock that went back.

    Where it has never begun, the five minutes run from the day the tables were made.
    """
    age = tick_age()
    if age is None:
        made_at = MigrationRecorder.Migration.objects.filter(app="jobs").aggregate(
            at=Max("applied")
        )
        return made_at["at"] is not None and clock.now() - made_at["at"] > LATE_AFTER
    return age > LATE_AFTER or age < -CLOCK_BACK_MAX


def has_run_since(name: str, at: datetime) -> bool:
    """Whether a job has come to its own end since then; not if its worker died, or Run again."""
    ended = JobRun.objects.filter(name=name, started_at__gte=at, ended_at__isnull=False)
    return ended.filter(attempts__gt=0).exclude(error=WORKER_DIED).exists()


def failing() -> QuerySet[JobRun]:
    """The jobs that need a hand: their newest run failed, or was stopped."""
    newest = JobRun.objects.order_by("name", "-id").distinct("name").values("pk")
    needing = [JobRun.State.FAILED, JobRun.State.STOPPED]
    return JobRun.objects.filter(pk__in=newest, state__in=needing)
