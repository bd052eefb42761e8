"""Test clocks: a test seller's time stands still, and goes on day by day when it is told to."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from pytest_django import DjangoAssertNumQueries

from billing.base import clock
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.coverage import Coverage
from billing.invoicing.models import Invoice
from billing.jobs.hints import ADVANCE_TEST_CLOCKS, hint
from billing.jobs.models import JobRun
from billing.jobs.runs import job_run
from billing.ledger.models import Transfer
from billing.mail.models import Message
from billing.schedule.test_clocks import _instants, advance, advance_all, play
from billing.schedule.tick import tick
from billing.verification.books import broken_invariants
from customers import test_clocks
from customers.calendar import now_of, today_of
from customers.models import Customer, Seller, TestClock
from dunning.models import DunningAction, DunningCase
from dunning.policies import ensure_shipped
from tests.events.test_fan_out import process
from tests.factories import (
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.standing_at(NOON):
        yield


def seller_with(customers: int = 1) -> Seller:
    seller = SellerFactory(tax=[])
    make_accounts(seller)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan, amount=Decimal(100))
    for _ in range(customers):
        SubscriptionFactory(customer=CustomerFactory(seller=seller), plan=plan)
    return seller


def clock_of(seller: Seller, at: datetime | None = None) -> TestClock:
    made = test_clocks.create(seller, at=at, as_of=NOON.date(), actor="test")
    return TestClock.objects.select_related("seller").get(pk=made.pk)


def fresh(seller: Seller) -> Seller:
    return Seller.objects.get(pk=seller.pk)


# What time it is


def test_a_clock_is_what_its_sellers_time_is_asked_of() -> None:
    seller, other = SellerFactory(), SellerFactory()
    at = datetime(2027, 6, 30, 22, 30, tzinfo=UTC)
    clock_of(seller, at)
    assert (now_of(fresh(seller)), today_of(fresh(seller))) == (at, date(2027, 7, 1))
    assert (now_of(other), today_of(other)) == (NOON, NOON.date())


def test_asking_costs_nothing_where_the_clock_was_loaded_or_the_seller_is_live(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    seller, bare, live = SellerFactory(), SellerFactory(), SellerFactory(live=True)
    clock_of(seller)
    loaded = list(Seller.objects.select_related("test_clock").order_by("pk"))
    with django_assert_num_queries(0):
        assert [today_of(each) for each in [*loaded, live]] == [NOON.date()] * 4
    again = Seller.objects.get(pk=bare.pk)
    with django_assert_num_queries(1):
        assert today_of(again) == today_of(again)


def test_a_live_seller_has_no_clock_whoever_asks() -> None:
    live, seller = SellerFactory(live=True), SellerFactory()
    with pytest.raises(Refused) as refused:
        clock_of(live)
    assert refused.value.code == "seller_is_live"
    for write in (
        lambda: TestClock.objects.create(seller=live, at=NOON),
        lambda: TestClock.objects.filter(pk=clock_of(seller).pk).update(seller=live),
    ):
        with pytest.raises(DatabaseError, match="live"), transaction.atomic():
            write()


def test_there_is_one_clock_for_a_seller_and_it_begins_now_or_later() -> None:
    seller = SellerFactory()
    with pytest.raises(Refused) as refused:
        clock_of(seller, NOON - timedelta(seconds=1))
    assert refused.value.code == "clock_goes_back"
    clock_of(seller)
    with pytest.raises(Refused) as refused:
        clock_of(seller)
    assert refused.value.code == "test_clock_exists"


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (NOON - timedelta(seconds=1), "clock_goes_back"),
        (NOON + timedelta(days=733), "clock_goes_too_far"),
    ],
)
def test_a_clock_goes_forward_and_two_years_at_most(to: datetime, code: str) -> None:
    made = clock_of(SellerFactory())
    with pytest.raises(Refused) as refused:
        advance(made, to, actor="test")
    assert refused.value.code == code
    made.refresh_from_db()
    assert (made.at, made.advancing_to) == (NOON, None)


# Playing


def test_each_month_until_then_is_billed_on_its_day() -> None:
    seller = seller_with(customers=2)
    made = advance(clock_of(seller), datetime(2026, 5, 15, 8, tzinfo=UTC), actor="test")
    assert (made.at, made.advancing_to) == (datetime(2026, 5, 15, 8, tzinfo=UTC), None)
    issued = Counter(Invoice.objects.values_list("issued_on", flat=True))
    assert issued == {date(2026, month, 1): 2 for month in (3, 4, 5)}
    posted = Transfer.objects.filter(document=Transfer.Document.RECOGNITION)
    assert sorted(posted.values_list("effective_on", flat=True)) == [
        date(2026, 3, 31),
        date(2026, 4, 30),
    ]
    assert broken_invariants() == {}
    assert Event.objects.filter(type="test_clock.advanced").count() == 1


def test_debts_are_late_and_reminded_of_on_the_days_of_the_policy() -> None:
    ensure_shipped()
    seller = seller_with()
    Customer.objects.update(collection=Customer.Collection.INVOICE)
    advance(clock_of(seller), datetime(2026, 5, 1, 8, tzinfo=UTC), actor="test")
    case = DunningCase.objects.order_by("pk")[0]
    due_on = date(2026, 3, 15)
    assert (case.invoice.due_on, case.late_from) == (due_on, due_on)
    steps = list(case.policy.steps.filter(since=case.since).order_by("days"))
    done = list(DunningAction.objects.filter(case=case).order_by("done_on"))
    assert done
    assert [action.done_on for action in done] == [
        due_on + timedelta(days=step.days) for step in steps[: len(done)]
    ]


def test_what_is_told_ahead_is_written_and_sent_on_its_day_at_the_worlds_hour() -> None:
    seller = seller_with()
    ends_on = date(2026, 4, 20)
    SubscriptionFactory(
        customer=CustomerFactory(seller=seller),
        plan=seller.plans.get(),
        status="trialing",
        paid_from=ends_on,
    )
    made = advance(clock_of(seller), datetime(2026, 4, 16, 8, tzinfo=UTC), actor="test")
    told = Message.objects.filter(kind="trial_ending")
    assert not told.exists()
    advance(made, datetime(2026, 4, 18, 8, tzinfo=UTC), actor="test")
    message = told.get()
    assert message.state == "sent"
    assert message.sent_at == NOON


def test_only_that_seller_is_played_and_the_tick_passes_it_over() -> None:
    moved, other = seller_with(), seller_with()
    made = clock_of(moved)
    tick(NOON)
    assert (moved.documents.count(), other.documents.count()) == (0, 1)
    advance(made, datetime(2026, 4, 2, 12, tzinfo=UTC), actor="test")
    assert (moved.documents.count(), other.documents.count()) == (2, 1)
    later = NOON + timedelta(days=70)
    with clock.standing_at(later):
        tick(later)
    assert (moved.documents.count(), other.documents.count()) == (2, 2)
    names = JobRun.objects.values_list("name", flat=True)
    assert not [name for name in names if moved.public_id in name]


def test_the_tick_takes_a_clock_where_it_was_told_to_go() -> None:
    seller = seller_with()
    made = clock_of(seller)
    test_clocks.ask(made, NOON + timedelta(days=40), as_of=NOON.date(), actor="test")
    assert seller.documents.count() == 0
    tick(NOON)
    made.refresh_from_db()
    assert (made.at, made.is_advancing) == (NOON + timedelta(days=40), False)
    assert seller.documents.count() == 2


def test_a_worker_that_is_asked_does_the_same() -> None:
    seller = seller_with()
    test_clocks.ask(clock_of(seller), NOON + timedelta(days=1), as_of=NOON.date(), actor="test")
    hint(ADVANCE_TEST_CLOCKS)
    advance_all()
    assert today_of(fresh(seller)) == date(2026, 3, 2)
    assert JobRun.objects.get(name__startswith="advance").state == "done"


ADVANCE_AND_DIE = """
import os, signal, sys
from datetime import datetime
from billing.schedule import seller_day
from billing.schedule.test_clocks import advance_all
from customers.models import TestClock
real, lives = seller_day.DUN.work, int(sys.argv[1])
def dies_in_the_end(seller, today, run):
    global lives
    lives -= 1
    print(today, flush=True)
    if not lives:
        os.kill(os.getpid(), signal.SIGKILL)
    real(seller, today, run)
