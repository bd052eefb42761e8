"""Calling the API as a shop does, in this process."""

import itertools
import json
from typing import Any

from django.test import Client

from billing.api.error_schema import error_codes
from billing.api.keys import make_key
from billing.api.models import ApiKey
from customers.models import Seller

_numbers = itertools.count(1)


class Shop:
    """A shop with a key: ``shop.get("customers", limit=5)``, ``shop.post("customers", {…})``."""

    def __init__(self, seller: Seller, **options: Any) -> None:
        self.seller = seller
        self.key: ApiKey
        self.key, self.text = make_key(seller, name="Shop", actor="user:anna", **options)
        self.client = Client(raise_request_exception=False)

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}", **more}

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", query, headers=self.headers())

    def post(self, path: str, body: Any = None, key: str | None = "", **headers: str) -> Any:
        """Post JSON, with a new Idempotency-Key unless one is given; None sends none."""
        return self.send("POST", path, body, key, **headers)

    def patch(self, path: str, body: Any = None) -> Any:
        return self.send("PATCH", path, body, None)

    def send(self, method: str, path: str, body: Any, key: str | None = "", **headers: str) -> Any:
        if key is not None:
            headers["Idempotency-Key"] = key or f"test-{next(_numbers)}"
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        return self.client.generic(
            method,
            f"/api/v1/{path}",
            data,
            content_type="application/json",
            headers=self.headers(**headers),
        )


def errors_of(response: Any) -> list[tuple[str, str | None]]:
    """Code and field of each error of an answer, whose codes the document knows."""
    errors = [(error["code"], error["attr"]) for error in response.json()["errors"]]
    known = error_codes().get(str(response.status_code), {})
    assert {code for code, _ in errors} <= known.keys(), "docs/api.md does not tell of this code"
    return errors
