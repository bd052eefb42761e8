"""The grid in tables: every awkward anchor, leap years, weeks, alignment, tails and spans."""

from calendar import monthrange
from datetime import date, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.errors import InvalidAgreement
from billing.engine.periods import (
    FOREVER,
    Cycle,
    Grid,
    Period,
    anchored_on,
    anchored_on_calendar,
    anchored_on_day,
    days_in,
    intersection,
    minus,
    period_of,
    periods,
)

DAY = timedelta(days=1)


def boundaries(grid: Grid, first: int, last: int) -> list[str]:
    return [grid.boundary(n).isoformat() for n in range(first, last + 1)]


def first_periods(cycles: list[Cycle], since: date, count: int) -> list[tuple[str, str, int]]:
    return [
        (period.start.isoformat(), period.end.isoformat(), period.of_days)
        for period in islice(periods(cycles, since), count)
    ]


# Months


def test_31_january_is_followed_by_28_february_and_then_by_31_march() -> None:
    grid = anchored_on("month", 1, date(2026, 1, 31))
    assert boundaries(grid, 0, 5) == [
        "2026-01-31",
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
        "2026-05-31",
        "2026-06-30",
    ]


@pytest.mark.parametrize(
    ("day", "february_2026", "february_2028", "april"),
    [(28, 28, 28, 28), (29, 28, 29, 29), (30, 28, 29, 30), (31, 28, 29, 30)],
)
def test_a_day_that_a_month_lacks_is_clamped_and_comes_back(
    day: int, february_2026: int, february_2028: int, april: int
) -> None:
    grid = anchored_on("month", 1, date(2026, 1, day))
    assert grid.boundary(1) == date(2026, 2, february_2026)
    assert grid.boundary(25) == date(2028, 2, february_2028)
    assert grid.boundary(3) == date(2026, 4, april)
    assert grid.boundary(24) == date(2028, 1, day)


@pytest.mark.parametrize("day", [28, 29, 30, 31])
@pytest.mark.parametrize("started", range(48))
def test_each_of_48_months_around_a_leap_year_has_one_boundary_on_the_day_or_the_last(
    day: int, started: int
) -> None:
    # From every month of 2026 to 2029 as the anchor's; the leap day of 2028 is among them.
    year, month = 2026 + started // 12, started % 12 + 1
    grid = Grid("month", 1, date(year, month, min(day, monthrange(year, month)[1])), day)
    for n in range(-24, 25):
        index = year * 12 + month - 1 + n
        expected_year, expected_month = index // 12, index % 12 + 1
        last = monthrange(expected_year, expected_month)[1]
        assert grid.boundary(n) == date(expected_year, expected_month, min(day, last))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2, ["2025-12-31", "2026-02-28", "2026-04-30"]),
        (3, ["2025-11-30", "2026-02-28", "2026-05-31"]),
        (6, ["2025-08-31", "2026-02-28", "2026-08-31"]),
        (12, ["2025-02-28", "2026-02-28", "2027-02-28"]),
        (24, ["2024-02-29", "2026-02-28", "2028-02-29"]),
    ],
)
def test_several_months_are_counted_from_the_anchor(count: int, expected: list[str]) -> None:
    assert boundaries(Grid("month", count, date(2026, 2, 28), 31), -1, 1) == expected


# Years


def test_a_year_from_29_february_ends_on_the_28th_and_finds_the_29th_again() -> None:
    grid = anchored_on("year", 1, date(2028, 2, 29))
    assert boundaries(grid, -4, 4) == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
        "2029-02-28",
        "2030-02-28",
        "2031-02-28",
        "2032-02-29",
    ]
    assert grid.period(date(2029, 2, 27)) == (date(2028, 2, 29), date(2029, 2, 28))
    assert grid.period(date(2029, 2, 28)) == (date(2029, 2, 28), date(2030, 2, 28))
    assert grid.period(date(2032, 2, 28)) == (date(2031, 2, 28), date(2032, 2, 29))


def test_1900_and_2100_are_no_leap_years_and_2000_is_one() -> None:
    grid = anchored_on("year", 100, date(2000, 2, 29))
    assert boundaries(grid, -1, 1) == ["1900-02-28", "2000-02-29", "2100-02-28"]


# Weeks and days


