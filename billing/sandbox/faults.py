"""Faults on demand: what a gateway does on a bad day, for the next so many requests."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from .fields import Fields

KINDS: Final = ("down", "slow", "lost", "lie", "drop_hooks")
TIMES_MAX: Final = 10_000
SECONDS_MAX: Final = 300


class Faults:
    """The faults that are armed, during one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def arm(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have the next ``times`` requests go wrong, in place of what was armed; 0 disarms."""
        fields = Fields(body, "kind", "times", "seconds")
        kind = fields.choice("kind", *KINDS)
        times = fields.whole_number("times", 0, TIMES_MAX) if "times" in fields else 1
        seconds = fields.number("seconds", 0, SECONDS_MAX) if "seconds" in fields else 0
        self._db.execute(
            "INSERT OR REPLACE INTO faults (kind, times, seconds) VALUES (?, ?, ?)",
            (kind, times, seconds),
        )
        return {"kind": kind, "times": times, "seconds": seconds}

    def armed(self) -> dict[str, Any]:
        """The faults that are still to come."""
        rows = self._db.execute("SELECT * FROM faults WHERE times > 0 ORDER BY kind")
        return {"data": [dict(row) for row in rows]}

    def take(self, kind: str) -> float | None:
        """Use a fault up once: its seconds, or None where it is not armed."""
        row = self._db.execute(
            "UPDATE faults SET times = times - 1 WHERE kind = ? AND times > 0 RETURNING seconds",
            (kind,),
        ).fetchone()
        return row["seconds"] if row else None
