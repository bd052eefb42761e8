"""What is left on a balance goes back to its customer, and the books stay right."""

from functools import partial

import pytest
from django.utils import translation

from billing.base import clock
from billing.engine.errors import Refused
from billing.invoicing.actions import bill_customer
from billing.invoicing.balances import (
    Entry,
    balance_of,
    give_credit,
    move_balances,
    take_back_credit,
)
from billing.invoicing.changes import bill_after, preview
from billing.invoicing.corrections import credit
from billing.invoicing.foresight import Foresight
from billing.invoicing.models import BalanceEntry, CustomerBalance, Invoice
from billing.invoicing.owed import IS_LEFT_BEHIND
from billing.mail.letters import Occasion
from billing.mail.models import Message
from billing.mail.words import write
from billing.payments.booking import record_payment
from billing.payments.from_balance import settle_from_balance
from billing.payments.giving_back import mark_paid_back
from billing.payments.models import Refund
from billing.payments.paying_out import pay_out_balance, payable_out_minor
from billing.subscriptions import actions, pausing
from billing.subscriptions.allowed_changes import WITHDRAWAL
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from tests.factories import DAY, InvoiceFactory
from tests.mail.world import World, tell

pytestmark = pytest.mark.django_db


def paid(world: World) -> Subscription:
    """A subscription whose first month, 1,234.50, is paid by bank."""
    subscription = world.start()
    (invoice,) = bill_customer(world.customer, as_of=DAY, actor="test")
    record_payment(invoice, as_of=DAY, actor="test")
    return subscription


def pause(subscription: Subscription) -> None:
    change = partial(pausing.pause, subscription, as_of=DAY, actor="test", unused="credit")
    bill_after(change, as_of=DAY, actor="test")


def resume(subscription: Subscription) -> None:
    subscription.refresh_from_db()
    bill_after(
        partial(pausing.resume, subscription, as_of=DAY, actor="test"), as_of=DAY, actor="test"
    )


def withdrawing(subscription: Subscription) -> partial[Subscription]:
    subscription.refresh_from_db()
    return partial(
        actions.cancel,
        subscription,
        as_of=DAY,
        actor="test",
        when="now",
        is_refunded=True,
        reason=WITHDRAWAL,
    )


def foreseen_payable(world: World) -> int:
    """What could be paid out if today's documents were written."""
    foresight = Foresight(world.seller.pk, world.customer.pk, None, as_of=DAY)
    foresight.bill_today()
    return payable_out_minor(world.customer, "SEK", foresight.money)


def owed() -> list[int]:
    found = Refund.objects.filter(state=Refund.State.OWED).order_by("pk")
    return list(found.values_list("amount_minor", flat=True))


@pytest.mark.parametrize("is_resumed", [True, False])
def test_a_withdrawal_pays_back_what_a_pause_has_put_on_the_balance(is_resumed: bool) -> None:
    world = World()
    subscription = paid(world)
    pause(subscription)
    if is_resumed:
        resume(subscription)
    seen = preview(withdrawing(subscription), as_of=DAY)
    changed = bill_after(withdrawing(subscription), as_of=DAY, actor="test")
    assert seen.paid_out_minor == changed.paid_out_minor == 123450
    assert seen.outcome == changed.outcome != "0"
    assert balance_of(world.customer, "SEK") == 0
    assert owed() == [123450]
    assert broken_invariants() == {}
    mark_paid_back(Refund.objects.get(), paid_on=DAY, as_of=DAY, actor="test")
    assert broken_invariants() == {}


def test_a_withdrawal_pays_back_what_an_earlier_note_has_put_on_the_balance() -> None:
    world = World()
    subscription = paid(world)
    credit(Invoice.objects.get(), as_of=DAY, actor="test", amount_minor=10000)
    assert preview(withdrawing(subscription), as_of=DAY).paid_out_minor == 10000
    assert bill_after(withdrawing(subscription), as_of=DAY, actor="test").paid_out_minor == 10000
    assert owed() == [113450, 10000]
    assert broken_invariants() == {}


def test_goodwill_is_not_paid_out_when_paid_money_was_spent_before_it() -> None:
    world = World()
    record_payment(world.invoice(), as_of=DAY, actor="test", amount_minor=133450)
    assert payable_out_minor(world.customer, "SEK") == 10000
    later = world.invoice()
    settle_from_balance(world.customer, as_of=DAY, actor="test")
    record_payment(later, as_of=DAY, actor="test", amount_minor=113450)
    assert balance_of(world.customer, "SEK") == 0
    gift = give_credit(
        world.customer,
        currency="SEK",
        amount_minor=10000,
        description="Sorry",
        as_of=DAY,
        actor="test",
    )
    assert payable_out_minor(world.customer, "SEK") == 0
    take_back_credit(gift, as_of=DAY, actor="test")
    assert payable_out_minor(world.customer, "SEK") == 0


