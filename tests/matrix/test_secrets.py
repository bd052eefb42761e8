"""Secrets that are used at every door, and where they must not be found afterwards."""

import logging
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client

from billing.base import clock
from billing.base.redaction import Redacting
from billing.events.models import Event
from billing.events.recorder import deliver_due, fan_out
from billing.mail.outbox import send_due
from billing.subscriptions.models import Subscription
from customers.links import Purpose, make_link
from tests.matrix.asking import undone
from tests.matrix.world import World

pytestmark = pytest.mark.django_db

CARD = "4242424242424242"
PASSWORD = "canary-Kanariefågel-7"  # noqa: S105 -- of nobody.
WRONG = "canary-wrong-9"
HOOK = "canary-signature-5"


@pytest.fixture
def log() -> Iterator[StringIO]:
    """All that is logged from DEBUG up, as the console would have it."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Redacting("%(levelname)s %(name)s: %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def all_rows() -> Iterator[tuple[str, str]]:
    """Every row of every table as text: events, deliveries, the queue, messages, sessions."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
            for (row,) in cursor.fetchall():
                yield table, row


class Flows:
    """Everything that has a secret in it, done once; ``used`` are the secrets by name."""

    def __init__(self, house: World) -> None:
        self.house = house
        self.client = Client(raise_request_exception=False)
        self.used: dict[str, str] = {"card": CARD, "password": PASSWORD, "wrong": WRONG}

    def run(self) -> None:
        self.sign_in()
        self.use_links()
        self.use_keys()
        self.receive_hooks()
        # What the world made by hand has its deliveries.
        Event.objects.exclude(deliveries=None).update(is_fanned_out=True)
        while fan_out():
            pass
        while deliver_due():
            pass
        while send_due():
            pass

    def sign_in(self) -> None:
        user = User.objects.create_user("canary", password=PASSWORD, is_staff=True)
        for password in (WRONG, PASSWORD):
            form = {"login": user.username, "password": password}
            self.client.post("/accounts/login/", form)
        self.client.post("/accounts/login/", {"login": "nobody", "password": WRONG})

    def use_links(self) -> None:
        a, now = self.house.a, clock.now()
        subjects = {Purpose.PAY: a.invoice.public_id, Purpose.METHOD: a.invoice.public_id}
        subjects |= {Purpose.SUBSCRIPTION: a.subscription.public_id, Purpose.SIGN_IN: ""}
        paths = {
            Purpose.PAY: "/pay/i/{}/",
            Purpose.METHOD: "/pay/m/{}/",
            Purpose.SUBSCRIPTION: "/portal/s/{}/",
            Purpose.SIGN_IN: "/portal/enter/{}/",
        }
        strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
        for purpose, subject in subjects.items():
            token = make_link(a.customer, purpose, now=now, subject=subject)
            self.used[purpose] = token
            path = paths[purpose].format(token)
            self.client.get(path)
            strict.post(path)  # Refused, with its path in the log.
            self.client.put(path)
            self.client.get(f"{path}nothing/")
            self.client.post(path, {"card_number": CARD, "note": CARD})
            self.client.get(path)
        self.client.post("/portal/", {"email": a.customer.email})

    def use_keys(self) -> None:
        house = self.house
        self.used |= {f"key {name}": text for name, text in house.keys.items()}
        for text in house.keys.values():
            self.client.get("/api/v1/plans", headers={"Authorization": f"Bearer {text}"})
        self.client.get(f"/api/v1/plans?key={house.keys['key']}")
        made = self._post("webhook_endpoints", {"url": "https://93.184.216.34/x", "types": ["*"]})
        self.used["webhook secret"] = made["secret"]
        rotated = self._post(f"webhook_endpoints/{made['id']}/rotate_secret", {})
        self.used["rotated secret"] = rotated["secret"]
        order = self._post("checkout_sessions", {"plan": house.shop.named["plan"]})
        self.used["order"] = order["url"].rstrip("/").rpartition("/")[2]
        self.place(f"/pay/c/{self.used['order']}/")
        visit = self._post("portal_sessions", {"customer": house.shop.named["customer"]})
        self.used["portal link"] = visit["url"].rstrip("/").rpartition("/")[2]
        self._post("customers", {"name": "Åsa", "card_number": CARD})

    def place(self, path: str) -> None:
        """Order at a checkout: rows are made whose history tells of the request."""
        seen = re.search(r'name="seen" value="([^"]+)"', self.client.get(path).content.decode())
        assert seen
        details = {"name": "Åsa Öberg", "email": "asa@example.com", "address_line1": "Storgatan 1"}
        details |= {"postal_code": "411 36", "city": "Göteborg", "country": "SE", "consent": "on"}
        for _ in range(2):  # The sum is another once it is known who buys.
            answer = self.client.post(path, {"act": "order", "seen": seen[1], **details})
            again = re.search(r'name="seen" value="([^"]+)"', answer.content.decode())
            seen = again or seen
        assert Subscription.objects.filter(customer__email="asa@example.com").exists()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self.client.post(
            f"/api/v1/{path}",
            body,
            content_type="application/json",
            headers={
                "Authorization": f"Bearer {self.house.keys['key']}",
                "Idempotency-Key": f"canary-{path}-{len(body)}",
            },
        ).json()

    def receive_hooks(self) -> None:
        settings.SANDBOX_URL, settings.SANDBOX_KEY = "http://127.0.0.1:1", "canary-gateway-key-3"
        settings.SANDBOX_HOOK_SECRET = "canary-hook-secret-4"  # noqa: S105
        self.used |= {"gateway": settings.SANDBOX_KEY, "hook": settings.SANDBOX_HOOK_SECRET}
        self.used["signature"] = HOOK
        self.client.post(
            "/hooks/sandbox",
            {"id": "evt", "card_number": CARD},
            content_type="application/json",
            headers={"Sandbox-Signature": HOOK, "Authorization": f"Bearer {HOOK}"},
        )


@pytest.fixture
def sandbox_settings(settings: Any) -> None:
    """What the flows set is put back."""
    settings.SANDBOX_URL, settings.SANDBOX_KEY, settings.SANDBOX_HOOK_SECRET = "", "", ""


@pytest.mark.usefixtures("sandbox_settings")
def test_no_secret_is_found_in_the_log_or_in_any_table(house: World, log: StringIO) -> None:
    with undone():
        flows = Flows(house)
        flows.run()
        assert len(flows.used) >= 18
        assert all(len(secret) >= 12 for secret in flows.used.values())
        mailed = "".join(str(each.body) for each in mail.outbox)
        assert "/portal/enter/" in mailed
        flows.used["mailed link"] = re.findall(r"/portal/enter/([\w-]{20,})/", mailed)[-1]
        written = log.getvalue()
        assert "/pay/i/…/" in written  # There was something to redact.
        assert {name for name, secret in flows.used.items() if secret in written} == set()
        found = {
            (name, table)
            for table, row in all_rows()
            for name, secret in flows.used.items()
            if secret in row
        }
        assert found == set()
