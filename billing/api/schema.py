"""The OpenAPI document: what drf-spectacular cannot read off the views by itself."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from billing.api.idempotency import HEADER, KEY_MAX

EXAMPLES = Path(__file__).with_name("examples.json")
JSON = "application/json"


class Problem(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="A sentence that says what to do.")
    attr = serializers.CharField(allow_null=True, help_text="The field that it is about.")


class Problems(serializers.Serializer[Any]):
    """Why a request was not met."""

    type = serializers.ChoiceField(["validation_error", "client_error", "server_error"])
    errors = Problem(many=True)  # type: ignore[assignment]


ERRORS = {
    "400": "The request is malformed, or a field or parameter is wrong.",
    "401": "No key, or one that opens nothing.",
    "402": "The money could not be taken.",
    "403": "The key has not the scope that this takes.",
    "404": "There is no such object, or it is another seller's.",
    "405": "This address has no such method.",
    "409": "The present state does not allow this.",
    "411": "The body came in chunks, without a `Content-Length`.",
    "413": "The body is over a megabyte.",
    "415": "The body is not `application/json`.",
    "422": "The request is understood, and asks for what cannot be.",
    "429": "Too many requests; `Retry-After` says when to go on.",
    "500": "A fault of ours.",
    "503": "The database is busy; try again.",
}
FOR_BODIES = {"409", "411", "413", "415", "422"}


class Schema(AutoSchema):
    """Adds what every operation has in common: errors, keys of repeats, what may be expanded."""

    view: Any

    def get_override_parameters(self) -> list[Any]:
        found: list[Any] = list(super().get_override_parameters())
        reading = getattr(self.view, "reading", None)
        if reading and reading.expandable():
            found.append(_expand(reading.expandable()))
        if self.method == "POST":
            found.append(_key(self.view.needs_key))
        return found

    def get_operation(self, *args: Any, **options: Any) -> Any:
        operation = super().get_operation(*args, **options)
        scope = self.view.scopes.get(self.method)
        if operation is not None and scope:
            said = operation.get("description", "")
            operation["description"] = f"{said}\n\nScope: `{scope}`.".strip()
            operation["x-scope"] = str(scope)
            _show_examples(operation)
        return operation

    def get_description(self) -> Any:  # type: ignore[override]
        """Not the view's docstring, which is for who reads the code."""
        return ""

    def _get_serializer_name(self, serializer: Any, *args: Any, **options: Any) -> str:
        name: str = super()._get_serializer_name(serializer, *args, **options)
        return name.removesuffix("Reading").replace("Writing", "Request")

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction=direction)
        for status, description in ERRORS.items():
            if status in bodies or (self.method == "GET" and status in FOR_BODIES):
                continue
            if status == "402" and not getattr(self.view, "takes_money", False):
                continue
            body = self._get_response_for_code(Problems, status)
            bodies[status] = {**body, "description": description}
        return bodies


@cache
def examples() -> dict[str, Any]:
    """What real requests got, by operation."""
    found: dict[str, Any] = json.loads(EXAMPLES.read_text()) if EXAMPLES.exists() else {}
    return found


def _show_examples(operation: dict[str, Any]) -> None:
    example = examples().get(operation["operationId"])
    if example is None:
        return
    bodies = {"request": [operation["requestBody"]] if "requestBody" in operation else []}
    bodies["response"] = [
        body for status, body in operation["responses"].items() if status.startswith("2")
    ]
    for side, found in bodies.items():
        for body in found:
            part = body.get("content", {}).get(JSON)
            if part is not None and example[side] is not None:
                part["example"] = example[side]


def _expand(names: list[str]) -> Any:
    from drf_spectacular.utils import OpenApiParameter

    return OpenApiParameter(
        "expand",
        str,
        description="Show objects in place of their ids, separated by commas: "
        + ", ".join(f"`{name}`" for name in names)
        + ".",
    )


def _key(is_required: bool) -> Any:
    from drf_spectacular.utils import OpenApiParameter

    return OpenApiParameter(
        HEADER,
        {"type": "string", "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[ -~]+$"},
        OpenApiParameter.HEADER,
        required=is_required,
        description="A text of your own, the same for each retry: the request counts once, and a "
        "retry gets the first answer, for 30 days.",
    )


class ReferenceField(OpenApiSerializerFieldExtension):
    target_class = "billing.api.reading.Reference"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Any:
        component = auto_schema.resolve_serializer(self.target.reading, direction)
        schema: dict[str, Any] = {"oneOf": [{"type": "string"}, component.ref]}
        return schema


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "billing.api.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of the shop: `sk_test_…`, `sk_live_…`, or `pk_…` for the little "
            "that a shop's pages do by themselves.",
        }


def of_shops(endpoints: list[Any]) -> list[Any]:
    """What the document tells of: the addresses for shops."""
    return [each for each in endpoints if each[0].startswith("/api/v1/")]
