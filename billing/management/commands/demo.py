"""A company to look at: imported, billed and paid, with the web server in front of it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.db.models import F, Min, Sum

from billing import postgres
from billing.engine.money import major_string
from billing.events import clock
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice, OneOffItem
from billing.management.progress import Progress
from billing.payments.actions import record_payment
from billing.subscriptions.mapping import read_mapping
from billing.subscriptions.models import Subscription
from customers.models import Seller

EXAMPLE = settings.BASE_DIR / "docs" / "examples" / "coffee.csv"
MAPPING = EXAMPLE.with_suffix(".yaml")
OPERATOR = "demo"
# Known to everybody, which is why the demo does not run in production.
PASSWORD = "kvitt-demo"  # noqa: S105
HOST, PORT = "127.0.0.1", 8000
# Of five invoices one stays unpaid: about 80 % are paid, and always the same ones.
UNPAID_EVERY = 5
SECONDS_TO_START = 30


class Command(BaseCommand):
    """``demo``: ends with the web server, on Ctrl-C; what it started stops with it."""

    help = (
        "Show Kvitt with a small company of its own: the example customers are imported and billed "
        "until today, most of their invoices paid, and the web server started. A second run starts "
        "in seconds and changes nothing. The company is a test seller, so nothing else in the "
        "database is touched. Does not run with KVITT_ENV=production."
    )
    # The tables that system checks ask about are made here.
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--no-serve", action="store_true", help="end after the summary, without web server"
        )
        parser.add_argument(
            "--port",
            type=int,
            help=f"of the web server (default: {PORT}, or a free one where that is taken)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.IN_PRODUCTION:
            raise CommandError(
                "The demo signs in with a password that everybody knows: it does not run with "
                "KVITT_ENV=production."
            )
        with contextlib.suppress(KeyboardInterrupt), _stopping_what_was_started():
            seller = self._prepare()
            self._summarize(seller)
            if not options["no_serve"]:
                self._serve(options["port"])

    def _prepare(self) -> Seller:
        """Database, rates, customers, bills and payments: each only as far as it is missing."""
        call_command("migrate", verbosity=0, interactive=False)
        if "load_vat_rates" in get_commands():
            call_command("load_vat_rates", stdout=_Quiet())
        seller = _find_seller()
        if seller is None:
            self.stdout.write(f"Importing {EXAMPLE.name} …")
            call_command(
                "import_subscriptions", str(EXAMPLE), mapping=str(MAPPING), stdout=_Quiet()
            )
            seller = _find_seller()
        if seller is None:
            raise CommandError(f"{MAPPING.name} names a seller that the import did not make.")
        _bill_day_by_day(seller)
        _pay_most(seller)
        if not User.objects.filter(username=OPERATOR).exists():
            User.objects.create_superuser(OPERATOR, f"{OPERATOR}@example.com", PASSWORD)
        return seller

    def _summarize(self, seller: Seller) -> None:
        invoices = Invoice.objects.filter(seller=seller, kind=Invoice.Kind.INVOICE)
        counted = invoices.exclude(status=Invoice.Status.VOID)
        rows = [
            ("Customers", f"{seller.customers.count():,}"),
            ("Subscriptions", f"{seller.subscriptions.exclude(status='ended').count():,}"),
            ("Parked", f"{seller.subscriptions.exclude(parked_reason='').count():,}"),
            ("Invoices", f"{invoices.count():,}"),
        ]
        sums = counted.values("currency").annotate(
            net=Sum("net_minor"), due=Sum("amount_due_minor"), paid=Sum("paid_minor")
        )
        unpaid = dict(
            counted.filter(status=Invoice.Status.OPEN)
            .values_list("currency")
            .annotate(left=Sum(F("amount_due_minor") - F("paid_minor") - F("credited_minor")))
        )
        for row in sums.order_by("currency"):
            currency = row["currency"]
            for name, minor in (
                ("Revenue, net", row["net"]),
                ("Collected", row["paid"]),
                ("Open", unpaid.get(currency, 0)),
            ):
                rows.append((name, f"{major_string(minor, currency)} {currency}"))
        self.stdout.write(f"\n{seller}")
        for name, value in rows:
            self.stdout.write(f"  {name:<14} {value:>20}")

    def _serve(self, wished: int | None) -> None:
        """Run the web server until it ends or is interrupted."""
        port = _free_port(wished)
        # Forked or not, nobody else may use the connection that this process has open.
        connections.close_all()
        server = subprocess.Popen(  # noqa: S603 -- our own interpreter and words, and no shell.
            [sys.executable, "-m", "gunicorn", "billing.wsgi", "--bind", f"{HOST}:{port}"]
            + ["--workers", "2", "--log-level", "warning"],
            cwd=settings.BASE_DIR,
            # Visitors sign in with the password alone.
            env=os.environ | {"KVITT_STAFF_MFA": "off"},
        )
        try:
            _wait_until_it_answers(server, port)
            self.stdout.write(
                f"\nKvitt is at http://{HOST}:{port}/admin/\n"
                f"  Sign in as {OPERATOR}, password {_password()}\n"
                "  Stop with Ctrl-C."
            )
            self.stdout.flush()
            if server.wait():
                raise CommandError("The web server ended by itself; its last words are above.")
        finally:
            server.terminate()
            server.wait()


class _Quiet:
    """Takes a command's words and keeps them to itself; errors are raised and still seen."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def _find_seller() -> Seller | None:
    """The seller of the example, once it has been imported: a test seller with customers."""
    name = read_mapping(MAPPING).seller.name
    return Seller.objects.filter(name=name, is_live=False, customers__isnull=False).first()


