from datetime import UTC, datetime

import pytest

from billing.base import clock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_clock_stands_while_the_past_is_played_and_goes_on_afterwards() -> None:
    with clock.standing_at(NOON):
        assert clock.now() == NOON
        assert clock.today("Pacific/Auckland").isoformat() == "2026-03-02"
    assert clock.now() > NOON


def test_the_clock_goes_on_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), clock.standing_at(NOON):
        _ = 1 // 0
    assert clock.now() != NOON
