"""A receiver of webhooks as a process of its own, as good or bad as the path says.

``/ok`` takes all, ``/500`` refuses, ``/410`` is gone, ``/redirect`` leads elsewhere, ``/hang``
never answers, ``/loris`` a byte at a time, ``/big`` with more than anybody wants; ``/poison`` takes
all but what has that word in it. ``/file`` does what the file beside the log says at that moment.
All that comes is written to the log, a line each.
"""

import argparse
import contextlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar


class Receiver(BaseHTTPRequestHandler):
    log_file: ClassVar[Path]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.body = body.decode()
        manner = self.path.removeprefix("/").partition("?")[0]
        if manner == "file":
            manner = self.log_file.with_suffix(".manner").read_text()
        headers = {name.lower(): value for name, value in self.headers.items()}
        line = {"manner": manner, "path": self.path, "headers": headers, "body": self.body}
        with self.log_file.open("a") as log:
            log.write(json.dumps(line) + "\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"_{manner}", self._code)(manner)

    do_GET = do_POST

    def _code(self, manner: str) -> None:
        said = f"{manner} {self.headers.get('webhook-signature', '')}".encode()
        self.send_response(int(manner) if manner.isdigit() else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _poison(self, manner: str) -> None:
        """Chokes on one object and takes all others."""
        self._code("500" if "poison" in self.body else "200")

    def _redirect(self, manner: str) -> None:
        self.send_response(307)
        self.send_header("Location", "/ok")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _slow(self, manner: str) -> None:
        time.sleep(0.2)
        self._code("200")

    def _hang(self, manner: str) -> None:
        time.sleep(60)

    def _loris(self, manner: str) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 60:
            self.wfile.write(bytes([byte]))
            time.sleep(0.2)

    def _drip(self, manner: str) -> None:
        """A whole head at once, and then a body that never ends."""
        self.send_response(200)
        self.end_headers()
        for _ in range(300):
            self.wfile.write(b"a")
            time.sleep(0.2)

    def _big(self, manner: str) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"\x00a" * 32 * 1024)

    def _head(self, manner: str) -> None:
        """Head lines without end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(90):
            self.wfile.write(f"X-{number}: {'a' * 60_000}\r\n".encode())
        self.wfile.write(b"\r\n")

    def _noise(self, manner: str) -> None:
        self.wfile.write(b"\x00\x01 what is http?\r\n\r\n")

    def _close(self, manner: str) -> None:
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    Receiver.log_file = parser.parse_args().log
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
