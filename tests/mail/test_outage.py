"""After days on which no mail left: what is sent then is true then, and not ten mails at once."""

from datetime import date, datetime, timedelta
from functools import partial

import pytest

from billing.invoicing.actions import bill_customer
from billing.mail.actions import post
from billing.mail.models import Message
from billing.mail.outbox import send_due
from billing.mail.words.debts import REMINDER
from billing.payments import charging
from billing.payments.booking import record_payment
from billing.payments.models import Payment
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import pausing
from billing.subscriptions.models import Subscription
from tests.dunning.conftest import live_through
from tests.factories import DAY
from tests.mail.world import DUE, STORIES, Kind, World, at, happen, tell

pytestmark = pytest.mark.django_db
OVERTAKEN = "A later mail says how things stand."


def sent_on(day: date) -> list[str]:
    """The kinds that leave when mail works again, on a day."""
    with at(day):
        tell()
        while send_due():
            pass
    assert not Message.objects.filter(state__in=["waiting", "failed"]).exists()
    messages = Message.objects.filter(state="sent").order_by("pk")
    return list(messages.values_list("kind", flat=True))


def left_out() -> dict[str, str]:
    """Why what was not sent was not, by kind."""
    messages = Message.objects.filter(state="suppressed")
    return dict(messages.values_list("kind", "last_error"))


@pytest.mark.parametrize(
    ("days", "kinds"),
    [
        (6, [Kind.INVOICE, Kind.REMINDER]),
        (16, [Kind.INVOICE, Kind.REMINDER]),
        (31, [Kind.INVOICE, Kind.SUSPENDED]),
        (61, [Kind.INVOICE, Kind.CANCELED]),
    ],
)
def test_of_a_late_debt_the_invoice_and_the_last_step_are_told(days: int, kinds: list[str]) -> None:
    day = DUE + timedelta(days=days)
    with at(day):
        world = World()
        world.invoice()
        live_through(world.seller, DUE, day)
    assert sent_on(day) == kinds


def test_the_log_says_why_the_others_were_left_out() -> None:
    day = DUE + timedelta(days=31)
    with at(day):
        world = World()
        world.invoice()
        live_through(world.seller, DUE, day)
    sent_on(day)
    assert left_out() == {Kind.REMINDER: OVERTAKEN, Kind.RESTRICTED: OVERTAKEN}


def test_of_a_card_that_failed_again_and_again_the_last_failure_is_told() -> None:
    with at(DAY + timedelta(days=3)):
        world = World(is_charged=True)
        document = world.invoice()
        for days in (0, 1, 3):
            charging.fail(
                world.in_flight(document).pk,
                "insufficient_funds",
                as_of=DAY + timedelta(days=days),
                actor="test",
            )
        Payment.objects.filter(state="planned").update(planned_on=DAY + timedelta(days=7))
    assert sent_on(DAY + timedelta(days=3)) == [Kind.INVOICE, Kind.PAYMENT_FAILED]
    last = Payment.objects.filter(state="failed").latest("pk")
    assert Message.objects.get(state="sent", kind=Kind.PAYMENT_FAILED).object == last.public_id


@pytest.mark.parametrize(("is_of_both", "count"), [(False, 2), (True, 1)])
def test_a_reminder_of_two_debts_is_overtaken_by_one_of_both_alone(
    is_of_both: bool, count: int
) -> None:
    day = DUE + timedelta(days=6)
    with at(day):
        world = World()
        world.invoice()
        world.start(world.plan("Tidskrift", "99"))
        bill_customer(world.customer, as_of=DAY, actor="test")
        live_through(world.seller, DUE, day)
        tell()
        reminder = Message.objects.get(kind=Kind.REMINDER)
        moment = datetime.fromisoformat(reminder.facts["recorded_at"]) + timedelta(days=1)
        later = {**reminder.facts, "recorded_at": moment.isoformat()}
        if not is_of_both:
            del later["also"]
        post(REMINDER, object="evt_later", customer=world.customer, facts=later)
    assert sent_on(day).count(Kind.REMINDER) == count
    last = Message.objects.filter(kind=Kind.REMINDER, state="sent").earliest("pk")
    assert all(f"Invoice: {number}" in last.text for number in (1, 2))


def test_what_was_settled_in_the_meantime_is_not_reminded_of() -> None:
    day = DUE + timedelta(days=16)
    with at(day):
        world = World()
        document = world.invoice()
        live_through(world.seller, DUE, day)
        record_payment(document, as_of=day, actor="test")
    assert sent_on(day) == [Kind.INVOICE, Kind.RECEIPT]


def test_an_invoice_that_is_late_already_says_so() -> None:
    with at(DAY):
        World().invoice()
    assert sent_on(DUE + timedelta(days=1)) == [Kind.INVOICE]
    text = " ".join(Message.objects.get().text.split())
    assert "It was due on 15 March 2026. Please pay it as soon as you can." in text


def _pause_and_resume(subscription: Subscription) -> None:
    paused = pausing.pause(subscription, as_of=DAY, actor="test", until=None, unused="keep")
    pausing.resume(paused, as_of=DAY, actor="test")


def _cancel_and_undo(subscription: Subscription) -> None:
    canceled = subscriptions.cancel(subscription, as_of=DAY, actor="test")
    undone = subscriptions.undo_cancel(canceled, as_of=DAY, actor="test")
    subscriptions.cancel(undone, as_of=DAY, actor="test")


@pytest.mark.parametrize(
    ("change", "kind"), [(_pause_and_resume, Kind.RESUMED), (_cancel_and_undo, Kind.CANCELED)]
)
def test_of_a_mind_that_was_changed_twice_the_last_word_is_told(change: object, kind: str) -> None:
    with at(DAY):
        world = World()
        subscription = world.start()
        bill_customer(world.customer, as_of=DAY, actor="test")
        assert callable(change)
        change(subscription)
    assert sent_on(DAY + timedelta(days=3)) == [Kind.INVOICE, kind]


def test_of_two_changes_of_plan_the_last_is_told() -> None:
    with at(DAY):
        world = World()
        change = partial(subscriptions.change, as_of=DAY, actor="test")
        changed = change(world.start(), plan=world.plan("Större", "2000"))
        change(changed, plan=world.plan("Störst", "3000"))
    assert sent_on(DAY + timedelta(days=3)) == [Kind.PLAN_CHANGED]
    assert "to Störst" in Message.objects.get(state="sent").text


@pytest.mark.parametrize(
    ("kind", "days", "why"),
    [
        (Kind.TRIAL_ENDING, 3, "The trial was over before this could be sent."),
        (Kind.RENEWAL, 35, "It has been renewed by now."),
    ],
)
def test_a_notice_whose_moment_has_passed_is_not_sent(kind: str, days: int, why: str) -> None:
    day = STORIES[kind][2]
    with at(day):
        happen(kind)
        Message.objects.exclude(kind=kind).delete()
    assert sent_on(day + timedelta(days=days)) == []
    assert left_out() == {kind: why}
