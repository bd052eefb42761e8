"""Asking a real register about VAT numbers, on good days and on bad ones."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction

from billing.schedule.tick import tick
from billing.tax import checks, vies
from billing.tax.models import TaxRegistration, VatNumberCheck
from customers.actions import change_details
from customers.models import Seller
from tests.factories import CustomerFactory, SellerFactory
from tests.tax.register import running_register

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KNOWN, STRANGE = "DE999990002", "DE999990019"
AWAY, SLOW, GARBAGE = "FI99999001", "FI99999028", "FI99999036"
ENDLESS, SHY = "DK99999004", "DK99999012"


@pytest.fixture(scope="module")
def register() -> Iterator[str]:
    faults = {
        AWAY: "away",
        SLOW: "slow",
        GARBAGE: "garbage",
        ENDLESS: "endless",
        SHY: "refused",
    }
    with running_register({KNOWN: "Gryning GmbH", SHY: "---"}, faults) as url:
        yield url


@pytest.fixture(autouse=True)
def connected(register: str, settings: Any) -> None:
    settings.VIES_URL = register


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def seller() -> Seller:
    seller = SellerFactory()
    TaxRegistration.objects.create(
        seller=seller, country="SE", number=seller.vat_number, valid_from=date(2026, 1, 1)
    )
    return seller


def test_a_number_that_is_known_is_valid_with_a_consultation_number(seller: Seller) -> None:
    check = checks.ask(seller, "de 999 990 002")
    assert (check.number, check.answer, check.name) == (KNOWN, "valid", "Gryning GmbH")
    assert check.consultation_number.startswith("WAPI")
    assert check.asked_at == NOON


def test_any_other_number_is_invalid(seller: Seller) -> None:
    check = checks.ask(seller, STRANGE)
    assert (check.answer, check.name, check.consultation_number) == ("invalid", "", "")


@pytest.mark.parametrize(
    ("number", "problem"),
    [(AWAY, "MS_UNAVAILABLE"), (GARBAGE, vies.MALFORMED), (ENDLESS, vies.UNREACHABLE)],
)
def test_no_clear_answer_is_an_unknown_one(seller: Seller, number: str, problem: str) -> None:
    check = checks.ask(seller, number)
    assert (check.answer, check.problem) == ("unknown", problem)


def test_a_register_that_hangs_is_left_in_time(seller: Seller) -> None:
    check = checks.ask(seller, SLOW, seconds=0.5)
    assert (check.answer, check.problem) == ("unknown", vies.UNREACHABLE)


def test_nobody_there_is_an_unknown_answer(seller: Seller, settings: Any) -> None:
    settings.VIES_URL = "http://127.0.0.1:9"
    assert checks.ask(seller, KNOWN).problem == vies.UNREACHABLE


def test_a_seller_that_vies_does_not_know_asks_without_its_number(seller: Seller) -> None:
    check = checks.ask(seller, SHY)
    assert (check.answer, check.problem, check.consultation_number) == ("invalid", "", "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"valid": true, "name": "A\\u0000B"}', vies.Answer(True, name="A B")),
        (b'{"valid": false, "userError": "INVALID"}', vies.Answer(False)),
        (b'{"valid": false, "userError": "TIMEOUT"}', vies.Answer(None, problem="TIMEOUT")),
        (b'{"errorWrappers": [{"error": "IP_BLOCKED"}]}', vies.Answer(None, problem="IP_BLOCKED")),
        (b'{"errorWrappers": ["?"]}', vies.Answer(None, problem=vies.MALFORMED)),
        (b'{"valid": "true"}', vies.Answer(None, problem=vies.MALFORMED)),
        (b"[true]", vies.Answer(None, problem=vies.MALFORMED)),
        (b"[" * 60_000, vies.Answer(None, problem=vies.MALFORMED)),
        (b"\xff", vies.Answer(None, problem=vies.MALFORMED)),
    ],
)
def test_only_a_clear_yes_or_no_is_one(content: bytes, expected: vies.Answer) -> None:
    assert vies._understood(content) == expected


def test_nobody_asks_while_a_transaction_is_open(seller: Seller) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        checks.ask(seller, KNOWN)


def asked(seller: Seller) -> list[str]:
    """Numbers in the order in which they were asked about."""
    rows = VatNumberCheck.objects.filter(seller=seller).exclude(problem=checks.ASKED_BY_HAND)
    return list(rows.order_by("id").values_list("number", flat=True))


def test_new_numbers_of_other_member_states_are_due_and_no_others(seller: Seller) -> None:
    for number in (KNOWN, KNOWN, "de 999990019", "SE556012579001", "NO999999999MVA", "?", ""):
        CustomerFactory(seller=seller, vat_number=number)
    CustomerFactory(vat_number=AWAY)
    assert checks.ask_due(seller) == 2
    assert asked(seller) == [KNOWN, STRANGE]
    assert checks.ask_due(seller) == 0


def test_a_seller_that_is_not_registered_asks_nobody(seller: Seller) -> None:
    TaxRegistration.objects.all().delete()
    CustomerFactory(seller=seller, vat_number=KNOWN)
    assert checks.ask_due(seller) == 0


@pytest.mark.parametrize(
    ("number", "waits"),
    [
        (KNOWN, timedelta(days=90)),
        (STRANGE, timedelta(days=90)),
        (AWAY, timedelta(hours=1)),
    ],
)
def test_an_answer_is_asked_for_again_when_its_time_is_over(
    seller: Seller, clock: Any, number: str, waits: timedelta
) -> None:
    CustomerFactory(seller=seller, vat_number=number)
    assert checks.ask_due(seller) == 1
    clock.shift(waits - timedelta(seconds=1))
    assert checks.ask_due(seller) == 0
    clock.shift(timedelta(seconds=1))
    assert checks.ask_due(seller) == 1


def test_an_operator_may_ask_at_once(seller: Seller) -> None:
    customer = CustomerFactory(seller=seller, vat_number=KNOWN)
    checks.ask_due(seller)
    checks.ask_by_hand(customer)
    assert checks.standing(seller, KNOWN) == "valid"
    assert checks.ask_due(seller) == 1
    assert asked(seller) == [KNOWN, KNOWN]
    assert checks.ask_due(seller) == 0


def test_all_wait_while_vies_cannot_be_reached(seller: Seller, settings: Any, clock: Any) -> None:
    for number in (KNOWN, STRANGE, AWAY):
        CustomerFactory(seller=seller, vat_number=number)
    settings.VIES_URL, there = "http://127.0.0.1:9", settings.VIES_URL
    assert checks.ask_due(seller) == 1
    settings.VIES_URL = there
    clock.shift(timedelta(hours=1))
    assert checks.ask_due(seller) == 3


def test_a_tick_asks_about_a_number_that_has_just_been_given(seller: Seller) -> None:
    customer = CustomerFactory(seller=seller)
    change_details(customer, as_of=NOON.date(), actor="test", vat_number=KNOWN)
    outcomes = {outcome.name.split(" sel_")[0]: outcome for outcome in tick(NOON)}
    assert outcomes["check VAT numbers"].done == 1
    assert checks.standing(seller, KNOWN) == "valid"


def test_whoever_is_told_to_stop_stops_after_the_answer(seller: Seller) -> None:
    for number in (KNOWN, STRANGE):
        CustomerFactory(seller=seller, vat_number=number)

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        checks.ask_due(seller, stop)
    assert asked(seller) == [KNOWN]


def test_what_was_restored_from_a_backup_asks_nobody(seller: Seller, settings: Any) -> None:
    settings.OUTBOUND = False
    CustomerFactory(seller=seller, vat_number=KNOWN)
    assert checks.ask_due(seller) == 0


def looked_up(seller: Seller, number: str, *, may_ask: bool = True) -> str:
    return checks.look_up(seller, number, lambda: may_ask)


def test_a_page_that_has_asked_too_often_asks_no_more(seller: Seller) -> None:
    assert looked_up(seller, KNOWN, may_ask=False) == "unknown"
    assert asked(seller) == []


def test_a_page_asks_once_and_then_knows(seller: Seller) -> None:
    assert [looked_up(seller, KNOWN) for _ in range(2)] == ["valid", "valid"]
    assert [looked_up(seller, AWAY) for _ in range(2)] == ["unknown", "unknown"]
    assert asked(seller) == [KNOWN, AWAY]


def test_an_outage_leaves_what_was_known(seller: Seller, clock: Any, settings: Any) -> None:
    checks.ask(seller, KNOWN)
    clock.shift(timedelta(days=91))
    settings.VIES_URL = "http://127.0.0.1:9"
    assert looked_up(seller, KNOWN) == "valid"
    assert asked(seller) == [KNOWN, KNOWN]
