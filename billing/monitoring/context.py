"""Which request a line of the log belongs to, and who asked."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty

from billing.base.sql import authorship

HEADER = "X-Request-Id"
# What a proxy in front may have chosen; anything else is not ours to repeat.
_CHOSEN = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass
class Asked:
    """A request in hand."""

    id: str
    request: HttpRequest


_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


def begin(request: HttpRequest) -> Asked:
    """Give a request its id, or keep the one that it came with."""
    given = request.headers.get(HEADER, "")
    asked = Asked(given if _CHOSEN.fullmatch(given) else secrets.token_hex(8), request)
    _asked.set(asked)
    return asked


def end() -> None:
    _asked.set(None)


def told() -> dict[str, str]:
    """The request's id, and its actor, key and seller as far as they are known by now.

    Of a job or a command its name. Nothing is asked for it: a line of the log costs no query and
    raises nothing.
    """
    asked = _asked.get()
    if asked is None:
        return {"actor": who} if (who := authorship.actor()) else {}
    found = {"request_id": asked.id}
    user: Any = getattr(asked.request, "user", None)
    if isinstance(user, SimpleLazyObject) and user._wrapped is empty:
        return found
    if hasattr(user, "key_id"):
        return found | {
            "actor": user.actor,
            "api_key": user.public_id,
            "seller": user.seller.public_id,
        }
    if getattr(user, "is_authenticated", False):
        return found | {"actor": f"user:{user.get_username()}"}
    return found