def test_goodwill_is_not_paid_out() -> None:
    world = World()
    subscription = paid(world)
    give_credit(
        world.customer,
        currency="SEK",
        amount_minor=5000,
        description="Sorry",
        as_of=DAY,
        actor="test",
    )
    pause(subscription)
    bill_after(withdrawing(subscription), as_of=DAY, actor="test")
    assert balance_of(world.customer, "SEK") == 5000
    assert owed() == [123450]
    with pytest.raises(Refused, match="nothing can be paid back"):
        pay_out_balance(world.customer, currency="SEK", as_of=DAY, actor="test")


def test_a_balance_is_paid_out_in_parts_and_never_beyond_it() -> None:
    world = World()
    pause(paid(world))
    pay = partial(pay_out_balance, world.customer, currency="SEK", as_of=DAY, actor="test")
    with pytest.raises(Refused, match="Only 1234.50 SEK"):
        pay(amount_minor=123451)
    assert pay(amount_minor=100000) == 100000
    assert payable_out_minor(world.customer, "SEK") == 23450
    assert broken_invariants() == {}
    assert pay() == 23450
    assert owed() == [100000, 23450]
    assert broken_invariants() == {}


@pytest.fixture(params=["earliest", "latest"])
def of_two_notes(request: pytest.FixtureRequest) -> World:
    """1,234.50 twice on the balance: of a note on one of two invoices, and of another on both."""
    world = World()
    first, second = paid(world), paid(world)
    noted = getattr(Invoice.objects, request.param)("pk")
    credit(noted, as_of=DAY, actor="test", amount_minor=10000)
    for subscription in (first, second):
        pausing.pause(subscription, as_of=DAY, actor="test", unused="credit")
    (note,) = bill_customer(world.customer, as_of=DAY, actor="test")
    assert (note.kind, note.total_minor) == (Invoice.Kind.CREDIT_NOTE, 2 * 123450 - 10000)
    return world


@pytest.mark.parametrize("first_minor", [None, 1, 113450, 113451, 123450, 200000, 236900, 236901])
def test_a_balance_of_two_notes_on_two_invoices_is_paid_out_at_once_and_in_parts(
    of_two_notes: World, first_minor: int | None
) -> None:
    pay = partial(pay_out_balance, of_two_notes.customer, currency="SEK", as_of=DAY, actor="test")
    done_minor = pay(amount_minor=first_minor)
    assert broken_invariants() == {}
    if first_minor:
        assert payable_out_minor(of_two_notes.customer, "SEK") == 2 * 123450 - first_minor
        done_minor += pay()
    assert done_minor == sum(owed()) == 2 * 123450
    assert balance_of(of_two_notes.customer, "SEK") == 0
    assert {invoice.paid_minor for invoice in Invoice.objects.filter(kind="invoice")} == {0}
    assert broken_invariants() == {}


@pytest.mark.parametrize("which", ["earliest", "latest"])
def test_a_note_that_is_refunded_leaves_what_another_has_put_on_the_balance(which: str) -> None:
    world = World()
    first, second = paid(world), paid(world)
    noted = getattr(Invoice.objects, which)("pk")
    credit(noted, as_of=DAY, actor="test", amount_minor=10000)
    for subscription in (first, second):
        withdrawing(subscription)()
    bill_customer(world.customer, as_of=DAY, actor="test")
    assert sum(owed()) == 2 * 123450 - 10000
    assert payable_out_minor(world.customer, "SEK") == 10000
    pay_out_balance(world.customer, currency="SEK", as_of=DAY, actor="test")
    assert sum(owed()) == 2 * 123450
    assert broken_invariants() == {}


def test_what_was_charged_on_a_credit_note_and_credited_is_paid_out() -> None:
    world = World()
    subscription = paid(world)
    cheap = world.plan("Liten", "400.00")
    change = partial(actions.change, subscription, plan=cheap, as_of=DAY, actor="test")
    bill_after(change, as_of=DAY, actor="test")
    assert balance_of(world.customer, "SEK") == 83450
    pause(subscription)
    assert balance_of(world.customer, "SEK") == 123450
    assert pay_out_balance(world.customer, currency="SEK", as_of=DAY, actor="test") == 123450
    assert (owed(), balance_of(world.customer, "SEK")) == ([40000, 83450], 0)
    assert broken_invariants() == {}


