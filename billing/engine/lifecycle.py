"""What a subscription is on a day, from its dates alone."""

from collections.abc import Sequence
from datetime import date


def status_on(
    on: date,
    *,
    paid_from: date,
    ends_on: date | None,
    pauses: Sequence[tuple[date, date | None]],
) -> str:
    """One of ``ended``, ``paused``, ``trialing`` and ``active``; ``pauses`` are half-open spans."""
    if ends_on is not None and ends_on <= on:
        return "ended"
    for start, end in pauses:
        if start <= on and (end is None or on < end):
            return "paused"
    return "trialing" if on < paid_from else "active"
