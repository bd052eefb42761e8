from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.declines import Decline
from billing.engine.retries import may_retry, step_on

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
    assert Decline.of(code).is_hard is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # Visa's category 1, "issuer will never approve": pick up, lost, stolen, closed, no such.
        ("pickup_card", True),
        ("lost_card", True),
        ("stolen_card", True),
        ("invalid_account", True),
        ("incorrect_number", True),
        # The cardholder has stopped it: Visa's R0, R1 and R3, Mastercard's advice code 21.
        ("revocation_of_authorization", True),
        # What may be accepted another day.
        ("insufficient_funds", False),
        ("declined", False),
        ("try_again_later", False),
        ("", False),
    ],
)
def test_what_will_never_be_accepted_waits_for_another_card(code: str, expected: bool) -> None:
    assert Decline.of(code).is_hard is expected


@pytest.mark.parametrize(
    ("failed_on", "expected"),
    [
        ([], True),
        # Visa allowed 15 reattempts of an amount in 30 days until May 2025, and allows 20 since.
        ([LATE + timedelta(days=day) for day in range(14)], True),
        ([LATE + timedelta(days=day) for day in range(15)], False),
        # The thirtieth day after the first is outside of them.
        ([LATE - timedelta(days=15)] + [LATE + timedelta(days=day) for day in range(14)], True),
        ([LATE - timedelta(days=14)] + [LATE + timedelta(days=day) for day in range(14)], False),
        # Mastercard allows 10 in a day.
        ([LATE + timedelta(days=15)] * 9, True),
        ([LATE + timedelta(days=15)] * 10, False),
    ],
)
def test_no_card_is_tried_more_often_than_its_network_allows(
    failed_on: list[date], expected: bool
) -> None:
    assert may_retry(failed_on, LATE + timedelta(days=15)) is expected


def test_a_first_step_after_one_of_another_policy_waits_a_day() -> None:
    late_by_a_month = LATE + timedelta(days=30)
    assert step_on(DAYS, 0, LATE, late_by_a_month) == late_by_a_month + timedelta(days=1)
