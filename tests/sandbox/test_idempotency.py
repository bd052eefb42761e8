import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.process import RunningSandbox, running_sandbox


def charge_body(sandbox: RunningSandbox, reference: str) -> dict[str, Any]:
    customer, method = sandbox.card(reference)
    return {
        "customer": customer,
        "payment_method": method,
        "amount_minor": 19900,
        "currency": "SEK",
        "reference": reference,
    }


def charges(sandbox: RunningSandbox, reference: str) -> list[Any]:
    data: list[Any] = sandbox.get("/charges", reference=reference).json()["data"]
    return data


def test_the_same_key_twice_is_one_charge_and_one_answer(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "twice")
    first = sandbox.post("/charges", body, "key-twice")
    second = sandbox.post("/charges", dict(reversed(body.items())), "key-twice")
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert len(charges(sandbox, "twice")) == 1


def test_a_key_that_was_used_for_something_else_is_refused(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "mismatch")
    paid = sandbox.post("/charges", body, "key-mismatch").json()
    refund = {"charge": paid["id"], "amount_minor": 100, "reference": "mismatch"}
    for path, other in (("/charges", body | {"amount_minor": 19901}), ("/refunds", refund)):
        refused = sandbox.post(path, other, "key-mismatch")
        assert refused.status_code == 422
        assert refused.json()["error"]["code"] == "idempotency_mismatch"
    assert charges(sandbox, "mismatch") == [paid]


def test_a_refusal_is_kept_under_its_key_as_well(sandbox: RunningSandbox) -> None:
    """Who was told no must not find later that the same request, come late, was carried out."""
    body = charge_body(sandbox, "refused")
    waiting = sandbox.card("refused-2", "4000002500003155")
    body |= {"customer": waiting[0], "payment_method": waiting[1]}
    charge = sandbox.post("/charges", body).json()
    refund = {"charge": charge["id"], "amount_minor": 100, "reference": "refused"}
    assert sandbox.post("/refunds", refund, "key-refused").status_code == 409
    sandbox.decide(charge["action_url"])
    late = sandbox.post("/refunds", refund, "key-refused")
    assert (late.status_code, late.headers["Idempotent-Replayed"]) == (409, "true")
    assert sandbox.get("/refunds", reference="refused").json() == {"data": []}
    assert sandbox.post("/refunds", refund, "key-refused-2").status_code == 201


def test_charges_and_refunds_need_a_key(sandbox: RunningSandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    body = charge_body(sandbox, "no-key")
    for path in ("/charges", "/refunds"):
        refused = requests.post(f"{sandbox.url}/v1{path}", json=body, headers=headers, timeout=10)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "idempotency_key_missing"
    for key in ("", "a b", "x" * 256, "å".encode()):
        refused = requests.post(
            f"{sandbox.url}/v1/charges",
            json=body,
            headers=headers | {"Idempotency-Key": key},
            timeout=10,
        )
        assert refused.json()["error"]["code"] == "idempotency_key_invalid"
    assert charges(sandbox, "no-key") == []


def test_a_key_is_taken_where_none_is_needed(sandbox: RunningSandbox) -> None:
    body = {"reference": "optional", "name": "Åsa", "email": "asa@example.com"}
    first, second = (sandbox.post("/customers", body, "key-optional").json() for _ in range(2))
    assert first == second
    assert sandbox.post("/customers", body).json()["id"] != first["id"]


def test_twenty_at_once_with_one_key_are_one_charge(sandbox: RunningSandbox) -> None:
    body, together = charge_body(sandbox, "at-once"), threading.Barrier(20)

    def send(_: int) -> requests.Response:
        together.wait()
        return sandbox.post("/charges", body, "key-at-once")

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(send, range(20)))
    charge = charges(sandbox, "at-once")
    assert len(charge) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all(a.json() == charge[0] for a in answers if a.status_code == 201)
    fresh = [a for a in answers if a.ok and "Idempotent-Replayed" not in a.headers]
    assert len(fresh) == 1


def test_a_key_whose_request_is_at_work_is_409(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "at-work")
    sandbox.fault("slow", times=1, seconds=3)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(sandbox.post, "/charges", body, "key-at-work")
        sandbox.wait_for_faults()
        refused = sandbox.post("/charges", body, "key-at-work")
        assert refused.status_code == 409
        assert refused.json()["error"]["code"] == "idempotency_in_progress"
        assert slow.result().status_code == 201
    assert sandbox.post("/charges", body, "key-at-work").headers["Idempotent-Replayed"] == "true"
    assert len(charges(sandbox, "at-work")) == 1


@pytest.mark.parametrize("round_", range(3))
def test_killed_at_any_moment_it_has_done_both_or_neither(tmp_path: Path, round_: int) -> None:
    """The effect and the answer under its key are one: a repeat never charges again."""
    with running_sandbox(tmp_path) as sandbox:
        body = charge_body(sandbox, "killed")
        enough, answered = threading.Event(), dict[str, Any]()

        def send(number: int) -> None:
            reference = f"killed-{number}"
            try:
                answer = sandbox.post("/charges", body | {"reference": reference}, reference)
            except requests.RequestException:
                return
            answered[reference] = answer.json()
            if len(answered) > 10 * (round_ + 1):
                enough.set()

        with ThreadPoolExecutor(8) as threads:
            sending = [threads.submit(send, number) for number in range(400)]
            assert enough.wait(30)
            sandbox.kill()
            for future in sending:
                future.cancel()
        sandbox.start()
        replayed = 0
        for number in range(len(answered) + 20):
            reference = f"killed-{number}"
            before = charges(sandbox, reference)
            again = sandbox.post("/charges", body | {"reference": reference}, reference)
            assert again.status_code == 201
            assert charges(sandbox, reference) == [again.json()]
            assert ("Idempotent-Replayed" in again.headers) == bool(before)
            assert answered.get(reference, again.json()) == again.json()
            replayed += bool(before)
        assert replayed >= len(answered)


def test_killed_before_it_answered_it_remembers_what_it_was_about_to_say(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        body = charge_body(sandbox, "silent")
        sandbox.fault("slow", times=1, seconds=60)
        with ThreadPoolExecutor(1) as threads:
            unanswered = threads.submit(sandbox.post, "/charges", body, "key-silent")
            sandbox.wait_for_faults()
            while not charges(sandbox, "silent"):
                pass
            sandbox.kill()
            assert isinstance(unanswered.exception(), requests.ConnectionError)
        sandbox.start()
        again = sandbox.post("/charges", body, "key-silent")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert charges(sandbox, "silent") == [again.json()]
