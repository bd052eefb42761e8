"""Every operation, by one table: that it answers as documented, and to whom it does not."""

from collections.abc import Callable
from itertools import batched
from typing import Any

import jsonschema
import pghistory.models
import pytest
from django.apps import apps
from django.db import transaction

from billing.api.scopes import ALL
from billing.api.scoping import SELLER_OF
from tests.api.calling import Shop, errors_of
from tests.api.conftest import open_seller
from tests.api.world import Asked, World, operations, requests, schema

OPERATIONS = operations()


@pytest.fixture
def world(seller: Any) -> World:
    return World(seller)


def send(shop: Shop, asked: Asked) -> Any:
    if asked.method == "GET":
        return shop.client.get(f"/api/v1/{asked.path}", headers=shop.headers())
    return shop.send(asked.method, asked.path, asked.body)


def of_each(world: World, ask: Callable[[str, Asked], Any]) -> dict[str, Any]:
    """What comes of each operation in the same world; what it does is undone."""
    found = {}
    for operation, asked in requests(world).items():
        with transaction.atomic():
            asked.before()
            found[operation] = ask(operation, asked)
            transaction.set_rollback(True)
    return found


def test_every_operation_has_a_request(world: World) -> None:
    assert set(requests(world)) == set(OPERATIONS)


def test_each_answers_as_the_document_says(world: World) -> None:
    shop = Shop(world.seller)

    def answered(operation: str, asked: Asked) -> Any:
        answer = send(shop, asked)
        said = OPERATIONS[operation][2]["responses"].get(str(answer.status_code), {})
        is_documented = answer.headers.get("Content-Type") in said.get("content", {None})
        return (
            answer.status_code,
            is_documented,
            b"" if answer.status_code < 400 else answer.content,
        )

    expected = {name: (asked.status, True, b"") for name, asked in requests(world).items()}
    found = of_each(world, answered)
    assert found.pop("pay_invoice")[0] == 402
    expected.pop("pay_invoice")
    assert found == expected


def test_what_only_reads_leaves_no_history_and_what_writes_says_where(world: World) -> None:
    shop = Shop(world.seller)
    kept: list[Any] = [
        model for model in apps.get_models() if issubclass(model, pghistory.models.Event)
    ]

    def places(operation: str, asked: Asked) -> tuple[str, set[str | None]]:
        last = {model: model.objects.order_by("-pk").values_list("pk").first() for model in kept}
        send(shop, asked)
        new = [
            event.pgh_context and event.pgh_context.metadata.get("url")
            for model, before in last.items()
            for event in model.objects.filter(pk__gt=before[0] if before else 0)
        ]
        return asked.method, set(new)

    found = of_each(world, places)
    assert {name: urls for name, (method, urls) in found.items() if method == "GET" and urls} == {}
    told = [urls for method, urls in found.values() if method != "GET" and urls]
    assert len(told) > 5
    assert all(str(url).startswith("/api/v1/") for urls in told for url in urls)


def test_a_key_without_the_scope_is_refused(world: World) -> None:
    def refused(operation: str, asked: Asked) -> Any:
        scope = OPERATIONS[operation][2]["x-scope"]
        answer = send(Shop(world.seller, scopes=ALL - {scope}), asked)
        return answer.status_code, errors_of(answer)

    answers = of_each(world, refused)
    assert answers == dict.fromkeys(OPERATIONS, (403, [("scope_missing", None)]))


def test_its_scope_alone_is_enough(world: World) -> None:
    def answered(operation: str, asked: Asked) -> int:
        scope = OPERATIONS[operation][2]["x-scope"]
        return int(send(Shop(world.seller, scopes=[scope]), asked).status_code)

    expected = {name: asked.status for name, asked in requests(world).items()}
    assert of_each(world, answered) == expected | {"pay_invoice": 402}


