from dataclasses import make_dataclass
from typing import Any

import pghistory
import pytest
from django.db import IntegrityError, connection, transaction

from billing.base.sql.bulk import copy_rows
from billing.base.sql.prepared import FEW, prepared
from billing.base.sql.reading import read
from billing.base.sql.telling import one_transaction, untold
from customers.models import Customer
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db

NAMES = "SELECT name FROM customers_customer WHERE id = ANY(%s::bigint[]) ORDER BY id"


def kept() -> list[str]:
    """What this connection has prepared, as the database sees it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [row[0] for row in cursor.fetchall()]


def ask(ids: str, count: int = 1, statement: str = NAMES) -> list[Any]:
    with prepared(count) as cursor:
        cursor.execute(statement, [ids])
        rows: list[Any] = cursor.fetchall()
    return rows


def test_a_statement_about_a_few_rows_is_prepared_once_it_comes_again() -> None:
    customer = CustomerFactory(name="Åsa")
    told = [ask(f"{{{customer.pk}}}", FEW) for _ in range(8)]
    assert told == [[("Åsa",)]] * 8
    assert len([each for each in kept() if "SELECT name FROM customers_customer" in each]) == 1


def test_one_about_many_rows_is_planned_for_them_each_time() -> None:
    statement = NAMES.replace("name", "name AS one_of_many")
    for _ in range(8):
        ask("{1,2,3,4,5}", FEW + 1, statement)
    assert not [each for each in kept() if "one_of_many" in each]


def test_djangos_own_cursors_prepare_nothing() -> None:
    before = kept()
    for _ in range(8):
        Customer.objects.filter(name="Åsa").count()
    assert kept() == before


def test_values_of_any_size_share_one_prepared_insert() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE sized (amount bigint, is_on boolean, day date, word text)"
            " ON COMMIT DROP"
        )
    rows = [(10**power, power % 2 == 0, f"2026-03-{power + 1:02}", None) for power in range(18)]
    kind = make_dataclass("Sized", ["amount", "is_on", "day", "word"], slots=True)
    for row in rows:
        copy_rows("sized", [kind(*row)])
    copy_rows("sized", [kind(*row) for row in rows[:3]])
    with connection.cursor() as cursor:
        cursor.execute("SELECT amount, is_on, day::text, word FROM sized")
        assert cursor.fetchall() == [*rows, *rows[:3]]
    assert len([each for each in kept() if "INSERT INTO sized" in each]) == 1


def test_a_refused_statement_can_be_sent_again() -> None:
    customer = CustomerFactory()
    statement = "UPDATE customers_customer SET net_terms_days = %s::int WHERE id = %s"
    for days, is_refused in ((30, False), (-1, True), (31, False), (-2, True), (32, False)):
        with transaction.atomic():
            try:
                with transaction.atomic(), prepared() as cursor:
                    cursor.execute(statement, [days, customer.pk])
            except IntegrityError:
                assert is_refused
    assert read(Customer, "WHERE id = %s", [customer.pk])[0].net_terms_days == 32


def test_a_table_that_has_changed_is_asked_as_it_is_now() -> None:
    customer = CustomerFactory(name="Åsa")
    for _ in range(8):
        ask(f"{{{customer.pk}}}")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE customers_customer ADD COLUMN extra int DEFAULT 1")
    assert ask(f"{{{customer.pk}}}") == [("Åsa",)]


def test_history_keeps_who_made_a_change_that_was_prepared() -> None:
    customer = CustomerFactory()
    statement = "UPDATE customers_customer SET name = %s WHERE id = %s"

    def rename(name: str) -> None:
        with prepared() as cursor:
            cursor.execute(statement, [name, customer.pk])

    with pghistory.context(actor="key:a"):
        rename("In front")
        with one_transaction():
            for name in ("One", "Two", "Three", "Four"):
                rename(name)
    with pghistory.context(actor="key:b"):
        with untold():
            rename("Untold")
        rename("Again in front")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.name, c.metadata ->> 'actor' FROM customers_customerevent e"
            " LEFT JOIN pghistory_context c ON c.id = e.pgh_context_id"
            " WHERE e.pgh_obj_id = %s AND e.name <> %s ORDER BY e.pgh_id",
            [customer.pk, customer.name],
        )
        told = dict(cursor.fetchall())
    assert told["In front"] == "key:a"
    assert [told[each] for each in ("One", "Two", "Three", "Four")] == ["key:a"] * 4
    assert told["Again in front"] == "key:b"
