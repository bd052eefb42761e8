"""The sandbox in a process of its own, and who acts there."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from billing.payments.gateways.base import Charge, Session
from customers.models import Seller
from tests.payments.gateways.double import Card
from tests.sandbox.door import WAIT_SECONDS, Shop, open_door
from tests.sandbox.process import RunningSandbox, running_sandbox

NUMBERS = {
    Card.WORKS: "4242424242424242",
    Card.ASKS: "4000002500003155",
    Card.NO_MONEY: "4000000000009995",
    Card.NEVER: "4000000000009987",
}


@dataclass
class SandboxDouble:
    sandbox: RunningSandbox
    shop: Shop

    def connect(self, settings: Any, seller: Seller) -> None:
        settings.SANDBOX_URL, settings.SANDBOX_KEY = self.sandbox.url, self.sandbox.key
        settings.SANDBOX_HOOK_SECRET = self.sandbox.hook_secret
        for kind in ("down", "lost"):
            self.sandbox.fault(kind, times=0)

    def card(self, reference: str, card: Card) -> tuple[str, str]:
        return self.sandbox.card(reference, NUMBERS[card])

    def pay(self, session: Session, card: Card) -> None:
        self.sandbox.fill_in(session.url, NUMBERS[card])

    def confirm(self, charge: Charge) -> None:
        self.sandbox.decide(charge.action_url)

    def lose_request(self) -> None:
        self.sandbox.fault("down")

    def lose_answer(self) -> None:
        self.sandbox.fault("lost")

    def unreachable(self, settings: Any, seller: Seller) -> None:
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            settings.SANDBOX_URL = f"http://127.0.0.1:{unheard.getsockname()[1]}"

    def told_of(self, reference: str) -> tuple[Mapping[str, str], bytes]:
        while True:
            headers, body = self.shop.came.get(timeout=WAIT_SECONDS)
            if reference.encode() in body:
                return headers, body


@contextmanager
def running(folder: Path) -> Iterator[SandboxDouble]:
    with open_door() as shop, running_sandbox(folder, hook_url=shop.url) as sandbox:
        yield SandboxDouble(sandbox, shop)
