"""A key to the API, for who sets up a shop from the command line."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.api.keys import make_key
from billing.api.models import BURST, PER_S, ApiKey
from billing.base import clock
from billing.engine.errors import BillingError
from customers.models import Seller


class Command(BaseCommand):
    """``api_key SELLER``: the key alone goes to standard output, so that a script can take it."""

    help = (
        "Make a key to the API for a seller, by its public id or its name, and print it. It is "
        "printed this once: only a hash of it is kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("seller", help="sel_…, or the name.")
        parser.add_argument("--name", default="Command line", help="What uses it.")
        parser.add_argument("--publishable", action="store_true", help="For the shop's pages.")
        parser.add_argument(
            "--scope", action="append", dest="scopes", help="Such as customers:read; repeatable."
        )
        parser.add_argument("--days", type=int, help="It expires in so many days.")
        parser.add_argument("--burst", type=int, default=BURST, help="Requests at once.")
        parser.add_argument(
            "--per-s", type=int, default=PER_S, help="Requests a second, in the long run."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        kind = ApiKey.Kind.PUBLISHABLE if options["publishable"] else ApiKey.Kind.SECRET
        days = options["days"]
        try:
            key, text = make_key(
                _seller(options["seller"]),
                name=options["name"],
                actor="command",
                kind=kind,
                scopes=options["scopes"],
                expires_at=clock.now() + timedelta(days=days) if days else None,
                burst=options["burst"],
                per_s=options["per_s"],
            )
        except BillingError as refusal:
            raise CommandError(refusal.message) from refusal
        self.stderr.write(f"Made {key} for {key.seller}. It is not shown again.")
        self.stdout.write(text)


def _seller(name: str) -> Seller:
    found = Seller.objects.filter(public_id=name) or Seller.objects.filter(name=name)
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{seller.public_id} ({seller})" for seller in Seller.objects.all()[:20])
    what = "several sellers" if found else "no seller"
    raise CommandError(f"“{name}” names {what}. Sellers: {known or 'none'}.")
