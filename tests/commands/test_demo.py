import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.management.commands import demo
from billing.verification import broken_invariants
from customers.models import Customer, Seller
from tests.factories import CustomerFactory, SellerFactory, SubscriptionFactory


def _demo() -> str:
    out = StringIO()
    call_command("demo", no_serve=True, stdout=out)
    return out.getvalue()


def test_the_demo_imports_bills_and_collects_and_its_books_are_right(db: None) -> None:
    summary = _demo()
    invoices = Invoice.objects.filter(kind="invoice")
    paid = invoices.filter(status="paid").count()
    assert invoices.count() > 0
    assert paid / invoices.count() == pytest.approx(0.8, abs=0.05)
    assert re.search(rf"Customers +{Customer.objects.count():,}\n", summary)
    assert re.search(r"Collected +[\d.]+ [A-Z]{3}\n", summary)
    assert User.objects.get(username="demo").check_password(demo.PASSWORD)
    assert broken_invariants() == {}


def test_a_second_demo_changes_nothing(db: None) -> None:
    first, events = _demo(), Event.objects.count()
    assert _demo().splitlines()[-8:] == first.splitlines()[-8:]
    assert Event.objects.count() == events


def test_the_demo_leaves_other_sellers_alone(db: None) -> None:
    seller = SellerFactory(live=True, tax=[])
    SubscriptionFactory(customer=CustomerFactory(seller=seller))
    _demo()
    assert not seller.documents.exists()


def test_the_demo_does_not_take_a_live_seller_of_the_same_name_for_its_own(db: None) -> None:
    _demo()
    name = Seller.objects.get().name
    CustomerFactory(seller=SellerFactory(live=True, name=name))
    found = demo._find_seller()
    assert found is not None
    assert not found.is_live


def test_the_demo_does_not_run_in_production(db: None, settings: Any) -> None:
    settings.IN_PRODUCTION = True
    with pytest.raises(CommandError, match="does not run with KVITT_ENV=production"):
        _demo()


def test_the_demo_keeps_a_password_that_was_changed(db: None) -> None:
    User.objects.create_superuser("demo", password="another one")
    _demo()
    assert User.objects.get(username="demo").check_password("another one")
    assert demo._password() == "(the one that you have chosen)"


def test_the_web_server_takes_a_free_port_where_the_usual_one_is_taken() -> None:
    with socket.socket() as other:
        other.bind((demo.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(demo, "PORT", taken)
            assert demo._free_port(None) not in (0, taken)
        with pytest.raises(CommandError, match=f"Port {taken} of 127.0.0.1 is taken"):
            demo._free_port(taken)


@pytest.fixture
def served(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The whole demo as a stranger runs it, with an embedded database of its own."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    env |= {"KVITT_VAR": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "billing.settings"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo"],
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


def test_the_demo_serves_until_ctrl_c_and_then_stops_its_database(
    served: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert served.stdout is not None
    address = ""
    for line in served.stdout:
        if found := re.search(r"http://\S+", line):
            address = found[0]
        if "Ctrl-C" in line:
            break
    with urllib.request.urlopen(address, timeout=30) as page:  # noqa: S310 -- our own address.
        assert "Kvitt" in page.read().decode()
    os.killpg(served.pid, signal.SIGINT)
    assert served.wait(timeout=60) == 0
    data = (tmp_path / "var" / "pg" / "data").resolve()
    assert (data / "PG_VERSION").exists()
    assert not (data / "postmaster.pid").exists()
