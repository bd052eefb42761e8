"""How a gateway is called over HTTP: the care that is the same for all of them.

Each call has the gate's pass, no transaction open, and an end in time and size; no redirect is
followed. What comes back is a clear yes, or one of three errors: nothing was done, it was refused,
or nobody can tell.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

import requests
from django.db import connection
from requests.exceptions import ConnectTimeout, RequestException
from urllib3.exceptions import NewConnectionError

from billing.outbound import turns
from billing.outbound.answers import session, whole_answer
from billing.outbound.gate import Kind, Pass
from billing.payments.gateways.base import (
    KEY_USED_BEFORE,
    GatewayError,
    GatewayLeft,
    GatewayRefused,
    GatewayUnavailable,
    GatewayUnclear,
    may_leave,
)

# A call ends by the last of them, so that a gateway that hangs ends before its caller is ended.
CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 3, 10, 15
ANSWER_BYTES_MAX = 2_000_000
# How long the same request of another is waited for, time after time.
IN_USE_WAITS_S = (0.1, 0.3, 0.8)
KEY_IN_USE = "key_in_use"
# Who is not let in, or asks too often, has not been heard: nothing was done.
UNHEARD = (401, 403, 429)


class Key(Enum):
    """What an error says of the key that a request bore."""

    UNTOUCHED = auto()
    IN_USE = auto()
    USED_BEFORE = auto()


@dataclass(frozen=True, slots=True)
class ErrorSaid:
    """An error in the gateway's own word; ``code`` is empty where it gives none.

    A key that is in use, or was used for something else, tells of a charge that may be there.
    """

    code: str
    key: Key = Key.UNTOUCHED


class Caller:
    """Calls one account of a gateway, in JSON.

    ``title`` is what its errors call the gateway; ``read_error`` finds its own word in the JSON of
    an answer that is no yes. Every call may raise :class:`GatewayUnavailable` and those below it,
    :class:`GatewayRefused` with the code and the HTTP ``status``, and :class:`GatewayUnclear`.
    """

    def __init__(
        self,
        gateway: str,
        url: str,
        *,
        title: str,
        headers: Mapping[str, str],
        read_error: Callable[[Any], ErrorSaid],
    ) -> None:
        self._gateway, self._url = gateway, url.rstrip("/")
        self._title, self._read_error = title, read_error
        self.told_at: datetime | None = None  # The time that the last answer bore.
        self._session = session()
        self._session.headers.update(headers)

    def get[Answer](
        self, path: str, read: Callable[[dict[str, Any]], Answer], **asked: str
    ) -> Answer:
        """Ask a question; the answer as ``read`` makes it of the JSON."""
        answer = self.call(may_leave(Kind.QUESTION), "GET", path, params=asked)
        return self._understood(read, answer)

    def post[Answer](
        self,
        kind: Kind,
        path: str,
        read: Callable[[dict[str, Any]], Answer],
        *,
        body: dict[str, Any],
        key: str,
        seller: str | None = None,
    ) -> Answer:
        """Have something done, once for a ``key``; ``seller`` is the public id of whose it is."""
        headers = {"Idempotency-Key": key}
        answer = self.call(may_leave(kind, seller), "POST", path, json=body, headers=headers)
        return self._understood(read, answer)

    def call(self, allowed: Pass, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The JSON of a clear yes.

        Of two who ask for the same at once, such as two tabs, the second asks again.
        """
        refuse_in_transaction()
        with asking(self._gateway):
            waits_s = iter(IN_USE_WAITS_S)
            while True:
                try:
                    return self._clear(*self._exchange(allowed, method, path, **options))
                except GatewayUnclear as unclear:
                    wait_s = next(waits_s, None) if unclear.code == KEY_IN_USE else None
                    if wait_s is None:
                        raise
                time.sleep(wait_s)

    def _exchange(self, allowed: Pass, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        try:
            response, content = whole_answer(
                allowed,
                self._session,
                method,
                f"{self._url}{path}",
                until=time.monotonic() + ANSWER_SECONDS,
                bytes_max=ANSWER_BYTES_MAX,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                **options,
            )
        except ConnectTimeout as error:
            raise GatewayUnavailable(f"{self._title} cannot be reached.") from error
        except RequestException as error:
            if _was_never_connected(error):
                raise GatewayUnavailable(f"{self._title} cannot be reached.") from error
            raise GatewayUnclear(f"{self._title} broke off: {type(error).__name__}.") from error
        self.told_at = _date_of(response)
        return response.status_code, content

    def _clear(self, status: int, content: bytes) -> dict[str, Any]:
        """The JSON of a clear yes; else the error that tells how clear the no is."""
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if status in (200, 201) and isinstance(answer, dict):
            return answer
        error = self._read_error(answer)
        code = f" {error.code}" if error.code else ""
        said = f"{self._title} answered {status}{code}."
        if status in UNHEARD:
            raise GatewayUnavailable(said)
        if error.key is Key.USED_BEFORE:
            raise GatewayUnclear(said, code=KEY_USED_BEFORE)
        if error.key is Key.IN_USE:
            raise GatewayUnclear(said, code=KEY_IN_USE)
        if not error.code or not 400 <= status < 500:
            raise GatewayUnclear(said)
        raise GatewayRefused(said, code=error.code[:60], status=status)

    def _understood[Answer](
        self, read: Callable[[dict[str, Any]], Answer], answer: dict[str, Any]
    ) -> Answer:
        try:
            return read(answer)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise GatewayUnclear(f"{self._title}'s answer makes no sense.") from error


@contextmanager
def asking(gateway: str) -> Iterator[None]:
    """A call to a gateway, which counts how clearly and how soon it answers.

    Raises :class:`GatewayLeft` where it has not, three times in this turn. A clear no is an answer.
    """
    if turns.is_left(gateway):
        raise GatewayLeft(f"The gateway {gateway} does not answer; it is asked again by itself.")
    answered: GatewayError | None = None
    with turns.call(gateway):
        try:
            yield
        except GatewayRefused as refused:
            answered = refused
        except GatewayUnclear as unclear:
            # That a key was used before is as clear as an answer can be.
            if unclear.code != KEY_USED_BEFORE:
                raise
            answered = unclear
    if answered:
        raise answered


def refuse_in_transaction() -> None:
    """A call may last and cannot be rolled back: no lock waits for it, and no row forgets it."""
    if connection.in_atomic_block:
        raise RuntimeError("A gateway is never called while a transaction is open.")


def _was_never_connected(error: RequestException) -> bool:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)


def _date_of(response: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers["Date"])
    except (LookupError, ValueError):
        return None
