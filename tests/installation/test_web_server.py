"""The web server as it is shipped: slow clients take nobody's place, and a reload fails nobody."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from time import monotonic, sleep

import pytest

from billing.installation.whole_requests import HELD_BYTES, PATIENCE_S, bytes_wanted

ROOT = Path(__file__).resolve().parents[2]
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """deploy/gunicorn.conf.py with one process of two threads, and the port that it listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "KVITT_BIND": f"127.0.0.1:{port}",
        "KVITT_WEB_WORKERS": "1",
        "KVITT_WEB_THREADS": "2",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]
    process = subprocess.Popen(
        [*command, "tests.installation.small_site"], cwd=ROOT, env=environment
    )
    until = monotonic() + 60
    while monotonic() < until:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        sleep(0.1)
    yield process, port
    process.terminate()
    process.wait(60)


def ask(port: int, body: bytes = b"") -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/", body)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST / HTTP/1.1\r\nHost: x\r\n",
        POST + b"a",
        POST.replace(b"Content-Length: 5000", b"Transfer-Encoding: chunked") + b"5\r\nab",
        POST.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"),
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk", "waits for a word"],
)
def test_slow_clients_take_no_thread(
    server: tuple[subprocess.Popen[bytes], int], begun: bytes
) -> None:
    _, port = server
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for client in slow:
        client.sendall(begun)
    # Were a thread taken, this would be answered when the patience for the others is over.
    slow[0].settimeout(0)
    assert ask(port) == b"0"
    assert ask(port, b"x" * 200_000) == b"200000"
    with contextlib.suppress(BlockingIOError):
        assert slow[0].recv(100) in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    for client in slow:
        client.close()
    assert ask(port) == b"0"


@pytest.mark.parametrize(
    "begun",
    [
        POST.replace(b"5000", b"200000") + b"x" * 70_000,
        POST.replace(b"5000", b"1") + b"x" + POST + b"a",
    ],
    ids=["more than is held", "a part behind a whole one"],
)
def test_slow_clients_whom_a_thread_must_read_leave_half_of_the_threads(
    server: tuple[subprocess.Popen[bytes], int], begun: bytes
) -> None:
    _, port = server
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for client in slow:
        client.sendall(begun)
    sleep(1)
    began = monotonic()
    assert ask(port, b"x" * 5000) == b"5000"
    assert monotonic() - began < PATIENCE_S / 2
    for client in slow:
        client.close()
    assert ask(port, b"x" * 200_000) == b"200000"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "address_too_long"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/9\r\n\r\n", 400, "malformed"),
    ],
    ids=["long address", "long header", "bad length", "bad name", "bad version"],
)
def test_what_cannot_be_read_is_refused_in_json(
    server: tuple[subprocess.Popen[bytes], int], sent: bytes, status: int, code: str
) -> None:
    _, port = server
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(sent)
        answer = HTTPResponse(client)
        answer.begin()
        said = json.loads(answer.read())
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert (said["type"], said["errors"][0]["code"]) == ("client_error", code)
    assert ask(port) == b"0"


def test_what_comes_byte_by_byte_is_answered(server: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = server
    with socket.create_connection(("127.0.0.1", port)) as client:
        for byte in POST.replace(b"5000", b"3") + b"abc":
            client.sendall(bytes([byte]))
            sleep(0.005)
        client.settimeout(60)
        answer = client.recv(1000)
        while not answer.endswith(b"3"):
            answer += client.recv(1000)
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_connection_that_is_kept_brings_many_requests(
    server: tuple[subprocess.Popen[bytes], int],
) -> None:
    connection = HTTPConnection("127.0.0.1", server[1], timeout=60)
    for size in (0, 10, 70_000, 1):
        connection.request("POST", "/", b"x" * size)
        assert connection.getresponse().read() == str(size).encode()
    connection.close()


def test_a_reload_fails_nobody(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = server
    failed, answered, ends = list[str](), list[bytes](), threading.Event()

    def keep_asking() -> None:
        while not ends.is_set():
            try:
                answered.append(ask(port, b"abc"))
            except Exception as error:
                failed.append(repr(error))

    asking = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in asking:
        thread.start()
    for _ in range(2):
        sleep(1)
        process.send_signal(signal.SIGHUP)
    sleep(3)
    ends.set()
    for thread in asking:
        thread.join()
    assert failed == []
    assert set(answered) == {b"3"}


def test_what_is_wanted_is_the_whole_request_up_to_what_is_held() -> None:
    assert bytes_wanted(POST) == len(POST) + 5000
    assert bytes_wanted(POST.replace(b"5000", b"5000000")) == HELD_BYTES
    assert bytes_wanted(b"GET / HTTP/1.1\r\n\r\n") == 18
    assert bytes_wanted(b"x" * HELD_BYTES) == HELD_BYTES
