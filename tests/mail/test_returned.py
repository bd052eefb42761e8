"""Who has paid is told when the bank has taken the money back, and what to do."""

from datetime import timedelta
from typing import Any

import pytest

from billing.invoicing.models import Invoice
from billing.mail.models import Message
from billing.mail.outbox import send_due
from billing.payments.booking import record_payment, record_payment_of_many
from billing.payments.charging import settle
from billing.payments.gateways.base import Charge
from billing.payments.giving_back import reopen
from billing.payments.models import Payment
from billing.payments.returns import mark_returned
from tests.factories import DAY
from tests.mail.world import World, at, tell

pytestmark = pytest.mark.django_db
LATER = DAY + timedelta(days=5)
PAID: dict[str, Any] = {"as_of": DAY, "actor": "user:anna"}
BACK: dict[str, Any] = {"as_of": LATER, "actor": "user:anna"}


def mailed(world: World) -> Message:
    """The mail of what has come back, as it was sent."""
    with at(LATER):
        tell()
        while send_due():
            pass
    return Message.objects.get(customer=world.customer, kind="payment_failed")


def charged(world: World, document: Invoice) -> Payment:
    payment = world.in_flight(document)
    made = Charge(
        "ch_1",
        "succeeded",
        payment.amount_minor,
        payment.currency,
        payment.gateway_reference,
    )
    return settle(payment.pk, made, **PAID)


def test_who_paid_by_bank_is_told_what_is_unpaid_and_how_to_pay() -> None:
    world = World()
    payment = record_payment(world.invoice(), **PAID)
    mark_returned(payment, **BACK)
    sent = mailed(world)
    number = Invoice.objects.get().number
    assert sent.state == "sent"
    assert sent.subject == "Your payment of SEK 1,234.50 has been returned"
    assert f"Invoice {number} is unpaid again." in sent.text
    assert "Please pay it by" in sent.text
    assert "OCR" in sent.text


def test_it_is_told_in_swedish_of_several_invoices_in_one_mail() -> None:
    world = World(language="sv")
    first, second = world.invoice(), world.invoice_of("99")
    parts = {first: first.left_minor, second: second.left_minor}
    mark_returned(record_payment_of_many(world.customer, parts, **PAID), **BACK)
    sent = mailed(world)
    assert sent.subject.startswith("Din betalning på 1")
    assert sent.subject.endswith("kr har gått tillbaka")
    assert f"Fakturorna {first.number}, {second.number} är därför obetalda igen." in " ".join(
        sent.text.split()
    )


def test_whose_charge_came_back_is_told_when_the_card_is_tried_again() -> None:
    world = World(is_charged=True)
    mark_returned(charged(world, world.invoice()), **BACK)
    assert "We will try again on" in mailed(world).text


def test_what_is_paid_again_by_then_is_not_asked_for() -> None:
    world = World()
    invoice = world.invoice()
    mark_returned(record_payment(invoice, **PAID), **BACK)
    record_payment(invoice, **BACK)
    assert mailed(world).state == "suppressed"


def test_a_receipt_that_waits_is_not_sent_for_what_has_come_back() -> None:
    world = World()
    with at(DAY):
        payment = record_payment(world.invoice(), **PAID)
        tell()
    mark_returned(payment, **BACK)
    mailed(world)
    assert Message.objects.get(kind="receipt").state == "suppressed"


def test_what_was_recorded_in_error_and_taken_off_is_not_mailed() -> None:
    world = World()
    invoice = world.invoice()
    record_payment(invoice, **PAID)
    reopen(invoice, **BACK)
    with at(LATER):
        tell()
    assert not Message.objects.filter(kind="payment_failed").exists()
