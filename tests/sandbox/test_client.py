"""Kvitt's own client against the real process: what it believes has crossed a network."""

import socket
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.db import transaction

from billing.payments.gateways import http
from billing.payments.gateways.base import (
    Charge,
    ChargeRequest,
    GatewayRefused,
    GatewayUnavailable,
    GatewayUnclear,
)
from billing.payments.gateways.sandbox.client import Sandbox
from tests.sandbox.process import RunningSandbox, running_sandbox

NEEDS_ACTION = "4000002500003155"

# The client asks the gate, whose holds are rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[Sandbox]:
    """A client of a sandbox that is well again after each test."""
    yield Sandbox(sandbox.url, sandbox.key, sandbox.hook_secret)
    for kind in ("down", "slow", "lost", "lie"):
        sandbox.fault(kind, times=0)


def request(
    sandbox: RunningSandbox, reference: str, number: str = "4242424242424242", **changed: Any
) -> ChargeRequest:
    customer, method = sandbox.card(reference, number)
    asked: dict[str, Any] = {
        "key": f"key-{reference}",
        "customer": customer,
        "payment_method": method,
        "amount_minor": 19900,
        "currency": "SEK",
        "reference": reference,
        "seller": "sel_1",
    } | changed
    return ChargeRequest(**asked)


def test_a_charge_is_read_as_it_is(sandbox: RunningSandbox, client: Sandbox) -> None:
    asked = request(sandbox, "read")
    made = client.charge(asked)
    assert made == Charge(
        gateway_id=made.gateway_id,
        status="succeeded",
        amount_minor=19900,
        currency="SEK",
        reference="read",
        customer=asked.customer,
        payment_method=asked.payment_method,
    )
    assert client.get_charge(made.gateway_id) == made
    assert client.charges_of("read") == [made]
    assert client.charge(asked) == made
    assert client.charges_of("read") == [made]


def test_the_customer_of_a_card_is_found_where_it_is_not_given(
    sandbox: RunningSandbox, client: Sandbox
) -> None:
    assert client.charge(request(sandbox, "found", customer="")).status == "succeeded"


@pytest.mark.parametrize(
    ("number", "failure_code", "is_hard"),
    [
        ("4000000000000002", "card_declined", False),
        ("4000000000009995", "insufficient_funds", False),
        ("4000000000009987", "lost_card", True),
    ],
)
def test_a_card_that_fails_is_an_answer_and_no_error(
    sandbox: RunningSandbox, client: Sandbox, number: str, failure_code: str, is_hard: bool
) -> None:
    made = client.charge(request(sandbox, f"fails-{number[-4:]}", number))
    assert (made.status, made.failure_code, made.is_hard) == ("failed", failure_code, is_hard)


def test_a_charge_that_waits_is_approved_at_its_address(
    sandbox: RunningSandbox, client: Sandbox
) -> None:
    made = client.charge(request(sandbox, "waits", NEEDS_ACTION))
    assert made.status == "requires_action"
    assert made.action_url.startswith(f"{sandbox.url}/act/")
    sandbox.decide(made.action_url)
    settled = client.get_charge(made.gateway_id)
    assert (settled.status, settled.action_url) == ("succeeded", "")


def test_a_charge_is_canceled_once_and_not_after_it_was_paid(
    sandbox: RunningSandbox, client: Sandbox
) -> None:
    waiting = client.charge(request(sandbox, "canceled", NEEDS_ACTION))
    for _ in range(2):
        assert client.cancel_charge(waiting.gateway_id).status == "canceled"
    paid = client.charge(request(sandbox, "canceled-2"))
    with pytest.raises(GatewayRefused) as refused:
        client.cancel_charge(paid.gateway_id)
    assert refused.value.code == "charge_is_settled"


def test_a_refund_is_made_once_and_found_again(sandbox: RunningSandbox, client: Sandbox) -> None:
    paid = client.charge(request(sandbox, "refunded"))
    asked: dict[str, Any] = {"charge": paid.gateway_id, "reference": "refund-1"}
    first, again = (client.refund("key-r", amount_minor=4900, **asked) for _ in range(2))
    assert first == again
    assert (first.charge, first.amount_minor, first.currency) == (paid.gateway_id, 4900, "SEK")
    assert client.refunds_of("refund-1") == [first]
    assert client.get_charge(paid.gateway_id).refunded_minor == 4900
    with pytest.raises(GatewayRefused) as refused:
        client.refund("key-r2", amount_minor=15001, **asked)
    assert refused.value.code == "refund_too_large"


def test_a_card_is_saved_on_the_hosted_page(sandbox: RunningSandbox, client: Sandbox) -> None:
    customer = client.add_customer("key-c", reference="saved", name="Åsa Öberg", email="")
    assert client.add_customer("key-c", reference="saved", name="Åsa Öberg", email="") == customer
    opened = client.open_session(
        "key-s",
        customer=customer,
        reference="saved",
        return_url="https://shop.example/back",
        locale="sv",
        seller="sel_1",
        seller_name="Rosteriet",
    )
    assert (opened.status, opened.customer, opened.payment_method) == ("open", customer, "")
    sandbox.fill_in(opened.url, exp_month="2", exp_year="2048")
    done = client.get_session(opened.gateway_id)
    assert (done.status, done.charge) == ("complete", "")
    method = client.get_method(done.payment_method)
    assert (method.customer, method.brand, method.last4) == (customer, "visa", "4242")
    assert method.expires_on == date(2048, 2, 29)


