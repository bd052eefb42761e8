"""Every kind of mail in both languages: what it says, and that text and HTML say the same."""

import html
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command

from billing.base import clock
from billing.events.models import Event
from billing.events.types import PUBLIC
from billing.invoicing.actions import add_one_off, bill_customer
from billing.invoicing.balances import give_credit
from billing.invoicing.changes import bill_after
from billing.invoicing.corrections import credit
from billing.mail.actions import post
from billing.mail.kinds import MailKind, News
from billing.mail.letters import Letter, Occasion
from billing.mail.models import Message
from billing.mail.news import NEWS, on_events
from billing.mail.outbox import send_due
from billing.mail.words import KINDS
from billing.mail.words.access import RESTORED
from billing.outbound.actions import stop_charging
from billing.payments import charging
from billing.payments.booking import record_payment
from billing.payments.models import Payment
from billing.subscriptions import actions
from billing.subscriptions.allowed_changes import WITHDRAWAL
from billing.subscriptions.models import Subscription
from customers.actions import change_details
from customers.models import Customer, Seller
from tests.dunning.conftest import live_through
from tests.factories import DAY
from tests.mail.world import DUE, STORIES, Kind, World, at, day_of, happen, place, tell

pytestmark = pytest.mark.django_db
every_kind = pytest.mark.parametrize("kind", list(STORIES))
both_languages = pytest.mark.parametrize("language", ["en", "sv"])
# What the first sentences say of each kind: the fact with its figure, and what comes next and when.
SAID: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        Kind.ORDER: (
            "Thank you for your order of Månadskaffe.",
            "You have paid SEK 1,234.50. The next payment, SEK 1,234.50, is taken from your card "
            "Visa ···· 4242 on 1 April 2026.",
            "Månadskaffe renews automatically every month.",
        ),
        Kind.INVOICE: ("Here is invoice 1 for SEK 1,234.50.", "Pay it by 15 March 2026"),
        Kind.CREDIT_NOTE: (
            "We have credited you SEK 123.45.",
            "SEK 123.45 reduces what is unpaid on the invoice.",
        ),
        Kind.RECEIPT: ("We have received your payment of SEK 1,234.50.", "Invoice 1 is paid"),
        Kind.REFUND: ("We have refunded SEK 123.45 to you by bank transfer.", "Reference: BG 9"),
        Kind.PAYMENT_FAILED: (
            "We could not take SEK 1,234.50 for invoice 1 from your card Visa ···· 4242.",
            "We will try again on 4 March 2026.",
        ),
        Kind.ACTION_NEEDED: ("Your bank wants you to confirm", "Confirm it by 8 March 2026."),
        Kind.REMINDER: ("was due on 15 March 2026", "Please pay it by 30 March 2026."),
        Kind.RESTRICTED: ("access to Månadskaffe is limited", "before 14 April 2026"),
        Kind.SUSPENDED: ("access to Månadskaffe is suspended", "your subscription will end"),
        Kind.RESTORED: (
            "you have full access to Månadskaffe again",
            "You do not need to do anything more.",
        ),
        Kind.RENEWAL: (
            "Your subscription to Årskaffe renews on 1 March 2027.",
            "an invoice for SEK 1,990.00.",
            "cancel by 28 February 2027",
        ),
        Kind.TRIAL_ENDING: (
            "Your trial of Månadskaffe ends on 14 March 2026",
            "We will then take SEK 1,234.50 from your card Visa ···· 4242.",
        ),
        Kind.PLAN_CHANGED: (
            "changed from Månadskaffe to Storkaffe",
            "For this we have now billed you SEK 542.55. Your next invoice is for SEK 1,999.00 and "
            "comes on 1 April 2026.",
            # 22 of 31 days: 1,999.00 × 22/31 = 1,418.65, less 1,234.50 × 22/31 = 876.10.
            "Billed now: SEK 542.55",
        ),
        Kind.PAUSED: (
            "is paused from 10 March 2026.",
            "It resumes automatically on 20 April 2026.",
        ),
        Kind.RESUMED: ("is active again from 20 March 2026.", "Your next invoice"),
        Kind.CANCELED: (
            "Your subscription to Månadskaffe has been canceled.",
            "You have it until 31 March 2026",
            "you can undo the cancellation",
        ),
        Kind.CANCEL_UNDONE: ("You have undone the cancellation", "comes on 1 April 2026."),
        Kind.SIGN_IN: ("a link to sign in to Rosteriet", "once, within 15 minutes"),
        Kind.ADDRESS_CHANGED: ("at Rosteriet was changed on 1 March 2026", "no longer go to this"),
    },
    "sv": {
        Kind.ORDER: (
            "Tack för din beställning av Månadskaffe.",
            "Du har betalat 1 234,50 kr. Nästa betalning, 1 234,50 kr, dras från ditt kort "
            "Visa ···· 4242 den 1 april 2026.",
            "Säljare Rosteriet AB",
        ),
        Kind.INVOICE: ("Här är faktura 1 på 1 234,50 kr.", "senast den 15 mars 2026"),
        Kind.CREDIT_NOTE: (
            "Vi har krediterat dig 123,45 kr.",
            "123,45 kr minskar det som är obetalt på fakturan.",
        ),
        Kind.RECEIPT: ("tagit emot din betalning på 1 234,50 kr.", "Faktura 1 är betald"),
        Kind.REFUND: ("Vi har betalat tillbaka 123,45 kr till dig via banken.", "Referens: BG 9"),
        Kind.PAYMENT_FAILED: (
            "Vi kunde inte dra 1 234,50 kr för faktura 1 från ditt kort Visa ···· 4242.",
            "Vi försöker igen den 4 mars 2026.",
        ),
        Kind.ACTION_NEEDED: ("Din bank vill att du bekräftar", "senast den 8 mars 2026."),
        Kind.REMINDER: ("förföll den 15 mars 2026", "Betala den senast den 30 mars 2026."),
        Kind.RESTRICTED: ("tillgång till Månadskaffe är begränsad", "före den 14 april 2026"),
        Kind.SUSPENDED: ("tillgång till Månadskaffe är avstängd", "upphör ditt abonnemang"),
        Kind.RESTORED: (
            "du har full tillgång till Månadskaffe igen",
            "Du behöver inte göra något mer.",
        ),
        Kind.RENEWAL: (
            "Ditt abonnemang Årskaffe förnyas den 1 mars 2027.",
            "en faktura på 1 990,00 kr.",
            "säger du upp det senast den 28 februari 2027",
        ),
        Kind.TRIAL_ENDING: (
            "Din provperiod för Månadskaffe slutar den 14 mars 2026",
            "Vi drar då 1 234,50 kr från ditt kort Visa ···· 4242.",
        ),
        Kind.PLAN_CHANGED: (
            "ändrats från Månadskaffe till Storkaffe",
            "Din nästa faktura är på 1 999,00 kr och kommer den 1 april 2026.",
            "Fakturerat nu: 542,55 kr",
        ),
        Kind.PAUSED: ("är pausat från och med den 10 mars 2026.", "återupptas automatiskt den 20"),
        Kind.RESUMED: ("är aktivt igen från och med den 20 mars 2026.", "Din nästa faktura"),
        Kind.CANCELED: (
            "Ditt abonnemang Månadskaffe är uppsagt.",
            "till och med den 31 mars 2026",
            "kan du ångra uppsägningen",
        ),
        Kind.CANCEL_UNDONE: ("Du har ångrat uppsägningen", "kommer den 1 april 2026."),
        Kind.SIGN_IN: ("en länk för att logga in hos Rosteriet", "en gång, inom 15 minuter"),
        Kind.ADDRESS_CHANGED: ("hos Rosteriet ändrades den 1 mars 2026", "inte längre hit"),
    },
}
SUBJECTS = {
    (Kind.RECEIPT, "sv"): "Kvitto: 1 234,50 kr till Rosteriet",
    (Kind.RECEIPT, "en"): "Receipt: SEK 1,234.50 to Rosteriet",
    (Kind.PAYMENT_FAILED, "sv"): "Betalningen på 1 234,50 kr gick inte igenom",
    (Kind.PAYMENT_FAILED, "en"): "The payment of SEK 1,234.50 did not go through",
    (Kind.REMINDER, "sv"): "Påminnelse: 1 234,50 kr för faktura 1",
    (Kind.ORDER, "sv"): "Din beställning från Rosteriet: Månadskaffe",
    (Kind.TRIAL_ENDING, "sv"): (
        "Din provperiod för Månadskaffe slutar den 14 mars 2026, sedan 1 234,50 kr"
    ),
    (Kind.RENEWAL, "sv"): "Årskaffe förnyas den 1 mars 2027: 1 990,00 kr",
}


