"""What is mailed of a merged customer's documents goes to the one that stays, in its language."""

from typing import Any

import pytest
from django.core import mail

from billing.invoicing.models import Invoice
from billing.mail.actions import Draft, post
from billing.mail.models import Message
from billing.mail.outbox import send_due
from billing.mail.resending import resend
from billing.mail.words import KINDS
from billing.mail.words.bills import INVOICE
from billing.mail.words.debts import REMINDER
from billing.mail.words.visits import ADDRESS_CHANGED
from customers.models import AccessLink, Customer
from tests.factories import DAY, CustomerFactory, mark_merged
from tests.mail.world import World, ask_to_sign_in, at

pytestmark = pytest.mark.django_db
OLD, NEW = "asa@example.com", "anna@example.com"


@pytest.fixture
def world() -> World:
    with at(DAY):
        return World()


@pytest.fixture
def staying(world: World) -> Customer:
    return CustomerFactory(seller=world.seller, name="Anna Ek", email=NEW, language="sv")


@pytest.fixture
def invoice(world: World, staying: Customer) -> Invoice:
    """An open invoice of a customer who was merged since, as after a payment that came back."""
    with at(DAY):
        invoice = world.invoice()
    mark_merged(world.customer, staying)
    return Invoice.objects.get(pk=invoice.pk)


def posted(invoice: Invoice) -> Message:
    facts: dict[str, Any] = {
        "subject": invoice.public_id,
        "occurred_on": DAY.isoformat(),
        "recorded_at": "2026-03-01T12:00:00+00:00",
    }
    return post(INVOICE, object=invoice.public_id, customer=invoice.customer, facts=facts)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {ADDRESS_CHANGED.name}))
def test_each_kind_of_mail_goes_to_the_one_that_stays(
    invoice: Invoice, staying: Customer, name: str
) -> None:
    draft = Draft(KINDS[name], invoice.public_id, invoice.customer, {})
    assert draft.addressees.everybody == (NEW,)


def test_whom_the_one_that_stays_has_named_gets_it(invoice: Invoice, staying: Customer) -> None:
    staying.invoice_to, staying.reminder_to = ["ap@example.com"], ["late@example.com"]
    staying.save()
    for kind, address in ((INVOICE, "ap@example.com"), (REMINDER, "late@example.com")):
        assert Draft(kind, invoice.public_id, invoice.customer, {}).recipient == address


def test_it_is_written_to_that_one_in_its_language_and_the_invoice_can_be_paid(
    invoice: Invoice, staying: Customer
) -> None:
    with at(DAY):
        message = posted(invoice)
        send_due()
    assert message.language == "sv"
    [sent] = mail.outbox
    assert sent.to == [f"Anna Ek <{NEW}>"]
    assert "Faktura" in sent.subject
    link = AccessLink.objects.get(purpose=AccessLink.Purpose.PAY)
    assert (link.customer, link.subject) == (invoice.customer, invoice.public_id)


def test_whoever_wants_paper_gets_a_letter(invoice: Invoice, staying: Customer) -> None:
    Customer.objects.filter(pk=staying.pk).update(delivery=Customer.Delivery.PRINT)
    assert posted(Invoice.objects.get(pk=invoice.pk)).recipient == ""


def test_what_was_sent_to_the_old_address_is_sent_again_to_the_one_that_stays(
    world: World, staying: Customer
) -> None:
    with at(DAY):
        invoice = world.invoice()
        message = posted(invoice)
        send_due()
        mark_merged(world.customer, staying)
        message.refresh_from_db()
        again = resend(message, as_of=DAY, actor="user:anna", is_as_it_was=False)
        assert (message.recipient, again.recipient) == (OLD, NEW)
        assert again.language == "sv"
        assert [each.state for each in Message.objects.filter(resends=message)] == ["waiting"]


def sweep_later() -> None:
    """As when a mail was held or put off, and may leave now."""
    with at(DAY):
        while send_due():
            pass


def states() -> list[tuple[str, str]]:
    """To whom each mail was to go, and what became of it."""
    return list(Message.objects.order_by("pk").values_list("recipient", "state"))


def test_a_link_that_waits_to_be_mailed_goes_to_the_one_that_stays_alone(
    world: World, staying: Customer
) -> None:
    with at(DAY):
        ask_to_sign_in(world.customer)
    mark_merged(world.customer, staying)
    sweep_later()
    assert [each.to for each in mail.outbox] == [[f"Anna Ek <{NEW}>"]]
    assert states() == [(OLD, "suppressed"), (NEW, "sent")]
    assert Message.objects.earliest("pk").last_error == f"Sent to {NEW} instead."
    link = AccessLink.objects.get()
    assert (link.customer, link.address) == (staying, NEW)


def test_an_invoice_that_waits_to_be_mailed_goes_to_the_one_that_stays(
    world: World, staying: Customer
) -> None:
    with at(DAY):
        posted(world.invoice())
    mark_merged(world.customer, staying)
    sweep_later()
    assert [each.to for each in mail.outbox] == [[f"Anna Ek <{NEW}>"]]
    assert states() == [(OLD, "suppressed"), (NEW, "sent")]


def test_a_mail_that_waits_to_be_sent_again_as_it_was_goes_to_the_one_that_stays(
    world: World, staying: Customer
) -> None:
    with at(DAY):
        message = posted(world.invoice())
        send_due()
        message.refresh_from_db()
        resend(message, as_of=DAY, actor="user:anna", is_as_it_was=True)
    mark_merged(world.customer, staying)
    sweep_later()
    assert [each.to for each in mail.outbox][1:] == [[f"Anna Ek <{NEW}>"]]
    assert states() == [(OLD, "sent"), (OLD, "suppressed"), (NEW, "sent")]


def test_a_link_that_waits_goes_nowhere_where_nobody_signs_in_any_more(
    world: World, staying: Customer
) -> None:
    with at(DAY):
        ask_to_sign_in(world.customer)
    mark_merged(world.customer, staying)
    Customer.objects.filter(pk=staying.pk).update(email="")
    sweep_later()
    [message] = Message.objects.all()
    assert message.state == "suppressed"
    assert message.last_error == "The address that it was for no longer gets such emails."
    assert (mail.outbox, AccessLink.objects.count()) == ([], 0)


def test_what_must_reach_whoever_has_no_address_any_more_is_printed(
    world: World, staying: Customer
) -> None:
    with at(DAY):
        posted(world.invoice())
    mark_merged(world.customer, staying)
    Customer.objects.filter(pk=staying.pk).update(email="")
    sweep_later()
    assert states() == [(OLD, "suppressed"), ("", "print")]
