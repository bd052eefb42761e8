"""A company that goes back to an older database charges, mails and numbers nothing twice."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from billing.installation import postgres
from tests.mail.server import provider
from tests.restore.drill import CUSTOMERS, House, ask, copy_cluster, data_of, follow
from tests.sandbox.process import RunningSandbox


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In the shared one: pytest's tmp_path is closed to the server's account."""
    made = Path(tempfile.mkdtemp(prefix="kvitt-drill-", dir=postgres.SHORT_DIR))
    made.chmod(0o755)
    yield made
    for data in made.glob("**/pg/data"):
        postgres.stop(data.parent.parent)
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def open_house(folder: Path) -> House:
    """Open, with customers whose first bill is due; stopped, to be copied."""
    with ExitStack() as until_made:
        house = _house(folder / "first", until_made)
        house.make_database()
        house.manage("migrate --verbosity=0", "customers")
        house.stop()
    return house


@pytest.fixture
def house(open_house: House, folder: Path) -> Iterator[House]:
    """A copy of it: its files, its database and its gateway."""
    place = Path(tempfile.mkdtemp(dir=folder))
    place.chmod(0o755)
    shutil.copytree(open_house.var, place / "var")
    copy_cluster(open_house.cluster, place / "database")
    shutil.copy(open_house.sandbox.database, place)
    with ExitStack() as until_end:
        yield _house(place, until_end, open_house.sandbox)


def _house(place: Path, until_end: ExitStack, like: RunningSandbox | None = None) -> House:
    (place / "var").mkdir(parents=True, exist_ok=True)
    sandbox = RunningSandbox(place / "sandbox.sqlite3")
    if like:
        sandbox.key, sandbox.hook_secret = like.key, like.hook_secret
    sandbox.start()
    until_end.callback(sandbox.stop)
    return House(place / "var", place / "database", sandbox, until_end.enter_context(provider()))


@dataclass(frozen=True)
class Day:
    """What has left the house, as those outside remember it, and the last number of then."""

    charges: list[dict[str, Any]]
    mails: Counter[tuple[str, str]]
    last: int

    @classmethod
    def of(cls, house: House) -> "Day":
        [(last,)] = house.sql("SELECT max(sequence) FROM invoicing_invoice")
        return cls(house.charges(), house.mails(), last or 0)


def a_day(house: House, *before: str) -> Day:
    """Bill, charge and mail what is due."""
    house.manage(*before, "tick", "tick")
    day = Day.of(house)
    assert (
        len(day.charges) == day.last == house.sql("SELECT count(*) FROM customers_customer")[0][0]
    )
    assert len(day.mails) >= day.last
    return day


def check_all_is_held(house: House, day: Day, *before: str) -> None:
    for said in house.manage(*before, "tick", "tick", "tick")[-3:]:
        assert "held" in said
    assert house.charges() == day.charges
    assert house.mails() == day.mails
    assert Day.of(house).last == 0


def compare_and_go_on(house: House) -> str:
    """The first comparison's words; the second takes in nothing more."""
    said = house.manage("reconcile", "reconcile", "reconcile --go-on", "tick", "tick", "tick")
    first, second, _, *ticks = said
    assert "Taken in: 0\n" not in first and "Taken in: 0\n" in second
    assert not any("held" in each or "failed" in each for each in ticks), ticks
    return first


def check_nothing_came_twice_or_was_lost(house: House, day: Day, of_nobody_minor: int = 0) -> None:
    assert house.charges() == day.charges
    assert house.mails() == day.mails
    taken_minor = sum(made["amount_minor"] for made in day.charges)
    booked = "SELECT sum(amount_minor) FROM payments_payment WHERE state = 'succeeded'"
    assert house.sql(booked) == [(taken_minor - of_nobody_minor,)]
    documents = house.sql("SELECT status, sequence FROM invoicing_invoice")
    assert len(documents) == CUSTOMERS
    assert {status for status, _ in documents} == {"paid"}
    assert min(number for _, number in documents) > day.last
    assert are_right(house.manage("verify_books"))


def are_right(said: list[str]) -> bool:
    return not any("CommandError" in each or "SystemExit" in each for each in said)


def test_a_dump_that_was_restored(house: House) -> None:
    dump = str(house.cluster / "night.dump")
    house.program("pg_dump", "--format=custom", f"--file={dump}", house.url)
    day = a_day(house, "customers")
    house.make_database()
    house.program("pg_restore", "--no-owner", f"--dbname={house.url}", dump)
    check_all_is_held(house, day, "migrate --verbosity=0")
    said = compare_and_go_on(house)
    # Those who came after the backup are known to nobody here: a person must decide.
    assert f"To decide by a person: {CUSTOMERS}\n" in said
    unknown = [made for made in day.charges if made["id"] in said.partition("To decide")[2]]
    lost_minor = sum(made["amount_minor"] for made in unknown)
    check_nothing_came_twice_or_was_lost(house, day, of_nobody_minor=lost_minor)


def test_a_copy_of_the_data_folder_that_was_put_back(house: House) -> None:
    house.stop()
    backup = house.cluster.with_name("backup")
    copy_cluster(house.cluster, backup)
    day = a_day(house)
    house.stop()
    copy_cluster(backup, house.cluster)
    check_all_is_held(house, day)
    compare_and_go_on(house)
    check_nothing_came_twice_or_was_lost(house, day)


def test_a_standby_that_lost_its_last_commits_and_was_promoted(house: House) -> None:
    standby = house.cluster.with_name("standby")
    follow(house, standby)
    postgres.stop(standby)
    day = a_day(house)
    house.stop()
    house.cluster = standby
    assert ask(house.url, "SELECT pg_promote()") == [(True,)]
    check_all_is_held(house, day)
    compare_and_go_on(house)
    check_nothing_came_twice_or_was_lost(house, day)


def test_a_database_that_is_only_started_again_is_not_held(house: House) -> None:
    before = house.manage("tick")
    house.stop()
    after = house.manage("tick")
    postgres._stop(data_of(house.cluster), "immediate")
    after += house.manage("tick", "verify_books")
    assert are_right([*before, *after])
    assert not any("held" in each for each in [*before, *after])
