from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.engine.recognition import recognize_by_month


def test_each_month_takes_its_days() -> None:
    # 2026-01-15 to 2026-02-15 is 31 days, at 10.00 a day: 17 in January, 14 in February.
    assert recognize_by_month(31000, date(2026, 1, 15), date(2026, 2, 15)) == {
        (2026, 1): 17000,
        (2026, 2): 14000,
    }


def test_a_span_that_ends_with_a_month_leaves_the_next_one_out() -> None:
    assert recognize_by_month(3100, date(2026, 12, 1), date(2027, 1, 1)) == {(2026, 12): 3100}


def test_a_year_is_recognized_by_day_not_by_twelfths() -> None:
    # 365 days at 1.00: a month's amount is its number of days.
    parts = recognize_by_month(36500, date(2026, 1, 1), date(2027, 1, 1))
    assert list(parts.values()) == [
        days * 100 for days in (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    ]


def test_rounding_is_carried_on_so_that_no_cent_is_lost() -> None:
    # 1.00 over 90 days: 31/90 → 34.4 → 34; 59/90 → 65.6 → 66, less 34; the rest 34.
    assert recognize_by_month(100, date(2026, 1, 1), date(2026, 4, 1)) == {
        (2026, 1): 34,
        (2026, 2): 32,
        (2026, 3): 34,
    }


def test_a_month_too_small_for_a_cent_stays_with_zero() -> None:
    parts = recognize_by_month(1, date(2026, 1, 1), date(2026, 4, 1))
    assert parts == {(2026, 1): 0, (2026, 2): 1, (2026, 3): 0}


def test_a_span_without_days_belongs_to_the_month_of_its_start() -> None:
    day = date(2026, 5, 31)
    assert recognize_by_month(500, day, day) == {(2026, 5): 500}


@given(
    st.integers(-(10**9), 10**9),
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.integers(0, 2000),
)
def test_months_sum_to_the_amount_and_are_within_a_unit_of_exact(
    amount: int, start: date, days: int
) -> None:
    end = start + timedelta(days=days)
    parts = recognize_by_month(amount, start, end)
    assert sum(parts.values()) == amount
    mirror = recognize_by_month(-amount, start, end)
    assert mirror == {month: -part for month, part in parts.items()}
    if days:
        span = [start + timedelta(days=n) for n in range(days)]
        assert list(parts) == list(dict.fromkeys((day.year, day.month) for day in span))
        for (year, month), part in parts.items():
            inside = sum((day.year, day.month) == (year, month) for day in span)
            assert abs(part * days - Decimal(amount) * inside) <= days
