"""Which gateways there are, and which account is asked."""

import json
from typing import Any

import pytest
from django.test import Client

from billing.base import clock
from billing.payments import inbox
from billing.payments.gateways import registry
from billing.payments.gateways.base import Charge, GatewayRefused, GatewayUnavailable, Notice
from billing.payments.models import GatewayEvent
from tests.factories import SellerFactory
from tests.payments.gateways.kinds import PlayedKind

pytestmark = pytest.mark.django_db


class Account:
    """Knows some charges, and believes what bears its own signature."""

    name = "sandbox"

    def __init__(self, signature: str, *charges: str) -> None:
        self.signature, self.charges, self.asked = signature, charges, list[str]()

    def get_charge(self, gateway_id: str) -> Charge:
        self.asked.append(gateway_id)
        if gateway_id not in self.charges:
            raise GatewayRefused("No such charge.", code="not_found", status=404)
        return Charge(gateway_id, "succeeded", 100, "EUR", "pay_1", customer="cus_of_nobody")

    def read_hook(self, headers: Any, body: bytes, now_seconds: int) -> Notice:
        if headers.get("webhook-signature", "") != self.signature:
            raise GatewayRefused("The signature of this hook is wrong.")
        return Notice("evt_1", "charge.succeeded", body.decode())


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[Account]:
    accounts = [Account("one", "ch_1"), Account("two", "ch_2")]
    monkeypatch.setattr(registry, "GATEWAYS", (PlayedKind(played=accounts),))
    return accounts


def test_who_moved_money_is_a_gateway_or_a_person() -> None:
    assert registry.is_gateway("sandbox")
    assert not registry.is_gateway("manual")
    assert not registry.is_gateway("")


def test_a_gateway_without_an_account_says_how_it_gets_one(settings: Any) -> None:
    settings.SANDBOX_URL, seller = "", SellerFactory()
    for ask in (
        lambda: registry.account("sandbox", seller),
        lambda: registry.accounts_at("sandbox"),
    ):
        with pytest.raises(GatewayUnavailable, match="not set up. Set KVITT_SANDBOX_URL"):
            ask()
    assert list(registry.accounts()) == []


def test_what_is_no_gateway_has_no_account() -> None:
    with pytest.raises(GatewayUnavailable, match="no gateway manual"):
        registry.account("manual", SellerFactory())


def test_the_account_follows_the_settings(settings: Any) -> None:
    settings.SANDBOX_URL, seller = "http://127.0.0.1:9", SellerFactory()
    first = registry.account("sandbox", seller)
    assert registry.account("sandbox", seller) is first
    settings.SANDBOX_HOOK_SECRET = "another"  # noqa: S105
    assert registry.account("sandbox", seller) is not first


@pytest.mark.parametrize(("signature", "status"), [("one", 200), ("two", 200), ("three", 400)])
def test_a_hook_may_be_of_any_account(two: list[Account], signature: str, status: int) -> None:
    headers = {"webhook-signature": signature}
    answer = Client().post("/hooks/sandbox", "{}", "application/json", headers=headers)
    assert answer.status_code == status
    assert GatewayEvent.objects.count() == (status == 200)


def test_a_charge_of_nobody_here_is_asked_of_each_account(two: list[Account]) -> None:
    about = {"id": "ch_2", "reference": "pay_2", "status": "succeeded"}
    notice = Notice("evt_2", "charge.succeeded", json.dumps({"object": about}))
    inbox.keep("sandbox", [notice], clock.now(), is_polled=False)
    assert inbox.process_hooks() == 1
    assert [one.asked for one in two] == [["ch_2"], ["ch_2"]]
    assert "no payment" in GatewayEvent.objects.get().parked_reason
