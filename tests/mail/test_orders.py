"""The confirmation of an order: to whoever has ordered, whole, and not one mail of three."""

from datetime import timedelta
from email.message import EmailMessage

import pytest

from billing.checkout.models import Order
from billing.mail.models import Message
from billing.mail.outbox import send_due
from billing.payments.booking import record_payment
from billing.payments.giving_back import reopen
from billing.subscriptions import actions as subscriptions
from customers.models import Customer
from tests.factories import DAY
from tests.mail.server import Provider
from tests.mail.world import TERMS, Kind, World, at, place, tell

pytestmark = pytest.mark.django_db


def deliver() -> None:
    """What the tick does with events and mail."""
    tell()
    while send_due():
        pass


def sent(world: World) -> dict[str, str]:
    """The kinds that the customer has been sent, with what they said."""
    messages = Message.objects.filter(customer=world.customer, state="sent").order_by("pk")
    return {message.kind: " ".join(message.text.split()) for message in messages}


def pay(order: Order) -> None:
    assert order.invoice is not None
    record_payment(order.invoice, as_of=DAY, actor="test")


def papers(mail: EmailMessage) -> list[str]:
    return [str(part.get_filename()) for part in mail.iter_attachments()]


@pytest.mark.parametrize("ticks_between", [False, True])
def test_a_new_customer_gets_one_mail_with_invoice_and_receipt_in_it(
    post_office: Provider, ticks_between: bool
) -> None:
    with at(DAY):
        world = World(is_charged=True)
        order = place(world)
        if ticks_between:
            deliver()
            assert post_office.mails == []
        pay(order)
        deliver()
    (mail,) = post_office.mails
    assert mail["Subject"] == "Your order from Rosteriet: Månadskaffe"
    assert papers(mail) == ["invoice-1.pdf", "receipt-1.pdf"]
    assert list(Message.objects.values_list("kind", flat=True)) == [Kind.ORDER]


def test_a_trial_is_confirmed_with_when_the_first_payment_comes() -> None:
    with at(DAY):
        world = World(is_charged=True)
        place(world, world.plan(trial_days=14))
        deliver()
    said = sent(world)
    assert list(said) == [Kind.ORDER]
    assert (
        "It is free until 15 March 2026. Cancel before then and you pay nothing. The first "
        "payment, SEK 1,234.50, is taken from your card Visa ···· 4242 on 15 March 2026."
    ) in said[Kind.ORDER]
    assert "First paid day: 15 March 2026" in said[Kind.ORDER]


def test_the_words_agreed_to_are_sent_as_they_were_shown(post_office: Provider) -> None:
    with at(DAY):
        world = World(language="sv", is_charged=True)
        pay(place(world))
        deliver()
    (mail,) = post_office.mails
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body
        for line in filter(None, TERMS.splitlines()):
            assert line in body.get_content()
    assert (
        "Du godkände det här den 1 mars 2026 kl. 13:00. Villkorens version: 2026-11."
        in sent(world)["order"]
    )


def test_an_order_is_confirmed_though_it_was_canceled_before_the_mail_could_leave() -> None:
    with at(DAY):
        world = World(is_charged=True)
        order = place(world)
        pay(order)
        order.refresh_from_db()
        assert order.subscription is not None
        subscriptions.cancel(order.subscription, as_of=DAY, actor="test", when="now")
        tell()
    with at(DAY + timedelta(days=2)):
        deliver()
    assert "You have paid SEK" in sent(world)[Kind.ORDER]
    assert "next payment" not in sent(world)[Kind.ORDER]


def test_an_order_that_waits_for_its_money_is_not_confirmed() -> None:
    with at(DAY):
        world = World(is_charged=True)
        place(world)
        deliver()
    assert not Message.objects.exists()


def test_who_wants_paper_gets_the_invoice_on_it_as_well() -> None:
    with at(DAY):
        world = World(is_charged=True)
        Customer.objects.filter(pk=world.customer.pk).update(delivery="print")
        world.customer.refresh_from_db()
        pay(place(world))
        deliver()
    states = dict(Message.objects.values_list("kind", "state"))
    assert states == {Kind.ORDER: "sent", Kind.INVOICE: "print"}


def test_who_has_no_address_any_more_gets_the_confirmation_on_paper() -> None:
    with at(DAY):
        world = World(is_charged=True)
        order = place(world)
        Customer.objects.filter(pk=world.customer.pk).update(email="")
        pay(order)
        deliver()
    message = Message.objects.get(kind=Kind.ORDER)
    assert (message.state, "<a " in message.html) == ("print", False)


def test_what_is_paid_anew_after_a_refund_has_a_receipt_of_its_own() -> None:
    with at(DAY):
        world = World(is_charged=True)
        order = place(world)
        pay(order)
        deliver()
        assert order.invoice is not None
        reopen(order.invoice, as_of=DAY, actor="test")
        order.invoice.refresh_from_db()
        pay(order)
        deliver()
    assert list(sent(world)) == [Kind.ORDER, Kind.RECEIPT]


@pytest.mark.parametrize(("is_business", "is_there"), [(False, True), (True, False)])
def test_consumers_get_the_form_to_withdraw_with(is_business: bool, is_there: bool) -> None:
    with at(DAY):
        world = World(is_charged=True)
        order = place(world)
        Customer.objects.filter(pk=world.customer.pk).update(is_business=is_business)
        pay(order)
        deliver()
    form = "I hereby withdraw from my contract for this service: Månadskaffe Ordered on: 1 March"
    assert (form in sent(world)[Kind.ORDER]) is is_there


def test_the_confirmation_of_a_fixed_term_says_when_it_ends_and_not_that_it_renews() -> None:
    with at(DAY):
        world = World(is_charged=True)
        pay(place(world, world.plan(cycles=3)))
        deliver()
    said = sent(world)[Kind.ORDER].partition("What you agreed to")[0]
    assert (
        "The term is fixed: its last day is 31 May 2026, and it cannot be canceled before" in said
    )
    for wrong in ("Renews", "renew", "cancel the subscription", "whenever"):
        assert wrong not in said


def test_a_trial_of_a_fixed_term_is_not_said_to_be_canceled() -> None:
    with at(DAY):
        world = World(is_charged=True)
        place(world, world.plan(trial_days=14, cycles=3))
        deliver()
    said = sent(world)[Kind.ORDER]
    assert "It is free until 15 March 2026." in said
    assert "Cancel before then" not in said