def test_what_is_shown_is_what_the_document_says(world: World) -> None:
    document = schema()
    shop = Shop(world.seller)

    def faults(operation: str, asked: Asked) -> list[str]:
        answer = send(shop, asked)
        if answer.headers.get("Content-Type") != "application/json":
            return []
        said = OPERATIONS[operation][2]["responses"][str(answer.status_code)]
        shape = said["content"]["application/json"]["schema"]
        check = jsonschema.Draft202012Validator({**shape, "components": document["components"]})
        return [
            f"{'.'.join(map(str, error.path))}: {error.message[:200]}"
            for error in check.iter_errors(answer.json())
        ]

    assert of_each(world, faults) == dict.fromkeys(OPERATIONS, [])


def test_what_another_seller_has_is_not_there(world: World) -> None:
    other = Shop(open_seller())

    def answered(operation: str, asked: Asked) -> Any:
        answer = send(other, asked)
        if operation == "record_usage_batch":
            return {result["code"] for result in answer.json()["results"]}
        if operation.startswith("list_"):
            return answer.json()["results"]
        return answer.status_code

    found = of_each(world, answered)
    expected: dict[str, Any] = dict.fromkeys(OPERATIONS, 404)
    expected |= {name: [] for name in OPERATIONS if name.startswith("list_")}
    own = ("create_customer", "create_webhook_endpoint", "create_test_clock")
    expected |= dict.fromkeys(own, 201) | {"record_usage_batch": {"unknown_subscription"}}
    assert found == expected


def test_a_field_of_a_model_that_is_no_field_to_set_is_refused(world: World) -> None:
    """Mass assignment: whatever a table has, only what is documented can be sent."""
    shop = Shop(world.seller)
    columns = {
        name
        for model in SELLER_OF
        for column in model._meta.concrete_fields
        for name in (column.name, column.attname)
    }

    def taken(operation: str, asked: Asked) -> list[str]:
        if asked.body is None:
            return []
        strange = sorted(columns - _fields(operation))
        refused = set()
        for some in batched(strange, 10):
            sent = shop.send(asked.method, asked.path, {**asked.body, **dict.fromkeys(some, "1")})
            refused |= {attr for code, attr in errors_of(sent) if code == "unknown_field"}
        return sorted(set(strange) - refused)

    assert of_each(world, taken) == dict.fromkeys(OPERATIONS, [])


def _fields(operation: str) -> set[str]:
    body = OPERATIONS[operation][2].get("requestBody")
    if body is None:
        return set()
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return set(schema()["components"]["schemas"][name].get("properties", {}))


def test_a_parameter_that_means_nothing_is_refused(world: World) -> None:
    shop = Shop(world.seller)

    def refused(operation: str, asked: Asked) -> Any:
        path = asked.path + ("&" if "?" in asked.path else "?") + "nothing=1"
        answer = send(shop, Asked(asked.method, path, asked.body))
        return answer.status_code, errors_of(answer)

    expected = dict.fromkeys(OPERATIONS, (400, [("unknown_parameter", "nothing")]))
    assert of_each(world, refused) == expected


def test_what_would_make_a_second_thing_needs_an_idempotency_key(world: World) -> None:
    shop = Shop(world.seller)

    def needs(operation: str, asked: Asked) -> bool:
        if asked.method != "POST":
            return False
        answer = shop.send("POST", asked.path, asked.body, None)
        return answer.status_code == 400 and errors_of(answer)[0][0] == "idempotency_key_missing"

    said = {
        name: any(
            each["name"] == "Idempotency-Key" and each.get("required", False)
            for each in operation.get("parameters", [])
        )
        for name, (_, _, operation) in OPERATIONS.items()
    }
    assert of_each(world, needs) == said


def test_a_publishable_key_does_three_things(world: World) -> None:
    page = Shop(world.seller, kind="publishable")

    def allowed(operation: str, asked: Asked) -> bool:
        return bool(send(page, asked).status_code < 400)

    found = {name for name, is_allowed in of_each(world, allowed).items() if is_allowed}
    assert found == {
        *("list_plans", "get_plan", "list_prices", "get_price"),
        *("validate_coupon", "create_checkout_session"),
    }
