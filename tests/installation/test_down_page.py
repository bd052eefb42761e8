"""What a browser is shown while no process of Kvitt answers: a file that the proxy has."""

import contextlib
import getpass
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.visible import texts_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "deploy/down.html").read_text()
PROXIES = ("Caddyfile", "nginx.conf")


def test_it_loads_nothing_that_nobody_would_answer() -> None:
    assert re.findall(r"\b(?:src|href|action)=|url\(|@import|<script", PAGE) == []


def test_it_says_in_both_languages_what_to_do() -> None:
    said = " ".join(texts_of(PAGE))
    assert "Wait a minute, then reload the page." in said
    assert "Vänta en minut och ladda sedan om sidan." in said
    assert 'lang="sv"' in PAGE


@pytest.mark.parametrize("proxy", PROXIES)
def test_each_proxy_shows_it_as_a_fault_that_passes(proxy: str) -> None:
    shipped = (ROOT / "deploy" / proxy).read_text()
    assert "/srv/kvitt/deploy" in shipped
    assert "/down.html" in shipped
    assert "Retry-After 60" in shipped
    assert re.search(r"status 503|=503", shipped)


def test_the_manual_shows_nginx_as_it_is_shipped() -> None:
    shipped = (ROOT / "deploy/nginx.conf").read_text()
    locations = shipped[shipped.index("    location / {") :]
    assert locations in (ROOT / "docs/operations.md").read_text()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[int]:
    """The port of an nginx with the locations that are shipped, before a port that is closed."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    shipped = (ROOT / "deploy/nginx.conf").read_text()
    locations = shipped[shipped.index("    location / {") :]
    locations = locations.replace("127.0.0.1:8000", f"127.0.0.1:{free_port()}")
    locations = locations.replace("/srv/kvitt/deploy", str(tmp_path))
    shutil.copy(ROOT / "deploy/down.html", tmp_path)
    port = free_port()
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        # Started by root its worker would be another's, who may not look into the folder.
        f"user {getpass.getuser()}; daemon off; pid {tmp_path}/pid; error_log {tmp_path}/errors;\n"
        "events {}\n"
        f"http {{ access_log off; {temporary}\nserver {{ listen 127.0.0.1:{port};\n{locations} }}\n"
    )
    process = subprocess.Popen([program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    until = monotonic() + 20
    while monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        sleep(0.1)
    yield port
    process.terminate()
    process.wait(20)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/portal/home/", "/admin/"])
def test_nginx_shows_it_at_every_address_while_nothing_answers(
    nginx: int, method: str, path: str
) -> None:
    connection = HTTPConnection("127.0.0.1", nginx, timeout=20)
    connection.request(method, path, b"a=1" if method == "POST" else None)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (503, "60")
    assert answer.getheader("Content-Type", "").startswith("text/")
    assert "Strax tillbaka" in answer.read().decode()
    connection.close()
