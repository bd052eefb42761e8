"""The mark: how an installation notices that its database is another or an older one than before.

A database tells its own story, and after a restore an older one. So two marks are kept: a row in
the database, and a file outside it (``KVITT_VAR/marks``) on each machine. Both know which
installation this is, how far it had come (a position that each look moves on, and that of
PostgreSQL's log), and the file the highest number of each series. The row knows as well what it lay
in: the cluster, its timeline, the database and the table.

- A dump that was restored lies in another table than its row says.
- A standby that was promoted, or a recovery to a point in time, is on another timeline.
- A copied data folder says what it always said, but the file outside has come farther.
- A machine without a file cannot tell, and doubts, unless another machine is at work that can.
- A gateway tells of a charge that this installation asked for and knows nothing of.

Whoever doubts makes a hold (``billing.outbound.gate``). ``manage.py reconcile`` compares with the
gateways, and a person says go on: then the mark is made anew. A connection is looked at when it is
opened, since no database is replaced beneath an open one; the tick looks before each of its jobs.
A process that cannot read or write the file is blind: for as long as it is, the gate holds what it
would do, and nobody else's.
"""

import fcntl
import json
import logging
import os
import secrets
import time
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

CODES = ("database_replaced", "database_is_older", "database_unmarked", "gateway_knows_more")
# Another machine's tick has been seen this lately: a machine without a mark may rely on it.
SEEN_LATELY = "3 minutes"
# The file knows numbers before they are given, so many at a time: a gap is never larger.
NUMBERS_AHEAD = 10
# So long somebody waits for others of this machine who are looking.
LOOKING_SECONDS_MAX = 3
WHAT_WAITS = "Charges, mail, webhooks and the numbers of documents wait. "
WHAT_TO_DO = (
    WHAT_WAITS + "Run `manage.py reconcile`, which compares it with the gateways, and read what it "
    "says; `manage.py reconcile --go-on` lets everything go on."
)

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


@dataclass(slots=True)
class _Sight:
    """What keeps this process from seeing its mark; empty where nothing does."""

    blindness: str = ""


_sight = _Sight()


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
        with _alone():
            held = _look()
    except TimeoutError:
        return None  # Others of this machine are looking all the time.
    except OSError as error:
        _sight.blindness = (
            f"This machine cannot keep its mark of the database in {settings.MARKS_DIR} ({error}), "
            f"and so could not tell whether it is an older one. {WHAT_WAITS}Make the folder "
            "writable for the account that Kvitt runs as; everything goes on by itself then."
        )
        logger.error("mark=unreadable reason=%r", _sight.blindness)
        return None
    _sight.blindness = ""
    return held


def blindness() -> str:
    """Why this process cannot tell what its database is; empty where it can. It looks again."""
    if _sight.blindness:
        look()
    return _sight.blindness if settings.KEEPS_MARK else ""


def _look() -> Hold | None:
    row, now = _row(), _now()
    if row is None:
        row = _begin(now)
        if now["has_history"] and (others := list(_all_kept())):
            return _hold("database_replaced", others, "it has no mark, and this machine has one")
    kept = _read(row["installation"])
    if code := _doubt(kept, row, now):
        return _hold(code, [kept] if kept else [], _why(code, row))
    _write(_move_on(), now)
    return None


