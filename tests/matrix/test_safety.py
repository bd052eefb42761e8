"""What an attacker tries at every door: forging, sending astray, guessing, and writing too much."""

import json
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models.fields.files import FieldFile
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.api.authentication import KeyAuthentication
from billing.api.keys import GUESSES
from billing.events.models import Event
from billing.subscriptions.models import Subscription
from customers.models import Customer
from portal.sign_in import ADDRESS_TIMES, NETWORK_TIMES
from tests.api.calling import Shop
from tests.api.world import World as ShopWorld
from tests.api.world import requests
from tests.matrix.addresses import filled
from tests.matrix.asking import Actors, undone
from tests.matrix.conftest import open_shop
from tests.matrix.expecting import API, EXPECTED, cells, values_of
from tests.matrix.test_matrix import ADDRESSES
from tests.matrix.world import PASSWORD, World

pytestmark = pytest.mark.django_db

EVIL = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "https:evil.example",
    "javascript:alert(1)",
    "http:///evil.example/",
)
WHERE_TO = ("next", "return_url", "success_url", "cancel_url", "redirect_to", "url", "to")


@pytest.fixture(autouse=True)
def unlimited(quick: None) -> Iterator[None]:
    """Nothing was tried before."""
    cache.clear()
    yield
    cache.clear()


# Forging a request across sites


def is_exempt(callback: Any) -> bool:
    return bool(getattr(callback, "csrf_exempt", False))


def test_the_addresses_that_need_no_csrf_token_are_these() -> None:
    """Gateways sign what they send; the API takes a key in a header and never a cookie."""
    exempt = {address.route for address in ADDRESSES if is_exempt(address.callback)}
    assert exempt == {
        "hooks/<slug:gateway>",
        *(API + name for name in EXPECTED["api"]["addresses"]),
    }
    assert settings.REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] == [
        f"{KeyAuthentication.__module__}.{KeyAuthentication.__name__}"
    ]


def test_a_form_without_its_token_is_refused_everywhere_else(house: World, actors: Actors) -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    tried = 0
    for address in ADDRESSES:
        if is_exempt(address.callback) or address.model not in ("", "customers.customer"):
            continue
        paths = {cell.path for cell in cells(address, house) if cell.method == "POST"}
        for actor in ("A", "superuser"):
            client.cookies = SimpleCookie(actors.credentials[actor][0])
            for path in paths:
                tried += 1
                with undone():
                    assert client.post(path, {"key": "1"}).status_code == 403, (actor, path)
    assert tried > 200


# Being sent astray


TAKES_NEXT = (
    *("/portal/language/", "/accounts/login/", "/accounts/logout/", "/accounts/reauthenticate/"),
    *("/accounts/2fa/reauthenticate/", "/accounts/2fa/authenticate/", "/admin/login/"),
    *("/accounts/password/change/", "/accounts/2fa/webauthn/login/"),
)


@pytest.mark.parametrize("evil", EVIL)
def test_nobody_is_sent_to_another_site(house: World, actors: Actors, evil: str) -> None:
    """Whatever an address is asked to send one to. All addresses are asked once, and those that
    do send one somewhere in every way of writing it.
    """
    paths = set(TAKES_NEXT)
    if evil == EVIL[0]:
        others = [each for each in ADDRESSES if not each.model and API not in each.route]
        paths |= {cell.path for each in others for cell in cells(each, house)}
    for path in paths:
        who = "A" if path.startswith(("/portal/", "/pay/")) else "superuser"
        for actor in ("anonymous", who):
            asked = dict.fromkeys(WHERE_TO, evil)
            check_stays_here(actors.ask(actor, "POST", path, asked), (actor, path))
            query = urlencode(asked)
            check_stays_here(actors.ask(actor, "GET", f"{path}?{query}"), (actor, path))


def check_stays_here(answer: Any, told: Any) -> None:
    location = answer.headers.get("Location", "") or answer.headers.get("HX-Redirect", "")
    parts = urlsplit(location)
    assert parts.scheme in ("", "http", "https"), told
    assert "evil" not in parts.netloc and not parts.path.startswith(("//", "/\\")), told


@pytest.mark.parametrize("evil", EVIL)
def test_who_signs_in_stays_here(house: World, evil: str) -> None:
    client = Client()
    with undone():
        form = {"login": "former", "password": PASSWORD, "next": evil}
        User.objects.filter(username="former").update(is_staff=True)
        answer = client.post(f"/accounts/login/?next={evil}", form)
        assert answer.status_code == 302
        check_stays_here(answer, evil)


@pytest.mark.parametrize("name", ["success_url", "cancel_url"])
@pytest.mark.parametrize("evil", EVIL)
def test_an_order_leads_back_to_a_web_address_only(
    house: World, actors: Actors, name: str, evil: str
) -> None:
    body = {"plan": house.shop.named["plan"], name: evil}
    answer = actors.ask("publishable", "POST", "/api/v1/checkout_sessions", body)
    assert answer.status_code in (400, 422), answer.content


