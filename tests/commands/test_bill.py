import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from billing.invoicing import batch
from billing.invoicing.models import Invoice
from billing.management.progress import Progress
from tests.factories import DAY, CustomerFactory, SellerFactory, SubscriptionFactory

NO_TAX: list[Any] = []


def _bill(**options: Any) -> str:
    out = StringIO()
    call_command("bill", stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def three_due(db: None) -> Any:
    seller = SellerFactory(tax=NO_TAX, name="Rosteriet")
    for _ in range(3):
        SubscriptionFactory(customer=CustomerFactory(seller=seller))
    return seller


def test_bill_prints_json_and_nothing_else(three_due: Any) -> None:
    answer = json.loads(_bill(until="2026-03-01", json=True))
    assert answer.pop("seconds") > 0
    assert answer == {
        "invoices": 3,
        "credit_notes": 0,
        "totals": {"SEK": "300.00"},
        "parked": 0,
    }


def test_bill_a_second_time_bills_nothing(three_due: Any) -> None:
    _bill(until="2026-03-01")
    answer = json.loads(_bill(until="2026-03-01", json=True))
    assert (answer["invoices"], answer["totals"]) == (0, {})


def test_bill_catches_up_with_periods_that_were_missed(three_due: Any) -> None:
    assert json.loads(_bill(until="2026-05-01", json=True))["totals"] == {"SEK": "900.00"}


def test_bill_shows_a_table_of_sellers_for_people(three_due: Any) -> None:
    table = _bill(until="2026-03-01")
    assert "300.00 SEK" in table
    assert "3 customers in" in table


def test_bill_bills_by_today_in_the_sellers_time_zone(three_due: Any) -> None:
    just_before_midnight_in_stockholm = datetime(2026, 2, 28, 22, 59, tzinfo=UTC)
    with patch("billing.base.clock.now", return_value=just_before_midnight_in_stockholm):
        assert json.loads(_bill(json=True))["invoices"] == 0
    midnight = datetime(2026, 2, 28, 23, 0, tzinfo=UTC)
    with patch("billing.base.clock.now", return_value=midnight):
        assert json.loads(_bill(json=True))["invoices"] == 3
    assert {invoice.issued_on for invoice in Invoice.objects.all()} == {DAY}


def test_bill_takes_one_seller_by_name_or_id(three_due: Any) -> None:
    other = SellerFactory(tax=NO_TAX)
    SubscriptionFactory(customer=CustomerFactory(seller=other))
    assert json.loads(_bill(until="2026-03-01", seller=other.public_id, json=True))["invoices"] == 1
    assert json.loads(_bill(until="2026-03-01", seller="rosteriet", json=True))["invoices"] == 3


@pytest.mark.parametrize("until", ["2026-02-30", "tomorrow", "1/3/2026"])
def test_bill_refuses_what_is_no_day(db: None, until: str) -> None:
    with pytest.raises(CommandError, match="is not a day"):
        _bill(until=until)


def test_bill_names_the_sellers_there_are_where_one_is_unknown(three_due: Any) -> None:
    with pytest.raises(CommandError, match="There is no seller Kaffe. Known: sel_"):
        _bill(seller="Kaffe")


def test_bill_asks_for_an_id_where_a_name_is_shared(three_due: Any) -> None:
    SellerFactory(name="Rosteriet")
    with pytest.raises(CommandError, match="Several sellers"):
        _bill(seller="Rosteriet")


def test_bill_does_not_date_a_live_sellers_documents_ahead(db: None) -> None:
    SellerFactory(live=True)
    with pytest.raises(CommandError, match="is live and is not billed ahead"):
        _bill(until="2999-01-01")


def test_bill_says_how_far_it_came_when_the_database_goes_away(three_due: Any) -> None:
    bill_locked = batch.bill_locked
    batches = []

    def gone_in_the_second(*args: Any, **options: Any) -> Any:
        batches.append(args)
        if len(batches) == 2:
            raise OperationalError("server closed the connection unexpectedly\nmore of it")
        return bill_locked(*args, **options)

    def in_twos(*args: Any, **options: Any) -> Any:
        return batch.bill_due(*args, batch_size=2, **options)

    with (
        patch.object(batch, "bill_locked", gone_in_the_second),
        patch("billing.management.commands.bill.bill_due", in_twos),
        pytest.raises(CommandError, match="2 customers had been dealt with") as raised,
    ):
        _bill(until="2026-03-01", json=True)
    assert raised.value.returncode == 1
    assert Invoice.objects.count() == 2
    assert json.loads(_bill(until="2026-03-01", json=True))["invoices"] == 1
    numbers = Invoice.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(numbers) == [1, 2, 3]


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_only() -> None:
    terminal, file = _Terminal(), StringIO()
    for stream in (terminal, file):
        with Progress("Billing", 4, stream) as progress:
            progress.advance(2)
            progress.advance(3)
    assert "2/4" in terminal.getvalue()
    assert "5/4" in terminal.getvalue()
    assert file.getvalue() == ""
