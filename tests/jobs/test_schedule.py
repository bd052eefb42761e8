from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from billing.base import clock
from billing.jobs.broker_schedule import NAME, ensure_schedule

# The scheduler closes its connection, and with it a transaction that a test would be in.
committing = pytest.mark.django_db(transaction=True)

# Each of them makes django-q2 1.11 enqueue nothing at all, ours included.
MALFORMED: dict[str, dict[str, Any]] = {
    "arguments that are no literal": {"args": "import os"},
    "keyword arguments that are no mapping": {"kwargs": "[1]"},
    "a kind that there is not": {"schedule_type": "??"},
    "a cron that is none": {"schedule_type": "C", "cron": "every day"},
}


def repair() -> int:
    return ensure_schedule(Schedule.objects, clock.now())


def ours_is_due() -> None:
    repair()
    Schedule.objects.filter(name=NAME).update(next_run=clock.now() - timedelta(seconds=1))


def insert(**values: Any) -> None:
    """A row as a stranger's program would write it, past the model's own ideas."""
    next_run = clock.now() - timedelta(minutes=1)
    Schedule.objects.bulk_create(
        [Schedule(**{"func": "math.sqrt", "schedule_type": "H", "next_run": next_run} | values)]
    )


@pytest.mark.django_db
def test_the_migration_makes_the_one_schedule() -> None:
    # Tests that commit empty every table after them, what migrations have made included.
    Schedule.objects.all().delete()
    import_module("billing.jobs.migrations.0002_the_one_schedule").make(apps, None)
    row = Schedule.objects.get()
    assert (row.name, row.func, row.schedule_type, row.minutes) == (
        NAME,
        "billing.schedule.tick.run",
        "I",
        1,
    )


@committing
def test_the_schedule_enqueues_a_tick_and_no_second_before_its_minute_is_over() -> None:
    ours_is_due()
    scheduler()
    scheduler()
    assert [hint.func() for hint in OrmQ.objects.all()] == ["billing.schedule.tick.run"]


@committing
@pytest.mark.parametrize("values", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_row_stops_the_tick_until_it_is_set_aside(values: dict[str, Any]) -> None:
    ours_is_due()
    insert(**values)
    scheduler()
    assert not OrmQ.objects.exists()
    assert repair() == 1
    scheduler()
    assert [hint.func() for hint in OrmQ.objects.all()] == ["billing.schedule.tick.run"]
    assert Schedule.objects.count() == 2


@committing
@pytest.mark.parametrize(
    "harm",
    [
        {"func": "os.abort"},
        {"repeats": 0},
        {"minutes": 1440},
        {"args": "import os"},
        {"kwargs": "[1]"},
        {"schedule_type": "O"},
        {"cluster": "elsewhere"},
        {"next_run": None},
        {"hook": "os.abort"},
        {"intended_date_kwarg": "when"},
    ],
    ids=str,
)
def test_whatever_was_done_to_our_row_is_repaired(harm: dict[str, Any]) -> None:
    repair()
    Schedule.objects.update(**harm)
    assert repair() == 1
    assert repair() == 0
    ours_is_due()
    scheduler()
    assert OrmQ.objects.get().func() == "billing.schedule.tick.run"


@committing
def test_a_row_that_was_deleted_comes_back_and_a_double_goes() -> None:
    Schedule.objects.all().delete()
    assert repair() == 1
    insert(name=NAME, func="billing.schedule.tick.run", schedule_type="I", minutes=1)
    assert repair() == 1
    assert Schedule.objects.count() == 1


@committing
@pytest.mark.parametrize("days", [-400, 400])
def test_a_next_run_that_is_far_off_is_brought_back(days: int) -> None:
    repair()
    Schedule.objects.update(next_run=clock.now() + timedelta(days=days))
    repair()
    assert abs(Schedule.objects.get().next_run - clock.now()) < timedelta(minutes=1)


def test_the_broker_does_not_take_a_hint_for_lost_that_only_waits_its_turn() -> None:
    turns = -(-(Conf.QUEUE_LIMIT + 1) // Conf.WORKERS) + 1
    assert Conf.RETRY > turns * Conf.TIMEOUT
    assert (Conf.BULK, Conf.CATCH_UP, Conf.QUEUE_LIMIT) == (1, False, Conf.WORKERS)
