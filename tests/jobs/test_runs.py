from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from billing.base import clock
from billing.engine.errors import Refused
from billing.jobs import actions, runs
from billing.jobs.models import ATTEMPTS_MAX, WORKER_DIED, JobRun
from billing.jobs.queries import failing, has_run_since
from billing.jobs.runs import NotNow, close_dead, forget_old, job_run

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DONE, FAILED, STOPPED = JobRun.State.DONE, JobRun.State.FAILED, JobRun.State.STOPPED


def fail(name: str = "sweep", **options: Any) -> None:
    with pytest.raises(ZeroDivisionError), job_run(name, **options):
        raise ZeroDivisionError("nought")


def die(name: str = "sweep", done: int = 0) -> JobRun:
    """Leave the row that a worker leaves when it is killed."""
    newest = JobRun.objects.filter(name=name).order_by("-id").first()
    attempts = newest.attempts + 1 if newest and newest.state == FAILED and not newest.done else 1
    return JobRun.objects.create(
        name=name, started_at=NOON, beat_at=NOON, attempts=attempts, done=done
    )


def test_a_run_tells_of_its_progress_while_it_goes_on() -> None:
    with job_run("sweep", total=3) as run:
        run.advance()
        row = JobRun.objects.get()
        assert (row.state, row.done, row.total, row.attempts) == ("running", 1, 3, 1)
        run.advance(2)
        run.say("All swept.")
    row.refresh_from_db()
    assert (row.state, row.done, row.error) == (DONE, 3, "")
    assert row.log.endswith("All swept.\n")
    assert row.ended_at is not None


def test_a_run_that_plays_another_day_beats_in_its_own_time_so_that_its_silence_is_seen() -> None:
    with job_run("sweep") as run:
        with clock.standing_at(clock.now() + timedelta(days=90)):
            run.advance()
        row = JobRun.objects.get()
        assert row.started_at <= row.beat_at <= clock.now()


def test_the_attempt_is_on_the_row_before_the_work_begins() -> None:
    fail()
    with job_run("sweep"):
        assert JobRun.objects.latest("id").attempts == 2


def test_what_the_work_raises_is_kept_and_goes_on_to_the_caller() -> None:
    fail()
    row = JobRun.objects.get()
    assert (row.state, row.error) == (FAILED, "ZeroDivisionError: nought")
    assert list(failing()) == [row]


def test_a_run_may_find_that_something_is_wrong_without_raising() -> None:
    with job_run("sweep") as run:
        run.advance(5)
        run.fail("Two of five are broken.")
    row = JobRun.objects.get()
    assert (row.state, row.done, row.error) == (FAILED, 5, "Two of five are broken.")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cut_off", [SystemExit("timeout"), KeyboardInterrupt()])
