"""The processes that the demo is made of, which end together with it."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests
from django.conf import settings

from billing.engine.errors import BillingError
from billing.payments.gateways.sandbox.client import Sandbox

HOST = "127.0.0.1"
WEB_PORT, SANDBOX_PORT, REGISTER_PORT = 8000, 8099, 8098
SECONDS_TO_START, SECONDS_TO_END = 30, 20
SECONDS_BETWEEN_LOOKS = 0.2


class ProcessEnded(BillingError):
    """Raised when a process of the demo did not start, or ended by itself."""

    code = "process_ended"


@dataclass
class Processes:
    """Children with names, started in order and ended in the reverse one."""

    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, *command: str, env: Mapping[str, str]) -> None:
        """Start ``python`` with some arguments in the project's folder; only errors are shown."""
        self.running[name] = subprocess.Popen(  # noqa: S603 -- our own words, and no shell.
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=os.environ | dict(env),
            stdout=subprocess.DEVNULL,
            # Ctrl-C reaches this process alone, which ends the others in their order.
            process_group=0,
        )

    def wait_for(self, name: str, url: str) -> None:
        """Wait until a child answers at an address, with whatever words."""
        deadline = time.monotonic() + SECONDS_TO_START
        while self.running[name].poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError):
                requests.get(url, timeout=SECONDS_TO_START, allow_redirects=False)
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)
        raise ProcessEnded(f"The {name} did not start; its last words are above.")

    def watch(self) -> None:
        """Return never: a child that ends by itself ends the demo."""
        while True:
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise ProcessEnded(f"The {name} ended by itself; its last words are above.")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def end(self) -> None:
        """End them, the last started first: asked, and killed where that does not help."""
        for process in reversed(self.running.values()):
            process.terminate()
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()


@contextlib.contextmanager
def processes() -> Iterator[Processes]:
    """Children that are ended when the block is left."""
    children = Processes()
    try:
        yield children
    finally:
        children.end()


def free_port(wished: int | None, usual: int) -> int:
    """The port asked for, the usual one, or where that is taken any that is free."""
    for port in (wished,) if wished else (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise BillingError(f"Port {wished} of {HOST} is taken or not allowed. Choose another.")


@dataclass(frozen=True, slots=True)
class DemoSandbox:
    """The demo's own sandbox: where it listens, and what it and Kvitt tell each other apart by."""

    database: Path
    port: int = field(default_factory=lambda: free_port(None, SANDBOX_PORT))
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    hook_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """What the sandbox and everybody who speaks to it is told."""
        return {
            "KVITT_SANDBOX_URL": self.url,
            "KVITT_SANDBOX_KEY": self.key,
            "KVITT_SANDBOX_HOOK_SECRET": self.hook_secret,
        }

    def start(self, children: Processes, hook_url: str = "") -> None:
        """Run it; with a ``hook_url`` it also tells what happens there."""
        self.database.parent.mkdir(parents=True, exist_ok=True)
        command = ["-m", "billing.sandbox", "--port", str(self.port)]
        command += ["--database", str(self.database)]
        if hook_url:
            command += ["--hook-url", hook_url]
        children.start("sandbox", *command, env=self.env)
        children.wait_for("sandbox", self.url)

    @property
    def client(self) -> Sandbox:
        return Sandbox(self.url, self.key, self.hook_secret)


@dataclass(frozen=True, slots=True)
class DemoRegister:
    """The demo's own register of VAT numbers, in place of the EU's: no request leaves the machine.

    ``numbers`` are those that it knows, with whose they are.
    """

    numbers: Mapping[str, str]
    port: int = field(default_factory=lambda: free_port(None, REGISTER_PORT))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """What everybody who asks it is told."""
        return {"KVITT_VIES_URL": self.url}

    def start(self, children: Processes) -> None:
        command = ["-m", "billing.sandbox.vies", "--port", str(self.port)]
        for number, name in self.numbers.items():
            command += ["--number", f"{number}={name}"]
        children.start("register", *command, env={})
        children.wait_for("register", self.url)


@contextlib.contextmanager
def in_settings(env: Mapping[str, str]) -> Iterator[None]:
    """Tell this process as well what the others are told by their environment."""
    names = {name.removeprefix("KVITT_"): value for name, value in env.items()}
    before = {name: getattr(settings, name) for name in names}
    try:
        for name, value in names.items():
            setattr(settings, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)
