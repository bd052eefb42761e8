"""Everything the gateway remembers: one SQLite file, one connection, one lock.

A request is one transaction, and it holds what was done together with the answer given under its
idempotency key. So a process killed at any moment has either done both or neither.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time

SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (
    id TEXT PRIMARY KEY, reference TEXT NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS payment_methods (
    id TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers,
    brand TEXT NOT NULL, last4 TEXT NOT NULL CHECK (length(last4) = 4),
    exp_month INTEGER NOT NULL, exp_year INTEGER NOT NULL, behaviour TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('setup', 'payment')),
    customer TEXT NOT NULL REFERENCES customers, amount_minor INTEGER, currency TEXT,
    reference TEXT NOT NULL, return_url TEXT NOT NULL, shop TEXT NOT NULL DEFAULT '',
    locale TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'complete', 'expired')),
    payment_method TEXT REFERENCES payment_methods, charge TEXT REFERENCES charges,
    form_token TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL, expires_at TEXT NOT NULL,
    CHECK ((kind = 'payment') = (amount_minor IS NOT NULL AND currency IS NOT NULL))
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (expires_at) WHERE status = 'open';
CREATE TABLE IF NOT EXISTS charges (
    id TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers,
    payment_method TEXT NOT NULL REFERENCES payment_methods, session TEXT REFERENCES sessions,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0), currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('succeeded', 'failed', 'requires_action', 'canceled')),
    failure_code TEXT, is_hard INTEGER NOT NULL CHECK (is_hard IN (0, 1)),
    refunded_minor INTEGER NOT NULL DEFAULT 0
        CHECK (refunded_minor BETWEEN 0 AND amount_minor),
    metadata TEXT NOT NULL DEFAULT '{}',
    form_token TEXT NOT NULL, created_at TEXT NOT NULL,
    CHECK ((status = 'failed') = (failure_code IS NOT NULL)),
    CHECK (status = 'succeeded' OR refunded_minor = 0)
) STRICT;
CREATE INDEX IF NOT EXISTS charges_by_reference ON charges (reference);
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, charge TEXT NOT NULL REFERENCES charges,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0), currency TEXT NOT NULL,
    reference TEXT NOT NULL, status TEXT NOT NULL CHECK (status = 'succeeded'),
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_by_reference ON refunds (reference);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
    object TEXT NOT NULL, created_at TEXT NOT NULL,
    hook_state TEXT NOT NULL CHECK (hook_state IN ('waiting', 'sent', 'given_up', 'dropped')),
    hook_attempts INTEGER NOT NULL DEFAULT 0, hook_due_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS events_to_send ON events (hook_due_at) WHERE hook_state = 'waiting';
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS faults (
    kind TEXT PRIMARY KEY, times INTEGER NOT NULL CHECK (times >= 0), seconds REAL NOT NULL
) STRICT;

-- Only a charge that waits for its cardholder can still change its mind.
CREATE TRIGGER IF NOT EXISTS charges_settle_once BEFORE UPDATE OF status ON charges
WHEN OLD.status <> 'requires_action' AND NEW.status <> OLD.status
BEGIN SELECT RAISE(ABORT, 'This charge has been settled.'); END;
CREATE TRIGGER IF NOT EXISTS charges_keep_their_amount
BEFORE UPDATE OF amount_minor, currency, customer, reference ON charges
BEGIN SELECT RAISE(ABORT, 'A charge keeps what it was made with.'); END;
CREATE TRIGGER IF NOT EXISTS sessions_close_once BEFORE UPDATE OF status ON sessions
WHEN OLD.status <> 'open' AND NEW.status <> OLD.status
BEGIN SELECT RAISE(ABORT, 'This session is closed.'); END;
"""


def instant(seconds_from_now: int = 0) -> str:
    """This instant, or one nearby, in UTC: text that sorts as time does.

    The gateway reads its clock in this module alone. It is deliberately not Kvitt's clock: that of
    a real gateway would not be either.
    """
    # Always with its microseconds, because only text of equal length compares as time does.
    at = datetime.fromtimestamp(time(), UTC) + timedelta(seconds=seconds_from_now)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds_since_1970() -> int:
    """This instant as signatures of hooks have it."""
    return int(time())


class Store:
    """The open database. Raises ``sqlite3.OperationalError`` where another process has it open."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        # Two processes would each have a lock of their own, so the second is kept out.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(SCHEMA)
        self._add_column("charges", "metadata", "TEXT NOT NULL DEFAULT '{}'")
        self._add_column("sessions", "shop", "TEXT NOT NULL DEFAULT ''")

    def _add_column(self, table: str, name: str, kind: str) -> None:
        """Files of before have the table without it."""
        columns = [row["name"] for row in self._db.execute(f"PRAGMA table_info({table})")]
        if name not in columns:
            self._db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone: everything in it is kept, or nothing if it raises."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Wait for the transaction that runs, and close the file."""
        with self._lock:
            self._db.close()
