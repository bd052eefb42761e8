"""The one schedule that there is, and how it is kept right.

One malformed row stops every schedule of django-q2, and it takes rows from anybody. Kvitt has one
schedule and needs no other, so all that is not that one is set aside: it stays, and is never run.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing.jobs.hints import TICK

logger = logging.getLogger(__name__)

NAME = "kvitt tick"
ONE_SCHEDULE: dict[str, Any] = {
    "func": TICK,
    "schedule_type": "I",
    "minutes": 1,
    "repeats": -1,
    "args": None,
    "kwargs": None,
    "hook": None,
    "cluster": None,
    "intended_date_kwarg": None,
}
# Beyond these the broker would sleep, or count the minutes one by one.
AHEAD_MAX, BEHIND_MAX = timedelta(minutes=2), timedelta(hours=1)


@transaction.atomic
def ensure_schedule(schedules: Any, now: datetime) -> int:
    """Make the one schedule, or repair it, and set all others aside; returns the rows changed.

    ``schedules`` is the model's manager, since the migration has another than the program.
    """
    strange = schedules.exclude(name=NAME) | schedules.filter(name=None)
    changed = strange.exclude(repeats=0).update(repeats=0)
    if changed:
        logger.error("schedule=foreign rows=%s: set aside, because one can stop the tick", changed)
    ours = schedules.select_for_update().filter(name=NAME).order_by("pk")
    kept, *doubles = ours.values_list("pk", flat=True) or [None]
    if kept is None:
        schedules.create(name=NAME, next_run=now, **ONE_SCHEDULE)
        return changed + 1
    changed += schedules.filter(pk__in=doubles).delete()[0]
    row = schedules.filter(pk=kept)
    right = Q(next_run__gt=now - BEHIND_MAX, next_run__lt=now + AHEAD_MAX)
    for name, value in ONE_SCHEDULE.items():
        right &= Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
    return changed + row.exclude(right).update(next_run=now, **ONE_SCHEDULE)
