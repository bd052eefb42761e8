"""Whoever answers a byte at a time is left in time: each call out has an end."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.mail import EmailMessage

from billing.payments.gateways import http
from billing.payments.gateways.base import GatewayUnclear
from billing.payments.gateways.sandbox.client import Sandbox
from billing.tax import vies
from tests.outbound.dripping import Dripping, dripping

# The clients ask the gate, whose holds are rows.
pytestmark = pytest.mark.django_db(transaction=True)

BEGUN = {
    "in its head": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "in its body": b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n",
    "in its first chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n",
    "in a body without an end": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
}


@pytest.fixture(params=list(BEGUN.values()), ids=list(BEGUN))
def slow(request: pytest.FixtureRequest) -> Iterator[Dripping]:
    """Answers that come a byte at a time from some place on."""
    with dripping(request.param) as server:
        yield server


def test_a_gateway_that_answers_byte_by_byte_is_left(
    slow: Dripping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.5)
    with pytest.raises(GatewayUnclear):
        Sandbox(slow.url, "key", "secret").get_charge("ch_1")
    assert not slow.was_heard_out.is_set()


def test_a_register_that_answers_byte_by_byte_is_left(slow: Dripping, settings: Any) -> None:
    settings.VIES_URL = slow.url
    assert vies.ask("DE999990002", seconds=0.5).problem == vies.UNREACHABLE
    assert not slow.was_heard_out.is_set()


def test_a_mail_provider_that_greets_byte_by_byte_is_left(settings: Any) -> None:
    with dripping(b"220-", b"a", waits_for_a_question=False) as slow:
        options = {"host": "127.0.0.1", "port": slow.port, "timeout": 0.5}
        settings.MAILERS = {
            "default": {"BACKEND": "billing.mail.smtp.EmailBackend", "OPTIONS": options}
        }
        with pytest.raises(OSError):
            EmailMessage("Hello", "text", "a@shop.example", ["b@shop.example"]).send()
        assert not slow.was_heard_out.is_set()
