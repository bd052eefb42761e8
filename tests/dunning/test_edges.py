"""Debts that are not like the others, and policies that change while debts are open."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.actions import add_one_off, write_off
from billing.invoicing.balances import give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.hooks import balances_grew
from billing.invoicing.models import Invoice
from billing.payments import charging, planning
from billing.payments.booking import record_failure, record_payment
from billing.payments.giving_back import reopen
from billing.payments.hooks import payment_failed
from billing.payments.methods import announce_method
from billing.payments.models import Payment, PaymentAllocation, PaymentMethod
from billing.payments.planning import release_planned
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from customers.models import Customer, Seller
from dunning.cases import note_failure, open_cases, replan, resume, step_due, stop
from dunning.models import DunningAction, DunningCase, DunningChoice, DunningPolicy, DunningStep
from dunning.steps import NO_METHOD, NOTHING_BILLED, TOO_OFTEN
from tests.dunning.conftest import DUE, live_through, sweep
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    mark_merged,
)

Owing = Callable[..., Invoice]
BIG = 20


def policy_of(
    seller: Seller, *steps: tuple[int, str], since: str = "due", **fields: Any
) -> DunningPolicy:
    """A policy of the seller's own, chosen for all plans or for ``plan``."""
    policy = DunningPolicy.objects.create(
        seller=seller, code=f"own-{DunningPolicy.objects.count()}", name="Own"
    )
    for days, kind in steps:
        DunningStep.objects.create(policy=policy, since=since, days=days, kind=kind)
    DunningChoice.objects.update_or_create(
        seller=seller, plan=fields.get("plan"), defaults={"policy": policy}
    )
    return policy


def after(days: int) -> date:
    return DUE + timedelta(days=days)


def done(invoice: Invoice) -> list[tuple[int, str]]:
    actions = DunningAction.objects.filter(case__invoice=invoice)
    return [((action.done_on - DUE).days, action.kind) for action in actions]


def subscription_of(invoice: Invoice) -> Subscription:
    return Subscription.objects.get(customer=invoice.customer_id)


# What has ended, and late money


