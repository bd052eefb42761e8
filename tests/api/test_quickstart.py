"""Every snippet of docs/quickstart.md, run in order as a reader would, against a live server."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.subscriptions.models import Subscription
from billing.usage.models import UsageRecord
from billing.webhooks.models import WebhookDelivery
from customers.models import Seller, TestClock

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Path(settings.BASE_DIR) / "docs" / "quickstart.md"
BLOCK = re.compile(r"^```(sh|python)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DONE = "@@ done"


@dataclass(frozen=True)
class Snippet:
    language: str
    file: str
    text: str


def snippets() -> list[Snippet]:
    return [Snippet(*found) for found in BLOCK.findall(PAGE.read_text())]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(leader: "subprocess.Popen[bytes]") -> None:
    """End a process and those that it has started, which are one group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait(30)


@dataclass
class Reader:
    """Somebody who follows the page in a shell of their own, in a folder of their own."""

    folder: Path
    ports: dict[str, str]
    env: dict[str, str]

    def script(self) -> str:
        """The page's shell snippets, each told apart by a line; files are written beforehand."""
        parts = ["set -euo pipefail"]
        for number, snippet in enumerate(snippets()):
            text = snippet.text
            for usual, taken in self.ports.items():
                text = text.replace(usual, taken)
            if snippet.language == "python":
                assert snippet.file, "a Python snippet says which file it is"
                (self.folder / snippet.file).write_text(text)
            else:
                manage = Path(settings.BASE_DIR) / "manage.py"
                parts += [text.replace("manage.py", str(manage)), f"echo; echo '{DONE} {number}'"]
        # What was started in the background ends with the page.
        return "\n".join([*parts, "kill %1"])

    def follow(self) -> str:
        log = self.folder / "said.txt"
        with log.open("w") as said:
            shell = subprocess.Popen(
                ["bash", "-c", self.script()],
                cwd=self.folder,
                env=self.env,
                stdout=said,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        try:
            code = shell.wait(timeout=150)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            end(shell)
        text = log.read_text()
        assert code == 0, text[-3000:]
        return text


@pytest.fixture
def env() -> dict[str, str]:
    """What every process of the test is told: the database of the test, and of the reader's."""
    address, question, options = settings.DATABASE_URL.partition("?")
    name = connection.settings_dict["NAME"]
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "billing.settings",
        "DATABASE_URL": f"{address.rpartition('/')[0]}/{name}{question}{options}",
        "KVITT_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
        "KVITT_LOG_LEVEL": "ERROR",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.fixture
def port(env: dict[str, str]) -> Iterator[int]:
    """The web server, as the demo runs it."""
    port = free_port()
    command = ["-m", "gunicorn", "billing.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    server = subprocess.Popen(
        [sys.executable, *command, "--log-level", "warning"], cwd=settings.BASE_DIR, env=env
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    server.terminate()
    server.wait(30)


@pytest.fixture
def worker(env: dict[str, str]) -> Iterator[None]:
    """Ticks one after the other, as the worker's are, but without a minute between them."""
    loop = "while sleep 0.5; do python manage.py tick > /dev/null 2>&1 || true; done"
    ticking = subprocess.Popen(
        ["bash", "-c", loop], cwd=settings.BASE_DIR, env=env, process_group=0
    )
    yield
    end(ticking)


def test_every_snippet_of_the_quickstart_does_what_the_page_says(
    tmp_path: Path, env: dict[str, str], port: int, worker: None
) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    ports = {"127.0.0.1:8000": f"127.0.0.1:{port}", "8002": str(free_port())}
    said = Reader(folder, ports, env).follow()
    shells = [n for n, snippet in enumerate(snippets()) if snippet.language == "sh"]
    assert [int(n) for n in re.findall(rf"{DONE} (\d+)", said)] == shells
    # What the page says that one sees.
    assert "\n12500\n" in said
    assert "/pay/c/" in said
    assert (folder / "invoice.pdf").read_bytes().startswith(b"%PDF-")
    received = (folder / "received.txt").read_text()
    for type in ("webhook_endpoint.tested", "invoice.finalized", "test_clock.advanced"):
        assert type in received
    assert "Refused: not_found There is no such plan. plan" in said
    assert "\n1 subscription.started\n2 subscription.changed\n" in said
    # What has come of it.
    seller = Seller.objects.get(name="My shop")
    assert TestClock.objects.get(seller=seller).advancing_to is None
    assert Subscription.objects.filter(seller=seller).count() == 2
    assert UsageRecord.objects.count() == 4
    first = Invoice.objects.filter(seller=seller, customer__external_id="1001", kind="invoice")
    renewed = first.order_by("-sequence")[0]
    calls = renewed.lines.get(price__code="calls")
    assert calls.amount_minor == 2500  # 500 calls beyond the first thousand.
    assert not WebhookDelivery.objects.filter(state="dead").exists()
    assert Event.objects.filter(type="test_clock.advanced").count() == 1
