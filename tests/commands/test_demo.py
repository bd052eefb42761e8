import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from billing.demo import processes, shop
from billing.engine.errors import BillingError
from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.payments.models import Payment
from billing.verification.books import broken_invariants
from customers.models import Seller
from tests.factories import CustomerFactory, SellerFactory, SubscriptionFactory

SMALL = {"customers": 12, "days": 45}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> None:
    """The sandbox of the demo remembers its cards here."""
    settings.VAR_DIR = tmp_path


def _demo() -> str:
    out = StringIO()
    call_command("demo", no_serve=True, stdout=out, **SMALL)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_demo_bills_charges_and_collects_and_its_books_are_right() -> None:
    summary = _demo()
    invoices = Invoice.objects.filter(kind="invoice")
    assert invoices.filter(status="paid").count() > 5
    assert Payment.objects.filter(gateway="sandbox", state="succeeded").exists()
    assert re.search(r"Customers +12\n", summary)
    assert re.search(r"Collected +[\d.,]+ SEK\n", summary)
    assert re.search(r"Books hold +\d+ invariants\n", summary)
    assert User.objects.get(username="demo").check_password(shop.PASSWORD)
    assert broken_invariants() == {}


@pytest.mark.django_db(transaction=True)
def test_a_second_demo_changes_nothing() -> None:
    first, events = _demo(), Event.objects.count()
    assert _demo().splitlines()[-12:-1] == first.splitlines()[-12:-1]
    assert Event.objects.count() == events


@pytest.mark.django_db(transaction=True)
def test_the_demo_leaves_other_sellers_alone() -> None:
    seller = SellerFactory(live=True, tax=[])
    SubscriptionFactory(customer=CustomerFactory(seller=seller))
    namesake = SellerFactory(
        live=True, name=shop.NAME, organisation_number=shop.ORGANISATION_NUMBER
    )
    _demo()
    assert not seller.documents.exists()
    assert not namesake.customers.exists()
    assert Seller.objects.filter(name=shop.NAME).count() == 2


def test_the_demo_does_not_run_in_production(db: None, settings: Any) -> None:
    settings.IN_PRODUCTION = True
    with pytest.raises(CommandError, match="does not run with KVITT_ENV=production"):
        _demo()


def test_a_shop_without_customers_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="needs a customer"):
        call_command("demo", no_serve=True, customers=0)


def test_the_web_server_takes_a_free_port_where_the_usual_one_is_taken() -> None:
    with socket.socket() as other:
        other.bind((processes.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert processes.free_port(None, taken) not in (0, taken)
        with pytest.raises(BillingError, match=f"Port {taken} of 127.0.0.1 is taken"):
            processes.free_port(taken, 0)


def test_a_process_that_ends_by_itself_is_told_of_and_the_others_end() -> None:
    with pytest.raises(processes.ProcessEnded, match="The clock ended"):
        with processes.processes() as children:
            children.start("bell", "-c", "import time; time.sleep(60)", env={})
            bell = children.running["bell"]
            children.start("clock", "-c", "pass", env={})
            children.watch()
    assert bell.returncode == -signal.SIGTERM


@pytest.fixture
def served(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The whole demo as a stranger runs it, with an embedded database of its own."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    env |= {"KVITT_VAR": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "billing.settings"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--customers=6", "--days=10"],
        cwd=settings.BASE_DIR,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)


def test_the_demo_lives_until_ctrl_c_and_then_stops_all_of_it(
    served: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert served.stdout is not None
    said = ""
    for line in served.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    (address,) = re.findall(r"(http://\S+)/demo/", said)
    assert "Dagbräck" in requests.get(f"{address}/demo/", timeout=30).text
    # The first tick comes at once: a worker is there.
    for _ in range(60):
        if requests.get(f"{address}/healthz", timeout=30).status_code == 200:
            break
    assert requests.get(f"{address}/healthz", timeout=30).status_code == 200
    os.killpg(served.pid, signal.SIGINT)
    assert served.wait(timeout=60) == 0
    data = (tmp_path / "var" / "pg" / "data").resolve()
    assert (data / "PG_VERSION").exists()
    assert not (data / "postmaster.pid").exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=5)
