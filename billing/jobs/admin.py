from datetime import date
from typing import Any

from babel.numbers import format_decimal
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import pgettext, pgettext_lazy
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from billing.desk.columns import label_column
from billing.desk.figures import page_locale
from billing.desk.model_admin import BigReadOnly
from billing.desk.page_actions import PageAction
from billing.jobs import actions
from billing.jobs.models import Heartbeat, JobRun

STATE_COLORS = {"running": "info", "done": "success", "failed": "danger", "stopped": "warning"}

# The queue is ours to look after: a row that somebody edits there can stop the tick.
for model in (Schedule, Success, Failure, OrmQ):
    admin.site.unregister(model)


class Stop(PageAction):
    name = "stop"
    label = "Stop"
    explanation = pgettext_lazy(
        "desk",
        "Ends the run after the current step. What is done stays done. The job "
        "does not start again until somebody presses Run again.",
    )
    permission = "jobs.change_jobrun"
    icon = "stop_circle"
    variant = ActionVariant.DANGER

    def is_offered(self, obj: JobRun) -> bool:
        return obj.state == JobRun.State.RUNNING and not obj.stop_requested

    def run(self, obj: JobRun, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.stop(obj, as_of=as_of, actor=actor)
        return f"Asked {obj.name} to stop."


class RunAgain(PageAction):
    name = "run-again"
    label = "Run again"
    explanation = pgettext_lazy(
        "desk",
        "The next tick starts this job again, however often it has failed. For "
        "the tick itself, the clock is taken to be right although it went back.",
    )
    permission = "jobs.change_jobrun"
    icon = "replay"
    variant = ActionVariant.PRIMARY

    def is_offered(self, obj: JobRun) -> bool:
        return obj.needs_a_hand

    def run(self, obj: JobRun, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.run_again(obj, as_of=as_of, actor=actor)
        return f"{obj.name} starts again with the next tick."


@admin.register(JobRun)
class JobRunAdmin(BigReadOnly):
    kept_sentences = ("error",)
    list_display = ("name", "standing", "started_at", "ended_at", "progress", "attempts", "error")
    list_filter = (("state", ChoicesDropdownFilter),)
    search_fields = ("name__istartswith",)
    fields = (
        ("name", "state"),
        ("started_at", "ended_at", "beat_at"),
        ("progress", "attempts", "stop_requested"),
        "error",
        "log",
    )
    readonly_fields = ("progress",)
    page_actions = (Stop(), RunAgain())

    standing = label_column("state", STATE_COLORS)

    @admin.display(description="done", ordering="done")
    def progress(self, run: JobRun) -> str:
        done = format_decimal(run.done, locale=page_locale())
        if run.total is None:
            return done
        said = pgettext("desk", "%(done)s of %(total)s")
        total = format_decimal(run.total, locale=page_locale())
        return said % {"done": done, "total": total}

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """A quiet run keeps the row of the one before it, so ids do not tell which is newest."""
        return ("-started_at", "-id")


@admin.register(Heartbeat)
class HeartbeatAdmin(BigReadOnly):
    list_display = ("name", "beat_at")
    fields = ("name", "beat_at")
