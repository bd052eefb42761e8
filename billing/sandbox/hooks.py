"""Telling the shop what happened, by signed requests that may get lost.

Best effort: whoever misses one finds the event by asking. What waits to be sent stands in the
database, so a restart forgets nothing.
"""

import base64
import hashlib
import hmac
import http.client
import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from .gateway import event_answer
from .store import Store, instant, seconds_since_1970

# Before each attempt. An event that fails holds up none of the others.
WAITS_SECONDS: Final = (0, 1, 5, 25, 125)
TIMEOUT_SECONDS: Final = 5
LOOK_SECONDS: Final = 0.5


def signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """The header of the Standard Webhooks specification: ``v1,`` and the HMAC in base64."""
    signed = f"{id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """A signed event goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *args: Any) -> None:
        return None


@dataclass(frozen=True)
class _Due:
    event: dict[str, Any]
    is_last_attempt: bool


class Hooks:
    """Sends each event to one address, in a thread of its own, in order, a few times."""

    def __init__(self, store: Store, url: str, secret: str) -> None:
        self._store, self._url, self._secret = store, url, secret
        # The address is the starter's own, and so no proxy of the environment stands before it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Unredirected())
        self._woken = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look for what is due now rather than in a moment."""
        self._woken.set()

    def stop(self) -> None:
        """End after the attempt that is being made; the rest waits for the next start."""
        self._is_stopping = True
        self._woken.set()
        self._thread.join(TIMEOUT_SECONDS + 1)

    def _run(self) -> None:
        while not self._is_stopping:
            due = self._claim()
            if due is None:
                self._woken.wait(LOOK_SECONDS)
                self._woken.clear()
            elif self._arrives(due.event):
                self._close(due.event, "sent")
            elif due.is_last_attempt:
                self._close(due.event, "given_up")

    def _claim(self) -> _Due | None:
        """The first event that is due, its attempt counted and the next put off before it begins.

        So an event that ends the process each time it is sent is given up like any other.
        """
        with self._store.transaction() as db:
            row = db.execute(
                "SELECT * FROM events WHERE hook_state = 'waiting' AND hook_due_at <= ?"
                " ORDER BY hook_due_at, number LIMIT 1",
                (instant(),),
            ).fetchone()
            if row is None:
                return None
            attempts = row["hook_attempts"] + 1
            is_last = attempts >= len(WAITS_SECONDS)
            wait_seconds = TIMEOUT_SECONDS if is_last else WAITS_SECONDS[attempts]
            db.execute(
                "UPDATE events SET hook_attempts = ?, hook_due_at = ? WHERE number = ?",
                (attempts, instant(wait_seconds), row["number"]),
            )
            return _Due(event_answer(row), is_last)

    def _close(self, event: dict[str, Any], state: str) -> None:
        with self._store.transaction() as db:
            db.execute("UPDATE events SET hook_state = ? WHERE id = ?", (state, event["id"]))

    def _arrives(self, event: dict[str, Any]) -> bool:
        body, timestamp = json.dumps(event).encode(), str(seconds_since_1970())
        request = urllib.request.Request(  # noqa: S310 -- an http address, see __main__.
            self._url,
            data=body,
            headers={
                "Content-Type": "application/json",
                "webhook-id": event["id"],
                "webhook-timestamp": timestamp,
                "webhook-signature": signature(self._secret, event["id"], timestamp, body),
            },
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS):
                return True
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False