@pytest.mark.parametrize(
    ("weekday", "anchor"),
    # 7 January 2026 is a Wednesday, ISO weekday 3.
    [
        (3, "2026-01-07"),
        (4, "2026-01-08"),
        (5, "2026-01-09"),
        (6, "2026-01-10"),
        (7, "2026-01-11"),
        (1, "2026-01-12"),
        (2, "2026-01-13"),
    ],
)
def test_an_anchor_day_of_weeks_is_an_iso_weekday(weekday: int, anchor: str) -> None:
    grid = anchored_on_day("week", 1, weekday, date(2026, 1, 7))
    assert grid.anchor.isoformat() == anchor
    for n in range(-60, 60):
        assert grid.boundary(n).isoweekday() == weekday
        assert grid.boundary(n + 1) - grid.boundary(n) == 7 * DAY


def test_weeks_and_days_count_in_steps_of_their_own() -> None:
    fortnight = anchored_on("week", 2, date(2026, 1, 5))
    assert boundaries(fortnight, -1, 1) == ["2025-12-22", "2026-01-05", "2026-01-19"]
    ten_days = anchored_on("day", 10, date(2026, 2, 25))
    assert boundaries(ten_days, -1, 1) == ["2026-02-15", "2026-02-25", "2026-03-07"]


# Anchor days


@pytest.mark.parametrize(
    ("paid_from", "day", "anchor"),
    [
        ("2026-01-20", 20, "2026-01-20"),
        ("2026-01-20", 21, "2026-01-21"),
        ("2026-01-20", 19, "2026-02-19"),
        ("2026-01-31", 31, "2026-01-31"),
        ("2026-01-31", 30, "2026-02-28"),
        ("2026-02-28", 31, "2026-02-28"),
        ("2028-02-28", 31, "2028-02-29"),
        ("2028-02-29", 30, "2028-02-29"),
        ("2026-12-31", 1, "2027-01-01"),
    ],
)
def test_an_anchor_day_is_the_first_such_day_on_or_after_the_paid_start(
    paid_from: str, day: int, anchor: str
) -> None:
    for unit, count in (("month", 1), ("month", 3), ("year", 1), ("year", 2)):
        grid = anchored_on_day(unit, count, day, date.fromisoformat(paid_from))
        assert grid.anchor.isoformat() == anchor
        assert grid.boundary(0) == grid.anchor
        assert grid.day == day


def test_a_clamped_anchor_day_returns_to_the_31st() -> None:
    grid = anchored_on_day("month", 1, 31, date(2026, 2, 10))
    assert boundaries(grid, -1, 2) == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]


@pytest.mark.parametrize(
    ("unit", "day"), [("day", 1), ("week", 0), ("week", 8), ("month", 0), ("year", 32)]
)
def test_anchor_days_that_do_not_exist_are_refused(unit: str, day: int) -> None:
    with pytest.raises(InvalidAgreement):
        anchored_on_day(unit, 1, day, date(2026, 1, 1))


@pytest.mark.parametrize("count", [0, -1])
def test_an_interval_counts_at_least_one(count: int) -> None:
    with pytest.raises(InvalidAgreement) as caught:
        anchored_on("month", count, date(2026, 1, 1))
    assert caught.value.code == "invalid_interval"


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(InvalidAgreement, match="fortnight"):
        anchored_on("fortnight", 1, date(2026, 1, 1))


@pytest.mark.parametrize("anchor", ["1950-08-31", "2026-08-31", "2390-08-31"])
def test_an_anchor_far_before_or_after_gives_the_same_grid(anchor: str) -> None:
    grid = anchored_on("month", 1, date.fromisoformat(anchor))
    assert grid.period(date(2026, 2, 14)) == (date(2026, 1, 31), date(2026, 2, 28))
    yearly = anchored_on("year", 1, date.fromisoformat(anchor))
    assert yearly.period(date(2026, 2, 14)) == (date(2025, 8, 31), date(2026, 8, 31))


# Alignment to the calendar


@pytest.mark.parametrize(
    ("unit", "count", "on", "start", "end"),
    [
        ("month", 1, "2026-01-31", "2026-01-01", "2026-02-01"),
        ("month", 1, "2028-02-29", "2028-02-01", "2028-03-01"),
        ("month", 3, "2026-02-14", "2026-01-01", "2026-04-01"),
        ("month", 3, "2026-12-31", "2026-10-01", "2027-01-01"),
        ("month", 6, "2026-07-01", "2026-07-01", "2027-01-01"),
        ("week", 1, "2026-01-11", "2026-01-05", "2026-01-12"),
        ("week", 1, "2026-01-05", "2026-01-05", "2026-01-12"),
        ("year", 1, "2028-02-29", "2028-01-01", "2029-01-01"),
    ],
)
def test_calendar_alignment(unit: str, count: int, on: str, start: str, end: str) -> None:
    grid = anchored_on_calendar(unit, count, date.fromisoformat(on))
    found = grid.period(date.fromisoformat(on))
    assert (found[0].isoformat(), found[1].isoformat()) == (start, end)


