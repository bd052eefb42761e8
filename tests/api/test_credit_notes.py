"""Crediting over the API: an amount, some lines, or all that is left, and never more."""

from typing import Any

import pytest

from billing.verification.books import broken_invariants
from tests.api.calling import Shop, errors_of
from tests.api.world import World


@pytest.fixture
def invoice(shop: Shop) -> str:
    """An open invoice of 125.00, one line of 100.00."""
    return World(shop.seller).named["invoice"]


def credit(shop: Shop, invoice: str, **asked: Any) -> Any:
    return shop.post("credit_notes", {"invoice": invoice, **asked})


def test_an_amount_some_of_a_line_and_the_rest_come_to_the_whole(shop: Shop, invoice: str) -> None:
    notes = [
        credit(shop, invoice, amount_minor=2_500).json(),
        credit(shop, invoice, lines=[{"line": 1, "net_minor": 3_000}]).json(),
        credit(shop, invoice).json(),
    ]
    assert [note["total_minor"] for note in notes] == [2_500, 3_750, 6_250]
    assert notes[1]["lines"][0]["corrects"] == {"invoice": invoice, "line": 1}
    seen = shop.get(f"invoices/{invoice}").json()
    assert (seen["status"], seen["outstanding_minor"]) == ("paid", 0)
    over = credit(shop, invoice, amount_minor=1)
    assert over.status_code in (409, 422)
    assert broken_invariants() == {}


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ({"amount_minor": 12_501}, 422, ("credit_exceeds_invoice", None)),
        ({"amount_minor": 0}, 400, ("min_value", "amount_minor")),
        ({"amount_minor": "2500"}, 400, ("invalid", "amount_minor")),
        ({"amount_minor": 25.5}, 400, ("invalid", "amount_minor")),
        ({"lines": []}, 400, ("empty", "lines")),
        ({"lines": [{"line": 9, "net_minor": 1}]}, 400, ("unknown_line", "lines.0.line")),
        ({"lines": [{"line": 1, "net_minor": 10_001}]}, 422, ("credit_exceeds_line", None)),
        ({"lines": [{"line": 1, "net_minor": 1}] * 2}, 400, ("not_unique", "lines")),
        (
            {"amount_minor": 1, "lines": [{"line": 1, "net_minor": 1}]},
            400,
            ("not_both", "lines"),
        ),
        ({"to": "cash"}, 400, ("invalid_choice", "to")),
    ],
)
def test_what_cannot_be_credited_credits_nothing(
    shop: Shop, invoice: str, asked: dict[str, Any], status: int, expected: tuple[str, Any]
) -> None:
    answer = credit(shop, invoice, **asked)
    assert (answer.status_code, errors_of(answer)) == (status, [expected])
    assert shop.get(f"invoices/{invoice}").json()["credited_minor"] == 0


def test_a_credit_note_is_printed(shop: Shop, invoice: str) -> None:
    note = credit(shop, invoice).json()["id"]
    answer = shop.get(f"credit_notes/{note}/pdf")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
