"""A real little SMTP server on this machine, with the bad days that providers have."""

import email.policy
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

TIMEOUT_SECONDS = 0.5
# Longer than any client here waits.
HANG_SECONDS = 3.0


class _Conversation(socketserver.StreamRequestHandler):
    server: "Provider"

    def handle(self) -> None:
        provider = self.server
        provider.connections += 1
        if provider.mood == "silent":
            time.sleep(HANG_SECONDS)
            return
        self._say("220 ready")
        while line := self.rfile.readline():
            if not self._answer(line.decode().strip()):
                return

    def _answer(self, line: str) -> bool:
        """Answer a command; False ends the conversation."""
        provider, word = self.server, line[:4].upper()
        if word == "MAIL" and provider.mood == "drops before the mail":
            return False
        is_unknown = any(f"<{address}>" in line for address in provider.strangers)
        if word == "RCPT" and (is_unknown or provider.mood == "knows nobody"):
            self._say("550 5.1.1 no such user")
        elif word == "RCPT" and any(f"<{address}>" in line for address in provider.put_off):
            self._say("451 4.7.1 not now")
        elif word == "RCPT" and provider.busy_times > 0:
            provider.busy_times -= 1
            self._say("451 4.7.1 come back later")
        elif word == "DATA":
            return self._take()
        elif word == "QUIT":
            if provider.mood == "says no goodbye":
                time.sleep(HANG_SECONDS)
            self._say("221 bye")
            return False
        else:
            if word == "MAIL":
                self.addressees: list[str] = []
            elif word == "RCPT":
                self.addressees.append(line.partition("<")[2].partition(">")[0])
            self._say("250 fine")
        return True

    def _take(self) -> bool:
        self._say("354 go on")
        content = b""
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            content += line.removeprefix(b".") if line.startswith(b"..") else line
        if self.server.mood != "drops and forgets":
            self.server.taken.append(content)
            self.server.addressed.append(self.addressees)
        if self.server.mood in {"drops after the mail", "drops and forgets"}:
            return False
        if self.server.mood == "silent after the mail":
            time.sleep(HANG_SECONDS)
            return False
        self._say("554 5.7.1 no spam" if self.server.mood == "likes no mail" else "250 taken")
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class Provider(socketserver.ThreadingTCPServer):
    """Takes mail according to its ``mood``; ``busy_times`` recipients are put off first, and those
    in ``put_off`` each time; ``strangers`` are refused. ``addressed`` has whom each mail was for.
    """

    allow_reuse_address = True
    daemon_threads = True
    # A conversation that hangs is left behind; its thread ends with the process.
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.mood, self.busy_times, self.connections = "", 0, 0
        self.strangers: set[str] = set()
        self.put_off: set[str] = set()
        self.addressed: list[list[str]] = []
        self.taken: list[bytes] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def mailers(self) -> dict[str, Any]:
        """Settings that lead here."""
        return {
            "default": {
                "BACKEND": "billing.mail.smtp.EmailBackend",
                "OPTIONS": {"host": "127.0.0.1", "port": self.port, "timeout": TIMEOUT_SECONDS},
            }
        }

    @property
    def mails(self) -> list[EmailMessage]:
        parser = BytesParser(policy=email.policy.default)
        return [parser.parsebytes(content) for content in self.taken]


@contextmanager
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
