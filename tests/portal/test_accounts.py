"""One person, one door: several accounts with one address, and a customer who buys once more."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from billing.checkout.expiry import expire_orders
from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.checkout.placing import Choice, Consent, Details, place
from billing.events.models import Event
from billing.payments.booking import record_payment
from catalog.models import Plan
from customers.models import Customer, Seller
from customers.persons import accounts_with
from portal.news import SIGN_IN_REQUESTED, mail_at_once
from tests.factories import DAY, CouponFactory, CustomerFactory
from tests.portal.conftest import NOON
from tests.portal.doors import Purpose, sign_in, started, text_of, token_for

pytestmark = pytest.mark.django_db
ADDRESS = "both@example.com"


@pytest.fixture
def two(seller: Seller, plan: Plan) -> list[Customer]:
    """Two customers with one address; the first has a subscription."""
    made = [
        CustomerFactory(seller=seller, name=name, email=email, language="en")
        for name, email in (("Åsa Öberg", ADDRESS), ("Öbergs Kafé AB", "Both@Example.com"))
    ]
    started(made[0], plan)
    return made


def mailed_links() -> list[str]:
    mail_at_once()
    return [
        found for sent in mail.outbox for found in re.findall(r"/portal/enter/\S+/", str(sent.body))
    ]


@pytest.mark.parametrize("other", ["both@exampıe.com", "BOTH@EXAMPİE.COM", "both@examp\u212ae.com"])
def test_an_address_that_only_looks_alike_is_anothers(seller: Seller, other: str) -> None:
    usual = other.lower().replace("ı", "i").replace("i̇", "i")
    mine = CustomerFactory(seller=seller, email=usual)
    theirs = CustomerFactory(seller=seller, email=other)
    assert list(accounts_with(seller.pk, usual.upper())) == [mine]
    assert list(accounts_with(seller.pk, other)) == [theirs]


def enter(client: Client, two: list[Customer]) -> Any:
    """Sign in by the one mail."""
    client.post("/portal/", {"email": ADDRESS})
    (link,) = mailed_links()
    return client.post(link)


def test_an_address_gets_one_mail_whatever_accounts_it_has(
    client: Client, two: list[Customer]
) -> None:
    answer = enter(client, two)
    assert len(mail.outbox) == 1
    assert answer.headers["Location"] == "/portal/accounts/"
    page = text_of(client.get("/portal/accounts/"))
    assert "Åsa Öberg" in page and "Öbergs Kafé AB" in page and "Small" in page


def test_whoever_has_several_accounts_chooses_and_changes(
    client: Client, two: list[Customer]
) -> None:
    enter(client, two)
    for chosen in (*two, two[0]):
        answer = client.post("/portal/accounts/", {"account": chosen.public_id})
        assert answer.headers["Location"] == "/portal/home/"
        home = client.get("/portal/home/")
        assert chosen.name in text_of(home)
        assert reverse("portal:accounts") in home.content.decode()


def test_the_page_to_press_names_the_address_and_none_of_the_accounts(
    client: Client, two: list[Customer]
) -> None:
    client.post("/portal/", {"email": ADDRESS})
    (link,) = mailed_links()
    page = text_of(client.get(link))
    assert "Both@Example.com" in page and "Åsa" not in page


def test_nobody_comes_to_an_account_whose_address_they_have_not_shown_to_read(
    client: Client, two: list[Customer], stranger: Customer
) -> None:
    enter(client, two)
    for other in (stranger, CustomerFactory(email=ADDRESS)):
        answer = client.post("/portal/accounts/", {"account": other.public_id})
        assert answer.status_code == 200
        assert other.name not in text_of(client.get("/portal/home/"))


def test_a_link_of_the_shops_opens_one_account_alone(client: Client, two: list[Customer]) -> None:
    sign_in(client, two[0])
    assert reverse("portal:accounts") not in client.get("/portal/home/").content.decode()
    client.post("/portal/accounts/", {"account": two[1].public_id})
    assert two[1].name not in text_of(client.get("/portal/home/"))


def test_a_link_to_an_address_that_was_taken_away_opens_no_account_of_the_new_one(
    client: Client, two: list[Customer], seller: Seller
) -> None:
    token = token_for(two[0], Purpose.SIGN_IN, address=ADDRESS)
    other = CustomerFactory(seller=seller, name="Bo", email="bo@example.com")
    Customer.objects.filter(pk=two[0].pk).update(email="bo@example.com")
    client.post(f"/portal/enter/{token}/")
    client.post("/portal/accounts/", {"account": other.public_id})
    assert "Bo" not in text_of(client.get("/portal/home/")).split()


def test_who_has_one_account_comes_straight_home(client: Client, customer: Customer) -> None:
    client.post("/portal/", {"email": customer.email})
    (link,) = mailed_links()
    assert client.post(link).headers["Location"] == "/portal/home/"


def abandoned(plan: Plan, address: str = ADDRESS) -> Customer:
    """Whoever an order has made that was placed and never paid."""
    order, _ = create_order(plan.seller, plan, as_of=DAY, actor="shop")
    placed = ordered(order, email=address)
    assert placed.customer is not None
    return placed.customer


def ordered(order: Order, email: str = ADDRESS) -> Order:
    details = Details(
        name="Åsa again",
        email=email,
        address_line1="Storgatan 1",
        postal_code="411 36",
        city="Göteborg",
    )
    consent = Consent(text="310", language="en", version="1")
    return place(order, details, Choice(), consent, as_of=DAY, actor="test")


@pytest.mark.parametrize("is_over", [True, False])
def test_an_order_that_nobody_pays_is_no_account(
    client: Client, two: list[Customer], plan: Plan, clock: Any, is_over: bool
) -> None:
    abandoned(plan)
    if is_over:
        clock.shift(timedelta(days=2))
        assert expire_orders(plan.seller, DAY, "test")
    assert enter(client, two).headers["Location"] == "/portal/accounts/"
    page = text_of(client.get("/portal/accounts/"))
    assert "Åsa Öberg" in page and "Öbergs Kafé AB" in page
    assert "Åsa again" not in page


def test_who_has_one_account_comes_home_to_it_past_orders_that_nobody_paid(
    client: Client, customer: Customer, plan: Plan
) -> None:
    started(customer, plan)
    abandoned(plan, customer.email)
    client.post("/portal/", {"email": customer.email})
    (link,) = mailed_links()
    assert client.post(link).headers["Location"] == "/portal/home/"
    home = client.get("/portal/home/")
    assert customer.name in text_of(home)
    assert reverse("portal:accounts") not in home.content.decode()


def test_a_link_to_an_order_that_nobody_paid_opens_the_account_that_there_is_beside_it(
    client: Client, customer: Customer, plan: Plan
) -> None:
    other = abandoned(plan, customer.email)
    token = token_for(other, Purpose.SIGN_IN, address=customer.email)
    client.post(f"/portal/enter/{token}/")
    assert customer.name in text_of(client.get("/portal/home/"))


def test_who_has_ordered_and_not_paid_signs_in_all_the_same(client: Client, plan: Plan) -> None:
    abandoned(plan)
    client.post("/portal/", {"email": ADDRESS})
    (link,) = mailed_links()
    assert client.post(link).headers["Location"] == "/portal/home/"
    assert "Åsa again" in text_of(client.get("/portal/home/"))


def test_an_order_that_is_paid_is_an_account(
    client: Client, two: list[Customer], plan: Plan
) -> None:
    order = Order.objects.get(customer=abandoned(plan))
    assert order.invoice is not None
    record_payment(order.invoice, as_of=DAY, actor="test")
    enter(client, two)
    assert "Åsa again" in text_of(client.get("/portal/accounts/"))


# At the checkout


@pytest.fixture
def page(plan: Plan) -> str:
    _, token = create_order(
        plan.seller, plan, as_of=DAY, actor="shop", metadata={"cart": "7"}, language="en"
    )
    return f"/pay/c/{token}/"


def ask(client: Client, page: str, email: str) -> Any:
    return client.post(page, {"act": "account", "email": email, "name": "Åsa", "country": "SE"})


def without_secrets(answer: Any, email: str) -> str:
    said = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", answer.content.decode())
    return said.replace(email, "ADDRESS")


def test_the_checkout_says_the_same_of_an_address_that_is_known_and_of_one_that_is_not(
    client: Client, customer: Customer, page: str
) -> None:
    known, unknown = ask(client, page, customer.email), ask(client, page, "nobody@example.com")
    assert known.status_code == unknown.status_code == 200
    assert without_secrets(known, customer.email) == without_secrets(unknown, "nobody@example.com")
    assert 'value="Åsa"' in known.content.decode()
    assert Event.objects.filter(type=SIGN_IN_REQUESTED).count() == 1


def test_a_customer_of_old_orders_as_such_and_the_first_page_shows_nothing_of_them(
    client: Client, customer: Customer, page: str
) -> None:
    ask(client, page, customer.email)
    (link,) = mailed_links()
    assert "Continue the order" in mail.outbox[0].body
    at = client.post(link).headers["Location"]
    assert at.startswith("/pay/c/") and at != page
    order = Order.objects.latest("id")
    assert (order.customer, order.metadata) == (customer, {"cart": "7"})
    assert customer.name in client.get(at).content.decode()
    assert customer.name not in Client().get(page).content.decode()


def test_who_has_several_accounts_chooses_with_which_to_order(
    client: Client, two: list[Customer], page: str
) -> None:
    ask(client, page, ADDRESS)
    (link,) = mailed_links()
    assert client.post(link).headers["Location"] == "/portal/accounts/"
    at = client.post("/portal/accounts/", {"account": two[0].public_id}).headers["Location"]
    assert at.startswith("/pay/c/")
    assert Order.objects.latest("id").customer == two[0]


def test_a_link_that_is_pressed_twice_leads_to_the_same_order_again(
    client: Client, customer: Customer, page: str
) -> None:
    ask(client, page, customer.email)
    (link,) = mailed_links()
    at = client.post(link).headers["Location"]
    for again in (client.get(link), client.post(link), client.get(link)):
        assert again.headers["Location"] == at
    assert Order.objects.filter(customer=customer).count() == 1


def test_a_link_that_is_pressed_twice_leads_back_to_the_choice_and_then_to_the_order(
    client: Client, two: list[Customer], page: str
) -> None:
    ask(client, page, ADDRESS)
    (link,) = mailed_links()
    client.post(link)
    assert client.get(link).headers["Location"] == "/portal/accounts/"
    at = client.post("/portal/accounts/", {"account": two[0].public_id}).headers["Location"]
    assert client.get(link).headers["Location"] == at


def test_a_link_that_is_pressed_in_another_visit_leads_to_the_order_there(
    client: Client, customer: Customer, page: str
) -> None:
    ask(client, page, customer.email)
    (link,) = mailed_links()
    Client().post(link)
    sign_in(client, customer)
    at = client.get(link).headers["Location"]
    assert at.startswith("/pay/c/")
    assert client.get(link).headers["Location"] == at


def test_a_new_link_for_one_that_was_used_leads_to_the_order_as_well(
    client: Client, customer: Customer, page: str
) -> None:
    ask(client, page, customer.email)
    (link,) = mailed_links()
    Client().post(link)
    assert client.get(link).status_code == 410
    mail.outbox.clear()
    client.post(f"{link}again/")
    (again,) = mailed_links()
    assert client.post(again).headers["Location"].startswith("/pay/c/")


def test_whoever_changes_the_account_before_they_order_orders_with_the_other(
    client: Client, two: list[Customer], page: str
) -> None:
    ask(client, page, ADDRESS)
    (link,) = mailed_links()
    client.post(link)
    pages = []
    for chosen in (two[0], two[1], two[1]):
        answer = client.post("/portal/accounts/", {"account": chosen.public_id})
        pages.append(answer.headers["Location"])
        assert Order.objects.latest("id").customer == chosen
    assert pages[0] != pages[1] == pages[2]


def test_whoever_has_ordered_changes_the_account_and_is_not_asked_to_order_again(
    client: Client, two: list[Customer], page: str
) -> None:
    ask(client, page, ADDRESS)
    (link,) = mailed_links()
    client.post(link)
    client.post("/portal/accounts/", {"account": two[0].public_id})
    ordered(Order.objects.latest("id"))
    answer = client.post("/portal/accounts/", {"account": two[1].public_id})
    assert answer.headers["Location"] == "/portal/home/"


@pytest.mark.parametrize("is_paid", [True, False])
def test_whoever_has_ordered_and_changes_the_account_finds_the_order_by_the_link_and_no_other(
    client: Client, two: list[Customer], page: str, is_paid: bool
) -> None:
    ask(client, page, ADDRESS)
    (link,) = mailed_links()
    client.post(link)
    at = client.post("/portal/accounts/", {"account": two[0].public_id}).headers["Location"]
    order = ordered(Order.objects.latest("id"))
    if is_paid:
        assert order.invoice is not None
        record_payment(order.invoice, as_of=DAY, actor="test")
    for chosen in (two[1], two[0], two[1]):
        answer = client.post("/portal/accounts/", {"account": chosen.public_id})
        assert answer.headers["Location"] == "/portal/home/"
        assert client.get(link).headers["Location"] == at
    assert list(Order.objects.filter(customer__in=two)) == [order]


def test_whoever_has_ordered_is_not_offered_it_again_by_a_new_link(
    client: Client, customer: Customer, page: str
) -> None:
    ask(client, page, customer.email)
    (link,) = mailed_links()
    at = client.post(link).headers["Location"]
    order = ordered(Order.objects.latest("id"), customer.email)
    mail.outbox.clear()
    client.post(f"{link}again/")
    (again,) = mailed_links()
    assert client.post(again).headers["Location"] == at
    assert list(Order.objects.filter(customer=customer)) == [order]


def test_an_order_that_has_run_out_is_said_to_be_over_to_who_comes_back_for_it(
    client: Client, customer: Customer, page: str, clock: Any
) -> None:
    ask(client, page, customer.email)
    (link,) = mailed_links()
    Order.objects.update(status="expired", closed_at=NOON)
    assert client.post(link).headers["Location"] == "/portal/home/"
    home = text_of(client.get("/portal/home/"))
    assert "What you were about to order is no longer offered." in home


def test_a_coupon_that_they_have_had_is_left_out(
    client: Client, customer: Customer, plan: Plan
) -> None:
    coupon = CouponFactory(seller=plan.seller)
    subscription = started(customer, plan, coupons=[coupon])
    assert subscription.pk
    _, token = create_order(plan.seller, plan, as_of=DAY, actor="shop", coupon=coupon)
    ask(client, f"/pay/c/{token}/", customer.email)
    (link,) = mailed_links()
    assert client.post(link).headers["Location"].startswith("/pay/c/")
    assert Order.objects.latest("id").coupon is None


@pytest.mark.parametrize("email", ["", "no address"])
def test_an_address_that_is_missing_or_none_is_said_beside_its_field(
    client: Client, page: str, email: str
) -> None:
    answer = ask(client, page, email)
    assert 'class="wrong"' in answer.content.decode()
    assert not Event.objects.filter(type=SIGN_IN_REQUESTED).exists()
