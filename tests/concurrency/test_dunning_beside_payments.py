"""Money that comes at each instant around a step, sweeps beside each other, and killed ones.

All with real commits on connections of their own. A failpoint is a place in the sweep, or in what
pays, where a test lets the other one run.
"""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction

from billing.bench.company import FIRST_BILL, make_seller
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.balances import balance_of, give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.invoicing.voiding import void
from billing.payments import charging, planning, sessions
from billing.payments.booking import record_payment
from billing.payments.methods import keep_method
from billing.payments.sessions import complete_session, start_payment
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from customers.locks import lock_free_customers
from customers.models import Customer, Seller
from dunning import cases
from dunning.cases import close_where_settled, open_cases, step_due
from dunning.models import (
    DunningAction,
    DunningCase,
    DunningChoice,
    DunningPolicy,
    DunningStep,
)
from dunning.steps import KINDS
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)
from tests.sandbox.process import RunningSandbox, running_sandbox

pytestmark = pytest.mark.django_db(transaction=True)
FORK = multiprocessing.get_context("fork")
SEED = 20261125
LATE = DAY + timedelta(days=15)
PAYERS = ("recorded", "charged", "hosted", "balanced", "credited", "voided")
AT_GATEWAY = ("charged", "hosted")
WAIT_SECONDS = 30
STEPS = tuple(KINDS)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(autouse=True)
def connected(sandbox: RunningSandbox, settings: Any) -> Iterator[None]:
    settings.SANDBOX_URL, settings.SANDBOX_KEY = sandbox.url, sandbox.key
    settings.SANDBOX_HOOK_SECRET = sandbox.hook_secret
    with time_machine.travel(datetime(2026, 3, 16, 12, tzinfo=UTC)):
        yield


def late(sandbox: RunningSandbox, kind: str) -> dict[str, Invoice]:
    """An overdue invoice for each way to pay, of a seller whose policy has one step, due now."""
    seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    policy = DunningPolicy.objects.create(seller=seller, code="own", name="Own")
    DunningStep.objects.create(policy=policy, since="due", days=1, kind=kind)
    DunningChoice.objects.create(seller=seller, policy=policy)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    made = {}
    for _ in PAYERS:
        customer = CustomerFactory(seller=seller)
        SubscriptionFactory(customer=customer, plan=plan)
        _, card = sandbox.card(customer.public_id, "4242424242424242")
        keep_method(customer, gateway="sandbox", gateway_id=card, as_of=DAY, actor="test")
    bill_due(seller, DAY)
    for payer, invoice in zip(PAYERS, Invoice.objects.filter(seller=seller), strict=True):
        made[payer] = invoice
    assert open_cases(seller, LATE, "test") == len(PAYERS)
    Customer.objects.filter(seller=seller).update(collection="automatic")
    return made


def pay(sandbox: RunningSandbox, invoice: Invoice, payer: str) -> None:
    """Settle an invoice."""
    by_test: dict[str, Any] = {"as_of": LATE, "actor": "test"}
    if payer == "hosted":
        page = start_payment(invoice, gateway="sandbox", **by_test)
        sandbox.fill_in(page.url)
        complete_session(page, **by_test)
    elif payer == "balanced":
        give_credit(
            invoice.customer, currency="SEK", amount_minor=12_500, description="", **by_test
        )
    elif payer == "recorded":
        record_payment(invoice, as_of=LATE, actor="test")
    elif payer == "credited":
        credit(invoice, as_of=LATE, actor="test")
    elif payer == "voided":
        void(invoice, as_of=LATE, actor="test")
    else:
        planned = planning.collect_soon(invoice, as_of=LATE, actor="test")
        charging.charge(planned.pk, as_of=LATE, actor="test")