def _doubt(kept: Mark | None, row: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The code of what is wrong with the database; empty where nothing is."""
    if row["place"] != now["place"]:
        return "database_replaced"
    if kept is None:
        known = not now["has_history"] or row["is_beaten"] or row["position"] <= 1
        return "" if known else "database_unmarked"
    if kept.generation < row["generation"]:
        return ""  # Another machine's person has said go on.
    if kept.generation > row["generation"]:
        return "database_is_older"
    if kept.position > row["position"] or (kept.place == now["place"] and kept.log > now["log"]):
        return "database_is_older"
    return ""


def _why(code: str, row: Mapping[str, Any]) -> str:
    seen_at = f"{row['seen_at']:%Y-%m-%d %H:%M}"
    return {
        "database_replaced": "it lies in another place than before, as after a restore, a move or "
        f"a failover; it was last at work at {seen_at} UTC",
        "database_is_older": "this machine has seen it farther on than it is now; it was last at "
        f"work at {seen_at} UTC",
        "database_unmarked": "this machine has no mark of it, and so cannot tell whether it is "
        f"old; it was last at work at {seen_at} UTC",
    }[code]


def _hold(code: str, known: list[Mark], why: str) -> Hold:
    reason = f"The database may not be the one of before: {why}. {WHAT_TO_DO}"
    made = hold(code, reason, {"since": _row_seen_at()})
    witnesses = dict(made.details.get("witnesses", {}))
    machine = settings.MARK_MACHINE
    if known and machine not in witnesses:
        witnesses[machine] = [asdict(kept) for kept in known]
        Hold.objects.filter(pk=made.pk).update(details=made.details | {"witnesses": witnesses})
        made.refresh_from_db()
        logger.error("hold=%s reason=%r", code, reason)
    return made


def doubt_for(gateway_id: str) -> Hold | None:
    """Doubt the database for a charge that was made under a key of ours and is unknown here.

    The payment is written before its charge is asked for, so it must have been lost. None where a
    person was told of this one when both sides were compared.
    """
    if Hold.objects.filter(details__compared__contains=[gateway_id]).exists():
        return None
    row = _row() if settings.KEEPS_MARK else None
    kept = _read(row["installation"]) if row else None
    why = f"the gateway knows of charge {gateway_id}, which it asked for and has lost"
    return _hold("gateway_knows_more", [kept] if kept else [], why)


def adopt_database() -> None:
    """Mark the database as the one that holds from now on; other machines' files follow it.

    Raises :class:`OSError` where this machine's file cannot be written.
    """
    if not settings.KEEPS_MARK:
        return
    with _alone():
        now, row = _now(), _row() or {}
        kept = _read(row.get("installation", ""))
        _execute(
            "UPDATE outbound_databasemark SET place = %s, position = position + 1,"
            " generation = greatest(generation, %s) + 1, seen_at = clock_timestamp()",
            [now["place"], kept.generation if kept else 0],
        )
        changed = _row()
        assert changed is not None
        _write(changed, now, is_new=True)


def is_doubted(at: datetime) -> bool:
    """Whether what the tick tells at an instant may have been told before, since a restore."""
    return DatabaseMark.objects.filter(doubted_until__gte=at).exists()


def reserve(seller: str, kind: str, last: int) -> None:
    """Have the file know of a number before it is given, so that no restore gives it twice.

    ``seller`` is a public id. Raises :class:`OSError` where the file cannot be written.
    """
    name = f"{seller} {kind}"
    if not settings.KEEPS_MARK or last <= _reserved.get(name, 0):
        return
    row = _row()
    if row is None:
        return  # The first look is still to come, and begins with what was given.
    with _alone():
        kept = _read(row["installation"])
        if kept is None:
            if row["position"] > 1:
                raise FileNotFoundError(f"{_path(row['installation'])} is gone")
            return
        kept.numbers[name] = max(kept.numbers.get(name, 0), last + NUMBERS_AHEAD)
        _reserved[name] = kept.numbers[name]
        _keep(kept)


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
    place, log, has_history, numbers = _execute(_NOW) or ("", 0, False, "")
    return {
        "place": place,
        "log": int(log),
        "has_history": has_history,
        "numbers": json.loads(numbers or "{}"),
    }


_NOW = """
    SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()),
            substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
            (SELECT oid FROM pg_database WHERE datname = current_database()),
            'outbound_databasemark'::regclass::oid),
        pg_current_wal_insert_lsn() - '0/0',
        EXISTS (SELECT FROM events_event),
        (SELECT jsonb_object_agg(s.public_id || ' ' || n.kind, n.next_number - 1)::text
         FROM invoicing_numberseries n JOIN customers_seller s ON s.id = n.seller_id)
"""


def _execute(query: str, given: list[Any] | None = None) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        found: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
    return found


# The files


@contextmanager
def _alone() -> Iterator[None]:
    """The files, for this process alone.

    Raises :class:`TimeoutError` where others do not let go of them.
    """
    settings.MARKS_DIR.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + LOOKING_SECONDS_MAX
    with (settings.MARKS_DIR / "lock").open("a") as lock:
        while not _take(lock.fileno()):
            if time.monotonic() > until:
                raise TimeoutError(f"{lock.name} is held by others")
            time.sleep(0.01)
        yield


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _path(installation: str) -> Path:
    path: Path = settings.MARKS_DIR / f"{installation}.json"
    return path


def _all_kept() -> Iterator[Mark]:
    for path in sorted(settings.MARKS_DIR.glob("*.json")):
        if kept := _read(path.stem):
            yield kept


def _read(installation: str) -> Mark | None:
    path = _path(installation)
    try:
        return Mark(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        # A mark that says nothing is none: then this machine cannot tell, and doubts.
        logger.error("mark=broken path=%s reason=%r", path, str(error))
        return None


def _write(row: Mapping[str, Any], now: Mapping[str, Any], *, is_new: bool = False) -> None:
    kept = None if is_new else _read(row["installation"])
    before = kept.numbers if kept else {}
    _keep(
        Mark(
            row["installation"],
            row["generation"],
            row["position"],
            now["place"],
            now["log"],
            row["seen_at"].isoformat(),
            {name: max(last, before.get(name, 0)) for name, last in now["numbers"].items()},
        )
    )


def _keep(mark: Mark) -> None:
    """Written beside it and renamed, so that whoever is killed leaves the old one or the new."""
    path = _path(mark.installation)
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


def look_at_new_tables(**made: Any) -> None:
    """The mark begins with its table, before there is anything to be told apart by it."""
    look()
