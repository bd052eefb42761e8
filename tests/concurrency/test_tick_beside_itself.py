"""Ticks twice in a row, twice at once, and killed in each job: real processes, real commits."""

import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django_q.exceptions import TimeoutException
from django_q.timeout import TimeoutHandler

from billing.bench.company import make_seller
from billing.events import recorder
from billing.events.models import Delivery, Event, Tally
from billing.events.recorder import record, subscribe
from billing.invoicing.models import Invoice
from billing.jobs.models import ATTEMPTS_MAX, WORKER_DIED, Heartbeat, JobRun
from billing.jobs.queries import failing
from billing.jobs.runs import job_run
from billing.ledger.models import Transfer
from billing.schedule import seller_day
from billing.schedule.tick import tick
from billing.verification.books import broken_invariants
from customers.models import Seller

pytestmark = pytest.mark.django_db(transaction=True)

FORK = multiprocessing.get_context("fork")
# Thirty monthly bills in advance, and the month before them to be earned.
JANUARY, FEBRUARY = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 2, 1, 12, tzinfo=UTC)
CUSTOMERS = 8


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """A subscriber whose effect can be counted: an event for each that it was told of."""
    before = dict(recorder._subscribers)
    subscribe("echo", {"invoice.finalized"}, recorder.one_by_one(lambda event: _echo(event)))
    yield
    recorder._subscribers.clear()
    recorder._subscribers.update(before)


def _echo(event: Event) -> None:
    record(
        "test.heard",
        seller=event.seller,
        subject=event.subject,
        occurred_on=event.occurred_on,
        actor="test",
    )


@pytest.fixture
def seller() -> Seller:
    return make_seller(CUSTOMERS, name="Ticking")


def tick_at(now: datetime) -> None:
    with time_machine.travel(now, tick=False):
        tick(now)


def in_a_process(work: Callable[..., None], *args: Any) -> Any:
    def alone() -> None:
        work(*args)
        connection.close()

    connection.close()
    process = FORK.Process(target=alone)
    process.start()
    return process


def rows_by_table() -> dict[str, tuple[int, int]]:
    """How many rows each table has, and the newest transaction that wrote one.

    A quiet tick writes that it was there, and takes over the rows that say so: those are counted.
    """
    rewritten = {each._meta.db_table for each in (Heartbeat, JobRun, Tally)} | {"cache"}
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT count(*), max(xmin::text::bigint) FROM {table}")  # noqa: S608
            count, newest = cursor.fetchone()
            found[table] = (count, 0 if table in rewritten else newest or 0)
    return found


def check_all_is_done_once(count: int) -> None:
    numbers = Invoice.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(numbers) == list(range(1, count + 1))
    assert set(Delivery.objects.values_list("state", flat=True)) == {"done"}
    assert Delivery.objects.filter(subscriber="echo").count() == count
    assert broken_invariants() == {}


def test_a_second_tick_in_a_row_changes_nothing_more(seller: Seller) -> None:
    for now in (JANUARY, FEBRUARY):
        # The second fans out what the first one's deliveries have recorded.
        for minutes in range(3):
            tick_at(now + timedelta(minutes=minutes))
        before = rows_by_table()
        tick_at(now + timedelta(minutes=3))
        assert rows_by_table() == before
    check_all_is_done_once(2 * CUSTOMERS)
    assert Event.objects.filter(type="test.heard").count() == 2 * CUSTOMERS


def test_four_ticks_at_once_do_what_one_does(seller: Seller) -> None:
    for now in (JANUARY, FEBRUARY):
        ticks = [in_a_process(tick_at, now) for _ in range(4)]
        for each in ticks:
            each.join(60)
            assert each.exitcode == 0
        tick_at(now)
    check_all_is_done_once(2 * CUSTOMERS)
    assert Event.objects.filter(type="test.heard").count() == 2 * CUSTOMERS
    posted = Transfer.objects.filter(document=Transfer.Document.RECOGNITION)
    assert posted.count() == 1
    assert not failing().exists()


