"""Where apps above join in with events."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from billing.base.hooks import Hook

if TYPE_CHECKING:
    from billing.events.models import Event


class FannedOut(Protocol):
    """Hears of events that are being fanned out, in the order in which they were recorded.

    Called when the public ones have their numbers, in the transaction that gives them. No row is
    locked that others wait for; one worker fans out at a time, by the lock ``kvitt fan out``.
    """

    def __call__(self, events: "Sequence[Event]", *, now: datetime) -> None: ...


fanned_out: Hook[FannedOut] = Hook()
