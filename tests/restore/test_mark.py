"""A database that is another or an older one is noticed, and nothing leaves until a person says."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection, transaction

from billing.engine.errors import Refused
from billing.events.models import Trouble
from billing.events.recorder import record
from billing.invoicing.actions import add_one_off
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.invoicing.number_series import NumberGap, NumberSeries
from billing.invoicing.numbering import take_numbers
from billing.outbound import mark
from billing.outbound.gate import Held, Kind, refusal, standing_holds
from billing.outbound.mark import look
from billing.outbound.models import DatabaseMark
from billing.tax.loading import DEFAULT_FILE, load_rates
from billing.verification.books import broken_invariants
from billing.verification.reconciling import go_on, reconcile
from customers.models import Seller
from tests.factories import CustomerFactory, SellerFactory

TODAY = date(2026, 3, 1)


@pytest.fixture
def marks(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Path]:
    """The folder of this machine's marks."""
    settings.KEEPS_MARK, settings.MARKS_DIR = True, tmp_path / "marks"
    yield settings.MARKS_DIR
    mark._sight.blindness = ""
    mark._reserved.clear()


@pytest.fixture
def seller(marks: Path) -> Seller:
    made = SellerFactory()
    record(
        "seller.opened", seller=made.public_id, subject=made.public_id, occurred_on=TODAY, actor="t"
    )
    assert look() is None
    return made


def the_file(marks: Path) -> Path:
    [path] = marks.glob("*.json")
    return path


def kept(marks: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(the_file(marks).read_text())
    return found


def change(marks: Path, **changed: Any) -> None:
    the_file(marks).write_text(json.dumps(kept(marks) | changed))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_database_that_goes_on_is_never_held(seller: Seller, marks: Path) -> None:
    first = kept(marks)["position"]
    assert [look() for _ in range(3)] == [None] * 3
    assert kept(marks)["position"] == first + 3


def test_a_database_that_has_come_less_far_than_its_machine_saw_is_held(
    seller: Seller, marks: Path
) -> None:
    execute("UPDATE outbound_databasemark SET position = position - 1")
    held = look()
    assert held and held.code == "database_is_older"


def test_a_copied_data_folder_is_told_by_the_log_that_it_has_lost(
    seller: Seller, marks: Path
) -> None:
    change(marks, log=kept(marks)["log"] + 2**40)
    held = look()
    assert held and held.code == "database_is_older"


@pytest.mark.parametrize("what", ["1", "2", "3", "4"])
def test_another_cluster_timeline_database_or_table_is_held(
    seller: Seller, marks: Path, what: str
) -> None:
    place = DatabaseMark.objects.get().place.split()
    place[int(what) - 1] = "7"
    DatabaseMark.objects.update(place=" ".join(place))
    held = look()
    assert held and held.code == "database_replaced"


def test_a_machine_without_a_mark_cannot_tell_and_holds(seller: Seller, marks: Path) -> None:
    the_file(marks).unlink()
    held = look()
    assert held and held.code == "database_unmarked"


def test_a_mark_that_cannot_be_read_is_none(seller: Seller, marks: Path) -> None:
    the_file(marks).write_text("{")
    assert look() is not None


def test_a_second_machine_joins_while_the_first_is_at_work(
    seller: Seller, marks: Path, settings: Any
) -> None:
    settings.MARK_MACHINE, settings.MARKS_DIR = "another", marks.with_name("another")
    assert look() is None


def test_what_is_held_gives_no_numbers_and_bills_nobody(seller: Seller, marks: Path) -> None:
    NumberSeries.objects.create(seller=seller, kind="invoice")
    execute("UPDATE outbound_databasemark SET position = position - 1")
    look()
    with pytest.raises(Held), transaction.atomic():
        take_numbers(seller, Invoice.Kind.INVOICE, 1)
    with pytest.raises(Held):
        bill_due(seller, TODAY)


def test_numbers_that_have_left_are_not_given_twice_and_the_gap_says_why(
    seller: Seller, marks: Path
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


def test_other_machines_follow_once_a_person_has_said_go_on(seller: Seller, marks: Path) -> None:
    other = the_file(marks).read_text()
    execute("UPDATE outbound_databasemark SET position = position - 1")
    look()
    go_on(actor="anna")
    the_file(marks).write_text(other)
    assert look() is None


def test_go_on_is_refused_where_nothing_is_held(seller: Seller) -> None:
    with pytest.raises(Refused, match="Nothing is held"):
        go_on(actor="anna")


def test_a_process_that_cannot_keep_its_mark_holds_what_it_would_do_and_nobody_elses(
    seller: Seller, marks: Path, settings: Any
) -> None:
    NumberSeries.objects.create(seller=seller, kind="invoice")
    settings.MARKS_DIR = marks / "lock" / "beneath a file"
    assert look() is None
    for kind in (Kind.CHARGE, Kind.MAIL, Kind.WEBHOOK, Kind.REFUND, Kind.NUMBER):
        held = refusal(kind)
        assert held and held.details == {"hold": "mark_unreadable"} and "writable" in held.message
    assert refusal(Kind.QUESTION) is None
    with pytest.raises(Held), transaction.atomic():
        take_numbers(seller, Invoice.Kind.INVOICE, 1)
    assert not standing_holds().exists()
    settings.MARKS_DIR = marks
    assert refusal(Kind.CHARGE) is None


def test_no_number_is_given_that_the_file_cannot_know_of(seller: Seller, marks: Path) -> None:
    look()
    the_file(marks).unlink()
    with pytest.raises(Held), transaction.atomic():
        take_numbers(seller, Invoice.Kind.INVOICE, 1)
    assert NumberSeries.objects.filter(next_number__gt=1).count() == 0


def test_another_database_on_the_same_machine_has_a_mark_of_its_own(
    seller: Seller, marks: Path
) -> None:
    mine = the_file(marks).read_text()
    before = DatabaseMark.objects.get()
    DatabaseMark.objects.update(installation="another", position=1)
    assert look() is None
    assert (marks / f"{before.installation}.json").read_text() == mine
    DatabaseMark.objects.update(installation=before.installation, position=before.position + 1)
    assert look() is None


def test_a_database_from_before_there_were_marks_is_held_where_there_is_one(
    seller: Seller, marks: Path
) -> None:
    DatabaseMark.objects.all().delete()
    held = look()
    assert held and held.code == "database_replaced"


def test_a_hold_in_the_midst_of_billing_parks_nobody(seller: Seller, marks: Path) -> None:
    load_rates(DEFAULT_FILE)
    customer = CustomerFactory(seller=seller)
    add_one_off(
        customer, currency="SEK", amount_minor=700, description="Mug", as_of=TODAY, actor="test"
    )
    look()
    the_file(marks).unlink()
    with pytest.raises(Held):
        bill_due(seller, TODAY)
    assert not Trouble.objects.exists() and not Invoice.objects.exists()


def test_a_mark_begins_with_its_tables_and_a_fresh_install_is_never_held(
    transactional_db: None, settings: Any, tmp_path: Path
) -> None:
    settings.KEEPS_MARK, settings.MARKS_DIR = True, tmp_path / "not" / "yet" / "there"
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    assert DatabaseMark.objects.count() == 1
    assert not standing_holds().exists()
    assert [look(), look()] == [None, None]
