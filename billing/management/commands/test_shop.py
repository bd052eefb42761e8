"""A test seller to try the API with, and a key to it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.api.keys import make_key
from billing.demo.test_shop import open_test_shop
from billing.engine.errors import BillingError


class Command(BaseCommand):
    """``test_shop NAME``: the key alone goes to standard output, so that a script can take it."""

    help = (
        "Make a test seller with two plans (basic and plus) and a meter (calls), and print a key "
        "to it. Test sellers issue no legal documents and charge no money."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="What the shop is called.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seller = open_test_shop(options["name"])
            _, text = make_key(seller, name="Quickstart", actor="command")
        except BillingError as refusal:
            raise CommandError(refusal.message) from refusal
        self.stderr.write(f"Made {seller} ({seller.public_id}). The key is not shown again.")
        self.stdout.write(text)
