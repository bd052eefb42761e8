"""``manage.py bench``: how fast bills are made, beside what the database can do."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils.module_loading import import_string

DESCRIPTION = """
renewals: measure how many renewals a second are billed, beside the most that the same PostgreSQL
can do with plain rows. bases: measure what a renewal takes in other kinds of base. pdf: measure how
fast documents are printed, beside WeasyPrint as it comes. dunning: measure how fast overdue
invoices are stepped, beside plain rows. api: measure how fast the API answers, beside bare DRF
views. million: bill a large base month by month until a million documents stand, and measure what
its size makes of every part. Works in a database of its own, kvitt_bench, which it makes and drops;
needs the right to create databases. Nothing of yours is read or written.
"""
EPILOGUE = """
share              renewals_per_s of limit_per_s, the median of the rounds
renewals_per_s     renewals billed by one process: two items, one metered, tax, books, payment
limit_per_s        ten rows a renewal, inserted into plain tables by the database itself
rows_per_renewal   rows that Kvitt inserts or updates for a renewal
queries_per_batch  statements sent for a batch, whatever its size
peak_mb            the most memory that the billing process had
two_workers_per_s  the same by two processes at once, with --workers 2
two_workers_ratio  two_workers_per_s of renewals_per_s

Of bases, the time in ratio to that of a plain base:
aged               subscriptions billed monthly for ten years
parked             one subscription in a hundred contradicts itself and is parked
idle               ten times as many subscriptions beside them that are not due

Of pdf, the median of the rounds:
ratio              pages_per_s of default_per_s
pages_per_s        pages printed, through the process that prints
default_per_s      the same page by HTML(string=…).write_pdf(), its fonts kept from page to page
in_process_per_s   as ours, without a process of its own
peak_mb            the most memory that the printing process had

Of dunning, each overdue invoice taken through one step of each kind:
share              steps_per_s of limit_per_s, the median of the turns
steps_per_s        steps of all kinds by one process, and of each kind its own rate
limit_per_s        three rows a step, written into plain tables by the database itself
queries_per_batch  statements sent for a batch of 500, of the kind that takes the most

Of api, requests a second of one worker, the median of the rounds; each beside a bare view of DRF
over one model on the same server:
one_share          one_per_s of bare_one_per_s: a customer
list_share         list_per_s of bare_list_per_s: twenty customers
start_share        start_per_s of bare_create_per_s, which writes a row: a subscription with its
                   first invoice, tax, books, payment and events
start_share_of_read  the same of bare_one_per_s

Of million, each time that of the slowest page of its kind:
import_ratio       rows a second of the whole base, of those of one sample in fourteen
renewals_ratio     renewals a second in the last month, of those in the first
lists_ms …         lists, their sorting, single rows, the front page, the portal's pages
searches_ms        a search in a list, and ctrl_k_ms over all of them
verify_s           verify_books, and recognize_s a run that posts revenue
deliveries_per_s   events told to who subscribes, and mails_made_per_s those written of them
peak_mb            the most memory that a billing process had
too_slow           pages over 100 ms, and searches over 200 ms: how many, and the slowest
"""
# What measures, and how many it takes unless told. By name: what bills would otherwise be measured
# with what prints and what serves in its memory.
BENCHES = {
    "renewals": ("billing.bench.renewals.measure_renewals", 20_000),
    "bases": ("billing.bench.renewals.measure_bases", 1_000),
    "pdf": ("billing.bench.pages.measure_pages", 100),
    "dunning": ("billing.bench.dunning.measure_dunning", 10_000),
    "api": ("billing.bench.api.measure_api", 1_400),
    "million": ("billing.bench.million.measure_million", 870_000),
}


class Command(BaseCommand):
    help = DESCRIPTION

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=EPILOGUE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("what", choices=[*BENCHES], help="What to measure.")
        parser.add_argument(
            "-n",
            type=int,
            metavar="COUNT",
            help="How many are due, printed, stepped or asked for (default: "
            + ", ".join(f"{name} {usual}" for name, (_, usual) in BENCHES.items())
            + ").",
        )
        parser.add_argument(
            "--workers", type=int, default=1, choices=[1, 2], help="Also two processes at once."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the figures; steps go to standard error."""
        what, count = options["what"], options["n"]
        measure, usual = BENCHES[what]
        if count is None:
            count = usual
        if count < 1:
            raise CommandError("-n must be at least 1.")
        given = {"workers": options["workers"]} if what == "renewals" else {}
        try:
            figures = asdict(import_string(measure)(count, on_step=self.stderr.write, **given))
        except Error as error:
            raise CommandError(f"The database refused: {error}") from error
        found = {name: value for name, value in figures.items() if value is not None}
        self.stdout.write(json.dumps(found) if options["json"] else _table(found))


def _table(figures: dict[str, float | str]) -> str:
    return "\n".join(
        f"{name:20} {value if isinstance(value, str) else format(value, ','):>10}"
        for name, value in figures.items()
    )
