"""The figures that ``/metrics`` gives, each from rows: so all processes and machines are in them.

What only grows is a counter, kept as a tally where it is committed; the rest is how things stand
now. Each is one query on an index, or a count that stops at ten thousand.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from billing.base import clock
from billing.events.models import Delivery, Event, Tally, Trouble
from billing.front_page.waiting import COUNT_MAX, counted, kinds_of_work
from billing.jobs.models import Heartbeat, JobRun
from billing.mail.models import Message
from billing.outbound.models import Hold, KillSwitch
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import Payment
from billing.webhooks.models import WebhookDelivery

VERIFYING = "verify books"
BILLS = {"invoice.finalized": "invoice", "credit_note.issued": "credit_note"}
CHARGES = {
    "payment.succeeded": "succeeded",
    "payment.failed": "failed",
    "payment.action_required": "action_required",
    "payment.doubted": "unclear",
    "payment.canceled": "canceled",
    "payment.returned": "returned",
}


class Figures:
    """A collector for prometheus-client."""

    def collect(self) -> Iterator[Metric]:
        now = clock.now()
        tallies = list(Tally.objects.values_list("kind", "outcome", "count"))
        yield from _counters(tallies)
        yield from _hearts(now)
        yield from _jobs(now)
        yield from _queues(now)
        yield from _work()
        yield from _gates()


def _counters(tallies: list[tuple[str, str, int]]) -> Iterator[Metric]:
    of = {(kind, outcome): count for kind, outcome, count in tallies}

    def counter(name: str, help: str, label: str, values: dict[str, int]) -> Metric:
        family = CounterMetricFamily(f"kvitt_{name}", help, labels=[label])
        for outcome, count in sorted(values.items()):
            family.add_metric([outcome], count)
        return family

    def of_kind(kind: str) -> dict[str, int]:
        return {outcome: count for each, outcome, count in tallies if each == kind}

    ticks = CounterMetricFamily("kvitt_ticks", "Ticks that have begun.")
    ticks.add_metric([], of.get(("ticks", "begun"), 0))
    yield ticks
    for name, help, label, kinds in (
        ("bills", "Documents issued.", "kind", BILLS),
        ("charges", "What came of charges.", "outcome", CHARGES),
    ):
        found = {outcome: of.get(("events", type), 0) for type, outcome in kinds.items()}
        yield counter(name, help, label, found)
    yield counter("events", "Events fanned out, by type.", "type", of_kind("events"))
    mail = dict.fromkeys(("sent", "failed", "unclear", "suppressed"), 0) | of_kind("mail")
    yield counter("mails", "Mails that came to an end.", "outcome", mail)
    told = dict.fromkeys(("taken", "refused", "unanswered"), 0) | of_kind("webhooks")
    yield counter("webhooks", "Attempts to tell an endpoint.", "outcome", told)
    answers = dict.fromkeys(("2xx", "3xx", "4xx", "5xx"), 0) | of_kind("answers")
    yield counter("answers", "Requests answered, by class of status.", "status", answers)
    took = CounterMetricFamily("kvitt_answering_seconds", "Seconds that answering has taken.")
    took.add_metric([], of.get(("answering", "milliseconds"), 0) / 1000)
    yield took


def _hearts(now: datetime) -> Iterator[Metric]:
    beats = dict(Heartbeat.objects.values_list("name", "beat_at"))
    tick = GaugeMetricFamily("kvitt_tick_age_seconds", "Since the last tick began; -1 for never.")
    beat_at = beats.get(Heartbeat.TICK)
    tick.add_metric([], -1 if beat_at is None else (now - beat_at).total_seconds())
    yield tick
    lanes = GaugeMetricFamily(
        "kvitt_lane_age_seconds", "Since a lane last began a round.", labels=["lane"]
    )
    for name, at in sorted(beats.items()):
        if name.startswith("lane "):
            lanes.add_metric([name.removeprefix("lane ")], (now - at).total_seconds())
    yield lanes


def _jobs(now: datetime) -> Iterator[Metric]:
    newest = list(JobRun.objects.order_by("name", "-id").distinct("name"))
    jobs = GaugeMetricFamily("kvitt_jobs", "Jobs by the state of the newest run.", labels=["state"])
    for state in JobRun.State.values:
        jobs.add_metric([state], sum(run.state == state for run in newest))
    yield jobs
    running = [run for run in newest if run.state == JobRun.State.RUNNING]
    silent = GaugeMetricFamily(
        "kvitt_job_silence_seconds", "The longest that a running job has told of no progress."
    )
    silent.add_metric([], max([(now - run.beat_at).total_seconds() for run in running], default=0))
    yield silent
    books = GaugeMetricFamily("kvitt_books_are_broken", "1 where verify_books found something.")
    verified = next((run for run in newest if run.name == VERIFYING), None)
    books.add_metric([], int(verified is not None and verified.state == JobRun.State.FAILED))
    yield books
    age = GaugeMetricFamily(
        "kvitt_books_verified_age_seconds", "Since the books were verified; -1 for never."
    )
    ended_at = verified and verified.ended_at
    age.add_metric([], (now - ended_at).total_seconds() if ended_at else -1)
    yield age
    troubles = GaugeMetricFamily("kvitt_troubles", "Things that steps of the work failed for.")
    troubles.add_metric([], Trouble.objects.count())
    yield troubles


def _queues(now: datetime) -> Iterator[Metric]:
    """How much waits, and since when the oldest of it should have been done."""
    waiting: dict[str, tuple[QuerySet, object]] = {
        "events": (Event.objects.filter(is_fanned_out=False), F("recorded_at")),
        "subscribers": (
            Delivery.objects.filter(state=Delivery.State.PENDING),
            F("next_attempt_at"),
        ),
        "webhooks": (
            WebhookDelivery.objects.filter(
                state=WebhookDelivery.State.PENDING, endpoint__is_enabled=True
            ),
            F("next_attempt_at"),
        ),
        "mail": (Message.objects.filter(state=Message.State.WAITING), F("next_attempt_at")),
        "gateway_events": (
            GatewayEvent.objects.filter(processed_at=None, parked_reason=""),
            F("next_attempt_at"),
        ),
        "unclear_payments": (
            Payment.objects.filter(state=Payment.State.UNKNOWN),
            Coalesce("submitted_at", "recorded_at"),
        ),
    }
    length = GaugeMetricFamily(
        "kvitt_queue_length", f"What waits, up to {COUNT_MAX}.", labels=["queue"]
    )
    age = GaugeMetricFamily(
        "kvitt_queue_age_seconds",
        "How long the oldest that waits has been due; 0 where nothing is.",
        labels=["queue"],
    )
    for name, (rows, since) in waiting.items():
        length.add_metric([name], rows.order_by()[: COUNT_MAX + 1].count())
        dated = rows.annotate(since=since).order_by("since")
        oldest = dated.values_list("since", flat=True).first()
        age.add_metric([name], max(0.0, (now - oldest).total_seconds()) if oldest else 0)
    yield length
    yield age


def _work() -> Iterator[Metric]:
    """What waits for a person: the front page's own counts."""
    family = GaugeMetricFamily(
        "kvitt_work", f"What waits for a person, up to {COUNT_MAX}.", labels=["kind"]
    )
    kinds = kinds_of_work()
    for work, count in zip(kinds, counted(kinds, COUNT_MAX), strict=True):
        family.add_metric([slug(work.title)], count)
    yield family


def slug(title: str) -> str:
    """A kind of work as a label: ``Parked subscriptions`` is ``parked_subscriptions``."""
    return re.sub(r"\W+", "_", title.lower()).strip("_")


def _gates() -> Iterator[Metric]:
    holds = GaugeMetricFamily("kvitt_holds", "Holds that stand: nothing leaves the house.")
    holds.add_metric([], Hold.objects.filter(released_at=None).count())
    yield holds
    switches = GaugeMetricFamily("kvitt_kill_switches", "Switches that stop charging.")
    switches.add_metric([], KillSwitch.objects.filter(off_at=None).count())
    yield switches
