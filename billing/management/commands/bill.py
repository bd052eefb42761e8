"""Billing what is due, from the command line."""

import json
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.db.models import Q

from billing.engine.errors import BillingError
from billing.engine.money import major_string
from billing.invoicing.batch import BillingRun, bill_due
from billing.management.progress import Progress
from customers.calendar import today_of
from customers.models import Customer, Seller


def due_customers(seller: Seller, as_of: date) -> int:
    """How many customers of a seller have something to bill by a day, what is parked aside."""
    subscriptions = Customer.objects.filter(
        seller=seller, subscriptions__next_bill_on__lte=as_of, subscriptions__parked_reason=""
    )
    one_offs = Customer.objects.filter(
        seller=seller, one_off_items__due_on__lte=as_of, one_off_items__line=None
    )
    return len(
        set(subscriptions.values_list("pk", flat=True)) | set(one_offs.values_list("pk", flat=True))
    )


@dataclass(slots=True)
class Summary:
    """What the runs of all sellers have come to."""

    runs: list[tuple[Seller, date, BillingRun]] = field(default_factory=list)
    totals_minor: Counter[str] = field(default_factory=Counter)
    done: int = 0
    """Customers whose batches have been committed."""

    def add(self, seller: Seller, as_of: date, run: BillingRun) -> None:
        self.runs.append((seller, as_of, run))
        for currency, minor in run.totals_minor.items():
            self.totals_minor[currency] += minor

    def as_json(self, seconds: float) -> dict[str, Any]:
        return {
            "invoices": sum(run.invoices for _, _, run in self.runs),
            "credit_notes": sum(run.credit_notes for _, _, run in self.runs),
            "totals": {
                currency: major_string(minor, currency)
                for currency, minor in sorted(self.totals_minor.items())
            },
            "parked": sum(run.parked for _, _, run in self.runs),
            "seconds": round(seconds, 3),
        }


class Command(BaseCommand):
    """``bill``: exit status 1 where a seller or date is wrong, or where the database went away."""

    help = (
        "Bill everything that is due: for each seller, in batches that each commit by themselves, "
        "until nothing is due. Periods that earlier runs missed are caught up. Running it again "
        "bills nothing twice, and any number of runs may go on beside each other. What cannot be "
        "billed is parked with its reason, for a person to look at; the rest goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--until",
            metavar="DATE",
            help="bill what is due by this day, such as 2026-03-31; documents carry its date "
            "(default: today in the seller's time zone; a later day for test sellers only)",
        )
        parser.add_argument(
            "--seller", metavar="SELLER", help="one seller only, by its public id or its name"
        )
        parser.add_argument(
            "--json", action="store_true", help="print the summary as JSON, and nothing else"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.perf_counter()
        until = _day(options["until"])
        summary = Summary()
        try:
            work = _work(_sellers(options["seller"]), until)
            total = sum(due_customers(seller, as_of) for seller, as_of in work)
            with Progress("Billing customers", total) as progress:
                _bill(work, summary, progress)
        except BillingError as refused:
            raise CommandError(
                f"{refused.message}\n{summary.done} customers of other sellers were billed before."
            ) from refused
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                f"The database failed: {str(error).splitlines()[0]}\n"
                f"{summary.done} customers had been dealt with and stay so; the batch in hand was "
                "rolled back. Run this again to bill the rest: nothing is billed twice."
            ) from error
        seconds = time.perf_counter() - started
        if options["json"]:
            self.stdout.write(json.dumps(summary.as_json(seconds)))
        else:
            self._write_table(summary, seconds)

    def _write_table(self, summary: Summary, seconds: float) -> None:
        self.stdout.write(
            f"{'Seller':<30} {'by':<10} {'invoices':>9} {'credit notes':>13} {'parked':>7}  total"
        )
        for seller, as_of, run in summary.runs:
            totals = ", ".join(
                f"{major_string(minor, currency)} {currency}"
                for currency, minor in sorted(run.totals_minor.items())
            )
            self.stdout.write(
                f"{str(seller)[:30]:<30} {as_of.isoformat():<10} {run.invoices:>9,} "
                f"{run.credit_notes:>13,} {run.parked:>7,}  {totals or '–'}"
            )
        self.stdout.write(f"{summary.done:,} customers in {seconds:.1f} s.")
        if any(run.parked for _, _, run in summary.runs):
            self.stdout.write("What is parked waits in the admin, under Parked subscriptions.")


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"--until {text} is not a day. Write year, month and day, such as 2026-03-31."
        ) from error


def _sellers(named: str | None) -> list[Seller]:
    sellers = Seller.objects.order_by("pk")
    if named is None:
        return list(sellers)
    found = list(sellers.filter(Q(public_id=named) | Q(name__iexact=named)))
    if not found:
        known = ", ".join(f"{seller.public_id} ({seller})" for seller in sellers[:5])
        raise CommandError(f"There is no seller {named}. Known: {known or 'none yet'}.")
    if len(found) > 1:
        ids = ", ".join(seller.public_id for seller in found)
        raise CommandError(f"Several sellers are called {named}. Name one by its id: {ids}.")
    return found


def _work(sellers: Sequence[Seller], until: date | None) -> list[tuple[Seller, date]]:
    """The day to bill each seller by. No legal series may see a day that is still to come."""
    work = []
    for seller in sellers:
        today = today_of(seller)
        if until is not None and until > today and seller.is_live:
            raise CommandError(
                f"{seller} is live and is not billed ahead: its documents would carry a date that "
                f"is still to come. It is {today} there; leave --until out, or name a test seller "
                "with --seller."
            )
        work.append((seller, until or today))
    return work


def _bill(work: Sequence[tuple[Seller, date]], summary: Summary, progress: Progress) -> None:
    def count(customers: int) -> None:
        summary.done += customers
        progress.advance(customers)

    for seller, as_of in work:
        summary.add(seller, as_of, bill_due(seller, as_of, actor="command", on_batch=count))
