"""Sending one webhook over the network: knows no database, and may run in any thread.

Everything is held to one deadline, however slowly the other side takes or gives its bytes; no
redirect is followed, and of an answer no more is read than we are willing to keep in memory.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from billing.outbound.answers import Heard, left
from billing.outbound.gate import Pass
from billing.webhooks.addresses import AddressRefused, SocketAddress, Target, resolve, target_of

ANSWER_BYTES_MAX = 64 * 1024
EXCERPT_MAX = 500
USER_AGENT = "Kvitt-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of sending: a status, or the reason why there is none."""

    status: int | None = None
    excerpt: str = ""
    error: str = ""
    milliseconds: int = 0

    @property
    def is_taken(self) -> bool:
        """The receiver has it: any 2xx, heard to its end."""
        return not self.error and self.status is not None and 200 <= self.status < 300


def send(
    allowed: Pass, url: str, headers: Mapping[str, str], body: bytes, seconds_max: float = 15
) -> Answer:
    """Post a body, with the gate's pass; what the receiver does wrong, the answer tells."""
    began = time.monotonic()
    deadline = began + seconds_max
    status, excerpt, error = None, "", ""
    try:
        target = target_of(url)
        with _connected(target, deadline) as connection:
            status, excerpt = _exchange(connection, target, headers, body, deadline)
    except AddressRefused as refused:
        error = refused.message
    except TimeoutError:
        error = f"No whole answer within {seconds_max:g} seconds."
    except socket.gaierror:
        error = "The host name does not resolve."
    except ssl.SSLCertVerificationError as failed:
        error = f"The certificate is not trusted: {failed.verify_message}."
    except (OSError, http.client.HTTPException) as failed:
        error = f"The connection failed: {type(failed).__name__}: {failed}"
    if status is not None and 300 <= status < 400:
        error = f"It answered with a redirect ({status}); redirects are not followed."
    milliseconds = round((time.monotonic() - began) * 1000)
    return Answer(status, excerpt, _plain(error)[:EXCERPT_MAX], milliseconds)


def _connected(target: Target, deadline: float) -> socket.socket:
    """A connection to an address that was checked, with the certificate checked for the name."""
    failed: OSError | None = None
    for family, address in _resolved(target, deadline):
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(left(deadline))
            plain.connect(address)
            if not target.is_secure:
                return plain
            # Certificates that this machine trusts, or SSL_CERT_FILE names.
            context = ssl.create_default_context()
            plain.settimeout(left(deadline))
            return context.wrap_socket(plain, server_hostname=target.host)
        except OSError as error:
            plain.close()
            failed = error
            if isinstance(error, TimeoutError | ssl.SSLError):
                break
    raise failed or OSError("The host name has no address.")


def _resolved(target: Target, deadline: float) -> Sequence[SocketAddress]:
    """Where the target is, asked in a thread that can be left: the system knows no deadline."""
    told: Future[Sequence[SocketAddress]] = Future()

    def ask() -> None:
        try:
            told.set_result(resolve(target))
        except Exception as error:
            told.set_exception(error)

    threading.Thread(target=ask, name="webhook name", daemon=True).start()
    return told.result(left(deadline))


def _exchange(
    connection: socket.socket,
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    deadline: float,
) -> tuple[int, str]:
    lines = {
        "Host": target.host_header,
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    request = f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body
    sent = 0
    while sent < len(request):
        connection.settimeout(left(deadline))
        sent += connection.send(request[sent : sent + ANSWER_BYTES_MAX])
    # As much again for the head, which the parser would read to millions of bytes.
    heard = Heard(connection, deadline, 2 * ANSWER_BYTES_MAX)
    with http.client.HTTPResponse(heard, method="POST") as answer:  # type: ignore[arg-type]
        answer.begin()
        content = answer.read(ANSWER_BYTES_MAX)
    return answer.status, _plain(content.decode(errors="replace"))[:EXCERPT_MAX]


def _plain(text: str) -> str:
    """Without what a database or a terminal would choke on."""
    return "".join(each if each.isprintable() or each in "\n\t" else "�" for each in text)