def test_days_have_no_calendar_to_align_to_and_count_from_the_paid_start() -> None:
    assert anchored_on_calendar("day", 10, date(2026, 1, 7)).anchor == date(2026, 1, 7)


# Index, period and boundary

grids = st.builds(
    lambda unit, count, anchor, day: Grid(
        unit,
        count,
        anchor.replace(day=min(day, monthrange(anchor.year, anchor.month)[1]))
        if unit in ("month", "year")
        else anchor,
        day,
    ),
    st.sampled_from(["day", "week", "month", "year"]),
    st.integers(1, 14),
    st.dates(date(1970, 1, 1), date(2150, 1, 1)),
    st.integers(1, 31),
)
days = st.dates(date(1990, 1, 1), date(2100, 12, 31))


@given(grids, days)
def test_a_day_lies_in_exactly_the_period_that_its_index_names(grid: Grid, on: date) -> None:
    n = grid.index(on)
    assert grid.boundary(n) <= on < grid.boundary(n + 1)
    assert grid.period(on) == (grid.boundary(n), grid.boundary(n + 1))
    assert grid.index(grid.boundary(n)) == n
    assert grid.index(grid.boundary(n + 1) - DAY) == n


@given(grids, days)
def test_the_next_boundary_is_the_first_on_or_after_a_day(grid: Grid, on: date) -> None:
    found = grid.next_boundary(on)
    assert found >= on
    assert grid.boundary(grid.index(found)) == found
    assert grid.boundary(grid.index(found) - 1) < on


# Cycles

JANUARY = Cycle(date(2026, 1, 1), anchored_on("month", 1, date(2026, 1, 1)))


def test_the_first_period_of_a_stub_knows_the_days_of_the_whole_one() -> None:
    stub = Cycle(date(2026, 1, 20), anchored_on_day("month", 1, 1, date(2026, 1, 20)))
    assert first_periods([stub], stub.start, 2) == [
        ("2026-01-20", "2026-02-01", 31),
        ("2026-02-01", "2026-03-01", 28),
    ]


def test_periods_before_the_first_cycle_do_not_exist() -> None:
    assert first_periods([JANUARY], date(2020, 5, 5), 1) == [("2026-01-01", "2026-02-01", 31)]
    assert period_of([JANUARY], date(2020, 5, 5)) == Period(date(2026, 1, 1), date(2026, 2, 1), 31)


def test_a_period_in_progress_is_given_whole() -> None:
    assert first_periods([JANUARY], date(2026, 3, 31), 1) == [("2026-03-01", "2026-04-01", 31)]
    assert first_periods([JANUARY], date(2026, 4, 1), 1) == [("2026-04-01", "2026-05-01", 30)]


def test_a_new_cycle_cuts_the_period_that_it_falls_into() -> None:
    yearly = Cycle(date(2026, 2, 11), anchored_on("year", 1, date(2026, 2, 11)))
    assert first_periods([JANUARY, yearly], date(2026, 1, 5), 4) == [
        ("2026-01-01", "2026-02-01", 31),
        ("2026-02-01", "2026-02-11", 28),
        ("2026-02-11", "2027-02-11", 365),
        ("2027-02-11", "2028-02-11", 365),
    ]


def test_of_two_cycles_from_one_day_only_the_second_is_in_force() -> None:
    weekly = Cycle(date(2026, 1, 1), anchored_on("week", 1, date(2026, 1, 1)))
    assert first_periods([weekly, JANUARY], date(2026, 1, 1), 1) == [
        ("2026-01-01", "2026-02-01", 31)
    ]


def test_a_tail_within_a_grid_period_counts_the_days_it_is_told() -> None:
    # The anchor moves to the 5th: 1 to 5 May are counted in the new period 5 April to 5 May.
    tailed = Cycle(JANUARY.start, JANUARY.grid, date(2026, 5, 1), 30)
    fifth = Cycle(date(2026, 5, 5), anchored_on("month", 1, date(2026, 5, 5)))
    assert first_periods([tailed, fifth], date(2026, 4, 9), 3) == [
        ("2026-04-01", "2026-05-01", 30),
        ("2026-05-01", "2026-05-05", 30),
        ("2026-05-05", "2026-06-05", 31),
    ]


