"""Counts that only grow, for whoever watches: kept where what is counted is committed."""

from collections.abc import Mapping

from django.db import connection


def add(kind: str, counts: Mapping[str, int]) -> None:
    """Add to the tallies of a kind, by outcome, in the caller's transaction."""
    told = {outcome: count for outcome, count in sorted(counts.items()) if count}
    if not told:
        return
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [kind, list(told), list(told.values())])


_ADD = """
    INSERT INTO events_tally (kind, outcome, count)
    SELECT %s, * FROM unnest(%s::text[], %s::bigint[])
    ON CONFLICT (kind, outcome) DO UPDATE SET count = events_tally.count + excluded.count
"""
