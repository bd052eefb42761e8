"""A database that is another or an older one is noticed, and nothing leaves until a person says."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from billing.engine.errors import Refused
from billing.events.recorder import record
from billing.invoicing.batch import bill_due
from billing.invoicing.issuing import take_numbers
from billing.invoicing.models import Invoice, NumberGap, NumberSeries
from billing.outbound.gate import Held, standing_holds
from billing.outbound.mark import look
from billing.outbound.models import DatabaseMark
from billing.reconciling import go_on, reconcile
from billing.verification.books import broken_invariants
from customers.models import Seller
from tests.factories import SellerFactory

TODAY = date(2026, 3, 1)


@pytest.fixture
def mark(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.KEEPS_MARK, settings.MARK_FILE = True, tmp_path / "mark.json"
    yield settings.MARK_FILE


@pytest.fixture
def seller(mark: Path) -> Seller:
    made = SellerFactory()
    record(
        "seller.opened", seller=made.public_id, subject=made.public_id, occurred_on=TODAY, actor="t"
    )
    assert look() is None
    return made


def change(path: Path, **changed: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_database_that_goes_on_is_never_held(seller: Seller, mark: Path) -> None:
    first = json.loads(mark.read_text())["position"]
    assert [look() for _ in range(3)] == [None] * 3
    assert json.loads(mark.read_text())["position"] == first + 3


def test_a_database_that_has_come_less_far_than_its_machine_saw_is_held(
    seller: Seller, mark: Path
) -> None:
    execute("UPDATE outbound_databasemark SET position = position - 1")
    held = look()
    assert held and held.code == "database_is_older"


def test_a_copied_data_folder_is_told_by_the_log_that_it_has_lost(
    seller: Seller, mark: Path
) -> None:
    change(mark, log=json.loads(mark.read_text())["log"] + 2**40)
    held = look()
    assert held and held.code == "database_is_older"


@pytest.mark.parametrize("what", ["1", "2", "3", "4"])
def test_another_cluster_timeline_database_or_table_is_held(
    seller: Seller, mark: Path, what: str
) -> None:
    place = DatabaseMark.objects.get().place.split()
    place[int(what) - 1] = "7"
    DatabaseMark.objects.update(place=" ".join(place))
    held = look()
    assert held and held.code == "database_replaced"


def test_a_machine_without_a_mark_cannot_tell_and_holds(seller: Seller, mark: Path) -> None:
    mark.unlink()
    held = look()
    assert held and held.code == "database_unmarked"


def test_a_mark_that_cannot_be_read_is_none(seller: Seller, mark: Path) -> None:
    mark.write_text("{")
    assert look() is not None


def test_a_second_machine_joins_while_the_first_is_at_work(
    seller: Seller, mark: Path, settings: Any
) -> None:
    settings.MARK_MACHINE, settings.MARK_FILE = "another", mark.with_name("another.json")
    assert look() is None


def test_what_is_held_gives_no_numbers_and_bills_nobody(seller: Seller, mark: Path) -> None:
    NumberSeries.objects.create(seller=seller, kind="invoice")
    execute("UPDATE outbound_databasemark SET position = position - 1")
    look()
    with pytest.raises(Held), transaction.atomic():
        take_numbers(seller, Invoice.Kind.INVOICE, 1)
    with pytest.raises(Held):
        bill_due(seller, TODAY)


def test_numbers_that_have_left_are_not_given_twice_and_the_gap_says_why(
    seller: Seller, mark: Path
) -> None:
    with transaction.atomic():
        take_numbers(seller, Invoice.Kind.INVOICE, 3)
    look()
    # What a restore does: the series stands where it stood, and the mark in the file is farther.
    execute("UPDATE invoicing_numberseries SET next_number = 1")
    execute("UPDATE outbound_databasemark SET position = position - 1")
    look()
    found = reconcile(actor="anna")
    assert len(found.taken_in) == 1
    gap = NumberGap.objects.get()
    assert gap.first == 1 and gap.last >= 3 and gap.reason
    assert reconcile(actor="anna").taken_in == []
    go_on(actor="anna")
    assert not standing_holds().exists()
    assert look() is None
    with transaction.atomic():
        assert take_numbers(seller, Invoice.Kind.INVOICE, 1)[0][0] == gap.last + 1
    assert "numbers_are_without_gap" not in broken_invariants()


def test_other_machines_follow_once_a_person_has_said_go_on(seller: Seller, mark: Path) -> None:
    other = mark.read_text()
    execute("UPDATE outbound_databasemark SET position = position - 1")
    look()
    go_on(actor="anna")
    mark.write_text(other)
    assert look() is None


def test_go_on_is_refused_where_nothing_is_held(seller: Seller) -> None:
    with pytest.raises(Refused, match="Nothing is held"):
        go_on(actor="anna")