@pytest.mark.parametrize("since", ["2026-04-01", "2026-04-30", "2026-05-10"])
def test_a_tail_longer_than_a_grid_period_is_one_period(since: str) -> None:
    # April, stretched by ten days of pause, still counts 30 days.
    stretched = Cycle(JANUARY.start, JANUARY.grid, date(2026, 4, 1), 30)
    after = Cycle(date(2026, 5, 11), anchored_on("month", 1, date(2026, 5, 11)))
    assert first_periods([stretched, after], date.fromisoformat(since), 2) == [
        ("2026-04-01", "2026-05-11", 30),
        ("2026-05-11", "2026-06-11", 31),
    ]


def test_a_tail_cuts_the_grid_period_that_it_begins_in() -> None:
    tailed = Cycle(JANUARY.start, JANUARY.grid, date(2026, 1, 21), 31)
    after = Cycle(date(2026, 2, 14), anchored_on("month", 1, date(2026, 2, 14)))
    assert first_periods([tailed, after], date(2026, 1, 1), 3) == [
        ("2026-01-01", "2026-01-21", 31),
        ("2026-01-21", "2026-02-14", 31),
        ("2026-02-14", "2026-03-14", 28),
    ]


def test_a_tail_without_a_day_is_no_period() -> None:
    tailed = Cycle(JANUARY.start, JANUARY.grid, date(2026, 1, 21), 31)
    after = Cycle(date(2026, 1, 21), anchored_on("month", 1, date(2026, 1, 21)))
    assert first_periods([tailed, after], date(2026, 1, 1), 2) == [
        ("2026-01-01", "2026-01-21", 31),
        ("2026-01-21", "2026-02-21", 31),
    ]


def test_the_tail_of_the_last_cycle_lasts_until_another_one_starts() -> None:
    tailed = Cycle(JANUARY.start, JANUARY.grid, date(2026, 2, 1), 28)
    assert list(periods([tailed], date(2026, 2, 20))) == [Period(date(2026, 2, 1), FOREVER, 28)]


@given(
    st.lists(st.tuples(st.integers(0, 200), grids), min_size=1, max_size=4),
    st.integers(0, 500),
)
def test_periods_tile_the_days_without_gap_or_overlap(
    starts: list[tuple[int, Grid]], since: int
) -> None:
    base = date(2026, 1, 1)
    cycles = [
        Cycle(base + offset * DAY, grid) for offset, grid in sorted(starts, key=lambda one: one[0])
    ]
    on = max(base + since * DAY, cycles[0].start)
    found = list(islice(periods(cycles, on), 12))
    assert found[0].start <= on < found[0].end
    for period, following in zip(found, found[1:], strict=False):
        assert period.end == following.start
    for period in found:
        assert 0 < (period.end - period.start).days <= period.of_days


# Spans


def span(start: int, end: int) -> tuple[date, date]:
    return date(2026, 1, start), date(2026, 1, end)


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([], [span(5, 20)]),
        ([span(1, 5)], [span(5, 20)]),
        ([span(20, 25)], [span(5, 20)]),
        ([span(1, 10)], [span(10, 20)]),
        ([span(10, 25)], [span(5, 10)]),
        ([span(8, 10)], [span(5, 8), span(10, 20)]),
        ([span(8, 10), span(12, 14)], [span(5, 8), span(10, 12), span(14, 20)]),
        ([span(12, 14), span(8, 13)], [span(5, 8), span(14, 20)]),
        ([span(5, 20)], []),
        ([span(1, 12), span(12, 31)], []),
    ],
)
def test_what_is_left_of_a_span(
    others: list[tuple[date, date]], left: list[tuple[date, date]]
) -> None:
    assert minus(span(5, 20), others) == left


def test_the_days_that_two_lists_share() -> None:
    assert intersection([span(1, 10), span(20, 25)], [span(5, 22)]) == [span(5, 10), span(20, 22)]
    assert intersection([span(1, 5)], [span(5, 9)]) == []


def test_days_are_counted_half_open() -> None:
    assert days_in([span(1, 2), span(10, 20)]) == 11
    assert days_in([]) == 0