def _bill_day_by_day(seller: Seller) -> None:
    """Bill each day on which something was due, as it would have been if Kvitt had run then."""
    today = clock.today(seller.time_zone)
    day = _first_due(seller, after=None)
    if day is None or day > today:
        return
    with Progress("Billing by day", (today - day).days + 1) as progress:
        while day is not None and day <= today:
            bill_due(seller, day, actor="demo")
            following = _first_due(seller, after=day)
            progress.advance((min(following or date.max, today + timedelta(days=1)) - day).days)
            day = following


def _first_due(seller: Seller, after: date | None) -> date | None:
    """The first day after one on which something is due; what is parked is passed over."""
    subscriptions = Subscription.objects.filter(seller=seller, parked_reason="")
    one_offs = OneOffItem.objects.filter(seller=seller, line=None)
    if after is not None:
        subscriptions = subscriptions.filter(next_bill_on__gt=after)
        one_offs = one_offs.filter(due_on__gt=after)
    days = [
        subscriptions.aggregate(day=Min("next_bill_on"))["day"],
        one_offs.aggregate(day=Min("due_on"))["day"],
    ]
    return min((day for day in days if day is not None), default=None)


def _pay_most(seller: Seller) -> None:
    """Pay four of five invoices some days after their issue, and never later than today."""
    today = clock.today(seller.time_zone)
    unpaid = [
        invoice
        for invoice in Invoice.objects.filter(
            seller=seller, kind=Invoice.Kind.INVOICE, status=Invoice.Status.OPEN
        ).order_by("pk")
        if (invoice.sequence or 0) % UNPAID_EVERY
    ]
    with Progress("Recording payments", len(unpaid)) as progress:
        for invoice in unpaid:
            days = (invoice.sequence or 0) % 13
            record_payment(
                invoice,
                as_of=min(today, invoice.issued_on + timedelta(days=days)),
                actor="demo",
                reference=f"demo-{invoice.public_id}",
            )
            progress.advance()


def _password() -> str:
    """What to sign in with, unless somebody has chosen another password since."""
    with contextlib.suppress(User.DoesNotExist):
        if User.objects.get(username=OPERATOR).check_password(PASSWORD):
            return PASSWORD
    return "(the one that you have chosen)"


def _free_port(wished: int | None) -> int:
    """The port asked for, the usual one, or where that is taken any that is free."""
    for port in (wished,) if wished else (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise CommandError(f"Port {wished} of {HOST} is taken or not allowed. Choose another.")


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.1)
    raise CommandError("The web server did not start; its last words are above.")


@contextlib.contextmanager
def _stopping_what_was_started() -> Iterator[None]:
    """Stop the embedded PostgreSQL at the end if this process started it; also on SIGTERM."""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
        if settings.VAR_DIR in postgres.started_here:
            connections.close_all()
            postgres.stop(settings.VAR_DIR)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
