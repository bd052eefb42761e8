import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.sandbox.process import RunningSandbox


def charge_body(sandbox: RunningSandbox, reference: str, number: str, **changed: Any) -> Any:
    customer, method = sandbox.card(reference, number)
    return {
        "customer": customer,
        "payment_method": method,
        "amount_minor": 19900,
        "currency": "SEK",
        "reference": reference,
    } | changed


def raw(sandbox: RunningSandbox, sent: bytes) -> tuple[int, str]:
    """Status and body of the answer to bytes that no ordinary client would send."""
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("number", "status", "failure_code", "is_hard"),
    [
        ("4242424242424242", "succeeded", None, False),
        ("4000000000000002", "failed", "card_declined", False),
        ("4000000000009995", "failed", "insufficient_funds", False),
        ("4000000000009987", "failed", "lost_card", True),
        ("4000002500003155", "requires_action", None, False),
    ],
)
def test_each_card_does_what_it_is_for_each_time(
    sandbox: RunningSandbox, number: str, status: str, failure_code: str | None, is_hard: bool
) -> None:
    body = charge_body(sandbox, f"card-{number[-4:]}", number)
    for _ in range(2):
        charge = sandbox.post("/charges", body).json()
        assert (charge["status"], charge["failure_code"]) == (status, failure_code)
        assert charge["is_hard"] is is_hard
        assert bool(charge["action_url"]) == (status == "requires_action")
        assert (charge["amount_minor"], charge["refunded_minor"]) == (19900, 0)
        assert sandbox.get(f"/charges/{charge['id']}").json() == charge
    assert len(sandbox.get("/charges", reference=body["reference"]).json()["data"]) == 2


def test_a_card_is_kept_without_its_number(sandbox: RunningSandbox) -> None:
    customer, method_id = sandbox.card("kept-card", "4242 4242 4242 4242")
    method = sandbox.get(f"/payment_methods/{method_id}").json()
    assert (method["brand"], method["last4"], method["customer"]) == ("visa", "4242", customer)
    kept = sandbox.database.read_bytes()
    kept += sandbox.database.with_name(sandbox.database.name + "-wal").read_bytes()
    assert method_id.encode() in kept
    assert b"4242424242424242" not in kept.replace(b" ", b"")


@pytest.mark.parametrize(
    ("number", "code"),
    [("4111111111111111", "card_number_unknown"), ("4242424242424241", "card_number_invalid")],
)
def test_a_card_that_might_be_real_is_refused_and_not_repeated(
    sandbox: RunningSandbox, number: str, code: str
) -> None:
    customer, _ = sandbox.card(f"real-{number[-4:]}")
    refused = sandbox.post("/payment_methods", {"customer": customer, "card_number": number})
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == code
    assert number not in refused.text


def test_refunds_end_where_the_charge_does(sandbox: RunningSandbox) -> None:
    charge = sandbox.post("/charges", charge_body(sandbox, "refunds", "4242424242424242")).json()
    body = {"charge": charge["id"], "amount_minor": 9900, "reference": "refunds-r"}
    assert sandbox.post("/refunds", body).json()["status"] == "succeeded"
    assert sandbox.post("/refunds", body | {"amount_minor": 10001}).status_code == 422
    assert sandbox.post("/refunds", body | {"amount_minor": 10000}).status_code == 201
    found = sandbox.get("/refunds", reference="refunds-r").json()["data"]
    assert [refund["amount_minor"] for refund in found] == [9900, 10000]
    assert sandbox.get(f"/charges/{charge['id']}").json()["refunded_minor"] == 19900


def test_a_charge_that_failed_has_nothing_to_refund(sandbox: RunningSandbox) -> None:
    charge = sandbox.post("/charges", charge_body(sandbox, "no-refund", "4000000000000002")).json()
    body = {"charge": charge["id"], "amount_minor": 1, "reference": "no-refund"}
    refused = sandbox.post("/refunds", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "charge_not_succeeded")


def test_only_a_charge_that_waits_can_be_canceled(sandbox: RunningSandbox) -> None:
    waiting = sandbox.post("/charges", charge_body(sandbox, "cancel", "4000002500003155")).json()
    for _ in range(2):
        canceled = sandbox.post(f"/charges/{waiting['id']}/cancel", {})
        assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
        assert canceled.json()["action_url"] is None
    paid = sandbox.post("/charges", charge_body(sandbox, "cancel-2", "4242424242424242")).json()
    refused = sandbox.post(f"/charges/{paid['id']}/cancel", {})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "charge_is_settled")


