"""Workers beside each other: what one has in hand no other takes, and what a death leaves."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing.base import clock
from billing.base.leases import alone, claim, lease, living, unheld
from billing.events.models import Delivery, Event
from tests.factories import DAY, SellerFactory

pytestmark = pytest.mark.django_db(transaction=True)
SPACE = "kvitt test"


@pytest.fixture
def other() -> Iterator[Any]:
    """A session of another worker."""
    session = connection.copy()
    yield session
    session.close()


@pytest.fixture
def waiting() -> list[Delivery]:
    """Three deliveries that wait, in their order."""
    seller = SellerFactory().public_id
    for number in range(3):
        event = Event.objects.create(
            type="customer.added", seller=seller, subject="cus_1", occurred_on=DAY, actor="test"
        )
        Delivery.objects.create(event=event, subscriber=f"nobody {number}")
    return list(Delivery.objects.order_by("pk"))


def test_a_claim_passes_by_what_another_holds_and_writes_before_anything_is_tried(
    other: Any, waiting: list[Delivery]
) -> None:
    later = clock.now() + timedelta(hours=1)
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM events_delivery WHERE id = %s FOR UPDATE", [waiting[0].pk])
        rows = Delivery.objects.filter(next_attempt_at__lt=later).order_by("pk")
        taken = claim(rows, lambda row: {"attempts": row.attempts + 1, "next_attempt_at": later})
        assert taken == waiting[1]
        # It is there for everybody: whoever dies now has counted the attempt.
        cursor.execute(
            "SELECT attempts, next_attempt_at FROM events_delivery WHERE id = %s", [taken.pk]
        )
        assert cursor.fetchone() == (1, later)
        assert claim(rows, lambda row: {"next_attempt_at": later}) == waiting[2]
        assert claim(rows, lambda row: {"next_attempt_at": later}) is None
        cursor.execute("ROLLBACK")
    assert claim(rows, lambda row: {"attempts": 1}) == waiting[0]


def test_what_is_claimed_by_a_transaction_that_fails_is_free_again(
    waiting: list[Delivery],
) -> None:
    def fail(row: Delivery) -> dict[str, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        claim(Delivery.objects.order_by("pk"), fail)
    assert claim(Delivery.objects.order_by("pk"), lambda row: {"attempts": 1}) == waiting[0]


def test_rows_are_locked_in_a_transaction_only(waiting: list[Delivery]) -> None:
    with pytest.raises(Exception, match="outside of a transaction"):
        list(unheld(Delivery.objects.order_by("pk")))


def test_a_lease_lives_until_its_block_or_its_session_ends(other: Any) -> None:
    with lease(SPACE) as first, lease(SPACE) as second:
        assert first != second
        assert living(SPACE) == {first, second}
        assert living("another space") == set()
    assert living(SPACE) == set()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s), 7)", [SPACE])
        assert living(SPACE) == {7}
        cursor.execute("SELECT pg_advisory_unlock_all()")
    assert living(SPACE) == set()


def test_a_name_is_held_by_one_at_a_time(other: Any) -> None:
    with other.cursor() as cursor:
        held = "SELECT pg_try_advisory_lock(hashtext(%s), hashtext('sweep'))"
        with alone(SPACE, "sweep") as is_mine:
            assert is_mine
            cursor.execute(held, [SPACE])
            assert cursor.fetchone() == (False,)
        cursor.execute(held, [SPACE])
        assert cursor.fetchone() == (True,)
        with alone(SPACE, "sweep") as is_mine:
            assert not is_mine
        # Whoever was turned away has not let go of what another holds.
        assert len(living(SPACE)) == 1
