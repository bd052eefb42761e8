"""An answer is a clear yes, or one of three errors that tell what was certainly not done."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import transaction

from billing.outbound.actions import hold
from billing.outbound.gate import Kind
from billing.payments.gateways import http
from billing.payments.gateways.base import (
    KEY_USED_BEFORE,
    GatewayError,
    GatewayHeld,
    GatewayRefused,
    GatewayUnavailable,
    GatewayUnclear,
)
from billing.payments.gateways.http import Caller, ErrorSaid, Key

# The caller asks the gate, whose holds are rows.
pytestmark = pytest.mark.django_db(transaction=True)
KEYS = {"key_busy": Key.IN_USE, "key_old": Key.USED_BEFORE}


class Gateway(ThreadingHTTPServer):
    """Answers every request alike, and notes what it was asked."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.status, self.content = status, content
        self.asked: list[tuple[str, str, bytes]] = []

    @property
    def caller(self) -> Caller:
        return caller_of(f"http://127.0.0.1:{self.server_port}/api/")


class _Answers(BaseHTTPRequestHandler):
    server: Gateway

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = self.headers.get("Idempotency-Key", "")
        self.server.asked.append((self.path, key, body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    do_GET = do_POST = _answer

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def answering(status: int, content: Any) -> Iterator[Gateway]:
    said = content if isinstance(content, bytes) else json.dumps(content).encode()
    with Gateway(status, said) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()


def caller_of(url: str) -> Caller:
    return Caller("it", url, title="It", headers={}, read_error=read_error)


def read_error(answer: Any) -> ErrorSaid:
    code = answer.get("code", "") if isinstance(answer, dict) else ""
    return ErrorSaid(code, KEYS.get(code, Key.UNTOUCHED))


def said(status: int, content: Any) -> GatewayError:
    """The error that an answer is taken for."""
    with answering(status, content) as gateway, pytest.raises(GatewayError) as raised:
        gateway.caller.get("/charges", dict)
    return raised.value


@pytest.mark.parametrize("status", [200, 201])
def test_a_clear_yes_is_read(status: int) -> None:
    with answering(status, {"id": "ch_1"}) as gateway:
        assert gateway.caller.get("/charges", lambda it: it["id"], reference="pay_1") == "ch_1"
        assert gateway.caller.post(Kind.CARD, "/cards", dict, body={"a": 1}, key="k1")
    assert gateway.asked == [
        ("/api/charges?reference=pay_1", "", b""),
        ("/api/cards", "k1", b'{"a": 1}'),
    ]


@pytest.mark.parametrize(("status", "code"), [(400, "no_such_card"), (404, "gone"), (422, "x")])
def test_a_no_with_its_reason_is_a_refusal(status: int, code: str) -> None:
    refused = said(status, {"code": code})
    assert isinstance(refused, GatewayRefused)
    assert (refused.code, refused.details["status"]) == (code, status)


@pytest.mark.parametrize("status", [401, 403, 429])
def test_who_was_not_heard_has_had_nothing_done(status: int) -> None:
    assert isinstance(said(status, {"code": "key_busy"}), GatewayUnavailable)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b"It works!"),
        (200, []),
        (202, {"id": "ch_1"}),
        (302, {"code": "moved"}),
        (400, {"message": "a no without a reason"}),
        (404, b"<h1>Not found</h1>"),
        (409, {"code": "key_busy"}),
        (500, {"code": "internal_error"}),
        (503, b""),
    ],
)
def test_what_is_neither_a_yes_nor_a_reasoned_no_is_unclear(status: int, content: Any) -> None:
    unclear = said(status, content)
    assert isinstance(unclear, GatewayUnclear)
    assert unclear.code != KEY_USED_BEFORE


def test_a_key_that_was_used_before_is_unclear_and_says_so() -> None:
    unclear = said(422, {"code": "key_old"})
    assert isinstance(unclear, GatewayUnclear)
    assert unclear.code == KEY_USED_BEFORE


def test_no_redirect_is_followed() -> None:
    with answering(307, {}) as gateway, pytest.raises(GatewayUnclear):
        gateway.caller.post(Kind.CHARGE, "/charges", dict, body={}, key="k1", seller="sel_1")
    assert [path for path, _, _ in gateway.asked] == ["/api/charges"]


def test_an_answer_that_is_too_long_is_unclear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1000)
    assert isinstance(said(200, {"id": "x" * 2000}), GatewayUnclear)


def test_who_asks_while_the_same_is_done_for_another_asks_again_with_the_same_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with answering(409, {"code": "key_busy"}) as gateway:

        def done_by_the_other(waited_s: float) -> None:
            gateway.status, gateway.content = 201, b'{"id": "cu_1"}'

        monkeypatch.setattr(http.time, "sleep", done_by_the_other)
        made = gateway.caller.post(Kind.CARD, "/customers", dict, body={}, key="k1")
    assert made == {"id": "cu_1"}
    assert [key for _, key, _ in gateway.asked] == ["k1", "k1"]


def test_a_key_that_stays_in_use_is_unclear_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    waited_s: list[float] = []
    with answering(409, {"code": "key_busy"}) as gateway:
        monkeypatch.setattr(http.time, "sleep", waited_s.append)
        with pytest.raises(GatewayUnclear):
            gateway.caller.post(Kind.CHARGE, "/charges", dict, body={}, key="k1")
    assert len(gateway.asked) == len(waited_s) + 1 == 4
    assert sum(waited_s) < 2


def test_a_yes_that_makes_no_sense_is_unclear() -> None:
    with answering(200, {"id": None}) as gateway, pytest.raises(GatewayUnclear):
        gateway.caller.get("/charges", lambda it: it["id"].lower())


def test_where_nobody_listens_nothing_was_done() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with pytest.raises(GatewayUnavailable):
            caller_of(f"http://127.0.0.1:{unheard.getsockname()[1]}").get("/charges", dict)


def test_nothing_is_asked_while_all_is_held_or_a_transaction_is_open() -> None:
    with answering(200, {}) as gateway:
        with transaction.atomic(), pytest.raises(RuntimeError):
            gateway.caller.get("/charges", dict)
        hold("test", "Look first.")
        with pytest.raises(GatewayHeld):
            gateway.caller.post(Kind.REFUND, "/refunds", dict, body={}, key="k1")
    assert gateway.asked == []
