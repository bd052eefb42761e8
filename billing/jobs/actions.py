"""What an operator does about jobs."""

from datetime import date

from django.db import transaction

from billing.base import clock
from billing.engine.errors import Refused
from billing.jobs.heart import accept_clock
from billing.jobs.models import Heartbeat, JobRun


@transaction.atomic
def stop(run: JobRun, *, as_of: date, actor: str) -> JobRun:
    """Ask a run to end after the step in hand; it does not begin again by itself."""
    running = JobRun.objects.filter(pk=run.pk, state=JobRun.State.RUNNING)
    if not running.update(stop_requested=True):
        raise Refused("This run has already ended.", code="job_not_running")
    run.refresh_from_db()
    return run


@transaction.atomic
def run_again(run: JobRun, *, as_of: date, actor: str) -> JobRun:
    """Let a job that failed or was stopped begin with the next tick, its attempts forgotten.

    For the tick itself, which failed because the clock went back: take the clock for right.
    """
    newest = JobRun.objects.select_for_update().filter(name=run.name).order_by("-id").first()
    if newest is None or newest.pk != run.pk or not run.needs_a_hand:
        raise Refused("This job has run since then, or is running.", code="job_not_halted")
    if run.name == Heartbeat.TICK:
        accept_clock(clock.now())
    else:
        JobRun.objects.filter(pk=run.pk).update(attempts=0, stop_requested=False)
    run.refresh_from_db()
    return run
