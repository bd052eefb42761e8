"""How fast late debts are stepped, beside what the same PostgreSQL can do with plain rows."""

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

from django.db import connection

from billing.bench import company
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from customers.models import Seller
from dunning.cases import LIMIT, open_cases, step_due
from dunning.models import DunningChoice, DunningPolicy, DunningStep
from dunning.steps import KINDS

# One step of each kind, on days that follow each other; what ends a debt comes last.
STEPS = tuple(enumerate(KINDS, 1))
ACTOR = "bench"


@dataclass(slots=True)
class Figures:
    """What a run has measured; rates are a second, ``share`` is ours of the limit's."""

    share: float
    steps_per_s: float
    limit_per_s: float
    queries_per_batch: float
    peak_mb: float
    opened_per_s: float
    retried_per_s: float
    reminded_per_s: float
    restricted_per_s: float
    suspended_per_s: float
    canceled_per_s: float
    written_off_per_s: float


def measure_dunning(count: int, *, on_step: Callable[[str], None] = lambda step: None) -> Figures:
    """Step so many overdue invoices through one step of each kind, beside the limit in turns.

    Each has a customer of its own, with a card, and a subscription of two items. The limit writes
    three plain rows a step: the action, the event, the case. Needs the right to create databases.
    """
    with company.in_own_database():
        on_step(f"Making {count} overdue invoices")
        seller = _make_overdue(count)
        _make_limit(count)
        company.settle()
        limits, rates, queries = [], {}, 0.0
        due_on = Invoice.objects.filter(seller=seller).latest("due_on").due_on
        first = partial(open_cases, seller, due_on + timedelta(days=1), ACTOR)
        works = [("opened", first)]
        works += [
            (kind, partial(step_due, seller, due_on + timedelta(days=days), ACTOR))
            for days, kind in STEPS
        ]
        peak_mb = 0.0
        for kind, work in works:
            on_step(f"{count} {kind}")
            limits.append(count / _insert_limit(count))
            did = company.in_a_process(partial(_do, work))
            if did.steps != count:
                raise RuntimeError(f"Of {count} debts {did.steps} were {kind}.")
            rates[kind] = did.steps / did.seconds
            queries = max(queries, did.statements / did.batches)
            peak_mb = max(peak_mb, did.peak_mb)
            _let_go(seller)
    opened_per_s = rates.pop("opened")
    steps_per_s = len(rates) / sum(1 / rate for rate in rates.values())
    limit_per_s = median(limits)
    return Figures(
        share=round(steps_per_s / limit_per_s, 3),
        steps_per_s=round(steps_per_s),
        limit_per_s=round(limit_per_s),
        queries_per_batch=round(queries, 1),
        peak_mb=round(peak_mb, 1),
        opened_per_s=round(opened_per_s),
        retried_per_s=round(rates["retry"]),
        reminded_per_s=round(rates["remind"]),
        restricted_per_s=round(rates["restrict"]),
        suspended_per_s=round(rates["suspend"]),
        canceled_per_s=round(rates["cancel"]),
        written_off_per_s=round(rates["write_off"]),
    )


@dataclass(slots=True)
class _Done:
    seconds: float
    steps: int
    statements: int
    batches: int
    peak_mb: float


def _do(work: Callable[[], int]) -> _Done:
    """What the measured process does: batches until nothing is due."""
    connection.ensure_connection()
    counted = company.count_statements()
    steps = batches = 0
    began = perf_counter()
    while taken := work():
        steps, batches = steps + taken, batches + 1
    seconds = perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    in_mb = 1024 * 1024 if sys.platform == "darwin" else 1024
    return _Done(seconds, steps, counted[0], max(batches, 1), peak / in_mb)


def _make_overdue(count: int) -> Seller:
    seller = company.make_seller(count, name="Late")
    bill_due(seller, company.FIRST_BILL)
    policy = DunningPolicy.objects.create(seller=seller, code="bench", name="Bench")
    DunningStep.objects.bulk_create(
        DunningStep(policy=policy, since="due", days=days, kind=kind) for days, kind in STEPS
    )
    DunningChoice.objects.create(seller=seller, policy=policy)
    company.execute(_CARDS, [seller.pk])
    _let_go(seller)
    return seller


def _let_go(seller: Seller) -> None:
    """Nothing is under way: each step finds debts that wait for nothing else."""
    for statement in _LET_GO:
        company.execute(statement, [seller.pk])


_CARDS = """
    INSERT INTO payments_paymentmethod (public_id, customer_id, gateway, gateway_id,
        gateway_customer, brand, last4, is_default, refused_code)
    SELECT 'pm_' || substr(public_id, 5), id, 'sandbox', 'pm_' || id, 'cu_' || id, 'visa', '4242',
        true, ''
    FROM customers_customer WHERE seller_id = %s
"""
_LET_GO = (
    "UPDATE payments_payment SET state = 'canceled' WHERE state = 'planned' AND seller_id = %s",
    """
    UPDATE payments_paymentallocation a SET state = 'released' FROM payments_payment p
    WHERE p.id = a.payment_id AND a.state = 'planned' AND p.seller_id = %s
    """,
)
_LIMIT_TABLES = """
    CREATE SCHEMA late;
    CREATE TABLE late.debt (id bigint PRIMARY KEY, status text NOT NULL, step bigint,
        next_step_on date);
    CREATE TABLE late.action (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        debt_id bigint NOT NULL, step bigint NOT NULL, kind text NOT NULL, done_on date NOT NULL);
    CREATE TABLE late.event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        type text NOT NULL, subject bigint NOT NULL, data jsonb NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now());
    CREATE INDEX ON late.debt (next_step_on);
    CREATE INDEX ON late.action (debt_id);
    CREATE INDEX ON late.event (subject);
"""
_LIMIT_ROWS = (
    """
    INSERT INTO late.action (debt_id, step, kind, done_on)
    SELECT id, step, 'remind', next_step_on FROM late.debt WHERE id BETWEEN %(first)s AND %(last)s
    """,
    """
    INSERT INTO late.event (type, subject, data)
    SELECT 'dunning.reminded', id, jsonb_build_object('invoice', id) FROM late.debt
    WHERE id BETWEEN %(first)s AND %(last)s
    """,
    """
    UPDATE late.debt SET step = step + 1, next_step_on = next_step_on + 7
    WHERE id BETWEEN %(first)s AND %(last)s
    """,
)


def _make_limit(count: int) -> None:
    company.execute(_LIMIT_TABLES)
    company.execute(
        "INSERT INTO late.debt SELECT n, 'open', 1, %s FROM generate_series(1, %s) n",
        [company.FIRST_BILL, count],
    )


def _insert_limit(count: int) -> float:
    """Seconds for the rows of so many steps, committed in batches as large as ours."""
    began = perf_counter()
    for first in range(1, count + 1, LIMIT):
        values: dict[str, Any] = {"first": first, "last": min(first + LIMIT - 1, count)}
        company.execute("BEGIN")
        for statement in _LIMIT_ROWS:
            company.execute(statement, values)
        company.execute("COMMIT")
    return perf_counter() - began
