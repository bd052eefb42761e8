from argparse import ArgumentParser
from datetime import UTC, datetime
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.engine.errors import BillingError
from billing.verification.reconciling import go_on, reconcile


class Command(BaseCommand):
    help = (
        "After a restore: compare payments, refunds and numbers with what the gateways know, take "
        "in what is missing and list what a person must decide. Run it as often as you like."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            type=datetime.fromisoformat,
            help="compare from this day or instant; by default two days before the backup",
        )
        parser.add_argument(
            "--go-on", action="store_true", help="let everything go on once both sides are compared"
        )
        parser.add_argument(
            "--nothing-lost",
            action="store_true",
            help="after a move in good order: no number is skipped, and mail goes on as always",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        since: datetime | None = options["since"]
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        try:
            found = reconcile(actor=getuser(), since=since, nothing_lost=options["nothing_lost"])
        except BillingError as error:
            raise CommandError(f"Nothing was let go. {error.message}") from error
        self.stdout.write(f"Compared {found.compared} charges and refunds with the gateways.")
        for title, sentences in (
            ("Taken in", found.taken_in),
            ("To decide by a person", found.undecided),
        ):
            self.stdout.write(f"{title}: {len(sentences)}")
            for sentence in sentences:
                self.stdout.write(f"  {sentence}")
        if not options["go_on"]:
            self.stdout.write("Run it with --go-on once what is to decide is decided or noted.")
            return
        try:
            ended = go_on(actor=getuser(), nothing_lost=options["nothing_lost"])
        except BillingError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{len(ended)} hold(s) released: everything goes on with the next tick.")