def spaced(text: str) -> str:
    """Without the difference between spaces, which is for the eye alone."""
    return " ".join(text.split())


def shown(page: str) -> str:
    """The words of a page, as far as they are shown."""
    body = page[page.index("<body") :]
    return spaced(html.unescape(re.sub(r"<[^>]*>", " ", body)))


@dataclass(frozen=True)
class Written:
    """What a mail said: what is kept of it, and the text that was sent."""

    subject: str
    text: str
    html: str
    sent: str


@cache
def told(kind: str, language: str) -> Written:
    """A kind's mail with everything on it. Written once for all tests: only its words stay."""
    message = written(kind, language, has_logo=True)
    (sent,) = [
        each for each in mail.outbox if message.public_id in each.extra_headers["Message-ID"]
    ]
    return Written(message.subject, message.text, message.html, str(sent.body))


def written(kind: str, language: str = "en", **world: Any) -> Message:
    """The message of a kind once it is sent."""
    with at(day_of(kind)):
        message = happen(kind, language, **world)
        while send_due():
            pass
    message.refresh_from_db()
    assert (message.state, message.last_error) == ("sent", "")
    return message


def test_every_kind_has_words_and_a_story() -> None:
    assert set(KINDS) == set(STORIES) == set(SAID["en"]) == set(SAID["sv"])


