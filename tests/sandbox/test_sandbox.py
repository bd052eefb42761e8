"""The sandbox as its callers meet it: over HTTP, several at once, on good days and bad ones."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.process import RunningSandbox, running_sandbox

RETURN = "https://shop.example/back?basket=7"


def order(sandbox: RunningSandbox, number: str = "4242424242424242", **more: Any) -> dict[str, Any]:
    customer, method = sandbox.card("cus_1", number)
    asked = {"customer": customer, "payment_method": method, "amount_minor": 12_500}
    return asked | {"currency": "SEK", "reference": f"pay_{method}"} | more


def session(sandbox: RunningSandbox, **more: Any) -> dict[str, Any]:
    customer, _ = sandbox.card("cus_1")
    asked = {"kind": "payment", "customer": customer, "amount_minor": 12_500, "currency": "SEK"}
    asked |= {"reference": "pay_1", "return_url": RETURN, "locale": "sv"} | more
    made = sandbox.post("/sessions", asked)
    assert made.status_code == 201
    answer: dict[str, Any] = made.json()
    return answer


# Charges


@pytest.mark.parametrize(
    ("number", "status", "failure", "is_hard"),
    [
        ("4242 4242 4242 4242", "succeeded", None, False),
        ("4000000000000002", "failed", "card_declined", False),
        ("4000000000009995", "failed", "insufficient_funds", False),
        ("4000000000009987", "failed", "lost_card", True),
        ("4000002500003155", "requires_action", None, False),
    ],
)
def test_each_test_card_does_what_it_is_for(
    sandbox: RunningSandbox, number: str, status: str, failure: str | None, is_hard: bool
) -> None:
    charge = sandbox.post("/charges", order(sandbox, number)).json()
    assert (charge["status"], charge["failure_code"], charge["is_hard"]) == (
        status,
        failure,
        is_hard,
    )
    assert bool(charge["action_url"]) == (status == "requires_action")
    events = sandbox.get("/events").json()["data"]
    assert [each["type"] for each in events if each["object"]["id"] == charge["id"]] == [
        f"charge.{status}"
    ]


def test_one_key_is_one_charge_however_often_and_at_once(sandbox: RunningSandbox) -> None:
    asked = order(sandbox)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: sandbox.post("/charges", asked, "one-key"), range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = sandbox.get("/charges", reference=asked["reference"]).json()["data"]
    assert len(made) == 1
    again = sandbox.post("/charges", asked, "one-key")
    assert again.json() == made[0]
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_key_is_not_used_for_something_else(sandbox: RunningSandbox) -> None:
    asked = order(sandbox)
    sandbox.post("/charges", asked, "used-key")
    other = sandbox.post("/charges", asked | {"amount_minor": 1}, "used-key")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        asked = order(sandbox)
        first = sandbox.post("/charges", asked, "a-key").json()
        sandbox.kill()
        sandbox.start()
        assert sandbox.post("/charges", asked, "a-key").json()["id"] == first["id"]
        assert len(sandbox.get("/charges", reference=asked["reference"]).json()["data"]) == 1


def test_refunds_go_no_further_than_the_charge(sandbox: RunningSandbox) -> None:
    charge = sandbox.post("/charges", order(sandbox)).json()
    asked = {"charge": charge["id"], "amount_minor": 12_000, "reference": "ref_1"}
    assert sandbox.post("/refunds", asked).json()["status"] == "succeeded"
    too_much = sandbox.post("/refunds", asked)
    assert (too_much.status_code, too_much.json()["error"]["code"]) == (422, "refund_too_large")
    assert sandbox.get(f"/charges/{charge['id']}").json()["refunded_minor"] == 12_000


# Bad requests


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 1.5}, "amount_minor"),
        ({"amount_minor": True}, "amount_minor"),
        ({"currency": "kr"}, "currency"),
        ({"payment_method": "pm_none"}, "payment_method"),
        ({"reference": "a\u0000b"}, "reference"),
        ({"tip_minor": 5}, "tip_minor"),
    ],
)
def test_a_wrong_field_is_named(
    sandbox: RunningSandbox, changes: dict[str, Any], field: str
) -> None:
    answer = sandbox.post("/charges", order(sandbox) | changes)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("wrong", b"{}", 401),
        ("", b"{}", 401),
        ("right", b"{", 400),
        ("right", b"[]", 400),
        ("right", b'{"x": NaN}', 400),
        ("right", b"[" * 30_000, 400),
        ("right", b" " * 70_000, 413),
    ],
)
def test_what_cannot_be_read_is_refused(
    sandbox: RunningSandbox, key: str, body: bytes, status: int
) -> None:
    headers = {"Authorization": f"Bearer {sandbox.key if key == 'right' else key}"}
    answer = requests.post(f"{sandbox.url}/v1/customers", data=body, headers=headers, timeout=10)
    assert answer.status_code == status
    assert answer.json()["error"]["code"]


def test_a_second_process_on_the_same_database_is_kept_out(sandbox: RunningSandbox) -> None:
    command = [sys.executable, "-m", "billing.sandbox", "--port", "0", "--key", "k"]
    command += ["--database", str(sandbox.database)]
    second = subprocess.run(
        command, capture_output=True, text=True, timeout=30, cwd=Path(__file__).parents[2]
    )
    assert second.returncode != 0
    assert "Traceback" not in second.stderr
    assert str(sandbox.database) in second.stderr


# Bad days


@pytest.fixture
def faulty(sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    yield sandbox
    for kind in ("down", "slow", "lost", "lie"):
        sandbox.fault(kind, times=0)


def test_a_lost_answer_stands_for_a_charge_that_was_made(faulty: RunningSandbox) -> None:
    asked = order(faulty)
    faulty.fault("lost")
    with pytest.raises(requests.ConnectionError):
        faulty.post("/charges", asked, "lost-key")
    made = faulty.get("/charges", reference=asked["reference"]).json()["data"]
    assert len(made) == 1
    assert faulty.post("/charges", asked, "lost-key").json()["id"] == made[0]["id"]


def test_a_sandbox_that_is_down_has_done_nothing(faulty: RunningSandbox) -> None:
    asked = order(faulty)
    faulty.fault("down")
    assert faulty.post("/charges", asked).status_code == 503
    assert faulty.get("/charges", reference=asked["reference"]).json()["data"] == []


def test_a_lie_is_told_once_and_not_kept(faulty: RunningSandbox) -> None:
    asked = order(faulty)
    faulty.fault("lie")
    told = faulty.post("/charges", asked).json()
    assert told["amount_minor"] != 12_500
    assert faulty.get(f"/charges/{told['id']}").json()["amount_minor"] == 12_500


# Hosted pages


def test_a_person_pays_and_is_sent_back_to_the_shop(sandbox: RunningSandbox) -> None:
    page = session(sandbox)
    answer = sandbox.fill_in(page["url"])
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("https://shop.example/back?basket=7&session=")
    done = sandbox.get(f"/sessions/{page['id']}").json()
    assert done["status"] == "complete"
    assert sandbox.get(f"/charges/{done['charge']}").json()["status"] == "succeeded"


def test_a_form_that_is_sent_twice_charges_once(sandbox: RunningSandbox) -> None:
    page = session(sandbox, reference="pay_twice")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sandbox.fill_in(page["url"]), range(8)))
    made = sandbox.get("/charges", reference="pay_twice").json()["data"]
    assert [each["status"] for each in made] == ["succeeded"]


def test_a_declined_card_may_be_followed_by_another(sandbox: RunningSandbox) -> None:
    page = session(sandbox, reference="pay_again")
    sandbox.fill_in(page["url"], "4000000000000002")
    assert sandbox.get(f"/sessions/{page['id']}").json()["status"] == "open"
    sandbox.fill_in(page["url"])
    assert sandbox.get(f"/sessions/{page['id']}").json()["status"] == "complete"


@pytest.mark.parametrize(("decision", "status"), [("approve", "complete"), ("refuse", "open")])
def test_the_bank_asks_and_the_cardholder_decides(
    sandbox: RunningSandbox, decision: str, status: str
) -> None:
    page = session(sandbox)
    sandbox.fill_in(page["url"], "4000002500003155")
    (charge,) = [
        event["object"]
        for event in sandbox.get("/events").json()["data"]
        if event["type"] == "charge.requires_action"
        and event["object"]["id"] == sandbox.get(f"/sessions/{page['id']}").json()["charge"]
    ]
    sandbox.decide(charge["action_url"], decision)
    assert sandbox.get(f"/sessions/{page['id']}").json()["status"] == status


def test_a_closed_page_takes_no_money(sandbox: RunningSandbox) -> None:
    page = session(sandbox, reference="pay_closed")
    form = requests.get(page["url"], timeout=10).text
    sandbox.post(f"/sessions/{page['id']}/expire", {})
    fields = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', form))
    fields |= {"card_number": "4242424242424242", "exp_month": "12", "exp_year": "2049"}
    requests.post(page["url"], data=fields, timeout=10, allow_redirects=False)
    assert sandbox.get("/charges", reference="pay_closed").json()["data"] == []


def test_a_form_from_elsewhere_does_nothing(sandbox: RunningSandbox) -> None:
    page = session(sandbox, reference="pay_forged")
    fields = {"card_number": "4242424242424242", "exp_month": "12", "exp_year": "2049"}
    forged = requests.post(page["url"], data=fields, timeout=10, allow_redirects=False)
    assert forged.status_code >= 400
    assert sandbox.get("/charges", reference="pay_forged").json()["data"] == []


def test_what_a_shop_writes_is_shown_as_text_under_a_strict_policy(
    sandbox: RunningSandbox,
) -> None:
    page = session(sandbox, reference='"><script>alert(1)</script>')
    shown = requests.get(page["url"], timeout=10)
    assert "<script" not in shown.text
    assert "&lt;script&gt;" in shown.text
    policy = shown.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=", shown.text)


def test_no_page_is_made_that_leads_to_a_script(sandbox: RunningSandbox) -> None:
    customer, _ = sandbox.card("cus_1")
    asked = {"kind": "setup", "customer": customer, "reference": "r", "locale": "en"}
    answer = sandbox.post("/sessions", asked | {"return_url": "javascript:alert(1)"})
    assert answer.json()["error"]["field"] == "return_url"
