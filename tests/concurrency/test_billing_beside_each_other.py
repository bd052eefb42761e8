"""Many billers over one database: real processes, real commits, and some of them killed."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import pgtrigger
import pytest
from django.db import IntegrityError, connection, transaction

from billing.bench.company import FIRST_BILL, RENEWAL, count_statements, make_seller, record_usage
from billing.invoicing.actions import bill_customer
from billing.invoicing.batch import BillingRun, bill_due, bill_locked, claim
from billing.invoicing.coverage import Coverage
from billing.invoicing.models import Invoice, InvoiceLine
from billing.invoicing.number_series import NumberSeries
from billing.ledger.models import Transfer
from billing.payments.models import PaymentAllocation
from billing.subscriptions.models import BillingCycle, Subscription, SubscriptionItem
from customers.models import Customer, Seller
from tests.factories import PriceFactory

pytestmark = pytest.mark.django_db(transaction=True)

FORK = multiprocessing.get_context("fork")
SEED = 20261123
# 99.00 a month in advance; 1 to 100 calls at 0.25 afterwards; 25 % VAT, rounded by document.
FIRST_TOTAL_MINOR = 12_375


@pytest.fixture
def seller() -> Seller:
    return make_seller(60, name="Beside")


def bill_slowly(seller: Seller, as_of: date, batch_size: int) -> None:
    """What one process does; small batches give a killer something to cut into."""
    bill_due(seller, as_of, batch_size=batch_size)
    connection.close()


def started(seller: Seller, as_of: date, batch_size: int = 3) -> Any:
    process = FORK.Process(target=bill_slowly, args=(seller, as_of, batch_size))
    process.start()
    return process


def rows_by_table() -> Counter[str]:
    """How many rows each table has, and the newest transaction that wrote one."""
    found: Counter[str] = Counter()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT count(*), max(xmin::text::bigint) FROM {table}")  # noqa: S608
            count, newest = cursor.fetchone()
            found[table], found[f"{table}: newest"] = count, newest or 0
    return found


def check_numbers(seller: Seller, count: int) -> None:
    """Numbers 1 to N, each once, and the series stands behind the last one."""
    numbers = Invoice.objects.filter(seller=seller).values_list("sequence", flat=True)
    assert sorted(number or 0 for number in numbers) == list(range(1, count + 1))
    assert NumberSeries.objects.get(seller=seller, kind="invoice").next_number == count + 1


def check_books(seller: Seller) -> None:
    """What the receivable account was debited with is what the documents ask for."""
    booked = Transfer.objects.filter(seller=seller, debit_account__role="receivable")
    invoices = Invoice.objects.filter(seller=seller)
    assert sum(booked.values_list("amount_minor", flat=True)) == sum(
        invoices.values_list("total_minor", flat=True)
    )
    planned = PaymentAllocation.objects.filter(invoice__in=invoices)
    assert planned.count() == invoices.count()


def test_eight_billers_killed_at_random_bill_each_period_once(seller: Seller) -> None:
    chance = random.Random(SEED)
    connection.close()
    billers = [started(seller, FIRST_BILL) for _ in range(8)]
    killed = 0
    deadline = time.monotonic() + 40
    while any(biller.is_alive() for biller in billers):
        assert time.monotonic() < deadline, "the billers did not come to an end"
        time.sleep(chance.uniform(0.005, 0.04))
        if killed < 40:
            place = chance.randrange(8)
            if billers[place].is_alive():
                os.kill(billers[place].pid, signal.SIGKILL)
                billers[place].join()
                killed += 1
                billers[place] = started(seller, FIRST_BILL)
    assert killed > 0
    bill_due(seller, FIRST_BILL)  # Whoever was skipped while a killed biller's lock still stood.
    check_numbers(seller, 60)
    check_books(seller)
    assert set(Invoice.objects.values_list("total_minor", flat=True)) == {FIRST_TOTAL_MINOR}
    assert Coverage.objects.count() == InvoiceLine.objects.count() == 60
    assert set(Subscription.objects.values_list("next_bill_on", flat=True)) == {RENEWAL}


def test_two_billers_skip_each_others_customers(seller: Seller) -> None:
    connection.close()
    locked, done = FORK.Event(), FORK.Event()

    def hold() -> None:
        with transaction.atomic():
            claim(seller, FIRST_BILL, 20)
            locked.set()
            done.wait(20)
        connection.close()

    holder = FORK.Process(target=hold)
    holder.start()
    assert locked.wait(20)
    run = bill_due(seller, FIRST_BILL)
    assert (run.customers, run.invoices) == (40, 40)
    done.set()
    holder.join()
    assert bill_due(seller, FIRST_BILL).invoices == 20
    check_numbers(seller, 60)


@pytest.fixture
def contradicted(seller: Seller) -> Iterator[Subscription]:
    """One subscription with a fee that the database believes to be billed, out of the window."""
    subscription = Subscription.objects.filter(seller=seller)[37]
    price = PriceFactory(plan=subscription.plan, code="fee", billing="once", is_used=True)
    fee = subscription.items.create(price=price, key="fee", starts_on=FIRST_BILL)
    other = make_seller(1, name="Elsewhere")
    bill_due(other, FIRST_BILL)
    # A line that ends before the subscription starts is none that its biller looks at.
    with pgtrigger.ignore("invoicing.Coverage:coverage_stays_with_its_line"):
        Coverage.objects.filter(subscription__seller=other).update(
            subscription=subscription,
            item=fee,
            kind=Coverage.Kind.ONCE,
            starts_on=date(2025, 12, 1),
            ends_on=date(2025, 12, 2),
            days="{(,)}",
        )
    yield subscription


def test_a_refused_batch_is_bisected_until_the_offender_alone_is_parked(
    seller: Seller, contradicted: Subscription
) -> None:
    run = bill_due(seller, FIRST_BILL)
    assert (run.invoices, run.parked) == (59, 1)
    contradicted.refresh_from_db()
    assert "it is billed for these days already" in contradicted.parked_reason
    assert Subscription.objects.exclude(parked_reason="").count() == 1
    check_numbers(seller, 59)
    check_books(seller)
    assert bill_due(seller, FIRST_BILL) == BillingRun()


@pytest.fixture
def uncovered(seller: Seller) -> list[Coverage]:
    """What the first bills of all 60 customers have covered, taken away again."""
    bill_due(seller, FIRST_BILL)
    rows = list(Coverage.objects.order_by("line_id"))
    Coverage.objects.all().delete()
    return rows


def covers_for(coverage: Coverage, other: Coverage) -> Coverage:
    """The days of one item, as another subscription's line would cover them."""
    return Coverage(
        line_id=other.line_id,
        subscription_id=coverage.subscription_id,
        item_id=coverage.item_id,
        kind=coverage.kind,
        starts_on=coverage.starts_on,
        ends_on=coverage.ends_on,
        days="{[2026-01-15,2026-01-16)}",
        amount_minor=100,
        billed_minor=100,
    )


