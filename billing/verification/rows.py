"""How an invariant asks the rows."""

from typing import Any

from django.db import connection

from billing.engine.money import major_string


def rows_of(query: str) -> list[Any]:
    """The rows that a query finds; an invariant's query finds one for each breach."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def money(minor: int | None, currency: str) -> str:
    """An amount as a sentence shows it; what is not there counts as nothing."""
    return f"{major_string(int(minor or 0), currency)} {currency}"
