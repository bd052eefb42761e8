"""What a gateway has done and this database does not know: taken in, listed, or nothing of ours."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.base import clock
from billing.events.models import Event
from billing.events.recorder import LEAP_OF_SELLER, LEAP_OF_SUBJECT, fan_out, record
from billing.invoicing.batch import bill_due
from billing.invoicing.models import CustomerBalance, Invoice
from billing.invoicing.number_series import NumberGap, NumberSeries
from billing.mail.actions import post, send_again
from billing.mail.models import Message
from billing.mail.words.payments import RECEIPT
from billing.mail.words.visits import SIGN_IN
from billing.outbound.actions import hold
from billing.outbound.gate import standing_holds
from billing.outbound.models import DatabaseMark
from billing.payments.collection import collect_due
from billing.payments.gateway_events import GatewayEvent
from billing.payments.inbox import poll_gateways, process_hooks
from billing.payments.methods import keep_method
from billing.payments.models import Payment
from billing.verification.books import broken_invariants
from billing.verification.reconciling import Found, go_on, reconcile
from customers.models import Customer, Seller
from tests.factories import (
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)
from tests.sandbox.process import RunningSandbox, running_sandbox

pytestmark = pytest.mark.django_db(transaction=True)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def sandbox(tmp_path: Any, settings: Any) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path) as running:
        settings.SANDBOX_URL, settings.SANDBOX_KEY = running.url, running.key
        settings.SANDBOX_HOOK_SECRET = running.hook_secret
        yield running


@pytest.fixture
def seller() -> Seller:
    seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    return seller


@pytest.fixture
def customer(sandbox: RunningSandbox, seller: Seller) -> Customer:
    """One with a card, whose first bill of 125.00 is due today."""
    customer = CustomerFactory(seller=seller, collection="automatic")
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    today = clock.today(seller.time_zone)
    SubscriptionFactory(customer=customer, plan=plan, starts_on=today)
    _, card = sandbox.card(customer.public_id)
    keep_method(customer, gateway="sandbox", gateway_id=card, as_of=today, actor="test")
    return customer


def charge(
    sandbox: RunningSandbox, customer: Customer, metadata: dict[str, str], card: str = ""
) -> dict[str, Any]:
    """A charge of 125.00 that the gateway made and of which no row is left here."""
    method = customer.payment_methods.get()
    asked = {
        "customer": method.gateway_customer,
        "payment_method": card or method.gateway_id,
        "amount_minor": 12_500,
        "currency": "SEK",
        "reference": f"chg_{secrets.token_hex(8)}_1",
        "metadata": metadata,
    }
    made: dict[str, Any] = sandbox.post("/charges", asked).json()
    return made


def of(customer: Customer, number: int) -> dict[str, str]:
    return {
        "seller": customer.seller.public_id,
        "customer": customer.public_id,
        "number": str(number),
        "sequence": str(number),
    }


def compare() -> Found:
    return reconcile(actor="anna", since=BEGIN)


def succeeded(sandbox: RunningSandbox) -> int:
    every = sandbox.get("/charges", since="2026-01-01T00:00:00Z").json()["data"]
    return sum(made["status"] == "succeeded" for made in every)


def test_lost_money_comes_to_its_customer_once_and_pays_the_bill_that_is_made_again(
    sandbox: RunningSandbox, seller: Seller, customer: Customer
) -> None:
    charge(sandbox, customer, of(customer, 7))
    assert len(compare().taken_in) == 2  # The money, and the numbers until 7.
    assert compare() == Found(compared=1)
    today = clock.today(seller.time_zone)
    bill_due(seller, today)
    collect_due(seller, today, "test")
    invoice = Invoice.objects.first()
    assert invoice and (invoice.sequence, invoice.status) == (8, "paid")
    assert succeeded(sandbox) == 1
    assert not broken_invariants()


def test_money_of_a_customer_whom_nobody_knows_is_for_a_person_to_decide(
    sandbox: RunningSandbox, customer: Customer
) -> None:
    customer.at_gateways.update(gateway_id="cus_of_another")
    made = charge(sandbox, customer, of(customer, 1))
    found = compare()
    assert made["id"] in found.undecided[0]
    assert not Payment.objects.exists()


def test_a_charge_that_waits_for_its_customer_is_for_a_person_to_cancel(
    sandbox: RunningSandbox, seller: Seller, customer: Customer
) -> None:
    at_gateway = customer.payment_methods.get().gateway_customer
    body = {"customer": at_gateway, "card_number": "4000002500003155"}
    card = sandbox.post("/payment_methods", body).json()["id"]
    made = charge(sandbox, customer, of(customer, 1), card)
    assert made["status"] == "requires_action"
    assert "waits for its customer" in compare().undecided[0]


def test_what_was_paid_back_of_lost_money_is_not_taken_in(
    sandbox: RunningSandbox, customer: Customer
) -> None:
    made = charge(sandbox, customer, of(customer, 1))
    sandbox.post(
        "/refunds",
        {"charge": made["id"], "amount_minor": 2_500, "reference": "rfd_x_1"},
    ).raise_for_status()
    compare()
    assert CustomerBalance.objects.get().balance_minor == 10_000
    assert not compare().undecided


def test_a_refund_that_was_lost_is_listed_until_it_is_made_again(
    sandbox: RunningSandbox, seller: Seller, customer: Customer
) -> None:
    today = clock.today(seller.time_zone)
    bill_due(seller, today)
    collect_due(seller, today, "test")
    payment = Payment.objects.get()
    sandbox.post(
        "/refunds",
        {"charge": payment.gateway_id, "amount_minor": 2_500, "reference": "rfd_x_1"},
    ).raise_for_status()
    assert "was paid back of" in compare().undecided[0]


def test_what_was_under_way_at_the_backup_is_settled(
    sandbox: RunningSandbox, seller: Seller, customer: Customer
) -> None:
    today = clock.today(seller.time_zone)
    bill_due(seller, today)
    sandbox.fault("lost")
    collect_due(seller, today, "test")
    assert Payment.objects.get().state == "unknown"
    compare()
    assert Payment.objects.get().state == "succeeded"
    assert Invoice.objects.get().status == "paid"


def test_numbers_on_charges_are_not_given_again_and_the_gap_is_explained(
    sandbox: RunningSandbox, seller: Seller, customer: Customer
) -> None:
    charge(sandbox, customer, of(customer, 41))
    compare()
    [gap] = NumberGap.objects.all()
    assert (gap.first, gap.last, gap.recorded_by) == (1, 41, "anna")
    assert NumberSeries.objects.get(kind="invoice").next_number == 42
    assert "numbers_are_without_gap" not in broken_invariants()


# A machine that was set back with its mark: only the gateway knows


def take_in_events() -> None:
    poll_gateways()
    process_hooks()


def test_a_gateway_that_knows_of_a_charge_that_was_lost_holds_everything(
    sandbox: RunningSandbox, customer: Customer
) -> None:
    charge(sandbox, customer, of(customer, 7))
    take_in_events()
    assert [held.code for held in standing_holds()] == ["gateway_knows_more"]
    assert CustomerBalance.objects.get().balance_minor == 12_500
    assert Event.objects.filter(type="payment.taken_in").count() == 1
    reconcile(actor="anna", since=BEGIN)
    go_on(actor="anna")
    assert not standing_holds().exists()


def test_so_does_one_of_a_customer_whom_nobody_knows(
    sandbox: RunningSandbox, customer: Customer
) -> None:
    customer.at_gateways.update(gateway_id="cus_of_another")
    charge(sandbox, customer, of(customer, 7))
    take_in_events()
    assert standing_holds().exists()
    reconcile(actor="anna", since=BEGIN)
    go_on(actor="anna")
    # A person has been told of it, and it holds nothing a second time.
    GatewayEvent.objects.update(parked_reason="", next_attempt_at=clock.now())
    process_hooks()
    assert not standing_holds().exists()
    assert GatewayEvent.objects.exclude(parked_reason="").exists()


def test_a_charge_of_another_installation_holds_nothing(
    sandbox: RunningSandbox, customer: Customer
) -> None:
    customer.at_gateways.update(gateway_id="cus_of_another")
    charge(sandbox, customer, {"seller": "sel_another"})
    charge(sandbox, customer, {})
    take_in_events()
    assert not standing_holds().exists()


# What was told before


@pytest.fixture
def held(customer: Customer) -> Customer:
    """The customer of a database that is held, and has its mark."""
    DatabaseMark.objects.create(
        pk=1, installation="x", place="here", seen_at=clock.now(), seen_by="test"
    )
    hold("database_replaced", "It was restored.", {})
    return customer


def told(customer: Customer) -> list[tuple[int | None, int | None]]:
    """What the shop can know of each event of a customer: its numbers."""
    events = Event.objects.filter(subject=customer.public_id, type="customer.changed")
    return list(events.order_by("pk").values_list("sequence", "position"))


def change(customer: Customer) -> None:
    record(
        "customer.changed",
        seller=customer.seller.public_id,
        subject=customer.public_id,
        occurred_on=clock.today("UTC"),
        actor="test",
    )
    fan_out()


def test_no_event_gets_the_number_of_one_that_was_lost(held: Customer) -> None:
    change(held)
    go_on(actor="anna")
    change(held)
    change(held)
    [before, first, second] = told(held)
    assert before[0] is not None and before[0] < LEAP_OF_SUBJECT
    assert before[1] is not None and before[1] < LEAP_OF_SELLER
    assert first == (LEAP_OF_SUBJECT + 1, LEAP_OF_SELLER + 1)
    assert second == (LEAP_OF_SUBJECT + 2, LEAP_OF_SELLER + 2)


def test_numbers_go_on_where_nothing_was_lost(held: Customer) -> None:
    change(held)
    go_on(actor="anna", nothing_lost=True)
    change(held)
    [before, after] = told(held)
    assert after == (before[0] + 1, before[1] + 1)  # type: ignore[operator]


def test_what_may_have_been_mailed_before_waits_for_a_person(
    held: Customer, admin_client: Client
) -> None:
    go_on(actor="anna")
    post(RECEIPT, object="pay_1", customer=held, facts={})
    post(SIGN_IN, object="evt_1", customer=held, facts={})
    states = dict(Message.objects.values_list("kind", "state"))
    assert states == {"receipt": "unclear", "sign_in": "waiting"}
    assert "Emails in doubt" in admin_client.get(reverse("admin:index")).content.decode()
    [doubted] = Message.objects.filter(state="unclear")
    assert "restored" in doubted.last_error
    send_again(doubted, as_of=clock.today("UTC"), actor="anna")
    doubted.refresh_from_db()
    assert (doubted.state, doubted.last_error) == ("waiting", "")
