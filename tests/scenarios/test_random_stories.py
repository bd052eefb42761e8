"""Random stories through the real actions: whatever is done, in whatever order, the books hold."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from billing.payments.models import Refund
from billing.simulation import reporting
from billing.simulation.playing import Player, StepFailed
from billing.simulation.reading import Node, Scenario, check_step
from billing.simulation.reporting import simulate
from billing.verification import books

pytestmark = pytest.mark.django_db
INTERVALS = [("month", 1), ("month", 1), ("week", 1), ("month", 3), ("year", 1), ("day", 10)]
TAXES: list[Any] = [
    "none",
    {"rate": "25"},
    {"rate": "25", "inclusive": True},
    [{"rate": "5"}, {"rate": "9.975"}],
]


def as_nodes(value: Any) -> Any:
    if isinstance(value, dict):
        return Node({key: as_nodes(item) for key, item in value.items()})
    return [as_nodes(item) for item in value] if isinstance(value, list) else value


def plan(random: Random, amount: str, unit: str, count: int) -> dict[str, Any]:
    tiers = [
        {"up_to": 3, "unit_amount": "1.11", "flat_amount": random.choice(["0", "5.00"])},
        {"up_to": None, "unit_amount": "0.77"},
    ]

    def priced(code: str, **terms: Any) -> dict[str, Any]:
        model = random.choice(["per_unit", "graduated", "volume", "package"])
        price = {"code": code, "model": model, **terms}
        if model in ("graduated", "volume"):
            return price | {"tiers": tiers}
        price["amount"] = random.choice(["0.10", "3.33", "7"])
        return price | ({"package_size": 4} if model == "package" else {})

    fee = {"code": "fee", "amount": amount}
    fee["billing"] = random.choice(["in_advance", "in_advance", "in_arrears"])
    if random.random() < 0.2:
        fee["proration"] = "none"
    if random.random() < 0.2:
        fee["minimum_amount"] = "20.00"
    return {
        "interval": {"unit": unit, "count": count},
        "family": "one",
        "trial_days": random.choice([0, 0, 0, 10]),
        "trial_usage": random.choice(["free", "billed"]),
        "prices": [
            fee,
            priced("seats", billing="in_advance", quantity=random.choice([1, 2, 5])),
            priced("calls", billing="in_arrears", meter="m", minimum_amount="6.00"),
            {"code": "setup", "amount": "9.99", "billing": "once"},
        ],
    }


def steps(random: Random) -> dict[str, Callable[[date], dict[str, Any]]]:
    """What may happen on a day; much of it will be refused, and must then change nothing."""
    pick = random.choice

    def of(do: str, **terms: Any) -> dict[str, Any]:
        return {"do": do, "subscription": "s", **terms}

    def invoice(do: str, **terms: Any) -> dict[str, Any]:
        return {"do": do, "invoice": pick([1, -1]), **terms}

    return {
        "bill": lambda on: {"do": "bill"},
        "plan": lambda on: of(
            "change",
            plan=pick(["p1", "p2", "p3"]),
            when=pick(["now", "now", "period_end"]),
            credit=random.random() < 0.8,
            prorate=random.random() < 0.85,
        ),
        "seats": lambda on: of("change", quantities={"seats": pick([0, 1, 3, 7])}),
        "pause": lambda on: of("pause", unused=pick(["credit", "keep", "shift"])),
        "rest": lambda on: of(
            "pause",
            unused=pick(["credit", "keep", "shift"]),
            until=on + timedelta(pick([1, 5, 40])),
        ),
        "resume": lambda on: of("resume"),
        "cancel": lambda on: of(
            "cancel",
            when=pick(["now", "period_end"]),
            credit=random.random() < 0.5,
            refund=random.random() < 0.3,
            bill_usage=random.random() < 0.7,
        ),
        "undo": lambda on: of("undo_cancel"),
        "usage": lambda on: of(
            "usage", meter="m", quantity=pick([1, 2, 5, 9]), at=on - timedelta(pick([0, 0, 5, 20]))
        ),
        "pay": lambda on: invoice("pay"),
        "void": lambda on: invoice("void"),
        "refund": lambda on: invoice("refund"),
        "loss": lambda on: invoice("write_off"),
        "note": lambda on: invoice(
            "credit_note", amount=pick(["1.00", "7.77"]), to=pick(["balance", "refund"])
        ),
        "item": lambda on: {"do": "one_off", "customer": "a", "amount": pick(["5.00", "-3.00"])},
        "coupon": lambda on: of("coupon", coupon=pick(["c1", "c2", "c3"])),
        "look": lambda on: {
            "do": "preview",
            "what": {"do": "change", "subscription": "s", "plan": "p2"},
        },
    }


def story(seed: int) -> Scenario:
    random = Random(seed)
    unit, count = random.choice(INTERVALS)
    on = date(2026, 1, random.choice([1, 15, 29, 30, 31]))
    first = {"on": on, "do": "subscribe", "subscription": "s", "customer": "a", "plan": "p1"}
    timeline: list[dict[str, Any]] = [first]
    kinds = steps(random)
    for _ in range(random.randint(4, 14)):
        on += timedelta(random.choice([0, 0, 1, 3, 7, 12, 20, 31, 45]))
        timeline.append({"on": on, **kinds[random.choice(list(kinds))](on)})
    for later in (0, 0, 100, 100):
        timeline.append({"on": on + timedelta(later), "do": "bill"})
    content = as_nodes(
        {
            "name": f"Story {seed}",
            "tax": random.choice(TAXES),
            "rounding": random.choice(["none", "none", "whole"]),
            "meters": {
                "m": {
                    "aggregation": random.choice(["sum", "max", "last", "count"]),
                    "carry": random.random() < 0.2,
                }
            },
            "plans": {
                "p1": plan(random, "31.00", unit, count),
                "p2": plan(random, "59.99", unit, count),
                "p3": plan(random, "365.00", "year", 1),
            },
            "coupons": {
                "c1": {"percent_off": "15"},
                "c2": {"amount_off": "5.00", "duration": "forever"},
                "c3": {"percent_off": "33.3", "duration": "repeating", "periods": 2},
            },
            "customers": {
                "a": {
                    "consolidate": random.random() < 0.8,
                    "balance": random.choice(["0", "20.00"]),
                }
            },
            "timeline": timeline,
        }
    )
    for step in content["timeline"]:
        check_step(step)
    return Scenario(content["name"], content)


@pytest.fixture
def refusals_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on after a refused step; what the database refuses is still an error."""
    play_step = Player._play_step

    def lenient(player: Player, number: int, step: Node, on: date) -> None:
        try:
            play_step(player, number, step, on)
        except StepFailed as error:
            if error.code == "constraint":
                raise

    monkeypatch.setattr(Player, "_play_step", lenient)


