"""Collection through a real sandbox: a process of its own, real commits, and bad days."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.test import Client

from billing.engine.declines import Decline
from billing.engine.errors import Refused
from billing.events.models import Event, Trouble
from billing.invoicing.actions import write_off
from billing.invoicing.balances import give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.hooks import balances_grew
from billing.invoicing.models import CustomerBalance, Invoice
from billing.payments import charging, guards
from billing.payments.booking import record_payment
from billing.payments.collection import collect_due, collect_from, resolve_due
from billing.payments.gateway_events import GatewayEvent
from billing.payments.gateways import http
from billing.payments.gateways.base import GatewayUnclear
from billing.payments.gateways.sandbox import client
from billing.payments.giving_back import give_back
from billing.payments.inbox import poll_gateways, process_hooks
from billing.payments.methods import keep_method
from billing.payments.models import IN_FLIGHT, CheckoutSession, Payment, PaymentMethod, Refund
from billing.payments.planning import collect_soon
from billing.payments.sessions import complete_session, expire_session, start_payment, start_setup
from billing.verification.books import broken_invariants
from customers.models import Customer, Seller
from dunning.cases import next_retry_on, open_cases, step_due
from dunning.models import DunningCase
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)
from tests.sandbox.process import RunningSandbox, running_sandbox

pytestmark = pytest.mark.django_db(transaction=True)
FORK = multiprocessing.get_context("fork")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORKS, DECLINED, LOST, ASKS = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009987",
    "4000002500003155",
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    """Noon of the first day that the factories make."""
    with time_machine.travel(NOON) as coordinates:
        yield coordinates


@pytest.fixture(autouse=True)
def connected(sandbox: RunningSandbox, settings: Any) -> None:
    """Kvitt knows the sandbox, which has no faults left from the test before."""
    settings.SANDBOX_URL, settings.SANDBOX_KEY = sandbox.url, sandbox.key
    settings.SANDBOX_HOOK_SECRET = sandbox.hook_secret
    for kind in ("down", "slow", "lost", "lie"):
        sandbox.fault(kind, times=0)


@pytest.fixture
def seller() -> Seller:
    seller = SellerFactory(name="Rosteriet", tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    return seller


def owing(sandbox: RunningSandbox, seller: Seller, number: str = WORKS) -> Invoice:
    """An invoice of 125.00, due at once, of a new customer whose card has this number."""
    customer = CustomerFactory(seller=seller, collection="automatic")
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    SubscriptionFactory(customer=customer, plan=plan)
    give_card(sandbox, customer, number)
    bill_due(seller, DAY)
    return Invoice.objects.get(customer=customer)


def give_card(sandbox: RunningSandbox, customer: Customer, number: str) -> PaymentMethod:
    """What comes of a hosted page, for the customer whom the gateway already has."""
    at_gateway = customer.at_gateways.first()
    if at_gateway is None:
        _, method_id = sandbox.card(customer.public_id, number)
    else:
        body = {"customer": at_gateway.gateway_id, "card_number": number}
        method_id = sandbox.post("/payment_methods", body).json()["id"]
    return keep_method(customer, gateway="sandbox", gateway_id=method_id, as_of=DAY, actor="test")


def collect(seller: Seller, days: int = 0) -> int:
    return collect_due(seller, as_of=DAY + timedelta(days=days), actor="test")


def payment_of(invoice: Invoice) -> Payment:
    """The newest payment of an invoice."""
    return Payment.objects.filter(allocations__invoice=invoice).latest("id")


def charges(sandbox: RunningSandbox, invoice: Invoice) -> list[dict[str, Any]]:
    """What the gateway has charged, or tried to, for an invoice."""
    payments = Payment.objects.filter(allocations__invoice=invoice).order_by("id")
    return [
        charge
        for payment in payments
        for charge in sandbox.get("/charges", reference=payment.gateway_reference).json()["data"]
    ]


def check_paid_once(sandbox: RunningSandbox, invoice: Invoice) -> None:
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_minor) == ("paid", 12_500)
    succeeded = [each for each in charges(sandbox, invoice) if each["status"] == "succeeded"]
    assert [each["amount_minor"] for each in succeeded] == [12_500]
    assert broken_invariants() == {}


# What cards do


def test_what_is_planned_is_charged_once_and_booked(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller)
    assert collect(seller) == 1
    assert collect(seller) == 0
    check_paid_once(sandbox, invoice)
    assert payment_of(invoice).received_on == DAY


def test_a_declined_card_is_tried_again_on_the_days_of_the_policy(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller, DECLINED)
    assert collect(seller) == 1
    told = Event.objects.get(type="payment.failed")
    assert told.data["next_attempt_on"] == (DAY + timedelta(days=3)).isoformat()
    tried = [0]
    for day in range(1, 60):
        step_due(seller, DAY + timedelta(days=day), "test")
        if collect(seller, days=day):
            tried.append(day)
    assert tried == [0, 3, 7, 14, 25]
    assert len(charges(sandbox, invoice)) == len(tried)
    assert not Payment.objects.filter(state="planned").exists()
    assert broken_invariants() == {}


def test_a_blocked_card_is_not_tried_again_and_a_new_one_pays_at_once(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller, LOST)
    assert collect(seller) == 1
    assert PaymentMethod.objects.get().refused_code == "lost_card"
    failed = payment_of(invoice)
    assert (failed.failure_code, failed.gateway_code) == ("lost_card", "lost_card")
    step_due(seller, DAY + timedelta(days=3), "test")
    assert collect(seller, days=3) == 0
    give_card(sandbox, invoice.customer, WORKS)
    assert collect(seller, days=3) == 1
    assert DunningCase.objects.get().status == "recovered"
    check_paid_once(sandbox, invoice)


@pytest.mark.parametrize(("decision", "state"), [("approve", "succeeded"), ("refuse", "failed")])
def test_what_the_bank_asks_for_is_waited_for_and_found_in_the_list_of_events(
    sandbox: RunningSandbox, seller: Seller, decision: str, state: str
) -> None:
    invoice = owing(sandbox, seller, ASKS)
    collect(seller)
    payment = payment_of(invoice)
    assert payment.state == "requires_action"
    with pytest.raises(Refused, match="under way"):
        record_payment(invoice, as_of=DAY, actor="test")
    sandbox.decide(payment.action_url, decision)
    poll_gateways()
    while process_hooks():
        pass
    payment.refresh_from_db()
    assert payment.state == state
    assert payment.action_url == ""
    if state == "succeeded":
        check_paid_once(sandbox, invoice)
    else:
        assert next_retry_on(DunningCase.objects.get()) == DAY + timedelta(days=3)


def test_what_nobody_confirms_in_a_week_has_failed_and_is_dunned_from_then(
    sandbox: RunningSandbox, seller: Seller, clock: Any
) -> None:
    invoice = owing(sandbox, seller, ASKS)
    collect(seller)
    for day in range(charging.ACTION_DAYS_MAX):
        on = DAY + timedelta(days=day)
        open_cases(seller, on, "test")
        assert step_due(seller, on, "test") == 0
        resolve_due()
        assert payment_of(invoice).state == "requires_action"
        clock.shift(timedelta(days=1))
    assert not DunningCase.objects.exists()
    resolve_due()
    failed = payment_of(invoice)
    assert (failed.state, failed.failure_code, failed.gateway_code) == (
        "failed",
        "declined",
        "canceled",
    )
    late_from = DAY + timedelta(days=charging.ACTION_DAYS_MAX)
    case = DunningCase.objects.get()
    assert (case.since, case.late_from) == ("failure", late_from)
    told = Event.objects.get(type="payment.failed")
    assert told.data["next_attempt_on"] == (late_from + timedelta(days=3)).isoformat()
    assert [each["status"] for each in charges(sandbox, invoice)] == ["canceled"]
    assert broken_invariants() == {}


def test_a_reason_in_the_gateways_word_is_one_of_ours_and_its_word_is_kept(
    sandbox: RunningSandbox, seller: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the gateway calls it: what is final is so for page, mail, card and retries alike."""
    monkeypatch.setattr(client.SandboxKind, "decline_of", lambda *_: Decline.STOLEN_CARD)
    invoice = owing(sandbox, seller, DECLINED)
    assert collect(seller) == 1
    failed = payment_of(invoice)
    assert (failed.failure_code, failed.gateway_code) == ("stolen_card", "card_declined")
    told = Event.objects.get(type="payment.failed").data
    assert (told["failure_code"], told["gateway_code"]) == ("stolen_card", "card_declined")
    assert PaymentMethod.objects.get().refused_code == "stolen_card"
    step_due(seller, DAY + timedelta(days=3), "test")
    assert collect(seller, days=3) == 0


