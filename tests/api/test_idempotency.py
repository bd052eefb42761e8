"""A POST that is sent again does nothing again, whatever becomes of the first."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from billing.api import idempotency
from billing.api.keys import rotate_key
from billing.api.models import ApiKey, Bucket, IdempotentRequest
from billing.base import clock
from customers import actions
from customers.models import Customer
from tests.api.calling import Shop, errors_of
from tests.api.conftest import open_seller
from tests.factories import CustomerFactory

BODY = {"name": "Åsa"}


def test_a_retry_gets_the_first_answer_and_makes_nothing(shop: Shop) -> None:
    first = shop.post("customers", BODY, "a")
    again = shop.post("customers", BODY, "a")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Customer.objects.count() == 1


def test_a_key_with_another_body_is_refused(shop: Shop) -> None:
    shop.post("customers", BODY, "a")
    other = shop.post("customers", {"name": "Bo"}, "a")
    assert other.status_code == 422
    assert errors_of(other) == [("idempotency_key_reused", "Idempotency-Key")]
    assert Customer.objects.count() == 1


def test_the_order_of_fields_and_the_blanks_between_make_no_other_body(shop: Shop) -> None:
    """A shop that sends it again later may write the same fields in another order."""
    first = shop.post("customers", b'{"name": "A", "metadata": {"a": "1", "b": "2"}}', "a")
    again = shop.post("customers", b'{"metadata":{"b":"2","a":"1"},"name":"\\u0041"}', "a")
    assert first.status_code == 201
    assert again.content == first.content
    other = shop.post("customers", b'{"name": "A", "metadata": {"a": "2", "b": "1"}}', "a")
    assert errors_of(other) == [("idempotency_key_reused", "Idempotency-Key")]


@pytest.mark.parametrize("key", ["", "ö", "a" * 256, "a\tb"])
def test_a_key_is_visible_ascii(shop: Shop, key: str) -> None:
    headers = {"Idempotency-Key": key}
    answer = shop.send("POST", "customers", BODY, None, **headers)
    assert answer.status_code == 400
    assert errors_of(answer) == [("idempotency_key_invalid", "Idempotency-Key")]


def test_what_would_make_a_second_thing_needs_a_key(shop: Shop) -> None:
    answer = shop.post("customers", BODY, None)
    assert answer.status_code == 400
    assert errors_of(answer) == [("idempotency_key_missing", "Idempotency-Key")]
    assert not Customer.objects.exists()


def test_two_shops_may_use_one_key(shop: Shop) -> None:
    other = Shop(open_seller())
    assert shop.post("customers", BODY, "a").json() != other.post("customers", BODY, "a").json()


def test_a_rotated_key_finds_the_answers_of_the_old_one(shop: Shop) -> None:
    first = shop.post("customers", BODY, "a")
    _, shop.text = rotate_key(
        shop.key, now=clock.now(), actor="user:anna", overlap=timedelta(hours=1)
    )
    assert shop.post("customers", BODY, "a").content == first.content


def test_what_was_refused_did_nothing_and_does_not_use_the_key_up(shop: Shop) -> None:
    assert shop.post("customers", {"name": ""}, "a").status_code == 400
    assert shop.post("customers", {"name": 7}, "a").status_code == 400
    mended = shop.post("customers", BODY, "a")
    assert mended.status_code == 201
    assert shop.post("customers", BODY, "a").content == mended.content
    reused = shop.post("customers", {"name": ""}, "a")
    assert errors_of(reused) == [("idempotency_key_reused", "Idempotency-Key")]


def test_what_was_not_found_is_found_by_the_same_request_once_it_is_there(shop: Shop) -> None:
    body = {
        "customer": "cus_later",
        "currency": "SEK",
        "amount_minor": 100,
        "description": "Delivery",
    }
    assert shop.post("one_off_items", body, "a").status_code == 404
    CustomerFactory(seller=shop.seller, public_id="cus_later")
    assert shop.post("one_off_items", body, "a").status_code == 201


@pytest.mark.parametrize("error", [RuntimeError("no"), OperationalError("no")])
def test_a_failure_is_not_kept(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(actions, "add_customer", fail)
        assert shop.post("customers", BODY, "a").status_code in (500, 503)
    assert shop.post("customers", BODY, "a").status_code == 201
    assert Customer.objects.count() == 1


def test_while_the_first_runs_a_second_is_told_to_wait(shop: Shop) -> None:
    body = b'{"name": "A"}'
    fingerprint = idempotency.fingerprint_of("POST", "/api/v1/customers", body)
    idempotency.claim(shop.key.pk, "a", fingerprint, clock.now())
    waiting = shop.post("customers", body, "a")
    assert waiting.status_code == 409
    assert errors_of(waiting) == [("request_in_progress", "Idempotency-Key")]
    assert waiting.headers["Retry-After"] == "1"


def test_an_abandoned_request_is_taken_over_and_cannot_come_back(shop: Shop) -> None:
    body = b'{"name": "A"}'
    fingerprint = idempotency.fingerprint_of("POST", "/api/v1/customers", body)
    dead = idempotency.claim(shop.key.pk, "a", fingerprint, clock.now())
    assert isinstance(dead, idempotency.Claim)
    with connection.cursor() as cursor:  # As when its session ends.
        cursor.execute("SELECT pg_advisory_unlock_all()")
    answer = shop.post("customers", body, "a")
    assert answer.status_code == 201
    assert not dead.keep(201, "another")
    dead.release()
    assert shop.post("customers", body, "a").content == answer.content


def test_work_whose_claim_was_taken_over_is_rolled_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = actions.add_customer

    def overtaken(*args: Any, **options: Any) -> Customer:
        customer = add(*args, **options)
        IdempotentRequest.objects.update(claim="another")
        return customer

    monkeypatch.setattr(actions, "add_customer", overtaken)
    assert shop.post("customers", BODY, "a").status_code == 409
    assert not Customer.objects.exists()


def test_answers_are_forgotten_after_thirty_days(shop: Shop) -> None:
    shop.post("customers", BODY, "old")
    shop.post("customers", BODY, "new")
    old = clock.now() - idempotency.KEPT - timedelta(seconds=1)
    IdempotentRequest.objects.filter(key="old").update(claimed_at=old)
    assert shop.post("customers", {"name": "Bo"}, "old").status_code == 201
    IdempotentRequest.objects.filter(key="old").update(claimed_at=old)
    Bucket.objects.create(what="key", address="192.0.2.1", tokens=1, filled_at=old)
    Bucket.objects.create(what="key", address="192.0.2.2", tokens=1, filled_at=clock.now())
    assert idempotency.forget(clock.now()) == 2
    assert Bucket.objects.get().address == "192.0.2.2"
    assert idempotency.forget(clock.now()) == 0
    assert IdempotentRequest.objects.get().key == "new"


@pytest.mark.django_db(transaction=True)
def test_of_many_posts_at_once_with_one_key_one_counts() -> None:
    shop = Shop(open_seller())
    start = threading.Barrier(8)
    answers: list[Any] = []

    def post() -> None:
        try:
            start.wait()
            answers.append(shop.post("customers", BODY, "a"))
        finally:
            connection.close()

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Customer.objects.count() == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.content for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert {code for a in answers if a.status_code == 409 for code, _ in errors_of(a)} <= {
        "request_in_progress"
    }


@pytest.mark.django_db(transaction=True)
def test_of_many_requests_at_once_each_takes_its_own_token() -> None:
    shop = Shop(open_seller())
    ApiKey.objects.filter(pk=shop.key.pk).update(burst=5, per_s=1, tokens=5)
    now = clock.now()
    ApiKey.objects.filter(pk=shop.key.pk).update(filled_at=now)
    start = threading.Barrier(12)
    waits: list[Decimal] = []

    def call() -> None:
        from billing.api.keys import open_with

        try:
            start.wait()
            caller = open_with(shop.text, now)
            assert caller
            waits.append(caller.limit.wait_s)
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wait == 0 for wait in waits) == [False] * 7 + [True] * 5


@pytest.mark.django_db(transaction=True)
def test_what_the_commit_refuses_is_answered_as_a_conflict() -> None:
    shop = Shop(open_seller())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$;"
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON customers_customer"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        assert shop.post("customers", BODY, "a").status_code == 409
        assert shop.post("customers", BODY, "a").status_code == 409
        assert not Customer.objects.exists()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON customers_customer; DROP FUNCTION refuse")
