"""A merge beside what bills, changes and merges the same customers, in real processes."""

import multiprocessing
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from multiprocessing.queues import Queue
from typing import Any

import pytest
from django.db import connection, transaction

from billing.engine.errors import Refused
from billing.invoicing.actions import bill_customer
from billing.invoicing.batch import bill_due, bill_locked, claim
from billing.invoicing.models import Invoice
from billing.merging.actions import merge
from billing.payments.booking import record_payment
from billing.subscriptions import actions as subscriptions
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from catalog.models import Plan
from customers.locks import lock_customer, lock_customers
from customers.models import Customer, Seller
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db(transaction=True)
FORK = multiprocessing.get_context("fork")
NEXT = DAY + timedelta(days=31)
SECONDS = 20


@pytest.fixture
def plan() -> Plan:
    seller: Seller = SellerFactory(tax=[])
    make_accounts(seller)
    made: Plan = PlanFactory(seller=seller)
    PriceFactory(plan=made, amount=Decimal(310))
    return made


@pytest.fixture(params=["closing first", "staying first"])
def both(request: pytest.FixtureRequest, plan: Plan) -> tuple[Customer, Customer]:
    """The one that is closed, with a paid month, and the one that stays; in either order of ids."""
    first, second = (CustomerFactory(seller=plan.seller) for _ in range(2))
    closing, staying = (first, second) if request.param == "closing first" else (second, first)
    subscriptions.start(closing, plan, as_of=DAY, actor="t")
    [invoice] = bill_customer(closing, as_of=DAY, actor="t")
    record_payment(invoice, as_of=DAY, actor="t")
    return closing, staying


def in_process(do: Callable[[], Any], answers: "Queue[Any]") -> Any:
    """A process that does something and says what came of it, or with which code it was refused."""

    def run() -> None:
        connection.close()
        try:
            answers.put(do() or "done")
        except Refused as refused:
            answers.put(refused.code)
        finally:
            connection.close()

    process = FORK.Process(target=run)
    process.start()
    return process


def ended(*processes: Any) -> None:
    for process in processes:
        process.join(SECONDS)
        assert process.exitcode == 0, "it waits, or has failed"


def merge_on(on: date, closing: Customer, staying: Customer) -> Callable[[], None]:
    def act() -> None:
        merge(closing, staying, as_of=on, actor="t")

    return act


def waits(process: Any) -> bool:
    """Whether a process goes on waiting for a while."""
    process.join(1)
    return bool(process.is_alive())


def test_a_merge_waits_for_a_renewal_that_was_faster_and_the_next_one_is_the_others(
    both: tuple[Customer, Customer], plan: Plan
) -> None:
    closing, staying = both
    answers: Queue[Any] = FORK.Queue()
    connection.close()
    claimed, go_on = FORK.Event(), FORK.Event()

    def renew() -> str:
        with transaction.atomic():
            ids = claim(plan.seller, NEXT, 10)
            claimed.set()
            go_on.wait(SECONDS)
            bill_locked(plan.seller, ids, NEXT, "t")
        return "renewed"

    billing = in_process(renew, answers)
    assert claimed.wait(SECONDS)
    merging = in_process(merge_on(NEXT, closing, staying), answers)
    assert waits(merging)
    go_on.set()
    ended(billing, merging)
    # The renewal has left an invoice that is open, and with it nobody is merged.
    assert sorted(answers.get(timeout=SECONDS) for _ in range(2)) == ["invoice_open", "renewed"]
    assert Invoice.objects.latest("pk").customer == closing
    assert broken_invariants() == {}


def test_a_renewal_passes_by_whoever_is_being_merged_and_finds_them_merged(
    both: tuple[Customer, Customer], plan: Plan
) -> None:
    closing, staying = both
    answers: Queue[Any] = FORK.Queue()
    connection.close()
    merged, go_on = FORK.Event(), FORK.Event()

    def merge_slowly() -> str:
        with transaction.atomic():
            merge(closing, staying, as_of=DAY, actor="t")
            merged.set()
            go_on.wait(SECONDS)
        return "merged"

    def renew() -> str:
        return f"{bill_due(plan.seller, NEXT).invoices} renewed"

    merging = in_process(merge_slowly, answers)
    assert merged.wait(SECONDS)
    ended(in_process(renew, answers))
    assert answers.get(timeout=SECONDS) == "0 renewed"
    go_on.set()
    ended(merging)
    ended(in_process(renew, answers))
    assert [answers.get(timeout=SECONDS) for _ in range(2)] == ["merged", "1 renewed"]
    assert Invoice.objects.latest("pk").customer == staying
    assert broken_invariants() == {}


