import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing.simulation.reading import ScenarioError, read_scenarios
from billing.simulation.reporting import simulate


class Command(BaseCommand):
    help = (
        "Play customers' stories from a YAML or JSON file on the real billing code, in a "
        "transaction that is rolled back, and print what would be issued. Nothing is kept. Exit "
        "status: 0 if everything came out as the file expects, 1 if not, 2 if the file cannot be "
        "read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="one scenario, or a list of them")
        parser.add_argument(
            "--json", action="store_true", help="print all that came out as JSON, and nothing else"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            scenarios = read_scenarios(options["file"])
        except ScenarioError as error:
            place = f", line {error.line}" if error.line else ""
            self.stderr.write(f"{options['file']}{place}: {error.message}")
            sys.exit(2)
        results = [simulate(scenario) for scenario in scenarios]
        if options["json"]:
            self.stdout.write(json.dumps(results, indent=1, ensure_ascii=False))
        else:
            for result in results:
                self._show(result)
        if any("error" in result or result.get("failed") for result in results):
            sys.exit(1)

    def _show(self, result: dict[str, Any]) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(result["name"]))
        for title in ("invoices", "credit_notes"):
            for document in result.get(title, []):
                name = "Invoice" if title == "invoices" else "Credit note"
                self.stdout.write(
                    f"  {document['on']}  {name} {document['number']} to {document['customer']}: "
                    f"{document['total']} {document['currency']}"
                )
                for line in document["lines"]:
                    span = f"{line['from']} – {line['to']}" if line["from"] else ""
                    part = f"{line['days']} of {line['of_days']} days" if line["days"] else ""
                    self.stdout.write(
                        f"      {line['kind']:10} {line['description'][:40]:40} {span:24} "
                        f"{part:18} {line['amount']:>12}"
                    )
        if "error" in result:
            error = result["error"]
            place = f"step {error['step']}, line {error['line']}"
            self.stdout.write(self.style.ERROR(f"  {place}: {error['code']}: {error['message']}"))
        for failure in result.get("failed", []):
            self.stdout.write(
                self.style.ERROR(
                    f"  {failure['path']}: expected {failure['expected']}, got {failure['actual']}"
                )
            )
        if "error" not in result and not result.get("failed"):
            self.stdout.write(self.style.SUCCESS("  as expected"))
