"""The sockets: requests read whole and within bounds, each answered in a thread of its own."""

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from . import pages
from .api import Api
from .refusals import Refusal
from .replies import Reply, Request, error_answer, json_reply
from .till import Till

BODY_BYTES_MAX: Final = 64 * 1024
# So much more is read and thrown away, so that the sender gets to read why it was refused.
DRAIN_BYTES_MAX: Final = 1024 * 1024
IDLE_SECONDS: Final = 10
STOP_SECONDS: Final = 5
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # One request a connection: a body that was not read cannot be taken for the next request.
    "Connection": "close",
}


class Server(ThreadingHTTPServer):
    """Listens at once; ``serve_forever`` answers and ``finish`` ends it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), Handler)
        self.stopping = threading.Event()
        self._at_work = 0
        self._changed = threading.Condition()

    def open(self, till: Till, key: str) -> None:
        """Say whom requests are for; before the first one is answered."""
        self.till, self.api = till, Api(till, key, self.stopping)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        with self._changed:
            self._at_work += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def finish(self) -> None:
        """Listen no more, and wait a while for the requests that are being answered."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._changed:
            self._changed.wait_for(lambda: self._at_work == 0, STOP_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A caller that hangs up is none of our errors.
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection, and the one request on it."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def _serve(self) -> None:
        with self.server.at_work():
            try:
                reply = self._answer(self._request())
            except Refusal as refusal:
                reply = json_reply(refusal.status, error_answer(refusal))
            except Exception:
                self.server.handle_error(self.request, self.client_address)
                trouble = Refusal(500, "internal_error", "The sandbox has made a mistake.")
                reply = json_reply(500, error_answer(trouble))
            self.close_connection = True
            if reply is None:
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._send(reply)

    do_GET = do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, query, headers, self._body())

    def _body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise Refusal(411, "length_required", "Send the body with its Content-Length.")
        given = self.headers.get("Content-Length", "0")
        if not (given.isascii() and given.isdigit() and len(given) < 16):
            raise Refusal(400, "malformed_request", "Content-Length is not a number.")
        length = int(given)
        if length > BODY_BYTES_MAX:
            left = min(length, DRAIN_BYTES_MAX)
            while left > 0 and (chunk := self.rfile.read(min(left, BODY_BYTES_MAX))):
                left -= len(chunk)
            raise Refusal(413, "body_too_large", "A body is 64 kB at most.")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("The body ended early.")
        return body

    def _answer(self, request: Request) -> Reply | None:
        if request.path == "/v1" or request.path.startswith("/v1/"):
            return self.server.api.answer(request)
        if request.path == "/healthz":
            with self.server.till.open():
                return json_reply(200, {"status": "ok"})
        if request.path in pages.FILES:
            return pages.FILES[request.path]
        with self.server.till.open() as gateway:
            return pages.answer(gateway, request)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        sent = {"Content-Type": reply.media_type, "Content-Length": str(len(reply.body))}
        for name, value in (HEADERS | sent | dict(reply.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request at all, in the words of all other refusals."""
        self.close_connection = True
        self.requestline = getattr(self, "requestline", "")
        self.request_version = "HTTP/1.1"
        self.command = getattr(self, "command", None) or "GET"
        says = message or HTTPStatus(code).phrase
        self._send(json_reply(code, error_answer(Refusal(code, "malformed_request", says))))

    def version_string(self) -> str:
        return "Sandbox"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep no log: the addresses of hosted pages are as good as keys."""
