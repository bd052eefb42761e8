"""The API under ``/v1``: who may ask, for what, and one effect under one key."""

import contextlib
import hmac
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl

from .fields import Fields
from .gateway import LIST_LENGTH_MAX, Answer, Gateway
from .refusals import Refusal
from .replies import Reply, Request, error_answer, json_reply
from .till import Till

KEY: Final = re.compile(r"[!-~]{1,255}")
CREATED: Final = 201
# How much more a lie says was charged, in minor units.
LIE_MINOR: Final = 100


@dataclass(frozen=True)
class Call:
    """A request as its route understands it: the id in the path, the query and the JSON."""

    id: str
    query: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    """One thing that can be asked for. ``ID`` in the path stands for an id."""

    method: str
    path: str
    act: Callable[[Gateway, Call], Answer]
    status: int = 200
    asks: tuple[str, ...] = ()
    takes_body: bool = False
    needs_key: bool = False

    def match(self, path: str) -> re.Match[str] | None:
        return re.fullmatch("/v1" + self.path.replace("ID", "(?P<id>[A-Za-z0-9_]{1,80})"), path)


def _reference(call: Call) -> str:
    return Fields(call.query, *_LISTED).text("reference")


def _charges(gateway: Gateway, call: Call) -> Answer:
    if "since" not in call.query:
        return gateway.charges(_reference(call))
    return gateway.charges_since(Fields(call.query, *_LISTED).instant("since"), _after(call))


def _refunds(gateway: Gateway, call: Call) -> Answer:
    if "since" not in call.query:
        return gateway.refunds(_reference(call))
    return gateway.refunds_since(Fields(call.query, *_LISTED).instant("since"), _after(call))


def _after(call: Call) -> str:
    return call.query.get("after", "")


_LISTED: Final = ("reference", "since", "after")


def _events(gateway: Gateway, call: Call) -> Answer:
    asked = call.query.get("limit", str(LIST_LENGTH_MAX))
    limit = int(asked) if re.fullmatch(r"[0-9]{1,6}", asked, re.ASCII) else 0
    if not limit:
        raise Refusal(422, "invalid", "limit is a whole number above zero.", "limit")
    return gateway.events(call.query.get("after") or None, limit)


def _creating(
    path: str, act: Callable[[Gateway, Mapping[str, Any]], Answer], *, needs_key: bool = False
) -> Route:
    return Route(
        "POST",
        path,
        lambda gateway, call: act(gateway, call.body),
        status=CREATED,
        takes_body=True,
        needs_key=needs_key,
    )


# What asks for faults meets none itself.
FAULT_ROUTES: Final = (
    _creating("/faults", lambda gateway, body: gateway.faults.arm(body)),
    Route("GET", "/faults", lambda gateway, call: gateway.faults.armed()),
)
ROUTES: Final = (
    _creating("/customers", Gateway.create_customer),
    _creating("/payment_methods", Gateway.create_payment_method),
    Route("GET", "/payment_methods/ID", lambda gateway, call: gateway.payment_method(call.id)),
    _creating("/charges", Gateway.create_charge, needs_key=True),
    Route(
        "GET",
        "/charges",
        _charges,
        asks=_LISTED,
    ),
    Route("GET", "/charges/ID", lambda gateway, call: gateway.charge(call.id)),
    Route("POST", "/charges/ID/cancel", lambda gateway, call: gateway.cancel_charge(call.id)),
    _creating("/refunds", Gateway.create_refund, needs_key=True),
    Route(
        "GET",
        "/refunds",
        _refunds,
        asks=_LISTED,
    ),
    _creating("/sessions", Gateway.create_session),
    Route("GET", "/sessions/ID", lambda gateway, call: gateway.session(call.id)),
    Route("POST", "/sessions/ID/expire", lambda gateway, call: gateway.expire_session(call.id)),
    Route("GET", "/events", _events, asks=("after", "limit")),
    *FAULT_ROUTES,
)


@dataclass(frozen=True)
class Trouble:
    """The faults that one request meets."""

    is_down: bool = False
    slow_seconds: float = 0
    is_lost: bool = False
    is_lie: bool = False


