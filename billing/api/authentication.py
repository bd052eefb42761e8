"""Who calls: ``Authorization: Bearer sk_…``, with a budget for each key and for guessing."""

from typing import Any, NoReturn

import pghistory
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from billing.api.errors import ApiError
from billing.api.keys import GUESSES_PER_S, Caller, count_guess, count_visit, open_with
from billing.api.models import ApiKey
from billing.base import clock
from billing.base.requests import client_address

KEY_MAX = 100
# Through a socket without addresses comes who sits on this machine.
NO_ADDRESS = "::"


def address_of(request: Request) -> str:
    """The address that this request is counted by."""
    return client_address(request._request) or NO_ADDRESS


class KeyAuthentication(BaseAuthentication):
    """No session and no cookie ever counts here, so nothing can be forged across sites."""

    def authenticate(self, request: Request) -> tuple[Caller, None]:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer" or not text:
            self._refuse(request, "key_missing", "Send a key: “Authorization: Bearer sk_…”.")
        caller = open_with(text, clock.now()) if len(text) <= KEY_MAX else None
        if caller is None:
            self._refuse(request, "key_invalid", "This key opens nothing.")
        limit = caller.limit
        if caller.kind == ApiKey.Kind.PUBLISHABLE:
            limit = count_visit(caller, address_of(request), clock.now())
        # The answer tells of it, whatever becomes of the request.
        request.limit = limit  # type: ignore[attr-defined]
        if limit.wait_s:
            raise ApiError(
                429, "rate_limited", "Too many requests with this key.", wait_s=limit.wait_s
            )
        # What history keeps beside each change that this request makes.
        pghistory.context(actor=caller.actor)
        return caller, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Kvitt"'

    def _refuse(self, request: Request, code: str, detail: str) -> NoReturn:
        address = client_address(request._request)
        if address and count_guess(address, clock.now()):
            raise ApiError(
                429, "rate_limited", "Too many keys that open nothing.", wait_s=1 / GUESSES_PER_S
            )
        refused = ApiError(401, code, detail)
        refused.auth_header = self.authenticate_header(request)  # type: ignore[attr-defined]
        raise refused


class HasScope(BasePermission):
    """A key does what its scopes say; the view says which one its method takes."""

    def has_permission(self, request: Request, view: Any) -> bool:
        scope = view.scopes.get("GET" if request.method == "HEAD" else request.method)
        caller: Any = request.user
        if scope is None:
            return True  # There is no such method, and that is what is answered.
        if scope not in caller.scopes:
            raise ApiError(403, "scope_missing", f"This key has not the scope {scope}.")
        if view.needs_secret_key and caller.kind == ApiKey.Kind.PUBLISHABLE:
            raise ApiError(403, "secret_key_needed", "A publishable key cannot do this.")
        return True
