"""Running a receiver, and reading what it got."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import time_machine
from standardwebhooks import Webhook

SCRIPT = Path(__file__).with_name("receiver.py")


@dataclass(frozen=True)
class Got:
    """One request, as it came over the wire."""

    manner: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def payload_is_poison(self) -> bool:
        return "poison" in self.body

    def verified(self, secret: str) -> dict[str, Any]:
        """The payload, if the library takes the signature for good at the moment it was made."""
        at = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        with time_machine.travel(at, tick=False):
            payload: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return payload


@dataclass
class RunningReceiver:
    log: Path
    process: "subprocess.Popen[str]" = field(init=False)
    port: int = 0

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(self.log)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def url(self, manner: str) -> str:
        return f"http://127.0.0.1:{self.port}/{manner}"

    def behave(self, manner: str) -> None:
        """What ``/file`` does from now on."""
        self.log.with_suffix(".manner").write_text(manner)

    @property
    def got(self) -> list[Got]:
        text = self.log.read_text() if self.log.exists() else ""
        # The receiver may be writing the last line just now.
        lines, _, _ = text.rpartition("\n")
        return [Got(**json.loads(line)) for line in lines.splitlines()]


@contextmanager
def running_receiver(folder: Path) -> Iterator[RunningReceiver]:
    receiver = RunningReceiver(folder / "received.jsonl")
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()
