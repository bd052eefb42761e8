"""Asking every address as everybody, and saying in one word what came of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction
from django.test import Client

from portal import visits
from tests.matrix.world import World, ended_session, portal_session, staff_session

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REFUSED = {401, 403, 404, 405, 410, 429}


class Actors:
    """Who asks: each with the cookies and headers that they would send."""

    def __init__(self, world: World) -> None:
        a, b = world.a.customer, world.b.customer
        only = world.a.subscription.public_id
        visitors = {
            "A": portal_session(a),
            "B": portal_session(b),
            "A, one only": portal_session(a, only),
            "A, signed out": ended_session(a),
        }
        self.credentials: dict[str, tuple[dict[str, str], dict[str, str]]] = {"anonymous": ({}, {})}
        for name, key in visitors.items():
            self.credentials[name] = ({visits.COOKIE: key}, {})
        for name, text in world.keys.items():
            self.credentials[name] = ({}, {"Authorization": f"Bearer {text}"})
        for name, user in world.staff.items():
            session = staff_session(user, has_shown_factor=name != "no factor")
            self.credentials[name] = ({settings.SESSION_COOKIE_NAME: session}, {})
        self._client = Client(raise_request_exception=False)
        self._count = 0

    def ask(self, actor: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer, after which everything is as before."""
        cookies, own = self.credentials[actor]
        self._client.cookies = SimpleCookie(cookies)
        self._count += 1
        if path.startswith("/api/"):
            own = {**own, "Idempotency-Key": f"matrix-{self._count}"}
        with undone():
            if method == "GET":
                return self._client.get(path, headers={**own, **headers})
            data = json.dumps(body or {}) if path.startswith("/api/") else body or {}
            if path.startswith("/api/") or method != "POST":
                return self._client.generic(
                    method,
                    path,
                    data if isinstance(data, str) else "",
                    content_type="application/json",
                    headers={**own, **headers},
                )
            return self._client.post(path, data, headers={**own, **headers})


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written inside is taken back."""
    with transaction.atomic():
        yield
        connection.set_rollback(True)


def word_of(answer: Any) -> str:
    """What an answer comes to: "in", a refusal by its status, or where one is sent to first."""
    if answer.status_code in REFUSED:
        return str(answer.status_code)
    if answer.status_code in (301, 302):
        path = urlsplit(answer.headers["Location"]).path
        if path in ("/accounts/login/", "/admin/login/"):
            return "sign in"
        if path.startswith("/accounts/2fa/") or path == "/accounts/reauthenticate/":
            return "second step"
        if path == "/portal/":
            return "portal"
    if answer.status_code >= 500 and answer.status_code != 503:
        return f"failed {answer.status_code}"
    return "in"
