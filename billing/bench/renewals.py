"""How fast renewals are billed, beside what the same PostgreSQL can do at most.

The limit and the renewals are measured in turns, so that both meet the same neighbours and disk.
"""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from operator import truediv
from statistics import median
from time import perf_counter
from typing import Any

from django.db import connection

from billing.bench.company import (
    FIRST_BILL,
    NEXT_RENEWAL,
    RENEWAL,
    count_statements,
    execute,
    in_a_process,
    in_own_database,
    make_seller,
    record_usage,
    settle,
)
from billing.engine.periods import anchored_on
from billing.invoicing.batch import bill_due
from customers.models import Seller

ROUNDS = 5
BASE_ROUNDS = 3
# The yardstick stays as it is, whatever becomes of our own batches.
LIMIT_BATCH = 500


@dataclass(slots=True)
class Figures:
    """What a run has measured; rates are a second, ``share`` is ours of the limit's."""

    share: float
    renewals_per_s: float
    limit_per_s: float
    rows_per_renewal: float
    queries_per_batch: float
    peak_mb: float
    two_workers_per_s: float | None = None
    two_workers_ratio: float | None = None


@dataclass(slots=True)
class Work:
    """What one process reports: seconds, invoices, statements, batches, peak memory in MB."""

    seconds: float
    invoices: int
    statements: int
    batches: int
    peak_mb: float


def measure_renewals(
    count: int, *, workers: int = 1, on_step: Callable[[str], None] = lambda step: None
) -> Figures:
    """Renew ``count`` subscriptions beside the limit, in rounds that take turns.

    Each subscription has a flat item in advance and a metered one with a record of usage, and was
    billed once before, so that what is timed is a renewal like any other. The figures are medians
    of the rounds; more workers bill all that is due once more. Needs the right to create databases.
    """
    rounds = min(ROUNDS, count)
    sizes = [count // rounds + (number < count % rounds) for number in range(rounds)]
    with in_own_database():
        on_step(f"Making {count} subscriptions and their first bills")
        sellers = [make_seller(size, name=f"Round {n}") for n, size in enumerate(sizes)]
        for seller in sellers:
            # What is measured is forked from here, and would begin with the memory that this took.
            in_a_process(partial(bill_due, seller, FIRST_BILL))
            record_usage(seller, FIRST_BILL)
        _make_limit(max(sizes))
        settle()
        limits: list[float] = []
        ones: list[Work] = []
        beside: list[Work] = []
        rows = 0
        for number, (seller, size) in enumerate(zip(sellers, sizes, strict=True), start=1):
            on_step(f"Round {number} of {rounds}")
            limits.append(size / _insert_limit(size, number))
            before = _rows_written()
            ones += _bill_beside([seller], RENEWAL)
            rows += _rows_written() - before
        if workers > 1:
            on_step(f"{workers} workers")
            for seller in sellers:
                record_usage(seller, RENEWAL)
            settle()
            beside = _bill_beside(sellers, NEXT_RENEWAL, workers)
    per_s = median(one.invoices / one.seconds for one in ones)
    figures = Figures(
        share=round(median(_rate(one) / limit for one, limit in zip(ones, limits, strict=True)), 3),
        renewals_per_s=round(per_s),
        limit_per_s=round(median(limits)),
        rows_per_renewal=round(rows / count, 1),
        queries_per_batch=round(
            sum(one.statements for one in ones) / sum(one.batches for one in ones), 1
        ),
        peak_mb=round(max(one.peak_mb for one in ones), 1),
    )
    if beside:
        together = sum(one.invoices for one in beside) / max(one.seconds for one in beside)
        figures.two_workers_per_s = round(together)
        figures.two_workers_ratio = round(together / per_s, 2)
    return figures


@dataclass(slots=True)
class Ratios:
    """What renewals take in a base of another kind, in ratio to a plain one of as many due."""

    aged: float
    parked: float
    idle: float


def measure_bases(count: int, *, on_step: Callable[[str], None] = lambda step: None) -> Ratios:
    """Renew ``count`` subscriptions beside as many that were billed monthly for ten years, as many
    of which one in a hundred contradicts itself, and as many among ten times more not due.

    Medians of rounds that take turns. Needs the right to create databases.
    """
    seconds: dict[str, list[float]] = {}
    with in_own_database():
        for number in range(1, BASE_ROUNDS + 1):
            on_step(f"Making the bases of round {number} of {BASE_ROUNDS}")
            bases = {kind: make(count, f"{kind} {number}") for kind, make in _BASES.items()}
            settle()
            for kind, seller in bases.items():
                seconds.setdefault(kind, []).append(_bill_beside([seller], RENEWAL)[0].seconds)
    plain, *others = seconds.values()
    ratios = [median(map(truediv, other, plain)) for other in others]
    return Ratios(*[round(ratio, 2) for ratio in ratios])


def _make_plain(count: int, name: str) -> Seller:
    seller = make_seller(count, name=name)
    bill_due(seller, FIRST_BILL)
    record_usage(seller, FIRST_BILL)
    return seller


def _make_aged(count: int, name: str) -> Seller:
    start = FIRST_BILL.replace(year=FIRST_BILL.year - 10)
    seller = make_seller(count, name=name, starts_on=start)
    months = anchored_on("month", 1, start)
    for on in map(months.boundary, range(121)):
        bill_due(seller, on)
        record_usage(seller, on)
    return seller


def _make_parked(count: int, name: str) -> Seller:
    seller = _make_plain(count, name)
    execute(
        "DELETE FROM subscriptions_billingcycle c USING subscriptions_subscription s"
        " WHERE c.subscription_id = s.id AND s.seller_id = %s AND s.id %% 100 = 0",
        [seller.pk],
    )
    return seller


def _make_idle(count: int, name: str) -> Seller:
    seller = _make_plain(11 * count, name)
    execute(
        "UPDATE subscriptions_subscription SET next_bill_on = %s WHERE seller_id = %s"
        " AND id %% 11 <> 0",
        [NEXT_RENEWAL, seller.pk],
    )
    return seller


_BASES = {"plain": _make_plain, "aged": _make_aged, "parked": _make_parked, "idle": _make_idle}


def _rate(work: Work) -> float:
    return work.invoices / work.seconds


def _rows_written() -> int:
    """Rows inserted and updated in Kvitt's tables, in this database, since it was made."""
    connection.close()  # A session hands its counts in at the latest when it ends.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables WHERE schemaname = 'public'"
        )
        return int(cursor.fetchone()[0])