class Beside:
    """Work in a thread with a connection of its own; what it raises is kept."""

    def __init__(self, work: Callable[[], object]):
        self.refused: Refused | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Refused as refused:
            self.refused = refused
        except BaseException as error:
            self.error = error
        finally:
            connection.close()

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> "Beside":
        self._thread.join(WAIT_SECONDS)
        assert self.is_over(), "it waits for ever"
        if self.error:
            raise self.error
        return self


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # Asked within a transaction, it would give the first answer again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def is_waiting_or_over(payment: Beside) -> bool:
    return payment.is_over() or somebody_waits_for_a_lock()


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def check_nothing_went_out(invoice: Invoice) -> None:
    """The money was first: no step, no end, no loss; the case is over and access is full."""
    assert not DunningAction.objects.filter(case__invoice=invoice).exists()
    check_recovered(invoice)
    subscription = Subscription.objects.get(customer=invoice.customer_id)
    assert (subscription.status, subscription.access) == ("active", "full")


def check_recovered(invoice: Invoice) -> None:
    invoice.refresh_from_db()
    assert invoice.status in ("paid", "void")
    assert DunningCase.objects.get(invoice=invoice).status == "recovered"


@pytest.mark.parametrize("kind", STEPS)
def test_a_payment_that_is_being_committed_keeps_the_step_away(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    invoices = late(sandbox, kind)
    all_have_begun = threading.Barrier(len(PAYERS) + 1)
    may_end = threading.Event()
    settle = charging.settle

    def pause() -> None:
        all_have_begun.wait(WAIT_SECONDS)
        assert may_end.wait(WAIT_SECONDS)

    def settle_later(*args: Any, **asked: Any) -> Any:
        pause()  # The gateway has the money, and we have not written it yet.
        return settle(*args, **asked)

    def pay_slowly(invoice: Invoice, payer: str) -> None:
        if payer in AT_GATEWAY:
            pay(sandbox, invoice, payer)
            return
        with transaction.atomic():
            pay(sandbox, invoice, payer)
            pause()

    for module in (charging, sessions):
        monkeypatch.setattr(module, "settle", settle_later)
    payments = [Beside(partial(pay_slowly, one, payer)) for payer, one in invoices.items()]
    all_have_begun.wait(WAIT_SECONDS)
    assert step_due(invoices["recorded"].seller, LATE, "test") == 0
    may_end.set()
    for payment in payments:
        assert payment.join().refused is None
    for _ in range(2):
        for invoice in invoices.values():
            check_nothing_went_out(invoice)
        assert step_due(invoices["recorded"].seller, LATE, "test") == 0
    assert broken_invariants() == {}


@pytest.mark.parametrize("kind", STEPS)
def test_a_payment_between_the_sweeps_look_and_its_lock_keeps_the_step_away(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    invoices = late(sandbox, kind)
    lock = lock_free_customers

    def lock_after_all_have_paid(ids: Any) -> Any:
        wanted = list(ids)
        assert len(wanted) == len(PAYERS)
        for payer, invoice in invoices.items():
            assert Beside(partial(pay, sandbox, invoice, payer)).join().refused is None
        return lock(wanted)

    monkeypatch.setattr(cases, "lock_free_customers", lock_after_all_have_paid)
    step_due(invoices["recorded"].seller, LATE, "test")
    for invoice in invoices.values():
        check_nothing_went_out(invoice)
    assert broken_invariants() == {}


@pytest.mark.parametrize("kind", STEPS)
def test_a_payment_during_a_step_comes_after_it_and_access_returns_at_once(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    invoices = late(sandbox, kind)
    payments: dict[str, Beside] = {}
    take = cases.take_steps

    def take_while_all_pay(ready: Any, batch: Any) -> None:
        take(ready, batch)
        for payer, invoice in invoices.items():
            payments[payer] = Beside(partial(pay, sandbox, invoice, payer))
            until(partial(is_waiting_or_over, payments[payer]))

    with monkeypatch.context() as patch:
        patch.setattr(cases, "take_steps", take_while_all_pay)
        assert step_due(invoices["recorded"].seller, LATE, "test") == len(PAYERS)
    for payer, invoice in invoices.items():
        refused = payments[payer].join().refused
        assert DunningAction.objects.filter(case__invoice=invoice).count() == 1
        subscription = Subscription.objects.get(customer=invoice.customer_id)
        ended = ("ended", "none")
        assert (subscription.status, subscription.access) == (
            ended if kind == "cancel" else ("active", "full")
        )
        if kind == "write_off" and payer in ("voided", "balanced", *AT_GATEWAY):
            invoice.refresh_from_db()
            assert invoice.status == "uncollectible"
            # What was given up is asked for no more: the balance is kept for what is to come.
            kept_minor = balance_of(invoice.customer, "SEK")
            assert (refused is None, kept_minor) == (
                (True, 12_500) if payer == "balanced" else (False, 0)
            )
        elif kind == "write_off" and payer == "credited":
            assert DunningCase.objects.get(invoice=invoice).status == "recovered"
        else:
            assert refused is None
            check_recovered(invoice)
    assert step_due(invoices["recorded"].seller, LATE + timedelta(days=9), "test") == 0
    assert broken_invariants() == {}


# Sweeps beside each other


@pytest.fixture
def crowd() -> Seller:
    """Sixty debts, all due for the first of a policy's steps on the first of February."""
    seller = make_seller(60, name="Crowd")
    bill_due(seller, FIRST_BILL)
    policy = DunningPolicy.objects.create(seller=seller, code="own", name="Own")
    for days, kind in enumerate(("remind", "restrict", "remind", "suspend", "cancel", "write_off")):
        DunningStep.objects.create(policy=policy, since="due", days=days + 1, kind=kind)
    DunningChoice.objects.create(seller=seller, policy=policy)
    return seller


def sweep(seller: Seller, first: date, days: int) -> None:
    """So many days of dunning, in small batches that give others something to cut into."""
    for day in range(days):
        on = first + timedelta(days=day)
        for work in (close_where_settled, open_cases, step_due):
            while work(seller, on, "test", 7):
                pass
    connection.close()


def check_each_step_was_taken_once(seller: Seller) -> None:
    actions = Counter(DunningAction.objects.values_list("case", "step"))
    assert set(actions.values()) == {1}
    assert len(actions) == 60 * 6
    told = Event.objects.filter(type__startswith="dunning.").exclude(type="dunning.opened")
    assert Counter(told.values_list("type", flat=True)) == {
        "dunning.reminded": 120,
        "dunning.restricted": 60,
        "dunning.suspended": 60,
        "dunning.canceled": 60,
        "dunning.written_off": 60,
        "dunning.exhausted": 60,
    }
    assert Event.objects.filter(type="dunning.opened").count() == 60
    assert Event.objects.filter(type="invoice.written_off").count() == 60
    assert set(DunningCase.objects.values_list("status", flat=True)) == {"exhausted"}
    assert broken_invariants() == {}


def test_four_sweeps_beside_each_other_take_each_step_once(crowd: Seller) -> None:
    first = Invoice.objects.latest("due_on").due_on + timedelta(days=1)
    connection.close()
    sweeps = [FORK.Process(target=sweep, args=(crowd, first, 8)) for _ in range(4)]
    for one in sweeps:
        one.start()
    for one in sweeps:
        one.join(60)
        assert one.exitcode == 0
    # Whom another sweep held at its turn has come a day later: the rest is due by now.
    sweep(crowd, first + timedelta(days=8), 8)
    check_each_step_was_taken_once(crowd)


def test_sweeps_that_are_killed_in_the_middle_lose_and_repeat_nothing(crowd: Seller) -> None:
    chance = random.Random(SEED)
    first = Invoice.objects.latest("due_on").due_on + timedelta(days=1)
    connection.close()
    killed = 0
    for day in range(12):
        victim = FORK.Process(target=sweep, args=(crowd, first + timedelta(days=day), 1))
        victim.start()
        time.sleep(chance.uniform(0.02, 0.25))
        if victim.is_alive():
            os.kill(victim.pid or 0, signal.SIGKILL)
            killed += 1
        victim.join()
    assert killed > 0
    sweep(crowd, first + timedelta(days=12), 12)
    check_each_step_was_taken_once(crowd)
