"""Where a gateway's hooks arrive over HTTP, for the tests of what it sends."""

import contextlib
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 20


@dataclass
class Shop:
    """Who receives hooks: the statuses it is to answer with, 200 after those, and what came."""

    server: ThreadingHTTPServer
    statuses: "queue.Queue[int]" = field(default_factory=queue.Queue)
    came: "queue.Queue[tuple[dict[str, str], bytes]]" = field(default_factory=queue.Queue)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hooks"

    def event(self) -> Any:
        """The event that comes next."""
        return json.loads(self.came.get(timeout=WAIT_SECONDS)[1])


@contextlib.contextmanager
def open_door(port: int = 0) -> Iterator[Shop]:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            opened.came.put((headers, body))
            with contextlib.suppress(queue.Empty):
                status = 200
                status = opened.statuses.get_nowait()
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Door) as server:
        opened = Shop(server)
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield opened
        finally:
            server.shutdown()
            serving.join()
