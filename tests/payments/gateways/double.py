"""What the tests of a gateway bring, so that the contract can be tried on it as it really is.

Each folder here is named like its gateway and has a ``double.py`` with a function ``running``: it
starts the double, by preference a process that is spoken to over HTTP, and stops it at the end.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from billing.payments.gateways.base import Charge, GatewayKind, Session
from customers.models import Seller


class Card(StrEnum):
    """A card by what comes of it."""

    WORKS = "works"
    ASKS = "asks"  # The bank wants its customer to confirm.
    NO_MONEY = "no_money"
    NEVER = "never"  # It will not be accepted tomorrow either.


class Double(Protocol):
    """A gateway of the tests', and those who act there: its operators, a bank, a customer."""

    def connect(self, settings: Any, seller: Seller) -> None:
        """Give the seller an account, as an operator does; what had gone wrong is well again."""
        ...

    def card(self, reference: str, card: Card) -> tuple[str, str]:
        """A new customer with a card: the gateway's ids of both."""
        ...

    def pay(self, session: Session, card: Card) -> None:
        """Fill in the gateway's page as a customer does."""
        ...

    def confirm(self, charge: Charge) -> None:
        """Say yes where the bank asks."""
        ...

    def lose_request(self) -> None:
        """The next request is not acted on, and nothing clear is answered."""
        ...

    def lose_answer(self) -> None:
        """The next request is acted on, and its answer is lost."""
        ...

    def unreachable(self, settings: Any, seller: Seller) -> None:
        """Let the seller's account be where nobody listens."""
        ...

    def told_of(self, reference: str) -> tuple[Mapping[str, str], bytes]:
        """The headers and the body of the next notice that is sent about a charge of ours."""
        ...


type Running = Callable[[Path], AbstractContextManager[Double]]


def double_of(kind: GatewayKind) -> Running:
    """How a gateway's double is started. Raises ``ModuleNotFoundError`` where there is none."""
    running: Running = import_module(f"tests.payments.gateways.{kind.name}.double").running
    return running