def test_what_a_note_on_two_invoices_would_let_be_paid_out_is_foreseen() -> None:
    world = World()
    first, second = paid(world), paid(world)
    credit(Invoice.objects.earliest("pk"), as_of=DAY, actor="test", amount_minor=10000)
    for subscription in (first, second):
        pausing.pause(subscription, as_of=DAY, actor="test", unused="credit")
    assert foreseen_payable(world) == 2 * 123450
    bill_customer(world.customer, as_of=DAY, actor="test")
    assert payable_out_minor(world.customer, "SEK") == 2 * 123450


def test_what_a_note_on_another_notes_charge_would_let_be_paid_out_is_foreseen() -> None:
    world = World()
    subscription = paid(world)
    cheap = world.plan("Liten", "400.00")
    change = partial(actions.change, subscription, plan=cheap, as_of=DAY, actor="test")
    bill_after(change, as_of=DAY, actor="test")
    pausing.pause(subscription, as_of=DAY, actor="test", unused="credit")
    assert foreseen_payable(world) == 123450
    bill_customer(world.customer, as_of=DAY, actor="test")
    assert payable_out_minor(world.customer, "SEK") == 123450


def test_what_was_charged_on_a_note_that_corrects_nothing_is_not_paid_out() -> None:
    charged = InvoiceFactory(credit_note=True, sequence=51, lines=[{"amount_minor": 1_000}])
    lines = [{"kind": "credit", "corrects": charged.lines.get(), "amount_minor": 1_000}]
    customer = charged.customer
    note = InvoiceFactory(credit_note=True, sequence=52, customer=customer, lines=lines)
    move_balances([Entry(customer.pk, "SEK", 1_000, note.pk, "")], DAY)
    assert balance_of(customer, "SEK") == 1_000
    assert payable_out_minor(customer, "SEK") == 0


def test_what_has_paid_an_invoice_since_is_not_paid_out() -> None:
    world = World()
    subscription = paid(world)
    pause(subscription)
    resume(subscription)
    assert payable_out_minor(world.customer, "SEK") == 0


def test_what_was_paid_out_is_no_gift_and_is_not_taken_back() -> None:
    world = World()
    pause(paid(world))
    pay_out_balance(world.customer, currency="SEK", as_of=DAY, actor="test")
    with pytest.raises(Refused):
        take_back_credit(BalanceEntry.objects.latest("id"), as_of=DAY, actor="test")


def test_a_balance_is_left_behind_once_no_subscription_goes_on() -> None:
    world = World()
    subscription = paid(world)
    pause(subscription)
    left = CustomerBalance.objects.filter(IS_LEFT_BEHIND)
    assert not left.exists()
    subscription.refresh_from_db()
    actions.cancel(subscription, as_of=DAY, actor="test", when="now")
    assert left.exists()
    pay_out_balance(world.customer, currency="SEK", as_of=DAY, actor="test")
    assert not left.exists()


def test_the_mail_of_a_withdrawal_says_what_goes_back_of_the_balance() -> None:
    world = World()
    subscription = paid(world)
    pause(subscription)
    bill_after(withdrawing(subscription), as_of=DAY, actor="test")
    tell()
    message = Message.objects.get(kind="canceled")
    with translation.override("en"):
        letter = write(Occasion(message, DAY, clock.now()))
    assert "We refund SEK\u00a01,234.50 of your balance to you." in letter.next


def test_money_that_was_too_much_is_paid_out_too() -> None:
    world = World()
    invoice = world.invoice()
    record_payment(invoice, as_of=DAY, actor="test", amount_minor=133450)
    assert payable_out_minor(world.customer, "SEK") == 10000
    assert pay_out_balance(world.customer, currency="SEK", as_of=DAY, actor="test") == 10000
    assert (owed(), balance_of(world.customer, "SEK")) == ([10000], 0)
    assert payable_out_minor(world.customer, "SEK") == 0
    assert broken_invariants() == {}
    mark_paid_back(Refund.objects.get(), paid_on=DAY, as_of=DAY, actor="test")
    assert broken_invariants() == {}
    tell()
    message = Message.objects.get(kind="refund")
    with translation.override("en"):
        said = write(Occasion(message, DAY, clock.now())).happened
    assert "100.00 to you by bank transfer" in said
