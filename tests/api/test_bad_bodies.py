"""Bad input to the API: each field and parameter of each operation, from the API's own document.

Whatever is sent: no failure of ours, no guard of the database by its name, an error that names the
field, and nothing written where it is refused.
"""

import copy
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import connection, transaction

from billing.api.models import ApiKey
from tests.api.calling import Shop, errors_of
from tests.api.conftest import open_seller
from tests.api.world import Asked, World, operations, requests, schema
from tests.matrix.spoiling import guard_names

pytestmark = pytest.mark.django_db

LONG = "x" * 5_000
AT_THE_GATEWAY = frozenset({"pay_invoice"})
# What stands for a field of one kind of JSON, by what is wrong with it.
BAD: dict[str, Any] = {
    "null": None,
    "long": LONG,
    "NUL": "a\x00b",
    "words": "soon",
    "huge": 10**40,
    "negative": -(10**40),
    "past": "0001-01-01",
    "future": "9999-12-31T23:59:59-14:00",
    "list": [["a"]],
    "object": {"a": {"b": 1}},
}
IN_QUERY = ("long", "NUL", "words", "huge", "past")
# No field takes any of these, whatever it is for.
NEVER = frozenset({"NUL", "huge", "negative", "list"})


@dataclass(frozen=True)
class Spoiled:
    """A request with one value in it that is wrong."""

    told: str
    kind: str
    asked: Asked
    attr: str


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def world(db: None) -> World:
    return World(open_seller())


@pytest.fixture
def shop(world: World) -> Shop:
    shop = Shop(world.seller)
    ApiKey.objects.filter(pk=shop.key.pk).update(burst=10**6, tokens=10**6, per_s=10**6)
    return shop


def spoiled(operation: str, asked: Asked, world: World, other: World) -> Iterator[Spoiled]:
    path, _, said = operations()[operation]
    yield from _in_body(operation, asked, said)
    yield from _in_query(operation, asked, said)
    yield from _of_another_seller(operation, asked, world, other)


def _in_body(operation: str, asked: Asked, said: dict[str, Any]) -> Iterator[Spoiled]:
    body = asked.body
    if body is None:
        return
    names = [*_fields(said), *(name for name in body if name not in _fields(said))]
    for name in names:
        for kind, value in BAD.items():
            sent = copy.deepcopy(body) | {name: value}
            yield Spoiled(f"{operation} {name} ({kind})", kind, _with(asked, sent), name)
        if name in body:
            left = {key: value for key, value in body.items() if key != name}
            yield Spoiled(f"{operation} without {name}", "left out", _with(asked, left), name)
    for record in body.get("records", [])[:1]:
        for name in record:
            for kind, value in BAD.items():
                sent = {**body, "records": [{**record, name: value}]}
                told = f"{operation} records.0.{name} ({kind})"
                yield Spoiled(told, kind, _with(asked, sent), "records")


def _fields(said: dict[str, Any]) -> list[str]:
    content = said.get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    found = schema()["components"]["schemas"].get(reference.rpartition("/")[2], {})
    return list(found.get("properties", {}))


def _in_query(operation: str, asked: Asked, said: dict[str, Any]) -> Iterator[Spoiled]:
    if asked.method != "GET":
        return
    base = asked.path.partition("?")[0]
    for parameter in said.get("parameters", []):
        if parameter["in"] != "query":
            continue
        name = parameter["name"]
        for kind in IN_QUERY:
            query = urlencode({name: str(BAD[kind])})
            sent = Asked("GET", f"{base}?{query}", before=asked.before)
            yield Spoiled(f"{operation} ?{name} ({kind})", f"query, {kind}", sent, name)


def _of_another_seller(
    operation: str, asked: Asked, world: World, other: World
) -> Iterator[Spoiled]:
    """Each id of the seller's in path or body, another seller's in its place."""
    for name, own in world.named.items():
        foreign = other.named[name]
        if own == foreign or own not in f"{asked.path} {asked.body}":
            continue
        path = asked.path.replace(own, quote(foreign))
        body = None if asked.body is None else _replaced(asked.body, own, foreign)
        sent = Asked(asked.method, path, body, before=asked.before)
        yield Spoiled(f"{operation} of another seller's {name}", "another seller's", sent, name)


def _replaced(value: Any, own: str, foreign: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(inner, own, foreign) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, own, foreign) for inner in value]
    return foreign if value == own else value


def _with(asked: Asked, body: Any) -> Asked:
    return Asked(asked.method, asked.path, body, before=asked.before)


def stood() -> list[Any]:
    """What there is of all that a request may write."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT max(id) FROM events_event), (SELECT count(*) FROM customers_customer),"
            " (SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY id), ''))"
            "    FROM subscriptions_subscription t),"
            " (SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY id), ''))"
            "    FROM customers_customer t),"
            " (SELECT count(*) FROM usage_usagerecord), (SELECT count(*) FROM invoicing_invoice),"
            " (SELECT count(*) FROM payments_order), (SELECT count(*) FROM invoicing_oneoffitem),"
            " (SELECT count(*) FROM events_webhookendpoint)"
        )
        return list(cursor.fetchone())


def fault(shop: Shop, one: Spoiled, names: Any) -> str:
    with transaction.atomic():
        one.asked.before()
        before = stood()
        try:
            if one.asked.method == "GET":
                answer = shop.client.get(f"/api/v1/{one.asked.path}", headers=shop.headers())
            else:
                answer = shop.send(one.asked.method, one.asked.path, one.asked.body)
            after = stood()
        finally:
            transaction.set_rollback(True)
    status = answer.status_code
    text = answer.content.decode(errors="replace")
    if status >= 500 and status != 503:
        return f"{one.told}: {status}"
    if shown := names.search(text):
        return f"{one.told}: shows {shown[0]}"
    if status >= 400 and after != before:
        return f"{one.told}: {status}, and written all the same"
    if status < 400 and one.kind in NEVER:
        return f"{one.told}: was taken"
    if status == 400 and not all(attr for _, attr in errors_of(answer)):
        return f"{one.told}: names no field, {errors_of(answer)}"
    return ""


def test_no_operation_fails_or_takes_what_is_wrong(world: World, shop: Shop) -> None:
    other, names = World(open_seller()), guard_names()
    tried, faults = set(), []
    for operation, asked in requests(world).items():
        if operation in AT_THE_GATEWAY:
            continue
        for one in spoiled(operation, asked, world, other):
            faults.append(fault(shop, one, names))
            tried.add(operation)
    found = [each for each in faults if each]
    assert not found, "\n".join(found)
    # The rest has neither body, nor query, nor an id.
    assert len(tried) > len(requests(world)) - 5