seller_day.DUN = seller_day.Step("dun", dies_in_the_end)
advance_all()
"""


@pytest.mark.django_db(transaction=True)
def test_who_is_killed_in_the_middle_is_followed_by_another_who_leaves_nothing_out() -> None:
    seller = seller_with(customers=3)
    made, to = clock_of(seller), datetime(2026, 5, 2, 12, tzinfo=UTC)
    test_clocks.ask(made, to, as_of=NOON.date(), actor="test")
    days: list[str] = []
    for lives, ends in ((20, -9), (14, -9), (1, -9), (1000, 0)):
        worker = process(ADVANCE_AND_DIE, lives)
        days += worker.communicate(timeout=120)[0].splitlines()
        assert worker.returncode == ends
        made.refresh_from_db()
        assert made.is_advancing is bool(ends)
    # Each day in order, and those that were broken off once more.
    wanted = [str(date(2026, 3, 1) + timedelta(days=n)) for n in range(63)]
    assert sorted(set(days)) == wanted
    assert days == sorted(days)
    # Killed on the same day twice; and the last day is played at midnight and where it ends.
    assert len(days) == len(wanted) + 4
    assert Counter(Invoice.objects.values_list("issued_on", flat=True)) == {
        date(2026, month, 1): 3 for month in (3, 4, 5)
    }
    assert Coverage.objects.count() == 9
    assert broken_invariants() == {}
    assert Event.objects.filter(type="test_clock.advanced").count() == 1


def test_playing_again_changes_nothing() -> None:
    seller = seller_with()
    made = advance(clock_of(seller), datetime(2026, 4, 1, 12, tzinfo=UTC), actor="test")

    def counts() -> tuple[int, int, int]:
        return Invoice.objects.count(), Transfer.objects.count(), Event.objects.count()

    before = counts()
    assert advance(made, made.at, actor="test").at == made.at
    TestClock.objects.update(advancing_to=made.at)
    with job_run("again") as run:
        play(made, run)
    documents, transfers, events = counts()
    assert (documents, transfers) == before[:2]
    assert events == before[2] + 1  # That it is there.


def test_midnights_are_those_of_the_seller_also_when_the_clocks_are_changed() -> None:
    seller = seller_with()
    made = advance(clock_of(seller), datetime(2026, 3, 30, 12, tzinfo=UTC), actor="test")
    made.advancing_to = datetime(2026, 4, 1, 12, tzinfo=UTC)
    made.at = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert [f"{at:%d %H}" for at in _instants(made)] == [
        "28 12",
        "28 23",
        "29 22",
        "30 22",
        "31 22",
        "01 12",
    ]
