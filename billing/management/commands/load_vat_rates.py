import json
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.base.csvfile import Unreadable
from billing.invoicing.parking import free_for_rate
from billing.tax.loading import COLUMNS, DEFAULT_FILE, Loaded, load_rates


class Command(BaseCommand):
    help = f"""Bring a CSV file of VAT rates into the rate table.

The file's columns are
  {",".join(COLUMNS)}
where valid_to is the last day (empty: until further notice). Every row is checked first; each bad
one is told as file:row:column: reason, and then nothing is loaded. A second run changes nothing.
Rates that the file does not name stay, and so does your choice of default among reduced rates.

Without FILE: the rates that come with Kvitt (billing/tax/data, with their sources).
Exit status: 0 loaded, 1 rows were wrong, 2 the file could not be read."""

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, default=DEFAULT_FILE, metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="check and tell; change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        try:
            loaded, status = load_rates(file, is_dry_run=options["dry_run"]), 0
        except Unreadable as error:
            loaded, status = Loaded(problems=list(error.problems)), 2
        if loaded.problems:
            status = status or 1
        moved = set() if options["dry_run"] else loaded.moved
        freed = sum(free_for_rate(*each, actor="command") for each in sorted(moved))
        if options["json"]:
            self._print_json(loaded)
        else:
            self._print(loaded)
        if freed and not options["json"]:
            self.stdout.write(f"No longer parked, and billed by the next run: {freed}.")
        if status:
            told = [problem.told(file.name) for problem in loaded.problems]
            raise CommandError("\n".join([*told, "Nothing was loaded."]), returncode=status)

    def _print_json(self, loaded: Loaded) -> None:
        answer = {
            "added": loaded.added,
            "changed": loaded.changed,
            "unchanged": loaded.unchanged,
            "errors": [problem.as_json() for problem in loaded.problems],
        }
        self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))

    def _print(self, loaded: Loaded) -> None:
        for verb, rates in (("added", loaded.added), ("changed", loaded.changed)):
            for rate in rates:
                self.stdout.write(f"{verb}  {rate}")
        if not loaded.problems:
            self.stdout.write(
                f"{len(loaded.added)} added, {len(loaded.changed)} changed, "
                f"{loaded.unchanged} unchanged."
            )
