"""Objects as they were when an event was committed, for events that nobody has written down yet.

Triggers (``billing/api/migrations/0003_rows_as_they_were.py``) keep the old row whenever one
changes whose object has an event that still waits for the fan-out. Whoever writes the event down
reads the object through views that lie over the tables and show those rows in place of today's.
So every event tells what was true when it happened, at the cost of one look at an index where
nothing waits.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from billing.events.models import Event, KeptRow

# Longer than the fan-out is ever behind; what waits longer is kept until it is fanned out.
KEPT_FOR = timedelta(days=1)
FORGOTTEN_AT_A_TIME = 5000


def one_event_an_object(events: Sequence[Event]) -> list[list[Event]]:
    """Events in rounds that have one event of an object each: the first of all, the second …"""
    rounds: list[list[Event]] = []
    seen: dict[str, int] = defaultdict(int)
    for event in sorted(events, key=lambda each: each.pk):
        turn = seen[event.subject]
        seen[event.subject] += 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(event)
    return rounds


def changed_since(events: Sequence[Event]) -> list[Event]:
    """Those of the events whose objects have changed since they were committed."""
    latest: dict[str, int] = {}
    subjects = {event.subject for event in events}
    kept = KeptRow.objects.filter(subject__in=subjects).values_list("subject", "event_id")
    for subject, event_id in kept:
        latest[subject] = max(event_id, latest.get(subject, 0))
    return [event for event in events if latest.get(event.subject, 0) >= event.pk]


@contextmanager
def rows_as_of(events: Sequence[Event]) -> Iterator[None]:
    """In the block, what is read of the events' objects is as it was; one event an object."""
    asked: list[Any] = [[event.subject for event in events], [event.pk for event in events]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ASK, asked)
        cursor.execute(_TABLES)
        tables = cursor.fetchall()
        for schema, table in tables:
            # The names are PostgreSQL's own, of tables that have the trigger.
            cursor.execute(_VIEW.format(schema=schema, table=table))
        yield
        for _, table in tables:
            cursor.execute(f'DROP VIEW pg_temp."{table}"')
        cursor.execute("DROP TABLE pg_temp.kvitt_asked")


def forget_kept_rows(now: datetime) -> int:
    """Delete what no event waits for any more; returns how many."""
    waiting = Event.objects.filter(is_fanned_out=False).order_by("id")
    first = waiting.values_list("pk", flat=True).first()
    old = KeptRow.objects.filter(kept_at__lt=now - KEPT_FOR)
    if first is not None:
        old = old.filter(event_id__lt=first)
    some = list(old.values_list("pk", flat=True)[:FORGOTTEN_AT_A_TIME])
    return KeptRow.objects.filter(pk__in=some).delete()[0]


_ASK = """
    CREATE TEMPORARY TABLE kvitt_asked ON COMMIT DROP AS
    SELECT * FROM unnest(%s::text[], %s::bigint[]) AS asked (subject, event_id)
"""

_TABLES = """
    SELECT DISTINCT namespace.nspname, kept.relation
    FROM events_keptrow kept
    JOIN pg_temp.kvitt_asked asked
        ON asked.subject = kept.subject AND asked.event_id <= kept.event_id
    JOIN pg_class ON pg_class.oid = to_regclass(quote_ident(kept.relation))
    JOIN pg_namespace namespace ON namespace.oid = pg_class.relnamespace
"""

# Temporary views come before all tables of their names. A row that was kept before its table had a
# column has in it what the column has today.
_VIEW = """
    CREATE TEMPORARY VIEW "{table}" AS
    WITH kept AS (
        SELECT DISTINCT ON (kept.row_id) kept.row_id, kept.old
        FROM events_keptrow kept
        JOIN pg_temp.kvitt_asked asked
            ON asked.subject = kept.subject AND asked.event_id <= kept.event_id
        WHERE kept.relation = '{table}'
        ORDER BY kept.row_id, kept.id
    )
    SELECT * FROM "{schema}"."{table}" today
    WHERE NOT EXISTS (SELECT FROM kept WHERE kept.row_id = today.id)
    UNION ALL
    SELECT past.* FROM kept LEFT JOIN "{schema}"."{table}" today ON today.id = kept.row_id,
        jsonb_populate_record(today, kept.old) past
    WHERE kept.old IS NOT NULL
"""
