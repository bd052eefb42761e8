"""Numbers of events: of each object 1, 2, 3 …, given without a gap whoever works beside whom."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from billing.events import hooks
from billing.events.models import Event
from billing.events.recorder import fan_out, record
from billing.webhooks import actions
from billing.webhooks.models import WebhookDelivery
from tests.api.calling import Shop
from tests.factories import SellerFactory
from tests.webhooks.test_delivering import DAY, SELLER, happen

WRITERS, WORKERS, OBJECTS, EVENTS_EACH = 2, 3, 7, 140

WRITE = """
import random, sys
from datetime import date
from django.db import connection, transaction
from billing.events.recorder import record
seed, objects, count = map(int, sys.argv[1:])
chance = random.Random(seed)
for number in range(count):
    subject = f"x_{chance.randrange(objects)}"
    with transaction.atomic():
        # What happens to one object is told under its lock, as the customer's is in earnest.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [subject])
        for _ in range(chance.randrange(1, 4)):
            record("invoice.paid", seller="sel_1", subject=subject, occurred_on=date(2026, 3, 1),
                   actor=f"writer {seed}")
        record("payment.doubted", seller="sel_1", subject=subject,
               occurred_on=date(2026, 3, 1), actor="internal")
        if chance.randrange(10) == 0:
            transaction.set_rollback(True)
print("written")
"""
FAN_OUT = """
import sys, time
from billing.events.recorder import fan_out
quiet = 0
while quiet < 40:
    quiet = 0 if fan_out(limit=13) else quiet + 1
    time.sleep(0.01 if quiet else 0)
print("fanned out")
"""


def process(code: str, *arguments: object, stdin: int | None = None) -> "subprocess.Popen[str]":
    """Python with Django set up, on the database of the test."""
    address, question, options = settings.DATABASE_URL.partition("?")
    name = connection.settings_dict["NAME"]
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "billing.settings",
        "DATABASE_URL": f"{address.rpartition('/')[0]}/{name}{question}{options}",
    }
    return subprocess.Popen(
        [sys.executable, "-c", "import django; django.setup()\n" + code, *map(str, arguments)],
        cwd=settings.BASE_DIR,
        env=env,
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
    )


def numbers() -> dict[str, list[int | None]]:
    found: dict[str, list[int | None]] = {}
    for event in Event.objects.filter(type="invoice.paid").order_by("id"):
        found.setdefault(event.subject, []).append(event.sequence)
    return found


@pytest.mark.django_db(transaction=True)
def test_several_workers_number_the_events_of_each_object_in_order_without_a_gap() -> None:
    target, _ = actions.create(
        seller=SELLER,
        is_live=False,
        url="https://shop.example/",
        types=["invoice.*"],
        as_of=DAY,
        actor="test",
    )
    writers = [process(WRITE, seed, OBJECTS, EVENTS_EACH) for seed in range(WRITERS)]
    workers = [process(FAN_OUT) for _ in range(WORKERS)]
    for running, said in ((writers, "written\n"), (workers, "fanned out\n")):
        assert [each.communicate(timeout=120)[0] for each in running] == [said] * len(running)
    while fan_out():
        pass
    found = numbers()
    assert len(found) == OBJECTS
    assert found == {subject: list(range(1, len(of) + 1)) for subject, of in found.items()}
    assert not Event.objects.filter(type="payment.doubted", sequence__isnull=False).exists()
    sent = WebhookDelivery.objects.filter(endpoint=target).values_list("subject", "sequence")
    assert sorted(sent) == sorted((subject, n) for subject, of in found.items() for n in of)


LATE = """
import sys
from datetime import date
from django.db import transaction
from billing.events.recorder import record
with transaction.atomic():
    event = record("invoice.paid", seller=sys.argv[1], subject="x_late",
                   occurred_on=date(2026, 3, 1), actor="late")
    print(event.public_id, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.django_db(transaction=True)
def test_who_reads_on_from_the_last_event_misses_none_that_was_committed_late() -> None:
    """The late one is recorded first, by a transaction that is still open while others are read."""
    shop = Shop(SellerFactory())
    seller = shop.seller.public_id

    def read_on(after: str) -> list[str]:
        found = shop.get("events", after=after, limit=1).json()
        ids = []
        while True:
            ids += [each["id"] for each in found["results"]]
            if found["next"] is None:
                return ids
            found = shop.client.get(found["next"], headers=shop.headers()).json()

    begin = record("invoice.paid", seller=seller, subject="x_1", occurred_on=DAY, actor="test")
    fan_out()
    late = process(LATE, seller, stdin=subprocess.PIPE)
    assert late.stdout
    late_id = late.stdout.readline().strip()
    early = record("invoice.paid", seller=seller, subject="x_1", occurred_on=DAY, actor="test")
    fan_out()
    assert read_on(begin.public_id) == [early.public_id]
    late.communicate("\n", timeout=30)
    fan_out()
    assert Event.objects.get(public_id=late_id).pk < early.pk
    assert read_on(early.public_id) == [late_id]
    assert read_on(begin.public_id) == [late_id, early.public_id]


@pytest.mark.django_db
def test_positions_of_a_seller_have_no_gap_and_are_nobody_elses_business() -> None:
    happen("x_1", "invoice.finalized", "payment.doubted", "invoice.paid")
    happen("x_2", "invoice.finalized", seller="sel_2")
    fan_out()
    happen("x_3", "invoice.finalized")
    fan_out()
    found = Event.objects.order_by("id").values_list("seller", "position")
    assert list(found) == [(SELLER, 1), (SELLER, None), (SELLER, 2), ("sel_2", 1), (SELLER, 3)]


@pytest.mark.django_db
def test_a_batch_is_fanned_out_in_as_many_queries_whatever_is_in_it() -> None:
    for number in range(3):
        actions.create(
            seller=SELLER,
            is_live=False,
            url=f"https://shop.example/{number}",
            types=["*"],
            as_of=DAY,
            actor="test",
        )
    fan_out()
    asked = []
    for count in (1, 50):
        for number in range(count):
            happen(f"x_{number}", "invoice.finalized", "invoice.paid")
        with CaptureQueriesContext(connection) as captured:
            assert fan_out() == 2 * count
        asked.append(len(captured))
    # What is sent is written down as well, with the objects as they are.
    assert asked[0] == asked[1] < 18


@pytest.mark.django_db
def test_who_joins_in_hears_of_the_batch_when_its_numbers_are_given() -> None:
    heard: list[list[tuple[str, int | None]]] = []

    def join_in(events: Sequence[Event], *, now: datetime) -> None:
        heard.append([(event.type, event.sequence) for event in events])

    happen("x_1", "invoice.finalized", "payment.doubted", "invoice.paid")
    with hooks.fanned_out.replaced(join_in):
        assert fan_out() == 3
    assert heard == [[("invoice.finalized", 1), ("payment.doubted", None), ("invoice.paid", 2)]]


@pytest.mark.django_db
def test_recording_asks_nothing_more_than_to_write_the_row(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        event = record("invoice.paid", seller=SELLER, subject="x_1", occurred_on=DAY, actor="test")
    assert event.sequence is None


@pytest.mark.django_db
def test_numbers_go_on_where_they_were() -> None:
    happen("x_1", "invoice.finalized", "payment.doubted")
    fan_out()
    happen("x_1", "invoice.paid")
    fan_out()
    found = Event.objects.order_by("id").values_list("type", "sequence", "is_fanned_out")
    assert list(found) == [
        ("invoice.finalized", 1, True),
        ("payment.doubted", None, True),
        ("invoice.paid", 2, True),
    ]
