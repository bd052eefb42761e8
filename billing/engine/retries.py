"""When a debt that is late is reminded of, charged again, and given up: arithmetic of days."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

# Visa charges a fee for more reattempts of one amount on one card within 30 days: 15 until May
# 2025, 20 since. Mastercard's limit is 35 in 30 days, and 10 in a day.
# https://support.checkout.com/hc/en-us/articles/25482040901394-When-can-I-retry-a-declined-transaction
TRIES_MAX, TRIES_DAYS = 15, 30
TRIES_A_DAY_MAX = 10


def may_retry(failed_on: Iterable[date], as_of: date) -> bool:
    """Whether an amount may be charged once more, that failed on these days.

    Within the stricter of the card networks' limits, whatever a policy says.
    """
    recent = [on for on in failed_on if as_of - on < timedelta(days=TRIES_DAYS)]
    return len(recent) < TRIES_MAX and recent.count(as_of) < TRIES_A_DAY_MAX


def step_on(
    days: Sequence[int], position: int, late_from: date, previous_on: date | None = None
) -> date:
    """The day on which a step of a policy is due.

    ``days`` are those of all steps after ``late_from``, ascending. A step that was taken late (on
    ``previous_on``, after an outage) pushes the later ones ahead, so that the customer has the time
    between two steps that the policy gives, and never gets two reminders at once.
    """
    planned = late_from + timedelta(days=days[position])
    if previous_on is None:
        return planned
    # The first step comes after another only where the policy was changed in between.
    gap_days = days[position] - days[position - 1] if position else 1
    return max(planned, previous_on + timedelta(days=gap_days))