class Api:
    """Answers requests under ``/v1``; several at once, from any thread.

    ``key`` is what callers must know. Once ``stopping`` is set, nothing is slow any more.
    """

    def __init__(self, till: Till, key: str, stopping: threading.Event) -> None:
        self._till, self._key, self._stopping = till, key, stopping
        self._keys_at_work = set[str]()
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply | None:
        """The reply; None where a fault has lost it and the connection is to be closed instead."""
        try:
            self._authorize(request)
            route, path_id = _find(request)
            call = Call(path_id, _query(request, route), _body(request, route))
            key = _idempotency_key(request, route)
            with self._alone(key):
                trouble = Trouble() if route in FAULT_ROUTES else self._trouble()
                if trouble.is_down:
                    return Reply(503, b"The sandbox is down, as was asked for.\n")
                reply = self._carry_out(route, request, call, key)
                self._stopping.wait(trouble.slow_seconds)
        except Refusal as refusal:
            return json_reply(refusal.status, error_answer(refusal))
        if trouble.is_lost:
            return None
        return _lie(reply) if trouble.is_lie and route.path.startswith("/charges") else reply

    def _authorize(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), self._key.encode())
        if scheme.lower() != "bearer" or not is_right:
            raise Refusal(401, "unauthorized", "Send the key as Authorization: Bearer KEY.")

    def _trouble(self) -> Trouble:
        with self._till.open() as gateway:
            take = gateway.faults.take
            if take("down") is not None:
                return Trouble(is_down=True)
            return Trouble(
                slow_seconds=take("slow") or 0,
                is_lost=take("lost") is not None,
                is_lie=take("lie") is not None,
            )

    def _carry_out(self, route: Route, request: Request, call: Call, key: str) -> Reply:
        """Do what is asked, together with keeping the answer under its key where there is one."""
        with self._till.open() as gateway:
            if not key:
                return json_reply(route.status, route.act(gateway, call))
            asked = json.dumps([request.method, request.path, call.body], sort_keys=True)
            status, answer, is_replayed = gateway.once(
                key, asked, route.status, lambda: route.act(gateway, call)
            )
        replayed = {"Idempotent_Replayed": "true"} if is_replayed else {}
        return json_reply(status, answer, **replayed)

    @contextlib.contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Keep a key while its request is at work, until its answer has been given."""
        if not key:
            yield
            return
        with self._lock:
            if key in self._keys_at_work:
                raise Refusal(
                    409, "idempotency_in_progress", "A request with this key is still at work."
                )
            self._keys_at_work.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys_at_work.discard(key)


def _find(request: Request) -> tuple[Route, str]:
    """The route of a request and the id in its path."""
    found = [(route, match) for route in ROUTES if (match := route.match(request.path))]
    if not found:
        raise Refusal(404, "not_found", "There is no such address here.")
    for route, match in found:
        if route.method == request.method:
            return route, match.groupdict().get("id", "")
    allowed = " or ".join(route.method for route, _ in found)
    raise Refusal(405, "method_not_allowed", f"Use {allowed} here.")


def _query(request: Request, route: Route) -> Mapping[str, str]:
    try:
        query = dict(parse_qsl(request.query, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise Refusal(400, "malformed_query", "The query cannot be read.") from None
    Fields(query, *route.asks)
    return query


def _body(request: Request, route: Route) -> Mapping[str, Any]:
    if request.method != "POST" or not (request.body or route.takes_body):
        return {}
    try:
        body = json.loads(request.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "malformed_json", "The body is no JSON.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "malformed_json", "The body is no JSON object.")
    if not route.takes_body:
        Fields(body)
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _idempotency_key(request: Request, route: Route) -> str:
    """The key of a request that changes something; empty where none is given and none needed."""
    key = request.headers.get("idempotency-key")
    if request.method != "POST" or (key is None and not route.needs_key):
        return ""
    if key is None or not KEY.fullmatch(key):
        raise Refusal(
            400,
            "idempotency_key_missing" if key is None else "idempotency_key_invalid",
            "Send an Idempotency-Key of 1 to 255 plain characters.",
        )
    return key


def _lie(reply: Reply) -> Reply:
    """The same answer with another amount. What is kept under the key is the truth."""
    answer = json.loads(reply.body)
    for charge in [answer, *answer.get("data", [])]:
        if "amount_minor" in charge:
            charge["amount_minor"] += LIE_MINOR
    return replace(reply, body=json.dumps(answer).encode())