def _die_in(target: str, now: datetime) -> None:
    """Tick, and be killed the moment that a function has done its work and nothing is committed."""
    module, name = target.rsplit(".", 1)
    place = importlib.import_module(module)
    real = getattr(place, name)

    def last_words(*args: Any, **options: Any) -> None:
        real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, last_words)
    tick_at(now)


DEATHS = {
    "bill": "billing.invoicing.batch.issue",
    "recognize": "billing.invoicing.recognition.post",
    "process hooks": "billing.schedule.tick.process_hooks",
    "poll gateways": "billing.schedule.tick.poll_gateways",
    "resolve payments": "billing.schedule.tick.resolve_due",
    "collect": "billing.schedule.seller_day.collect_due",
    "deliver webhooks": "billing.schedule.tick.deliver_webhooks",
    "fan out events": "billing.schedule.tick.fan_out",
    "deliver events": "tests.concurrency.test_tick_beside_itself._echo",
    "verify books": "billing.schedule.tick.broken_invariants",
    "forget old runs": "billing.schedule.tick.forget_old",
}


@pytest.mark.parametrize("job", DEATHS)
def test_a_worker_that_is_killed_in_a_job_is_noticed_and_the_next_tick_completes_it(
    seller: Seller, job: str
) -> None:
    tick_at(JANUARY)
    died = in_a_process(_die_in, DEATHS[job], FEBRUARY)
    died.join(60)
    assert died.exitcode == -signal.SIGKILL
    (dead,) = JobRun.objects.filter(state="running")
    assert dead.name.startswith(job)
    tick_at(FEBRUARY + timedelta(minutes=1))
    dead.refresh_from_db()
    assert (dead.state, dead.error) == ("failed", WORKER_DIED)
    for minutes in (2, 3):
        tick_at(FEBRUARY + timedelta(minutes=minutes))
    assert not failing().exists()
    check_all_is_done_once(2 * CUSTOMERS)


def test_a_job_that_always_kills_its_worker_is_halted_and_the_others_go_on(seller: Seller) -> None:
    now = JANUARY
    for _ in range(ATTEMPTS_MAX):
        died = in_a_process(_die_in, DEATHS["bill"], now)
        died.join(60)
        assert died.exitcode == -signal.SIGKILL
        tick_at(now + timedelta(minutes=1))
        now += timedelta(hours=1)
    tick_at(now)
    assert not Invoice.objects.exists()
    (halted,) = failing()
    assert halted.is_halted
    assert JobRun.objects.filter(name="deliver events", state="done").exists()


def _time_out(now: datetime) -> None:
    """Tick as the broker's worker does, with a second to do it in, and a statement that hangs."""

    def hang(*args: Any, **options: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")

    seller_day.bill_due = hang  # type: ignore[assignment]
    with pytest.raises(TimeoutException), TimeoutHandler(1):
        tick_at(now)
    os._exit(17)


def test_a_timeout_in_the_midst_of_a_statement_is_a_failed_run_and_the_next_tick_goes_on(
    seller: Seller,
) -> None:
    cut_off = in_a_process(_time_out, JANUARY)
    cut_off.join(60)
    assert cut_off.exitcode == 17
    run = failing().get()
    assert run.error.startswith("Cut off by TimeoutException")
    tick_at(JANUARY + timedelta(minutes=1))
    check_all_is_done_once(CUSTOMERS)
    assert not failing().exists()


def test_a_run_whose_worker_lives_is_not_taken_for_dead_however_long_it_is_silent(
    seller: Seller,
) -> None:
    begun, done = FORK.Event(), FORK.Event()
    name = f"bill {seller.public_id}"

    def hold() -> None:
        with time_machine.travel(JANUARY, tick=False), job_run(name):
            begun.set()
            done.wait(30)

    holder = in_a_process(hold)
    assert begun.wait(30)
    tick_at(JANUARY + timedelta(days=3))
    assert JobRun.objects.get(name=name).state == "running"
    assert not Invoice.objects.exists()
    done.set()
    holder.join(30)
    tick_at(JANUARY + timedelta(days=3, minutes=1))
    assert Invoice.objects.count() == CUSTOMERS