def _bill_beside(sellers: list[Seller], as_of: date, workers: int = 1) -> list[Work]:
    """Bill the sellers, one after the other, in so many processes beside each other."""
    connection.close()
    here = multiprocessing.get_context("fork")
    start, answers = here.Barrier(workers), here.SimpleQueue()
    children = [
        here.Process(target=_bill, args=(sellers, as_of, start, answers)) for _ in range(workers)
    ]
    for child in children:
        child.start()
    works = []
    for child in children:
        child.join()
        if child.exitcode:
            raise RuntimeError(f"A billing process ended with exit status {child.exitcode}.")
        works.append(answers.get())
    return works


def _bill(sellers: list[Seller], as_of: date, start: Any, answers: Any) -> None:
    """The work of one process; the clock starts when all are connected."""
    connection.ensure_connection()
    counted = count_statements()
    batches: list[int] = []
    start.wait()
    began = perf_counter()
    invoices = sum(bill_due(seller, as_of, on_batch=batches.append).invoices for seller in sellers)
    seconds = perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    in_mb = 1024 * 1024 if sys.platform == "darwin" else 1024
    answers.put(Work(seconds, invoices, counted[0], max(len(batches), 1), peak / in_mb))
    connection.close()


_LIMIT_TABLES = """
    CREATE SCHEMA bench;
    CREATE TABLE bench.subscription (id bigint PRIMARY KEY, customer_id bigint NOT NULL,
        status text NOT NULL, next_bill_on date NOT NULL);
    CREATE TABLE bench.invoice (id bigint PRIMARY KEY, customer_id bigint NOT NULL,
        subscription_id bigint NOT NULL, number bigint NOT NULL, status text NOT NULL,
        currency text NOT NULL, issued_on date NOT NULL, due_on date NOT NULL,
        net_minor bigint NOT NULL, tax_minor bigint NOT NULL, total_minor bigint NOT NULL);
    CREATE TABLE bench.line (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        invoice_id bigint NOT NULL, description text NOT NULL, starts_on date NOT NULL,
        ends_on date NOT NULL, quantity numeric NOT NULL, amount_minor bigint NOT NULL);
    CREATE TABLE bench.transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        invoice_id bigint NOT NULL, debit bigint NOT NULL, credit bigint NOT NULL,
        currency text NOT NULL, amount_minor bigint NOT NULL, effective_on date NOT NULL);
    CREATE TABLE bench.payment (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        invoice_id bigint NOT NULL, amount_minor bigint NOT NULL, state text NOT NULL);
    CREATE TABLE bench.event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        type text NOT NULL, subject bigint NOT NULL, data jsonb NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now());
    CREATE INDEX ON bench.invoice (customer_id);
    CREATE INDEX ON bench.invoice (subscription_id);
    CREATE INDEX ON bench.line (invoice_id);
    CREATE INDEX ON bench.transfer (invoice_id);
    CREATE INDEX ON bench.payment (invoice_id);
    CREATE INDEX ON bench.event (subject);
"""

