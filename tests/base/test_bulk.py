from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import DataError, IntegrityError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.base.sql.bulk import NULL, copy_new, copy_rows, take_ids
from billing.base.sql.rows import blank
from customers.models import Customer
from tests.factories import SellerFactory

pytestmark = pytest.mark.django_db

PLAIN = ("Åsa", Decimal("12.50"), date(2026, 3, 1), True)
HOSTILE = ["", "None", "\\N", "\\.", "a\tb", "a\nb", "a\r\nb", "C:\\temp", '"', NULL[1:]]


@pytest.fixture(autouse=True)
def table(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE copied (id bigserial, word text, amount numeric, day date,"
            " is_on boolean, CHECK (amount > 0)) ON COMMIT DROP"
        )


def copy(columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    kind = make_dataclass("Row", columns.split(), slots=True)
    copy_rows("copied", [kind(*row) for row in rows])


def copied() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT word, amount, day, is_on FROM copied ORDER BY id")
        return cursor.fetchall()


# A few rows are inserted, more are copied.
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("word", HOSTILE, ids=[*map(str, range(len(HOSTILE)))])
def test_any_text_comes_back_as_it_was(word: str, times: int) -> None:
    rows = [PLAIN, (word, Decimal(1), date(2026, 3, 2), False), PLAIN] * times
    copy("word amount day is_on", rows)
    assert copied() == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_no_text_moves_another_column(words: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM copied")
    rows = [(word, Decimal(n)) for n, word in enumerate(words, start=1)]
    copy("word amount", rows)
    assert [row[:2] for row in copied()] == rows


@pytest.mark.parametrize("times", [1, 3])
def test_nothing_is_null_however_it_is_written(times: int) -> None:
    copy("word amount day", [(None, None, None), (NULL, NULL, NULL)] * times)
    assert copied() == [(None, None, None, None)] * 2 * times


def test_what_the_database_refuses_is_one_of_djangos_errors() -> None:
    with pytest.raises(IntegrityError):
        copy("amount", [(0,)])


def test_a_text_that_no_database_can_hold_is_refused() -> None:
    with pytest.raises(DataError):
        copy("word", [("a\0b",)])


@dataclass(slots=True)
class Copied:
    word: str
    amount: int
    is_on: bool = True


@pytest.mark.parametrize("count", [1, 9])
def test_a_row_goes_to_the_columns_that_its_fields_are_called_by(count: int) -> None:
    copy_rows("copied", (Copied(amount=n, word="Åsa") for n in range(1, count + 1)))
    assert copied() == [("Åsa", Decimal(n), None, True) for n in range(1, count + 1)]


# Named by their place: one of them is another in each process.
WORDS = [*HOSTILE, "50 %", "%s", None]


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_what_all_rows_share_is_said_once(word: str | None, count: int) -> None:
    kind = make_dataclass("Row", ["amount"], slots=True)
    rows = [kind(n) for n in range(1, count + 1)]
    copy_rows("copied", rows, word=word, is_on=False, day=date(2026, 3, 1))
    assert copied() == [(word, Decimal(n), date(2026, 3, 1), False) for n in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 9])
def test_a_row_of_which_something_is_forgotten_is_not_written(count: int) -> None:
    rows = [blank(Copied) for _ in range(count)]
    for row in rows:
        row.word, row.amount = "Åsa", 1
    with pytest.raises(AttributeError):
        copy_rows("copied", rows)


def test_ids_are_the_sequences_own_and_ascending() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO copied DEFAULT VALUES")
    assert take_ids("copied", 3) == [2, 3, 4]
    assert take_ids("copied", 0) == []


def test_a_copied_row_is_what_a_new_object_would_be() -> None:
    seller = SellerFactory()
    said = {"name": "Åsa\tÖ", "metadata": {"shop": "a\\b"}, "email": ""}
    named: list[list[str]] = [[], ['"a\\, b"@c.example', "None@c.example"]]
    rows = [
        {
            "public_id": f"cus_{n}",
            "external_id": str(n),
            "country": country,
            **said,
            "invoice_to": to,
        }
        for n, (country, to) in enumerate(zip(("SE", "DE"), named, strict=True))
    ]
    ids = copy_new(Customer, {"seller": seller}, rows)
    for pk, row in zip(ids, rows, strict=True):
        copied, made = Customer.objects.get(pk=pk), Customer(seller=seller, **row)
        for field in Customer._meta.concrete_fields:
            if field.attname not in ("id", "recorded_at"):
                assert getattr(copied, field.attname) == getattr(made, field.attname), field
    assert Customer.objects.latest("pk").recorded_at
    told = apps.get_model("customers", "CustomerEvent").objects.filter(pgh_label="insert")
    assert told.filter(pgh_obj_id__in=ids).count() == 2
