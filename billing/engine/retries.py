"""When a debt that is late is reminded of, charged again, and given up: arithmetic of days."""

from collections.abc import Sequence
from datetime import date, timedelta

# Codes after which the same card will never be accepted, whoever asks: only another one helps.
# They are the networks' "do not try again" answers as gateways pass them on.
HARD_DECLINES = frozenset(
    {
        "card_not_supported",
        "expired_card",
        "fraudulent",
        "incorrect_number",
        "invalid_account",
        "lost_card",
        "pickup_card",
        "restricted_card",
        "revocation_of_authorization",
        "stolen_card",
    }
)


def is_hard(failure_code: str) -> bool:
    """Whether a decline will be the same tomorrow: wait for a new payment method, do not retry."""
    return failure_code in HARD_DECLINES


def step_on(
    days: Sequence[int], position: int, late_from: date, previous_on: date | None = None
) -> date:
    """The day on which a step of a policy is due.

    ``days`` are those of all steps after ``late_from``, ascending. A step that was taken late (on
    ``previous_on``, after an outage) pushes the later ones ahead, so that the customer has the time
    between two steps that the policy gives, and never gets two reminders at once.
    """
    planned = late_from + timedelta(days=days[position])
    if previous_on is None or position == 0:
        return planned
    gap = timedelta(days=days[position] - days[position - 1])
    return max(planned, previous_on + gap)
