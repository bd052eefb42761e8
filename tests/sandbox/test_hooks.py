import contextlib
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.payments.gateways.base import GatewayRefused, Notice
from billing.payments.gateways.sandbox.client import Sandbox
from tests.sandbox.door import WAIT_SECONDS, Shop, open_door
from tests.sandbox.process import RunningSandbox, running_sandbox


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_door() as opened:
        yield opened


@pytest.fixture
def telling(tmp_path: Path, shop: Shop) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path, hook_url=shop.url) as running:
        yield running


def charge(sandbox: RunningSandbox, reference: str, number: str = "4242424242424242") -> str:
    customer, method = sandbox.card(reference, number)
    asked = {"customer": customer, "payment_method": method, "reference": reference}
    body = asked | {"amount_minor": 19900, "currency": "SEK"}
    charge_id: str = sandbox.post("/charges", body).json()["id"]
    return charge_id


def states(sandbox: RunningSandbox) -> list[str]:
    """Where the hooks of a sandbox that has stopped stand, in the order of their events."""
    with contextlib.closing(sqlite3.connect(sandbox.database)) as db:
        return [row[0] for row in db.execute("SELECT hook_state FROM events ORDER BY number")]


def test_a_hook_is_believed_by_the_client(telling: RunningSandbox, shop: Shop) -> None:
    charge_id = charge(telling, "believed")
    headers, body = shop.came.get(timeout=WAIT_SECONDS)
    client = Sandbox(telling.url, telling.key, telling.hook_secret)
    notice = client.read_hook(headers, body, int(time.time()))
    (event,) = telling.get("/events").json()["data"]
    assert notice == Notice(event["id"], "charge.succeeded", body.decode())
    assert json.loads(body) == event
    assert event["object"]["id"] == charge_id


def test_a_hook_that_was_touched_is_not_believed(telling: RunningSandbox, shop: Shop) -> None:
    charge(telling, "touched")
    headers, body = shop.came.get(timeout=WAIT_SECONDS)
    client, now = Sandbox(telling.url, telling.key, telling.hook_secret), int(time.time())
    stranger = Sandbox(telling.url, telling.key, "another secret")
    for read in (
        lambda: client.read_hook(headers, body.replace(b"19900", b"19901"), now),
        lambda: client.read_hook(headers | {"webhook-id": "evt_other"}, body, now),
        lambda: client.read_hook(headers | {"webhook-timestamp": str(now + 1)}, body, now),
        lambda: client.read_hook(headers, body, now + 301),
        lambda: stranger.read_hook(headers, body, now),
    ):
        with pytest.raises(GatewayRefused):
            read()
    assert client.read_hook(headers, body, now).type == "charge.succeeded"


def test_hooks_come_once_and_in_order(telling: RunningSandbox, shop: Shop) -> None:
    for number in range(10):
        charge(telling, f"order-{number}")
    references = [shop.event()["object"]["reference"] for _ in range(10)]
    assert references == [f"order-{number}" for number in range(10)]
    telling.stop()
    assert shop.came.empty()
    assert states(telling) == ["sent"] * 10


def test_what_happens_on_a_hosted_page_is_told_too(telling: RunningSandbox, shop: Shop) -> None:
    customer, _ = telling.card("hosted")
    body = {"kind": "setup", "customer": customer, "reference": "hosted"}
    opened = telling.post("/sessions", body | {"return_url": "https://shop.example/"}).json()
    telling.fill_in(opened["url"])
    event = shop.event()
    assert (event["type"], event["object"]["id"]) == ("session.completed", opened["id"])


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_hook_that_is_not_taken_comes_again(
    telling: RunningSandbox, shop: Shop, status: int
) -> None:
    shop.statuses.put(status)
    charge(telling, "again")
    first, second = (shop.came.get(timeout=WAIT_SECONDS) for _ in range(2))
    assert first[1] == second[1]
    client = Sandbox(telling.url, telling.key, telling.hook_secret)
    assert client.read_hook(*second, int(time.time())).type == "charge.succeeded"
    telling.stop()
    assert states(telling) == ["sent"]


def test_one_that_is_not_taken_holds_up_none_of_the_others(
    telling: RunningSandbox, shop: Shop
) -> None:
    shop.statuses.put(500)
    charge(telling, "stuck")
    assert shop.event()["object"]["reference"] == "stuck"
    charge(telling, "free")
    came = {shop.event()["object"]["reference"] for _ in range(2)}
    assert came == {"stuck", "free"}


def test_what_waits_to_be_told_outlives_the_process(tmp_path: Path) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        with running_sandbox(tmp_path, hook_url=f"http://127.0.0.1:{port}/hooks") as sandbox:
            charge(sandbox, "waits")
            sandbox.kill()
            assert states(sandbox) == ["waiting"]
            unheard.close()
            with open_door(port) as late:
                sandbox.start()
                assert late.event()["object"]["reference"] == "waits"
                sandbox.stop()
            assert states(sandbox) == ["sent"]


def test_after_five_attempts_it_gives_up(tmp_path: Path, shop: Shop) -> None:
    with running_sandbox(tmp_path, hook_url=shop.url) as sandbox:
        for _ in range(10):
            shop.statuses.put(500)
        charge(sandbox, "hopeless")
        for _ in range(4):
            shop.event()
            sandbox.stop()
            with contextlib.closing(sqlite3.connect(sandbox.database)) as db:
                db.execute("UPDATE events SET hook_due_at = created_at")  # The wait is over.
                db.commit()
            sandbox.start()
        shop.event()
        sandbox.stop()
        assert states(sandbox) == ["given_up"]
        assert shop.came.empty()


def test_hooks_can_be_dropped_while_events_are_still_listed(
    telling: RunningSandbox, shop: Shop
) -> None:
    telling.fault("drop_hooks")
    charge(telling, "dropped")
    charge(telling, "told")
    assert shop.event()["object"]["reference"] == "told"
    listed = telling.get("/events").json()["data"]
    assert [event["object"]["reference"] for event in listed] == ["dropped", "told"]
    telling.stop()
    assert states(telling) == ["dropped", "sent"]


def test_an_answer_does_not_wait_for_a_shop_that_hangs(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hooks"
        with running_sandbox(tmp_path, hook_url=url) as sandbox:
            charge(sandbox, "first")
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(100).startswith(b"POST /hooks")
                assert charge(sandbox, "second").startswith("ch_")