def test_a_change_that_has_waited_for_a_merge_holds_the_one_that_stays(
    both: tuple[Customer, Customer], plan: Plan
) -> None:
    closing, staying = both
    answers: Queue[Any] = FORK.Queue()
    subscription = Subscription.objects.get()
    connection.close()
    merged, go_on, changed, go_on_too = (FORK.Event() for _ in range(4))

    def merge_slowly() -> None:
        with transaction.atomic():
            merge(closing, staying, as_of=DAY, actor="t")
            merged.set()
            go_on.wait(SECONDS)

    def cancel_slowly() -> None:
        with transaction.atomic():
            subscriptions.cancel(subscription, as_of=DAY, actor="t")
            changed.set()
            go_on_too.wait(SECONDS)

    def lock_staying() -> None:
        with transaction.atomic():
            lock_customer(staying.pk)

    merging = in_process(merge_slowly, answers)
    assert merged.wait(SECONDS)
    canceling = in_process(cancel_slowly, answers)
    assert waits(canceling)
    go_on.set()
    assert changed.wait(SECONDS)
    locking = in_process(lock_staying, answers)
    assert waits(locking)
    go_on_too.set()
    ended(merging, canceling, locking)
    canceled = Subscription.objects.get()
    assert (canceled.customer, canceled.cancels_on is not None) == (staying, True)


def test_of_two_merges_that_cross_one_is_made(plan: Plan) -> None:
    answers: Queue[Any] = FORK.Queue()
    for _ in range(5):
        one, other = (CustomerFactory(seller=plan.seller) for _ in range(2))
        connection.close()
        ended(
            in_process(merge_on(DAY, one, other), answers),
            in_process(merge_on(DAY, other, one), answers),
        )
        assert sorted(answers.get(timeout=SECONDS) for _ in range(2)) == ["customer_merged", "done"]
        assert Customer.objects.filter(pk__in=[one.pk, other.pk], merged_into=None).count() == 1
    assert broken_invariants() == {}


def test_of_merges_in_a_chain_at_once_none_is_left_between(plan: Plan) -> None:
    answers: Queue[Any] = FORK.Queue()
    for _ in range(5):
        first, second, third = (CustomerFactory(seller=plan.seller) for _ in range(3))
        connection.close()
        ended(
            in_process(merge_on(DAY, first, second), answers),
            in_process(merge_on(DAY, second, third), answers),
        )
        said = sorted(answers.get(timeout=SECONDS) for _ in range(2))
        assert said in (["done", "done"], ["customer_merged", "done"], ["done", "merged_meanwhile"])
        assert broken_invariants() == {}


def test_whoever_locks_many_and_has_waited_for_a_merge_waits_in_no_circle(plan: Plan) -> None:
    """The one that stays has the lowest id, so that it is not the last that is locked."""
    staying, closing, other = (CustomerFactory(seller=plan.seller) for _ in range(3))
    answers: Queue[Any] = FORK.Queue()
    connection.close()
    merged, go_on, held, let_go, locked, finish = (FORK.Event() for _ in range(6))

    def merge_slowly() -> None:
        with transaction.atomic():
            merge(closing, staying, as_of=DAY, actor="t")
            merged.set()
            go_on.wait(SECONDS)

    def hold_other() -> None:
        with transaction.atomic():
            lock_customer(other.pk)
            held.set()
            let_go.wait(SECONDS)

    def lock_merged() -> None:
        with transaction.atomic():
            lock_customers([closing.pk, other.pk])
            locked.set()
            finish.wait(SECONDS)

    def lock_staying() -> None:
        with transaction.atomic():
            lock_customers([staying.pk, other.pk])

    holding = in_process(hold_other, answers)
    assert held.wait(SECONDS)
    merging = in_process(merge_slowly, answers)
    assert merged.wait(SECONDS)
    first = in_process(lock_merged, answers)
    assert waits(first)
    go_on.set()
    ended(merging)
    assert waits(first)
    second = in_process(lock_staying, answers)
    assert waits(second)
    let_go.set()
    ended(holding, second)
    assert locked.wait(SECONDS)
    third = in_process(lock_staying, answers)
    assert waits(third)
    finish.set()
    ended(first, third)