def test_a_timeout_in_the_midst_of_a_statement_is_kept_as_well(cut_off: BaseException) -> None:
    with pytest.raises(type(cut_off)), job_run("sweep"):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('x', 'y')")
            raise cut_off
    assert JobRun.objects.get().error.startswith("Cut off by ")


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_lost_is_a_failure_on_the_row() -> None:
    with pytest.raises(OperationalError), job_run("sweep"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert JobRun.objects.get().state == FAILED


def test_runs_that_find_nothing_to_do_share_a_row() -> None:
    for _ in range(3):
        with job_run("sweep"):
            pass
    assert JobRun.objects.count() == 1
    with job_run("sweep") as run:
        run.advance()
    with job_run("sweep"):
        pass
    assert list(JobRun.objects.order_by("id").values_list("done", flat=True)) == [1, 0]


def test_a_second_run_of_a_job_does_not_begin_beside_the_first() -> None:
    with connection.copy().cursor() as other:
        other.execute("SELECT pg_advisory_lock(hashtext('kvitt job'), hashtext('sweep'))")
        with pytest.raises(NotNow) as refused, job_run("sweep"):
            pass
        # A server takes a moment to see that a session has gone.
        other.execute("SELECT pg_advisory_unlock_all()")
        other.connection.close()
    assert refused.value.code == "job_is_running"
    assert not JobRun.objects.exists()


def test_the_run_of_a_worker_that_died_is_closed_as_failed() -> None:
    row = die()
    assert close_dead() == 1
    row.refresh_from_db()
    assert (row.state, row.error) == (FAILED, WORKER_DIED)
    assert close_dead() == 0


def test_who_was_taken_for_dead_stops_and_leaves_its_successors_row_alone() -> None:
    with job_run("sweep") as run:
        JobRun.objects.update(state=FAILED, error=WORKER_DIED)
        run.advance()
        assert run.should_stop
    assert JobRun.objects.get().error == WORKER_DIED


def test_failures_in_a_row_are_waited_for_ever_longer_and_never_given_up() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for minutes in (1, 2, 4, 8, 16, 16, 16):
            fail(by_itself=True)
            clock.shift(timedelta(minutes=minutes, seconds=-1))
            with pytest.raises(NotNow, match="waits"), job_run("sweep", by_itself=True):
                pass
            clock.shift(timedelta(seconds=1))
        with job_run("sweep", by_itself=True) as run:
            assert run.row.attempts == 8


def test_a_job_that_keeps_killing_its_worker_is_halted() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(ATTEMPTS_MAX):
            die()
            close_dead()
            clock.shift(timedelta(hours=1))
        with pytest.raises(NotNow, match="Run again"), job_run("sweep", by_itself=True):
            pass


def test_a_run_that_got_somewhere_before_it_died_does_not_count_towards_the_halt() -> None:
    for _ in range(ATTEMPTS_MAX + 1):
        die(done=7)
        close_dead()
        with job_run("sweep", by_itself=True) as run:
            assert run.row.attempts == 1
            run.advance()


def test_a_failure_does_not_keep_a_person_from_beginning_the_job() -> None:
    fail()
    with job_run("sweep") as run:
        assert run.row.attempts == 2


def test_run_again_lets_a_halted_job_begin_with_no_attempt_counted() -> None:
    row = die()
    JobRun.objects.update(attempts=ATTEMPTS_MAX, state=FAILED, ended_at=NOON, error=WORKER_DIED)
    row.refresh_from_db()
    actions.run_again(row, as_of=NOON.date(), actor="test")
    with job_run("sweep", by_itself=True) as run:
        assert run.row.attempts == 1
    with pytest.raises(Refused, match="has run since"):
        actions.run_again(row, as_of=NOON.date(), actor="test")


def test_stop_ends_a_run_after_the_step_in_hand_and_it_stays_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "SECONDS_BETWEEN_BEATS", 0)
    steps = 0
    with job_run("sweep", by_itself=True) as run:
        for step in range(5):
            steps = step
            run.advance()
            if step == 2:
                actions.stop(JobRun.objects.get(), as_of=NOON.date(), actor="test")
            run.end_if_asked()
    row = JobRun.objects.get()
    assert (steps, row.state, row.done) == (2, STOPPED, 3)
    with pytest.raises(NotNow, match="Run again"), job_run("sweep", by_itself=True):
        pass
    actions.run_again(row, as_of=NOON.date(), actor="test")
    with job_run("sweep", by_itself=True):
        pass


def test_what_has_ended_cannot_be_stopped() -> None:
    with job_run("sweep"):
        pass
    with pytest.raises(Refused, match="already ended"):
        actions.stop(JobRun.objects.get(), as_of=NOON.date(), actor="test")


def test_a_run_whose_time_is_up_ends_as_done() -> None:
    with job_run("sweep", seconds_max=-1) as run:
        run.advance()
        run.end_if_asked()
        run.advance()
    row = JobRun.objects.get()
    assert (row.state, row.done) == (DONE, 1)


def test_a_daily_job_has_run_unless_its_worker_died_or_run_again_was_pressed() -> None:
    with time_machine.travel(NOON, tick=False):
        assert not has_run_since("sweep", NOON)
        die()
        close_dead()
        assert not has_run_since("sweep", NOON)
        with job_run("sweep") as run:
            run.fail("Broken.")
        assert has_run_since("sweep", NOON)
        assert not has_run_since("sweep", NOON + timedelta(seconds=1))
        actions.run_again(JobRun.objects.latest("id"), as_of=NOON.date(), actor="test")
        assert not has_run_since("sweep", NOON)


def test_old_runs_are_forgotten_but_for_the_newest_of_each_job() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for name in ("sweep", "sweep", "dust"):
            with job_run(name) as run:
                run.advance()
        clock.shift(timedelta(days=91))
        assert forget_old() == 1
        assert sorted(JobRun.objects.values_list("name", flat=True)) == ["dust", "sweep"]


def test_an_operator_stops_and_restarts_jobs_on_their_pages(client: Client) -> None:
    client.force_login(User.objects.create_superuser("anna"))
    with job_run("sweep") as run:
        page = reverse("admin:jobs_jobrun_change", args=[run.row.pk])
        assert "Stop" in client.get(page).content.decode()
        asked = client.post(reverse("admin:jobs_jobrun_act", args=[run.row.pk, "stop"]), {"key": 1})
        assert asked.status_code == 302
        run._beaten = -9
        assert run.should_stop
    again = reverse("admin:jobs_jobrun_act", args=[run.row.pk, "run-again"])
    assert client.post(again, {"key": 2}).status_code == 302
    assert not JobRun.objects.get().is_halted


def test_nobody_edits_the_queue_in_the_admin(client: Client) -> None:
    client.force_login(User.objects.create_superuser("anna"))
    for model in ("schedule", "ormq", "failure", "success"):
        assert client.get(f"/admin/django_q/{model}/").status_code == 404