# Guessing who is there


def work_of(client: Client, method: str, path: str, **asked: Any) -> tuple[int, int, int]:
    """Status, length and queries of an answer, which is then undone."""
    with undone(), CaptureQueriesContext(connection) as captured:
        answer = client.get(path) if method == "GET" else client.post(path, **asked)
    return answer.status_code, len(answer.content), len(captured)


def test_a_known_address_and_an_unknown_one_are_answered_alike(house: World) -> None:
    client = Client()
    client.get("/portal/")
    known = house.a.customer.email
    unknown = "z" + known[1:]
    answers = [
        work_of(client, "POST", "/portal/", data={"email": email}) for email in (known, unknown)
    ]
    assert answers[0][:2] == answers[1][:2]
    # A few queries write an event for who is known, and as many are taken back for who is not.
    assert abs(answers[0][2] - answers[1][2]) <= 3


def test_a_known_name_and_an_unknown_one_fail_to_sign_in_alike(house: World) -> None:
    client = Client()
    answers = []
    for name in ("support", "suppart"):
        form = {"login": name, "password": "wrong horse"}
        answers.append(work_of(client, "POST", "/accounts/login/", data=form))
        cache.clear()
    assert answers[0][0] == answers[1][0]
    assert abs(answers[0][2] - answers[1][2]) <= 1


def test_keys_that_open_nothing_are_answered_alike(house: World) -> None:
    client = Client(raise_request_exception=False)
    texts = {name: house.keys[name] for name in ("revoked", "expired")} | {
        "unknown": "sk_test_" + "x" * 43
    }
    answers = set()
    for text in texts.values():
        with undone(), CaptureQueriesContext(connection) as captured:
            answer = client.get("/api/v1/plans", headers={"Authorization": f"Bearer {text}"})
        answers.add((answer.status_code, answer.content, len(captured)))
    assert len(answers) == 1


def test_what_is_foreign_and_what_is_not_there_are_answered_alike(
    house: World, actors: Actors
) -> None:
    own, other = house.shop.named, house.shop_elsewhere.named
    for name in EXPECTED["api"]["addresses"]:
        if "<" not in name or "test_clock" in name:
            continue
        row = EXPECTED["api"]["addresses"][name]
        method = next(iter(row))
        route = API + name
        foreign = filled(route, {**own, **other, "test_clock": "x"})
        missing = filled(route, {key: value[:-3] + "zzz" for key, value in own.items()})
        body = {"webhook_endpoint": own["endpoint"]}
        answers = [
            actors.ask("key", method, path, body if name.endswith("/send") else None)
            for path in (foreign, missing)
        ]
        assert answers[0].status_code == answers[1].status_code == 404, name
        assert answers[0].content == answers[1].content, name


# Trying too often


def test_staff_who_guess_are_locked_out_for_a_while(house: World) -> None:
    client = Client()
    with undone():
        statuses = [
            client.post(
                "/accounts/login/", {"login": "support", "password": f"wrong {n}"}
            ).status_code
            for n in range(settings.AXES_FAILURE_LIMIT + 1)
        ]
        assert statuses[-1] == 429
        right = client.post("/accounts/login/", {"login": "support", "password": PASSWORD})
        assert right.status_code == 429
        elsewhere = client.post(
            "/accounts/login/",
            {"login": "support", "password": PASSWORD},
            REMOTE_ADDR="192.0.2.9",
        )
        assert elsewhere.status_code == 302


def test_links_to_sign_in_with_are_sent_so_often_and_no_more(house: World) -> None:
    client = Client()
    asked = Event.objects.filter(type="portal.sign_in_requested")
    with undone():
        for _ in range(ADDRESS_TIMES + 2):
            assert client.post("/portal/", {"email": "a@example.com"}).status_code == 200
        assert asked.count() == ADDRESS_TIMES
        for n in range(NETWORK_TIMES):
            status = client.post("/portal/", {"email": f"{n}@example.com"}).status_code
        assert status == 429


def test_who_guesses_keys_waits(house: World) -> None:
    client = Client(raise_request_exception=False)
    with undone():
        statuses = [
            client.get(
                "/api/v1/plans", headers={"Authorization": f"Bearer sk_test_{n:043d}"}
            ).status_code
            for n in range(GUESSES + 2)
        ]
        assert statuses[0] == 401 and statuses[-1] == 429
        # Who has a key is not kept out by another's guesses.
        own = {"Authorization": f"Bearer {house.keys['key']}"}
        assert client.get("/api/v1/plans", headers=own).status_code == 200


# Writing more than one is asked for


