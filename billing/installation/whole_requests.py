"""The web server's worker: a request takes a thread once all of it is there.

Gunicorn's threads read what a client sends as slowly as it sends it, so that some dozen clients
that send a byte a second would take them all. Here the one loop that watches all connections waits
for the whole request, by the kernel's own low-water mark, and gives up on who is too slow. What is
larger than ``HELD_BYTES`` is read by a thread from then on, which has ``PATIENCE_S`` for it. So is
what came in part behind another request. Only half of the threads do so at once.
"""

import contextlib
import errno
import json
import re
import socket
from collections import deque
from functools import partial
from time import monotonic
from typing import Any, Final

from gunicorn.http import errors
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

PATIENCE_S: Final = 20.0
HELD_BYTES: Final = 64 * 1024
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
# What is no request that can be read, for which no address is known: status, code, what to do.
_UNREADABLE: Final = (
    (errors.LimitRequestLine, "414 URI Too Long", "address_too_long", "Make the address shorter."),
    (
        errors.LimitRequestHeaders,
        "431 Request Header Fields Too Large",
        "headers_too_large",
        "Send fewer or shorter headers.",
    ),
    (errors.ExpectationFailed, "417 Expectation Failed", "malformed", "Leave Expect out."),
    (
        errors.UnsupportedTransferCoding,
        "501 Not Implemented",
        "malformed",
        "Send the body whole, with a Content-Length.",
    ),
    (errors.ForbiddenProxyRequest, "403 Forbidden", "forbidden", "This address is not a proxy."),
)
_MALFORMED: Final = ("400 Bad Request", "malformed", "This is not HTTP, or a header is wrong.")
_OURS: Final = (
    errors.ConfigurationProblem,
    errors.InvalidResponseHeader,
    errors.InvalidResponseHeaderName,
)
_EXPECTS: Final = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)


def bytes_wanted(begun: bytes) -> int:
    """How many bytes must be there before a thread can go through the request without waiting."""
    head, end, body = begun.partition(b"\r\n\r\n")
    if not end:
        return min(len(begun) + 1, HELD_BYTES)
    head = head + b"\r\n"
    if _CHUNKED.search(head):
        is_whole = body.endswith(b"0\r\n\r\n")
        return 0 if is_whole else min(len(begun) + 1, HELD_BYTES)
    length = _LENGTH.search(head)
    whole = len(head) + 2 + (int(length[1]) if length else 0)
    return min(whole, HELD_BYTES)


def refusal(error: Exception) -> bytes | None:
    """The whole answer to what cannot be read, as the API writes errors; None where we failed."""
    if not isinstance(error, errors.ParseException) or isinstance(error, _OURS):
        return None
    said = (each[1:] for each in _UNREADABLE if isinstance(error, each[0]))
    status, code, detail = next(said, _MALFORMED)
    problem = {"code": code, "detail": detail, "attr": None}
    body = json.dumps({"type": "client_error", "errors": [problem]})
    return (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode("ascii")


class Patient:
    """A socket for reading until an instant, however little comes at a time."""

    def __init__(self, sock: socket.socket, ends_at: float) -> None:
        self.sock, self.ends_at = sock, ends_at

    def recv(self, size: int) -> bytes:
        """As a socket's; whoever is not done in time is gone."""
        left = self.ends_at - monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
            return self.sock.recv(size)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "The client was too slow.") from error
        finally:
            self.sock.setblocking(True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


class WholeRequests(ThreadWorker):
    """Threads for requests that have arrived; a loop for those that are on their way."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.unfinished: deque[Any] = deque()
        self.threads_that_read = 0

    def accept(self, listener: socket.socket) -> None:
        """Take a connection, and no thread yet."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self._await(TConn(self.cfg, client, address, listener.getsockname()))

    def on_client_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """A connection that was kept brings its next request."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await(conn)
        self._look(conn, client)

    def enqueue_req(self, conn: Any) -> None:
        """A thread for a request that is there; what a thread must read on stands in line."""
        if conn.is_whole:
            conn.is_whole = False
            super().enqueue_req(conn)
            return
        conn.timeout = monotonic() + PATIENCE_S
        self.unfinished.append(conn)
        self._read_on()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread is free again."""
        if conn.is_read_on:
            conn.is_read_on = False
            self.threads_that_read -= 1
        super().finish_request(conn, fs)
        self._read_on()

    def murder_pending(self) -> None:
        """Let go who was too slow, and who stood in line for too long."""
        super().murder_pending()
        while self.unfinished and self.unfinished[0].timeout <= monotonic():
            self.nr_conns -= 1
            self.unfinished.popleft().close()

    def handle(self, conn: Any) -> Any:
        """Read and answer a request, with an end to the reading."""
        conn.sock.setblocking(True)
        conn.init()
        unreader = getattr(conn.parser, "unreader", None)
        if unreader is not None:
            unreader.sock = Patient(conn.sock, monotonic() + PATIENCE_S)
        return super().handle(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Refuse what cannot be read in JSON: programs are told of it, and seldom people."""
        answer = refusal(exc)
        if answer is None:
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("Invalid request from ip=%s: %s", (addr or ("",))[0], exc)
        with contextlib.suppress(OSError):
            write_nonblock(client, answer)

    def _read_on(self) -> None:
        while self.unfinished and self.threads_that_read < max(1, self.cfg.threads // 2):
            conn = self.unfinished.popleft()
            conn.is_read_on = True
            self.threads_that_read += 1
            super().enqueue_req(conn)

    def _await(self, conn: Any) -> None:
        conn.sock.setblocking(False)
        conn.timeout = monotonic() + PATIENCE_S
        conn.bytes_wanted, conn.was_told_to_go_on = 1, False
        conn.is_whole = conn.is_read_on = False
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, 1, partial(self._look, conn))

    def _look(self, conn: Any, client: socket.socket) -> None:
        """Give the connection to a thread if its request is there, or will never be."""
        try:
            begun = client.recv(HELD_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            begun = b""
        wanted = bytes_wanted(begun)
        # Woken before the mark, there is nothing more to come.
        if len(begun) >= conn.bytes_wanted and len(begun) < wanted:
            self._ask_to_go_on(conn, client, begun)
            conn.bytes_wanted = wanted
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
            return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        conn.data_ready = True
        conn.is_whole = len(begun) < HELD_BYTES
        self.enqueue_req(conn)

    def _ask_to_go_on(self, conn: Any, client: socket.socket, begun: bytes) -> None:
        """Who waits for a word before the body gets it here: a thread would wait for the body."""
        head, end, _ = begun.partition(b"\r\n\r\n")
        if end and not conn.was_told_to_go_on and _EXPECTS.search(head):
            conn.was_told_to_go_on = True
            with contextlib.suppress(OSError):
                client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