def cover(rows: list[Coverage], go: Any, answers: Any, isolation: str = "READ COMMITTED") -> None:
    """Write coverage in a transaction that has looked at the database before; say how it went."""
    go.wait(20)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
            Coverage.objects.count()
            answers.put("begun")
            Coverage.objects.bulk_create(rows)
        answers.put("written")
    except IntegrityError as error:
        answers.put(str(error))
    connection.close()


def is_anybody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_of_two_who_cover_a_day_at_once_the_second_waits_and_is_refused(
    uncovered: list[Coverage],
) -> None:
    first, second, *_ = uncovered
    go, answers = FORK.Event(), FORK.SimpleQueue()
    late = FORK.Process(target=cover, args=([covers_for(first, second)], go, answers))
    connection.close()
    late.start()
    with transaction.atomic():
        first.save(force_insert=True)
        go.set()
        assert answers.get() == "begun"
        deadline = time.monotonic() + 20
        while not is_anybody_waiting():
            assert time.monotonic() < deadline, "the second did not wait for the first"
            time.sleep(0.01)
        assert answers.empty()
    assert "is billed for these days already" in answers.get()
    late.join()
    assert list(Coverage.objects.all()) == [first]


def test_two_who_cover_different_items_do_not_wait_for_each_other(
    uncovered: list[Coverage],
) -> None:
    first, second, *_ = uncovered
    go, answers = FORK.Event(), FORK.SimpleQueue()
    beside = FORK.Process(target=cover, args=([second], go, answers))
    connection.close()
    beside.start()
    with transaction.atomic():
        first.save(force_insert=True)
        go.set()
        assert [answers.get(), answers.get()] == ["begun", "written"]
    beside.join()
    assert Coverage.objects.count() == 2


def test_coverage_of_one_statement_is_held_against_itself(uncovered: list[Coverage]) -> None:
    first, second, *others = uncovered
    with pytest.raises(IntegrityError, match="is billed for these days already"):
        Coverage.objects.bulk_create([first, covers_for(first, second), *others])
    assert not Coverage.objects.exists()


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_who_would_not_see_what_others_cover_covers_nothing(
    uncovered: list[Coverage], isolation: str
) -> None:
    go, answers = FORK.Event(), FORK.SimpleQueue()
    connection.close()
    blind = FORK.Process(target=cover, args=(uncovered[:1], go, answers, isolation))
    blind.start()
    go.set()
    blind.join()
    assert answers.get() == "begun"
    assert "read committed" in answers.get()
    assert not Coverage.objects.exists()


def test_what_the_engine_refuses_is_parked_and_a_later_success_unparks_it(seller: Seller) -> None:
    broken = Subscription.objects.filter(seller=seller)[11]
    cycle = BillingCycle.objects.get(subscription=broken)
    BillingCycle.objects.filter(pk=cycle.pk).delete()
    run = bill_due(seller, FIRST_BILL)
    assert (run.invoices, run.parked) == (59, 1)
    broken.refresh_from_db()
    assert broken.parked_reason.startswith("invalid_agreement: ")
    cycle.save(force_insert=True)
    bill_customer(broken.customer, as_of=FIRST_BILL, actor="test", subscription=broken)
    broken.refresh_from_db()
    assert (broken.parked_reason, broken.next_bill_on) == ("", RENEWAL)
    check_numbers(seller, 60)


def test_a_finished_run_writes_no_row_when_it_is_run_again(seller: Seller) -> None:
    bill_due(seller, FIRST_BILL)
    record_usage(seller, FIRST_BILL)
    bill_due(seller, RENEWAL)
    before = rows_by_table()
    assert bill_due(seller, RENEWAL) == BillingRun()
    assert rows_by_table() == before


def test_a_batch_takes_the_same_number_of_queries_for_one_and_for_a_hundred() -> None:
    statements = {}
    for count in (1, 100):
        seller = make_seller(count, name=f"Of {count}")
        bill_due(seller, FIRST_BILL)
        record_usage(seller, FIRST_BILL)
        connection.close()
        connection.ensure_connection()
        counted = count_statements()
        run = BillingRun()
        with transaction.atomic():
            billed = bill_locked(seller, claim(seller, RENEWAL, 500), RENEWAL, "test")
        run.add(billed)
        assert (run.invoices, run.parked) == (count, 0)
        statements[count] = counted[0]
        connection.close()
    assert statements[1] == statements[100] <= 40
    assert SubscriptionItem.objects.count() == 202
    assert Customer.objects.count() == 101
