from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.retries import is_hard, step_on

LATE = date(2026, 3, 1)
DAYS = (3, 10, 24)


@pytest.mark.parametrize(
    ("position", "previous_on", "expected"),
    [
        (0, None, date(2026, 3, 4)),
        (1, date(2026, 3, 4), date(2026, 3, 11)),
        (2, date(2026, 3, 11), date(2026, 3, 25)),
        # The first reminder came ten days late: the next keeps its seven days' distance.
        (1, date(2026, 3, 14), date(2026, 3, 21)),
        (2, date(2026, 3, 21), date(2026, 4, 4)),
    ],
)
def test_steps_come_on_their_days_and_keep_their_distance(
    position: int, previous_on: date | None, expected: date
) -> None:
    assert step_on(DAYS, position, LATE, previous_on) == expected


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=12).map(sorted),
    st.lists(st.integers(0, 90), min_size=12, max_size=12),
)
def test_no_step_is_early_and_no_two_are_nearer_than_the_policy_says(
    days: list[int], delays: list[int]
) -> None:
    previous_on = None
    for position, delay in zip(range(len(days)), delays, strict=False):
        due = step_on(days, position, LATE, previous_on)
        assert due >= LATE + timedelta(days=days[position])
        if previous_on is not None:
            assert (due - previous_on).days >= days[position] - days[position - 1]
        previous_on = due + timedelta(days=delay)


def test_steps_taken_in_time_are_on_the_days_of_the_policy() -> None:
    previous_on = None
    for position, days in enumerate(DAYS):
        previous_on = step_on(DAYS, position, LATE, previous_on)
        assert previous_on == LATE + timedelta(days=days)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("lost_card", True), ("expired_card", True), ("insufficient_funds", False), ("", False)],
)
def test_hard_declines_are_those_that_will_be_the_same_tomorrow(code: str, expected: bool) -> None:
    assert is_hard(code) is expected