def test_an_event_makes_one_kind_of_mail_and_is_one_that_happens() -> None:
    told = [news.event for kind in KINDS.values() for news in kind.told_by]
    assert sorted(told) == sorted(set(told))
    assert set(told) <= set(PUBLIC)


def test_a_kind_can_be_chosen_at_the_desk_as_soon_as_it_has_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(KINDS, "toy", MailKind("toy", "a toy", KINDS["receipt"].write))
    assert Message(kind="toy").get_kind_display() == "a toy"
    assert ("toy", "a toy") in Message._meta.get_field("kind").flatchoices
    call_command("makemigrations", "mail", check_changes=True, dry_run=True, verbosity=0)


def test_an_event_about_a_customer_or_what_is_a_customers_can_be_mailed_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(is_charged=True)
    item = add_one_off(
        world.customer,
        currency="SEK",
        amount_minor=5000,
        description="Kaffekvarn",
        as_of=DAY,
        actor="test",
    )
    change_details(world.customer, as_of=DAY, actor="test", city="Mölndal")
    kind = MailKind("toy", "a toy", KINDS["receipt"].write)
    monkeypatch.setitem(KINDS, "toy", kind)
    for type in ("one_off_item.added", "customer.changed"):
        monkeypatch.setitem(NEWS, type, (kind, News(type)))
        on_events(list(Event.objects.filter(type=type)))
    made = Message.objects.filter(kind="toy", customer=world.customer)
    assert {each.facts["subject"] for each in made} == {
        item.public_id,
        world.customer.public_id,
    }


@both_languages
@every_kind
def test_it_says_what_happened_and_what_comes_next(kind: str, language: str) -> None:
    message = told(kind, language)
    for sentence in SAID[language][kind]:
        assert sentence in spaced(message.text)
    assert message.subject == SUBJECTS.get((kind, language), message.subject)
    assert "%(" not in message.subject + message.text
    assert "None" not in message.text
    assert "!" not in message.text
    assert "031-10 20 30" in message.text


