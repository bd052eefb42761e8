"""``python -m billing.sandbox.vies``: a register of VAT numbers that nobody has given out.

It answers as the European Commission's VIES does, for tests and for the demo: yes for the numbers
that it is told of, no for all others, and as VIES does on bad days for those that it is told to.
"""

import argparse
import itertools
import json
import signal
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

BODY_BYTES_MAX: Final = 64 * 1024
IDLE_SECONDS: Final = 10
SLOW_SECONDS: Final = 60
FAULTS: Final = ("away", "refused", "slow", "garbage", "endless")


class Register(ThreadingHTTPServer):
    """Listens at once; ``numbers`` are the valid ones, with whose they are."""

    daemon_threads = True

    def __init__(
        self, host: str, port: int, numbers: Mapping[str, str], faults: Mapping[str, str]
    ) -> None:
        super().__init__((host, port), Handler)
        self.numbers, self.faults = numbers, faults
        self.stopping = threading.Event()
        self.consultations = itertools.count(1)

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        number = f"{asked['countryCode']}{asked['vatNumber']}"
        fault = self.faults.get(number)
        is_valid = number in self.numbers and fault is None
        is_known_requester = bool(asked.get("requesterNumber"))
        said = {
            "countryCode": asked["countryCode"],
            "vatNumber": asked["vatNumber"],
            "requestDate": "2026-01-01T00:00:00.000Z",
            "valid": is_valid,
            "requestIdentifier": (
                f"WAPI{next(self.consultations):012d}" if is_valid and is_known_requester else ""
            ),
            "name": self.numbers[number] if is_valid else "---",
            "address": "---",
        }
        if fault == "away":
            said["userError"] = "MS_UNAVAILABLE"
        if fault == "refused" and is_known_requester:
            return {"actionSucceed": False, "errorWrappers": [{"error": "INVALID_REQUESTER_INFO"}]}
        return said


class Handler(BaseHTTPRequestHandler):
    """One question."""

    server: Register
    timeout = IDLE_SECONDS

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if self.path != "/check-vat-number" or not length.isdigit():
            return self._send(404, b"{}")
        body = self.rfile.read(min(int(length), BODY_BYTES_MAX))
        try:
            asked = json.loads(body)
            fault = self.server.faults.get(f"{asked['countryCode']}{asked['vatNumber']}")
            answer = self.server.answer(asked)
        except (ValueError, KeyError, TypeError):
            wrong = {"actionSucceed": False, "errorWrappers": [{"error": "INVALID_INPUT"}]}
            return self._send(400, json.dumps(wrong).encode())
        if fault == "slow":
            self.server.stopping.wait(SLOW_SECONDS)
        if fault == "garbage":
            return self._send(200, b"<html>Maintenance</html>")
        if fault == "endless":
            answer["name"] = "A" * 1_000_000
        return self._send(200, json.dumps(answer).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep no log."""


def main() -> int:
    """Listen until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m billing.sandbox.vies", description=__doc__)
    parser.add_argument("--port", type=int, default=8098, help="0 takes any that is free")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--number", action="append", default=[], help="NUMBER=NAME, a valid one")
    parser.add_argument(
        "--fault", action="append", default=[], help=f"NUMBER=KIND: {', '.join(FAULTS)}"
    )
    asked = parser.parse_args()
    numbers, faults = _pairs(asked.number), _pairs(asked.fault)
    if not set(faults.values()) <= set(FAULTS):
        parser.error(f"--fault is one of {', '.join(FAULTS)}")
    try:
        register = Register(asked.host, asked.port, numbers, faults)
    except OSError as error:
        print(f"Cannot listen on {asked.host}:{asked.port}: {error.strerror}.", file=sys.stderr)
        return 1
    told_to_end = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: told_to_end.set())
    threading.Thread(target=register.serve_forever, args=(0.1,), daemon=True).start()
    print(f"VIES listens on http://{asked.host}:{register.server_port}", flush=True)
    told_to_end.wait()
    register.stopping.set()
    register.shutdown()
    register.server_close()
    return 0


def _pairs(given: list[str]) -> dict[str, str]:
    return {number: said for number, _, said in (each.partition("=") for each in given)}


if __name__ == "__main__":
    sys.exit(main())
