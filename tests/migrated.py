"""The database that all tests start from: migrated once, and copied from then on.

To run all migrations takes most of a minute, to copy what they made a second. So one database of
the run's server is migrated, and each worker's is a copy of it. What it came to is kept as well in
the user's cache folder, under a name that changes with the migrations, for the runs to come.
"""

import fcntl
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.backends.postgresql.psycopg_any import sql

from billing.installation import postgres

NAME = "kvitt_migrated"
ROOT = Path(settings.BASE_DIR)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kvitt"
OWN_IMPORT = re.compile(r"^from ((?:billing|catalog|customers|dunning|portal)[\w.]*) import", re.M)


def migrated_database() -> str:
    """The name of a database of this server in which all migrations have run; made if need be."""
    kept = _folder() / f"migrated-{_digest()}.sql"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _exists():
            _make(kept)
    return NAME


def _folder() -> Path:
    """The user's cache; where nobody may write there, one that goes with the machine."""
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return CACHE if os.access(CACHE, os.W_OK) else Path(tempfile.gettempdir())


def _make(kept: Path) -> None:
    half = f"{NAME}_half"
    _run(f"DROP DATABASE IF EXISTS {half}", f"CREATE DATABASE {half}")
    if not (kept.exists() and _client("psql", half, "-q", "-v", "ON_ERROR_STOP=1", "-f", kept)):
        _run(f"DROP DATABASE {half}", f"CREATE DATABASE {half}")
        _migrate(half)
        written = kept.with_suffix(".new")
        if _client("pg_dump", half, "--no-sync", "-f", written):
            written.rename(kept)
    _run(f"ALTER DATABASE {half} RENAME TO {NAME}")


def _migrate(name: str) -> None:
    before = connection.settings_dict["NAME"]
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0)
    finally:
        connection.close()
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = before


def _client(program: str, name: str, *options: Any) -> bool:
    """Whether one of PostgreSQL's own programs could do it."""
    given = connection.get_connection_params()
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    address = {names[key]: str(given[key]) for key in names if given.get(key)}
    done = subprocess.run(  # noqa: S603 -- our own programs and paths, and no shell.
        [postgres.client(program), *options],
        env=os.environ | address | {"PGDATABASE": name},
        capture_output=True,
        check=False,
    )
    return not done.returncode


def _run(*statements: str) -> None:
    with connection._nodb_cursor() as cursor:
        for statement in statements:
            cursor.execute(sql.SQL(statement))


def _exists() -> bool:
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [NAME])
        return bool(cursor.fetchall())


def _digest() -> str:
    """Of all that the migrations come to: themselves, what they call, and whose they are."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SHOW server_version")
        digest = hashlib.sha256(repr(cursor.fetchone()).encode())
    for path in _sources():
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:24]


def _sources() -> Iterator[Path]:
    yield ROOT / "requirements.lock"
    called = set()
    for top in ("billing", "catalog", "customers", "dunning", "portal"):
        for path in sorted((ROOT / top).rglob("migrations/*.py")):
            yield path
            called |= set(OWN_IMPORT.findall(path.read_text()))
    for module in sorted(called):
        path = ROOT / module.replace(".", "/")
        yield path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
