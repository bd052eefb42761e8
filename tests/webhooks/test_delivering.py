"""Webhooks on their way to a real receiver: taken at least once, in order, or listed as dead."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from billing.base import clock
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.events.recorder import fan_out, record
from billing.webhooks import actions, bodies, delivering
from billing.webhooks.delivering import deliver_webhooks, forget_old_webhooks
from billing.webhooks.models import EventBody, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from tests.webhooks.receiving import RunningReceiver

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = NOON.date()
SELLER = "sel_1"


@pytest.fixture(autouse=True)
def renders() -> Iterator[list[str]]:
    """Objects of a test, ``x_…``, each time they are asked for in another state."""
    asked: list[str] = []

    def render(ids: Sequence[str]) -> dict[str, dict[str, object]]:
        asked.extend(ids)
        state = f"asked for {len(asked)} times"
        return {each: {"id": each, "state": state, "name": "Åsa Öberg"} for each in ids}

    bodies.renderers["x"] = render
    yield asked
    del bodies.renderers["x"]


def endpoint(url: str, *types: str, seller: str = SELLER) -> tuple[WebhookEndpoint, str]:
    return actions.create(
        seller=seller, is_live=False, url=url, types=types or ["*"], as_of=DAY, actor="test"
    )


def happen(subject: str, *types: str, seller: str = SELLER) -> list[Event]:
    return [
        record(type, seller=seller, subject=subject, occurred_on=DAY, actor="test", data={"n": 1})
        for type in types or ("invoice.finalized",)
    ]


def deliver(at: datetime = NOON) -> int:
    with clock.standing_at(at):
        while fan_out():
            pass
        return deliver_webhooks()


def replay_at(at: datetime, endpoint: WebhookEndpoint, since: datetime) -> int:
    with clock.standing_at(at):
        return actions.replay(endpoint, since=since)


def states() -> dict[str, str]:
    found = WebhookDelivery.objects.order_by("id")
    return {f"{each.subject} {each.sequence}": each.state for each in found}


# What arrives


def test_an_event_arrives_signed_with_its_whole_object(receiver: RunningReceiver) -> None:
    _, secret = endpoint(receiver.url("ok"), "invoice.*")
    (event,) = happen("x_1", "invoice.paid")
    assert deliver() == 1
    (got,) = receiver.got
    assert got.id == event.public_id
    assert got.verified(secret) == {
        "id": event.public_id,
        "type": "invoice.paid",
        "mode": "test",
        "seller": SELLER,
        "subject": "x_1",
        "occurred_on": "2026-03-01",
        "recorded_at": event.recorded_at.isoformat().replace("+00:00", "Z"),
        "sequence": 1,
        "data": {
            "object": {"id": "x_1", "state": "asked for 1 times", "name": "Åsa Öberg"},
            "details": {"n": 1},
            "is_as_of_event": True,
        },
    }
    assert states() == {"x_1 1": "done"}
    assert deliver() == 0


def test_a_wrong_secret_or_a_changed_body_is_found_out(receiver: RunningReceiver) -> None:
    _, secret = endpoint(receiver.url("ok"))
    happen("x_1")
    deliver()
    (got,) = receiver.got
    with pytest.raises(Exception, match="No matching signature"):
        got.verified(actions.new_secret())
    object.__setattr__(got, "body", got.body.replace("x_1", "x_2"))
    with pytest.raises(Exception, match="No matching signature"):
        got.verified(secret)


def test_only_what_was_asked_for_is_sent_and_only_of_the_own_seller(
    receiver: RunningReceiver,
) -> None:
    endpoint(receiver.url("ok?1"), "invoice.paid", "payment.*")
    endpoint(receiver.url("ok?2"), "*")
    endpoint(receiver.url("ok?3"), "*", seller="sel_2")
    happen("x_1", "invoice.paid", "payment.failed", "payment.doubted", "invoice.voided")
    deliver()
    sent = sorted((got.path, got.payload["type"]) for got in receiver.got)
    assert sent == [
        ("/ok?1", "invoice.paid"),
        ("/ok?1", "payment.failed"),
        ("/ok?2", "invoice.paid"),
        ("/ok?2", "invoice.voided"),
        ("/ok?2", "payment.failed"),
    ]


def test_an_object_that_nobody_can_render_is_told_of_by_the_events_own_words(
    receiver: RunningReceiver,
) -> None:
    endpoint(receiver.url("ok"))
    happen("gone_1")
    deliver()
    assert receiver.got[0].payload["data"]["object"] == {"id": "gone_1", "n": 1}


def test_an_object_whose_rendering_breaks_is_tried_again_and_the_others_go(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(ids: Sequence[str]) -> dict[str, dict[str, object]]:
        return {each: {"share": 1 // 0} for each in ids}

    monkeypatch.setitem(bodies.renderers, "broken", breaks)
    endpoint(receiver.url("ok"))
    happen("broken_1")
    happen("x_1")
    deliver()
    assert states() == {"broken_1 1": "pending", "x_1 1": "done"}
    assert "ZeroDivisionError" in WebhookDelivery.objects.get(subject="broken_1").last_error


# Again and again


def test_every_attempt_sends_the_same_bytes_whatever_became_of_the_object(
    receiver: RunningReceiver, renders: list[str]
) -> None:
    _, secret = endpoint(receiver.url("file"))
    receiver.behave("500")
    happen("x_1")
    for minutes in (0, 2, 5):
        deliver(NOON + timedelta(minutes=minutes))
    receiver.behave("ok")
    deliver(NOON + timedelta(minutes=12))
    assert [got.manner for got in receiver.got] == ["500", "500", "500", "ok"]
    assert len({(got.id, got.body) for got in receiver.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.got}) == 4
    assert all(got.verified(secret) for got in receiver.got)
    assert renders == ["x_1"]


def test_what_one_object_waits_for_does_not_hold_up_another(receiver: RunningReceiver) -> None:
    receiver.behave("500")
    endpoint(receiver.url("file"))
    happen("x_1", "invoice.finalized", "invoice.paid")
    deliver()
    receiver.behave("ok")
    happen("x_2", "invoice.finalized", "invoice.paid")
    deliver(NOON + timedelta(seconds=1))
    sent = [(got.payload["data"]["object"]["id"], got.payload["sequence"]) for got in receiver.got]
    assert sent == [("x_1", 1), ("x_2", 1), ("x_2", 2)]
    assert states()["x_1 2"] == "pending"
    deliver(NOON + timedelta(minutes=5))
    sent = [(got.payload["data"]["object"]["id"], got.payload["sequence"]) for got in receiver.got]
    assert sent[3:] == [("x_1", 1), ("x_1", 2)]


def test_a_receiver_that_is_down_for_three_days_gets_all_in_order(
    receiver: RunningReceiver,
) -> None:
    endpoint(receiver.url("file"))
    receiver.behave("503")
    wanted = []
    for number in range(12):
        wanted += happen(f"x_{number % 3}", "invoice.finalized", "invoice.paid")
        deliver(NOON + timedelta(hours=number))
    for hours in range(12, 71, 3):
        deliver(NOON + timedelta(hours=hours))
    assert set(states().values()) == {"pending"}
    receiver.behave("ok")
    happen("x_9")
    for hours in range(71, 84, 6):
        deliver(NOON + timedelta(hours=hours))
    assert set(states().values()) == {"done"}
    taken = [got for got in receiver.got if got.manner == "ok"]
    assert {event.public_id for event in wanted} <= {got.id for got in taken}
    orders: dict[str, list[int]] = {}
    for got in taken:
        orders.setdefault(got.payload["data"]["object"]["id"], []).append(got.payload["sequence"])
    assert orders == {**{f"x_{n}": list(range(1, 9)) for n in range(3)}, "x_9": [1]}


def test_an_endpoint_that_fails_for_longer_is_turned_off_and_all_can_be_sent_later(
    receiver: RunningReceiver,
) -> None:
    failing, _ = endpoint(receiver.url("file"))
    other, _ = endpoint(receiver.url("ok"), "webhook_endpoint.*")
    receiver.behave("500")
    happen("x_1", "invoice.finalized", "invoice.paid")
    for hours in range(0, 80, 4):
        deliver(NOON + timedelta(hours=hours))
    failing.refresh_from_db()
    assert not failing.is_enabled
    assert failing.disabled_reason == "It has taken nothing for three days."
    dead = WebhookDelivery.objects.filter(endpoint=failing)
    assert set(dead.values_list("state", flat=True)) == {"dead"}
    attempts = WebhookAttempt.objects.filter(delivery__endpoint=failing).count()
    assert 10 <= attempts <= 20
    # What happens meanwhile is not sent, and told of to whoever listens.
    happen("x_1", "invoice.voided")
    later = NOON + timedelta(hours=90)
    deliver(later)
    told = [got.payload for got in receiver.got if got.manner == "ok"]
    assert [payload["type"] for payload in told] == ["webhook_endpoint.disabled"]
    assert WebhookAttempt.objects.filter(delivery__endpoint=failing).count() == attempts
    receiver.behave("ok")
    with pytest.raises(Refused, match="Turn it on first"):
        actions.replay(failing, since=NOON - timedelta(days=999))
    actions.enable(failing, as_of=DAY, actor="test")
    since = Event.objects.earliest("id").recorded_at
    # The endpoint's own end is an event of the seller as well.
    assert replay_at(later, failing, since) == 4
    deliver(later)
    sent = [got.payload for got in receiver.got if got.path == "/file" and got.manner == "ok"]
    of_object = [each["sequence"] for each in sent if each["data"]["object"]["id"] == "x_1"]
    assert of_object == [1, 2, 3]
    assert replay_at(later, failing, since) == 0


def test_410_turns_an_endpoint_off_at_once(receiver: RunningReceiver) -> None:
    gone, _ = endpoint(receiver.url("410"))
    happen("x_1", "invoice.finalized", "invoice.paid")
    deliver()
    gone.refresh_from_db()
    assert (gone.is_enabled, gone.disabled_reason) == (False, "It answered 410 Gone.")
    assert states()["x_1 1"] == states()["x_1 2"] == "dead"
    assert len(receiver.got) == 1
    assert Event.objects.filter(type="webhook_endpoint.disabled").count() == 1


def test_a_dead_event_no_longer_holds_up_the_next_one_of_its_object(
    receiver: RunningReceiver,
) -> None:
    target, _ = endpoint(receiver.url("poison"))
    happen("x_poison", "invoice.finalized", "invoice.paid")
    for hours in range(0, 76, 4):
        happen(f"x_{hours}")  # It is taken, so the endpoint stays on.
        deliver(NOON + timedelta(hours=hours))
    first, second = WebhookDelivery.objects.filter(subject="x_poison").order_by("sequence")
    assert (first.state, second.state) == ("dead", "pending")
    assert (first.last_error, second.attempts > 0) == ("It answered 500.", True)
    target.refresh_from_db()
    assert target.is_enabled
    assert target.failing_since is not None
    refused = [got.payload["sequence"] for got in receiver.got if got.payload_is_poison]
    assert refused == sorted(refused)
    # The dead one can still be sent, under its old id.
    later = NOON + timedelta(hours=100)
    WebhookEndpoint.objects.update(url=receiver.url("ok"))
    with clock.standing_at(later):
        actions.send_again(first)
    deliver(later)
    assert [got.id for got in receiver.got[-2:]] == [first.event.public_id, second.event.public_id]
    assert set(states().values()) == {"done"}


# Beside each other


def test_a_receiver_that_hangs_holds_up_neither_the_others_nor_the_tick(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "SECONDS_EACH", 2)
    hanging = [endpoint(receiver.url(manner))[0] for manner in ("hang", "loris", "drip")]
    endpoint(receiver.url("ok"), seller="sel_2")
    for number in range(40):
        happen(f"x_{number}")
        happen(f"y_{number}", seller="sel_2")
    began = time.monotonic()
    deliver()
    # Eight hang together, and then nobody asks there again in this run.
    assert time.monotonic() - began < 20
    assert [got.path for got in receiver.got].count("/ok") == 40
    for slow in hanging:
        assert (
            WebhookAttempt.objects.filter(delivery__endpoint=slow).count()
            <= delivering.PER_ENDPOINT
        )
        slow.refresh_from_db()
        assert slow.failing_since == NOON


def test_attempts_are_kept_with_what_was_answered_and_without_secrets(
    receiver: RunningReceiver,
) -> None:
    endpoint(receiver.url("500"))
    happen("x_1")
    deliver()
    attempt = WebhookAttempt.objects.get()
    (got,) = receiver.got
    signature = got.headers["webhook-signature"].partition(",")[2]
    assert (attempt.status, attempt.error, attempt.began_at) == (500, "", NOON)
    assert attempt.answer == "500 v1,…"
    assert attempt.milliseconds is not None
    assert signature not in attempt.answer
    delivery = WebhookDelivery.objects.get()
    assert delivery.last_error == "It answered 500."


def test_what_was_taken_long_ago_is_forgotten_and_what_is_dead_is_not(
    receiver: RunningReceiver,
) -> None:
    endpoint(receiver.url("ok"), "invoice.paid")
    endpoint(receiver.url("410"), "invoice.voided")
    happen("x_1", "invoice.paid", "invoice.voided")
    deliver()
    with clock.standing_at(NOON + timedelta(days=29)):
        assert forget_old_webhooks() == 0
    with clock.standing_at(NOON + timedelta(days=31)):
        assert forget_old_webhooks() == 1
    assert list(WebhookDelivery.objects.values_list("state", flat=True)) == ["dead"]
    assert EventBody.objects.count() == 1
    assert not WebhookAttempt.objects.exists()
    assert Event.objects.filter(subject="x_1").count() == 2


# Secrets


def test_for_a_day_after_a_rotation_both_secrets_sign(receiver: RunningReceiver) -> None:
    target, old = endpoint(receiver.url("ok"))
    with clock.standing_at(NOON):
        _, new = actions.rotate_secret(target, as_of=DAY, actor="test")
    assert old != new
    for number, at in enumerate((NOON, NOON + timedelta(hours=23), NOON + timedelta(hours=25))):
        happen(f"x_{number}")
        deliver(at)
    first, second, third = receiver.got
    for got in (first, second):
        assert got.verified(old) == got.verified(new)
    assert third.verified(new)
    with pytest.raises(Exception, match="No matching signature"):
        third.verified(old)


def test_no_secret_lies_in_the_database_in_plain(receiver: RunningReceiver) -> None:
    target, secret = endpoint(receiver.url("ok"))
    target.refresh_from_db()
    plain = secret.removeprefix("whsec_")
    assert plain not in target.secret_sealed
    assert not Event.objects.filter(data__icontains=plain).exists()


def test_a_test_goes_to_its_own_endpoint_whatever_that_has_asked_for(
    receiver: RunningReceiver,
) -> None:
    first, _ = endpoint(receiver.url("ok?1"), "invoice.paid")
    endpoint(receiver.url("ok?2"), "*")
    actions.test(first, as_of=date(2026, 3, 1), actor="test")
    deliver()
    assert [got.path for got in receiver.got] == ["/ok?1"]
    assert receiver.got[0].payload["type"] == "webhook_endpoint.tested"


def test_an_event_can_be_sent_to_an_endpoint_that_was_made_later(
    receiver: RunningReceiver,
) -> None:
    (event,) = happen("x_1")
    deliver()
    target, _ = endpoint(receiver.url("ok"), "payment.*")
    event.refresh_from_db()
    for _ in range(2):
        with clock.standing_at(NOON):
            actions.send_event(event, target)
        deliver()
    assert [got.id for got in receiver.got] == [event.public_id] * 2
    with pytest.raises(Refused, match="not"):
        actions.send_event(happen("x_2")[0], target)


@pytest.mark.parametrize(
    ("url", "types", "code"),
    [
        ("http://example.com/", ["*"], "webhook_url_refused"),
        ("https://shop.example/", [], "unknown_event_type"),
        ("https://shop.example/", ["invoice.payed"], "unknown_event_type"),
        ("https://shop.example/", ["payment.doubted"], "unknown_event_type"),
        ("https://shop.example/", ["inv*"], "unknown_event_type"),
    ],
)
def test_an_endpoint_that_would_never_hear_anything_is_refused(
    url: str, types: list[str], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        actions.create(seller=SELLER, is_live=False, url=url, types=types, as_of=DAY, actor="test")
    assert refused.value.code == code
    assert not WebhookEndpoint.objects.exists()


def test_forty_objects_that_are_refused_hold_up_no_other_of_their_endpoint(
    receiver: RunningReceiver,
) -> None:
    endpoint(receiver.url("poison"))
    # Those that are refused are the oldest, of the same type as the others, and have a next event.
    for number in range(40):
        happen(f"x_poison_{number}", "invoice.finalized", "invoice.paid")
    for number in range(80):
        happen(f"x_{number}", "invoice.finalized", "invoice.paid")
    while deliver():  # At the same instant: nothing that was refused is due again.
        pass
    sent = [(got.payload["subject"], got.payload["sequence"]) for got in receiver.got]
    healthy = [each for each in sent if "poison" not in each[0]]
    assert sorted(healthy) == sorted((f"x_{n}", of) for n in range(80) for of in (1, 2))
    assert all(healthy.index((f"x_{n}", 1)) < healthy.index((f"x_{n}", 2)) for n in range(80))
    # What was refused was tried once, and what follows it waits.
    refused = [each for each in sent if "poison" in each[0]]
    assert sorted(refused) == sorted((f"x_poison_{n}", 1) for n in range(40))


def test_what_was_refused_before_comes_after_what_is_new(receiver: RunningReceiver) -> None:
    endpoint(receiver.url("poison"))
    for number in range(20):
        happen(f"x_poison_{number}")
    deliver()
    for number in range(20):
        happen(f"x_{number}")
    deliver(NOON + timedelta(minutes=5))
    again = [got.payload["subject"] for got in receiver.got[20:]]
    # Several are on their way at once, so that the last of the new meet the first of the old.
    assert {each for each in again[:12] if "poison" in each} == set()
    assert len(again) == 40
