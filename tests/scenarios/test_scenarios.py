import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from billing.engine.pricing import MODELS
from billing.invoicing.models import Invoice
from billing.payments.models import Refund
from billing.simulation import reporting
from billing.simulation.playing import Player
from billing.simulation.reading import Scenario, read_scenarios
from billing.simulation.reporting import simulate
from customers.models import Seller

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.yaml"))
STORIES = [
    pytest.param(scenario, id=f"{file.stem}-{position}")
    for file in FILES
    for position, scenario in enumerate(read_scenarios(file), 1)
]

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("scenario", STORIES)
def test_the_story_comes_out_as_it_was_worked_by_hand(scenario: Scenario) -> None:
    result = simulate(scenario)
    assert "error" not in result, result.get("error")
    assert result["failed"] == []


def test_every_price_model_has_a_story() -> None:
    told = "".join(file.read_text() for file in FILES)
    assert {model for model in MODELS if f"model: {model}" not in told} == set()


@pytest.mark.parametrize("scenario", STORIES[::4])
def test_the_books_of_a_story_agree_with_its_documents(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_pay_back_minor = 0
    outcome = reporting._outcome

    def noted(player: Player) -> dict[str, Any]:
        nonlocal to_pay_back_minor
        owed_back = Refund.objects.filter(state="owed").values_list("amount_minor", flat=True)
        to_pay_back_minor = sum(owed_back)
        return outcome(player)

    monkeypatch.setattr(reporting, "_outcome", noted)
    result = simulate(scenario)
    currencies = {document["currency"] for document in result["invoices"]}
    if len(currencies) > 1:
        currencies = set()
    sums = sum((Decimal(balance) for balance in result["books"].values()), Decimal(0))
    assert sums == 0
    for _ in currencies:
        open_amounts = sum(
            Decimal(one["amount_due"]) - Decimal(one["paid"]) - Decimal(one["credited"])
            for one in result["invoices"]
            if one["status"] == "open"
        )
        # What somebody has yet to pay back by bank is not booked before it is paid.
        open_amounts -= Decimal(to_pay_back_minor) / 100
        assert Decimal(result["books"].get("receivable", "0")) == open_amounts


def test_at_least_forty_files_tell_stories() -> None:
    assert len(FILES) >= 40


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "story.yaml"
    path.write_text(text, encoding="utf-8")
    return path


STORY = """
name: One month
plans: {basic: {prices: [{code: fee, model: flat, amount: "31.00"}]}}
customers: {alice: {}}
timeline:
  - {on: 2026-01-01, do: subscribe, subscription: s1, customer: alice, plan: basic}
"""


def simulated(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Any, int]:
    status = 0
    try:
        call_command("simulate", str(path), "--json")
    except SystemExit as stop:
        status = int(stop.code or 0)
    return json.loads(capsys.readouterr().out), status


def test_a_simulation_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, status = simulated(written(tmp_path, STORY), capsys)
    assert status == 0
    assert results[0]["invoices"][0]["total"] == "31.00"
    assert results[0]["invoices"][0]["step"] == 1
    assert not Invoice.objects.exists()
    assert not Seller.objects.exists()


def test_an_expectation_that_does_not_hold_is_shown_with_both_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = STORY + 'expect: {invoices: [{total: "30.00"}], only: true}\n'
    results, status = simulated(written(tmp_path, story), capsys)
    assert status == 1
    assert results[0]["failed"] == [
        {"path": "invoices[1].total", "expected": "30.00", "actual": "31.00"}
    ]


@pytest.mark.parametrize(
    ("wrong", "code", "line"),
    [
        ("  - {on: 2026-01-02, do: dance}\n", "unknown_verb", 7),
        ("  - {on: 2026-01-02, do: bill, colour: red}\n", "unknown_key", 7),
        ("  - {on: 2026-01-02, do: pay, invoice: 9}\n", "unknown_name", 7),
        ("  - {on: 2026-01-02, do: pay, invoice: 1, amount: 3.5}\n", "invalid_scenario", 7),
        ("  - {on: 2026-01-02, do: resume, subscription: s1}\n", "not_paused", 7),
        ("  - {on: 2026-01-02, do: bill, refused: nothing}\n", "not_refused", 7),
        ("  - {on: 2025-01-02, do: bill}\n", "invalid_scenario", 7),
        ("  - {on: 2026-01-02, do: grant, customer: alice}\n", "not_supported", 7),
    ],
)
def test_what_cannot_be_played_is_told_with_its_line_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str, code: str, line: int
) -> None:
    results, status = simulated(written(tmp_path, STORY + wrong), capsys)
    assert status == 1
    assert results[0]["error"]["code"] == code
    assert results[0]["error"]["line"] == line


def test_an_interval_of_nothing_and_an_unknown_currency_are_refused_with_a_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    never = STORY.replace("{prices:", "{interval: {unit: month, count: 0}, prices:")
    results, _ = simulated(written(tmp_path, never), capsys)
    assert results[0]["error"]["code"] == "invalid_interval"
    results, _ = simulated(written(tmp_path, STORY + "currency: XXQ\n"), capsys)
    assert results[0]["error"]["code"] == "unknown_currency"


def test_a_file_that_is_no_yaml_is_status_two(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        call_command("simulate", str(written(tmp_path, "name: [")))
    assert stop.value.code == 2
