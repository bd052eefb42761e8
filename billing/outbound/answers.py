"""Answers from outside, heard in bounded time and size, however slowly they come.

A socket's own limit begins anew with every byte, so that one byte a second is never late; and a
reader of blocks looks at no clock until a block is full.
"""

import io
import math
import socket
import time
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from billing.outbound.gate import Pass

CHUNK_BYTES = 64 * 1024

_limits: ContextVar[tuple[float, int]] = ContextVar("limits")


class Heard(io.RawIOBase):
    """What a connection says, as the parser of answers reads it, until an instant."""

    def __init__(self, connection: socket.socket, until: float, bytes_max: int) -> None:
        # As the parser's own file would, it keeps the connection open until it is closed itself.
        self.connection, self.said = connection, connection.makefile("rb", buffering=0)
        self.listen(until, bytes_max)

    def listen(self, until: float, bytes_max: int) -> None:
        """Hear so much from now on, until an instant of the monotonic clock."""
        self.until, self.bytes_left = until, bytes_max

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.bytes_left <= 0:
            raise OSError("the answer is too long")
        patience = self.connection.gettimeout()
        self.connection.settimeout(min(patience or math.inf, left(self.until)))
        try:
            count = self.said.readinto(buffer)
        finally:
            # What is sent next has its own time again.
            self.connection.settimeout(patience)
        self.bytes_left -= count or 0
        return count

    def close(self) -> None:
        if not self.closed:
            self.said.close()
        super().close()


def left(until: float) -> float:
    """The seconds until an instant of the monotonic clock. Raises TimeoutError where it is over."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def session() -> requests.Session:
    """A session for :func:`whole_answer`, which takes nothing from the environment."""
    made = requests.Session()
    made.trust_env = False
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter())
    return made


def whole_answer(
    allowed: Pass,
    session: requests.Session,
    method: str,
    url: str,
    *,
    until: float,
    bytes_max: int,
    **options: Any,
) -> tuple[requests.Response, bytes]:
    """Ask by a :func:`session`, with the gate's pass; the answer, and all of its body.

    Raises what ``requests`` does for a connection that breaks off, also where the answer is not
    whole at the instant ``until``, or is longer than ``bytes_max``.
    """
    options |= {"stream": True, "allow_redirects": False}
    # As much again for the head.
    token = _limits.set((until, 2 * bytes_max))
    try:
        with session.request(method, url, **options) as response:
            content = b""
            for chunk in response.iter_content(CHUNK_BYTES):
                content += chunk
                if len(content) > bytes_max:
                    raise requests.ConnectionError("The answer is too long.")
            return response, content
    finally:
        _limits.reset(token)


class _Answer(HTTPResponse):
    def __init__(self, connection: socket.socket, *given: Any, **options: Any) -> None:
        super().__init__(Heard(connection, *_limits.get()), *given, **options)  # type: ignore[arg-type]


class _Connection(HTTPConnection):
    response_class = _Answer


class _SecureConnection(HTTPSConnection):
    response_class = _Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *given: Any, **options: Any) -> None:
        super().init_poolmanager(*given, **options)
        pools = {"http": _Pool, "https": _SecurePool}
        self.poolmanager.pool_classes_by_scheme = pools
