"""What is asked of tables with 100,000 rows, as PostgreSQL does it: nothing walks one whole.

What there is to ask is read from the desk, the API's document and the tick, so that a new list,
search or job is asked as well.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from billing.bench import company
from billing.bench.million import pages_of
from billing.invoicing.batch import bill_due
from billing.jobs.runs import job_run
from billing.schedule.tick import due, tick
from customers.models import Customer, Seller
from tests.api.calling import Shop
from tests.api.world import operations
from tests.factories import CustomerFactory

ROWS = 100_000
# A list is counted up to 10,000, and a walk is of all.
READ_MAX = ROWS // 4
NOON = datetime.combine(company.FIRST_BILL, datetime.min.time(), UTC) + timedelta(hours=12)
# They are there to read all: the first adds up what has come in a month, and is kept for minutes.
READ_ALL = {"add up sums", "verify books"}
OLD = (
    "UPDATE events_event SET is_fanned_out = true, sequence = 1, position = id",
    "INSERT INTO events_delivery (subscriber, state, attempts, last_error, event_id)"
    " SELECT 'mail', 'done', 1, '', id FROM events_event",
    """
    INSERT INTO mail_message (public_id, kind, object, recipient, language, subject, text, html,
        state, sent_at, customer_id, seller_id)
    SELECT 'msg_' || id, 'receipt', 'pay_' || id, email, 'sv', 'Kvitto', '', '', 'sent', now(), id,
        seller_id
    FROM customers_customer
    """,
    "ANALYZE",
)


@pytest.fixture
def seller(settings: Any) -> Iterator[Seller]:
    """Customers, subscriptions, documents, payments, transfers, events and mails: so many each."""
    settings.ALLOWED_HOSTS = ["*"]
    # What earlier tests had planned for a few rows would serve each of so many.
    company.execute("DISCARD PLANS")
    with time_machine.travel(NOON, tick=False):
        seller = company.make_seller(ROWS, name="Big")
        company.execute("ANALYZE")
        while bill_due(seller, company.FIRST_BILL).invoices:
            pass
        for statement in OLD:
            company.execute(statement)
        yield seller


class Watch:
    """Has PostgreSQL say of each statement what it reads: of a query how it went, else the plan."""

    def __init__(self) -> None:
        self.walked: list[str] = []
        self._is_asking = False

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        verb = str(sql).split(maxsplit=1)[0].upper() if str(sql).strip() else ""
        if not self._is_asking and verb in {"SELECT", "UPDATE", "DELETE", "WITH"}:
            self._is_asking = True
            try:
                self.walked += [f"{table}: {sql}" for table in _walked(verb, str(sql), params)]
            finally:
                self._is_asking = False
        return execute(sql, params, many, context)


def _walked(verb: str, sql: str, params: Any) -> list[str]:
    is_run = verb == "SELECT" and "FOR UPDATE" not in sql and "pg_advisory" not in sql
    with connection.cursor() as cursor:
        how = "FORMAT JSON, ANALYZE, TIMING OFF" if is_run else "FORMAT JSON"
        cursor.execute(f"EXPLAIN ({how}) {sql}", params)
        (plan,) = cursor.fetchone()
    plans = json.loads(plan) if isinstance(plan, str) else plan
    return list(_walks(plans[0]["Plan"], is_run))


def _walks(plan: dict[str, Any], is_run: bool) -> Iterator[str]:
    """The big tables that are read from end to end, or as good as."""
    if table := plan.get("Relation Name"):
        counts = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
        read = sum(plan.get(count, 0) for count in counts) * plan.get("Actual Loops", 1)
        if read > READ_MAX or (not is_run and plan["Node Type"] == "Seq Scan" and _is_big(table)):
            yield table
    for below in plan.get("Plans", ()):
        yield from _walks(below, is_run)


def _is_big(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
        return bool(cursor.fetchone()[0] > READ_MAX)


@contextmanager
def watched() -> Iterator[list[str]]:
    watch = Watch()
    with connection.execute_wrapper(watch):
        yield watch.walked


def _found(walked: dict[str, list[str]]) -> dict[str, list[str]]:
    """What walks and should not. The front page's sums are of all, and kept where that is slow."""
    for asked in walked:
        if asked.startswith("front_page "):
            walked[asked] = [each for each in walked[asked] if "SUM(" not in each]
    return {asked: each for asked, each in walked.items() if each and asked not in READ_ALL}


def _told(found: dict[str, list[str]]) -> str:
    return "\n".join(f"{asked}\n    {each}" for asked, walks in found.items() for each in walks)


@pytest.mark.django_db(transaction=True)
def test_no_list_search_page_or_job_walks_a_whole_table(seller: Seller) -> None:
    walked: dict[str, list[str]] = {}
    pages = list(pages_of(seller))
    for kind, client, path in pages:
        with watched() as walked[f"{kind} {path}"]:
            assert client.get(path).status_code == 200, path
    # Held to the seller of all of it, and to one that has next to nothing.
    for chosen in (seller, CustomerFactory().seller):
        for kind, client, path in pages:
            if kind in {"front_page", "lists"}:
                client.post("/admin/seller/", {"seller": chosen.pk})
                with watched() as walked[f"{kind} {path} of {chosen}"]:
                    assert client.get(path).status_code == 200, path
    shop = Shop(seller)
    for name, (path, _, _) in operations().items():
        if name.startswith("list_") and "{" not in path:
            with watched() as walked[name]:
                assert shop.get(path.removeprefix("/api/v1/")).status_code == 200, path
    assert not _found(walked), _told(_found(walked))
    tick(NOON)
    with time_machine.travel(NOON + timedelta(days=1), tick=False):
        for name, work in due(NOON + timedelta(days=1)):
            with job_run(name) as run, watched() as walked[name]:
                work(run)
    assert READ_ALL <= walked.keys()
    assert not _found(walked), _told(_found(walked))
    # Nothing would be found by a watch that sees nothing.
    with watched() as seen:
        list(Customer.objects.filter(city__contains="nowhere"))
    assert seen[0].startswith("customers_customer")
