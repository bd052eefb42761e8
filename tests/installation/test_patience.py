"""One row that is held does not hold all doors, and what is missing is said in a sentence."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client

from billing.base import clock
from billing.events.troubles import Watch
from billing.installation import patience
from billing.jobs.heart import beat
from customers.models import Customer
from tests.api.calling import Shop
from tests.api.conftest import open_seller
from tests.factories import CustomerFactory


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sessions that are opened now are those of the web, and hardly wait."""
    monkeypatch.setenv(patience.ROLE, "web")
    monkeypatch.setitem(settings.PATIENCE_S["web"], "lock_timeout", 1)
    connection.close()
    yield
    connection.close()


class Held:
    """A customer's row, held by another session."""

    def __init__(self, customer: Customer) -> None:
        self.customer, self.is_held, self.is_over = customer, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.hold)

    def hold(self) -> None:
        with transaction.atomic():
            Customer.objects.select_for_update().get(pk=self.customer.pk)
            self.is_held.set()
            self.is_over.wait(60)
        connection.close()

    def __enter__(self) -> None:
        self.thread.start()
        assert self.is_held.wait(60)

    def __exit__(self, *error: object) -> None:
        self.is_over.set()
        self.thread.join()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_held_is_a_503_and_the_key_may_be_used_at_once(impatient: None) -> None:
    shop = Shop(open_seller())
    customer = CustomerFactory(seller=shop.seller)
    path, body = f"customers/{customer.public_id}", {"name": "Åsa"}
    with Held(customer):
        refused = shop.patch(path, body)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
    assert shop.patch(path, body).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_not_given_is_the_trouble_of_one(impatient: None) -> None:
    customer = CustomerFactory()
    with Held(customer):
        with Watch("a step").over("one"), transaction.atomic():
            Customer.objects.select_for_update().get(pk=customer.pk)
        assert Watch("a step").waiting == ["one"]


@pytest.mark.django_db
def test_health_is_told_by_any_address(client: Client) -> None:
    beat(clock.now())
    assert client.get("/healthz", headers={"host": "10.1.2.3"}).status_code == 200


def test_a_database_without_tables_asks_for_migrate(
    tmp_path: Path, django_db_setup: None, django_db_blocker: pytest.FixtureRequest
) -> None:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS kvitt_bare")
            cursor.execute("CREATE DATABASE kvitt_bare")
        made = connection.get_connection_params()
    host = made.get("host", "")
    url = f"postgres://{made.get('user', '')}@/kvitt_bare?host={host}"
    ran = subprocess.run(
        [sys.executable, "manage.py", "tick"],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "billing.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "run `manage.py migrate`" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_python_without_django_is_told_what_to_run_instead() -> None:
    ran = subprocess.run(
        [sys.executable, "-S", "manage.py", "check"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert ".venv/bin/python manage.py" in ran.stderr