@both_languages
@every_kind
def test_text_says_the_same_as_html(kind: str, language: str) -> None:
    message = told(kind, language)
    page = shown(message.html)
    lines = [line for line in message.text.splitlines() if line.strip("- ")]
    for line in lines:
        said = spaced(line)
        if said.startswith(("http://", "•••")):
            assert said in html.unescape(message.html)
        elif said.removesuffix(":") not in page:
            label, _, value = said.partition(": ")
            assert f"{label} {value}" in page
    assert message.html.count("<a ") <= 1


@both_languages
@every_kind
def test_no_kind_keeps_what_opens_something(kind: str, language: str) -> None:
    message = told(kind, language)
    for line in message.sent.splitlines():
        if line.startswith("http"):
            secret = max(line.split("/"), key=len)
            assert len(secret) >= 20
            assert secret not in message.text + message.html
    assert "s3cr3t" not in message.text + message.html


def test_a_postal_code_stays_with_its_town() -> None:
    with at(DAY):
        world = World()
        Seller.objects.update(postal_code="411 36", city="Göteborg")
        world.invoice()
        tell()
        while send_due():
            pass
        message = world.message(Kind.INVOICE)
    assert "411 36\u00a0Göteborg" in message.html


def test_amounts_are_written_as_swedes_do() -> None:
    message = told(Kind.INVOICE, "sv")
    assert "Summa: 1\u00a0234,50\u00a0kr" in message.text


def test_a_card_that_will_never_work_gets_other_words() -> None:
    with at(day_of(Kind.PAYMENT_FAILED)):
        world = World(is_charged=True)
        charging.fail(
            world.in_flight(world.invoice()).pk, "expired_card", as_of=date(2026, 3, 1), actor="t"
        )
        tell()
        while send_due():
            pass
        message = world.message(Kind.PAYMENT_FAILED)
    assert "Your bank no longer accepts payments with your card Visa ···· 4242" in spaced(
        message.text
    )
    assert "We will not try this card again." in message.text
    assert "Next attempt" not in message.text
    assert "The card has expired." in message.text


def test_a_charged_invoice_says_from_which_card_and_when() -> None:
    message = written(Kind.INVOICE, is_charged=True)
    expected = "We will take the amount from your card Visa ···· 4242 on 1 March 2026."
    assert expected in spaced(message.text)
    assert "OCR" not in message.text
    assert "<a " not in message.html


@pytest.mark.parametrize("kind", [Kind.TRIAL_ENDING, Kind.RENEWAL, Kind.ORDER])
def test_no_charge_is_announced_for_a_day_while_charging_is_stopped(kind: str) -> None:
    held = "Card payments are stopped for now. Nothing is taken until they resume."
    with at(day_of(kind)):
        happen(kind, is_charged=True)
        assert held not in letter_of(kind, day_of(kind)).next
        stop_charging(seller=None, reason="Wrong amounts.", actor="user:anna")
        assert held in letter_of(kind, day_of(kind)).next


def test_an_invoice_that_cannot_be_charged_asks_for_a_card(settings: Any) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    with at(date(2026, 3, 1)):
        world = World(is_charged=True)
        world.card.refused_code = "expired_card"
        world.card.save()
        world.invoice()
        tell()
        send_due()
        message = world.message(Kind.INVOICE)
    assert "We have no card to take the amount from." in message.text
    assert "/pay/m/" in message.text


def test_a_credit_note_on_a_paid_invoice_says_that_it_goes_to_the_balance() -> None:
    with at(date(2026, 3, 1)):
        world = World()
        document = world.invoice()
        record_payment(document, as_of=DAY, actor="test")
        credit(document, as_of=DAY, actor="test", amount_minor=12345)
        tell()
        while send_due():
            pass
        message = world.message(Kind.CREDIT_NOTE)
    assert (
        "SEK 123.45 goes to your balance, which is used for what you owe now or later."
        in spaced(message.text)
    )
    assert "reduces what is unpaid" not in message.text


