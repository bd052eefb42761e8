"""What goes in and out over HTTP, without the sockets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .refusals import Refusal


@dataclass(frozen=True)
class Request:
    """A request that has arrived whole. Names in ``headers`` are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """A status, a body of one media type, and what else is to be said in headers."""

    status: int
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(status: int, answer: Any, **headers: str) -> Reply:
    """An answer as JSON; an underscore in the name of a header stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(answer).encode(), "application/json", named)


def error_answer(refusal: Refusal) -> dict[str, Any]:
    """How every error is told: ``{"error": {"code", "message", "field"}}``."""
    error = {"code": refusal.code, "message": refusal.message, "field": refusal.field}
    return {"error": error}