def test_what_dunning_ended_stays_ended_when_it_is_paid(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    policy_of(seller, (1, "cancel"), (9, "remind"))
    live_through(seller, DUE, after(2))
    record_payment(invoice, as_of=after(3), actor="test")
    subscription = subscription_of(invoice)
    assert (subscription.status, subscription.access) == ("ended", "none")
    assert DunningCase.objects.get().status == "recovered"
    live_through(seller, after(3), after(20))
    assert done(invoice) == [(1, "cancel")]


def test_late_money_recovers_what_was_written_off(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    policy_of(seller, (1, "restrict"), (2, "write_off"))
    live_through(seller, DUE, after(3))
    invoice.refresh_from_db()
    assert (invoice.status, subscription_of(invoice).access) == ("uncollectible", "restricted")
    half = invoice.left_minor // 2
    record_payment(invoice, as_of=after(40), actor="test", amount_minor=half)
    assert broken_invariants() == {}
    assert DunningCase.objects.get().status == "exhausted"
    record_payment(invoice, as_of=after(41), actor="test")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_minor) == ("paid", invoice.amount_due_minor)
    case = DunningCase.objects.get()
    assert (case.status, case.closed_on) == ("recovered", after(41))
    assert subscription_of(invoice).access == "full"
    assert broken_invariants() == {}


def test_a_small_difference_that_dunning_writes_off_is_paid_and_access_returns(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    policy_of(seller, (1, "restrict"), (2, "write_off"))
    live_through(seller, DUE, after(1))
    most_minor = invoice.left_minor - 50
    seller.rounding_tolerance_minor = 0
    seller.save()
    record_payment(invoice, as_of=after(1), actor="test", amount_minor=most_minor)
    assert subscription_of(invoice).access == "restricted"
    seller.rounding_tolerance_minor = 100
    seller.save()
    live_through(seller, after(2), after(4))
    invoice.refresh_from_db()
    assert (invoice.status, invoice.rounded_off_minor) == ("paid", 50)
    assert subscription_of(invoice).access == "full"
    assert DunningCase.objects.get().status == "recovered"
    assert done(invoice) == [(1, "restrict")]
    assert broken_invariants() == {}


def test_half_of_a_loss_that_is_paid_and_refunded_is_lost_again(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    half = invoice.left_minor // 2
    record_payment(invoice, as_of=DAY, actor="test", amount_minor=half)
    write_off(invoice, as_of=DUE, actor="test")
    reopen(invoice, as_of=DUE, actor="test")
    assert broken_invariants() == {}
    record_payment(invoice, as_of=DUE, actor="test")
    assert broken_invariants() == {}


def test_a_refund_makes_it_late_again_and_no_step_is_taken_twice(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    policy_of(seller, (1, "remind"), (5, "restrict"))
    live_through(seller, DUE, after(2))
    record_payment(invoice, as_of=after(2), actor="test")
    reopen(invoice, as_of=after(50), actor="test")
    live_through(seller, after(50), after(60))
    # Four days later, as the policy has it between the two.
    assert done(invoice) == [(1, "remind"), (54, "restrict")]
    assert DunningCase.objects.get().status == "exhausted"


# What is owed, and for what


def test_a_debt_for_no_subscription_limits_nothing(seller: Seller) -> None:
    customer = CustomerFactory(seller=seller)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    add_one_off(
        customer, currency="SEK", amount_minor=9_900, description="Grinder", as_of=DAY, actor="test"
    )
    bill_due(seller, DAY)
    kinds = ("remind", "restrict", "suspend", "cancel", "write_off")
    policy_of(seller, *enumerate(kinds, 1))
    later = SubscriptionFactory(customer=customer, plan=plan, starts_on=DUE, paid_from=DUE)
    live_through(seller, DUE, after(9))
    outcomes = dict(DunningAction.objects.values_list("kind", "outcome"))
    limits = dict.fromkeys(("restrict", "suspend", "cancel"), NOTHING_BILLED)
    assert outcomes == {"remind": "", "write_off": "", **limits}
    later.refresh_from_db()
    assert (later.access, later.status) == ("full", "active")


def test_one_document_of_two_subscriptions_has_one_case_and_leaves_a_third_alone(
    seller: Seller,
) -> None:
    customer = CustomerFactory(seller=seller)
    plans = [PlanFactory(seller=seller) for _ in range(3)]
    for plan in plans:
        PriceFactory(plan=plan)
    pair = [SubscriptionFactory(customer=customer, plan=plan) for plan in plans[:2]]
    bill_due(seller, DAY)
    invoice = Invoice.objects.get()
    third = SubscriptionFactory(customer=customer, plan=plans[2], starts_on=DUE, paid_from=DUE)
    # The policy is that of the plan on the first line.
    first = invoice.lines.select_related("subscription__plan").order_by("position")[0].subscription
    assert first is not None
    policy_of(seller, (1, "suspend"), (2, "cancel"), plan=first.plan)
    policy_of(seller, (9, "remind"))
    live_through(seller, DUE, after(1))
    assert DunningCase.objects.count() == 1
    access = dict(Subscription.objects.values_list("pk", "access"))
    assert access == {pair[0].pk: "none", pair[1].pk: "none", third.pk: "full"}
    live_through(seller, after(2), after(3))
    status = dict(Subscription.objects.values_list("pk", "status"))
    assert status == {pair[0].pk: "ended", pair[1].pk: "ended", third.pk: "active"}


def test_a_subscription_of_two_late_debts_is_canceled_once(seller: Seller, owing: Owing) -> None:
    first = owing()
    bill_due(seller, DAY + timedelta(days=31))
    both = Invoice.objects.filter(customer=first.customer_id)
    assert both.count() == 2
    policy_of(seller, (1, "cancel"))
    assert sweep(seller, max(both.values_list("due_on", flat=True)) + timedelta(days=1)) == 2
    assert list(DunningAction.objects.values_list("outcome", flat=True)) == ["", ""]
    assert Event.objects.filter(type="subscription.canceled").count() == 1


def test_what_is_left_after_a_credit_in_part_is_still_asked_for(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    policy_of(seller, (1, "remind"), (3, "suspend"))
    credit(invoice, as_of=DAY, actor="test", amount_minor=invoice.left_minor - 100)
    live_through(seller, DUE, after(3))
    assert done(invoice) == [(1, "remind"), (3, "suspend")]


def test_a_balance_that_came_before_the_bill_is_not_asked_for(seller: Seller) -> None:
    customer = CustomerFactory(seller=seller)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    SubscriptionFactory(customer=customer, plan=plan)
    give_credit(
        customer,
        currency="SEK",
        amount_minor=1_000_000,
        description="",
        as_of=DAY,
        actor="test",
    )
    bill_due(seller, DAY)
    assert Invoice.objects.get().status == "paid"
    live_through(seller, DUE, after(9))
    assert not DunningCase.objects.exists()


def give(customer: Customer, amount_minor: int, on: date) -> None:
    give_credit(
        customer,
        currency="SEK",
        amount_minor=amount_minor,
        description="",
        as_of=on,
        actor="test",
    )


def give_as_before_the_upgrade(customer: Customer, amount_minor: int) -> None:
    """A balance that has paid nothing of what was open when it came."""
    with balances_grew.replaced():
        give(customer, amount_minor, DAY)


def test_money_that_comes_to_the_balance_pays_what_is_late_and_access_returns(
    seller: Seller, owing: Owing
) -> None:
    policy_of(seller, (1, "suspend"), (4, "remind"))
    invoice = owing()
    live_through(seller, DUE, after(2))
    assert subscription_of(invoice).access == "none"
    give(invoice.customer, invoice.left_minor, after(2))
    assert DunningCase.objects.get().status == "recovered"
    assert subscription_of(invoice).access == "full"
    live_through(seller, after(3), after(9))
    assert done(invoice) == [(1, "suspend")]
    assert broken_invariants() == {}


@pytest.mark.parametrize("is_open", [False, True], ids=["before its case", "before a step"])
def test_nobody_is_reminded_while_we_hold_the_money(
    seller: Seller, owing: Owing, is_open: bool
) -> None:
    policy_of(seller, (1, "remind"))
    invoice = owing()
    if is_open:
        open_cases(seller, after(1), "test")
    give_as_before_the_upgrade(invoice.customer, invoice.left_minor)
    live_through(seller, after(1), after(3))
    assert not DunningAction.objects.exists()
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert DunningCase.objects.filter(status="recovered").count() == int(is_open)
    assert broken_invariants() == {}


def test_a_balance_pays_for_the_oldest_of_several_late_debts_and_the_rest_is_asked_for(
    seller: Seller, owing: Owing
) -> None:
    policy_of(seller, (1, "remind"))
    older = owing()
    bill_due(seller, DAY + timedelta(days=31))
    newer = Invoice.objects.exclude(pk=older.pk).get()
    give_as_before_the_upgrade(older.customer, older.left_minor + 100)
    live_through(seller, newer.due_on, newer.due_on + timedelta(days=2))
    assert [action.case.invoice for action in DunningAction.objects.all()] == [newer]
    newer.refresh_from_db()
    assert newer.from_balance_minor == 100


def test_a_disputed_debt_takes_no_money_until_somebody_goes_on(
    seller: Seller, owing: Owing
) -> None:
    policy_of(seller, (1, "suspend"), (4, "remind"))
    invoice = owing()
    live_through(seller, DUE, after(1))
    case = stop(DunningCase.objects.get(), as_of=after(1), actor="test", reason="disputed")
    give(invoice.customer, invoice.left_minor, after(1))
    invoice.refresh_from_db()
    assert invoice.status == "open"
    case = resume(case, as_of=after(2), actor="test")
    invoice.refresh_from_db()
    assert (invoice.status, case.status) == ("paid", "recovered")
    assert broken_invariants() == {}


def test_what_is_only_ordered_takes_no_money(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    Subscription.objects.update(status="incomplete")
    give(invoice.customer, invoice.left_minor, DAY)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.from_balance_minor) == ("open", 0)


def two_late_debts(owing: Owing) -> tuple[Invoice, Invoice]:
    """Of one customer, both due on the same day."""
    older = owing()
    add_one_off(
        older.customer,
        currency="SEK",
        amount_minor=5_000,
        description="Beans",
        as_of=DAY,
        actor="test",
    )
    bill_due(older.seller, DAY)
    return older, Invoice.objects.exclude(pk=older.pk).get()


def test_a_customer_with_several_late_debts_is_told_of_all_of_them_in_one_reminder(
    seller: Seller, owing: Owing
) -> None:
    policy_of(seller, (1, "remind"), (3, "remind"))
    older, newer = two_late_debts(owing)
    live_through(seller, DUE, after(3))
    told = Event.objects.filter(type="dunning.reminded").order_by("id")
    assert [(one.data["invoice"], one.data["also"], one.data["level"]) for one in told] == [
        (older.public_id, [newer.public_id], 1),
        (older.public_id, [newer.public_id], 2),
    ]
    assert done(older) == done(newer) == [(1, "remind"), (3, "remind")]


def test_a_debt_that_comes_too_late_for_the_days_reminder_waits_for_the_next_day(
    seller: Seller, owing: Owing
) -> None:
    policy_of(seller, (1, "remind"), (9, "suspend"))
    older, newer = two_late_debts(owing)
    held = PaymentAllocation.objects.create(
        payment=planning.plan(newer, DAY), invoice=newer, amount_minor=5_000, state="in_flight"
    )
    assert sweep(seller, after(1)) == 1
    PaymentAllocation.objects.filter(pk=held.pk).update(state="released")
    sweep(seller, after(1))
    assert sweep(seller, after(1)) == 0
    assert (done(older), done(newer)) == ([(1, "remind")], [])
    live_through(seller, after(2), after(10))
    assert done(newer) == [(2, "remind"), (10, "suspend")]


@pytest.mark.parametrize("is_at_once", [True, False])
def test_a_person_is_told_of_all_late_debts_in_one_reminder_a_day(
    seller: Seller, owing: Owing, is_at_once: bool
) -> None:
    """Of two who were merged, the closed one owes again, as after a payment that came back."""
    policy_of(seller, (1, "remind"), (9, "suspend"))
    older, newer = owing(), owing()
    mark_merged(newer.customer, older.customer)
    if not is_at_once:
        held = PaymentAllocation.objects.create(
            payment=planning.plan(newer, DAY), invoice=newer, amount_minor=5_000, state="in_flight"
        )
        sweep(seller, after(1))
        PaymentAllocation.objects.filter(pk=held.pk).update(state="released")
    live_through(seller, after(1), after(2))
    told = Event.objects.filter(type="dunning.reminded").order_by("pk")
    days = [(each.data["invoice"], each.data["also"], each.occurred_on) for each in told]
    if is_at_once:
        assert days == [(older.public_id, [newer.public_id], after(1))]
    else:
        assert days == [(older.public_id, [], after(1)), (newer.public_id, [], after(2))]


# Cards


def card_of(customer: Customer, **fields: Any) -> PaymentMethod:
    return PaymentMethod.objects.create(
        customer=customer,
        gateway="sandbox",
        gateway_id=f"pm_{customer.pk}_{PaymentMethod.objects.count()}",
        gateway_customer=f"cus_{customer.pk}",
        brand="visa",
        last4="4242",
        is_default=True,
        **fields,
    )


@pytest.fixture
def sandbox_is_known(settings: Any) -> Iterator[None]:
    settings.SANDBOX_URL, settings.SANDBOX_KEY = "http://127.0.0.1:1", "key"
    yield


def fail_charge(invoice: Invoice, on: date, code: str = "declined") -> date | None:
    """What the gateway's no comes to here; the day on which it is tried again."""
    release_planned(invoice)
    record_failure(invoice, as_of=on, actor="test", failure_code=code)
    again = payment_failed.only(invoice, as_of=on, actor="test")
    return again


def test_a_failed_charge_counts_from_that_day_and_a_bank_customers_debt_from_the_due_date(
    seller: Seller, owing: Owing
) -> None:
    charged, asked = owing(collection="automatic"), owing(collection="invoice")
    card_of(charged.customer)
    assert fail_charge(charged, DAY) == DAY + timedelta(days=3)
    live_through(seller, DAY, after(1))
    since = dict(DunningCase.objects.values_list("invoice", "since"))
    assert since == {charged.pk: "failure", asked.pk: "due"}


def test_who_is_to_be_charged_and_has_left_no_card_is_reminded_after_the_due_date(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing(collection="automatic")
    assert Payment.objects.get().state == "planned"
    live_through(seller, DAY, after(5))
    assert done(invoice) == [(5, "remind")]


@pytest.mark.usefixtures("sandbox_is_known")
def test_a_gateway_that_is_down_makes_nobody_late_who_has_left_a_card(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing(collection="automatic")
    card = card_of(invoice.customer)
    live_through(seller, DUE, after(20))
    assert not DunningCase.objects.exists()
    # Once its bank has said never again, it is late like any other.
    PaymentMethod.objects.filter(pk=card.pk).update(refused_code="lost_card")
    assert sweep(seller, after(20)) == 1


@pytest.mark.usefixtures("sandbox_is_known")
def test_steps_wait_for_a_retry_that_is_still_to_be_made(seller: Seller, owing: Owing) -> None:
    policy_of(seller, (3, "retry"), (4, "suspend"), since="failure")
    invoice = owing(collection="automatic")
    card_of(invoice.customer)
    fail_charge(invoice, DAY)
    live_through(seller, DAY, DAY + timedelta(days=20))
    assert [kind for _, kind in done(invoice)] == ["retry"]
    fail_charge(invoice, DAY + timedelta(days=20))
    live_through(seller, DAY + timedelta(days=20), DAY + timedelta(days=21))
    assert [kind for _, kind in done(invoice)] == ["retry", "suspend"]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("created", "retry"),
        ("unknown", "remind"),
        ("unknown", "cancel"),
        ("requires_action", "suspend"),
        ("requires_action", "write_off"),
    ],
)
def test_every_step_waits_while_a_payment_is_in_flight(
    seller: Seller, owing: Owing, state: str, kind: str
) -> None:
    invoice = owing(collection="automatic")
    policy_of(seller, (1, kind), since="due")
    Payment.objects.update(state="created", gateway="sandbox")
    Payment.objects.update(state=state)
    PaymentAllocation.objects.update(state="in_flight")
    live_through(seller, DUE, after(3))
    assert not DunningCase.objects.exists()
    note_failure(invoice, DAY, "test")
    DunningCase.objects.update(since="due")
    assert step_due(seller, after(9), "test") == 0
    assert not DunningAction.objects.exists()


def test_a_card_that_is_lost_waits_for_another_and_nobody_is_told_of_a_retry(
    seller: Seller, owing: Owing
) -> None:
    policy_of(seller, (3, "retry"), (4, "remind"), since="failure")
    invoice = owing(collection="automatic")
    card_of(invoice.customer, refused_code="lost_card")
    assert fail_charge(invoice, DAY, "lost_card") is None
    live_through(seller, DAY, DAY + timedelta(days=4))
    assert list(DunningAction.objects.values_list("kind", "outcome")) == [
        ("retry", NO_METHOD),
        ("remind", ""),
    ]
    assert not Payment.objects.filter(state="planned").exists()


def test_no_policy_charges_more_often_than_the_networks_allow(seller: Seller, owing: Owing) -> None:
    policy_of(seller, *((day, "retry") for day in range(1, BIG + 1)), since="failure")
    invoice = owing(collection="automatic")
    card_of(invoice.customer)
    fail_charge(invoice, DAY)
    for day in range(1, BIG + 1):
        on = DAY + timedelta(days=day)
        sweep(seller, on)
        for payment in Payment.objects.filter(state="planned"):
            payment.allocations.update(state="released")
            payment.move("created", gateway="sandbox")
            payment.move("failed", settled_at=datetime.combine(on, time(8), UTC))
    outcomes = list(DunningAction.objects.values_list("outcome", flat=True))
    assert outcomes == [""] * 15 + [TOO_OFTEN] * 5


# A card that comes after the due date


def late_policy(seller: Seller) -> DunningPolicy:
    policy = policy_of(seller, (2, "remind"), (6, "restrict"), (20, "suspend"))
    for days, kind in ((3, "retry"), (7, "retry"), (8, "remind")):
        DunningStep.objects.create(policy=policy, since="failure", days=days, kind=kind)
    return policy


@pytest.mark.usefixtures("sandbox_is_known")
def test_a_card_that_is_left_late_is_charged_and_tried_again_while_the_rest_keeps_its_days(
    seller: Seller, owing: Owing
) -> None:
    late_policy(seller)
    invoice = owing(collection="automatic")
    live_through(seller, DUE, after(3))
    card_of(invoice.customer)
    announce_method(invoice.customer, after(3), "test")
    planned = Payment.objects.get(state="planned")
    assert planned.planned_on == DAY
    assert fail_charge(invoice, after(3)) == after(6)
    for day in range(4, 21):
        sweep(seller, after(day))
        for payment in Payment.objects.filter(state="planned"):
            fail_charge(invoice, after(day))
            assert Payment.objects.get(pk=payment.pk).state == "canceled"
    # Charged again three and seven days after the card had failed; no reminder of the other row.
    assert done(invoice) == [
        (2, "remind"),
        (6, "restrict"),
        (6, "retry"),
        (10, "retry"),
        (20, "suspend"),
    ]
    case = DunningCase.objects.get()
    assert (case.since, case.charged_from, case.status) == ("due", after(3), "exhausted")
    assert broken_invariants() == {}


@pytest.mark.usefixtures("sandbox_is_known")
def test_a_late_card_that_its_bank_refuses_for_ever_is_not_tried_again(
    seller: Seller, owing: Owing
) -> None:
    late_policy(seller)
    invoice = owing(collection="automatic")
    live_through(seller, DUE, after(3))
    card_of(invoice.customer, refused_code="lost_card")
    assert fail_charge(invoice, after(3), "lost_card") is None
    live_through(seller, after(4), after(9))
    assert done(invoice) == [(2, "remind"), (6, "restrict")]


# Disputes


def test_a_stopped_debt_is_not_charged_by_what_was_under_way(seller: Seller, owing: Owing) -> None:
    invoice = owing(collection="automatic")
    card_of(invoice.customer)
    fail_charge(invoice, DAY)
    case = DunningCase.objects.get()
    stop(case, as_of=DAY, actor="test", reason="disputed")
    # A page of the gateway's that the customer left open plans what it was paid for again.
    payment = planning.plan(invoice, DAY)
    assert charging.charge(payment.pk, as_of=DAY, actor="test") is False
    payment.refresh_from_db()
    assert (payment.state, payment.attempts) == ("canceled", 0)


# Policies that change


def test_a_step_is_taken_out_of_a_policy_whose_cases_stand_before_it(
    seller: Seller, owing: Owing
) -> None:
    policy = policy_of(seller, (1, "remind"), (4, "remind"), (8, "suspend"))
    invoice = owing()
    live_through(seller, DUE, after(2))
    policy.steps.filter(days__in=[1, 4]).delete()
    assert replan(policy) == 1
    case = DunningCase.objects.get()
    assert case.next_step is not None
    assert (case.next_step.kind, case.next_step_on) == ("suspend", after(8))
    live_through(seller, after(3), after(9))
    assert done(invoice) == [(1, "remind"), (8, "suspend")]
    assert case.actions.count() == 2


@pytest.mark.parametrize("is_told", [True, False], ids=["by the page", "behind its back"])
def test_later_days_put_open_cases_off(seller: Seller, owing: Owing, is_told: bool) -> None:
    policy = policy_of(seller, (1, "remind"), (4, "suspend"))
    invoice = owing()
    live_through(seller, DUE, after(2))
    policy.steps.filter(kind="suspend").update(days=10)
    if is_told:
        replan(policy)
    live_through(seller, after(3), after(12))
    assert done(invoice) == [(1, "remind"), (10, "suspend")]


def test_earlier_days_bring_the_step_nearer_and_never_two_in_a_day(
    seller: Seller, owing: Owing
) -> None:
    policy = policy_of(seller, (10, "remind"), (20, "suspend"))
    invoice = owing()
    live_through(seller, DUE, after(8))
    policy.steps.filter(kind="remind").update(days=2)
    policy.steps.filter(kind="suspend").update(days=4)
    replan(policy)
    live_through(seller, after(9), after(12))
    assert done(invoice) == [(9, "remind"), (11, "suspend")]


def test_a_policy_without_steps_any_more_leaves_its_cases_as_they_are(
    seller: Seller, owing: Owing
) -> None:
    policy = policy_of(seller, (1, "restrict"), (4, "suspend"))
    invoice = owing()
    live_through(seller, DUE, after(1))
    policy.steps.all().delete()
    assert sweep(seller, after(9)) == 1
    assert sweep(seller, after(9)) == 0
    case = DunningCase.objects.get()
    assert (case.status, case.next_step_id, case.access) == ("open", None, "restricted")
    DunningStep.objects.create(policy=policy, since="due", days=12, kind="suspend")
    replan(policy)
    live_through(seller, after(10), after(13))
    assert done(invoice) == [(1, "restrict"), (12, "suspend")]


def test_another_policy_is_chosen_for_new_debts_and_the_old_ones_keep_theirs(
    seller: Seller, owing: Owing
) -> None:
    policy_of(seller, (1, "remind"), (9, "suspend"))
    old = owing()
    live_through(seller, DUE, after(1))
    policy_of(seller, (3, "restrict"))
    new = owing()
    live_through(seller, after(2), after(9))
    assert done(old) == [(1, "remind"), (9, "suspend")]
    # It was found after the first had been opened.
    assert done(new) == [(3, "restrict")]


def test_a_choice_keeps_to_its_seller(seller: Seller) -> None:
    policy, plan = policy_of(SellerFactory()), PlanFactory(seller=seller)
    wrong = DunningChoice(seller=seller, policy=policy)
    with pytest.raises(ValidationError, match="another seller's"):
        wrong.clean()
    elsewhere = DunningChoice(seller=policy.seller, policy=policy, plan=plan)
    with pytest.raises(ValidationError, match="plan is another seller's"):
        elsewhere.clean()
    with pytest.raises(IntegrityError, match="dunning_choice|another seller"):
        wrong.save()


# Scale and bad days


def test_years_of_old_debts_are_reminded_of_once_and_with_distance(
    seller: Seller, owing: Owing
) -> None:
    """As after an import, or when dunning comes with an upgrade."""
    for _ in range(3):
        owing()
    late = DUE + timedelta(days=5 * 365)
    while open_cases(seller, late, "test"):
        pass
    taken = [step_due(seller, late, "test") for _ in range(3)]
    assert taken == [3, 0, 0]
    live_through(seller, late + timedelta(days=1), late + timedelta(days=9))
    assert DunningAction.objects.count() == 3
    live_through(seller, late + timedelta(days=10), late + timedelta(days=10))
    assert DunningAction.objects.count() == 6
    assert set(DunningAction.objects.values_list("kind", flat=True)) == {"remind"}


def test_a_case_that_cannot_be_stepped_is_set_aside_and_the_others_go_on(
    seller: Seller, owing: Owing
) -> None:
    policy_of(seller, (1, "suspend"))
    invoices = [owing() for _ in range(5)]
    sick = invoices[2]
    sweep(seller, DUE)
    open_cases(seller, after(1), "test")
    case = DunningCase.objects.get(invoice=sick)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NEW.case_id = {case.pk} THEN RAISE EXCEPTION 'this one never'; END IF;"
            " RETURN NEW; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON dunning_dunningaction"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    assert step_due(seller, after(1), "test") == 5
    assert step_due(seller, after(1), "test") == 0
    case.refresh_from_db()
    assert (case.status, case.access) == ("stopped", "full")
    assert case.reason == "Kvitt could not suspend access: this one never"
    assert DunningAction.objects.count() == 4
    assert subscription_of(sick).access == "full"
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON dunning_dunningaction")
    resume(case, as_of=after(1), actor="test")
    assert sweep(seller, after(2)) == 1
    assert subscription_of(sick).access == "none"


def test_a_resumed_debt_that_was_paid_meanwhile_is_refused(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    policy_of(seller, (1, "remind"))
    sweep(seller, DUE)
    sweep(seller, after(1))
    case = DunningCase.objects.get()
    assert case.status == "exhausted"
    with pytest.raises(Refused, match="cannot become stopped"):
        stop(case, as_of=after(1), actor="test", reason="")
    quantity = Decimal(1)
    assert subscription_of(invoice).items.get().quantity == quantity
