"""Whether a connection stands is seen at its socket, and asked only where that says something."""

import select
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import ProgrammingError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def beside() -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own to the same database, which has asked once."""
    second: Any = connection.copy()
    second.health_check_enabled = True
    with second.cursor() as cursor:
        cursor.execute("SELECT 'asked'")
    yield second
    second.close()


def pid_of(one: BaseDatabaseWrapper) -> int:
    pid: int = one.connection.info.backend_pid
    return pid


def last_query(pid: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid])
        query: str = cursor.fetchone()[0]
    return query


def test_a_connection_that_stands_is_not_asked(beside: BaseDatabaseWrapper) -> None:
    assert beside.is_usable()
    assert "asked" in last_query(pid_of(beside))


def test_a_connection_that_the_server_ended_is_not_usable(beside: BaseDatabaseWrapper) -> None:
    ended = pid_of(beside)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])
    assert not beside.is_usable()
    beside.close_if_unusable_or_obsolete()  # As Django does between two requests.
    with beside.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert pid_of(beside) != ended


def test_a_connection_that_was_told_something_is_asked_and_stands(
    beside: BaseDatabaseWrapper,
) -> None:
    with beside.cursor() as cursor:
        cursor.execute("LISTEN told")
    third = connection.copy()
    with third.cursor() as cursor:
        cursor.execute("NOTIFY told")
    third.close()
    heard, _, _ = select.select([beside.connection.fileno()], [], [], 10)
    assert heard
    assert beside.is_usable()
    assert "SELECT 1" in last_query(pid_of(beside))


def test_in_a_transaction_that_has_failed_it_is_not_usable(beside: BaseDatabaseWrapper) -> None:
    beside.set_autocommit(False)
    with pytest.raises(ProgrammingError), beside.cursor() as cursor:
        cursor.execute("SELECT nothing_of_the_kind")
    assert not beside.is_usable()


def test_a_connection_closed_here_is_not_usable(beside: BaseDatabaseWrapper) -> None:
    beside.connection.close()
    assert not beside.is_usable()
