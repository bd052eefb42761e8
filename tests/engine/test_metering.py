from datetime import date
from decimal import Decimal

import pytest

from billing.engine.metering import Meter, Usage

D = Decimal
DAYS = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1)]
VALUES = [D(100), D(3), D("4.5"), D(2), D(1000)]
NAMES = ["anna", "bo", "anna", "bo", "cecilia"]
FEBRUARY = date(2026, 2, 1), date(2026, 3, 1)


def usage(aggregation: str = "sum", **settings: object) -> Usage:
    return Usage(Meter(aggregation, **settings), DAYS, VALUES, NAMES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("sum", "9.5"), ("count", "3"), ("max", "4.5"), ("last", "2"), ("unique", "2")],
)
def test_a_period_takes_the_records_of_its_own_days(aggregation: str, expected: str) -> None:
    # In February: 3 by bo and 4.5 by anna on the 1st, 2 by bo on the 28th.
    assert usage(aggregation).total(*FEBRUARY) == D(expected)


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("sum", "109.5"), ("count", "4"), ("max", "100"), ("last", "2"), ("unique", "2")],
)
def test_a_carried_meter_counts_all_that_came_before(aggregation: str, expected: str) -> None:
    assert usage(aggregation, is_carried=True).total(*FEBRUARY) == D(expected)


@pytest.mark.parametrize("aggregation", ["sum", "count", "max", "last", "unique"])
def test_a_period_without_records_has_used_nothing(aggregation: str) -> None:
    assert usage(aggregation).total(date(2026, 2, 2), date(2026, 2, 28)) == 0
    assert Usage(Meter(aggregation), [], []).total(*FEBRUARY) == 0


def test_a_carried_meter_keeps_its_value_in_a_period_without_records() -> None:
    april = date(2026, 4, 1), date(2026, 5, 1)
    assert usage("last", is_carried=True).total(*april) == 1000
    assert usage("last").total(*april) == 0


def test_the_first_day_belongs_to_the_period_and_the_day_after_the_last_does_not() -> None:
    assert usage().total(date(2026, 2, 28), date(2026, 3, 1)) == 2
    assert usage().total(date(2026, 1, 31), date(2026, 2, 1)) == 100


def test_of_several_values_of_one_day_the_last_is_the_one_that_came_last() -> None:
    assert usage("last").total(date(2026, 2, 1), date(2026, 2, 2)) == D("4.5")


def test_counting_ignores_how_much_was_used() -> None:
    zeros = Usage(Meter("count"), DAYS, [D(0)] * 5)
    assert zeros.total(*FEBRUARY) == 3


def test_the_greatest_of_negative_values_is_negative() -> None:
    assert Usage(Meter("max"), DAYS[1:3], [D(-3), D(-2)]).total(*FEBRUARY) == -2


@pytest.mark.parametrize(
    ("mode", "digits", "value", "expected"),
    [
        ("", 0, "2.5", "2.5"),
        ("round", 0, "2.5", "3"),
        ("round", 0, "-2.5", "-3"),
        ("round", 0, "2.4999", "2"),
        ("ceil", 0, "2.0001", "3"),
        ("ceil", 0, "-2.9", "-2"),
        ("floor", 0, "2.9999", "2"),
        ("floor", 0, "-2.1", "-3"),
        ("round", 2, "2.005", "2.01"),
        ("round", -2, "250", "300"),
        ("floor", -3, "999", "0"),
    ],
)
def test_a_quantity_is_rounded_once_for_the_period(
    mode: str, digits: int, value: str, expected: str
) -> None:
    meter = Meter("sum", rounding_mode=mode, rounding_digits=digits)
    assert Usage(meter, DAYS[1:2], [D(value)]).total(*FEBRUARY) == D(expected)


def test_rounding_is_of_the_sum_and_not_of_each_record() -> None:
    # 3 × 0.4 = 1.2 → 1; rounded one by one it would be 0.
    meter = Meter("sum", rounding_mode="round")
    assert Usage(meter, DAYS[1:4], [D("0.4")] * 3).total(*FEBRUARY) == 1


def test_a_sum_loses_no_digit_however_many_it_has() -> None:
    # 32 digits: the 28 of an ordinary Decimal context would drop the last four.
    values = [D("12345678901234567890123456"), D("0.000001"), D("0.000001")]
    found = Usage(Meter(), DAYS[1:4], values).total(*FEBRUARY)
    assert found == D("12345678901234567890123456.000002")


def test_rounding_a_long_sum_loses_no_digit_either() -> None:
    meter = Meter(rounding_mode="ceil", rounding_digits=4)
    values = [D("12345678901234567890123456"), D("0.000001")]
    found = Usage(meter, DAYS[1:3], values).total(*FEBRUARY)
    assert found == D("12345678901234567890123456.0001")


def test_events_are_the_single_values_in_their_order() -> None:
    assert list(usage().events(*FEBRUARY)) == [D(3), D("4.5"), D(2)]
    assert list(usage().events(date(2026, 4, 1), date(2026, 5, 1))) == []


def test_the_events_of_a_carried_meter_are_those_that_its_total_counts() -> None:
    carried = usage(is_carried=True)
    assert list(carried.events(*FEBRUARY)) == [D(100), D(3), D("4.5"), D(2)]
    assert sum(carried.events(*FEBRUARY)) == carried.total(*FEBRUARY)
