from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from billing.jobs import actions
from billing.jobs.heart import ClockWentBack, beat
from billing.jobs.models import JobRun
from billing.jobs.queries import failing, tick_age, tick_is_late

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def health(client: Client, at: datetime) -> tuple[int, str]:
    with time_machine.travel(at, tick=False):
        answer = client.get("/healthz")
    return answer.status_code, answer.json()["status"]


def test_health_follows_the_heartbeat(client: Client) -> None:
    beat(NOON)
    assert health(client, NOON + timedelta(minutes=5)) == (200, "ok")
    assert health(client, NOON + timedelta(minutes=5, seconds=1)) == (503, "tick is late")
    beat(NOON + timedelta(minutes=6))
    assert health(client, NOON + timedelta(minutes=7)) == (200, "ok")


def test_health_says_since_when_the_tick_is_late(client: Client) -> None:
    beat(NOON)
    with time_machine.travel(NOON + timedelta(days=2), tick=False):
        assert client.get("/healthz").json()["last_tick_at"] == "2026-03-01T12:00:00Z"
        assert tick_age() == timedelta(days=2)


def test_where_no_tick_has_been_health_gives_five_minutes_from_the_making_of_the_tables(
    client: Client,
) -> None:
    MigrationRecorder.Migration.objects.filter(app="jobs").update(applied=NOON)
    with time_machine.travel(NOON + timedelta(minutes=4), tick=False):
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()["tick"]) == (200, "has not started")
    assert health(client, NOON + timedelta(minutes=6)) == (503, "tick has not started")


def test_health_is_503_when_the_database_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise OperationalError

    monkeypatch.setattr(connection, "cursor", gone)
    assert client.get("/healthz").status_code == 503


def test_a_clock_may_go_back_by_a_minute_and_the_beat_stays(client: Client) -> None:
    beat(NOON)
    beat(NOON - timedelta(seconds=60))
    with time_machine.travel(NOON, tick=False):
        assert tick_age() == timedelta(0)
    assert not JobRun.objects.exists()


def test_a_clock_that_goes_back_further_is_refused_and_said_once(client: Client) -> None:
    beat(NOON)
    for seconds in (61, 50 * 60, 60 * 60):
        with pytest.raises(ClockWentBack, match="The clock went back"):
            beat(NOON - timedelta(seconds=seconds))
    assert health(client, NOON - timedelta(hours=1)) == (503, "clock went back")
    failed = JobRun.objects.get()
    assert list(failing()) == [failed]
    assert "11:00:00" in failed.error
    beat(NOON + timedelta(seconds=1))
    assert not failing().exists()
    assert JobRun.objects.count() == 1


def test_an_operator_accepts_a_clock_that_was_ahead(client: Client) -> None:
    beat(NOON + timedelta(days=365))
    with time_machine.travel(NOON, tick=False):
        with pytest.raises(ClockWentBack):
            beat(NOON)
        assert tick_is_late()
        actions.run_again(JobRun.objects.get(), as_of=NOON.date(), actor="test")
        assert not tick_is_late()
        assert not failing().exists()
        beat(NOON)


def test_a_clock_that_jumps_ahead_is_an_outage_like_any_other() -> None:
    beat(NOON)
    beat(NOON + timedelta(days=400))
    assert not failing().exists()