def every_field() -> dict[str, Any]:
    """A value for each field of each model of ours, by all of its names."""
    # Errors are told up to a number: what matters most comes first.
    values: dict[str, Any] = {"seller": "1", "public_id": "1"}
    for model in apps.get_models():
        if model.__module__.split(".")[0] not in (
            "billing",
            "customers",
            "catalog",
            "dunning",
            "portal",
        ):
            continue
        for field in model._meta.concrete_fields:
            values[field.name] = values[field.attname] = "1"
    return values | {"is_staff": True, "is_superuser": True, "id": "1", "pk": "1"}


def test_the_api_refuses_every_field_that_it_does_not_know(house: World, actors: Actors) -> None:
    """Also beside a good body: nothing of it is done."""
    with undone():
        shop = Shop(open_shop())
        world = ShopWorld(shop.seller)
        tried = 0
        for name, asked in requests(world).items():
            if asked.method in ("GET", "DELETE"):
                continue  # They have no body to write from.
            tried += 1
            body = asked.body or {}
            too_much = {key: value for key, value in every_field().items() if key not in body}
            with undone():
                asked.before()
                answer = shop.send(asked.method, asked.path, {**too_much, **body})
            assert answer.status_code == 400, (name, answer.content[:200])
            errors = {error["attr"] for error in answer.json()["errors"]}
            assert {"seller", "public_id"} <= errors, name
        assert tried > 15


# What a customer may say of themselves, on the page of their details.
OWN_DETAILS = {
    *("name", "email", "address_line1", "address_line2", "postal_code", "city", "country"),
    *("language", "vat_number", "organisation_number", "buyer_reference"),
}


def test_a_form_of_the_portal_writes_its_own_fields_only(house: World, actors: Actors) -> None:
    client = Client()
    customer = house.a.customer
    good = {
        "name": "Åsa Öberg",
        "email": "new@example.com",
        "address_line1": "Storgatan 1",
        "postal_code": "411 36",
        "city": "Göteborg",
        "country": "SE",
        "language": "en",
    }
    for route, row in EXPECTED["addresses"].items():
        if not route.startswith("portal/") or "POST" not in row or "token" in route:
            continue
        path = filled(route, values_of(route, house))
        with undone():
            before = snapshot(customer)
            client.cookies = SimpleCookie(actors.credentials["A"][0])
            client.post(path, {**every_field(), **good})
            changed = {key for key, value in snapshot(customer).items() if value != before[key]}
            allowed = OWN_DETAILS if route == "portal/details/" else set()
            if route == "portal/methods/charge/":
                allowed = {"collection"}
            assert changed <= allowed, route
            if route == "portal/details/":
                assert "email" in changed or "name" in changed


def snapshot(customer: Customer) -> dict[str, Any]:
    row = Customer.objects.filter(pk=customer.pk).values().get()
    agreed = Subscription.objects.filter(customer=customer).order_by("pk")
    guarded = ("public_id", "seller_id", "customer_id", "currency", "metadata", "agreed_ends_on")
    return row | {"agreed": json.dumps(list(agreed.values(*guarded)), default=str)}


def test_a_form_of_the_desk_writes_the_fields_that_it_shows_only(
    house: World, actors: Actors
) -> None:
    """Every page of the desk that may be edited, sent back with all other fields as well."""
    client = Client(raise_request_exception=False)
    client.cookies = SimpleCookie(actors.credentials["superuser"][0])
    tried = saved = 0
    for model in admin.site._registry:
        name = f"{model._meta.app_label}.{model._meta.model_name}"
        if EXPECTED["desk"]["pages"][name]["change"] == "-" or name == "auth.user":
            continue
        row = house.rows[model]
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/"
        with undone():
            page: Any = client.get(path)
            form = page.context_data["adminform"].form
            sent = as_sent(form)
            for inline in page.context_data["inline_admin_formsets"]:
                for part in (inline.formset.management_form, *inline.formset.initial_forms):
                    sent |= as_sent(part)
            hidden = {
                field.attname: field.name
                for field in model._meta.concrete_fields
                if field.name not in form.fields
            }
            before = model._default_manager.filter(pk=row.pk).values(*hidden).get()
            extra = {key: "7" for pair in hidden.items() for key in pair}
            saved += client.post(path, {**extra, **sent}).status_code == 302
            assert model._default_manager.filter(pk=row.pk).values(*hidden).get() == before, name
            tried += 1
    assert tried > 8
    assert saved > tried / 2  # The others want what the rows of a test do not have.


def as_sent(form: Any) -> dict[str, Any]:
    """What a browser sends back of a form in which nothing was changed."""
    values = {form.add_prefix(name): form[name].value() for name in form.fields}
    return {
        name: value
        for name, value in values.items()
        if value not in (None, False) and not isinstance(value, FieldFile)
    }
