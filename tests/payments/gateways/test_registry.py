"""Which gateways there are, and which account is asked."""

from typing import Any

import pytest
from django.test import Client

from billing.base import clock
from billing.payments import inbox
from billing.payments.gateway_events import GatewayEvent
from billing.payments.gateways import registry
from billing.payments.gateways.base import (
    About,
    Charge,
    GatewayRefused,
    GatewayUnavailable,
    Notice,
    Purpose,
    Subject,
)
from billing.payments.models import PaymentMethod
from customers.models import Seller
from tests.factories import CustomerFactory, SellerFactory
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


# Who serves whom, and for what


def played(name: str, *purposes: Purpose, is_for_tests: bool = True) -> PlayedKind:
    account = Account("")
    account.name = name
    return PlayedKind(name, is_for_tests, frozenset(purposes), played=[account])


def play(monkeypatch: pytest.MonkeyPatch, *kinds: PlayedKind) -> None:
    monkeypatch.setattr(registry, "GATEWAYS", kinds)


def chosen(seller: Seller, purpose: Purpose) -> str:
    found = registry.choose_gateway(seller, purpose)
    return found.name if found else ""


def test_the_first_that_can_do_what_is_needed_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    play(
        monkeypatch,
        PlayedKind("empty"),
        played("pages", Purpose.PAY_ON_PAGE),
        played("cards", Purpose.CHARGE, Purpose.PAY_ON_PAGE),
    )
    seller = SellerFactory()
    assert [chosen(seller, purpose) for purpose in Purpose] == ["cards", "pages", ""]
    assert registry.names_for(seller, Purpose.PAY_ON_PAGE) == ["pages", "cards"]
    assert registry.takes_payments(seller)


def test_live_and_test_never_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    play(
        monkeypatch,
        played("toy", *Purpose),
        played("real", Purpose.CHARGE, is_for_tests=False),
    )
    live, test = SellerFactory(live=True), SellerFactory()
    assert [chosen(seller, Purpose.CHARGE) for seller in (live, test)] == ["real", "toy"]
    assert chosen(live, Purpose.PAY_ON_PAGE) == ""
    assert (registry.takes_payments(live), registry.takes_payments(test)) == (False, True)


def test_a_card_is_charged_where_its_gateway_charges_for_the_seller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seller = SellerFactory()
    for name in ("cards", "pages", "gone"):
        PaymentMethod.objects.create(
            customer=CustomerFactory(seller=seller), gateway=name, gateway_id=name, is_default=True
        )
    play(monkeypatch, played("pages", Purpose.PAY_ON_PAGE), played("cards", Purpose.CHARGE))
    assert [card.gateway for card in PaymentMethod.objects.chargeable(seller)] == ["cards"]


# What is told, and by whom


@pytest.mark.parametrize(("signature", "status"), [("one", 200), ("two", 200), ("three", 400)])
def test_a_hook_may_be_of_any_account(two: list[Account], signature: str, status: int) -> None:
    headers = {"webhook-signature": signature}
    answer = Client().post("/hooks/sandbox", "{}", "application/json", headers=headers)
    assert answer.status_code == status
    assert GatewayEvent.objects.count() == (status == 200)


def taken_up(gateway: str = "sandbox") -> str:
    """Why a notice in words that only its gateway reads is parked."""
    notice = Notice("evt_2", "payment/paid", "<paid charge='ch_2'/>")
    inbox.keep(gateway, [notice], clock.now(), is_polled=False)
    assert inbox.process_hooks() == 1
    return GatewayEvent.objects.get().parked_reason


def test_a_charge_of_nobody_here_is_asked_of_each_account(
    two: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Subject(About.CHARGE, "ch_2", "pay_2", "succeeded")
    play(monkeypatch, PlayedKind(played=two, told=told))
    assert taken_up() == "We have no payment for charge ch_2 (pay_2)."
    assert [one.asked for one in two] == [["ch_2"], ["ch_2"]]


def test_a_charge_of_nobody_that_took_no_money_is_not_even_asked_about(
    two: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, PlayedKind(played=two, told=Subject(About.CHARGE, "ch_2", "pay_2", "failed")))
    assert "no payment" in taken_up()
    assert [one.asked for one in two] == [[], []]


@pytest.mark.parametrize("gateway", ["sandbox", "one_of_before"])
def test_what_its_gateway_cannot_read_is_parked(two: list[Account], gateway: str) -> None:
    assert taken_up(gateway) == "We know nothing of this payment/paid."
