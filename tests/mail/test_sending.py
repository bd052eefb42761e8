"""Mail on its way: providers with bad days, workers that die, and never twice."""

import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.batch import bill_due
from billing.invoicing.printing import RenderingFailed
from billing.jobs.runs import NotNow
from billing.mail import actions, composing, news, outbox
from billing.mail.models import Message
from billing.mail.outbox import send_due
from billing.outbound import actions as outbound
from customers.links import hash_of
from customers.models import AccessLink, Customer
from tests.factories import DAY, CustomerFactory, SubscriptionFactory
from tests.mail.server import Provider
from tests.mail.world import Kind, World, ask_to_sign_in, at, day_of, happen, tell

FORK = multiprocessing.get_context("fork")


def a_message(**fields: Any) -> Message:
    """A sign-in link that waits: the cheapest mail there is."""
    world = World()
    message = ask_to_sign_in(world.customer)
    Message.objects.filter(pk=message.pk).update(**fields)
    return read(message)


def read(message: Message) -> Message:
    return Message.objects.select_related("seller", "customer").get(pk=message.pk)


def tick() -> None:
    while send_due():
        pass


@pytest.mark.django_db
class TestAProviderOn:
    """One message, and what becomes of it."""

    def sent_to(self, office: Provider, mood: str, **fields: Any) -> Message:
        office.mood = mood
        message = a_message()
        assert send_due() == (1 if mood in {"", "says no goodbye"} else 0)
        return read(message)

    def test_a_good_day_takes_it_with_its_headers(self, post_office: Provider) -> None:
        message = self.sent_to(post_office, "")
        (taken,) = post_office.mails
        assert (message.state, message.attempts, message.last_error) == ("sent", 1, "")
        assert message.sent_at is not None
        assert taken["Message-ID"] == f"<{message.public_id}@localhost>"
        assert taken["Auto-Submitted"] == "auto-generated"
        assert str(taken["From"]) == "Rosteriet <billing@localhost>"
        assert str(taken["To"]) == "Åsa Öberg <asa@example.com>"
        assert str(taken["Reply-To"]) == "Rosteriet <faktura@rosteriet.example>"

    def test_a_day_without_goodbyes_has_taken_it_all_the_same(self, post_office: Provider) -> None:
        message = self.sent_to(post_office, "says no goodbye")
        tick()
        assert (message.state, len(post_office.taken)) == ("sent", 1)

    @pytest.mark.parametrize("mood", ["silent", "drops before the mail"])
    def test_a_day_on_which_it_cannot_take_it_tries_again(
        self, post_office: Provider, mood: str
    ) -> None:
        with at(DAY):
            message = self.sent_to(post_office, mood)
            assert (message.state, message.attempts) == ("waiting", 1)
            assert message.first_attempt_at
            assert message.next_attempt_at - message.first_attempt_at == timedelta(minutes=1)
        post_office.mood = ""
        with at(DAY, hour=13):
            tick()
        assert read(message).state == "sent"
        assert len(post_office.taken) == 1

    @pytest.mark.parametrize(
        ("mood", "taken"),
        [("drops after the mail", 1), ("drops and forgets", 0), ("silent after the mail", 1)],
    )
    def test_a_day_on_which_nobody_knows_leaves_it_to_a_person(
        self, post_office: Provider, mood: str, taken: int
    ) -> None:
        with at(DAY):
            message = self.sent_to(post_office, mood)
        assert message.state == "unclear"
        assert "HandoverUnclear" in message.last_error
        post_office.mood = ""
        with at(DAY + timedelta(days=5)):
            tick()
        assert read(message).state == "unclear"
        assert len(post_office.taken) == taken

    def test_who_is_put_off_comes_back(self, post_office: Provider) -> None:
        post_office.busy_times = 2
        with at(DAY):
            message = a_message()
            send_due()
            assert "come back later" in read(message).last_error
        for minutes, state in ((1, "waiting"), (2, "waiting"), (3, "sent")):
            with _later(minutes):
                send_due()
            assert read(message).state == state
        assert len(post_office.taken) == 1

    @pytest.mark.parametrize("mood", ["knows nobody", "likes no mail"])
    def test_a_refusal_for_good_is_not_tried_again(self, post_office: Provider, mood: str) -> None:
        message = self.sent_to(post_office, mood)
        assert (message.state, message.attempts) == ("failed", 1)
        assert "no " in message.last_error

    def test_a_provider_that_is_away_is_tried_for_three_days(
        self, post_office: Provider, settings: Any
    ) -> None:
        settings.MAILERS["default"]["OPTIONS"]["port"] = 1  # Nobody listens there.
        with at(DAY):
            message = happen(Kind.CREDIT_NOTE)
        states = []
        for hours in range(75):
            with at(DAY + timedelta(days=hours // 24), hour=12 + hours % 24):
                send_due()
                states.append(read(message).state)
        assert states.index("failed") == 72
        assert "refused" in read(message).last_error


def _later(minutes: int) -> Any:
    instant = datetime.combine(DAY, datetime.min.time()) + timedelta(hours=12, minutes=minutes)
    return time_machine.travel(instant.replace(tzinfo=UTC), tick=False)


@pytest.mark.django_db
def test_a_provider_that_is_away_costs_one_attempt_for_a_batch(post_office: Provider) -> None:
    post_office.mood = "silent"
    world = World()
    for _ in range(5):
        ask_to_sign_in(world.customer)
    assert send_due() == 0
    assert post_office.connections == 1
    assert set(Message.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.django_db
def test_one_that_is_refused_does_not_hold_up_the_others(post_office: Provider) -> None:
    post_office.busy_times = 1
    world = World()
    for _ in range(3):
        ask_to_sign_in(world.customer)
    assert send_due() == 2
    assert sorted(Message.objects.values_list("state", flat=True)) == ["sent", "sent", "waiting"]


@pytest.mark.django_db
def test_billing_goes_on_while_the_provider_is_down(post_office: Provider) -> None:
    post_office.mood = "silent"
    with at(DAY):
        world = World()
        world.start()
        assert bill_due(world.seller, DAY, actor="test").invoices == 1
        tell()
        assert send_due() == 0
        SubscriptionFactory(customer=CustomerFactory(seller=world.seller))
        assert bill_due(world.seller, DAY, actor="test").invoices == 1
    assert Message.objects.filter(kind=Kind.INVOICE, state="waiting").exists()


@pytest.mark.django_db
def test_what_cannot_be_printed_delays_its_own_mail_alone(
    post_office: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(document: object) -> bytes:
        raise RenderingFailed("Too much paper.")

    monkeypatch.setattr("billing.mail.words.common.render_invoice", fail)
    with at(DAY):
        invoice = happen(Kind.INVOICE)
        link = ask_to_sign_in(invoice.customer)
        send_due()
    assert (read(invoice).state, read(link).state) == ("waiting", "sent")
    assert read(invoice).last_error == "RenderingFailed: Too much paper."


@pytest.mark.django_db
def test_a_provider_that_is_slow_does_not_hold_the_tick_up(
    post_office: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH_SECONDS_MAX", 0)
    world = World()
    for _ in range(3):
        ask_to_sign_in(world.customer)
    assert send_due() == 1
    untried = Message.objects.filter(state="waiting")
    assert list(untried.values_list("attempts", flat=True)) == [0, 0]


@pytest.mark.django_db
def test_sign_in_links_go_first(post_office: Provider) -> None:
    with at(DAY):
        invoice = happen(Kind.INVOICE)
        ask_to_sign_in(invoice.customer)
        send_due(limit=1)
    assert [message["Subject"] for message in post_office.mails] == ["Sign in to Rosteriet"]


@pytest.mark.django_db
def test_a_hint_that_comes_while_mail_is_being_sent_leaves_it_to_that(
    post_office: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turn_away(*args: object, **options: object) -> None:
        raise NotNow("send mail is running already.", code="job_is_running")

    message = a_message()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "job_run", turn_away)
        outbox.send_soon()
    assert read(message).state == "waiting"
    outbox.send_soon()
    assert read(message).state == "sent"


@pytest.mark.django_db
def test_a_sign_in_link_that_is_late_is_not_sent(post_office: Provider) -> None:
    message = a_message()
    with at(message.recorded_at.date() + timedelta(days=2)):
        send_due()
    assert read(message).state == "suppressed"
    assert not AccessLink.objects.exists()


# Nobody is mailed


@pytest.mark.django_db
def test_what_is_due_while_mail_is_off_waits_and_leaves_afterwards(post_office: Provider) -> None:
    """It has not failed, and waiting is no attempt."""
    message = a_message()
    with override_settings(OUTBOUND=False):
        for _ in range(3):
            tick()
        assert (read(message).state, read(message).attempts) == ("waiting", 0)
        assert post_office.connections == 0
    tick()
    assert (read(message).state, read(message).attempts) == ("sent", 1)


@pytest.mark.django_db
def test_a_hold_keeps_mail_until_somebody_releases_it(post_office: Provider) -> None:
    message = a_message()
    held = outbound.hold("database_is_older", "A backup was restored.")
    tick()
    assert (read(message).state, read(message).attempts) == ("waiting", 0)
    outbound.release(held, actor="user:anna")
    tick()
    assert read(message).state == "sent"


# Workers


def die(*args: object, **options: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_writing() -> None:
    outbox.compose = die  # type: ignore[assignment]
    send_due()


def die_before_marking() -> None:
    send = outbox._Post.send

    def send_and_die(self: Any, message: Any) -> None:
        send(self, message)
        die()

    outbox._Post.send = send_and_die  # type: ignore[method-assign]
    send_due()


def in_processes(work: Any, *arguments: Any, count: int = 1) -> list[int | None]:
    """Do something in processes of their own, each with its own connection; how they ended."""
    connection.close()
    processes = [FORK.Process(target=work, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


KILLED = [-signal.SIGKILL]


@pytest.mark.django_db(transaction=True)
class TestAWorkerThatIsKilled:
    def test_while_it_writes_leaves_the_mail_to_the_next(self, post_office: Provider) -> None:
        with at(DAY):
            message = a_message()
            assert in_processes(die_while_writing) == KILLED
            assert (read(message).state, read(message).attempts) == ("waiting", 1)
            tick()
        assert (read(message).state, len(post_office.taken)) == ("sent", 1)
        assert (read(message).attempts, read(message).deaths) == (2, 1)

    def test_keeps_nothing_else_that_it_had_claimed(self, post_office: Provider) -> None:
        """Sign-in links among it: somebody sits and waits for them."""
        with at(DAY):
            messages = [a_message() for _ in range(3)]
            assert in_processes(die_while_writing) == KILLED
            assert all(read(message).lease for message in messages)
            tick()
        assert [read(message).state for message in messages] == ["sent"] * 3
        assert sorted(read(message).attempts for message in messages) == [1, 1, 2]

    def test_lets_nobody_take_what_a_living_one_has_in_hand(self, post_office: Provider) -> None:
        with at(DAY):
            message = a_message()
            other = connection.copy()
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(hashtext('kvitt mail'), 7)")
                Message.objects.update(lease=7)
                tick()
                assert (read(message).state, read(message).lease) == ("waiting", 7)
            other.close()
            tick()
        assert read(message).state == "sent"

    def test_between_sending_and_marking_leaves_it_to_a_person(self, post_office: Provider) -> None:
        """It was sent, and nothing here knows: sending once more by itself would make it twice."""
        with at(DAY):
            message = a_message()
            assert in_processes(die_before_marking) == KILLED
            assert (read(message).state, len(post_office.taken)) == ("sending", 1)
            assert "/portal/enter/•••/" in read(message).text
            tick()
        assert read(message).state == "unclear"
        assert len(post_office.taken) == 1

    def test_over_and_over_by_one_mail_gives_it_up(self, post_office: Provider) -> None:
        with at(DAY):
            message = a_message()
        # The sweep after a death counts it, and after the second puts the next attempt off.
        # A server takes a moment to see that a worker is dead, so a sweep may find it living.
        for hour in range(4 * outbox.DEATHS_MAX):
            if read(message).state != "waiting":
                break
            with at(DAY + timedelta(days=hour // 12), hour=10 + hour % 12):
                in_processes(die_while_writing)
        assert (read(message).state, read(message).attempts) == ("failed", 8)
        assert "died" in read(message).last_error


def _work(barrier: Any, events: list[int]) -> None:
    barrier.wait()
    news.on_events(list(Event.objects.filter(pk__in=events)))
    barrier.wait()
    while send_due(limit=1):
        pass


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_and_send_each_mail_once(post_office: Provider) -> None:
    with at(DAY):
        world = World()
        world.invoice()
        for _ in range(6):
            ask_to_sign_in(world.customer)
        Event.objects.update(is_fanned_out=True)
        events = list(Event.objects.filter(type__in=news.NEWS).values_list("pk", flat=True))
        assert in_processes(_work, FORK.Barrier(2), events, count=2) == [0, 0]
    ids = [mail["Message-ID"] for mail in post_office.mails]
    assert (len(ids), len(set(ids))) == (7, 7)
    assert Message.objects.filter(kind=Kind.INVOICE).count() == 1


@pytest.mark.django_db
def test_an_event_that_is_told_twice_makes_one_mail(post_office: Provider) -> None:
    with at(DAY):
        happen(Kind.INVOICE)
        tick()
        news.on_events(list(Event.objects.filter(type__in=news.NEWS)))
        tick()
    assert len(post_office.taken) == 1


@pytest.mark.django_db
def test_nothing_is_handed_over_inside_a_transaction(
    post_office: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth: list[int] = []
    send, compose = outbox._Post.send, composing.compose

    def watched(self: Any, message: Any) -> None:
        depth.append(len(connection.savepoint_ids))
        send(self, message)

    def watched_too(*args: Any) -> Any:
        depth.append(len(connection.savepoint_ids))
        return compose(*args)

    monkeypatch.setattr(outbox._Post, "send", watched)
    monkeypatch.setattr(outbox, "compose", watched_too)
    a_message()
    outside = len(connection.savepoint_ids)
    tick()
    assert depth == [outside, outside]


@pytest.mark.django_db
def test_more_mails_cost_what_each_needs_and_no_more(post_office: Provider) -> None:
    world = World()

    def queries(count: int) -> int:
        for _ in range(count):
            ask_to_sign_in(world.customer)
        with CaptureQueriesContext(connection) as captured:
            assert send_due(limit=count) == count
        return len(captured)

    one, three = queries(1), queries(3)
    # Begin, make the link, hand over, mark: four for each; twelve for the batch.
    assert (one, three) == (16, 24)


# What operators do


@pytest.mark.django_db
class TestAPerson:
    def test_sends_again_what_failed_with_the_same_id(self, post_office: Provider) -> None:
        with at(DAY):
            message = happen(Kind.INVOICE)
            Message.objects.filter(pk=message.pk).update(state="failed", attempts=9)
            actions.send_again(read(message), as_of=DAY, actor="user:anna")
            tick()
        assert (read(message).state, read(message).attempts) == ("sent", 1)
        assert post_office.mails[0]["Message-ID"] == composing.message_id(message)

    def test_sends_again_to_the_address_that_was_corrected(self, post_office: Provider) -> None:
        with at(DAY):
            message = happen(Kind.INVOICE)
            Message.objects.filter(pk=message.pk).update(state="failed")
            Customer.objects.update(email="right@example.com")
            again = actions.send_again(read(message), as_of=DAY, actor="user:anna")
            tick()
        assert (read(message).state, read(again).state) == ("suppressed", "sent")
        assert [str(mail["To"]) for mail in post_office.mails] == ["Åsa Öberg <right@example.com>"]

    def test_cannot_send_again_what_was_sent(self, post_office: Provider) -> None:
        message = a_message()
        tick()
        with pytest.raises(Refused) as refused:
            actions.send_again(read(message), as_of=DAY, actor="user:anna")
        assert refused.value.code == "invalid_transition"

    def test_settles_what_nobody_knew(self, post_office: Provider) -> None:
        post_office.mood = "drops after the mail"
        message = a_message()
        tick()
        actions.note_arrived(read(message), as_of=DAY, actor="user:anna")
        assert (read(message).state, read(message).last_error) == ("sent", "Settled by user:anna.")

    def test_lets_go_of_what_failed(self, post_office: Provider) -> None:
        post_office.mood = "knows nobody"
        message = a_message()
        tick()
        actions.let_go(read(message), as_of=DAY, actor="user:anna")
        tick()
        assert read(message).state == "suppressed"


# What leaves, and what is kept


@pytest.mark.django_db
def test_what_is_sent_lets_in_and_what_is_kept_does_not(post_office: Provider) -> None:
    message = a_message()
    tick()
    body = post_office.mails[0].get_body(("plain",))
    assert body
    sent = body.get_content()
    token = sent.partition("/portal/enter/")[2].partition("/")[0]
    assert AccessLink.objects.filter(purpose="sign_in").count() == 1
    assert len(token) > 40
    assert AccessLink.objects.get().token_hash == hash_of(token)
    kept = read(message)
    assert token not in kept.text + kept.html + kept.subject + str(kept.facts)
    assert "/portal/enter/•••/" in kept.text
    assert kept.text.replace("•••", token) == sent.replace("\r\n", "\n")


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [Kind.INVOICE, Kind.RECEIPT, Kind.CREDIT_NOTE, Kind.REMINDER])
def test_documents_are_attached_as_pdf(post_office: Provider, kind: str) -> None:
    with at(day_of(kind)):
        message = happen(kind, "sv")
        tick()
    taken = next(mail for mail in post_office.mails if message.public_id in mail["Message-ID"])
    (file,) = list(taken.iter_attachments())
    word = {"receipt": "kvitto", "credit_note": "kreditfaktura"}.get(kind, "faktura")
    assert str(file.get_filename()).startswith(f"{word}-")
    assert file.get_content_type() == "application/pdf"
    assert file.get_content().startswith(b"%PDF-")


@pytest.mark.django_db
def test_the_logo_stands_beside_the_html(post_office: Provider) -> None:
    world = World(has_logo=True)
    ask_to_sign_in(world.customer)
    tick()
    (taken,) = post_office.mails
    assert taken.get_content_type() == "multipart/alternative"
    text, related = taken.iter_parts()
    page, picture = related.iter_parts()
    assert related.get_content_type() == "multipart/related"
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    assert 'src="cid:logo"' in page.get_content()
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<logo>", "inline")
    assert picture.get_content().startswith(b"\x89PNG")
    assert len(picture.get_content()) < 20_000