@pytest.mark.parametrize(("is_kept", "said"), [(True, False), (False, True)])
def test_a_mail_of_a_cancellation_says_what_is_on_the_balance_and_kept_for_no_order(
    is_kept: bool, said: bool
) -> None:
    with at(date(2026, 3, 1)):
        world = World()
        subscription = world.start()
        give_credit(
            world.customer,
            currency="SEK",
            amount_minor=5000,
            description="Sorry",
            as_of=DAY,
            actor="test",
        )
        if is_kept:
            place(world)
        actions.cancel(subscription, as_of=DAY, actor="test")
        tell()
        while send_due():
            pass
        message = world.message(Kind.CANCELED)
    assert ("You have a balance of SEK 50.00." in spaced(message.text)) == said


def test_reminders_are_counted_and_each_is_a_mail() -> None:
    first, second = DUE + timedelta(days=6), DUE + timedelta(days=16)
    with at(first):
        world = World()
        document = world.invoice()
    for since, day in ((DUE, first), (first, second)):
        with at(day):
            live_through(world.seller, since, day)
            tell()
            while send_due():
                pass
    reminders = Message.objects.filter(kind=Kind.REMINDER).order_by("pk")
    subjects = [spaced(message.subject) for message in reminders]
    assert subjects == [
        f"Reminder: SEK 1,234.50 for invoice {document.number}",
        f"Reminder 2: SEK 1,234.50 for invoice {document.number}",
    ]


@pytest.mark.parametrize("kind", [Kind.REMINDER, Kind.RESTRICTED, Kind.SUSPENDED])
@pytest.mark.parametrize("is_tried", [False, True])
def test_a_card_is_spoken_of_only_where_it_was_tried(kind: str, is_tried: bool) -> None:
    with at(day_of(kind)):
        world = World(is_charged=True)
        Customer.objects.update(collection="invoice")
        document = world.invoice()
        begun = DUE + timedelta(days=2)
        live_through(world.seller, DUE, begun)
        if is_tried:
            code = "insufficient_funds"
            charging.fail(world.in_flight(document).pk, code, as_of=begun, actor="t")
        live_through(world.seller, begun, day_of(kind))
        Customer.objects.update(collection="automatic")
        tell()
        letter = letter_of(kind, day_of(kind))
    labels = [label for label, _ in letter.details]
    assert letter.button is not None
    assert letter.button.label.startswith("Change card and pay" if is_tried else "Pay SEK")
    assert ("OCR reference" in labels) != is_tried
    if kind == Kind.REMINDER:
        assert ("your card" in letter.happened) == is_tried
        assert ("was due on" in letter.happened) != is_tried


def test_what_is_reminded_of_before_its_due_date_is_not_said_to_have_been_due() -> None:
    with at(day_of(Kind.REMINDER)):
        world = World()
        world.invoice()
        live_through(world.seller, DUE, day_of(Kind.REMINDER))
        tell()
        letter = letter_of(Kind.REMINDER, DUE)
    assert spaced(letter.happened) == (
        "Invoice 1 for SEK 1,234.50 is due on 15 March 2026 and is not paid yet."
    )


def letter_of(kind: str, today: date) -> Letter:
    """What the latest message of a kind says on a day, whatever other mails there are."""
    message = Message.objects.select_related("seller", "customer").filter(kind=kind).latest("pk")
    return KINDS[kind].write(Occasion(message, today, clock.now()))


@pytest.mark.parametrize("is_first_paid", [False, True])
def test_several_late_debts_are_one_mail_that_leaves_out_what_is_paid(is_first_paid: bool) -> None:
    with at(DUE + timedelta(days=5)):
        world = World()
        first, second = world.invoice(), world.invoice()
        live_through(world.seller, DUE, DUE + timedelta(days=5))
        tell()
        if is_first_paid:
            record_payment(first, as_of=DUE, actor="test")
        while send_due():
            pass
        message = world.message(Kind.REMINDER)
    asked = [str(second.number)] if is_first_paid else [str(first.number), str(second.number)]
    assert spaced(message.subject).endswith(f"for invoice {asked[0]}")
    rows = re.findall(r"^Invoice: *(\S+)$", message.text, re.M)
    assert rows == asked


