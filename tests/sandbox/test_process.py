import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from billing.sandbox.store import Store
from tests.sandbox.process import RunningSandbox, running_sandbox


def start(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "billing.sandbox", *arguments],
        env={"PATH": ""},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_it_ends_cleanly_when_it_is_told_to(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with running_sandbox(tmp_path) as sandbox:
            sandbox.card("ends")
            sandbox.process.send_signal(number)
            assert sandbox.process.wait(10) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["sandbox.sqlite3"]


def test_it_answers_what_it_has_begun_before_it_ends(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        customer, method = sandbox.card("begun")
        asked = {"customer": customer, "payment_method": method, "reference": "begun"}
        body = asked | {"amount_minor": 19900, "currency": "SEK"}
        sandbox.fault("slow", seconds=60)
        statuses = list[int]()
        slow = threading.Thread(
            target=lambda: statuses.append(sandbox.post("/charges", body).status_code)
        )
        slow.start()
        sandbox.wait_for_faults()
        assert sandbox.stop() == 0
        slow.join()
        assert statuses == [201]


def test_what_it_knows_outlives_it(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        customer, method = sandbox.card("outlives")
        sandbox.stop()
        sandbox.start()
        assert sandbox.get(f"/payment_methods/{method}").json()["customer"] == customer


def test_a_second_process_on_its_database_is_refused(sandbox: RunningSandbox) -> None:
    refused = start("--port", "0", "--database", str(sandbox.database), "--key", "k")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"Another sandbox has {sandbox.database} open; give each one its own.\n"
    )
    assert sandbox.get("/events").status_code == 200


def test_a_port_that_is_taken_is_told(sandbox: RunningSandbox, tmp_path: Path) -> None:
    port = sandbox.url.rpartition(":")[2]
    refused = start("--port", port, "--database", str(tmp_path / "other.sqlite3"), "--key", "k")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Cannot listen on 127.0.0.1:{port}: ")


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear reader, this is no database.\n" * 40)
    for path in (tmp_path / "letter.txt", tmp_path / "missing" / "folder.sqlite3"):
        refused = start("--port", "0", "--database", str(path), "--key", "k")
        assert refused.returncode == 1
        assert str(path) in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_file_of_before_gets_the_columns_that_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    Store(path).close()
    with closing(sqlite3.connect(path)) as old:
        old.execute("ALTER TABLE sessions DROP COLUMN shop")
        old.execute("ALTER TABLE charges DROP COLUMN metadata")
    for _ in range(2):
        Store(path).close()
    with closing(sqlite3.connect(path)) as opened:
        assert opened.execute("SELECT shop FROM sessions").fetchall() == []
        assert opened.execute("SELECT metadata FROM charges").fetchall() == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--key", ""),
        ("--key", "k", "--port", "70000"),
        ("--key", "k", "--hook-url", "http://127.0.0.1/hooks"),
        ("--key", "k", "--hook-url", "file:///etc/passwd", "--hook-secret", "s"),
    ],
)
def test_it_does_not_start_half_told(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    refused = start("--database", str(tmp_path / "a.sqlite3"), *arguments)
    assert refused.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_its_key_and_secret_need_not_stand_in_the_list_of_processes(
    sandbox: RunningSandbox,
) -> None:
    listed = Path(f"/proc/{sandbox.process.pid}/cmdline").read_text()
    assert "billing.sandbox" in listed
    assert sandbox.key not in listed
    assert sandbox.hook_secret not in listed
