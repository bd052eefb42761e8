"""Gateways that are only played, for what is asked of several at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from billing.payments.gateways.base import Gateway, Notice, Purpose, Subject
from customers.models import Seller


@dataclass
class PlayedKind:
    """A gateway with some accounts, the first of them every seller's; all notices tell the same."""

    name: str = "sandbox"
    is_for_tests: bool = True
    purposes: frozenset[Purpose] = frozenset(Purpose)
    how_to_set_up: str = "Set it up."
    played: list[Any] = field(default_factory=list)
    told: Subject | None = None

    def accounts(self) -> Sequence[Gateway]:
        return self.played

    def account_of(self, seller: Seller) -> Gateway | None:
        return next(iter(self.played), None)

    def subject_of(self, notice: Notice) -> Subject | None:
        return self.told