def test_what_the_gateway_refuses_at_once_is_a_decline_as_well(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller)
    PaymentMethod.objects.update(gateway_customer="cus_of_nobody")
    assert collect(seller) == 1
    failed = payment_of(invoice)
    assert (failed.state, failed.failure_code) == ("failed", "declined")
    assert failed.gateway_code not in {"", "declined"}


# Bad days of the gateway


@pytest.mark.parametrize("fault", ["lost", "lie"])
def test_a_charge_whose_answer_is_lost_or_wrong_is_asked_for_and_counts_once(
    sandbox: RunningSandbox, seller: Seller, clock: Any, fault: str
) -> None:
    invoice = owing(sandbox, seller)
    sandbox.fault(fault)
    collect(seller)
    payment = payment_of(invoice)
    assert payment.state == "unknown"
    assert bool(payment.attention) == (fault == "lie")
    invoice.refresh_from_db()
    assert invoice.paid_minor == 0
    assert collect(seller, days=30) == 0
    clock.shift(timedelta(minutes=2))
    assert resolve_due() == 1
    check_paid_once(sandbox, invoice)


def test_a_gateway_that_is_too_slow_is_asked_later(
    sandbox: RunningSandbox,
    seller: Seller,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoice = owing(sandbox, seller)
    monkeypatch.setattr(http, "READ_SECONDS", 0.3)
    sandbox.fault("slow", seconds=1)
    collect(seller)
    assert payment_of(invoice).state == "unknown"
    monkeypatch.undo()
    clock.shift(timedelta(minutes=2))
    resolve_due()
    check_paid_once(sandbox, invoice)


def test_a_charge_that_was_never_made_is_planned_again_and_made_once(
    sandbox: RunningSandbox, seller: Seller, clock: Any
) -> None:
    invoice = owing(sandbox, seller)
    sandbox.fault("down")
    collect(seller)
    assert payment_of(invoice).state == "unknown"
    clock.shift(timedelta(minutes=2))
    resolve_due()
    # Asked too early, the request could still be on its way.
    assert payment_of(invoice).state == "unknown"
    clock.shift(timedelta(minutes=10))
    resolve_due()
    assert payment_of(invoice).state == "planned"
    clock.shift(timedelta(days=1))
    assert collect(seller, days=1) == 1
    check_paid_once(sandbox, invoice)


def test_a_gateway_that_is_not_there_delays_and_loses_nothing(
    sandbox: RunningSandbox, seller: Seller, settings: Any, clock: Any
) -> None:
    invoice = owing(sandbox, seller)
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    assert collect(seller) == 0
    assert payment_of(invoice).state == "planned"
    settings.SANDBOX_URL = sandbox.url
    assert collect(seller) == 0
    clock.shift(timedelta(minutes=2))
    assert collect(seller) == 1
    check_paid_once(sandbox, invoice)


def test_no_gateway_is_called_while_a_transaction_is_open(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller)
    with transaction.atomic():
        assert collect(seller) == 0
    assert "while a transaction is open" in Trouble.objects.get(step="collect").message
    assert charges(sandbox, invoice) == []


# Workers that die, and many at once


def in_a_process(work: Callable[[], object]) -> Any:
    def alone() -> None:
        with time_machine.travel(NOON):
            work()
        connection.close()

    connection.close()
    process = FORK.Process(target=alone)
    process.start()
    return process


def _die(*args: object, **options: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", ["before the call", "after the call"])
def test_a_worker_killed_beside_the_call_charges_once(
    sandbox: RunningSandbox, seller: Seller, clock: Any, moment: str
) -> None:
    invoice = owing(sandbox, seller)

    def collect_and_die() -> None:
        if moment == "before the call":
            client.Sandbox.charge = _die  # type: ignore[assignment,method-assign]
        else:
            charging.settle = _die  # type: ignore[assignment]
        collect(seller)

    worker = in_a_process(collect_and_die)
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
    assert payment_of(invoice).state == "created"
    assert collect(seller) == 0
    for _ in range(2):
        clock.shift(timedelta(minutes=10))
        resolve_due()
    clock.shift(timedelta(days=1))
    collect(seller, days=1)
    check_paid_once(sandbox, invoice)


def test_four_workers_at_once_charge_each_invoice_once(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoices = [owing(sandbox, seller) for _ in range(6)]
    workers = [in_a_process(lambda: collect(seller)) for _ in range(4)]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    # Who was held by another worker in the first round is passed by.
    collect(seller)
    for invoice in invoices:
        check_paid_once(sandbox, invoice)


# What has changed since it was planned


def test_what_was_paid_or_written_off_in_the_meantime_is_not_charged(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    paid, given_up = owing(sandbox, seller), owing(sandbox, seller)
    record_payment(paid, as_of=DAY, actor="test")
    write_off(given_up, as_of=DAY, actor="test", reason="Moved away")
    assert collect(seller) == 0
    assert charges(sandbox, paid) == charges(sandbox, given_up) == []


def test_only_what_is_left_is_charged(sandbox: RunningSandbox, seller: Seller) -> None:
    invoice = owing(sandbox, seller)
    record_payment(invoice, as_of=DAY, actor="test", amount_minor=2_500)
    collect_soon(invoice, as_of=DAY, actor="test")
    assert collect(seller) == 1
    assert [each["amount_minor"] for each in charges(sandbox, invoice)] == [10_000]
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert broken_invariants() == {}


def test_money_that_comes_after_all_pays_what_was_written_off(
    sandbox: RunningSandbox, seller: Seller, clock: Any
) -> None:
    invoice = owing(sandbox, seller)
    sandbox.fault("lost")
    collect(seller)
    write_off(invoice, as_of=DAY, actor="test", reason="Moved away")
    clock.shift(timedelta(minutes=2))
    resolve_due()
    check_paid_once(sandbox, invoice)


def test_money_for_what_is_no_longer_owed_goes_to_the_balance(
    sandbox: RunningSandbox, seller: Seller, clock: Any
) -> None:
    invoice = owing(sandbox, seller)
    sandbox.fault("lost")
    collect(seller)
    credit(invoice, as_of=DAY, actor="test")
    clock.shift(timedelta(minutes=2))
    resolve_due()
    assert payment_of(invoice).state == "succeeded"
    assert CustomerBalance.objects.get(customer=invoice.customer).balance_minor == 12_500
    assert broken_invariants() == {}


def test_customers_without_a_card_or_with_a_live_seller_are_left_alone(
    sandbox: RunningSandbox,
) -> None:
    live = SellerFactory(live=True, tax=[{"category": "S", "rate": "25"}])
    make_accounts(live)
    customer = CustomerFactory(seller=live, collection="automatic")
    plan = PlanFactory(seller=live)
    PriceFactory(plan=plan)
    SubscriptionFactory(customer=customer, plan=plan)
    bill_due(live, DAY)
    assert payment_of(Invoice.objects.get()).state == "planned"
    assert collect(live) == 0
    with pytest.raises(DatabaseError, match="test sellers only"):
        give_card(sandbox, customer, WORKS)


# Hosted pages


def test_a_customer_pays_on_the_hosted_page_whatever_comes_first(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller, DECLINED)
    session = start_payment(invoice, gateway="sandbox", as_of=DAY, actor="test")
    assert start_payment(invoice, gateway="sandbox", as_of=DAY, actor="test") == session
    assert collect(seller) == 0
    sandbox.fill_in(session.url, DECLINED)
    complete_session(session, as_of=DAY, actor="test")
    assert payment_of(invoice).state == "requires_action"
    sandbox.fill_in(session.url, WORKS)
    for _ in range(2):
        session = complete_session(session, as_of=DAY, actor="test")
    assert session.status == "complete"
    check_paid_once(sandbox, invoice)


def test_a_card_left_on_the_hosted_page_is_charged_from_then_on(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller, LOST)
    collect(seller)
    session = start_setup(invoice.customer, gateway="sandbox", as_of=DAY, actor="test")
    sandbox.fill_in(session.url, WORKS)
    poll_gateways()
    while process_hooks():
        pass
    assert CheckoutSession.objects.get().status == "complete"
    assert PaymentMethod.objects.usable().get(customer=invoice.customer).last4 == "4242"
    collect(seller)
    check_paid_once(sandbox, invoice)


def test_a_page_that_cannot_be_opened_leaves_the_invoice_to_be_collected(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller)
    sandbox.fault("down")
    with pytest.raises(GatewayUnclear):
        start_payment(invoice, gateway="sandbox", as_of=DAY, actor="test")
    assert collect(seller) == 1
    check_paid_once(sandbox, invoice)


# Money back


def test_a_page_that_was_opened_and_closed_charges_nothing_out_of_turn(
    sandbox: RunningSandbox, seller: Seller, clock: Any
) -> None:
    invoice = owing(sandbox, seller, DECLINED)
    assert collect(seller) == 1
    page = start_payment(invoice, gateway="sandbox", as_of=DAY, actor="test")
    expire_session(page, as_of=DAY, actor="test")
    assert not Payment.objects.filter(state__in=["planned", *IN_FLIGHT]).exists()
    assert collect(seller) == 0
    # The case goes on as before: the card is tried again after three days.
    clock.shift(timedelta(days=3))
    assert step_due(seller, DAY + timedelta(days=3), "test") == 1
    assert collect(seller, 3) == 1
    assert len(charges(sandbox, invoice)) == 2


def test_what_was_planned_waits_while_a_page_is_open_and_keeps_its_day(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller)
    later = DAY + timedelta(days=2)
    Payment.objects.update(planned_on=later, attention="Look first.")
    page = start_payment(invoice, gateway="sandbox", as_of=DAY, actor="test")
    Payment.objects.filter(state="planned").update(attention="")
    assert collect(seller, 2) == 0
    expire_session(page, as_of=DAY, actor="test")
    assert collect(seller, 1) == 0
    planned = Payment.objects.get(state="planned")
    assert (planned.planned_on, planned.amount_minor) == (later, 12_500)
    assert collect(seller, 2) == 1
    check_paid_once(sandbox, invoice)


def test_another_card_that_is_left_while_a_page_is_open_is_charged_once_it_is_closed(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller, DECLINED)
    assert collect(seller) == 1
    start_payment(invoice, gateway="sandbox", as_of=DAY, actor="test")
    give_card(sandbox, invoice.customer, WORKS)
    assert collect(seller) == 0
    assert collect_from(invoice.customer, as_of=DAY, actor="test") == 1
    check_paid_once(sandbox, invoice)


def test_what_waited_is_let_go_when_the_page_is_paid(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller)
    page = start_payment(invoice, gateway="sandbox", as_of=DAY, actor="test")
    sandbox.fill_in(page.url)
    complete_session(page, as_of=DAY, actor="test")
    states = Payment.objects.order_by("id").values_list("state", flat=True)
    assert list(states) == ["canceled", "succeeded"]
    check_paid_once(sandbox, invoice)


def test_what_the_customer_has_with_us_is_not_charged(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    """As of a balance from before an upgrade, which nothing has been paid of yet."""
    first, second = owing(sandbox, seller), owing(sandbox, seller)
    for invoice, amount_minor in ((first, 2_500), (second, 20_000)):
        with balances_grew.replaced():
            give_credit(
                invoice.customer,
                currency="SEK",
                amount_minor=amount_minor,
                description="Old",
                as_of=DAY,
                actor="test",
            )
    assert collect(seller) == 1
    assert [each["amount_minor"] for each in charges(sandbox, first)] == [10_000]
    assert charges(sandbox, second) == []
    second.refresh_from_db()
    assert second.status == "paid"
    assert broken_invariants() == {}


def test_a_refund_goes_back_through_the_gateway_once(
    sandbox: RunningSandbox, seller: Seller, clock: Any
) -> None:
    invoice = owing(sandbox, seller)
    collect(seller)
    give_back(invoice, amount_minor=5_000, as_of=DAY, actor="test", reason="Broken cup")
    assert Refund.objects.get().state == "created"
    sandbox.fault("lost")
    resolve_due()
    assert Refund.objects.get().state == "unknown"
    clock.shift(timedelta(minutes=2))
    resolve_due()
    assert Refund.objects.get().state == "succeeded"
    assert [each["refunded_minor"] for each in charges(sandbox, invoice)] == [5_000]
    assert broken_invariants() == {}


# Hooks


def hook_for(sandbox: RunningSandbox, event: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    from billing.sandbox.hooks import signature

    body, timestamp = json.dumps(event).encode(), str(int(NOON.timestamp()))
    signed = signature(sandbox.hook_secret, event["id"], timestamp, body)
    headers = {"webhook-id": event["id"], "webhook-timestamp": timestamp}
    return body, headers | {"webhook-signature": signed}


def test_a_signed_hook_is_kept_once_and_taken_up(sandbox: RunningSandbox, seller: Seller) -> None:
    invoice = owing(sandbox, seller, ASKS)
    collect(seller)
    payment = payment_of(invoice)
    sandbox.decide(payment.action_url)
    about = {
        "id": payment.gateway_id,
        "reference": payment.gateway_reference,
        "status": "succeeded",
    }
    event = {"id": "evt_of_a_hook", "type": "charge.succeeded", "object": about}
    body, headers = hook_for(sandbox, event)
    browser = Client()
    for _ in range(2):
        answer = browser.post("/hooks/sandbox", body, "application/json", headers=headers)
        assert answer.status_code == 200
    assert GatewayEvent.objects.count() == 1
    assert process_hooks() == 1
    check_paid_once(sandbox, invoice)


def test_a_hook_that_is_not_signed_so_is_refused(sandbox: RunningSandbox) -> None:
    body, headers = hook_for(sandbox, {"id": "evt_1", "type": "charge.succeeded", "object": {}})
    for wrong in (
        {"webhook-signature": "v1,AAAA"},
        {"webhook-timestamp": "1"},
        {"webhook-id": "x"},
    ):
        answer = Client().post("/hooks/sandbox", body, "application/json", headers=headers | wrong)
        assert answer.status_code == 400
    assert Client().post("/hooks/other", body, "application/json").status_code == 404
    assert not GatewayEvent.objects.exists()


def test_a_hook_is_a_hint_and_what_it_claims_is_not_believed(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller, ASKS)
    collect(seller)
    payment = payment_of(invoice)
    about = {
        "id": payment.gateway_id,
        "reference": payment.gateway_reference,
        "status": "succeeded",
    }
    body, headers = hook_for(sandbox, {"id": "evt_l", "type": "charge.succeeded", "object": about})
    Client().post("/hooks/sandbox", body, "application/json", headers=headers)
    process_hooks()
    payment.refresh_from_db()
    assert payment.state == "requires_action"
    invoice.refresh_from_db()
    assert invoice.paid_minor == 0


def test_an_event_about_nothing_of_ours_is_parked_with_its_reason(sandbox: RunningSandbox) -> None:
    about = {"id": "ch_of_another_shop", "reference": "pay_of_another_shop"}
    body, headers = hook_for(sandbox, {"id": "evt_f", "type": "charge.succeeded", "object": about})
    Client().post("/hooks/sandbox", body, "application/json", headers=headers)
    process_hooks()
    assert "no payment" in GatewayEvent.objects.get().parked_reason


# What nobody would expect is not charged


def test_a_payment_that_the_gateway_was_asked_for_too_often_waits_for_a_person(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller)
    Payment.objects.update(attempts=guards.CALLS_MAX)
    assert (collect(seller), charges(sandbox, invoice)) == (0, [])
    assert payment_of(invoice).attention == "The gateway was called 20 times."


def test_an_invoice_that_was_charged_and_is_owed_again_waits_for_a_person(
    sandbox: RunningSandbox, seller: Seller
) -> None:
    invoice = owing(sandbox, seller)
    planned = payment_of(invoice)
    assert guards.halt_of(planned, invoice, NOON) is None
    collect(seller)
    halt = guards.halt_of(planned, invoice, NOON)
    assert halt == guards.Halt(f"{invoice} has been charged once and is owed again.")


def test_a_customer_who_is_charged_too_often_in_an_hour_is_charged_when_it_is_over(
    sandbox: RunningSandbox, seller: Seller, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "SUCCESSES_AN_HOUR_MAX", 1)
    owing(sandbox, seller)
    assert collect(seller) == 1
    bill_due(seller, DAY + timedelta(days=31))
    assert collect(seller, days=31) == 0
    [waiting] = Payment.objects.filter(state="planned")
    assert (waiting.attention, waiting.next_check_at is not None) == ("", True)
    clock.shift(timedelta(minutes=61))
    assert collect(seller, days=31) == 1
    assert broken_invariants() == {}
