"""A company to look at: a year of its life, and then its life as it goes on."""

import contextlib
import os
import signal
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from billing.base import clock
from billing.demo.figures import Figures, figures_of
from billing.demo.kiosk import open_kiosk
from billing.demo.processes import (
    HOST,
    WEB_PORT,
    DemoRegister,
    DemoSandbox,
    Processes,
    free_port,
    in_settings,
    processes,
)
from billing.demo.shop import OPERATOR, VISITORS_NUMBERS, hire_staff, open_shop, password_of
from billing.demo.story import CUSTOMERS, DAYS_OF_A_YEAR, numbers_of, tell
from billing.demo.till import SandboxTill
from billing.demo.year import days_to_play, play
from billing.engine.errors import BillingError
from billing.engine.money import to_major
from billing.installation import postgres
from billing.management.progress import Progress
from billing.verification.books import INVARIANTS, broken_invariants
from customers.models import Seller

SANDBOX_DATABASE = "demo-sandbox.sqlite3"


class Command(BaseCommand):
    """``demo``: ends on Ctrl-C; what it started stops with it."""

    help = (
        "Show Kvitt with a shop of its own: coffee and a magazine, 300 customers in Sweden and the "
        "EU. Its last twelve months are billed, charged and paid day by day, which takes a few "
        "minutes, once; then the web server, the worker and a sandbox for cards are started, and "
        "the shop goes on living. A second run plays the days since. The shop is a test seller, so "
        "nothing else in the database is touched. Does not run with KVITT_ENV=production."
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
            help=f"of the web server (default: {WEB_PORT}, or a free one where that is taken)",
        )
        parser.add_argument(
            "--customers", type=int, default=CUSTOMERS, help="of a new shop (default: %(default)s)"
        )
        parser.add_argument(
            "--days", type=int, default=DAYS_OF_A_YEAR, help="of a new shop (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.IN_PRODUCTION:
            raise CommandError(
                "The demo signs in with a password that everybody knows: it does not run with "
                "KVITT_ENV=production."
            )
        if options["customers"] < 1 or options["days"] < 2:
            raise CommandError("A shop needs a customer and two days at least.")
        with contextlib.suppress(KeyboardInterrupt), _stopping_what_was_started():
            try:
                sandbox, register = self._prepare(options["customers"], options["days"])
                if not options["no_serve"]:
                    self._serve(sandbox, register, free_port(options["port"], WEB_PORT))
            except BillingError as error:
                raise CommandError(error.message) from error

    def _prepare(self, customers: int, days: int) -> tuple[DemoSandbox, DemoRegister]:
        """Database, rates, shop and year as far as they are missing; what the shop speaks to."""
        began = time.monotonic()
        call_command("migrate", verbosity=0, interactive=False)
        call_command("load_vat_rates", stdout=_Quiet())
        seller = open_shop()
        open_kiosk()
        hire_staff()
        today = clock.today(seller.time_zone)
        story = tell(customers, days)
        # Its port is chosen when it is about to be taken, for another demo may be starting too.
        sandbox = DemoSandbox(settings.VAR_DIR / SANDBOX_DATABASE)
        register = DemoRegister(VISITORS_NUMBERS | numbers_of(story))
        with processes() as children, in_settings(sandbox.env | register.env):
            sandbox.start(children)
            register.start(children)
            missing = days_to_play(seller, story, today)
            if missing > 1:
                self.stdout.write(f"{seller} lives through {missing} days …")
            with Progress("Playing by day", missing) as progress:
                play(
                    seller,
                    story,
                    today,
                    SandboxTill(sandbox.client),
                    on_day=lambda _: progress.advance(),
                )
        self._summarize(seller, today, time.monotonic() - began)
        return sandbox, register

    def _summarize(self, seller: Seller, today: date, seconds: float) -> None:
        broken = broken_invariants()
        books = f"{len(broken)} invariants broken" if broken else f"{len(INVARIANTS)} invariants"
        self.stdout.write(f"\n{seller}")
        for name, value in (*_rows(figures_of(seller, today)), ("Books hold", books)):
            self.stdout.write(f"  {name:<26} {value:>20}")
        self.stdout.write(f"  {'Seconds':<26} {seconds:>20.0f}")
        if broken:
            raise CommandError(f"The books are wrong: {', '.join(broken)}.")

    def _serve(self, sandbox: DemoSandbox, register: DemoRegister, port: int) -> None:
        """Run web server, worker, sandbox and register until one ends or all are interrupted."""
        # Forked or not, nobody else may use the connection that this process has open.
        connections.close_all()
        address = f"http://{HOST}:{port}"
        # Visitors sign in with the password alone.
        env = sandbox.env | register.env | {"KVITT_DEMO": "on", "KVITT_STAFF_MFA": "off"}
        # Whoever tries webhooks has their receiver on this machine.
        env["KVITT_WEBHOOK_ALLOWED_HOSTS"] = "127.0.0.1,localhost"
        env["KVITT_PUBLIC_URL"] = address
        env["KVITT_LOG_LEVEL"] = os.environ.get("KVITT_LOG_LEVEL", "WARNING")
        with processes() as children:
            sandbox.start(children, f"{address}/hooks/sandbox")
            register.start(children)
            _start_web(children, port, env)
            children.wait_for("web server", f"{address}/demo/")
            children.start("worker", "manage.py", "work", env=env)
            password = password_of(OPERATOR) or "(the one that you have chosen)"
            self.stdout.write(
                f"\nWhat there is to see: {address}/demo/\n"
                f"The operator's desk:  {address}/admin/\n"
                f"  Sign in as {OPERATOR}, password {password}\n"
                "  Stop with Ctrl-C."
            )
            self.stdout.flush()
            children.watch()


class _Quiet:
    """Takes a command's words and keeps them to itself; errors are raised and still seen."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def _start_web(children: Processes, port: int, env: dict[str, str]) -> None:
    command = ["-m", "gunicorn", "billing.wsgi", "--bind", f"{HOST}:{port}"]
    children.start("web server", *command, "--workers", "2", "--log-level", "warning", env=env)


def _rows(figures: Figures) -> Iterator[tuple[str, str]]:
    """The summary: names and values."""
    yield "Customers", f"{figures.customers:,}"
    yield "Subscriptions", f"{figures.subscriptions:,}"
    yield "Parked", f"{figures.parked:,}"
    yield "Invoices", f"{figures.invoices:,}"
    yield "Credit notes", f"{figures.credit_notes:,}"
    for name, field in (
        ("Revenue, net", "revenue_minor"),
        ("Collected", "collected_minor"),
        ("Overdue", "overdue_minor"),
        (f"MRR on {figures.mrr_first_on}", "mrr_first_minor"),
        (f"MRR on {figures.on}", "mrr_last_minor"),
    ):
        for sums in figures.sums:
            yield name, f"{to_major(getattr(sums, field), sums.currency):,} {sums.currency}"


@contextlib.contextmanager
def _stopping_what_was_started() -> Iterator[None]:
    """Stop the embedded PostgreSQL at the end if this process started it.

    Also on SIGTERM, and on Ctrl-C where a shell has had it ignored, as for what runs behind it.
    """
    ends = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, _interrupt) for number in ends}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if settings.VAR_DIR in postgres.started_here:
            connections.close_all()
            postgres.stop(settings.VAR_DIR)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
