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
from billing.sandbox.cards import TEST_CARDS
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

    @property
    def is_of_the_page(self) -> bool:
        """Whether the reader types it, and not who runs the server."""
        return self.language == "python" or not self.file


def snippets() -> list[Snippet]:
    return [Snippet(*found) for found in BLOCK.findall(PAGE.read_text())]


def server_script(name: str, ports: dict[str, str], folder: Path) -> str:
    """What the page has one type in a terminal of the server: the settings, and the process."""
    written = {snippet.file: snippet.text for snippet in snippets() if snippet.language == "sh"}
    text = written["settings"] + "exec " + written[name]
    for usual, taken in ports.items():
        text = text.replace(usual, taken)
    text = text.replace("$PWD/.venv/bin", str(Path(sys.executable).parent))
    return "set -euo pipefail\n" + text.replace("var/sandbox", f"{folder}/sandbox")


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
            elif snippet.is_of_the_page:
                text = text.replace("$PWD/.venv/bin", str(Path(sys.executable).parent))
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
            code = shell.wait(timeout=300)
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
def ports() -> dict[str, str]:
    """What the page writes, and what it is here: others may have taken those."""
    web, receiver, sandbox = (str(free_port()) for _ in range(3))
    return {"127.0.0.1:8000": f"127.0.0.1:{web}", "8002": receiver, "8099": sandbox}


@pytest.fixture
def servers(
    tmp_path: Path, env: dict[str, str], ports: dict[str, str]
) -> "Iterator[dict[str, subprocess.Popen[bytes]]]":
    """Web server, worker and sandbox, as the page says that one starts them."""
    # The settings are the page's own, but for the database.
    env = {name: value for name, value in env.items() if name != "KVITT_WEBHOOK_ALLOWED_HOSTS"}
    started = {
        name: subprocess.Popen(
            ["bash", "-c", server_script(name, ports, tmp_path)],
            cwd=settings.BASE_DIR,
            env=env,
            stdout=subprocess.DEVNULL,
            process_group=0,
        )
        for name in ("web", "worker", "sandbox")
    }
    listening = [int(ports["127.0.0.1:8000"].rpartition(":")[2]), int(ports["8099"])]
    deadline = time.monotonic() + 90
    for port in listening:
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
    yield started
    # The worker's processes are not of its group: it ends them, when their work in hand is done.
    for process in started.values():
        process.terminate()
    for process in started.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(120)
        end(process)


@pytest.fixture
def ticks(env: dict[str, str]) -> Iterator[None]:
    """Ticks beside the worker's, without a minute between them."""
    loop = "while sleep 0.5; do python manage.py tick > /dev/null 2>&1 || true; done"
    ticking = subprocess.Popen(
        ["bash", "-c", loop], cwd=settings.BASE_DIR, env=env, process_group=0
    )
    yield
    end(ticking)


def test_every_snippet_of_the_quickstart_does_what_the_page_says(
    tmp_path: Path,
    env: dict[str, str],
    ports: dict[str, str],
    servers: "dict[str, subprocess.Popen[bytes]]",
    ticks: None,
) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    said = Reader(folder, ports, env).follow()
    shells = [
        n
        for n, snippet in enumerate(snippets())
        if snippet.language == "sh" and snippet.is_of_the_page
    ]
    assert [int(n) for n in re.findall(rf"{DONE} (\d+)", said)] == shells
    assert {name: process.poll() for name, process in servers.items()} == dict.fromkeys(servers)
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


def test_nothing_on_the_page_waits_for_ever() -> None:
    text = "".join(snippet.text for snippet in snippets())
    assert "until " not in text and "while " not in text


def test_the_page_names_the_cards_that_the_sandbox_knows() -> None:
    named = re.findall(r"^\| `([\d ]{19})` \|", PAGE.read_text(), re.MULTILINE)
    assert {number.replace(" ", "") for number in named} == set(TEST_CARDS)