@pytest.mark.parametrize(
    "word", ["collection", "inkasso", "fee", "avgift", "interest", "ränta", "Kronofogde"]
)
def test_reminders_threaten_with_nothing_that_nobody_has_decided(word: str) -> None:
    for language in ("en", "sv"):
        for kind in (Kind.REMINDER, Kind.RESTRICTED, Kind.SUSPENDED):
            message = told(kind, language)
            assert not re.search(rf"\b{word}", message.text, re.I)


@pytest.mark.parametrize(
    ("language", "subject", "said"),
    [
        (
            "en",
            "Your subscription to Månadskaffe stays as it is",
            "The change that was planned for 1 April 2026 will not be made.",
        ),
        (
            "sv",
            "Ditt abonnemang Månadskaffe fortsätter som det är",
            "Ändringen som var planerad till den 1 april 2026 blir inte av.",
        ),
    ],
)
def test_who_has_been_told_of_a_planned_change_is_told_that_it_is_undone(
    language: str, subject: str, said: str
) -> None:
    world, on = World(language=language), DAY + timedelta(days=9)
    with at(on):
        subscription = world.start()
        bill_customer(world.customer, as_of=DAY, actor="test")
        plan = world.plan("Storkaffe", "1999")
        actions.change(subscription, plan=plan, when="period_end", as_of=on, actor="test")
        actions.undo_change(subscription, as_of=on, actor="test")
        tell()
        while send_due():
            pass
    undone = Message.objects.filter(kind=Kind.PLAN_CHANGED).latest("pk")
    assert undone.subject == subject
    assert said in spaced(undone.text)


def test_what_a_policy_has_ended_says_why() -> None:
    with at(DUE + timedelta(days=61)):
        world = World()
        document = world.invoice()
        live_through(world.seller, DUE, DUE + timedelta(days=61))
        tell()
        while send_due():
            pass
        message = world.message(Kind.CANCELED)
    assert f"has ended, because invoice {document.number} is not paid." in message.text
    assert Message.objects.filter(kind=Kind.CANCELED).count() == 1


# What is no longer true is not sent


def test_a_reminder_of_what_was_paid_meanwhile_is_not_sent() -> None:
    with at(day_of(Kind.REMINDER)):
        message = happen(Kind.REMINDER)
        invoice = message.customer.documents.get()
        record_payment(invoice, as_of=day_of(Kind.REMINDER), actor="test")
        while send_due():
            pass
    message.refresh_from_db()
    assert message.state == "suppressed"
    assert "settled" in message.last_error
    assert [sent.subject for sent in mail.outbox if "Reminder" in sent.subject] == []


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "en",
            ("I, Åsa Öberg, hereby withdraw from my contract for Månadskaffe.", "at 13:00, and"),
        ),
        ("sv", ("Jag, Åsa Öberg, ångrar härmed mitt avtal om Månadskaffe.", "kl. 13:00, och")),
    ],
)
def test_a_withdrawal_is_confirmed_in_its_own_words_with_its_hour(
    language: str, sentences: tuple[str, ...]
) -> None:
    day = DAY + timedelta(days=9)
    with at(day):
        world = World(language=language)
        subscription = world.start()
        bill_customer(world.customer, as_of=DAY, actor="test")
        actions.cancel(
            subscription, as_of=day, actor="test", when="now", is_refunded=True, reason=WITHDRAWAL
        )
        tell()
        message = Message.objects.get(kind=Kind.CANCELED)
        noon = datetime.combine(day, time(12), tzinfo=UTC).isoformat()
        Message.objects.filter(pk=message.pk).update(facts={**message.facts, "recorded_at": noon})
        while send_due():
            pass
    message.refresh_from_db()
    for sentence in sentences:
        assert sentence in spaced(message.text)


