"""What the reviewed file, ``expected.toml``, says of each cell."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib import admin

from customers.links import Purpose
from tests.matrix.addresses import Address, filled, page_actions
from tests.matrix.asking import METHODS
from tests.matrix.world import World

EXPECTED: dict[str, Any] = tomllib.loads((Path(__file__).parent / "expected.toml").read_text())
API = "api/v1/"
STAFF = {"S": "Support", "B": "Bookkeeping", "A": "Auditor"}
PURPOSES = {
    "portal/enter/": Purpose.SIGN_IN,
    "portal/s/": Purpose.SUBSCRIPTION,
    "pay/i/": Purpose.PAY,
    "pay/m/": Purpose.METHOD,
    "pay/c/": "order",
}
MODELS = {
    f"{model._meta.app_label}.{model._meta.model_name}": model for model in admin.site._registry
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One question: who asks what, and the answer that was agreed on."""

    actor: str
    method: str
    path: str
    expected: str
    body: Any = None


def door_of(address: Address) -> str:
    return next(door for door in EXPECTED["doors"] if address.route.startswith(door))


def has_row(address: Address) -> bool:
    """Whether the file says anything of an address."""
    if address.model:
        return address.model in EXPECTED["desk"]["pages"] and _page_of(address) is not None
    if address.route.startswith(API):
        return address.route.removeprefix(API) in EXPECTED["api"]["addresses"]
    return address.route in EXPECTED["addresses"]


def cells(address: Address, world: World) -> Iterator[Cell]:
    """Every cell of an address."""
    if address.model:
        yield from _cells_of_desk(address, world)
    elif "token>" in address.route:
        yield from _cells_of_link(address, world)
    elif address.route.startswith(API):
        yield from _cells_of_api(address, world)
    else:
        row = EXPECTED["addresses"][address.route]
        path = filled(address.route, values_of(address.route, world))
        for actor, method in asked(address):
            name = row.get(method, row.get("otherwise", "no method"))
            yield Cell(actor, method, path, _of(EXPECTED["classes"][name], actor))


def asked(address: Address) -> Iterator[tuple[str, str]]:
    """Who asks an address by which method."""
    door = EXPECTED["doors"][door_of(address)]
    for method in METHODS:
        yield from ((actor, method) for actor in door["asks"])
        if method in ("GET", "POST"):
            yield from ((actor, method) for actor in door["strangers"])


def _of(answers: dict[str, str], who: str) -> str:
    return answers.get(who, answers.get("*", ""))


def values_of(route: str, world: World) -> dict[str, str]:
    """What stands in a path, A's where it is a customer's; the seller's own in the API."""
    a = world.a
    ids = {
        "portal/invoices/": a.invoice.public_id,
        "portal/payments/": a.payment.public_id,
        "portal/methods/": a.method.public_id,
        "portal/subscriptions/": a.subscription.public_id,
        "demo/customers/": a.customer.public_id,
    }
    public_id = next((value for start, value in ids.items() if route.startswith(start)), "")
    return {
        "public_id": public_id,
        "gateway": "sandbox",
        "name": "letter",
        "number": "1",
        "pk": "1",
        "seller_id": world.seller.public_id,
        "digest": "0",
        "subject": a.invoice.public_id,
        "content_type_id": "1",
        "object_id": "1",
        "rest": "1/1/",
    }


# Links


def _cells_of_link(address: Address, world: World) -> Iterator[Cell]:
    row = EXPECTED["addresses"][address.route]
    purpose = next(name for start, name in PURPOSES.items() if address.route.startswith(start))
    for state, token in world.tokens[purpose].items():
        path = filled(address.route, {"token": token})
        for method in METHODS:
            answers = EXPECTED["links"][row.get(method, "no method")]
            yield Cell("anonymous", method, path, _of(answers, state))


# The API


def _cells_of_api(address: Address, world: World) -> Iterator[Cell]:
    name = address.route.removeprefix(API)
    row = EXPECTED["api"]["addresses"][name]
    path = filled(address.route, world.shop.named)
    for actor, method in asked(address):
        own = world.shop_elsewhere if actor == "another's key" else world.shop
        # An event is looked for once its endpoint is known.
        body = {"webhook_endpoint": own.named["endpoint"]} if name.endswith("/send") else None
        expected = _of_key(actor, row.get(method), is_of_one="<" in name) if name else "404"
        yield Cell(actor, method, path, expected, body)
        if method == "GET":  # The head of an answer tells that there is one.
            yield Cell(actor, "HEAD", path, expected)


def _of_key(actor: str, needed: str | None, *, is_of_one: bool) -> str:
    if actor not in ("key", "no scopes", "publishable", "another's key"):
        return "401"
    if needed is None:
        return "405"
    scope, *limits = needed.split()
    publishable = EXPECTED["api"]["publishable"]
    if actor == "no scopes" or (
        actor == "publishable" and (scope not in publishable or "!" in limits)
    ):
        return "403"
    if actor == "another's key":
        return "403" if "test" in limits else "404" if is_of_one else "in"
    return "in"


# The desk


def _page_of(address: Address) -> tuple[str, ...] | None:
    """What of the file's line a page of a model's asks for: to read it, and to send it."""
    return {
        "": ("see", "see"),
        "add/": ("add", "add"),
        "<path:object_id>/change/": ("see", "change"),
        "<path:object_id>/delete/": ("delete", "delete"),
        "<path:object_id>/history/": ("see", "see"),
        "<path:object_id>/": ("desk", "desk"),  # Sent on to changing it.
        "<path:object_id>/pdf/": ("pdf", "pdf"),
        "<path:object_id>/preview/": ("preview", "preview"),
        "<id>/password/": ("password", "password"),
        "<path:object_id>/act/<slug:name>/": ("act", "act"),
    }.get(address.page)


def _cells_of_desk(address: Address, world: World) -> Iterator[Cell]:
    model = MODELS[address.model]
    line = EXPECTED["desk"]["pages"][address.model] | {"desk": "SBA"}
    acts = EXPECTED["desk"]["acts"].get(address.model, {})
    kinds = _page_of(address)
    assert kinds is not None
    pk = str(world.rows[model].pk)
    is_act = kinds[0] == "act"
    for name in (*page_actions(model), "no-such-act") if is_act else ("",):
        path = filled(address.route, {"object_id": pk, "id": pk, "name": name})
        for actor, method in asked(address):
            if name == "no-such-act":
                expected = _at_desk(actor, "404 for all")
            elif is_act:
                expected = _at_desk(actor, acts.get(name, "no row"))
            else:
                expected = _at_desk(actor, line[kinds[method == "POST"]])
            yield Cell(actor, method, path, expected)


def _at_desk(actor: str, who: str) -> str:
    if actor == "no factor":
        return "second step"
    if actor not in (*STAFF.values(), "superuser"):
        return "sign in"
    if who == "404 for all":
        return "404"
    if who == "-":
        return "403"
    is_meant = actor in [STAFF[letter] for letter in who] if who != "superuser" else False
    return "in" if actor == "superuser" or is_meant else "403"
