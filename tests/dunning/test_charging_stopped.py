"""While charging is stopped, the debts of those whom we charge stand still; no day counts."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.test import override_settings

from billing.invoicing.models import Invoice
from billing.outbound.actions import resume_charging, stop_charging
from billing.outbound.models import Hold, KillSwitch
from billing.subscriptions.models import Subscription
from customers.models import Customer, Seller
from dunning.models import DunningAction, DunningCase
from tests.dunning.conftest import DUE, live_through, sweep

Owing = Callable[..., Invoice]
# The Swedish policy reminds 5 and 15 days after the due date, and restricts access after 20.
REMIND, AGAIN, RESTRICT = 5, 15, 20


def after(days: int) -> date:
    return DUE + timedelta(days=days)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def taken(invoice: Invoice) -> list[tuple[int, str]]:
    actions = DunningAction.objects.filter(case__invoice=invoice)
    return [((action.done_on - DUE).days, action.kind) for action in actions]


def stopped_between(first: date, last: date, seller: str | None = None) -> None:
    KillSwitch.objects.create(
        seller=seller,
        reason="Wrong prices",
        on_at=noon(first),
        on_by="anna",
        off_at=noon(last),
        off_by="anna",
    )


@pytest.fixture
def charged(owing: Owing) -> Invoice:
    return owing(collection=Customer.Collection.AUTOMATIC)


@pytest.mark.parametrize("days", [REMIND, AGAIN, RESTRICT], ids=["remind", "again", "restrict"])
def test_no_step_is_taken_while_charging_is_stopped(
    seller: Seller, charged: Invoice, owing: Owing, days: int
) -> None:
    by_bank = owing()
    live_through(seller, DUE, after(days - 1))
    before = taken(charged)
    switch = stop_charging(reason="Wrong prices", actor="anna")
    live_through(seller, after(days), after(days + 3))
    assert taken(charged) == before
    # Who pays by bank can, and is reminded as ever.
    assert len(taken(by_bank)) == len(before) + 1
    assert Subscription.objects.get(customer=charged.customer_id).access == "full"
    resume_charging(switch, actor="anna")
    sweep(seller, after(days + 4))
    assert len(taken(charged)) == len(before) + 1


def test_nobody_becomes_late_while_charging_is_stopped(seller: Seller, charged: Invoice) -> None:
    stop_charging(seller=seller.public_id, reason="Wrong prices", actor="anna")
    live_through(seller, DUE, after(3))
    assert not DunningCase.objects.exists()


def test_another_sellers_switch_stops_nothing(seller: Seller, charged: Invoice) -> None:
    stop_charging(seller="sel_another", reason="Wrong prices", actor="anna")
    live_through(seller, DUE, after(REMIND))
    assert taken(charged) == [(REMIND, "remind")]


def test_nothing_leaves_and_so_nobody_is_reminded_of_what_was_not_charged(
    seller: Seller, charged: Invoice
) -> None:
    with override_settings(OUTBOUND=False):
        live_through(seller, DUE, after(REMIND))
    assert not taken(charged)


def test_days_on_which_charging_was_stopped_do_not_count(seller: Seller, charged: Invoice) -> None:
    stopped_between(after(2), after(6))
    stopped_between(after(4), after(9), seller.public_id)
    live_through(seller, DUE, after(40))
    # Seven days, those of both switches once: all that follows is seven days later.
    assert taken(charged)[:3] == [
        (REMIND + 7, "remind"),
        (AGAIN + 7, "remind"),
        (RESTRICT + 7, "restrict"),
    ]


def test_a_hold_counts_as_little_and_steps_taken_before_keep_their_distance(
    seller: Seller, charged: Invoice
) -> None:
    live_through(seller, DUE, after(REMIND))
    Hold.objects.create(
        code="database_is_older",
        reason="A backup was restored.",
        held_at=noon(after(REMIND + 1)),
        released_at=noon(after(REMIND + 5)),
        released_by="anna",
    )
    live_through(seller, after(REMIND + 5), after(AGAIN + 4))
    assert taken(charged) == [(REMIND, "remind"), (AGAIN + 4, "remind")]