@pytest.mark.parametrize(
    ("paid", "said"),
    [
        ("nothing", "SEK 1,234.50 reduces what is unpaid on the invoice."),
        ("bank", "We refund SEK 1,234.50 by bank transfer"),
    ],
)
def test_what_is_withdrawn_from_on_its_first_day_says_where_the_money_goes(
    paid: str, said: str
) -> None:
    with at(DAY):
        world = World()
        document = world.invoice()
        if paid == "bank":
            record_payment(document, as_of=DAY, actor="test")
        subscription = document.lines.get().subscription
        assert subscription is not None
        withdraw = partial(
            actions.cancel,
            subscription,
            as_of=DAY,
            actor="test",
            when="now",
            is_refunded=True,
            reason=WITHDRAWAL,
        )
        bill_after(withdraw, as_of=DAY, actor="test")
        tell()
        letter = letter_of(Kind.CANCELED, DAY)
    assert spaced(letter.next).startswith(f"You pay for the days that you have had. {said}")
    assert "28 February" not in f"{letter.subject} {letter.happened} {letter.details}"


@pytest.mark.parametrize("kind", [Kind.RECEIPT, Kind.INVOICE, Kind.REMINDER])
def test_a_sum_is_written_in_one_way_in_a_whole_mail(kind: str) -> None:
    with at(day_of(kind)):
        world = World()
        document = world.invoice_of("129")
        if kind == Kind.RECEIPT:
            record_payment(document, as_of=DAY, actor="test")
        live_through(world.seller, DUE, day_of(kind))
        tell()
        letter = letter_of(kind, day_of(kind))
    said = f"{letter.subject} {letter.happened} {letter.next} {letter.details}"
    assert "129.00" in said
    assert not re.search(r"129(?!\.00)", said)


def test_that_access_is_back_is_told_once_where_two_debts_were_paid() -> None:
    with at(day_of(Kind.RESTORED)):
        first = happen(Kind.RESTORED)
        second = post(RESTORED, object="evt_second", customer=first.customer, facts=first.facts)
        while send_due():
            pass
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.last_error) == ("suppressed", "Another mail says so.")
    assert second.state == "sent"


def test_nobody_whose_access_is_closed_is_told_that_it_is_limited() -> None:
    with at(day_of(Kind.RESTRICTED)):
        message = happen(Kind.RESTRICTED)
        Subscription.objects.filter(customer=message.customer).update(access="none")
        while send_due():
            pass
    message.refresh_from_db()
    assert (message.state, message.last_error) == (
        "suppressed",
        "Another invoice has closed access altogether.",
    )


def test_a_failed_payment_that_was_made_good_is_not_told_of() -> None:
    with at(day_of(Kind.PAYMENT_FAILED)):
        message = happen(Kind.PAYMENT_FAILED)
        record_payment(
            message.customer.documents.get(), as_of=day_of(Kind.PAYMENT_FAILED), actor="test"
        )
        while send_due():
            pass
    message.refresh_from_db()
    assert message.state == "suppressed"


def test_a_confirmation_that_came_is_not_asked_for() -> None:
    with at(day_of(Kind.ACTION_NEEDED)):
        message = happen(Kind.ACTION_NEEDED)
        Payment.objects.update(state="unknown")
        send_due()
    message.refresh_from_db()
    assert message.state == "suppressed"


# Who cannot be mailed


@pytest.mark.parametrize(
    ("change", "is_printed"),
    [({"email": ""}, True), ({"delivery": "print"}, True), ({"email": "x@example.com"}, False)],
)
def test_an_invoice_is_printed_for_who_has_no_address_or_wants_paper(
    change: dict[str, str], is_printed: bool
) -> None:
    with at(date(2026, 3, 1)):
        world = World()
        Customer.objects.filter(pk=world.customer.pk).update(**change)
        world.customer.refresh_from_db()
        world.invoice()
        tell()
        while send_due():
            pass
        message = world.message(Kind.INVOICE)
    assert message.state == ("print" if is_printed else "sent")
    assert len(mail.outbox) == (0 if is_printed else 1)
    assert ("<a " in message.html) is not is_printed


def test_news_without_an_address_is_kept_and_not_sent() -> None:
    with at(day_of(Kind.PAUSED)):
        world = World()
        Customer.objects.filter(pk=world.customer.pk).update(email="")
        world.customer.refresh_from_db()
        STORIES[Kind.PAUSED][1](world)
        message = world.message(Kind.PAUSED)
    assert (message.state, message.recipient) == ("suppressed", "")
