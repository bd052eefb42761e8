"""The OpenAPI document's webhooks: each type of event that shops are told of, with its body."""

from typing import Any

from drf_spectacular.plumbing import build_mocked_view
from drf_spectacular.utils import extend_schema

from billing.api.objects import SHOWN
from billing.api.resources.events import EventReading
from billing.events.types import PUBLIC

# What an event is about, by the first word of its type: prefixes of public ids.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "balance": ("cus",),
    "checkout": ("chk",),
    "coupon": ("sub", "cus"),
    "credit_note": ("cn",),
    "customer": ("cus",),
    "dunning": ("dun",),
    "invoice": ("inv",),
    "one_off_item": ("item",),
    "payment": ("pay",),
    "payment_method": ("cus",),
    "refund": ("pay",),
    "subscription": ("sub",),
    "test_clock": ("clk",),
    "webhook_endpoint": ("we",),
}


def with_webhooks(
    result: dict[str, Any], generator: Any, request: object, public: bool
) -> dict[str, Any]:
    """Add them to the document; a hook of drf-spectacular's."""
    decorate = extend_schema(request=None, responses=None)
    view = build_mocked_view("POST", "/", decorate, generator.registry)
    shown: dict[str, dict[str, Any]] = {
        prefix: view.schema.resolve_serializer(reading(), "response").ref
        for prefix, (reading, _) in SHOWN.items()
    }
    event = view.schema.resolve_serializer(EventReading(), "response").ref
    result["components"] = generator.registry.build({})
    result["webhooks"] = {
        type: {"post": _operation(type, said, event, shown)} for type, said in PUBLIC.items()
    }
    return result


def _operation(
    type: str, said: str, event: dict[str, str], shown: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    subjects = [shown[prefix] for prefix in SUBJECTS[type.partition(".")[0]]]
    about = subjects[0] if len(subjects) == 1 else {"oneOf": subjects}
    of_type = {
        "properties": {
            "type": {"const": type},
            "data": {"type": "object", "properties": {"object": about}},
        }
    }
    return {
        "operationId": f"told_of_{type.replace('.', '_')}",
        "summary": said,
        "description": "Signed as Standard Webhooks says, in the headers `webhook-id`, "
        "`webhook-timestamp` and `webhook-signature`. `webhook-id` is the event's `id`.",
        "tags": ["events"],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"allOf": [event, of_type]}}},
        },
        "responses": {"2XX": {"description": "It was taken. Anything else is sent again."}},
    }
