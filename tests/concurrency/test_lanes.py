"""What calls out waits by itself: a gateway that hangs, for real, and a worker beside it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.base import clock
from billing.events.recorder import record
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.jobs.models import Heartbeat, JobRun
from billing.jobs.queries import last_beat
from billing.outbound import turns
from billing.payments.gateways import http
from billing.payments.models import Payment, PaymentMethod
from billing.schedule.tick import tick
from billing.webhooks import actions as endpoints
from billing.webhooks.models import WebhookDelivery
from customers.models import Seller
from tests.concurrency.test_tick_workers import start, wait_for, workers  # noqa: F401
from tests.factories import (
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)
from tests.webhooks.receiving import RunningReceiver, running_receiver

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS = 8


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers keep the mark of their database here, which another test's has nothing to do with."""
    monkeypatch.setenv("KVITT_VAR", str(tmp_path))
    monkeypatch.setenv("KVITT_SECRET_KEY", settings.SECRET_KEY)


@dataclass(frozen=True)
class Hanging:
    url: str
    log: Path

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def hanging(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """A gateway that never answers, known to this process and to those that it starts."""
    script, log = Path(__file__).with_name("hanging.py"), tmp_path / "asked"
    with subprocess.Popen(
        [sys.executable, str(script), str(log)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        settings.SANDBOX_URL, settings.SANDBOX_KEY = url, "key"
        monkeypatch.setenv("KVITT_SANDBOX_URL", url)
        monkeypatch.setenv("KVITT_SANDBOX_KEY", "key")
        yield Hanging(url, log)
        process.kill()


@pytest.fixture
def receiver(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningReceiver]:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    monkeypatch.setenv("KVITT_WEBHOOK_ALLOWED_HOSTS", "127.0.0.1")
    with running_receiver(tmp_path) as running:
        yield running


def owed_by_card(seller: Seller) -> None:
    """Invoices that are due today, of customers whose cards are at the gateway that hangs."""
    today = clock.now().date()
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    for number in range(CUSTOMERS):
        customer = CustomerFactory(seller=seller, collection="automatic")
        PaymentMethod.objects.create(
            customer=customer,
            gateway="sandbox",
            gateway_id=f"pm_{number}",
            gateway_customer=f"cus_{number}",
            is_default=True,
        )
        SubscriptionFactory(customer=customer, plan=plan, starts_on=today)
    bill_due(seller, today, actor="test")
    assert Payment.objects.filter(state="planned").count() == CUSTOMERS


@pytest.fixture
def seller() -> Seller:
    seller = SellerFactory(tax=[])
    make_accounts(seller)
    return seller


def test_a_gateway_that_hangs_is_left_alone_after_three_calls_of_a_tick(
    seller: Seller, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 0.5)
    owed_by_card(seller)
    now = clock.now()
    tick(now)
    assert len(hanging.asked) == turns.STRIKES_MAX
    # Nothing was asked of the others, who wait as they were.
    assert Payment.objects.filter(state="planned", attempts=0).count() >= CUSTOMERS - 3
    # The next tick begins anew.
    tick(now + timedelta(minutes=1))
    assert len(hanging.asked) == 2 * turns.STRIKES_MAX


def test_a_call_that_is_slow_and_clear_counts_as_well_and_a_quick_one_forgives() -> None:
    turn = turns.Turn()
    for _ in range(2):
        turn.note("a", is_clear=False, seconds=0)
    turn.note("a", is_clear=True, seconds=1)
    turn.note("a", is_clear=False, seconds=0)
    assert not turn.leaves("a")
    for _ in range(turns.STRIKES_MAX):
        turn.note("b", is_clear=True, seconds=turns.SLOW_SECONDS)
    assert turn.leaves("b")
    assert not turn.leaves("c")


def test_while_a_gateway_hangs_others_are_billed_and_shops_are_told(
    seller: Seller,
    hanging: Hanging,
    receiver: RunningReceiver,
    workers: list["subprocess.Popen[str]"],  # noqa: F811
) -> None:
    owed_by_card(seller)
    other = SellerFactory(tax=[])
    make_accounts(other)
    endpoints.create(
        seller=other.public_id,
        is_live=False,
        url=receiver.url("ok"),
        types=["invoice.finalized"],
        as_of=clock.now().date(),
        actor="test",
    )
    workers.append(start())
    wait_for(lambda: len(hanging.asked) > 0, 180)
    # From here on somebody waits for the gateway, for ten seconds with each call.
    plan = PlanFactory(seller=other)
    PriceFactory(plan=plan)
    today = clock.now().date()
    SubscriptionFactory(customer=CustomerFactory(seller=other), plan=plan, starts_on=today)
    first = last_beat()
    assert first is not None
    wait_for(lambda: Invoice.objects.filter(seller=other).exists(), 300)
    wait_for(lambda: len(receiver.got) == 1, 180)
    wait_for(lambda: (last_beat() or first) > first, 150)
    assert JobRun.objects.filter(name="poll gateways").exists()
    lanes = set(Heartbeat.objects.values_list("name", flat=True))
    assert {"lane charges", "lane mail", "lane webhooks", "lane events"} <= lanes


def test_an_event_is_sent_without_a_tick(
    receiver: RunningReceiver,
    workers: list["subprocess.Popen[str]"],  # noqa: F811
) -> None:
    seller = SellerFactory(tax=[])
    today = clock.now().date()
    endpoints.create(
        seller=seller.public_id,
        is_live=False,
        url=receiver.url("ok"),
        types=["invoice.paid"],
        as_of=today,
        actor="test",
    )
    workers.append(start())
    wait_for(lambda: Heartbeat.objects.filter(name="lane webhooks").exists(), 180)
    with_no_tick = 0
    for number in range(4):
        before, ticks = len(receiver.got), last_beat()
        record(
            "invoice.paid",
            seller=seller.public_id,
            subject=f"inv_{number}",
            occurred_on=today,
            actor="test",
        )
        wait_for(lambda before=before: len(receiver.got) > before, 60)  # type: ignore[misc]
        with_no_tick += last_beat() == ticks
        time.sleep(1)
    # Ticks come once a minute: they cannot have sent them all.
    assert with_no_tick >= 1
    wait_for(lambda: not WebhookDelivery.objects.filter(state="pending").exists(), 30)
    # Several sendings of a minute are one line of the history.
    assert JobRun.objects.filter(name="deliver webhooks", done__gt=0).count() <= 2
