import json
import time
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.base.csvfile import Unreadable
from billing.engine.bounds import FIRST_DAY, LAST_DAY
from billing.management.progress import Progress
from billing.subscriptions.importing.entries import Imported
from billing.subscriptions.importing.mapping import read_mapping
from billing.subscriptions.importing.run import import_subscriptions
from customers.calendar import today_of


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is not a day. Write it as YYYY-MM-DD.") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ArgumentTypeError(f"{text} is too far from today to be right.")
    return day


class Command(BaseCommand):
    help = """Import a company's customers and their subscriptions from a CSV file.

MAP is a small YAML file that says which column is what, and whose customers they are: see
docs/importing.md, and docs/examples for two that work. Seller, products, plans and prices are made
where they are missing. Days before --billed-until are taken as billed by the system that the
customers come from; the next `bill` goes on from there.

Every row is checked first; each bad one is told as file:row:column: reason, and then nothing is
imported, unless --skip-bad leaves out the bad ones. Rows whose id is there already are left as they
are, so it can be run twice.

Exit status: 0 imported, 1 rows were wrong, 2 the file or the mapping could not be read."""

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the CSV file, in UTF-8")
        parser.add_argument(
            "--mapping", type=Path, required=True, metavar="MAP", help="the YAML file"
        )
        parser.add_argument("--skip-bad", action="store_true", help="import the good rows alone")
        parser.add_argument("--dry-run", action="store_true", help="check and tell; keep nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")
        parser.add_argument(
            "--billed-until",
            type=_day,
            metavar="DATE",
            help="the first day that is to be billed here (default: the import day)",
        )
        parser.add_argument(
            "--as-of",
            type=_day,
            metavar="DATE",
            help="the import day (default: today, where the seller is)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started, status, file = time.monotonic(), 0, Path(options["file"])
        try:
            imported = self._import(file, options)
            told = [problem.told(file.name) for problem in imported.problems]
        except Unreadable as error:
            imported = Imported(problems=list(error.problems), is_stopped=True)
            told, status = error.message.splitlines(), 2
        seconds = round(time.monotonic() - started, 3)
        if options["json"]:
            self.stdout.write(_as_json(imported, seconds))
        elif not imported.is_stopped:
            self._print(imported, seconds, is_dry_run=options["dry_run"])
        if imported.is_stopped:
            last = f"Nothing was imported from {file.name}."
            if not status:
                last += " Correct the rows, or leave them out with --skip-bad."
            raise CommandError("\n".join([*told, last]), returncode=status or 1)
        if told:
            self.stderr.write("\n".join([*told, f"{imported.skipped} rows were left out."]))

    def _import(self, file: Path, options: dict[str, Any]) -> Imported:
        mapping = read_mapping(Path(options["mapping"]))
        as_of = options["as_of"] or today_of(mapping.seller)
        with ExitStack() as stack:
            bars: list[Progress] = []

            def on_rows(done: int, total: int) -> None:
                if not bars:  # Only now is it known how many rows there are to write.
                    bars.append(stack.enter_context(Progress("Importing", total)))
                bars[0].advance(done)

            return import_subscriptions(
                file,
                mapping,
                as_of=as_of,
                actor="command",
                billed_until=options["billed_until"],
                skips_bad=options["skip_bad"],
                is_dry_run=options["dry_run"],
                on_rows=on_rows,
            )

    def _print(self, imported: Imported, seconds: float, *, is_dry_run: bool) -> None:
        verb = "Would import" if is_dry_run else "Imported"
        self.stdout.write(
            f"{verb} {imported.customers} customers and {imported.subscriptions} subscriptions "
            f"({imported.active} active, {imported.ended} ended) in {seconds:.1f} s."
        )
        if imported.already_there:
            self.stdout.write(f"{imported.already_there} were already there and stay as they are.")


def _as_json(imported: Imported, seconds: float) -> str:
    counts = ("customers", "subscriptions", "active", "ended", "skipped", "already_there")
    answer = {name: getattr(imported, name) for name in counts}
    errors = [problem.as_json() for problem in imported.problems]
    return json.dumps(answer | {"errors": errors, "seconds": seconds}, ensure_ascii=False, indent=2)
