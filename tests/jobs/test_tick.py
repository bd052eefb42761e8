from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection

from billing.events import recorder
from billing.events.models import Delivery, Event
from billing.events.recorder import (
    ATTEMPTS_MAX,
    deliver_due,
    fan_out,
    one_by_one,
    record,
    subscribe,
)
from billing.invoicing.coverage import Coverage
from billing.invoicing.models import Invoice, InvoiceLine
from billing.jobs.heart import ClockWentBack
from billing.jobs.models import JobRun
from billing.jobs.queries import failing
from billing.ledger.models import Transfer
from billing.schedule import seller_day
from billing.schedule import tick as the_tick
from billing.schedule.tick import tick
from billing.verification.books import broken_invariants
from customers.models import Seller
from tests.factories import (
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
)

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The subscribers of these tests are gone after them."""
    before = dict(recorder._subscribers)
    yield
    recorder._subscribers.clear()
    recorder._subscribers.update(before)


@pytest.fixture
def seller() -> Seller:
    """Three monthly subscriptions of 100.00, and a yearly one of 365.00, from 1 March."""
    seller = SellerFactory(name="Rosteriet", tax=[])
    for _ in range(3):
        SubscriptionFactory(customer=CustomerFactory(seller=seller))
    year = PlanFactory(seller=seller, interval_unit="year")
    PriceFactory(plan=year, amount=Decimal(365))
    SubscriptionFactory(customer=CustomerFactory(seller=seller), plan=year)
    return seller


def tick_at(now: datetime) -> dict[str, str]:
    """What became of each job, by the first words of its name."""
    with time_machine.travel(now, tick=False):
        return {
            outcome.name.rpartition(" sel_")[0] or outcome.name: outcome.state
            for outcome in tick(now)
        }


def earned() -> list[tuple[date, int]]:
    posted = Transfer.objects.filter(document=Transfer.Document.RECOGNITION)
    return list(posted.order_by("effective_on").values_list("effective_on", "amount_minor"))


def test_a_tick_does_all_that_is_due_in_order(seller: Seller) -> None:
    outcomes = tick_at(NOON)
    assert list(outcomes) == [
        "bill",
        "recognize",
        "process hooks",
        "poll gateways",
        "resolve payments",
        "expire orders",
        "dun",
        "collect",
        "fan out events",
        "deliver events",
        "notify",
        "send mail",
        "deliver webhooks",
        "check VAT numbers",
        "seal books",
        "add up sums",
        "verify books",
        "forget old runs",
        "forget old troubles",
        "forget kept rows",
        "forget old webhooks",
        "forget old requests",
        "forget done forms",
        "forget old links",
        "forget old sessions",
    ]
    assert set(outcomes.values()) == {"done"}
    assert Invoice.objects.count() == 4
    assert not Event.objects.filter(is_fanned_out=False).exists()
    assert "4 invoices" in JobRun.objects.get(name__startswith="bill").log


def test_what_is_daily_is_done_once_a_day_and_not_before_two_at_night(seller: Seller) -> None:
    tick_at(NOON)
    assert "verify books" not in tick_at(NOON + timedelta(minutes=1))
    assert "recognize" not in tick_at(datetime(2026, 3, 1, 22, 59, tzinfo=UTC))
    after_midnight = tick_at(datetime(2026, 3, 1, 23, 0, tzinfo=UTC))  # Midnight in Stockholm.
    assert "recognize" in after_midnight
    assert "verify books" not in after_midnight
    assert "verify books" not in tick_at(datetime(2026, 3, 2, 1, 59, tzinfo=UTC))
    assert "verify books" in tick_at(datetime(2026, 3, 2, 2, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("outage", "months"), [(timedelta(days=1), 0), (timedelta(days=40), 1), (timedelta(426), 14)]
)
def test_an_outage_is_caught_up_and_every_period_billed_once(
    seller: Seller, outage: timedelta, months: int
) -> None:
    tick_at(NOON)
    for now in (NOON + outage, NOON + outage + timedelta(minutes=1)):
        assert set(tick_at(now).values()) == {"done"}
    years = 2 if months >= 12 else 1
    assert Coverage.objects.count() == 3 * (months + 1) + years
    assert broken_invariants() == {}


def test_each_month_that_is_over_is_posted_in_that_month_also_after_an_outage(
    seller: Seller,
) -> None:
    tick_at(NOON)
    assert earned() == []
    tick_at(datetime(2026, 3, 31, 12, tzinfo=UTC))
    assert earned() == []
    tick_at(datetime(2026, 7, 1, 12, tzinfo=UTC))
    # 365.00 at 1.00 a day, and three months of 100.00 that were billed before the outage.
    assert earned() == [
        (date(2026, 3, 31), 31_00 + 300_00),
        (date(2026, 4, 30), 30_00),
        (date(2026, 5, 31), 31_00),
        (date(2026, 6, 30), 30_00),
    ]


def test_a_clock_that_went_back_bills_nothing_and_says_so(seller: Seller) -> None:
    with time_machine.travel(NOON, tick=False):
        the_tick.run()
    documents = Invoice.objects.count()
    SubscriptionFactory(customer=CustomerFactory(seller=seller))
    with time_machine.travel(NOON - timedelta(minutes=2), tick=False):
        with pytest.raises(ClockWentBack):
            tick(NOON - timedelta(minutes=2))
        the_tick.run()
        with pytest.raises(CommandError, match="The clock went back"):
            call_command("tick")
    assert Invoice.objects.count() == documents
    assert [run.name for run in failing()] == ["tick"]
    tick_at(NOON + timedelta(minutes=1))
    assert Invoice.objects.count() == documents + 1
    assert not failing().exists()


def test_a_job_that_fails_does_not_keep_the_others_from_their_turn(
    seller: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SellerFactory(tax=[])
    SubscriptionFactory(customer=CustomerFactory(seller=other))
    bill_due = seller_day.bill_due

    def fails_for_the_first(billed: Seller, *args: Any, **options: Any) -> Any:
        if billed == seller:
            raise RuntimeError("out of order")
        return bill_due(billed, *args, **options)

    monkeypatch.setattr(seller_day, "bill_due", fails_for_the_first)
    tick_at(NOON)
    assert other.documents.count() == 1
    assert not seller.documents.exists()
    assert [run.name for run in failing()] == [f"bill {seller.public_id}"]
    monkeypatch.undo()
    tick_at(NOON + timedelta(minutes=1))
    assert seller.documents.count() == 4
    assert not failing().exists()


def test_broken_books_are_a_failed_job_that_names_what_is_broken(seller: Seller) -> None:
    tick_at(NOON)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        line = InvoiceLine.objects.filter(pk=InvoiceLine.objects.earliest("id").pk)
        line._raw_delete(line.db)
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert tick_at(NOON + timedelta(days=1))["verify books"] == "failed"
    run = failing().get()
    assert "invariants are broken" in run.error
    assert len(run.log.splitlines()) > 1
    assert "verify books" not in tick_at(NOON + timedelta(days=1, minutes=1))


def test_the_command_does_a_tick_and_tells_what_it_did(seller: Seller) -> None:
    printed = []
    for _ in range(2):
        with time_machine.travel(NOON, tick=False):
            out = StringIO()
            call_command("tick", stdout=out)
            printed.append(out.getvalue())
    assert f"bill {seller.public_id}" in printed[0]
    assert printed[1].startswith("Nothing was due; ")


def test_the_command_fails_where_a_job_does(
    seller: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seller_day, "bill_due", None)
    with pytest.raises(CommandError, match="1 jobs failed"):
        call_command("tick", stdout=StringIO())


# Deliveries


def happen(count: int = 1) -> None:
    for number in range(count):
        record(
            "test.happened",
            seller="sel_x",
            subject=f"x_{number}",
            occurred_on=NOON.date(),
            actor="test",
        )
    fan_out()


def test_a_subscriber_that_always_fails_is_given_up_after_ten_attempts() -> None:
    calls = []

    def fail(event: Event) -> None:
        calls.append(event)
        raise RuntimeError("no")

    subscribe("broken", {"test.happened"}, one_by_one(fail))
    with time_machine.travel(NOON, tick=False) as clock:
        happen()
        for _ in range(ATTEMPTS_MAX + 3):
            deliver_due()
            clock.shift(timedelta(days=2))
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, len(calls)) == ("dead", ATTEMPTS_MAX, ATTEMPTS_MAX)
    assert delivery.last_error == "RuntimeError: no"


def test_a_subscriber_that_kills_its_worker_is_given_up_and_its_neighbours_are_not() -> None:
    seen: list[str] = []

    def poison(event: Event) -> None:
        if event.subject == "x_1":
            raise SystemExit("killed")
        seen.append(event.subject)

    subscribe("poison", {"test.happened"}, one_by_one(poison))
    with time_machine.travel(NOON, tick=False) as clock:
        happen(3)
        for _ in range(2 * ATTEMPTS_MAX):
            try:
                deliver_due()
            except SystemExit:
                pass
            clock.shift(timedelta(days=2))
    assert set(seen) == {"x_0", "x_2"}
    states = dict(Delivery.objects.values_list("event__subject", "state"))
    assert states == {"x_0": "done", "x_1": "dead", "x_2": "done"}
    assert Delivery.objects.get(state="dead").attempts == ATTEMPTS_MAX
    # Those beside it are counted once for the transaction that they shared, and once for their own.
    assert set(Delivery.objects.filter(state="done").values_list("attempts", flat=True)) == {2}


def test_what_fails_among_others_is_left_alone_and_they_are_told_once() -> None:
    def refuse_one(event: Event) -> None:
        if event.subject == "x_1":
            raise RuntimeError("no")
        record(
            "test.heard",
            seller="sel_x",
            subject=event.subject,
            occurred_on=NOON.date(),
            actor="test",
        )

    subscribe("choosy", {"test.happened"}, one_by_one(refuse_one))
    with time_machine.travel(NOON, tick=False):
        happen(3)
        assert deliver_due() == 3
    heard = Event.objects.filter(type="test.heard").values_list("subject", flat=True)
    assert sorted(heard) == ["x_0", "x_2"]
    states = dict(Delivery.objects.values_list("event__subject", "state"))
    assert states == {"x_0": "done", "x_1": "pending", "x_2": "done"}
