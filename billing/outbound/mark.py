"""The mark: how an installation notices that its database is another or an older one than before.

A database tells its own story, and after a restore an older one. So two marks are kept: a row in
the database, and a file outside it (``KVITT_VAR/mark.json``) on each machine. Both know which
installation this is, how far it had come (a position that each look moves on, and that of
PostgreSQL's log), the highest number of each series and the highest position of each seller's
events. The row knows as well what it lay in: the cluster, its timeline, the database and the table.

- A dump that was restored lies in another table than its row says.
- A standby that was promoted, or a recovery to a point in time, is on another timeline.
- A copied data folder says what it always said, but the file outside has come farther.
- A machine without a file cannot tell, and doubts, unless another machine is at work that can.

Whoever doubts makes a hold (``billing.outbound.gate``). ``manage.py reconcile`` compares with the
gateways, and a person says go on: then the mark is made anew. A connection is looked at when it is
opened, since no database is replaced beneath an open one; the tick looks before each of its jobs.
"""

import fcntl
import json
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection

from billing.engine.errors import Refused
from billing.outbound.actions import hold
from billing.outbound.models import DatabaseMark, Hold

CODES = ("database_replaced", "database_is_older", "database_unmarked")
# Another machine's tick has been seen this lately: a machine without a mark may rely on it.
SEEN_LATELY = "3 minutes"
# The file knows numbers before they are given, so many at a time: a gap is never larger.
NUMBERS_AHEAD = 10

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Mark:
    """How far an installation has come, as the file outside its database has it."""

    installation: str
    generation: int
    position: int
    place: str
    log: int
    seen_at: str
    numbers: dict[str, int] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)


def look() -> Hold | None:
    """Compare the marks, and move them on where they agree; the hold where they do not.

    Two queries and a small file. Nothing is done where no mark is to be kept, or the tables are
    not made yet.
    """
    if not settings.KEEPS_MARK or connection.in_atomic_block:
        return None
    try:
        if not _is_made():
            return None
        with _file() as path:
            return _look(path)
    except OSError as error:
        logger.error("mark=unreadable path=%s reason=%r", settings.MARK_FILE, str(error))
        return None


def _look(path: Path) -> Hold | None:
    kept, row, now = _read(path), _row(), _now()
    if row is None:
        row = _begin(now)
        if kept and kept.installation != row["installation"] and now["has_history"]:
            return _hold("database_replaced", kept, "it has no mark, and this machine's has one")
        kept = None
        _write(path, row, now)
    if code := _doubt(kept, row, now):
        return _hold(code, kept, _why(code, row))
    _write(path, _move_on(), now)
    return None


