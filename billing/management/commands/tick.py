"""One tick, now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.base import clock
from billing.jobs.heart import ClockWentBack
from billing.jobs.models import JobRun
from billing.schedule.tick import tick


class Command(BaseCommand):
    """``tick``: exit status 1 where a job failed, or the clock went back."""

    help = (
        "Do now what the worker does every minute: bill what is due, post the revenue of months "
        "that are over, collect, ask the gateways, deliver events, and once a night check the "
        "books. Running it again, or beside the worker, does nothing twice. A job that is running "
        "elsewhere, or is halted, is passed over. Prints each job that did something or could not; "
        "exit status 1 where one failed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            outcomes = tick(clock.now())
        except ClockWentBack as error:
            raise CommandError(error.message) from error
        is_quiet = True
        for outcome in outcomes:
            if outcome.done or outcome.state != JobRun.State.DONE:
                is_quiet = False
                self.stdout.write(f"{outcome.name:<32} {outcome.done:>7,}  {outcome.state}")
        if is_quiet:
            self.stdout.write(f"Nothing was due; {len(outcomes)} jobs looked.")
        failed = [outcome for outcome in outcomes if outcome.state == JobRun.State.FAILED]
        if failed:
            raise CommandError(f"{len(failed)} jobs failed; the admin shows why, under Jobs.")
