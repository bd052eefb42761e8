"""A server whose answers come a byte at a time, and that notes whether it was heard to the end."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Each byte comes long before anybody's patience with one is over, all of them long after.
BYTE_SECONDS, BYTES = 0.05, 120


class _Drips(socketserver.StreamRequestHandler):
    server: "Dripping"

    def handle(self) -> None:
        if self.server.waits_for_a_question:
            self.request.recv(65536)
        self.wfile.write(self.server.before)
        try:
            for _ in range(BYTES):
                self.wfile.write(self.server.drop)
                time.sleep(BYTE_SECONDS)
        except OSError:
            return
        self.server.was_heard_out.set()


class Dripping(socketserver.ThreadingTCPServer):
    """Says ``before``, and then one ``drop`` after another."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, before: bytes, drop: bytes, *, waits_for_a_question: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Drips)
        self.before, self.drop = before, drop
        self.waits_for_a_question = waits_for_a_question
        self.was_heard_out = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def dripping(before: bytes, drop: bytes = b" ", **options: Any) -> Iterator[Dripping]:
    """The server; at the end of the block it has said all that anybody would hear."""
    server = Dripping(before, drop, **({"waits_for_a_question": True} | options))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
