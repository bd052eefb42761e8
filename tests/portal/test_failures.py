"""Pages that are not there, not allowed or do not work are ours, in the seller's look."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from billing.checkout.offers import address_of, create_order
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.models import Customer, Seller
from portal.sign_in import NETWORK_TIMES
from portal.views import home
from portal.visits import LASTS
from tests.factories import DAY, SellerFactory
from tests.portal.doors import text_of, token_for

pytestmark = pytest.mark.django_db
LANGUAGES = [("en", 0), ("sv", 1)]


@pytest.fixture
def other(seller: Seller) -> Seller:
    """A second seller, so that whose page it is cannot be guessed."""
    second: Seller = SellerFactory(name="Bageriet")
    return second


def checkout_of(plan: Plan) -> str:
    _, token = create_order(plan.seller, plan, as_of=DAY, actor="shop")
    return address_of(token).split("/pay/")[1]


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
def test_an_unknown_address_is_a_page_of_ours(client: Client, language: str, number: int) -> None:
    client.cookies["django_language"] = language
    for path in ("/nothing", "/portal/nothing/", "/pay/nothing/"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert ("This page does not exist", "Sidan finns inte")[number] in text_of(answer)


def test_programs_get_no_page(client: Client) -> None:
    assert b"<main" not in client.get("/api/v1/nothing").content


def test_an_unknown_address_has_the_look_of_the_seller_whose_customer_looks(
    visitor: Client, seller: Seller, other: Seller
) -> None:
    answer = visitor.get("/portal/invoices/inv_nothing/")
    assert answer.status_code == 404
    assert seller.name in text_of(answer)


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
@pytest.mark.parametrize("page", ["checkout", "link", "portal"])
def test_without_cookies_the_sellers_page_says_what_to_do(
    customer: Customer, plan: Plan, other: Seller, page: str, language: str, number: int
) -> None:
    client = Client(enforce_csrf_checks=True)
    path = {
        "checkout": lambda: f"/pay/{checkout_of(plan)}",
        "link": lambda: f"/portal/enter/{token_for(customer)}/",
        "portal": lambda: f"/portal/?seller={plan.seller.public_id}",
    }[page]()
    answer = client.post(path, headers={"Accept-Language": language})
    said = text_of(answer)
    assert answer.status_code == 403
    assert ("could not be accepted", "kunde inte tas emot")[number] in said
    assert plan.seller.name in said
    assert "DEBUG" not in said
    assert "CSRF" not in said


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
def test_a_page_that_fails_says_so_in_the_look_of_its_seller(
    visitor: Client,
    seller: Seller,
    other: Seller,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    number: int,
) -> None:
    def fail(*args: Any, **more: Any) -> None:
        raise ValueError

    monkeypatch.setattr(home, "show_to", fail)
    visitor.raise_request_exception = False
    visitor.cookies["django_language"] = language
    answer = visitor.get("/portal/home/")
    assert answer.status_code == 500
    assert ("does not work right now", "fungerar inte just nu")[number] in text_of(answer)
    assert seller.name in text_of(answer)


def test_where_the_seller_cannot_be_looked_up_the_page_says_so_in_both_languages(
    visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **more: Any) -> None:
        raise ValueError

    monkeypatch.setattr(home, "show_to", fail)
    monkeypatch.setattr("portal.failures.show", fail)
    visitor.raise_request_exception = False
    answer = visitor.get("/portal/home/")
    assert answer.status_code == 500
    assert "does not work right now" in text_of(answer)
    assert "fungerar inte just nu" in text_of(answer)


def test_where_the_database_is_away_the_page_says_so_in_both_languages(
    visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **more: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(home, "show_to", fail)
    visitor.raise_request_exception = False
    answer = visitor.get("/portal/home/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Try again in a moment" in text_of(answer)
    assert "Försök igen om en stund" in text_of(answer)


# Whoever was signed out


def test_a_form_that_comes_after_the_session_leads_to_the_same_seller_with_a_reason(
    visitor: Client, subscription: Subscription, seller: Seller, other: Seller, clock: Any
) -> None:
    clock.shift(LASTS)
    answer = visitor.post(f"/portal/subscriptions/{subscription.public_id}/cancel/", follow=True)
    said = text_of(answer)
    assert seller.name in said
    assert "You have been signed out, so nothing has changed." in said


def test_a_form_that_a_script_sends_after_the_session_leads_there_as_well(
    visitor: Client, subscription: Subscription, seller: Seller, clock: Any
) -> None:
    clock.shift(LASTS)
    path = f"/portal/subscriptions/{subscription.public_id}/cancel/"
    answer = visitor.post(path, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == f"/portal/?seller={seller.public_id}"


def test_a_door_of_somebody_else_is_not_taken_for_the_last_one(
    visitor: Client, other: Seller, clock: Any
) -> None:
    clock.shift(LASTS)
    assert other.name in text_of(visitor.get(f"/portal/?seller={other.public_id}"))


# Another language


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
def test_another_language_keeps_what_was_typed_at_the_checkout(
    client: Client, plan: Plan, language: str, number: int
) -> None:
    plan.prices.update(model="per_unit", name="Cups")
    path = f"/pay/{checkout_of(plan)}"
    typed = {"email": "asa@example.com", "name": "Åsa", "quantity-0": "3", "city": "Lund"}
    answer = client.post(path, {**typed, "language": language})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in page
    assert all(f'value="{value}"' in page for value in typed.values())
    assert ("Order with", "Beställ")[number] in text_of(answer)
    # It is that of the next page as well.
    assert f'<html lang="{language}">' in client.get(path).content.decode()


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
def test_who_asks_for_too_many_links_gets_a_page_in_the_look_of_the_seller(
    client: Client, seller: Seller, other: Seller, language: str, number: int
) -> None:
    client.cookies["django_language"] = language
    path = f"/portal/?seller={seller.public_id}"
    for asked in range(NETWORK_TIMES):
        client.post(path, {"email": f"{asked}@example.com"})
    answer = client.post(path, {"email": "one@example.com"})
    said = text_of(answer)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3600")
    assert ("Too many attempts", "För många försök")[number] in said
    assert ("Wait an hour", "Vänta en timme")[number] in said
    assert seller.name in said