# Ten rows a renewal: 1 invoice, 2 lines, 4 transfers, 1 payment, 1 event, 1 subscription.
_LIMIT_ROWS = (
    """
    INSERT INTO bench.invoice SELECT %(offset)s + id, customer_id, id, %(offset)s + id, 'open',
        'SEK', next_bill_on, next_bill_on + 14, 10000, 2500, 12500
    FROM bench.subscription WHERE id BETWEEN %(first)s AND %(last)s
    """,
    """
    INSERT INTO bench.line (invoice_id, description, starts_on, ends_on, quantity, amount_minor)
    SELECT %(offset)s + id, 'Bench', next_bill_on, next_bill_on + 30, 1, 5000
    FROM bench.subscription, generate_series(1, 2) WHERE id BETWEEN %(first)s AND %(last)s
    """,
    """
    INSERT INTO bench.transfer (invoice_id, debit, credit, currency, amount_minor, effective_on)
    SELECT %(offset)s + id, 1, 1 + account, 'SEK', 5000, next_bill_on
    FROM bench.subscription, generate_series(1, 4) account
    WHERE id BETWEEN %(first)s AND %(last)s
    """,
    """
    INSERT INTO bench.payment (invoice_id, amount_minor, state)
    SELECT %(offset)s + id, 12500, 'planned'
    FROM bench.subscription WHERE id BETWEEN %(first)s AND %(last)s
    """,
    """
    INSERT INTO bench.event (type, subject, data)
    SELECT 'invoice.finalized', %(offset)s + id, jsonb_build_object('total_minor', 12500)
    FROM bench.subscription WHERE id BETWEEN %(first)s AND %(last)s
    """,
    """
    UPDATE bench.subscription SET next_bill_on = next_bill_on + 30
    WHERE id BETWEEN %(first)s AND %(last)s
    """,
)


def _make_limit(count: int) -> None:
    execute(_LIMIT_TABLES)
    execute(
        "INSERT INTO bench.subscription SELECT n, n, 'active', %s FROM generate_series(1, %s) n",
        [FIRST_BILL, count],
    )


def _insert_limit(count: int, number: int) -> float:
    """Seconds for the rows of so many renewals, always committed by the same number."""
    began = perf_counter()
    for first in range(1, count + 1, LIMIT_BATCH):
        last = min(first + LIMIT_BATCH - 1, count)
        values = {"first": first, "last": last, "offset": number * count}
        execute("BEGIN")
        for statement in _LIMIT_ROWS:
            execute(statement, values)
        execute("COMMIT")
    return perf_counter() - began
