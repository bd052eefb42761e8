"""Bad input on the customers' pages: each field of each form that portal and checkout draw.

Nothing that is sent is a failure of ours, no guard of the database is shown by its name, and what
is refused has written nothing.
"""

import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from billing.checkout.models import Order
from billing.invoicing.models import Invoice
from billing.payments.models import Payment
from billing.subscriptions.models import Pause, Subscription
from customers.models import Customer
from portal.models import Attempt
from tests.matrix.addresses import filled
from tests.matrix.asking import Actors, undone, word_of
from tests.matrix.expecting import EXPECTED, PURPOSES, values_of
from tests.matrix.spoiling import ANYTHING, NEVER, Drawn, drawn_in, guard_names
from tests.matrix.world import World

pytestmark = pytest.mark.django_db

DOORS = ("portal/", "pay/")
TYPED = frozenset({"text", "email", "date", "number", "textarea", "search", "tel"})
KEPT = (Customer, Subscription, Pause, Invoice, Order, Payment)


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(scope="module")
def names(house: World) -> re.Pattern[str]:
    return guard_names()


def paths(house: World) -> Iterator[tuple[str, str]]:
    """Every page of the doors, and who opens it."""
    for route, row in EXPECTED["addresses"].items():
        if not route.startswith(DOORS) or not {"GET", "otherwise"} & set(row):
            continue
        if "token>" in route:
            purpose = next(name for start, name in PURPOSES.items() if route.startswith(start))
            yield "anonymous", filled(route, {"token": house.tokens[purpose]["good"]})
        else:
            path = filled(route, values_of(route, house))
            yield "anonymous", path
            yield "A", path


def forms(house: World, actors: Actors) -> Iterator[tuple[str, Drawn]]:
    """Each form once, and who fills it in."""
    seen: set[tuple[str, str]] = set()
    for actor, path in paths(house):
        if any(path.endswith(end) for end in (".pdf", ".png", ".css", "/pdf/", "/export/")):
            continue
        answer = actors.ask(actor, "GET", path)
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        if word_of(answer) != "in" or answer.streaming or not is_page:
            continue
        for form in drawn_in(path, answer.content.decode()):
            if (actor, form.path) not in seen:
                seen.add((actor, form.path))
                yield actor, form


def stood() -> list[Any]:
    found = []
    for model in KEPT:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY id), '')) FROM"  # noqa: S608
                f" {model._meta.db_table} t"
            )
            found.append(cursor.fetchone()[0])
    return found


def fault(client: Client, form: Drawn, name: str, kind: str, names: Any) -> str:
    """What is wrong with how a spoiled form was met; empty where nothing is."""
    told = f"{form.path} {name} ({kind})"
    with undone():
        Attempt.objects.all().delete()
        before = stood()
        try:
            answer = client.post(form.path, form.sent | {name: ANYTHING[kind]})
        except Exception as error:
            return f"{told}: {type(error).__name__} {error}"[:300]
        if answer.status_code >= 500 and answer.status_code != 503:
            return f"{told}: {answer.status_code}"
        said = "" if answer.streaming else answer.content.decode(errors="replace")
        if shown := names.search(said):
            return f"{told}: shows {shown[0]}"
        is_changed = stood() != before
        if is_changed and answer.status_code not in (200, 302, 303):
            return f"{told}: refused, and written all the same"
        if is_changed and kind in NEVER and form.kinds.get(name) in TYPED:
            return f"{told}: was taken"
        return ""


def test_no_form_of_portal_and_checkout_fails_or_takes_what_is_wrong(
    house: World, actors: Actors, names: re.Pattern[str]
) -> None:
    client = Client()
    faults, tried = [], set()
    for actor, form in forms(house, actors):
        client.cookies = SimpleCookie(actors.credentials[actor][0])
        for name in form.kinds:
            for kind in ANYTHING:
                faults.append(fault(client, form, name, kind, names))
            tried.add(re.sub(r"[0-9a-zA-Z_-]{20,}", "…", form.path) + " " + name)
    assert [each for each in faults if each] == []
    assert len(tried) > 25, sorted(tried)
