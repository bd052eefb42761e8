"""Who gets a customer's invoices and reminders, and copies of them, in place of the customer."""

from typing import Any

import pytest

from billing.checkout.models import Order
from billing.mail import actions
from billing.mail.models import Message
from billing.mail.outbox import send_due
from customers.actions import change_details
from customers.addressees import addressees_of_invoices, addressees_of_reminders
from customers.models import Customer
from tests.factories import DAY
from tests.mail.server import Provider
from tests.mail.world import STORIES, Kind, World, ask_to_sign_in, at, day_of, tell

OWN, BOOKS, BOSS, CHASED = "asa@example.com", "ap@b.example", "boss@b.example", "due@b.example"
NAMED: dict[str, Any] = {"invoice_to": [BOOKS], "invoice_cc": [BOSS], "reminder_to": [CHASED]}


@pytest.mark.parametrize(
    ("named", "of_invoices", "of_reminders"),
    [
        ({}, ((OWN,), ()), ((OWN,), ())),
        ({"invoice_to": [BOOKS]}, ((BOOKS,), ()), ((BOOKS,), ())),
        ({"invoice_cc": [BOOKS]}, ((OWN,), (BOOKS,)), ((OWN,), (BOOKS,))),
        (NAMED, ((BOOKS,), (BOSS,)), ((CHASED,), ())),
        ({"reminder_to": [CHASED]}, ((OWN,), ()), ((CHASED,), ())),
        ({"reminder_cc": [BOSS]}, ((OWN,), ()), ((OWN,), (BOSS,))),
        (
            {"invoice_to": [BOOKS], "invoice_cc": [OWN], "reminder_cc": [BOSS]},
            ((BOOKS,), (OWN,)),
            ((BOOKS,), (BOSS,)),
        ),
        # Nobody twice, in whatever case.
        (
            {"invoice_to": [BOOKS, "AP@b.example"], "invoice_cc": ["Ap@b.example", BOSS, BOSS]},
            ((BOOKS,), (BOSS,)),
            ((BOOKS,), (BOSS,)),
        ),
        # A copy of what would be to nobody is the mail itself.
        ({"email": "", "invoice_cc": [BOSS]}, ((BOSS,), ()), ((BOSS,), ())),
        ({"email": ""}, ((), ()), ((), ())),
    ],
)
def test_reminders_go_where_invoices_go_unless_somebody_is_named_for_them(
    named: dict[str, Any], of_invoices: Any, of_reminders: Any
) -> None:
    customer = Customer(**{"email": OWN} | named)
    found = addressees_of_invoices(customer)
    assert (found.to, found.cc) == of_invoices
    found = addressees_of_reminders(customer)
    assert (found.to, found.cc) == of_reminders


def sent(world: World, post_office: Provider) -> list[tuple[str, str | None]]:
    """To and Cc of each mail that leaves."""
    tell()
    while send_due():
        pass
    return [(str(mail["To"]), mail["Cc"] and str(mail["Cc"])) for mail in post_office.mails]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.INVOICE, (f"Åsa Öberg <{BOOKS}>", BOSS)),
        (Kind.CREDIT_NOTE, (f"Åsa Öberg <{BOOKS}>", BOSS)),
        (Kind.RECEIPT, (f"Åsa Öberg <{BOOKS}>", BOSS)),
        (Kind.REMINDER, (f"Åsa Öberg <{CHASED}>", None)),
        (Kind.PAUSED, (f"Åsa Öberg <{OWN}>", None)),
        (Kind.PLAN_CHANGED, (f"Åsa Öberg <{OWN}>", None)),
        (Kind.SUSPENDED, (f"Åsa Öberg <{OWN}>", None)),
    ],
)
def test_each_kind_of_mail_goes_to_whom_it_is_for(
    post_office: Provider, kind: str, expected: tuple[str, str | None]
) -> None:
    with at(day_of(kind)):
        is_charged, live, _ = STORIES[kind]
        world = World(is_charged=is_charged)
        Customer.objects.filter(pk=world.customer.pk).update(**NAMED)
        world.customer.refresh_from_db()
        live(world)
        tell()
        Message.objects.exclude(kind=kind).delete()
        assert sent(world, post_office) == [expected]
        message = Message.objects.get(kind=kind)
    assert (message.state, message.last_error) == ("sent", "")


@pytest.mark.django_db
def test_nothing_that_signs_in_goes_to_anybody_else(post_office: Provider) -> None:
    with at(DAY):
        world = World()
        change_details(world.customer, as_of=DAY, actor="test", **NAMED)
        ask_to_sign_in(Customer.objects.get())
        assert sent(world, post_office) == [(f"Åsa Öberg <{OWN}>", None)]


@pytest.mark.django_db
def test_who_is_named_for_invoices_gets_that_of_an_order(post_office: Provider) -> None:
    with at(day_of(Kind.ORDER)):
        world = World(is_charged=True)
        Customer.objects.filter(pk=world.customer.pk).update(invoice_cc=[BOOKS])
        world.customer.refresh_from_db()
        STORIES[Kind.ORDER][1](world)
        assert Order.objects.get().status == Order.Status.COMPLETE
        left = sorted(sent(world, post_office), key=str)
    assert left == [(f"Åsa Öberg <{OWN}>", BOOKS), (f"Åsa Öberg <{OWN}>", None)]
    assert set(Message.objects.values_list("kind", flat=True)) == {Kind.ORDER, Kind.INVOICE}


@pytest.mark.django_db
def test_whom_the_server_refuses_is_told_and_the_others_have_the_mail_once(
    post_office: Provider,
) -> None:
    post_office.strangers = {BOSS}
    with at(DAY):
        world = World()
        change_details(world.customer, as_of=DAY, actor="test", invoice_cc=[BOSS])
        world.customer.refresh_from_db()
        world.invoice()
        assert len(sent(world, post_office)) == 1
        ask_to_sign_in(world.customer)
        assert len(sent(world, post_office)) == 2
    message = Message.objects.get(kind=Kind.INVOICE)
    assert message.state == "sent"
    assert message.last_error == f"{BOSS}: 550 5.1.1 no such user"
    assert Message.objects.get(kind=Kind.SIGN_IN).last_error == ""


@pytest.mark.django_db
def test_a_mail_that_nobody_took_is_sent_again_to_those_of_today(post_office: Provider) -> None:
    post_office.mood = "knows nobody"
    with at(DAY):
        world = World()
        world.invoice()
        assert sent(world, post_office) == []
        message = Message.objects.get(kind=Kind.INVOICE)
        assert message.state == "failed"
        change_details(world.customer, as_of=DAY, actor="test", invoice_cc=[BOSS])
        post_office.mood = ""
        again = actions.send_again(message, as_of=DAY, actor="test")
        assert (again.pk, again.cc) == (message.pk, [BOSS])
        assert sent(world, post_office) == [(f"Åsa Öberg <{OWN}>", BOSS)]


@pytest.mark.django_db
def test_who_wants_paper_gets_invoices_on_it_alone(post_office: Provider) -> None:
    with at(DAY):
        world = World()
        change_details(world.customer, as_of=DAY, actor="test", delivery="print", **NAMED)
        world.customer.refresh_from_db()
        world.invoice()
        assert sent(world, post_office) == []
    message = Message.objects.get(kind=Kind.INVOICE)
    assert (message.state, message.recipient, message.also_to, message.cc) == ("print", "", [], [])
