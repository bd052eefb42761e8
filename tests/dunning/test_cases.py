"""A debt step by step: what is done on which day, to whom, and never after it was paid."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.actions import write_off
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.invoicing.voiding import void
from billing.payments.booking import record_payment
from billing.payments.models import Payment, PaymentAllocation
from billing.subscriptions.actions import cancel
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from customers.models import Seller
from dunning.cases import open_cases, resume, step_due, stop
from dunning.models import (
    DunningAction,
    DunningCase,
    DunningChoice,
    DunningPolicy,
    DunningStep,
    LateSince,
)
from dunning.policies import SHIPPED, ensure_shipped
from dunning.steps import KINDS
from tests.dunning.conftest import DUE, live_through, sweep
from tests.factories import DAY, PlanFactory, SellerFactory

Owing = Callable[..., Invoice]
SWEDISH_DUE = [(days, kind.name) for days, kind in SHIPPED["sweden"][1][LateSince.DUE]]


def _taken(invoice: Invoice) -> list[tuple[int, str]]:
    """Days after the due date, and what was done."""
    actions = DunningAction.objects.filter(case__invoice=invoice)
    return [((action.done_on - DUE).days, action.kind) for action in actions]


def _subscription(invoice: Invoice) -> Subscription:
    return Subscription.objects.get(customer=invoice.customer_id)


def test_nothing_happens_before_the_due_date_has_passed(seller: Seller, owing: Owing) -> None:
    owing()
    live_through(seller, DUE - timedelta(days=14), DUE)
    assert not DunningCase.objects.exists()


def test_an_invoice_that_is_never_paid_goes_through_the_whole_policy(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    live_through(seller, DUE, DUE + timedelta(days=200))
    assert _taken(invoice) == SWEDISH_DUE
    case = DunningCase.objects.get(invoice=invoice)
    assert (case.status, case.closed_on) == ("exhausted", DUE + timedelta(days=180))
    invoice.refresh_from_db()
    assert invoice.status == "uncollectible"
    assert _subscription(invoice).status == "ended"
    assert broken_invariants() == {}


@pytest.mark.parametrize(
    ("days", "access", "status"),
    [
        (19, "full", "active"),
        (20, "restricted", "active"),
        (30, "none", "active"),
        (60, "none", "ended"),
    ],
)
def test_access_follows_the_steps(
    seller: Seller, owing: Owing, days: int, access: str, status: str
) -> None:
    invoice = owing()
    live_through(seller, DUE, DUE + timedelta(days=days))
    subscription = _subscription(invoice)
    assert (subscription.access, subscription.status) == (access, status)


@pytest.mark.parametrize(("days", "kind"), SWEDISH_DUE)
def test_who_pays_just_before_a_step_is_spared_it(
    seller: Seller, owing: Owing, days: int, kind: str
) -> None:
    invoice = owing()
    live_through(seller, DUE, DUE + timedelta(days=days - 1))
    before = _taken(invoice)
    record_payment(invoice, as_of=DUE + timedelta(days=days), actor="test")
    live_through(seller, DUE + timedelta(days=days), DUE + timedelta(days=200))
    assert _taken(invoice) == before
    assert (days, kind) not in before
    assert DunningCase.objects.get(invoice=invoice).status == "recovered"
    if kind != "write_off":
        assert _subscription(invoice).access == "full"


@pytest.mark.parametrize(("days", "kind"), SWEDISH_DUE[:4])
def test_who_pays_just_after_a_step_has_full_access_at_once(
    seller: Seller, owing: Owing, days: int, kind: str
) -> None:
    invoice = owing()
    live_through(seller, DUE, DUE + timedelta(days=days))
    record_payment(invoice, as_of=DUE + timedelta(days=days), actor="test")
    # Without another sweep.
    assert _subscription(invoice).access == "full"
    assert DunningCase.objects.get(invoice=invoice).status == "recovered"


def test_half_of_the_money_stops_nothing(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    live_through(seller, DUE, DUE + timedelta(days=20))
    half = invoice.left_minor // 2
    record_payment(invoice, as_of=DUE + timedelta(days=20), actor="test", amount_minor=half)
    assert _subscription(invoice).access == "restricted"
    live_through(seller, DUE + timedelta(days=21), DUE + timedelta(days=30))
    assert _subscription(invoice).access == "none"


@pytest.mark.parametrize("settle", [credit, void], ids=["credited", "voided"])
def test_what_is_credited_or_voided_is_let_go_at_once(
    seller: Seller, owing: Owing, settle: Any
) -> None:
    invoice = owing()
    on = DUE + timedelta(days=21)
    live_through(seller, DUE, on)
    assert _subscription(invoice).access == "restricted"
    settle(invoice, as_of=on, actor="test")
    # Without another sweep.
    assert DunningCase.objects.get(invoice=invoice).status == "recovered"
    assert _subscription(invoice).access == "full"
    assert sweep(seller, DUE + timedelta(days=30)) == 0


def test_what_a_person_writes_off_is_lost_and_not_recovered(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    on = DUE + timedelta(days=21)
    live_through(seller, DUE, on)
    write_off(invoice, as_of=on, actor="test")
    assert sweep(seller, on) == 0
    case = DunningCase.objects.get(invoice=invoice)
    assert (case.status, case.closed_on, case.next_step_on) == ("exhausted", on, None)
    assert _subscription(invoice).access == "full"


def test_a_batch_that_credits_a_debt_away_lets_it_go(seller: Seller, owing: Owing) -> None:
    """As when somebody finds that the subscription should never have begun."""
    invoice = owing()
    on = DUE + timedelta(days=21)
    live_through(seller, DUE, on)
    cancel(_subscription(invoice), as_of=DAY, actor="test", when="now", is_credited=True)
    bill_due(seller, on)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.credited_minor) == ("paid", invoice.amount_due_minor)
    assert DunningCase.objects.get(invoice=invoice).status == "recovered"
    assert broken_invariants() == {}


def test_the_least_access_of_several_debts_holds(seller: Seller, owing: Owing) -> None:
    first = owing()
    live_through(seller, DUE, DUE + timedelta(days=15))
    # The next period's invoice will be late as well.
    bill_due(seller, DUE + timedelta(days=17))
    second = Invoice.objects.exclude(pk=first.pk).get(customer=first.customer_id)
    live_through(seller, DUE + timedelta(days=16), second.due_on + timedelta(days=21))
    assert _subscription(first).access == "none"
    on = second.due_on + timedelta(days=21)
    record_payment(first, as_of=on, actor="test")
    assert _subscription(first).access == "restricted"
    record_payment(second, as_of=on, actor="test")
    assert _subscription(first).access == "full"


def test_after_an_outage_one_step_is_taken_and_the_next_keeps_its_distance(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    late = DUE + timedelta(days=40)
    assert sweep(seller, late) == 1
    assert sweep(seller, late) == 0
    live_through(seller, late, late + timedelta(days=15))
    assert _taken(invoice) == [(40, "remind"), (50, "remind"), (55, "restrict")]


def test_a_second_sweep_changes_nothing(seller: Seller, owing: Owing) -> None:
    owing()
    on = DUE + timedelta(days=5)
    assert sweep(seller, on) == 1
    events, actions = Event.objects.count(), DunningAction.objects.count()
    assert sweep(seller, on) == 0
    assert (Event.objects.count(), DunningAction.objects.count()) == (events, actions)


def test_a_disputed_debt_is_left_alone_until_somebody_goes_on(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    live_through(seller, DUE, DUE + timedelta(days=21))
    case = DunningCase.objects.get(invoice=invoice)
    stop(case, as_of=DUE + timedelta(days=21), actor="test", reason="Disputed by letter")
    assert _subscription(invoice).access == "full"
    live_through(seller, DUE + timedelta(days=22), DUE + timedelta(days=70))
    assert len(_taken(invoice)) == 3
    on = DUE + timedelta(days=70)
    resume(case, as_of=on, actor="test")
    assert sweep(seller, on) == 0
    assert sweep(seller, on + timedelta(days=1)) == 1


def test_a_case_that_is_closed_is_neither_stopped_nor_resumed(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    on = DUE + timedelta(days=6)
    live_through(seller, DUE, on)
    record_payment(invoice, as_of=on, actor="test")
    case = DunningCase.objects.get(invoice=invoice)
    with pytest.raises(Refused, match="cannot become stopped"):
        stop(case, as_of=on, actor="test", reason="")
    with pytest.raises(Refused, match="Nothing is owed"):
        resume(case, as_of=on, actor="test")


# Policies


def _policy(seller: Seller | None, *steps: tuple[int, str]) -> DunningPolicy:
    policy = DunningPolicy.objects.create(seller=seller, code=f"own-{len(steps)}", name="Own")
    for days, kind in steps:
        DunningStep.objects.create(policy=policy, since="due", days=days, kind=kind)
    return policy


def test_a_seller_elsewhere_has_the_general_policy(owing: Owing, seller: Seller) -> None:
    seller.country = "DE"
    seller.save()
    owing()
    sweep(seller, DUE + timedelta(days=1))
    assert DunningCase.objects.get().policy.code == "general"


def test_the_plans_policy_comes_before_the_sellers(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    others = _policy(seller, (1, "remind"))
    plans = _policy(seller, (2, "remind"), (4, "restrict"))
    DunningChoice.objects.create(seller=seller, policy=others)
    DunningChoice.objects.create(seller=seller, policy=others, plan=PlanFactory(seller=seller))
    DunningChoice.objects.create(seller=seller, policy=plans, plan=_subscription(invoice).plan)
    live_through(seller, DUE, DUE + timedelta(days=10))
    assert _taken(invoice) == [(2, "remind"), (4, "restrict")]
    assert DunningCase.objects.get().status == "exhausted"


def test_a_policy_without_steps_does_nothing(seller: Seller, owing: Owing) -> None:
    invoice = owing()
    DunningChoice.objects.create(seller=seller, policy=_policy(seller))
    live_through(seller, DUE, DUE + timedelta(days=100))
    assert _taken(invoice) == []
    assert DunningCase.objects.get().status == "open"


def test_a_step_that_is_added_to_a_policy_is_taken_by_cases_before_it(
    seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    policy = _policy(seller, (1, "remind"), (9, "remind"))
    DunningChoice.objects.create(seller=seller, policy=policy)
    live_through(seller, DUE, DUE + timedelta(days=2))
    DunningStep.objects.create(policy=policy, since="due", days=12, kind="restrict")
    live_through(seller, DUE + timedelta(days=3), DUE + timedelta(days=12))
    assert [kind for _, kind in _taken(invoice)] == ["remind", "remind", "restrict"]


def test_the_policies_that_come_along_are_made_once_and_keep_changes(db: None) -> None:
    DunningStep.objects.filter(policy__code="general", kind="cancel").delete()
    ensure_shipped()
    assert DunningPolicy.objects.filter(seller=None).count() == len(SHIPPED)
    assert not DunningStep.objects.filter(policy__code="general", kind="cancel").exists()


def test_a_cancellation_that_is_refused_does_not_stop_the_others(
    seller: Seller, owing: Owing
) -> None:
    first, second = owing(), owing()
    DunningChoice.objects.create(seller=seller, policy=_policy(seller, (1, "cancel")))
    cancel(_subscription(first), as_of=DUE, actor="test", when="now")
    sweep(seller, DUE + timedelta(days=1))
    outcomes = dict(DunningAction.objects.values_list("case__invoice", "outcome"))
    assert outcomes == {first.pk: f"It ended on {DUE}.", second.pk: ""}
    assert _subscription(second).status == "ended"
    assert _subscription(first).ends_on == DUE


# Scale


@pytest.mark.parametrize("kind", KINDS)
def test_queries_do_not_grow_with_the_cases(seller: Seller, owing: Owing, kind: str) -> None:
    """Of no kind of step; the first of a kind may open accounts."""
    DunningChoice.objects.create(seller=seller, policy=_policy(seller, (1, kind)))
    on = DUE + timedelta(days=1)

    def queries(debts: int) -> int:
        for _ in range(debts):
            owing(collection="automatic" if kind == "retry" else "invoice")
        Payment.objects.all().update(state="canceled")
        PaymentAllocation.objects.all().update(state="released")
        open_cases(seller, on, "test")
        with CaptureQueriesContext(connection) as captured:
            assert step_due(seller, on, "test") == debts
        return len(captured)

    queries(1)
    assert queries(12) <= queries(2) <= 30


def test_another_sellers_debts_are_left_alone(seller: Seller, owing: Owing) -> None:
    owing()
    assert sweep(SellerFactory(), DUE + timedelta(days=50)) == 0
    assert not DunningCase.objects.exists()
