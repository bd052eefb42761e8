"""What is told of before it happens: when, to whom, and once."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.invoicing.actions import bill_customer
from billing.mail.models import Message
from billing.mail.notices import post_notices
from billing.mail.outbox import send_due
from billing.mail.words import KINDS
from billing.mail.words.subscriptions import RENEWAL, TRIAL_ENDING
from billing.subscriptions import actions as subscriptions
from catalog.models import IntervalUnit
from customers.models import Customer
from tests.factories import DAY, CustomerFactory, SubscriptionFactory
from tests.mail.world import Kind, World, at

pytestmark = pytest.mark.django_db

RENEWS_ON = date(2027, 3, 1)


@pytest.fixture
def yearly() -> World:
    world = World()
    plan = world.plan("Årskaffe", "1990", interval_unit=IntervalUnit.YEAR)
    world.start(plan)
    bill_customer(world.customer, as_of=DAY, actor="test")
    return world


def days_told(world: World, first: date, days: int) -> list[date]:
    """The days of a span on which something is posted."""
    return [
        day
        for day in (first + timedelta(days=number) for number in range(days))
        if post_notices(world.seller, day)
    ]


@pytest.mark.parametrize(("country", "days"), [("SE", 38), ("DE", 30), ("US", 30)])
def test_a_yearly_renewal_is_told_of_once_so_many_days_ahead(
    yearly: World, country: str, days: int
) -> None:
    Customer.objects.update(country=country)
    told = days_told(yearly, RENEWS_ON - timedelta(days=60), 90)
    assert told == [RENEWS_ON - timedelta(days=days)]
    message = Message.objects.get(kind=Kind.RENEWAL)
    assert message.object.endswith(":2027-03-01")


def test_swedish_law_is_kept_in_the_longest_month() -> None:
    """A month before the last day of notice, the day before the renewal, and three days to try."""
    (days,) = [notice.days for notice in RENEWAL.notices if notice.country == "SE"]
    assert days >= 1 + 31 + 3


def test_days_that_were_missed_are_made_up_for(yearly: World) -> None:
    assert post_notices(yearly.seller, RENEWS_ON - timedelta(days=2)) == 1
    assert post_notices(yearly.seller, RENEWS_ON - timedelta(days=1)) == 0


def test_the_next_year_is_told_of_again(yearly: World) -> None:
    post_notices(yearly.seller, date(2027, 2, 10))
    bill_customer(yearly.customer, as_of=RENEWS_ON, actor="test")
    assert post_notices(yearly.seller, date(2028, 2, 10)) == 1
    assert Message.objects.filter(kind=Kind.RENEWAL).count() == 2


@pytest.mark.parametrize(("unit", "count", "is_told"), [("month", 1, False), ("month", 3, True)])
def test_monthly_renewals_are_not_told_of(unit: str, count: int, is_told: bool) -> None:
    world = World()
    world.start(world.plan(interval_unit=unit, interval_count=count))
    bill_customer(world.customer, as_of=DAY, actor="test")
    assert bool(days_told(world, DAY, 80)) is is_told


def test_what_was_canceled_is_not_told_of(yearly: World) -> None:
    subscription = yearly.customer.subscriptions.get()
    subscriptions.cancel(subscription, as_of=date(2027, 1, 1), actor="test")
    assert days_told(yearly, date(2027, 1, 1), 70) == []


def test_the_end_of_a_trial_is_told_of_three_days_before() -> None:
    world = World()
    world.start(trial_days=14)
    bill_customer(world.customer, as_of=DAY, actor="test")
    assert days_told(world, DAY, 30) == [DAY + timedelta(days=11)]


def test_a_trial_that_ended_while_nothing_ran_is_in_the_log_and_not_told_of() -> None:
    first_day = date(2027, 3, 1)
    over_on = first_day + timedelta(days=14)
    with at(over_on + timedelta(days=1)):
        world = World()
        subscriptions.start(
            world.customer, world.plan(), as_of=first_day, actor="test", trial_days=14
        )
        bill_customer(world.customer, as_of=over_on, actor="test")
        assert days_told(world, over_on + timedelta(days=1), 5) == [over_on + timedelta(days=1)]
        send_due()
    message = Message.objects.get(kind=Kind.TRIAL_ENDING)
    assert message.state == "suppressed"
    assert message.last_error == "The trial was over before this could be sent."


def test_a_trial_of_three_days_is_told_of_at_its_start_alone() -> None:
    world = World()
    world.start(trial_days=3)
    bill_customer(world.customer, as_of=DAY, actor="test")
    assert days_told(world, DAY, 10) == []


def test_looking_costs_the_same_for_many(yearly: World) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert post_notices(yearly.seller, RENEWS_ON - timedelta(days=2)) == 0
        return len(captured)

    post_notices(yearly.seller, RENEWS_ON - timedelta(days=2))
    before = queries()
    plan = yearly.customer.subscriptions.get().plan
    for _ in range(3):
        customer = CustomerFactory(seller=yearly.seller)
        SubscriptionFactory(customer=customer, plan=plan, starts_on=DAY, next_bill_on=RENEWS_ON)
    post_notices(yearly.seller, RENEWS_ON - timedelta(days=2))
    assert Message.objects.filter(kind=Kind.RENEWAL).count() == 4
    assert queries() == before


def test_what_is_told_ahead_says_how_long_and_on_what_ground_for_every_country() -> None:
    ahead = [kind for kind in KINDS.values() if kind.notices]
    assert ahead == [RENEWAL, TRIAL_ENDING]
    for kind in ahead:
        assert all(notice.basis and notice.days > 0 for notice in kind.notices)
        countries = [notice.country for notice in kind.notices]
        assert "" in countries
        assert len(set(countries)) == len(countries)
