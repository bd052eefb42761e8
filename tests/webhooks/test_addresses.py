"""Where webhooks may go: no way of writing an address leads inside."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from billing.outbound.gate import Kind, Pass
from billing.webhooks import addresses, sending
from billing.webhooks.addresses import AddressRefused, is_public, resolve, target_of
from billing.webhooks.sending import send

PASS = Pass(Kind.WEBHOOK)

# Ways to write an address of ours, or of a neighbour; "{port}" is where the canary listens.
INSIDE = r"""
https://127.0.0.1:{port}/
https://127.0.0.1/
https://127.1:{port}/
https://127.0.1:{port}/
https://127.0.0.1.:{port}/
https://2130706433:{port}/
https://017700000001:{port}/
https://0177.0.0.1:{port}/
https://0177.0.0.01:{port}/
https://0x7f.0.0.1:{port}/
https://0x7f000001:{port}/
https://0x7f.1:{port}/
https://0X7F.0X0.0X0.0X1:{port}/
https://127.0.0.1%2f:{port}/
https://127.0.0.01:{port}/
https://0.0.0.0:{port}/
https://0:{port}/
https://0x0:{port}/
https://localhost:{port}/
https://LOCALHOST:{port}/
https://localhost.:{port}/
https://localhost.localdomain:{port}/
https://ip6-localhost:{port}/
https://[::1]:{port}/
https://[::]:{port}/
https://[0:0:0:0:0:0:0:1]:{port}/
https://[::ffff:127.0.0.1]:{port}/
https://[::ffff:7f00:1]:{port}/
https://[0:0:0:0:0:ffff:127.0.0.1]:{port}/
https://[::127.0.0.1]:{port}/
https://[64:ff9b::127.0.0.1]:{port}/
https://[64:ff9b::7f00:1]:{port}/
https://[64:ff9b:1::7f00:1]:{port}/
https://[2002:7f00:1::]:{port}/
https://[2001:0:7f00:1::]:{port}/
https://[fe80::1]:{port}/
https://[fe80::1%25lo]:{port}/
https://[fec0::1]/
https://[fc00::1]/
https://[fd00:ec2::254]/
https://[ff02::1]/
https://[2001:db8::1]/
https://[100::1]/
https://[::ffff:169.254.169.254]/
https://169.254.169.254/latest/meta-data/
https://169.254.170.2/
https://2852039166/
https://0xa9fea9fe/
https://0251.0376.0251.0376/
https://168.63.129.16/
https://100.100.100.200/
https://192.0.0.192/
https://10.0.0.1/
https://10.255.255.255/
https://172.16.0.1/
https://172.31.255.255/
https://192.168.1.1/
https://100.64.0.1/
https://198.18.0.1/
https://192.0.2.1/
https://203.0.113.7/
https://192.88.99.1/
https://224.0.0.1/
https://239.1.1.1/
https://240.0.0.1/
https://255.255.255.255/
http://127.0.0.1:{port}/
http://example.com/
http://example.com:443/
ftp://127.0.0.1:{port}/
file:///etc/passwd
gopher://127.0.0.1:{port}/
https://example.com@127.0.0.1:{port}/
https://127.0.0.1:{port}@example.com/
https://user:secret@example.com/
https://example.com#@127.0.0.1:{port}/
https://example.com\@127.0.0.1:{port}/
https://127.0.0.1\.example.com:{port}/
https://example.com:22/
https://example.com:80/
https://example.com:0/
https://example.com:99999/
https://①②⑦.⓪.⓪.①:{port}/
https://127。0。0。1:{port}/
https://ⓛocalhost:{port}/
https://exa mple.com/
https://-example.com/
https://example..com/
https://intranet/
https:///path
https://
//127.0.0.1:{port}/
127.0.0.1:{port}
javascript:alert(1)
"""
WITH_CONTROLS = (
    "https://example.com/\r\nHost: 127.0.0.1",
    "https://example.com/\tpath",
    "https://example.com/\x00",
    "\nhttps://example.com/",
)


def corpus(port: int) -> list[str]:
    lines = INSIDE.replace("{port}", str(port)).strip().splitlines()
    return [*lines, *WITH_CONTROLS]


@pytest.fixture
def canary() -> Iterator[socket.socket]:
    """Listens on every address of this machine that there is, and must never be spoken to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def hits(canary: socket.socket) -> int:
    count = 0
    while True:
        try:
            canary.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_no_way_of_writing_an_address_leads_inside(
    canary: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = canary.getsockname()[1]
    # Any port is allowed here, so that it is the address alone that is refused.
    monkeypatch.setattr(addresses, "PORTS", {443, port})
    urls = corpus(port)
    assert len(urls) >= 80
    for url in urls:
        answer = send(PASS, url, {}, b"{}", seconds_max=2)
        assert (answer.status, bool(answer.error)) == (None, True), url
    assert hits(canary) == 0


# Names that a resolver may know or not; what they lead to is refused all the same.
NAMES = ("localhost.localdomain",)


@pytest.mark.parametrize("url", corpus(8443))
def test_each_is_refused_before_anybody_connects(url: str) -> None:
    """And not by chance, because there was no way to it."""
    try:
        resolve(target_of(url))
    except AddressRefused:
        return
    except socket.gaierror:
        assert any(name in url for name in NAMES)
        return
    pytest.fail("it would have been connected to")


def test_the_canary_hears_whom_it_should(canary: socket.socket, settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    send(PASS, f"http://127.0.0.1:{canary.getsockname()[1]}/", {}, b"{}", seconds_max=0.2)
    assert hits(canary) == 1


def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answers(*ips: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ips]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)

    target = target_of("https://shop.example/hook")
    answers("93.184.215.14")
    assert resolve(target) == [(socket.AF_INET, ("93.184.215.14", 443))]
    for ips in (("127.0.0.1",), ("93.184.215.14", "10.0.0.1"), ("169.254.169.254",)):
        answers(*ips)
        with pytest.raises(AddressRefused, match="not an address on the internet"):
            resolve(target)


def test_a_name_that_answers_differently_the_second_time_gains_nothing(
    canary: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes to the address that was checked, and the name is asked once."""
    port, asked, dialed = canary.getsockname()[1], [], []
    monkeypatch.setattr(addresses, "PORTS", {port})

    def rebinding(host: str, to_port: int, **options: Any) -> list[Any]:
        asked.append(host)
        ip = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, to_port))]

    class Dialing(socket.socket):
        def connect(self, address: Any) -> None:
            dialed.append(address)
            if address[0] != "127.0.0.1":
                raise ConnectionRefusedError("no way out of a test")
            super().connect(address)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(sending.socket, "socket", Dialing)
    answer = send(PASS, f"https://rebind.example:{port}/", {}, b"{}", seconds_max=1)
    assert "ConnectionRefusedError" in answer.error
    assert asked == ["rebind.example"]
    assert dialed == [("93.184.215.14", port)]
    assert hits(canary) == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/hooks?shop=1",
        "https://shop.example.co.uk:8443/a/b",
        "https://xn--bcher-kva.example/",
        "https://93.184.215.14/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    ],
)
def test_public_addresses_are_taken(url: str) -> None:
    assert target_of(url).is_secure


def test_a_host_that_is_allowed_inside_is_taken_on_any_port_and_no_other(
    settings: Settings,
) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    assert target_of("http://127.0.0.1:8002/hook").path == "/hook"
    assert target_of("https://localhost:8002").host_header == "localhost:8002"
    for other in ("http://127.0.0.2:8002/", "http://example.com/", "ftp://localhost/"):
        with pytest.raises(AddressRefused):
            target_of(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8.8.8.8", True),
        ("2a00:1450:400f::1", True),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::808:808", False),
        ("224.0.1.1", False),
        ("not an address", False),
    ],
)
def test_public_is_what_anybody_can_be_reached_at(text: str, expected: bool) -> None:
    assert is_public(text) is expected


def test_threads_share_nothing(canary: socket.socket) -> None:
    urls = corpus(canary.getsockname()[1])[:16]
    threads = [threading.Thread(target=send, args=(PASS, url, {}, b"{}", 2)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hits(canary) == 0
