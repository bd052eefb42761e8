"""A key sees what its scopes say, by whatever way it asks."""

from typing import Any

import pytest

from billing.api.reading import READINGS, SHOWN
from billing.api.scopes import ALL, Scope
from billing.events.recorder import fan_out
from customers.models import Seller
from tests.api.calling import Shop, errors_of
from tests.api.world import World
from tests.factories import InvoiceFactory, SubscriptionFactory


def test_everything_that_can_be_expanded_or_told_of_has_a_scope() -> None:
    expanded = {
        field.target for reading in READINGS.values() for field in reading.references().values()
    }
    scopes = [READINGS[name].scope for name in expanded]
    scopes += [reading.scope for reading, _ in SHOWN.values()]
    assert set(scopes) <= ALL


@pytest.mark.parametrize(
    ("path", "scope", "expand", "missing"),
    [
        ("subscriptions", Scope.SUBSCRIPTIONS_READ, "customer", Scope.CUSTOMERS_READ),
        ("subscriptions", Scope.SUBSCRIPTIONS_READ, "plan", Scope.PLANS_READ),
        ("invoices", Scope.INVOICES_READ, "customer", Scope.CUSTOMERS_READ),
        ("invoices", Scope.INVOICES_READ, "subscription.customer", Scope.SUBSCRIPTIONS_READ),
        ("payments", Scope.PAYMENTS_READ, "customer", Scope.CUSTOMERS_READ),
        ("one_off_items", Scope.ONE_OFF_ITEMS_READ, "invoice", Scope.INVOICES_READ),
    ],
)
def test_expand_shows_nothing_that_the_key_may_not_read(
    seller: Seller, path: str, scope: str, expand: str, missing: str
) -> None:
    refused = Shop(seller, scopes=[scope]).get(path, expand=expand)
    assert refused.status_code == 403
    assert errors_of(refused) == [("scope_missing", "expand")]
    assert missing in refused.json()["errors"][0]["detail"]


def test_what_lies_deeper_takes_a_scope_of_its_own(seller: Seller) -> None:
    InvoiceFactory(customer__seller=seller)
    two = [Scope.INVOICES_READ, Scope.SUBSCRIPTIONS_READ]
    asked: dict[str, Any] = {"expand": "subscription.customer"}
    assert Shop(seller, scopes=two).get("invoices", **asked).status_code == 403
    three = [*two, Scope.CUSTOMERS_READ]
    assert Shop(seller, scopes=three).get("invoices", **asked).status_code == 200


def test_what_a_start_answers_expands_no_further_than_the_key_reads(seller: Seller) -> None:
    subscription = SubscriptionFactory(customer__seller=seller)
    key = Shop(seller, scopes=[Scope.SUBSCRIPTIONS_READ])
    path = f"subscriptions/{subscription.public_id}"
    assert key.get(path).status_code == 200
    assert key.get(path, expand="customer").status_code == 403


def test_events_tell_a_key_of_what_it_may_read_and_of_the_rest_the_id(seller: Seller) -> None:
    world = World(seller)
    while fan_out():
        pass
    narrow = Shop(seller, scopes=[Scope.EVENTS_READ, Scope.INVOICES_READ])
    seen = {
        each["subject"]: each["data"] for each in narrow.get("events", limit=100).json()["results"]
    }
    customers = [data for subject, data in seen.items() if subject.startswith("cus_")]
    subscriptions = [data for subject, data in seen.items() if subject.startswith("sub_")]
    assert subscriptions
    for data in (*customers, *subscriptions):
        assert list(data["object"]) == ["id"]
        assert data["details"] == {}
    assert seen[world.named["invoice"]]["object"]["lines"]
    note = world.named["credit_note"]
    assert seen[note]["object"] == {"id": note}
    notes = Shop(seller, scopes=[Scope.EVENTS_READ, Scope.CREDIT_NOTES_READ])
    (told,) = notes.get("events", subject=note).json()["results"]
    assert told["data"]["object"]["lines"]
    one = narrow.get(f"events/{world.named['event']}").json()
    assert one["data"]["object"]["id"] == world.named["invoice"]
    blind = Shop(seller, scopes=[Scope.EVENTS_READ]).get(f"events/{world.named['event']}").json()
    seen_blindly = {"object": {"id": world.named["invoice"]}, "details": {}}
    assert blind["data"] == seen_blindly | {"is_as_of_event": False}


def test_every_event_tells_who_may_read_everything_the_object_whole(seller: Seller) -> None:
    World(seller)
    while fan_out():
        pass
    events = Shop(seller).get("events", limit=100).json()["results"]
    kinds = {each["subject"].partition("_")[0] for each in events}
    assert {"cn", "inv", "sub"} <= kinds <= set(SHOWN)
    for event in events:
        reading, _ = SHOWN[event["subject"].partition("_")[0]]
        assert set(event["data"]["object"]) == set(reading().fields)