def test_a_card_pays_for_its_own_customer_alone(sandbox: RunningSandbox) -> None:
    _, others = sandbox.card("other-customer")
    body = charge_body(sandbox, "own-card", "4242424242424242", payment_method=others)
    assert sandbox.post("/charges", body).json()["error"]["code"] == "payment_method_mismatch"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"amount": 5}, "amount"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": -1}, "amount_minor"),
        ({"amount_minor": 199.0}, "amount_minor"),
        ({"amount_minor": "199"}, "amount_minor"),
        ({"amount_minor": True}, "amount_minor"),
        ({"amount_minor": 10**30}, "amount_minor"),
        ({"currency": "kr"}, "currency"),
        ({"currency": "sek"}, "currency"),
        ({"reference": ""}, "reference"),
        ({"reference": "a\x00b"}, "reference"),
        ({"reference": "a\ud800b"}, "reference"),
        ({"reference": "x" * 256}, "reference"),
        ({"customer": "cu_nobody"}, "customer"),
        ({"customer": ["cu_nobody"]}, "customer"),
        ({"payment_method": None}, "payment_method"),
    ],
)
def test_a_field_that_is_odd_is_refused_by_name(
    sandbox: RunningSandbox, changed: dict[str, Any], field: str
) -> None:
    body = charge_body(sandbox, "odd-fields", "4242424242424242") | changed
    refused = sandbox.post("/charges", body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)
    assert sandbox.get("/charges", reference="odd-fields").json() == {"data": []}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"\xff", b'{"a": NaN}', b"[" * 60_000, b"1" * 5000]
)
def test_a_body_that_is_no_json_object_is_refused(sandbox: RunningSandbox, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {sandbox.key}", "Idempotency-Key": "malformed"}
    refused = requests.post(f"{sandbox.url}/v1/charges", data=body, headers=headers, timeout=10)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("length", [64 * 1024 + 1, 900_000])
def test_a_body_above_64_kilobytes_is_refused(sandbox: RunningSandbox, length: int) -> None:
    refused = requests.post(
        f"{sandbox.url}/v1/charges",
        data=b" " * length,
        headers={"Authorization": f"Bearer {sandbox.key}"},
        timeout=10,
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer wrong", "Basic KEY", "KEY", "Bearer KEYx", "Bearer \xe5"],
)
def test_nobody_gets_in_without_the_key(sandbox: RunningSandbox, header: str) -> None:
    header = header.replace("KEY", sandbox.key)
    for method, path in (("GET", "/events"), ("POST", "/charges"), ("GET", "/nothing")):
        refused = requests.request(
            method,
            f"{sandbox.url}/v1{path}",
            headers={"Authorization": header.encode("latin-1")} if header else {},
            timeout=10,
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")


def test_what_is_not_there_is_404_and_the_wrong_method_405(sandbox: RunningSandbox) -> None:
    for path in ("/nothing", "/charges/ch_nothing", "/charges/a/b", "/charges/a-b", "/"):
        assert sandbox.get(path).status_code == 404, path
    refused = sandbox.get("/customers")
    assert (refused.status_code, refused.json()["error"]["code"]) == (405, "method_not_allowed")
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
        answer = requests.request(method, f"{sandbox.url}/v1/charges", headers=headers, timeout=10)
        assert answer.status_code == 405, method


def test_what_is_not_http_is_refused_in_json(sandbox: RunningSandbox) -> None:
    for sent in (b"nonsense\r\n\r\n", b"BREW /v1/charges HTTP/1.1\r\n\r\n"):
        status, body = raw(sandbox, sent)
        assert status in (400, 501)
        assert json.loads(body)["error"]["code"] == "malformed_request"
    long = b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"
    assert raw(sandbox, long)[0] == 414


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Content-Length: -1", 400),
        (b"Content-Length: many", 400),
        (b"Transfer-Encoding: chunked", 411),
    ],
)
def test_a_body_of_unknown_length_is_refused(
    sandbox: RunningSandbox, header: bytes, status: int
) -> None:
    assert raw(sandbox, b"POST /v1/charges HTTP/1.1\r\n" + header + b"\r\n\r\n")[0] == status


def test_a_query_that_is_not_understood_is_refused(sandbox: RunningSandbox) -> None:
    assert sandbox.get("/charges").json()["error"]["field"] == "reference"
    for query in ({"reference": "a", "page": "2"}, {"referense": "a"}):
        assert sandbox.get("/charges", **query).status_code == 422
    for limit in ("0", "-1", "many", "1.5"):
        assert sandbox.get("/events", limit=limit).json()["error"]["field"] == "limit"
    assert sandbox.get("/events", after="evt_nothing").status_code == 404


def test_events_are_listed_in_order_page_by_page(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "events", "4242424242424242")
    for _ in range(5):
        sandbox.post("/charges", body)
    seen, after = list[Any](), dict[str, str]()
    while page := sandbox.get("/events", limit="2", **after).json()["data"]:
        assert len(page) <= 2
        seen += page
        after = {"after": page[-1]["id"]}
    assert len({event["id"] for event in seen}) == len(seen)
    ours = [event for event in seen if event["object"].get("reference") == "events"]
    assert [event["type"] for event in ours] == ["charge.succeeded"] * 5
    charges = sandbox.get("/charges", reference="events").json()["data"]
    assert [event["object"] for event in ours] == charges


def test_it_says_that_it_is_well_without_a_key(sandbox: RunningSandbox) -> None:
    answer = requests.get(f"{sandbox.url}/healthz", timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
