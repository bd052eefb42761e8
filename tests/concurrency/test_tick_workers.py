"""The whole worker, as a service manager runs it: two of them, with a killer beside."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django_q.models import OrmQ, Schedule

from billing.base import clock
from billing.bench.company import make_seller
from billing.events.models import Event
from billing.invoicing.coverage import Coverage
from billing.invoicing.models import Invoice
from billing.jobs.broker_schedule import NAME
from billing.jobs.models import JobRun
from billing.jobs.queries import failing, last_beat, tick_is_late
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from customers.models import Seller

pytestmark = pytest.mark.django_db(transaction=True)

CUSTOMERS = 40
HOUR = timedelta(hours=1)
SEED = 20261124


def start() -> "subprocess.Popen[str]":
    address, question, options = settings.DATABASE_URL.partition("?")
    server, test_name = address.rpartition("/")[0], connection.settings_dict["NAME"]
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "billing.settings",
        "DATABASE_URL": f"{server}/{test_name}{question}{options}",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "work"],
        cwd=settings.BASE_DIR,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def workers() -> Iterator[list["subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for worker in started:
        worker.send_signal(signal.SIGTERM)
    for worker in started:
        worker.communicate(timeout=120)


@pytest.fixture
def seller() -> Seller:
    """Customers whose first bill was due on 1 January 2026: months to be caught up."""
    return make_seller(CUSTOMERS, name="Left alone")


def wait_for(what: Callable[[], bool], seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)


def all_is_billed() -> bool:
    today = clock.now().date()
    return (
        Subscription.objects.exists()
        and not Subscription.objects.filter(next_bill_on__lte=today).exists()
        and not Event.objects.filter(is_fanned_out=False).exists()
        and not JobRun.objects.filter(state="running").exists()
    )


def descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def check_each_period_is_billed_once() -> None:
    numbers = Invoice.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(numbers) == list(range(1, len(numbers) + 1))
    assert Coverage.objects.values("item", "days").distinct().count() == Coverage.objects.count()
    assert broken_invariants() == {}


def test_two_workers_catch_up_and_tick_by_themselves_beside_a_malformed_schedule(
    seller: Seller, workers: list["subprocess.Popen[str]"]
) -> None:
    long_ago = clock.now() - timedelta(days=1)
    Schedule.objects.bulk_create(
        [Schedule(name="stranger", func="math.sqrt", args="import os", next_run=long_ago)]
    )
    workers += [start(), start()]
    wait_for(all_is_billed, 90)
    first = last_beat()
    assert first is not None
    # From here on only the schedule can make it tick.
    wait_for(lambda: (last_beat() or first) > first + timedelta(seconds=20), 100)
    assert Schedule.objects.get(name="stranger").repeats == 0
    assert Schedule.objects.filter(name=NAME).count() == 1
    check_each_period_is_billed_once()
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=120) == 0
    assert not JobRun.objects.filter(state="running").exists()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")
def test_a_worker_whose_processes_are_killed_one_by_one_comes_back_and_bills_all(
    seller: Seller, workers: list["subprocess.Popen[str]"]
) -> None:
    chance = random.Random(SEED)
    workers.append(start())
    assert workers[0].stdout is not None
    assert "At work" in workers[0].stdout.readline()
    for _ in range(4):
        wait_for(lambda: len(descendants(workers[0].pid)) >= 3, 60)
        time.sleep(chance.uniform(0.2, 2))
        victims = descendants(workers[0].pid)
        if victims:
            os.kill(chance.choice(victims), signal.SIGKILL)
    wait_for(all_is_billed, 120)
    begun = clock.now()
    wait_for(lambda: (last_beat() or begun) > begun, 100)
    assert not tick_is_late()
    check_each_period_is_billed_once()
    assert OrmQ.objects.count() < 10


@pytest.mark.proof
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")
def test_an_hour_of_work_with_a_kill_every_minute_leaves_the_books_right(
    workers: list["subprocess.Popen[str]"],
) -> None:
    chance = random.Random(SEED)
    workers += [start(), start()]
    ends = time.monotonic() + HOUR.total_seconds()
    killed = 0
    while time.monotonic() < ends:
        # There is always something to bill when the killer strikes, in the midst of it or not.
        make_seller(CUSTOMERS, name=f"Newcomer {killed}")
        time.sleep(chance.uniform(55, 65))
        victims = [pid for worker in workers for pid in descendants(worker.pid)]
        with suppress(ProcessLookupError):
            os.kill(chance.choice(victims), signal.SIGKILL)
        killed += 1
        assert all(worker.poll() is None for worker in workers)
        assert not tick_is_late()
    wait_for(all_is_billed, 300)
    for series in Seller.objects.all():
        numbers = series.documents.order_by("sequence").values_list("sequence", flat=True)
        assert list(numbers) == list(range(1, len(numbers) + 1))
    assert broken_invariants() == {}
    assert not failing().exists()
