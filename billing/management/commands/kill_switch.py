"""Stopping all charging at once, from the server."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.engine.errors import BillingError
from billing.outbound.gate import switches_on
from billing.payments.stopping import resume_charging, stop_charging
from customers.models import Seller


class Command(BaseCommand):
    """``kill_switch [on|off]``: an unknown seller, or one that stands so already, is an error."""

    help = (
        "Stop all charging at once, or let it go on; without a word it says what is on. Charges "
        "wait as they are planned, and are made by the next tick once it is off. Mail, webhooks "
        "and refunds go on. Who, when and why is kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("to", nargs="?", choices=["on", "off"])
        parser.add_argument("--seller", help="public id (sel_…) of the one seller meant")
        parser.add_argument("--reason", default="", help="why; demanded for on")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = options["seller"]
        seller = Seller.objects.filter(public_id=asked).first()
        if asked and seller is None:
            known = ", ".join(Seller.objects.values_list("public_id", flat=True)[:20])
            raise CommandError(f"There is no seller {asked}. Sellers: {known or 'none'}.")
        actor = f"server:{getpass.getuser()}"
        try:
            if options["to"] == "on":
                stop_charging(seller=seller, reason=options["reason"], actor=actor)
            elif options["to"] == "off":
                on = switches_on().filter(seller=asked).first()
                if on is None:
                    raise CommandError("This kill switch is not on.")
                resume_charging(on, actor=actor)
        except BillingError as error:
            raise CommandError(error.message) from error
        standing = list(switches_on())
        for switch in standing:
            self.stdout.write(
                f"{switch} is stopped since {switch.on_at:%Y-%m-%d %H:%M} UTC "
                f"by {switch.on_by}: {switch.reason}"
            )
        if not standing:
            self.stdout.write("Charging resumes for everybody.")
