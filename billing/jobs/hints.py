"""Having a worker do at once what the next tick would do.

The tasks stand above this module and are called by their names. A hint says that it is time and
names no row, so one too many, or one that is lost, changes nothing.
"""

from typing import Final

from django_q.tasks import async_task

TICK: Final = "billing.schedule.tick.run"
ADVANCE_TEST_CLOCKS: Final = "billing.schedule.test_clocks.advance_all"
MAIL_LINKS: Final = "portal.news.mail_at_once"


def hint(task: str) -> None:
    """Have a worker run a task at once; without a worker the next tick does what it would do."""
    async_task(task)
