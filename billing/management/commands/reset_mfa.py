"""The way back in for who has lost the second factor, taken by who runs the server."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from billing.staff.second_step import reset_mfa


class Command(BaseCommand):
    """``reset_mfa USER``: an unknown user is an error."""

    help = (
        "Forget the authenticator app, passkeys and recovery codes of a member of staff who has "
        "lost them, and end their sessions. The next sign-in with the password leads to setting "
        "up a new second step. Make sure of who is asking. It is noted in the log of the admin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            known = ", ".join(
                User.objects.filter(is_staff=True).values_list("username", flat=True)[:20]
            )
            raise CommandError(f"There is no user {options['username']}. Staff: {known or 'none'}.")
        count = reset_mfa(user)
        LogEntry.objects.log_actions(
            user.pk,
            User.objects.filter(pk=user.pk),
            CHANGE,
            change_message=f"Second step reset on the server; factors removed: {count}.",
        )
        self.stdout.write(
            f"Factors removed: {count}. At the next sign-in {user.username} sets up a new one."
        )
