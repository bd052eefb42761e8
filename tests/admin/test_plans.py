"""What the desk asks of big tables, by PostgreSQL's own plans: no list or search walks one whole.

Lists and their search fields are read from the desk itself, so that a new one is asked as well.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing import bench
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from customers.models import Seller

pytestmark = pytest.mark.django_db
ROWS = 100_000
BIG = ROWS // 2


@pytest.fixture
def seller() -> Seller:
    """So many customers and subscriptions, and some documents of theirs."""
    seller = bench.make_seller(ROWS, name="Big")
    bench.execute(
        "UPDATE subscriptions_subscription SET next_bill_on = '2026-02-01' WHERE id %% 1000 > 0"
        " AND seller_id = %s",
        [seller.pk],
    )
    bill_due(seller, bench.FIRST_BILL)
    bench.execute("ANALYZE")
    return seller


def _walks(plan: dict[str, Any], is_capped: bool = False) -> Iterator[str]:
    """The big tables that a plan reads from end to end; up to a limit is not to the end."""
    is_capped = plan["Node Type"] == "Limit" or (
        is_capped and plan["Node Type"] in {"Seq Scan", "Subquery Scan", "Nested Loop"}
    )
    if plan["Node Type"] in {"Seq Scan", "Parallel Seq Scan"}:
        if _is_big(plan["Relation Name"]) and ("Filter" in plan or not is_capped):
            yield plan["Relation Name"]
    for below in plan.get("Plans", ()):
        yield from _walks(below, is_capped)


def _is_big(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
        return cursor.fetchone()[0] >= BIG


class _Watch:
    """Plans every SELECT before it is sent."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._is_planning = False

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not self._is_planning and str(sql).startswith("SELECT"):
            self._is_planning = True
            try:
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                    (plan,) = cursor.fetchone()
                plans = json.loads(plan) if isinstance(plan, str) else plan
                self.found += [f"{table}: {sql}" for table in _walks(plans[0]["Plan"])]
            finally:
                self._is_planning = False
        return execute(sql, params, many, context)


def _walked(client: Client, url: str, **query: str) -> list[str]:
    watch = _Watch()
    with connection.execute_wrapper(watch):
        answer = client.get(url, query)
    assert answer.status_code == 200, url
    return watch.found


def test_no_list_search_or_ctrl_k_walks_a_whole_table(seller: Seller, admin_client: Client) -> None:
    invoice = Invoice.objects.filter(seller=seller).latest("pk")
    terms = [str(invoice.number), "asa777@example.com", "Öberg 77", invoice.public_id, "nobody"]
    walked: dict[str, list[str]] = {}
    for model, desk in admin.site._registry.items():
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        walked[url] = _walked(admin_client, url)
        for term in terms if desk.search_fields else ():
            walked[f"{url}?q={term}"] = _walked(admin_client, url, q=term)
    for term in terms:
        walked[f"Ctrl-K {term}"] = _walked(admin_client, reverse("admin:search"), s=term)
    assert {asked: found for asked, found in walked.items() if found} == {}


@pytest.mark.parametrize("column", range(1, 6))
def test_a_click_on_a_column_sorts_what_is_newest(
    seller: Seller, admin_client: Client, column: int
) -> None:
    for name in ("invoicing_invoice", "payments_payment"):
        assert not _walked(admin_client, reverse(f"admin:{name}_changelist"), o=str(column))


def test_the_planner_is_seen_to_walk_where_no_index_answers(seller: Seller) -> None:
    from customers.models import Customer

    watch = _Watch()
    with connection.execute_wrapper(watch):
        list(Customer.objects.filter(city__contains="nowhere"))
    assert watch.found[0].startswith("customers_customer")
