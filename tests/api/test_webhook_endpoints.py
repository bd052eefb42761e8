"""Webhook endpoints and events over the API: made, told, read again, and nobody else's."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.api.models import IdempotentRequest
from billing.events.models import Event
from billing.events.recorder import fan_out, record
from billing.invoicing.batch import bill_due
from billing.webhooks import fan_out as fan_out_of_webhooks
from billing.webhooks.delivering import deliver_webhooks
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from customers.models import Seller
from tests.api.calling import Shop, errors_of
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
)
from tests.webhooks.conftest import receiver  # noqa: F401 -- a fixture.
from tests.webhooks.receiving import RunningReceiver

pytestmark = pytest.mark.django_db
URL = "https://shop.example/hooks"


def make(shop: Shop, **more: Any) -> dict[str, Any]:
    answer = shop.post("webhook_endpoints", {"url": URL, "types": ["*"], **more})
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_an_endpoint_is_made_with_a_secret_that_is_told_once(shop: Shop) -> None:
    made = make(shop, types=["invoice.*", "payment.failed"], description="The shop")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made == {
        "id": made["id"],
        "url": URL,
        "types": ["invoice.*", "payment.failed"],
        "description": "The shop",
        "is_enabled": True,
        "disabled_reason": None,
        "failing_since": None,
        "recorded_at": made["recorded_at"],
    }
    assert shop.get(f"webhook_endpoints/{made['id']}").json() == made
    assert shop.get("webhook_endpoints").json()["results"] == [made]
    # Not even in what is kept for a retry is it in plain.
    assert secret not in "".join(IdempotentRequest.objects.values_list("answer", flat=True))


def test_a_retry_makes_no_second_endpoint_and_gets_the_same_secret(shop: Shop) -> None:
    body = {"url": URL, "types": ["*"]}
    first = shop.post("webhook_endpoints", body, key="once")
    second = shop.post("webhook_endpoints", body, key="once")
    assert first.json() == second.json()
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"types": ["*"]}, 400, "required"),
        ({"url": URL}, 400, "required"),
        ({"url": URL, "types": []}, 400, "min_length"),
        ({"url": URL, "types": "*"}, 400, "not_a_list"),
        ({"url": URL, "types": ["*"], "secret": "whsec_mine"}, 400, "unknown_field"),
        ({"url": URL, "types": ["*"], "seller": "sel_2"}, 400, "unknown_field"),
        ({"url": URL, "types": ["*"], "is_enabled": False}, 400, "unknown_field"),
        ({"url": URL, "types": ["invoice.payed"]}, 422, "unknown_event_type"),
        ({"url": "http://shop.example/", "types": ["*"]}, 422, "webhook_url_refused"),
        ({"url": "https://127.0.0.1/", "types": ["*"]}, 422, "webhook_url_refused"),
        ({"url": "https://169.254.169.254/", "types": ["*"]}, 422, "webhook_url_refused"),
        ({"url": "nonsense", "types": ["*"]}, 422, "webhook_url_refused"),
    ],
)
def test_what_cannot_be_is_refused(
    shop: Shop, body: dict[str, Any], status: int, code: str
) -> None:
    answer = shop.post("webhook_endpoints", body)
    assert (answer.status_code, errors_of(answer)[0][0]) == (status, code)
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_changed_turned_off_and_on_and_deleted(shop: Shop) -> None:
    made = make(shop)
    path = f"webhook_endpoints/{made['id']}"
    changed = shop.patch(path, {"types": ["invoice.paid"], "is_enabled": False}).json()
    assert (changed["types"], changed["is_enabled"]) == (["invoice.paid"], False)
    assert errors_of(shop.post(f"{path}/test")) == [("endpoint_disabled", None)]
    assert shop.patch(path, {"is_enabled": True}).json()["is_enabled"] is True
    assert shop.patch(path, {"url": "https://10.0.0.1/"}).status_code == 422
    assert shop.send("DELETE", path, {}, None).status_code == 204
    assert shop.get(path).status_code == 404
    told = Event.objects.filter(subject=made["id"]).values_list("type", flat=True).order_by("id")
    assert [type.partition(".")[2] for type in told] == [
        "created",
        "changed",
        "turned_off",
        "enabled",
        "deleted",
    ]


def test_a_new_secret_is_told_once_and_signs_from_now_on(
    shop: Shop,
    receiver: RunningReceiver,  # noqa: F811
) -> None:
    made = make(shop, url=receiver.url("ok"))
    rotated = shop.post(f"webhook_endpoints/{made['id']}/rotate_secret").json()
    assert rotated["secret"] != made["secret"]
    answer = shop.post(f"webhook_endpoints/{made['id']}/test")
    assert answer.status_code == 202
    fan_out()
    deliver_webhooks()
    (got,) = receiver.got
    assert got.id == answer.json()["event"]
    assert got.verified(made["secret"]) == got.verified(rotated["secret"])


# Events


def happen(seller: Seller, *types: str, subject: str = "x_1") -> list[Event]:
    found = [
        record(type, seller=seller.public_id, subject=subject, occurred_on=DAY, actor="test")
        for type in types
    ]
    fan_out()
    return found


def test_an_event_has_the_object_as_the_api_shows_it_and_is_sent_as_it_is_read(
    shop: Shop,
    receiver: RunningReceiver,  # noqa: F811
) -> None:
    Seller.objects.filter(pk=shop.seller.pk).update(tax=[])
    plan = PlanFactory(seller=shop.seller)
    PriceFactory(plan=plan, amount=Decimal(100))
    SubscriptionFactory(customer=CustomerFactory(seller=shop.seller), plan=plan)
    made = make(shop, url=receiver.url("ok"), types=["invoice.finalized"])
    bill_due(Seller.objects.get(pk=shop.seller.pk), DAY, actor="test")
    fan_out()
    deliver_webhooks()
    (got,) = receiver.got
    sent = got.verified(made["secret"])
    shown = shop.get(f"invoices/{sent['subject']}").json()
    assert sent["data"]["object"] == shown
    assert shown["lines"][0]["amount_minor"] == 10_000
    assert shop.get(f"events/{got.id}").json() == sent
    assert shop.get("events", type="invoice.finalized").json()["results"] == [sent]


def test_what_happened_before_an_endpoint_was_made_is_not_sent_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out_of_webhooks, "TRANSACTION_MAX", timedelta(0))

    def recorded(type: str) -> Event:
        return record(
            type, seller=shop.seller.public_id, subject="x_1", occurred_on=DAY, actor="test"
        )

    older = make(shop)["id"]
    # Nobody has fanned it out when the second endpoint is made, for ticks come once a minute.
    before = recorded("invoice.finalized")
    newer = make(shop)["id"]
    after = recorded("invoice.paid")
    fan_out()
    told = WebhookDelivery.objects.values_list("endpoint__public_id", "event__public_id")
    assert set(told) == {
        (older, before.public_id),
        (older, after.public_id),
        (newer, after.public_id),
    }
    # It is there to be read, and is sent to whoever asks for it.
    assert shop.get(f"events/{before.public_id}").status_code == 200
    sent = shop.post(f"events/{before.public_id}/send", {"webhook_endpoint": newer})
    assert sent.status_code == 202


def test_what_may_have_been_seen_after_an_endpoint_was_made_is_sent_there(shop: Shop) -> None:
    # Its transaction may have begun before the endpoint was made, and have ended after.
    event = record(
        "invoice.paid", seller=shop.seller.public_id, subject="x_1", occurred_on=DAY, actor="test"
    )
    make(shop)
    fan_out()
    assert WebhookDelivery.objects.get().event == event


def test_events_are_listed_newest_first_and_found_by_type_object_and_what_was_before(
    shop: Shop,
) -> None:
    first, second, third = happen(
        shop.seller, "invoice.finalized", "invoice.paid", "payment.succeeded"
    )
    happen(shop.seller, "payment.doubted")
    other = happen(shop.seller, "invoice.paid", subject="x_2")[0]

    def ids(**query: Any) -> list[str]:
        return [each["id"] for each in shop.get("events", **query).json()["results"]]

    def named(*events: Event) -> list[str]:
        return [event.public_id for event in events]

    mine = {"subject": "x_1"}
    assert ids(**mine) == named(third, second, first)
    assert ids(type="invoice.paid") == named(other, second)
    assert ids(type="invoice.*", **mine) == named(second, first)
    assert ids(after=first.public_id, **mine) == named(third, second)
    assert [each["sequence"] for each in shop.get("events", **mine).json()["results"]] == [3, 2, 1]
    answer = shop.get("events", after="evt_" + "0" * 24)
    assert (answer.status_code, errors_of(answer)) == (400, [("unknown_event", "after")])
    page = shop.get("events", limit=2, **mine).json()
    assert [each["id"] for each in page["results"]] == named(third, second)
    rest = shop.client.get(page["next"], headers=shop.headers()).json()
    assert [each["id"] for each in rest["results"]] == named(first)


def test_a_page_of_events_costs_the_same_number_of_queries_whatever_is_on_it(shop: Shop) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert shop.get("events", limit=100).status_code == 200
        return len(captured)

    for _ in range(2):
        customer = CustomerFactory(seller=shop.seller)
        happen(shop.seller, "customer.added", subject=customer.public_id)
    before = queries()
    for _ in range(10):
        customer = CustomerFactory(seller=shop.seller)
        happen(shop.seller, "customer.added", subject=customer.public_id)
    assert queries() == before


def test_an_event_is_sent_again_under_its_id(
    shop: Shop,
    receiver: RunningReceiver,  # noqa: F811
) -> None:
    (event,) = happen(shop.seller, "invoice.paid")
    made = make(shop, url=receiver.url("ok"), types=["payment.*"])
    answer = shop.post(f"events/{event.public_id}/send", {"webhook_endpoint": made["id"]})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    deliver_webhooks()
    assert [got.id for got in receiver.got] == [event.public_id]
    assert WebhookDelivery.objects.get().state == "done"


def test_nothing_of_another_seller_is_there(shop: Shop) -> None:
    other = Shop(SellerFactory())
    made = make(other)
    (event,) = happen(other.seller, "invoice.paid")
    path = f"webhook_endpoints/{made['id']}"
    assert shop.get(path).status_code == 404
    assert shop.patch(path, {"is_enabled": False}).status_code == 404
    assert shop.send("DELETE", path, {}, None).status_code == 404
    for what in ("rotate_secret", "test"):
        assert shop.post(f"{path}/{what}").status_code == 404
    assert shop.get(f"events/{event.public_id}").status_code == 404
    assert shop.get("events", after=event.public_id).status_code == 400
    mine = make(shop)
    send = {"webhook_endpoint": mine["id"]}
    assert shop.post(f"events/{event.public_id}/send", send).status_code == 404
    (own,) = happen(shop.seller, "invoice.paid")
    send = {"webhook_endpoint": made["id"]}
    assert shop.post(f"events/{own.public_id}/send", send).status_code == 404
    assert [each["id"] for each in shop.get("webhook_endpoints").json()["results"]] == [mine["id"]]
    assert [each["id"] for each in shop.get("events").json()["results"]] == [own.public_id]
