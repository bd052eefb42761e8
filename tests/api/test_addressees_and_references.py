"""Who gets a customer's documents, and which reference of the buyer's they bear, over the API."""

from typing import Any

import pytest

from billing.invoicing.batch import bill_due
from billing.invoicing.models import OneOffItem
from customers.models import Customer
from tests.api.calling import Shop, errors_of
from tests.api.world import World


@pytest.fixture
def world(shop: Shop) -> dict[str, str]:
    return World(shop.seller).named


def test_addressees_are_kept_shown_and_replaced_as_a_whole(
    shop: Shop, world: dict[str, str]
) -> None:
    path = f"customers/{world['customer']}"
    named = {"invoice_to": ["ap@b.example", "cfo@b.example"], "reminder_cc": ["boss@b.example"]}
    changed = shop.patch(path, named).json()
    assert {name: changed[name] for name in named} == named
    assert (changed["invoice_cc"], changed["reminder_to"]) == ([], [])
    assert shop.patch(path, {"invoice_to": []}).json()["invoice_to"] == []
    assert shop.get(path).json()["reminder_cc"] == ["boss@b.example"]


@pytest.mark.parametrize(
    ("named", "code"),
    [
        (["soon"], "invalid"),
        ([""], "blank"),
        ([None], "null"),
        ("ap@b.example", "not_a_list"),
        ([f"a{number}@b.example" for number in range(11)], "max_length"),
    ],
)
def test_what_is_no_list_of_addresses_is_refused(
    shop: Shop, world: dict[str, str], named: Any, code: str
) -> None:
    answer = shop.patch(f"customers/{world['customer']}", {"invoice_to": named})
    assert answer.status_code == 400
    assert [each for each, _ in errors_of(answer)] == [code]
    assert Customer.objects.get(public_id=world["customer"]).invoice_to == []


def test_a_document_says_the_reference_of_what_is_on_it(shop: Shop, world: dict[str, str]) -> None:
    shop.patch(f"customers/{world['customer']}", {"buyer_reference": "COST 7"})
    asked = {"customer": world["customer"], "plan": world["plan"]}
    plain = shop.post("subscriptions", asked).json()["documents"][0]
    assert plain["buyer_reference"] == "COST 7"
    named = shop.post("subscriptions", asked | {"buyer_reference": "PO 1"}).json()
    assert named["subscription"]["buyer_reference"] == "PO 1"
    assert named["documents"][0]["buyer_reference"] == "PO 1"
    item = {"customer": world["customer"], "currency": "SEK", "amount_minor": 500}
    made = shop.post("one_off_items", item | {"description": "Mug", "buyer_reference": "PO 9"})
    billed = OneOffItem.objects.get(public_id=made.json()["id"])
    bill_due(shop.seller, billed.due_on)
    shown = shop.get(f"one_off_items/{billed.public_id}").json()
    assert shown["buyer_reference"] == "PO 9"
    assert shop.get(f"invoices/{shown['invoice']}").json()["buyer_reference"] == "PO 9"


def test_a_subscriptions_reference_is_changed_and_nothing_else_of_it(
    shop: Shop, world: dict[str, str]
) -> None:
    path = f"subscriptions/{world['subscription']}"
    assert shop.patch(path, {"buyer_reference": "PO 2"}).json()["buyer_reference"] == "PO 2"
    assert shop.get(path).json()["buyer_reference"] == "PO 2"
    assert shop.patch(path, {"buyer_reference": ""}).json()["buyer_reference"] == ""
    answer = shop.patch(path, {"buyer_reference": "", "plan": "basic"})
    assert (answer.status_code, errors_of(answer)) == (400, [("unknown_field", "plan")])
    assert shop.patch(path, {}).status_code == 400