def check(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    broken: list[dict[str, list[str]]] = []
    to_pay_back_minor = 0
    outcome = reporting._outcome

    def verified(player: Player) -> dict[str, Any]:
        nonlocal to_pay_back_minor
        broken.append(books.broken_invariants())
        owed_back = Refund.objects.filter(state="owed").values_list("amount_minor", flat=True)
        to_pay_back_minor = sum(owed_back)
        return outcome(player)

    monkeypatch.setattr(reporting, "_outcome", verified)
    scenario = story(seed)
    result = simulate(scenario)
    assert "error" not in result, result.get("error")
    assert broken == [{}]
    assert not [event for event in result["events"] if event["type"] == "subscription.parked"]
    again = len(scenario.content["timeline"])
    documents = result["invoices"] + result["credit_notes"]
    assert not [one for one in documents if one["step"] in (again, again - 2)], "billed twice"
    balances = {account: Decimal(balance) for account, balance in result["books"].items()}
    assert sum(balances.values()) == 0
    owed = sum(
        Decimal(one["amount_due"]) - Decimal(one["paid"]) - Decimal(one["credited"])
        for one in result["invoices"]
        if one["status"] == "open"
    )
    # What somebody has yet to pay back by bank is not booked before it is paid.
    assert balances.get("receivable", 0) == owed - Decimal(to_pay_back_minor) / 100
    assert -balances.get("customer_balance", Decimal(0)) == Decimal(result["balances"]["a"]["EUR"])


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.usefixtures("refusals_pass")
def test_the_books_hold_whatever_happens(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check(seed, monkeypatch)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(1000, 2000))
@pytest.mark.usefixtures("refusals_pass")
def test_the_books_hold_in_a_thousand_stories(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check(seed, monkeypatch)