def _doubt(kept: Mark | None, row: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The code of what is wrong with the database; empty where nothing is."""
    if row["place"] != now["place"]:
        return "database_replaced"
    if kept is None:
        known = not now["has_history"] or row["is_beaten"] or row["position"] <= 1
        return "" if known else "database_unmarked"
    if kept.installation != row["installation"]:
        return "database_replaced"
    if kept.generation < row["generation"]:
        return ""  # Another machine's person has said go on.
    if kept.generation > row["generation"]:
        return "database_is_older"
    if kept.position > row["position"] or (kept.place == now["place"] and kept.log > now["log"]):
        return "database_is_older"
    return ""


def _why(code: str, row: Mapping[str, Any]) -> str:
    return {
        "database_replaced": "it lies in another place than before, as after a restore, a move or "
        "a failover",
        "database_is_older": "this machine has seen it farther on than it is now",
        "database_unmarked": "this machine has no mark of it, and so cannot tell whether it is old",
    }[code] + f"; it was last at work at {row['seen_at']:%Y-%m-%d %H:%M} UTC"


def _hold(code: str, kept: Mark | None, why: str) -> Hold:
    reason = (
        f"The database may not be the one of before: {why}. Charges, mail, webhooks and numbers "
        "wait. Run `manage.py reconcile`, which compares it with the gateways, and read what it "
        "says; `manage.py reconcile --go-on` lets everything go on."
    )
    made = hold(code, reason, {"since": _row_seen_at()})
    if kept:
        machine = settings.MARK_MACHINE
        witnesses = dict(made.details.get("witnesses", {}))
        if machine not in witnesses:
            witnesses[machine] = asdict(kept)
            Hold.objects.filter(pk=made.pk).update(details=made.details | {"witnesses": witnesses})
            made.refresh_from_db()
            logger.error("hold=%s reason=%r", code, reason)
    return made


def start_anew() -> None:
    """Mark the database as the one that holds from now on; other machines' files follow it."""
    with _file() as path:
        now = _now()
        kept = _read(path)
        _execute(
            "UPDATE outbound_databasemark SET place = %s, position = position + 1,"
            " generation = greatest(generation, %s) + 1, seen_at = clock_timestamp()",
            [now["place"], kept.generation if kept else 0],
        )
        row = _row()
        assert row is not None
        _write(path, row, now, is_new=True)


def is_doubted(at: datetime) -> bool:
    """Whether what the tick tells at an instant may have been told before, since a restore."""
    return DatabaseMark.objects.filter(doubted_until__gte=at).exists()


def reserve(seller_id: int, kind: str, last: int) -> None:
    """Have the file know of a number before it is given, so that no restore gives it twice."""
    if not settings.KEEPS_MARK:
        return
    name = f"{seller_id} {kind}"
    if last <= _reserved.get(name, 0):
        return
    with _file() as path:
        kept = _read(path)
        if kept is None:
            return
        kept.numbers[name] = max(kept.numbers.get(name, 0), last + NUMBERS_AHEAD)
        _reserved[name] = kept.numbers[name]
        _keep(path, kept)


_reserved: dict[str, int] = {}


# The row


def _is_made() -> bool:
    (made,) = _execute("SELECT to_regclass('outbound_databasemark') IS NOT NULL") or (False,)
    return bool(made)


def _row() -> dict[str, Any] | None:
    found = _execute(
        "SELECT installation, generation, position, place, seen_at, seen_by <> %s AND"
        " seen_at > clock_timestamp() - %s::interval FROM outbound_databasemark",
        [settings.MARK_MACHINE, SEEN_LATELY],
    )
    if found is None:
        return None
    return dict(zip(_ROW, found, strict=True))


_ROW = ("installation", "generation", "position", "place", "seen_at", "is_beaten")


def _row_seen_at() -> str:
    row = _row()
    return row["seen_at"].isoformat() if row else ""


def _begin(now: Mapping[str, Any]) -> dict[str, Any]:
    _execute(
        "INSERT INTO outbound_databasemark (id, installation, generation, position, place,"
        " seen_at, seen_by) VALUES (1, %s, 1, 1, %s, clock_timestamp(), %s) ON CONFLICT DO NOTHING",
        [secrets.token_hex(16), now["place"], settings.MARK_MACHINE],
    )
    row = _row()
    assert row is not None
    return row


def _move_on() -> dict[str, Any]:
    _execute(
        "UPDATE outbound_databasemark SET position = position + 1, seen_at = clock_timestamp(),"
        " seen_by = %s",
        [settings.MARK_MACHINE],
    )
    row = _row()
    assert row is not None
    return row


def _now() -> dict[str, Any]:
    """Where the database lies, how far its log is, and what it has given."""
    place, log, has_history, numbers, positions = _execute(_NOW) or ("", 0, False, "", "")
    return {
        "place": place,
        "log": int(log),
        "has_history": has_history,
        "numbers": json.loads(numbers or "{}"),
        "positions": json.loads(positions or "{}"),
    }


_NOW = """
    SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()),
            substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
            (SELECT oid FROM pg_database WHERE datname = current_database()),
            'outbound_databasemark'::regclass::oid),
        pg_current_wal_insert_lsn() - '0/0',
        EXISTS (SELECT FROM events_event),
        (SELECT jsonb_object_agg(seller_id || ' ' || kind, next_number - 1)::text
         FROM invoicing_numberseries),
        (SELECT jsonb_object_agg(s.public_id, coalesce((
            SELECT max(position) FROM events_event e
            WHERE e.seller = s.public_id AND e.position IS NOT NULL), 0))::text
         FROM customers_seller s)
"""


def _execute(query: str, given: list[Any] | None = None) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        found: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
    return found


# The file


@contextmanager
def _file() -> Iterator[Path]:
    """The file, of this process alone."""
    path: Path = settings.MARK_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def _read(path: Path) -> Mark | None:
    try:
        return Mark(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        # A mark that says nothing is none: then this machine cannot tell, and doubts.
        logger.error("mark=broken path=%s reason=%r", path, str(error))
        return None


def _write(
    path: Path, row: Mapping[str, Any], now: Mapping[str, Any], *, is_new: bool = False
) -> None:
    kept = None if is_new else _read(path)
    is_same = kept is not None and kept.installation == row["installation"]
    before = kept if kept is not None and is_same else Mark("", 0, 0, "", 0, "")
    made = Mark(
        row["installation"],
        row["generation"],
        row["position"],
        now["place"],
        now["log"],
        row["seen_at"].isoformat(),
        {name: max(number, before.numbers.get(name, 0)) for name, number in now["numbers"].items()},
        now["positions"],
    )
    _keep(path, made)


def _keep(path: Path, mark: Mark) -> None:
    """Written beside it and renamed, so that whoever is killed leaves the old one or the new."""
    beside = path.with_suffix(".new")
    with beside.open("w") as file:
        json.dump(asdict(mark), file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def look_at_connection(**opened: Any) -> None:
    """What is connected to is looked at before anything is asked of it."""
    try:
        look()
    except (DatabaseError, Refused) as error:
        logger.warning("mark=not_looked_at reason=%r", str(error))
