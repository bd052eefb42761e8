"""A real sandbox in a process of its own, for the tests of whoever speaks to one."""

import contextlib
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

READY = re.compile(r"Sandbox listens on (http://127\.0\.0\.1:[0-9]+)\n")
STOP_SECONDS = 10


@dataclass
class RunningSandbox:
    """A sandbox that runs; ``process`` may be killed and ``start`` called again on its database."""

    database: Path
    hook_url: str | None = None
    key: str = field(default_factory=lambda: "key-" + secrets.token_hex(8))
    hook_secret: str = field(default_factory=lambda: "secret-" + secrets.token_hex(8))
    url: str = ""
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        """Start the process and wait until it listens, on a port of its choice."""
        command = [sys.executable, "-m", "billing.sandbox", "--port", "0"]
        command += ["--database", str(self.database)]
        if self.hook_url:
            command += ["--hook-url", self.hook_url]
        self.process = subprocess.Popen(
            command,
            env=os.environ
            | {"KVITT_SANDBOX_KEY": self.key, "KVITT_SANDBOX_HOOK_SECRET": self.hook_secret},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        ready = READY.fullmatch(line)
        assert ready, f"The sandbox said {line!r} and not that it listens."
        self.url = ready[1]

    def stop(self) -> int:
        """End the process as an operator would, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            assert self.process.stdout
            self.process.stdout.close()

    def kill(self) -> None:
        """End the process with -9, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def get(self, path: str, **query: str) -> requests.Response:
        """Ask for ``/v1`` and ``path``."""
        return requests.get(
            f"{self.url}/v1{path}", params=query, headers=self._headers(), timeout=20
        )

    def post(self, path: str, body: Any, key: str | None = None) -> requests.Response:
        """Send JSON to ``/v1`` and ``path``, under an idempotency key: a new one by default."""
        headers = self._headers() | {"Idempotency-Key": key or secrets.token_hex(8)}
        return requests.post(f"{self.url}/v1{path}", json=body, headers=headers, timeout=20)

    def fault(self, kind: str, times: int = 1, seconds: int = 0) -> None:
        """Make the next ``times`` requests go wrong: down, slow, lost, lie or drop_hooks."""
        body = {"kind": kind, "times": times, "seconds": seconds}
        self.post("/faults", body).raise_for_status()

    def wait_for_faults(self) -> None:
        """Wait until requests under way have met every fault that was asked for."""
        while self.get("/faults").json()["data"]:
            pass

    def card(self, reference: str, number: str = "4242424242424242") -> tuple[str, str]:
        """A new customer with a card: the gateway's ids of the customer and of the method."""
        customer = self.post(
            "/customers", {"reference": reference, "name": "Åsa Öberg", "email": "asa@example.com"}
        )
        customer.raise_for_status()
        method = self.post(
            "/payment_methods", {"customer": customer.json()["id"], "card_number": number}
        )
        method.raise_for_status()
        return customer.json()["id"], method.json()["id"]

    def fill_in(
        self, page_url: str, number: str = "4242424242424242", **fields: str
    ) -> requests.Response:
        """Pay on a hosted page as a person does; the answer is not followed where it leads."""
        form = hidden_fields(requests.get(page_url, timeout=20).text)
        form |= {"card_number": number, "exp_month": "12", "exp_year": "2049"} | fields
        return requests.post(page_url, data=form, timeout=20, allow_redirects=False)

    def decide(self, action_url: str, decision: str = "approve") -> requests.Response:
        """Approve or refuse a charge on the bank's page, as the cardholder does."""
        form = hidden_fields(requests.get(action_url, timeout=20).text) | {"decision": decision}
        return requests.post(action_url, data=form, timeout=20, allow_redirects=False)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@contextlib.contextmanager
def running_sandbox(tmp_path: Path, hook_url: str | None = None) -> Iterator[RunningSandbox]:
    """A sandbox on a database in ``tmp_path``, stopped at the end."""
    sandbox = RunningSandbox(tmp_path / "sandbox.sqlite3", hook_url)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()


def hidden_fields(page: str) -> dict[str, str]:
    """The fields of a page's form that a person does not see."""
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page))
