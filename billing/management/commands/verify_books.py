"""Checking that the books are what the documents say."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.verification.books import INVARIANTS, broken_invariants, inventory

SHOWN_MAX = 20


class Command(BaseCommand):
    """``verify_books``: exit status 1 where an invariant is broken."""

    help = (
        "Check that the books are right: numbers without gap, documents that add up, accounts that "
        "agree with invoices, payments and balances, no day billed twice, every document with its "
        "event. It reads only, and may run while others bill. Exit status 1 and a line for each "
        "thing that is wrong; run it nightly and after a restore."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help="print JSON and nothing else: ok, broken (every sentence, by invariant), counts "
            "and seconds",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.perf_counter()
        broken, counts = broken_invariants(), inventory()
        seconds = round(time.perf_counter() - started, 3)
        if options["json"]:
            answer = {"ok": not broken, "broken": broken, "counts": counts, "seconds": seconds}
            self.stdout.write(json.dumps(answer))
        else:
            self._write(broken, counts, seconds)
        if broken:
            raise CommandError(f"{len(broken)} of {len(INVARIANTS)} invariants are broken.")

    def _write(self, broken: dict[str, list[str]], counts: dict[str, int], seconds: float) -> None:
        for name, sentences in broken.items():
            for sentence in sentences[:SHOWN_MAX]:
                self.stdout.write(f"{name}: {sentence}")
            if len(sentences) > SHOWN_MAX:
                self.stdout.write(f"{name}: and {len(sentences) - SHOWN_MAX:,} more.")
        self.stdout.write(
            "Checked {customers:,} customers, {documents:,} documents, {transfers:,} transfers, "
            "{payments:,} payments and {events:,} events in {seconds:.1f} s.".format(
                **counts, seconds=seconds
            )
        )
        self.stdout.write(
            "Events: {waiting_events:,} wait for their fan-out, {pending_deliveries:,} deliveries "
            "are pending, {dead_deliveries:,} dead.".format(**counts)
        )
        if not broken:
            self.stdout.write(f"All {len(INVARIANTS)} invariants hold.")
