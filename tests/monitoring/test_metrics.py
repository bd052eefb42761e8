"""What ``/metrics`` gives, to whom, and that alarms and dashboard ask for nothing else."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from billing.events.models import Tally
from billing.events.recorder import fan_out, record
from billing.jobs.models import Heartbeat, JobRun
from billing.monitoring.requests import _Answers
from billing.schedule.tick import tick
from billing.subscriptions.models import Subscription
from tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEPLOY = Path(settings.BASE_DIR) / "deploy"
NAME = re.compile(r"\bkvitt_[a-z_]+")


def figures(client: Client) -> dict[Any, float]:
    """Each sample by its name and the values of its labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def alarms() -> list[dict[str, Any]]:
    read = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


def asked_by_alarms() -> set[str]:
    return {name for rule in alarms() for name in NAME.findall(rule["expr"])}


def asked_by_dashboard() -> set[str]:
    panels = json.loads((DEPLOY / "grafana/kvitt.json").read_text())["panels"]
    exprs = [target["expr"] for panel in panels for target in panel["targets"]]
    return {name for expr in exprs for name in NAME.findall(expr)}


@pytest.mark.parametrize("asked", [asked_by_alarms, asked_by_dashboard])
def test_alarms_and_dashboard_ask_for_what_is_given(
    client: Client, asked: Callable[[], set[str]]
) -> None:
    with time_machine.travel(NOON, tick=False):
        record("invoice.paid", seller="s", subject="x", occurred_on=NOON.date(), actor="test")
        tick(NOON)
        Heartbeat.objects.create(name="lane mail", beat_at=NOON)
        given = {sample[0] for sample in figures(client)}
    assert len(asked()) > 8
    assert asked() - given == set()


def test_alarms_and_dashboard_name_labels_that_are_given(client: Client) -> None:
    text = (DEPLOY / "prometheus/alerts.yml").read_text()
    given = figures(client)
    wanted = re.findall(r'(kvitt_[a-z_]+)\{\w+=~?"([\w|]+)"\}', text)
    assert len(wanted) > 8
    for name, values in wanted:
        for value in values.split("|"):
            assert (name, value) in given


def test_for_each_alarm_there_is_what_to_do() -> None:
    page = (Path(settings.BASE_DIR) / "docs/alarms.md").read_text()
    headings = re.findall(r"^## (Kvitt\w+) \((page|ticket)\)$", page, re.M)
    assert headings == [(rule["alert"], rule["labels"]["severity"]) for rule in alarms()]


def test_figures_tell_what_happened_and_what_waits(client: Client) -> None:
    with time_machine.travel(NOON, tick=False):
        tick(NOON)
        for type in ("invoice.finalized", "invoice.finalized", "payment.failed"):
            record(type, seller="s", subject="x_1", occurred_on=NOON.date(), actor="test")
        fan_out()
        record("invoice.paid", seller="s", subject="x_1", occurred_on=NOON.date(), actor="test")
    parked = SubscriptionFactory()
    Subscription.objects.filter(pk=parked.pk).update(parked_reason="no rate")
    JobRun.objects.create(name="x", state="failed", started_at=NOON, beat_at=NOON)
    with time_machine.travel(NOON + timedelta(seconds=90), tick=False):
        found = figures(client)
    assert found["kvitt_tick_age_seconds",] == 90
    assert found["kvitt_ticks_total",] == 1
    assert found["kvitt_bills_total", "invoice"] == 2
    assert found["kvitt_charges_total", "failed"] == 1
    assert found["kvitt_queue_length", "events"] == 1
    assert found["kvitt_work", "parked_subscriptions"] == 1
    assert found["kvitt_jobs", "failed"] == 1
    assert found["kvitt_books_are_broken",] == 0


def test_figures_are_for_this_machine_or_for_who_has_the_token(
    client: Client, settings: Settings
) -> None:
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 404
    assert client.get("/metrics", headers={"Host": "10.0.0.7:8000"}).status_code == 200
    assert client.post("/metrics").status_code == 405
    settings.METRICS_TOKEN = "figures"  # noqa: S105
    assert client.get("/metrics").status_code == 404
    wrong, right = ({"Authorization": f"Bearer {each}"} for each in ("figure", "figures"))
    assert client.get("/metrics", headers=wrong).status_code == 404
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1", headers=right).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_answers_that_failed_are_counted_at_once_and_the_others_with_them() -> None:
    answers = _Answers()
    answers.note(200, 0.25)
    answers.note(404, 0.25)
    assert not Tally.objects.exists()
    answers.note(500, 0.5)
    counts = dict(Tally.objects.values_list("outcome", "count"))
    assert counts == {"2xx": 1, "4xx": 1, "5xx": 1, "milliseconds": 1000}
