"""A whole house in real processes that bills, charges and mails, and then is set back.

Its database is a cluster of its own, in a folder that can be copied; the gateway and the mail
provider stand outside it and remember all that has reached them.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from billing.installation import postgres
from tests.mail.server import Provider
from tests.sandbox.process import RunningSandbox

ROOT = Path(__file__).parents[2]
CUSTOMERS, DATABASE = 3, "kvitt"
BETWEEN = "\x1e"
# Runs commands in one process; "customers" is a test seller with so many more of them, who have
# cards and whose first bill is due.
DRIVER = f"""
import sys
import django
django.setup()
from django.core.management import CommandError, call_command

def customers():
    from billing.demo.test_shop import open_test_shop
    from billing.payments.gateways import registry
    from billing.payments.sessions import customer_at
    from billing.payments.methods import keep_method
    from billing.subscriptions.actions import start
    from catalog.models import Plan
    from customers.actions import add_customer
    from customers.calendar import today_of
    from customers.models import Seller
    seller = Seller.objects.first() or open_test_shop("Restored")
    today, first = today_of(seller), seller.customers.count()
    [gateway] = registry.accounts()
    for n in range(first, first + {CUSTOMERS}):
        customer = add_customer(seller, as_of=today, actor="drill", name=f"Customer {{n}}",
                                email=f"c{{n}}@drill.example", collection="automatic")
        card = gateway.leave_card(f"card-{{n}}", customer=customer_at(gateway, customer),
                                  number="4242424242424242")
        keep_method(customer, gateway="sandbox", gateway_id=card, as_of=today, actor="drill")
        start(customer, Plan.objects.order_by("code")[n % 2], as_of=today, actor="drill")

for line in sys.argv[1:]:
    print("{BETWEEN}", end="")
    try:
        customers() if line == "customers" else call_command(*line.split())
    except CommandError as refused:
        print("CommandError", refused)
    except SystemExit as ended:
        print("SystemExit", ended.code)
"""


@dataclass
class House:
    """Kvitt's own commands over one folder; ``cluster`` is the folder of its database."""

    var: Path
    cluster: Path
    sandbox: RunningSandbox
    provider: Provider

    @property
    def url(self) -> str:
        """The database's address; its server is started where it does not run."""
        return postgres.ensure_running(self.cluster).replace("/postgres?", f"/{DATABASE}?")

    def stop(self) -> None:
        postgres.stop(self.cluster)

    def manage(self, *lines: str) -> list[str]:
        """What each of some commands says, run one after another in a process of their own.

        A refusal is what a command says, with its word; anything else that goes wrong fails.
        """
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, *lines],
            cwd=ROOT,
            env=self._env(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split(BETWEEN)[1:]

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        return ask(self.url, query)

    def make_database(self) -> None:
        """An empty one, in the place of what there is."""
        server = postgres.ensure_running(self.cluster)
        ask(server, f"DROP DATABASE IF EXISTS {DATABASE}")
        ask(server, f"CREATE DATABASE {DATABASE}")

    def program(self, name: str, *words: str) -> None:
        """Run one of PostgreSQL's own programs."""
        binaries = postgres._binaries(postgres._account(data_of(self.cluster)))
        done = postgres._run([binaries / name, *words], None)
        assert done.returncode == 0, done.stderr

    def charges(self) -> list[dict[str, Any]]:
        """All that the gateway has taken, as it remembers it."""
        every = self.sandbox.get("/charges", since="2020-01-01T00:00:00Z").json()["data"]
        return [made for made in every if made["status"] == "succeeded"]

    def mails(self) -> Counter[tuple[str, str]]:
        """How often each recipient was sent each subject."""
        letters = self.provider.mails
        return Counter((str(letter["To"]), str(letter["Subject"])) for letter in letters)

    def _env(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("KVITT_")}
        return env | {
            "DJANGO_SETTINGS_MODULE": "billing.settings",
            "DATABASE_URL": self.url,
            "KVITT_VAR": str(self.var),
            "KVITT_SANDBOX_URL": self.sandbox.url,
            "KVITT_SANDBOX_KEY": self.sandbox.key,
            "KVITT_SANDBOX_HOOK_SECRET": self.sandbox.hook_secret,
            "KVITT_EMAIL_URL": f"smtp://127.0.0.1:{self.provider.port}",
            "KVITT_EMAIL_FROM": "billing@drill.example",
            "KVITT_VIES_URL": "",
            "KVITT_LOG_LEVEL": "CRITICAL",
        }


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def data_of(cluster: Path) -> Path:
    return (cluster / "pg" / "data").resolve()


def copy_cluster(cluster: Path, to: Path) -> None:
    """The files of a cluster that is stopped, with their owners, as a copy of the disk has them."""
    shutil.rmtree(to / "pg" / "data", ignore_errors=True)
    to.joinpath("pg").mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", str(data_of(cluster)), str(to / "pg" / "data")], check=True)


def follow(primary: House, standby: Path) -> None:
    """Make a cluster that follows another, and have it come as far."""
    data = standby / "pg" / "data"
    data.parent.mkdir(parents=True)
    [(at,)] = primary.sql("SELECT pg_current_wal_lsn()")
    sockets = str(postgres._sockets_of(primary.cluster / "pg"))
    words = ["-h", sockets, "-U", "billing", "-D", str(data), "-R", "-X", "stream", "-c", "fast"]
    primary.program("pg_basebackup", *words)
    if account := postgres._account(data_of(primary.cluster)):
        for path in (data, *data.rglob("*")):
            os.lchown(path, *account)
    server = postgres.ensure_running(standby)
    while ask(server, f"SELECT pg_last_wal_replay_lsn() < '{at}'") != [(False,)]:
        pass
