"""Every operation, by one table: that it answers as documented, and to whom it does not."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from billing.api.scopes import ALL
from tests.api.calling import Shop, errors_of
from tests.api.world import Asked, World, operations, requests

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
        is_documented = answer.headers["Content-Type"] in said.get("content", {})
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
