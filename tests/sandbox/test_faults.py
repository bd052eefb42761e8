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


def test_while_it_is_down_it_does_nothing_and_names_no_code(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "down")
    sandbox.fault("down", times=2)
    for _ in range(2):
        refused = sandbox.post("/charges", body, "key-down")
        assert refused.status_code == 503
        assert not refused.headers["Content-Type"].startswith("application/json")
    assert charges(sandbox, "down") == []
    assert sandbox.post("/charges", body, "key-down").status_code == 201


def test_when_it_is_slow_the_charge_is_made_all_the_same(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "slow")
    sandbox.fault("slow", seconds=30)
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.url}/v1/charges",
            json=body,
            headers={"Authorization": f"Bearer {sandbox.key}", "Idempotency-Key": "key-slow"},
            timeout=0.5,
        )
    assert len(charges(sandbox, "slow")) == 1


def test_an_answer_that_was_lost_can_be_asked_for_again(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "lost")
    sandbox.fault("lost")
    with pytest.raises(requests.ConnectionError):
        sandbox.post("/charges", body, "key-lost")
    again = sandbox.post("/charges", body, "key-lost")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert charges(sandbox, "lost") == [again.json()]


def test_a_lie_is_told_once_and_kept_nowhere(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "lie")
    sandbox.fault("lie")
    assert sandbox.post("/charges", body, "key-lie").json()["amount_minor"] == 20000
    assert sandbox.post("/charges", body, "key-lie").json()["amount_minor"] == 19900
    sandbox.fault("lie")
    assert charges(sandbox, "lie")[0]["amount_minor"] == 20000
    assert charges(sandbox, "lie")[0]["amount_minor"] == 19900


def test_faults_can_be_armed_together_and_disarmed(sandbox: RunningSandbox) -> None:
    body = charge_body(sandbox, "disarmed")
    sandbox.fault("lost", times=5)
    sandbox.fault("down", times=5)
    sandbox.fault("down", times=0)
    with pytest.raises(requests.ConnectionError):
        sandbox.post("/charges", body)
    sandbox.fault("lost", times=0)
    assert len(charges(sandbox, "disarmed")) == 1


def test_faults_outlive_the_process(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        sandbox.fault("down", times=1)
        sandbox.kill()
        sandbox.start()
        assert [sandbox.get("/events").status_code for _ in range(2)] == [503, 200]


def test_pages_and_health_meet_no_faults(sandbox: RunningSandbox) -> None:
    sandbox.fault("down")
    for path, status in (("/healthz", 200), ("/style.css", 200), ("/pay/ss_nothing", 404)):
        assert requests.get(sandbox.url + path, timeout=10).status_code == status
    assert sandbox.get("/events").status_code == 503


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "slow", "times": 1, "seconds": -1}, "seconds"),
        ({"kind": "slow", "times": 1, "seconds": True}, "seconds"),
        ({"kind": "slow", "times": 1, "seconds": 10**9}, "seconds"),
        ({"kind": "slow", "times": -1}, "times"),
        ({"kind": "fire"}, "kind"),
        ({"times": 1}, "kind"),
        ({"kind": "slow", "minutes": 1}, "minutes"),
    ],
)
def test_a_fault_that_is_none_is_refused(
    sandbox: RunningSandbox, body: dict[str, Any], field: str
) -> None:
    refused = sandbox.post("/faults", body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)
    assert sandbox.get("/events").status_code == 200