def test_an_amount_is_paid_on_the_hosted_page(sandbox: RunningSandbox, client: Sandbox) -> None:
    customer, _ = sandbox.card("paid")
    opened = client.open_session(
        "key-p",
        customer=customer,
        reference="paid",
        return_url="https://shop.example/back",
        locale="en",
        seller="sel_1",
        seller_name="Rosteriet",
        amount_minor=5000,
        currency="EUR",
    )
    sandbox.fill_in(opened.url)
    done = client.get_session(opened.gateway_id)
    charge = client.get_charge(done.charge)
    assert (done.status, charge.status, charge.amount_minor) == ("complete", "succeeded", 5000)
    assert charge.reference == "paid"
    with pytest.raises(GatewayRefused) as refused:
        client.expire_session(opened.gateway_id)
    assert refused.value.code == "session_is_complete"


def test_a_page_is_closed_for_good(sandbox: RunningSandbox, client: Sandbox) -> None:
    customer, _ = sandbox.card("expires")
    opened = client.open_session(
        "key-e",
        customer=customer,
        reference="expires",
        return_url="https://shop.example/back",
        locale="en",
        seller="sel_1",
        seller_name="Rosteriet",
    )
    for _ in range(2):
        assert client.expire_session(opened.gateway_id).status == "expired"


def test_events_are_read_from_where_one_stopped(sandbox: RunningSandbox, client: Sandbox) -> None:
    client.charge(request(sandbox, "events"))
    seen = client.events_after("", 100)
    last = seen[-1].event_id
    assert client.events_after(last, 100) == []
    client.charge(request(sandbox, "events-2"))
    (new,) = client.events_after(last, 100)
    assert new.type == "charge.succeeded"
    assert '"events-2"' in new.body


@pytest.mark.parametrize(
    "asked", [{"currency": "kr"}, {"amount_minor": 0}, {"payment_method": "pm_nothing"}]
)
def test_what_is_refused_is_clearly_refused(
    sandbox: RunningSandbox, client: Sandbox, asked: dict[str, Any]
) -> None:
    reference = f"refused-{next(iter(asked))}"
    with pytest.raises(GatewayRefused):
        client.charge(request(sandbox, reference, **asked))
    assert client.charges_of(reference) == []


def test_a_key_that_was_used_for_something_else_is_unclear(
    sandbox: RunningSandbox, client: Sandbox
) -> None:
    asked = request(sandbox, "reused")
    client.charge(asked)
    other = request(sandbox, "reused", amount_minor=1)
    with pytest.raises(GatewayUnclear):
        client.charge(other)
    assert [charge.amount_minor for charge in client.charges_of("reused")] == [19900]


def test_with_a_wrong_key_nothing_has_been_done(sandbox: RunningSandbox) -> None:
    stranger = Sandbox(sandbox.url, "wrong", sandbox.hook_secret)
    with pytest.raises(GatewayUnavailable):
        stranger.charge(request(sandbox, "stranger"))


def test_where_nobody_listens_nothing_has_been_done() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        with pytest.raises(GatewayUnavailable):
            Sandbox(url, "key", "secret").get_charge("ch_1")


def test_a_sandbox_that_is_down_leaves_it_unclear(sandbox: RunningSandbox, client: Sandbox) -> None:
    asked = request(sandbox, "down")
    sandbox.fault("down")
    with pytest.raises(GatewayUnclear):
        client.charge(asked)
    assert client.charges_of("down") == []


def test_a_lost_answer_is_unclear_until_it_is_asked_about(
    sandbox: RunningSandbox, client: Sandbox
) -> None:
    asked = request(sandbox, "lost")
    sandbox.fault("lost")
    with pytest.raises(GatewayUnclear):
        client.charge(asked)
    (made,) = client.charges_of("lost")
    assert client.charge(asked) == made


def test_a_sandbox_that_hangs_is_not_waited_for(
    sandbox: RunningSandbox, client: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 0.5)
    asked = request(sandbox, "hangs")
    sandbox.fault("slow", seconds=20)
    for _ in range(2):  # The second time the first one is still at work.
        with pytest.raises(GatewayUnclear):
            client.charge(asked)
    assert [charge.status for charge in client.charges_of("hangs")] == ["succeeded"]


def test_a_lie_is_read_as_it_was_told(sandbox: RunningSandbox, client: Sandbox) -> None:
    asked = request(sandbox, "lie")
    sandbox.fault("lie")
    told = client.charge(asked)
    assert told.amount_minor != asked.amount_minor
    assert client.get_charge(told.gateway_id).amount_minor == asked.amount_minor


@pytest.mark.django_db
def test_it_is_never_called_while_a_transaction_is_open(
    sandbox: RunningSandbox, client: Sandbox
) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        client.charge(request(sandbox, "in-transaction"))
    assert sandbox.get("/charges", reference="in-transaction").json() == {"data": []}


def test_a_restart_is_not_noticed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_sandbox(tmp_path_factory.mktemp("restart")) as sandbox:
        client = Sandbox(sandbox.url, sandbox.key, sandbox.hook_secret)
        made = client.charge(request(sandbox, "restart"))
        sandbox.kill()
        with pytest.raises(GatewayUnavailable):
            client.get_charge(made.gateway_id)
        sandbox.start()
        again = Sandbox(sandbox.url, sandbox.key, sandbox.hook_secret)
        assert again.get_charge(made.gateway_id) == made


def test_a_hook_that_nobody_signed_is_refused(client: Sandbox) -> None:
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(time.time()))}
    for signature in ("", "v1,", "v1,AAAA", "v2,AAAA", "nonsense"):
        with pytest.raises(GatewayRefused):
            client.read_hook(headers | {"webhook-signature": signature}, b"{}", int(time.time()))
