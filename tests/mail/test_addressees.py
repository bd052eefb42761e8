"""Who gets a customer's invoices and reminders, and copies of them, in place of the customer."""

from typing import Any

import pytest

from billing.checkout.models import Order
from billing.engine.errors import Refused
from billing.invoicing.models import Invoice
from billing.mail import actions
from billing.mail.models import Message
from billing.mail.outbox import TRIED_FOR, send_due
from billing.payments.booking import record_payment
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


def an_invoice(**named: Any) -> World:
    """Whose customer has named others for invoices, before there was one."""
    world = World()
    change_details(world.customer, as_of=DAY, actor="test", **named)
    world.customer.refresh_from_db()
    world.invoice()
    return world


def the_invoice() -> Message:
    return Message.objects.get(kind=Kind.INVOICE, state__in=["waiting", "sent", "failed"])


@pytest.mark.django_db
@pytest.mark.parametrize("named", [{"invoice_cc": [BOSS]}, {"invoice_to": [BOSS, OWN]}])
def test_a_mail_has_failed_where_somebody_whom_it_is_to_is_refused_though_others_have_it(
    post_office: Provider, named: dict[str, Any]
) -> None:
    post_office.strangers = {OWN}
    with at(DAY):
        world = an_invoice(**named)
        assert len(sent(world, post_office)) == 1
    message = the_invoice()
    assert (message.state, message.taken_for) == ("failed", [BOSS])
    assert message.last_error == f"{OWN}: 550 5.1.1 no such user"


@pytest.mark.django_db
def test_whoever_is_put_off_gets_it_later_and_the_others_have_it_once(
    post_office: Provider,
) -> None:
    post_office.put_off = {OWN}
    with at(DAY):
        world = an_invoice(invoice_cc=[BOSS])
        assert len(sent(world, post_office)) == 1
        assert (the_invoice().state, the_invoice().taken_for) == ("waiting", [BOSS])
    post_office.put_off = set()
    with at(DAY, hour=13):
        sent(world, post_office)
    assert the_invoice().state == "sent"
    assert post_office.addressed == [[BOSS], [OWN]]
    assert {str(each["Cc"]) for each in post_office.mails} == {BOSS}


@pytest.mark.django_db
def test_whoever_is_put_off_for_three_days_has_not_got_it(post_office: Provider) -> None:
    post_office.put_off = {OWN}
    with at(DAY):
        world = an_invoice(invoice_cc=[BOSS])
        sent(world, post_office)
    with at(DAY + TRIED_FOR):
        sent(world, post_office)
    assert the_invoice().state == "failed"
    assert post_office.addressed == [[BOSS]]


@pytest.mark.django_db
def test_a_copy_that_is_put_off_comes_later_and_the_others_have_it_once(
    post_office: Provider,
) -> None:
    post_office.put_off = {BOSS}
    with at(DAY):
        world = an_invoice(invoice_cc=[BOSS])
        assert len(sent(world, post_office)) == 1
        assert (the_invoice().state, the_invoice().taken_for) == ("waiting", [OWN])
    post_office.put_off = set()
    with at(DAY, hour=13):
        sent(world, post_office)
    assert (the_invoice().state, the_invoice().last_error) == ("sent", "")
    assert post_office.addressed == [[OWN], [BOSS]]


@pytest.mark.django_db
def test_a_copy_that_is_put_off_for_three_days_is_told_beside_what_was_sent(
    post_office: Provider,
) -> None:
    post_office.put_off = {BOSS}
    with at(DAY):
        world = an_invoice(invoice_cc=[BOSS])
        sent(world, post_office)
        assert the_invoice().state == "waiting"
    with at(DAY + TRIED_FOR):
        sent(world, post_office)
    assert the_invoice().state == "sent"
    assert BOSS in the_invoice().last_error
    assert post_office.addressed == [[OWN]]


@pytest.mark.django_db
def test_a_copy_that_is_put_off_and_then_refused_is_told_beside_what_was_sent(
    post_office: Provider,
) -> None:
    post_office.put_off = {BOSS}
    with at(DAY):
        world = an_invoice(invoice_cc=[BOSS])
        sent(world, post_office)
    post_office.put_off, post_office.strangers = set(), {BOSS}
    with at(DAY, hour=13):
        sent(world, post_office)
    assert the_invoice().state == "sent"
    assert "550" in the_invoice().last_error


