"""The API's document: complete, without a warning, with examples that are what happens."""

import json
import os
import re
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.conf import settings as product
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import translation

from billing.api.docs import written
from billing.api.error_schema import ERROR_CODES, EXAMPLES, error_codes
from billing.api.schema import ERRORS
from billing.events.models import Event
from billing.events.recorder import fan_out
from billing.events.types import PUBLIC
from billing.webhooks.bodies import payloads_of
from customers.models import Seller
from tests.api.calling import Shop
from tests.api.error_codes import (
    GAP,
    as_written,
    of_others_that_are_gone,
    table_of_codes,
    table_of_events,
)
from tests.api.examples import check_example
from tests.api.world import World, operations, requests, schema
from tests.browsing import chromium

PAGE = Path(product.BASE_DIR) / "docs" / "api.md"
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


# What can be answered and what is told, written from the code


def _written(path: Path, text: str) -> str:
    if os.environ.get("KVITT_WRITE_EXAMPLES"):
        path.write_text(text)
    return path.read_text()


def test_the_codes_of_each_status_are_those_of_the_code() -> None:
    assert _written(ERROR_CODES, as_written()) == as_written()
    assert of_others_that_are_gone() == set()
    assert all(detail for said in error_codes().values() for detail in said.values())


def test_each_refusal_of_an_operation_has_the_codes_of_its_status_and_an_example() -> None:
    components = {"components": schema()["components"]}
    for operation, (_, _, said) in operations().items():
        for status in EXAMPLES.keys() & said["responses"].keys():
            part = said["responses"][status]["content"]["application/json"]
            example = part["example"]
            jsonschema.validate(example, {**part["schema"], **components})
            (error,) = example["errors"]
            other = {**example, "errors": [{**error, "code": "happened"}]}
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(other, {**part["schema"], **components})
            assert part["schema"] == {"$ref": f"#/components/schemas/Problems{status}"}, operation


def test_the_examples_of_refusals_say_what_the_table_says() -> None:
    assert set(EXAMPLES) == set(error_codes()) == set(ERRORS)
    for status, (code, detail, _) in EXAMPLES.items():
        said = re.escape(error_codes()[status][code]).replace(GAP, ".+")
        assert re.fullmatch(said, detail), (status, code)


def test_docs_list_every_type_of_event_and_every_code() -> None:
    text = PAGE.read_text()
    for name, table in (("events", table_of_events()), ("errors", table_of_codes())):
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}<!-- {name} -->\n{table}\n{end}{after}"
    assert _written(PAGE, text) == text


def test_each_type_of_event_is_a_webhook_whose_body_is_what_is_sent(seller: Seller) -> None:
    webhooks, components = schema()["webhooks"], {"components": schema()["components"]}
    assert set(webhooks) == set(PUBLIC)
    World(seller)
    while fan_out():
        pass
    events = list(Event.objects.filter(position__isnull=False))
    assert len({event.type for event in events}) >= 8
    for payload in payloads_of(events, is_live=False):
        body = webhooks[payload["type"]]["post"]["requestBody"]["content"]["application/json"]
        jsonschema.validate(payload, {**body["schema"], **components})
        other = {**payload, "type": "nothing.happened"}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(other, {**body["schema"], **components})


def test_the_document_says_where_the_server_is(settings: Any) -> None:
    assert schema()["servers"] == [{"url": settings.PUBLIC_URL}]


def test_the_document_is_for_everybody(db: None) -> None:
    answer = Client().get("/api/openapi.json")
    assert json.loads(answer.content)["openapi"] == "3.1.0"


def test_the_document_is_in_english_whatever_its_first_reader_wants() -> None:
    written.cache_clear()
    with translation.override("sv"):
        for_a_swede = written()
    written.cache_clear()
    assert for_a_swede == written()


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
