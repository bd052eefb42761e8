"""One request over the wire, to receivers of every kind; and TLS against a real server."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from billing.outbound.gate import Kind, Pass
from billing.webhooks.sending import EXCERPT_MAX, send
from tests.webhooks.receiving import RunningReceiver

PASS = Pass(Kind.WEBHOOK)

HEADERS = {"webhook-id": "evt_1", "webhook-signature": "v1,abc"}


def test_a_taken_body_arrives_as_it_was_sent(receiver: RunningReceiver) -> None:
    body = '{"name":"Åsa Öberg"}'.encode()
    answer = send(PASS, receiver.url("ok?shop=1"), HEADERS, body)
    assert (answer.is_taken, answer.status, answer.error) == (True, 200, "")
    (got,) = receiver.got
    assert (got.path, got.body.encode(), got.id) == ("/ok?shop=1", body, "evt_1")
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [201, 204, 299])
def test_any_2xx_is_taken(receiver: RunningReceiver, status: int) -> None:
    assert send(PASS, receiver.url(str(status)), HEADERS, b"{}").is_taken


@pytest.mark.parametrize("status", [199, 400, 401, 404, 410, 429, 500, 503])
def test_nothing_else_is(receiver: RunningReceiver, status: int) -> None:
    answer = send(PASS, receiver.url(str(status)), HEADERS, b"{}", seconds_max=2)
    assert not answer.is_taken


def test_a_redirect_is_not_followed(receiver: RunningReceiver) -> None:
    answer = send(PASS, receiver.url("redirect"), HEADERS, b"{}")
    assert not answer.is_taken
    assert "redirects are not followed" in answer.error
    assert [got.manner for got in receiver.got] == ["redirect"]


@pytest.mark.parametrize("manner", ["hang", "loris", "drip"])
def test_whoever_takes_too_long_is_left_however_alive_they_seem(
    receiver: RunningReceiver, manner: str
) -> None:
    began = time.monotonic()
    answer = send(PASS, receiver.url(manner), HEADERS, b"{}", seconds_max=1)
    assert not answer.is_taken
    assert "within 1 seconds" in answer.error
    assert time.monotonic() - began < 10


def test_a_name_that_does_not_answer_is_left_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of a name is its owner's as well, and the system waits for it half a minute."""
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **options: [ended.wait(20)][:0])
    began = time.monotonic()
    answer = send(PASS, "https://slow.example/", HEADERS, b"{}", seconds_max=1)
    assert "within 1 seconds" in answer.error
    assert time.monotonic() - began < 10
    ended.set()


def test_a_receiver_that_does_not_read_is_left_too(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        answer = send(PASS, url, HEADERS, b"a" * 20_000_000, seconds_max=1)
    assert "within 1 seconds" in answer.error


def test_of_a_long_answer_the_beginning_is_kept_in_plain_characters(
    receiver: RunningReceiver,
) -> None:
    answer = send(PASS, receiver.url("big"), HEADERS, b"{}")
    assert answer.is_taken
    assert answer.excerpt == "�a" * (EXCERPT_MAX // 2)


@pytest.mark.parametrize("manner", ["head", "noise", "close"])
def test_what_is_no_answer_is_a_failure_in_words(receiver: RunningReceiver, manner: str) -> None:
    answer = send(PASS, receiver.url(manner), HEADERS, b"{}", seconds_max=5)
    assert not answer.is_taken
    assert answer.error.startswith("The connection failed: ")
    assert "\x00" not in answer.error


def test_nobody_at_home_is_a_failure(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "refused" in send(PASS, f"http://127.0.0.1:{port}/", HEADERS, b"{}").error


# TLS


def certificate(
    names: list[str],
    days: int = 2,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for some names; an authority's where there is no issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    ends = now + datetime.timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, ends) - datetime.timedelta(days=1))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
    )
    if issuer is None:
        usage = dict.fromkeys(
            "content_commitment key_encipherment data_encipherment key_agreement encipher_only "
            "decipher_only".split(),
            False,
        )
        signs = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage)
        made = made.add_extension(signs, True)
    public = (issuer[1] if issuer else key).public_key()
    made = made.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    return made.sign(issuer[1] if issuer else key, hashes.SHA256()), key


class Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    return certificate(["Authority of a test"])


@pytest.fixture
def trusted(
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This machine trusts the authority for the time of the test."""
    path = tmp_path / "authority.pem"
    path.write_bytes(authority[0].public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    settings.WEBHOOK_ALLOWED_HOSTS = ["localhost", "127.0.0.1"]


def serving(
    folder: Path, made: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
) -> Iterator[int]:
    (folder / "cert.pem").write_bytes(made[0].public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        made[1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = HTTPServer(("127.0.0.1", 0), Taker)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("names", "days", "is_ours", "host", "error"),
    [
        (["localhost"], 2, True, "localhost", ""),
        (["elsewhere.example"], 2, True, "localhost", "Hostname mismatch"),
        (["localhost"], 2, True, "127.0.0.1", "IP address mismatch"),
        (["localhost"], -1, True, "localhost", "expired"),
        (["localhost"], 2, False, "localhost", "certificate"),
    ],
    ids=["right", "another name", "the number", "expired", "another authority"],
)
def test_the_certificate_is_checked_for_the_name_that_was_written(
    trusted: None,
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    tmp_path: Path,
    names: list[str],
    days: int,
    is_ours: bool,
    host: str,
    error: str,
) -> None:
    issuer = authority if is_ours else certificate(["Somebody"])
    for port in serving(tmp_path, certificate(names, days, issuer)):
        answer = send(PASS, f"https://{host}:{port}/", HEADERS, b"{}")
        assert answer.is_taken is not bool(error)
        if error:
            assert answer.error.startswith("The certificate is not trusted")
            assert error in answer.error
        else:
            assert answer.excerpt == f"localhost:{port}"
