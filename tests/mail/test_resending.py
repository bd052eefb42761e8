"""What was sent is sent again: as it was or written anew, and always as a mail of its own."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.urls import reverse

from billing.engine.errors import Refused
from billing.invoicing.models import Invoice
from billing.mail.about import mails_about, other_sendings
from billing.mail.actions import send_again
from billing.mail.composing import MASK
from billing.mail.models import Message
from billing.mail.outbox import send_due
from billing.mail.resending import resend
from billing.payments.booking import record_payment
from customers.links import hash_of
from customers.models import AccessLink, Customer
from tests.factories import DAY
from tests.mail.world import STORIES, Kind, World, at, day_of, happen, tell

pytestmark = pytest.mark.django_db
every_kind = pytest.mark.parametrize("kind", list(STORIES))
LATER = DAY + timedelta(days=400)


def tick() -> None:
    while send_due():
        pass


def sent(kind: str, **world: Any) -> Message:
    """The message of a kind, sent on its day."""
    with at(day_of(kind)):
        message = happen(kind, **world)
        tick()
    message.refresh_from_db()
    assert message.state == "sent"
    return message


def again(message: Message, *, is_as_it_was: bool, **asked: Any) -> Message:
    return resend(message, as_of=LATER, actor="test", is_as_it_was=is_as_it_was, **asked)


def mail_of(message: Message) -> Any:
    """The mail that left for a message."""
    (found,) = [
        each for each in mail.outbox if message.public_id in each.extra_headers["Message-ID"]
    ]
    return found


def addresses_in(text: str) -> list[str]:
    return [word for word in text.split() if word.startswith("http")]


@every_kind
def test_every_kind_is_sent_again_in_its_own_words_however_much_later(kind: str) -> None:
    before = sent(kind)
    with at(LATER):
        message = again(before, is_as_it_was=True)
        tick()
    message.refresh_from_db()
    before.refresh_from_db()
    assert (message.state, message.last_error) == ("sent", "")
    assert message.resends == before and message.pk != before.pk
    assert (message.subject, message.text) == (before.subject, before.text)
    first, second = mail_of(before), mail_of(message)
    assert second.subject == first.subject
    assert [each[0] for each in second.attachments if isinstance(each, tuple)] == [
        each[0] for each in first.attachments if isinstance(each, tuple)
    ]
    assert MASK not in second.body + second.alternatives[0][0]
    assert len(addresses_in(second.body)) == len(addresses_in(first.body))


def test_the_link_of_what_is_sent_again_opens_what_the_first_did() -> None:
    before = sent(Kind.INVOICE)
    with at(LATER):
        message = again(before, is_as_it_was=True)
        tick()
    tokens = [
        max(addresses_in(mail_of(each).body)[0].split("/"), key=len) for each in (before, message)
    ]
    first, second = (AccessLink.objects.get(token_hash=hash_of(token)) for token in tokens)
    assert tokens[0] != tokens[1]
    assert (second.purpose, second.subject) == (first.purpose, first.subject)
    message.refresh_from_db()
    assert tokens[1] not in message.text + message.html


def test_what_was_kept_without_what_it_opened_is_sent_again_all_the_same() -> None:
    """As mails were that had been sent before this was kept of them."""
    before = sent(Kind.INVOICE)
    old = Message.objects.create(
        **{
            name: getattr(before, name)
            for name in "seller customer kind recipient facts subject text html sent_at".split()
        },
        object="inv_before",
        state="sent",
    )
    with at(LATER):
        message = again(old, is_as_it_was=True)
        tick()
    message.refresh_from_db()
    assert message.state == "sent"
    assert MASK not in mail_of(message).body


def test_written_anew_it_says_how_things_stand_now() -> None:
    before = sent(Kind.INVOICE)
    invoice = Invoice.objects.get()
    with at(DAY + timedelta(days=3)):
        record_payment(invoice, as_of=DAY, actor="test")
        message = again(before, is_as_it_was=False)
        tick()
    message.refresh_from_db()
    assert message.state == "sent"
    assert message.text != before.text
    assert mail_of(message).attachments


def test_what_is_no_longer_true_is_not_written_anew_and_says_why() -> None:
    before = sent(Kind.REMINDER)
    record_payment(Invoice.objects.get(), as_of=LATER, actor="test")
    with at(LATER), pytest.raises(Refused) as refused:
        again(before, is_as_it_was=False)
    assert refused.value.code == "no_longer_true"
    assert "The debt is settled" in refused.value.message
    assert Message.objects.filter(resends=before).count() == 0


def test_it_goes_to_the_address_that_the_customer_has_now() -> None:
    before = sent(Kind.INVOICE)
    Customer.objects.update(email="new@example.com")
    with at(LATER):
        message = again(before, is_as_it_was=True)
        tick()
    assert mail_of(message).to == ["Åsa Öberg <new@example.com>"]
    Customer.objects.update(email="")
    with pytest.raises(Refused) as refused:
        again(before, is_as_it_was=True)
    assert refused.value.code == "no_address"


@pytest.mark.parametrize("state", ["waiting", "failed", "suppressed"])
def test_what_was_not_sent_is_not_sent_again(state: str) -> None:
    with at(DAY):
        message = happen(Kind.INVOICE)
    Message.objects.filter(pk=message.pk).update(state=state)
    with pytest.raises(Refused) as refused:
        again(message, is_as_it_was=True)
    assert refused.value.code == "not_sent"


def test_it_is_sent_again_as_often_as_somebody_asks_and_events_make_no_other() -> None:
    before = sent(Kind.INVOICE)
    with at(LATER):
        first, second = (again(before, is_as_it_was=True) for _ in range(2))
        tick()
        third = again(Message.objects.get(pk=first.pk), is_as_it_was=True)
        tell()
    everything = {before, first, second, third}
    for each in everything:
        assert set(other_sendings(each)) == everything - {each}
    assert Message.objects.filter(kind=Kind.INVOICE, resends=None).count() == 1


def read(message: Message) -> Message:
    return Message.objects.get(pk=message.pk)


def failed(message: Message) -> Message:
    Message.objects.filter(pk=message.pk).update(state="failed")
    return read(message)


@pytest.mark.parametrize("is_as_it_was", [True, False])
@pytest.mark.parametrize("is_back_at_the_first_address", [True, False])
def test_one_that_failed_goes_to_another_address_as_a_sending_of_the_same_mail(
    is_as_it_was: bool, is_back_at_the_first_address: bool
) -> None:
    before = sent(Kind.INVOICE)
    right = before.recipient if is_back_at_the_first_address else "right@example.com"
    Customer.objects.update(email="wrong@example.com")
    with at(LATER):
        wrong = failed(again(before, is_as_it_was=is_as_it_was))
        Customer.objects.update(email=right)
        message = send_again(wrong, as_of=LATER, actor="test")
        tick()
    for each in (before, wrong, message):
        each.refresh_from_db()
    assert (message.resends, message.is_as_it_was) == (before, is_as_it_was)
    assert [each.state for each in (before, wrong, message)] == ["sent", "suppressed", "sent"]
    assert wrong.last_error == f"Sent to {right} instead."
    assert mail_of(message).to == [f"Åsa Öberg <{right}>"]
    if is_as_it_was:
        assert message.text == before.text


@pytest.mark.parametrize("becomes", ["waiting", "sent", "failed", "suppressed"])
@pytest.mark.parametrize("is_as_it_was", [True, False])
def test_however_often_it_is_pressed_a_sending_goes_once_to_the_other_address(
    is_as_it_was: bool, becomes: str
) -> None:
    before = sent(Kind.INVOICE)
    Customer.objects.update(email="wrong@example.com")
    with at(LATER):
        wrong = failed(again(before, is_as_it_was=is_as_it_was))
        Customer.objects.update(email="right@example.com")
        other = send_again(wrong, as_of=LATER, actor="test")
        if becomes == "sent":
            tick()
            for _ in range(2):
                with pytest.raises(Refused) as refused:
                    send_again(wrong, as_of=LATER, actor="test")
                assert refused.value.code == "sent_already"
        else:
            Message.objects.filter(pk=other.pk).update(state=becomes)
            for _ in range(2):
                assert send_again(wrong, as_of=LATER, actor="test") == other
            tick()
    other.refresh_from_db()
    assert other.state == "sent"
    assert Message.objects.filter(resends=before).count() == 2


def test_sendings_of_one_mail_that_failed_at_old_addresses_go_once_to_the_new_one() -> None:
    """As the list of mails has all of them sent again at once."""
    before = sent(Kind.INVOICE)
    with at(LATER):
        wrong = []
        for address in ("first@example.com", "second@example.com"):
            Customer.objects.update(email=address)
            wrong.append(failed(again(before, is_as_it_was=True)))
        Customer.objects.update(email="right@example.com")
        first, second = (send_again(each, as_of=LATER, actor="test") for each in wrong)
        tick()
    assert first == second
    assert [each.to for each in mail.outbox[1:]] == [["Åsa Öberg <right@example.com>"]]


def test_back_at_an_address_the_sending_that_failed_there_is_taken_up() -> None:
    before = sent(Kind.INVOICE)
    with at(LATER):
        Customer.objects.update(email="first@example.com")
        first = failed(again(before, is_as_it_was=True))
        Customer.objects.update(email="second@example.com")
        second = failed(send_again(first, as_of=LATER, actor="test"))
        Customer.objects.update(email="first@example.com")
        assert send_again(second, as_of=LATER, actor="test") == first
        tick()
    assert [each.state for each in (read(first), read(second))] == ["sent", "suppressed"]


def test_what_was_sent_there_before_it_was_asked_for_is_no_answer_to_it() -> None:
    before = sent(Kind.INVOICE)
    with at(LATER):
        earlier = again(before, is_as_it_was=True)
        tick()
        Customer.objects.update(email="wrong@example.com")
        wrong = failed(again(before, is_as_it_was=True))
        Customer.objects.update(email=before.recipient)
        message = send_again(wrong, as_of=LATER, actor="test")
        assert message not in {earlier, wrong}
        tick()
    assert read(message).state == "sent"


def test_one_that_failed_goes_once_more_to_the_same_address() -> None:
    before = sent(Kind.INVOICE)
    with at(LATER):
        message = failed(again(before, is_as_it_was=True))
        assert send_again(message, as_of=LATER, actor="test") == message
        tick()
    message.refresh_from_db()
    assert (message.state, message.resends) == ("sent", before)
    assert message.text == before.text


def test_what_was_sent_to_the_other_address_since_is_not_said_to_go_there_again() -> None:
    with at(DAY):
        wrong = failed(happen(Kind.INVOICE))
        Customer.objects.update(email="right@example.com")
        other = send_again(wrong, as_of=DAY, actor="test")
        failed(other)
        wrong.refresh_from_db()
        assert send_again(wrong, as_of=DAY, actor="test") == other
        tick()
        other.refresh_from_db()
        assert other.state == "sent"
        with pytest.raises(Refused) as refused:
            send_again(wrong, as_of=DAY, actor="test")
    assert refused.value.code == "sent_already"


def test_a_document_has_the_mails_that_tell_of_it() -> None:
    before = sent(Kind.INVOICE)
    invoice = Invoice.objects.get()
    with at(DAY + timedelta(days=1)):
        record_payment(invoice, as_of=DAY, actor="test")
        tell()
        message = again(before, is_as_it_was=True)
        sent(Kind.INVOICE, language="sv")  # Of another customer.
    kinds = [each.kind for each in mails_about(invoice).order_by("pk")]
    assert kinds == [Kind.INVOICE, Kind.RECEIPT, Kind.INVOICE]
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    page = client.get(reverse("admin:invoicing_invoice_change", args=[invoice.pk]))
    shown = page.content.decode()
    for each in (before, message):
        assert reverse("admin:mail_message_change", args=[each.pk]) in shown


def test_a_mails_own_page_sends_it_again() -> None:
    before = sent(Kind.INVOICE)
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    page = client.get(reverse("admin:mail_message_change", args=[before.pk]))
    shown = page.content.decode()
    assert "Send again as it was" in shown and "Write again and send" in shown
    for name in ("send-as-it-was", "send-anew"):
        url = reverse("admin:mail_message_act", args=[before.pk, name])
        client.post(url, {"key": name}, follow=True)
        client.post(url, {"key": name}, follow=True)  # Sent twice, done once.
    made = Message.objects.filter(resends=before).order_by("pk")
    assert [each.is_as_it_was for each in made] == [True, False]


def test_a_world_of_its_own_has_no_mail_of_another() -> None:
    assert not mails_about(World().invoice()).exists()
