"""A clock that is ahead dates no bill, charge or mail, and a jump of days wants a person."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from billing.base import clock
from billing.engine.errors import Refused
from billing.invoicing.actions import add_one_off
from billing.invoicing.batch import bill_due
from billing.invoicing.changes import next_bill
from billing.invoicing.models import Invoice
from billing.jobs.heart import ClockAhead, beat
from billing.jobs.models import Heartbeat, JobRun
from billing.mail import outbox
from billing.mail.actions import post
from billing.mail.models import Message
from billing.mail.words.bills import INVOICE
from billing.outbound.actions import release
from billing.outbound.gate import Kind, standing_holds
from billing.payments.booking import record_payment
from billing.payments.gateways.base import GatewayHeld, may_leave
from billing.payments.models import Payment
from billing.schedule.tick import tick
from customers.models import Seller
from tests.factories import (
    CustomerFactory,
    InvoiceFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)

AHEAD = [timedelta(minutes=2), timedelta(days=1), timedelta(days=400)]
aheads = pytest.mark.parametrize("ahead", AHEAD, ids=["minutes", "a day", "a year"])


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


@pytest.fixture
def live(db: None, settings: Any) -> Iterator[Seller]:
    settings.COMPARES_CLOCKS = True
    seller = SellerFactory(live=True, tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    yield seller


def tomorrow() -> date:
    # A day and a half, for wherever the seller is.
    return (database_now() + timedelta(hours=36)).date()


# Bills


def test_no_document_of_a_live_seller_is_dated_after_the_databases_day(live: Seller) -> None:
    customer = CustomerFactory(seller=live)
    with pytest.raises(IntegrityError, match="issued_on of a live seller"), transaction.atomic():
        InvoiceFactory(customer=customer, issued_on=tomorrow(), due_on=tomorrow())
    InvoiceFactory(customer=customer, issued_on=database_now().date())
    InvoiceFactory(
        customer=CustomerFactory(seller=SellerFactory()), issued_on=tomorrow(), due_on=tomorrow()
    )


def test_a_batch_of_a_live_seller_bills_nothing_ahead(live: Seller) -> None:
    customer = CustomerFactory(seller=live)
    add_one_off(
        customer,
        currency="SEK",
        amount_minor=700,
        description="Mug",
        as_of=database_now().date(),
        actor="test",
    )
    with pytest.raises(Refused, match="still to come"):
        bill_due(live, tomorrow())
    assert not Invoice.objects.exists()


@aheads
def test_a_tick_by_a_clock_that_is_ahead_does_nothing_and_says_so(
    live: Seller, ahead: timedelta
) -> None:
    now = database_now()
    beat(now)
    with time_machine.travel(now + ahead), pytest.raises(ClockAhead, match="clock is ahead"):
        tick(clock.now())
    assert Heartbeat.objects.get().beat_at == now
    assert JobRun.objects.get(name="clock").state == "failed"
    beat(database_now())
    assert JobRun.objects.get(name="clock").state == "done"


def test_a_preview_shows_what_a_live_seller_bills_on_days_to_come(live: Seller) -> None:
    today = database_now().date()
    plan = PlanFactory(seller=live)
    PriceFactory(plan=plan)
    SubscriptionFactory(
        customer=CustomerFactory(seller=live), plan=plan, starts_on=today, next_bill_on=today
    )
    bill_due(live, today)
    seen = next_bill(live.customers.get(), as_of=today)
    assert seen and seen.document.issued_on > today
    assert Invoice.objects.count() == 1


# Charges


@aheads
def test_nothing_is_charged_by_a_clock_that_is_ahead(live: Seller, ahead: timedelta) -> None:
    may_leave(Kind.CHARGE, live.public_id)
    with time_machine.travel(database_now() + ahead), pytest.raises(GatewayHeld) as caught:
        may_leave(Kind.CHARGE, live.public_id)
    assert caught.value.code == "clock_ahead"


def test_no_money_of_a_live_seller_is_received_on_a_day_to_come(live: Seller) -> None:
    invoice = InvoiceFactory(customer=CustomerFactory(seller=live), status="open")
    with pytest.raises(IntegrityError, match="received_on of a live seller"), transaction.atomic():
        record_payment(invoice, as_of=tomorrow(), actor="test")
    record_payment(invoice, as_of=database_now().date(), actor="test")
    assert Payment.objects.count() == 1


# Mail


@aheads
def test_no_mail_is_sent_by_a_clock_that_is_ahead(
    live: Seller, ahead: timedelta, mailoutbox: list[Any]
) -> None:
    invoice = InvoiceFactory(customer=CustomerFactory(seller=live, email="a@example.com"))
    post(INVOICE, object=invoice.public_id, customer=invoice.customer, facts={})
    with time_machine.travel(database_now() + ahead):
        assert outbox.send_due() == 0
    assert Message.objects.get().state == "waiting"


# Jumps, where the database's clock jumps along


@pytest.fixture
def together(live: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is the database's as well."""
    monkeypatch.setattr("billing.jobs.heart.ahead_of_database", lambda at: timedelta())


@pytest.fixture
def start(together: None) -> datetime:
    """When the last tick was before the jump: a moment ago, as holds have the database's time."""
    at = database_now() - timedelta(seconds=30)
    beat(at)
    return at


def test_days_that_a_gateway_confirms_are_an_outage(start: datetime) -> None:
    later = start + timedelta(days=9)
    beat(later, lambda: [later - timedelta(seconds=20)])
    assert not standing_holds().exists()


def test_days_that_a_gateway_does_not_know_of_are_a_clock_that_is_ahead(start: datetime) -> None:
    with pytest.raises(ClockAhead, match="payment gateway"):
        beat(start + timedelta(days=1), lambda: [start])
    beat(start + timedelta(minutes=1), lambda: [start])


def test_a_night_that_nobody_can_confirm_is_an_outage(start: datetime) -> None:
    beat(start + timedelta(hours=40))
    assert not standing_holds().exists()


def test_days_that_nobody_can_confirm_want_a_person(start: datetime) -> None:
    later = start + timedelta(days=9)
    for _ in range(2):
        with pytest.raises(ClockAhead, match="9 days before"):
            beat(later)
    [held] = standing_holds()
    assert held.code == "clock_jumped"
    release(held, actor="anna")
    beat(later + timedelta(minutes=1))
    beat(later + timedelta(minutes=2))
    assert not standing_holds().exists()
    with pytest.raises(ClockAhead):
        beat(later + timedelta(days=9))


def test_a_clock_that_was_set_right_again_lets_everything_go_on(start: datetime) -> None:
    with pytest.raises(ClockAhead):
        beat(start + timedelta(days=9))
    beat(start + timedelta(minutes=1))
    assert not standing_holds().exists()
