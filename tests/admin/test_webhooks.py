"""What an operator does about webhooks: add, test, turn off and on, send again."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from billing.base import clock
from billing.events.models import Event
from billing.events.recorder import fan_out, record
from billing.webhooks import actions
from billing.webhooks.delivering import deliver_webhooks
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from customers.models import Seller
from tests.factories import DAY, SellerFactory
from tests.webhooks.conftest import receiver  # noqa: F401 -- a fixture.
from tests.webhooks.receiving import RunningReceiver

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 11, tzinfo=UTC)


def act(client: Client, obj: Model, name: str, **sent: Any) -> str:
    """Press a button, fill its form in and send it; the page that comes of it."""
    options = obj._meta
    url = reverse(f"admin:{options.app_label}_{options.model_name}_act", args=[obj.pk, name])
    key = re.search(r'name="key" value="([0-9a-f]+)"', client.get(url).content.decode())
    assert key
    return client.post(url, {"key": key[1], **sent}, follow=True).content.decode()


def endpoint_of(seller: Seller, url: str, *types: str) -> WebhookEndpoint:
    made, _ = actions.create(
        seller=seller.public_id,
        is_live=False,
        url=url,
        types=types or ["*"],
        as_of=DAY,
        actor="test",
    )
    return made


def happen(seller: Seller, count: int = 1) -> list[Event]:
    found = [
        record(
            "invoice.paid",
            seller=seller.public_id,
            subject=f"x_{number}",
            occurred_on=DAY,
            actor="test",
        )
        for number in range(count)
    ]
    fan_out()
    return found


def test_an_endpoint_is_added_on_the_sellers_page_and_its_secret_is_shown_once(
    anna: Client,
) -> None:
    seller = SellerFactory()
    sent = {"url": "https://shop.example/hooks", "types": "invoice.*, payment.failed"}
    page = act(anna, seller, "add-webhook-endpoint", **sent)
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", page)
    assert secret
    made = WebhookEndpoint.objects.get()
    assert (made.seller, made.is_live) == (seller.public_id, False)
    assert made.types == ["invoice.*", "payment.failed"]
    assert actions.secrets_of(made, NOON) == [secret[0]]
    assert "whsec_" not in LogEntry.objects.get().change_message
    url = reverse("admin:customers_seller_change", args=[seller.pk])
    again = anna.get(url).content.decode()
    assert "https://shop.example/hooks" in again
    assert "whsec_" not in again


def test_an_address_inside_is_refused_in_words(anna: Client) -> None:
    page = act(anna, SellerFactory(), "add-webhook-endpoint", url="https://10.0.0.1/", types="*")
    assert "10.0.0.1 is not an address on the internet." in page
    assert not WebhookEndpoint.objects.exists()


def test_a_new_secret_is_shown_once_and_not_in_the_log(anna: Client) -> None:
    made = endpoint_of(SellerFactory(), "https://shop.example/")
    before = actions.secrets_of(made, NOON)
    page = act(anna, made, "rotate-secret")
    made.refresh_from_db()
    newest, old = actions.secrets_of(made, NOON)
    assert [old] == before
    assert newest in page.replace("&#x2B;", "+")
    assert "whsec_" not in LogEntry.objects.get().change_message


def test_a_test_is_sent_and_its_answer_stands_on_the_page_of_the_delivery(
    anna: Client,
    receiver: RunningReceiver,  # noqa: F811
) -> None:
    made = endpoint_of(SellerFactory(), receiver.url("500"), "invoice.paid")
    assert "is on its way" in act(anna, made, "test")
    fan_out()
    deliver_webhooks()
    delivery = WebhookDelivery.objects.get()
    url = reverse("admin:events_webhookdelivery_change", args=[delivery.pk])
    page = anna.get(url).content.decode()
    for said in ("webhook_endpoint.tested", "It answered 500.", "500 v1,…"):
        assert said in page


def test_what_was_given_up_is_on_the_front_page_and_sent_again_one_by_one_and_many(
    anna: Client,
    receiver: RunningReceiver,  # noqa: F811
) -> None:
    seller = SellerFactory()
    made = endpoint_of(seller, receiver.url("410"))
    happen(seller, 3)
    deliver_webhooks()
    front = anna.get(reverse("admin:index")).content.decode()
    assert "Undelivered webhooks" in front
    waiting = front.index("To do"), front.index("Nothing to do")
    for title in ("Undelivered webhooks", "Endpoints turned off"):
        assert waiting[0] < front.index(title) < waiting[1]
    WebhookEndpoint.objects.update(url=receiver.url("ok"))
    made.refresh_from_db()
    dead = list(WebhookDelivery.objects.filter(state="dead").order_by("pk"))
    assert len(dead) == 3
    assert "Turn it on first" in act(anna, dead[0], "send-again")
    assert "Turned on." in act(anna, made, "turn-on")
    assert "On its way again." in act(anna, dead[0], "send-again")
    anna.post(
        reverse("admin:events_webhookdelivery_changelist"),
        {
            "action": "send-again",
            "_selected_action": [each.pk for each in dead[1:]],
            "confirmed": "yes",
        },
    )
    fan_out()
    deliver_webhooks()
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"done"}
    taken = [got.id for got in receiver.got if got.manner == "ok"]
    assert {each.event.public_id for each in dead} <= set(taken)


def test_all_that_was_missed_since_a_day_is_sent(
    anna: Client,
    receiver: RunningReceiver,  # noqa: F811
) -> None:
    seller = SellerFactory()
    made = endpoint_of(seller, receiver.url("ok"), "invoice.*")
    assert "Turned off." in act(anna, made, "turn-off")
    missed = happen(seller, 2)
    deliver_webhooks()
    assert receiver.got == []
    front = anna.get(reverse("admin:index")).content.decode()
    # Who turned it off by hand knows, and has nothing to do.
    assert front.index("Endpoints turned off") > front.index("Nothing to do")
    act(anna, made, "turn-on")
    since = (Event.objects.earliest("pk").recorded_at - timedelta(days=1)).date()
    assert "Events on their way: 2." in act(anna, made, "send-missed", since=since.isoformat())
    with clock.standing_at(clock.now() + timedelta(minutes=1)):
        deliver_webhooks()
    assert {got.id for got in receiver.got} == {event.public_id for event in missed}


@pytest.mark.parametrize("name", ["test", "turn-off", "rotate-secret", "send-missed"])
def test_who_may_only_look_can_do_nothing(bo: Client, name: str) -> None:
    made = endpoint_of(SellerFactory(), "https://shop.example/")
    url = reverse("admin:events_webhookendpoint_act", args=[made.pk, name])
    assert bo.get(url).status_code == 403
    assert bo.post(url, {"key": "1", "since": "2026-03-01"}).status_code == 403
    made.refresh_from_db()
    assert made.is_enabled