@pytest.mark.django_db
def test_of_two_copies_the_one_that_is_put_off_comes_later(post_office: Provider) -> None:
    post_office.put_off, post_office.strangers = {BOSS}, {BOOKS}
    with at(DAY):
        world = an_invoice(invoice_cc=[BOOKS, BOSS])
        sent(world, post_office)
    post_office.put_off = set()
    with at(DAY, hour=13):
        sent(world, post_office)
    assert the_invoice().state == "sent"
    assert the_invoice().last_error.startswith(f"{BOOKS}: 550")
    assert post_office.addressed == [[OWN], [BOSS]]


@pytest.mark.django_db
def test_where_only_a_copy_waits_the_mail_has_been_sent_even_once_it_is_not_true_any_more(
    post_office: Provider,
) -> None:
    post_office.put_off = {BOSS}
    with at(day_of(Kind.REMINDER)):
        world = World()
        change_details(world.customer, as_of=DAY, actor="test", reminder_cc=[BOSS])
        world.customer.refresh_from_db()
        STORIES[Kind.REMINDER][1](world)
        tell()
        Message.objects.exclude(kind=Kind.REMINDER).delete()
        sent(world, post_office)
        assert Message.objects.get().state == "waiting"
        record_payment(Invoice.objects.get(), as_of=day_of(Kind.REMINDER), actor="test")
    with at(day_of(Kind.REMINDER), hour=13):
        sent(world, post_office)
        reminder = Message.objects.get(kind=Kind.REMINDER)
    assert (reminder.state, reminder.taken_for) == ("sent", [OWN])
    assert post_office.addressed[0] == [OWN]


@pytest.mark.django_db
@pytest.mark.parametrize("right", [OWN, "asa.ny@example.com"])
def test_sent_again_it_goes_to_those_alone_who_have_not_got_it(
    post_office: Provider, right: str
) -> None:
    post_office.strangers = {OWN}
    with at(DAY):
        world = an_invoice(invoice_cc=[BOSS])
        sent(world, post_office)
        post_office.strangers = set()
        Customer.objects.filter(pk=world.customer.pk).update(email=right)
        actions.send_again(the_invoice(), as_of=DAY, actor="test")
        sent(world, post_office)
    assert the_invoice().state == "sent"
    assert post_office.addressed == [[BOSS], [right]]


@pytest.mark.django_db
def test_nothing_is_sent_again_where_all_have_it_who_get_it_now(post_office: Provider) -> None:
    post_office.strangers = {OWN}
    with at(DAY):
        world = an_invoice(invoice_to=[BOSS, OWN])
        sent(world, post_office)
        Customer.objects.filter(pk=world.customer.pk).update(invoice_to=[BOSS])
        with pytest.raises(Refused) as refused:
            actions.send_again(the_invoice(), as_of=DAY, actor="test")
    assert refused.value.code == "nobody_left"


@pytest.mark.django_db
def test_an_address_is_known_by_how_it_is_written_and_not_by_how_servers_are_told(
    post_office: Provider,
) -> None:
    post_office.strangers = {"asa@xn--rsta-poa.example"}
    with at(DAY):
        world = World()
        Customer.objects.filter(pk=world.customer.pk).update(email="asa@årsta.example")
        world.customer.refresh_from_db()
        change_details(world.customer, as_of=DAY, actor="test", invoice_cc=[BOSS])
        world.customer.refresh_from_db()
        world.invoice()
        sent(world, post_office)
    assert (the_invoice().state, the_invoice().taken_for) == ("failed", [BOSS])


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


@pytest.mark.django_db
def test_who_gets_no_copies_any_more_gets_none_of_what_waits(post_office: Provider) -> None:
    with at(DAY):
        world = an_invoice(invoice_cc=[BOSS])
        tell()
        change_details(world.customer, as_of=DAY, actor="test", invoice_cc=[BOOKS])
        assert sent(world, post_office) == [(f"Åsa Öberg <{OWN}>", BOOKS)]
    assert Message.objects.get(kind=Kind.INVOICE).state == "sent"
