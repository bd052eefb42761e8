"""One list of declines: every reason is known, and what is not is a plain decline."""

import pytest

from billing.engine.declines import Decline


@pytest.mark.parametrize(
    ("stored", "decline"),
    [
        ("authentication_failed", Decline.AUTHENTICATION_FAILED),
        ("authentication_required", Decline.AUTHENTICATION_FAILED),
        ("stolen_card", Decline.STOLEN_CARD),
        ("something_new", Decline.DECLINED),
        ("", Decline.DECLINED),
    ],
)
def test_a_stored_code_is_one_of_the_list(stored: str, decline: Decline) -> None:
    assert Decline.of(stored) is decline


def test_who_did_not_confirm_may_try_the_same_card_again() -> None:
    assert not Decline.AUTHENTICATION_FAILED.is_hard
    assert Decline.LOST_CARD.is_hard
