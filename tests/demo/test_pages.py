"""The page that shows visitors around, and what the roles on it may do."""

from datetime import date
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from billing.demo.shop import hire_staff, open_shop
from billing.demo.story import tell
from billing.demo.year import play
from customers.models import Seller

TODAY = date(2026, 11, 24)


@pytest.fixture
def shop(db: None, settings: Any) -> Seller:
    settings.IN_DEMO, settings.STAFF_MFA = True, False
    call_command("load_vat_rates", verbosity=0)
    seller = open_shop()
    hire_staff()
    play(seller, tell(24, 75), TODAY)
    return seller


def test_the_page_is_there_in_the_demo_alone(shop: Seller, client: Client, settings: Any) -> None:
    assert client.get("/demo/").status_code == 200
    settings.IN_DEMO = False
    assert client.get("/demo/").status_code == 404


def test_it_is_never_there_in_production(shop: Seller, client: Client, settings: Any) -> None:
    settings.IN_PRODUCTION = True
    assert client.get("/demo/").status_code == 404


def test_it_is_not_there_before_the_shop_is(db: None, client: Client, settings: Any) -> None:
    settings.IN_DEMO = True
    assert client.get("/demo/").status_code == 404


@pytest.mark.parametrize(
    ("language", "heading"),
    [("en", "A shop to look around in"), ("sv", "En butik att se sig om i")],
)
def test_it_speaks_both_languages(
    shop: Seller, client: Client, language: str, heading: str
) -> None:
    answer = client.get("/demo/", {"language": language})
    assert answer.headers["Content-Language"] == language
    page = answer.content.decode()
    assert heading in page
    assert shop.name.replace("&", "&amp;") in page


def test_another_language_is_english(shop: Seller, client: Client) -> None:
    assert client.get("/demo/", {"language": "<x>"}).headers["Content-Language"] == "en"


def test_everything_that_it_points_at_is_there(shop: Seller, client: Client) -> None:
    context = client.get("/demo/").context
    sights = context["sights"]
    assert len(sights) >= 3
    client.force_login(User.objects.get(username="demo"))
    for sight in sights:
        assert client.get(sight.url).status_code == 200, sight.name
        if sight.pdf_url:
            assert client.get(sight.pdf_url).content.startswith(b"%PDF"), sight.name


def test_every_sign_in_on_it_works(shop: Seller, client: Client) -> None:
    staff = client.get("/demo/").context["staff"]
    assert [person["username"] for person in staff] == [
        "demo",
        "support",
        "bookkeeper",
        "auditor",
    ]
    for person in staff:
        said = {"login": person["username"], "password": person["password"]}
        client.post("/accounts/login/", said)
        assert client.get("/admin/").status_code == 200
        client.logout()


def test_a_password_that_was_changed_is_not_shown(shop: Seller, client: Client) -> None:
    user = User.objects.get(username="demo")
    user.set_password("another one that nobody knows")
    user.save()
    hire_staff()
    staff = client.get("/demo/").context["staff"]
    assert staff[0]["password"] == ""
    assert user.check_password("another one that nobody knows")


@pytest.mark.parametrize(
    ("username", "may", "may_not"),
    [
        ("support", "pause", "record-payment"),
        ("bookkeeper", "record-payment", "pause"),
        ("auditor", None, "pause"),
    ],
)
def test_roles_see_everything_and_do_their_own(
    shop: Seller, client: Client, username: str, may: str | None, may_not: str
) -> None:
    client.force_login(User.objects.get(username=username))
    subscription = shop.subscriptions.filter(status="active", parked_reason="").first()
    invoice = shop.documents.filter(status="open").first()
    assert subscription is not None
    assert invoice is not None
    pages = "".join(
        client.get(url).content.decode()
        for url in (
            f"/admin/subscriptions/subscription/{subscription.pk}/change/",
            f"/admin/invoicing/invoice/{invoice.pk}/change/",
        )
    )
    assert may is None or f"/{may}" in pages
    assert f"/{may_not}" not in pages


def test_a_visitor_comes_to_the_checkout_of_what_is_for_sale(shop: Seller, client: Client) -> None:
    for plan in client.get("/demo/").context["for_sale"]:
        answer = client.post("/demo/buy/", {"plan": plan.code})
        assert answer.status_code == 302
        checkout = client.get(answer.headers["Location"])
        assert checkout.status_code == 200
        assert plan.name in checkout.content.decode()
    assert client.post("/demo/buy/", {"plan": "bokklubb"}).status_code == 404
    assert client.get("/demo/buy/").status_code == 405


def test_nothing_is_sold_outside_the_demo(shop: Seller, client: Client, settings: Any) -> None:
    settings.IN_DEMO = False
    assert client.post("/demo/buy/", {"plan": "kontor"}).status_code == 404


def test_the_portal_opens_as_a_customer_in_the_demo_alone(
    shop: Seller, client: Client, settings: Any
) -> None:
    guests = client.get("/demo/").context["guests"]
    assert len({guest.customer.pk for guest in guests}) == len(guests) >= 2
    for guest in guests:
        url = f"/demo/customers/{guest.customer.public_id}/"
        assert client.get(url).status_code == 405
        door = client.post(url).headers["Location"]
        assert door.startswith("/portal/enter/")
        assert client.post(door).status_code == 302
        assert guest.customer.name in unescape(client.get("/portal/home/").content.decode())
    assert client.post("/demo/customers/cus_nobody/").status_code == 404
    settings.IN_DEMO = False
    assert client.post(url).status_code == 404
