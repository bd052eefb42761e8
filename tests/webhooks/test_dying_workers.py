"""A worker that is killed while it sends: nothing is lost, and no order broken."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from billing.base import clock
from billing.events.recorder import fan_out
from billing.webhooks import actions
from billing.webhooks.delivering import deliver_webhooks
from billing.webhooks.models import WebhookDelivery
from tests.events.test_fan_out import process
from tests.webhooks.receiving import running_receiver
from tests.webhooks.test_delivering import DAY, SELLER, happen

DELIVER = """
from billing.webhooks.delivering import deliver_webhooks
print("begun", flush=True)
deliver_webhooks()
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_in_the_middle_loses_nothing_and_breaks_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KVITT_WEBHOOK_ALLOWED_HOSTS", "127.0.0.1")
    monkeypatch.setattr(settings, "WEBHOOK_ALLOWED_HOSTS", ["127.0.0.1"])
    with running_receiver(tmp_path) as receiver:
        _, secret = actions.create(
            seller=SELLER,
            is_live=False,
            url=receiver.url("slow"),
            types=["*"],
            as_of=DAY,
            actor="test",
        )
        wanted = [
            event
            for number in range(60)
            for event in happen(f"x_{number}", "invoice.finalized", "invoice.paid")
        ]
        fan_out()
        at = clock.now()
        for deaths in range(1, 4):
            worker = process(DELIVER)
            assert worker.stdout
            assert worker.stdout.readline() == "begun\n"
            while len(receiver.got) < 4 * deaths:
                assert worker.poll() is None, "there was nothing left to die for"
            worker.kill()
            worker.wait()
            worker.stdout.close()
        assert WebhookDelivery.objects.filter(state="pending", attempts__gt=0).exists()
        for minutes in (3, 6, 12):
            with clock.standing_at(at + timedelta(minutes=minutes)):
                deliver_webhooks()
        assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"done"}
        got = receiver.got
    assert {each.id for each in got} == {event.public_id for event in wanted}
    assert all(each.verified(secret) for each in got)
    first_seen: dict[str, list[int]] = {}
    for each in got:
        seen = first_seen.setdefault(each.payload["data"]["object"]["id"], [])
        if each.payload["sequence"] not in seen:
            seen.append(each.payload["sequence"])
    assert first_seen == {f"x_{number}": [1, 2] for number in range(60)}
