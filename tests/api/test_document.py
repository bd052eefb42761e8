"""The API's document: complete, without a warning, with examples that are what happens."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client

from tests.api.calling import Shop
from tests.api.examples import check_example
from tests.api.world import World, operations, requests, schema
from tests.browsing import chromium

AT_THE_GATEWAY = {"pay_invoice"}
FACTORIES_MAKE_IT_SO = "customer_1 seller"


def test_it_is_made_without_a_warning_and_is_valid(tmp_path: Path) -> None:
    said = StringIO()
    file = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(file), stderr=said)
    assert said.getvalue() == ""
    assert file.read_text().startswith("openapi: 3.1")


def test_examples_are_what_happens(seller: Any) -> None:
    world = World(seller)
    shop = Shop(seller)
    for operation, asked in requests(world).items():
        if operation in AT_THE_GATEWAY:
            continue
        with transaction.atomic():
            asked.before()
            answer = (
                shop.client.get(f"/api/v1/{asked.path}", headers=shop.headers())
                if asked.method == "GET"
                else shop.send(asked.method, asked.path, asked.body)
            )
            transaction.set_rollback(True)
        is_json = answer.headers.get("Content-Type") == "application/json"
        check_example(operation, asked.body, answer.json() if is_json else None)


@pytest.mark.parametrize("operation", sorted(operations()))
def test_every_operation_has_examples_that_fit_it(operation: str) -> None:
    _, _, said = operations()[operation]
    components = {"components": schema()["components"]}
    media = [
        part
        for body in (said.get("requestBody"), *_successes(said))
        if body
        for kind, part in body.get("content", {}).items()
        if kind == "application/json"
    ]
    for part in media:
        jsonschema.validate(part["example"], {**part["schema"], **components})


def _successes(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [body for status, body in said["responses"].items() if status.startswith("2")]


def test_every_operation_says_its_scope_and_its_errors() -> None:
    for path, method, said in operations().values():
        assert said["security"] == [{"key": []}], path
        assert said["x-scope"] in said["description"]
        assert {"400", "401", "403", "404", "429", "503"} <= set(said["responses"])
        if method == "POST":
            named = {parameter["name"] for parameter in said["parameters"]}
            assert "Idempotency-Key" in named


def test_the_document_is_for_everybody(db: None) -> None:
    answer = Client().get("/api/openapi.json")
    assert json.loads(answer.content)["openapi"] == "3.1.0"


def test_the_page_asks_nobody_else_and_breaks_no_rule(live_server: Any) -> None:
    with chromium() as browser:
        page = browser.new_page()
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{live_server.url}/api/docs/")
        page.get_by_text("/api/v1/subscriptions/preview").first.wait_for()
        page.get_by_text("/api/v1/customers", exact=False).first.click()
        outside = [url for url in asked if not url.startswith((live_server.url, "data:"))]
    assert outside == []
    assert complaints == []
