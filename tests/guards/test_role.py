"""The role that owns nothing: Kvitt works with it, and whoever holds it can switch no guard off."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from billing.bench.company import make_seller
from billing.invoicing.models import Invoice
from billing.seals.sealing import seal_all

pytestmark = pytest.mark.django_db(transaction=True)
ROLES = Path(settings.BASE_DIR) / "deploy/roles.sql"
OWNER, APP = "kvitt_test_owner", "kvitt_test_app"

PAGES = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "billing.settings"
import django
django.setup()
from django.conf import settings
settings.STAFF_MFA = False
settings.ALLOWED_HOSTS = ["testserver"]
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
client = Client()
backend = "billing.staff.sign_in.StaffBackend"
client.force_login(User.objects.create_superuser("role"), backend=backend)
asked = ["/admin/", "/portal/", "/healthz", "/metrics"]
asked += [
    reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for model in admin.site._registry
]
for url in asked:
    assert client.get(url).status_code == 200, url
customer = {"name": "Made by role"}
from customers.actions import change_details
from customers.models import Customer
from datetime import date
change_details(Customer.objects.first(), as_of=date(2026, 1, 1), actor="test", city="Umeå")
print(len(asked))
"""


@pytest.fixture
def app_url() -> Iterator[str]:
    """The tests' database, as the role that owns nothing and that `roles.sql` makes reaches it."""
    roles = ROLES.read_text().replace("kvitt_owner", OWNER)
    roles = re.sub(r"\bkvitt\b", APP, roles)
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(roles)
    address, question, options = settings.DATABASE_URL.partition("?")
    host = urlsplit(address).netloc.rpartition("@")[2]
    name = connection.settings_dict["NAME"]
    yield f"postgres://{APP}@{host}/{name}{question}{options}"
    connection.close()
    with connection.cursor() as cursor:
        for role in (APP, OWNER):
            cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        cursor.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")


def run(app_url: str, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": app_url, "DJANGO_SETTINGS_MODULE": "billing.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_kvitt_ticks_and_shows_its_pages_as_who_owns_nothing(app_url: str) -> None:
    make_seller(5, name="Owned by another")
    run(app_url, "manage.py", "tick")
    assert Invoice.objects.count() >= 5
    assert int(run(app_url, "-c", PAGES)) > 30
    run(app_url, "manage.py", "tick")
    run(app_url, "manage.py", "verify_books")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ledger_transfer DISABLE TRIGGER USER",
        "SET session_replication_role = replica",
        "DROP TRIGGER {} ON invoicing_invoice",
        "TRUNCATE events_keptrow",
        "DROP TABLE seals_seal",
        "CREATE OR REPLACE FUNCTION kvitt_keep_objects() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'",
        "CREATE TABLE public.mine (id int)",
        "UPDATE seals_seal SET digest = ''",
        "DELETE FROM seals_seal",
    ],
)
def test_who_owns_nothing_can_switch_no_guard_off(app_url: str, statement: str) -> None:
    make_seller(1, name="Guarded")
    seal_all(is_settled=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'invoicing_invoice'::regclass"
        )
        trigger = cursor.fetchone()[0]
    with psycopg.connect(app_url) as mine, pytest.raises(psycopg.Error):
        mine.execute(statement.replace("{}", f'"{trigger}"'))
