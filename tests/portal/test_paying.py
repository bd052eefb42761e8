"""Paying and leaving a card, through a real sandbox, and what is said when it is not there."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.test import Client
from django.urls import reverse

from billing.base import clock
from billing.invoicing.models import Invoice
from billing.outbound.actions import hold, stop_charging
from billing.payments.models import CheckoutSession, Payment, PaymentMethod
from billing.subscriptions.models import Subscription
from customers.links import make_link
from customers.models import AccessLink, Customer, Seller
from tests.factories import CustomerFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of, sign_in, started, text_of
from tests.portal.test_pages import card_of
from tests.sandbox.process import RunningSandbox, running_sandbox

# What calls a gateway must not be in a transaction, so that tests commit.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(autouse=True)
def connected(sandbox: RunningSandbox, settings: Any) -> None:
    settings.SANDBOX_URL, settings.SANDBOX_KEY = sandbox.url, sandbox.key
    settings.SANDBOX_HOOK_SECRET = sandbox.hook_secret
    for kind in ("down", "slow", "lost", "lie"):
        sandbox.fault(kind, times=0)


def invoice_of(customer: Customer) -> Invoice:
    return customer.documents.earliest("pk")


def way_out(answer: Any) -> str:
    """Where a page sends who pressed a button."""
    found = re.search(rb'http-equiv="refresh" content="0;url=([^"]+)"', answer.content)
    assert found, text_of(answer)
    return unescape(found[1].decode())


def back(location: str) -> str:
    parts = urlsplit(location)
    return f"{parts.path}?{parts.query}"


def test_an_invoice_is_paid_on_the_gateways_page(
    visitor: Client, customer: Customer, subscription: Subscription, sandbox: RunningSandbox
) -> None:
    invoice = invoice_of(customer)
    page = f"/portal/invoices/{invoice.public_id}/"
    assert "Pay now" in text_of(visitor.get(page))
    url = way_out(visitor.post(f"{page}pay/"))
    assert url.startswith(sandbox.url)
    assert customer.seller.name in requests.get(url, timeout=10).text
    # A second click, and the back button, lead to the same page.
    assert way_out(visitor.post(f"{page}pay/")) == url
    assert CheckoutSession.objects.count() == 1
    sent = sandbox.fill_in(url)
    answer = visitor.get(back(sent.headers["Location"]))
    assert "Thank you, SEK 387.50 is paid" in text_of(answer)
    again = visitor.get(back(sent.headers["Location"]))
    assert "Thank you, SEK 387.50 is paid" in text_of(again)
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert Payment.objects.filter(state="succeeded").count() == 1
    said = text_of(visitor.get(page))
    assert "Pay now" not in said
    assert "Receipt" in said
    answer = visitor.post(f"{page}pay/", follow=True)
    assert "There is nothing left to pay on this invoice." in text_of(answer)


def test_who_comes_back_without_paying_can_go_on(
    visitor: Client, customer: Customer, subscription: Subscription, sandbox: RunningSandbox
) -> None:
    invoice = invoice_of(customer)
    url = way_out(visitor.post(f"/portal/invoices/{invoice.public_id}/pay/"))
    session = CheckoutSession.objects.get()
    answer = visitor.get(f"/portal/back/?session={session.gateway_id}")
    assert "You have not finished on the payment page" in text_of(answer)
    assert url in unescape(answer.content.decode())


def test_a_gateway_that_is_down_says_so_and_keeps_everything(
    visitor: Client, customer: Customer, subscription: Subscription, sandbox: RunningSandbox
) -> None:
    invoice = invoice_of(customer)
    page = f"/portal/invoices/{invoice.public_id}/"
    sandbox.fault("down", times=20)
    answer = visitor.post(f"{page}pay/", follow=True)
    assert "Nothing has been taken" in text_of(answer)
    answer = visitor.post("/portal/methods/add/", follow=True)
    assert "Nothing has been taken" in text_of(answer)
    sandbox.fault("down", times=0)
    invoice.refresh_from_db()
    assert invoice.left_minor == 38_750
    assert way_out(visitor.post(f"{page}pay/")).startswith(sandbox.url)


@pytest.mark.parametrize("what", ["stopped", "held", "off"])
def test_while_nothing_may_be_charged_that_is_what_is_said(
    what: str, visitor: Client, customer: Customer, subscription: Subscription, settings: Any
) -> None:
    invoice = invoice_of(customer)
    now = clock.now()
    link = make_link(customer, AccessLink.Purpose.PAY, now=now, subject=invoice.public_id)
    if what == "stopped":
        stop_charging(reason="Wrong prices", actor="anna")
    elif what == "held":
        hold("database_is_older", "A backup was restored.")
    else:
        settings.OUTBOUND = False
    answer = visitor.post(f"/portal/invoices/{invoice.public_id}/pay/", follow=True)
    assert "right now" in text_of(answer) and "Wrong prices" not in text_of(answer)
    page = reverse("pay:invoice", args=[link])
    left = visitor.post(page)
    assert left.headers["Location"].endswith("?problem=held")
    assert "Card payments are not possible right now" in text_of(
        visitor.get(left.headers["Location"])
    )
    assert not CheckoutSession.objects.filter(status="open").exists()


def test_a_gateway_that_is_down_when_they_come_back_says_so(
    visitor: Client, customer: Customer, subscription: Subscription, sandbox: RunningSandbox
) -> None:
    invoice = invoice_of(customer)
    url = way_out(visitor.post(f"/portal/invoices/{invoice.public_id}/pay/"))
    location = back(sandbox.fill_in(url).headers["Location"])
    sandbox.fault("down", times=20)
    assert "Nothing has been taken" in text_of(visitor.get(location))
    sandbox.fault("down", times=0)
    assert "is paid" in text_of(visitor.get(location))


def test_a_card_is_left_at_the_gateway_and_is_charged_from_then_on(
    visitor: Client, customer: Customer, sandbox: RunningSandbox
) -> None:
    url = way_out(visitor.post("/portal/methods/add/"))
    sent = sandbox.fill_in(url)
    answer = visitor.get(back(sent.headers["Location"]))
    assert "Visa ···· 4242 has been added You pay by invoice, so we keep the card" in text_of(
        answer
    )
    assert PaymentMethod.objects.usable().get(customer=customer).last4 == "4242"
    said = text_of(visitor.get("/portal/methods/"))
    assert "Visa ···· 4242 Default card Valid until 31 December 2049" in said
    assert "In use" not in said


@pytest.mark.parametrize(
    ("collection", "said", "becomes"),
    [
        ("invoice", "You pay by invoice, so we keep the card", "Pay it by 15 March 2026."),
        (
            "automatic",
            "We will charge your next invoices to this card.",
            "Pay it by 15 March 2026.",
        ),
    ],
)
def test_who_leaves_a_card_is_told_what_becomes_of_what_they_owe(
    visitor: Client,
    customer: Customer,
    subscription: Subscription,
    sandbox: RunningSandbox,
    collection: str,
    said: str,
    becomes: str,
) -> None:
    # Of who paid by invoice when it was issued, so that no charge of it is planned.
    Customer.objects.update(collection=collection)
    sent = sandbox.fill_in(way_out(visitor.post("/portal/methods/add/")))
    answer = text_of(visitor.get(back(sent.headers["Location"])))
    assert said in answer
    assert f"What you already owe Invoice {invoice_of(customer).number} {becomes}" in answer


def test_the_way_back_is_the_customers_alone(
    visitor: Client,
    customer: Customer,
    stranger: Customer,
    sandbox: RunningSandbox,
) -> None:
    theirs = Client()
    sign_in(theirs, stranger)
    theirs.post("/portal/methods/add/")
    session = CheckoutSession.objects.get()
    assert visitor.get(f"/portal/back/?session={session.gateway_id}").status_code == 404
    assert visitor.get("/portal/back/").status_code == 404


def test_a_payment_that_the_bank_wants_confirmed_can_be_gone_on_with(
    visitor: Client, customer: Customer, subscription: Subscription
) -> None:
    invoice = invoice_of(customer)
    payment = Payment.objects.create(
        seller=customer.seller,
        customer=customer,
        currency="SEK",
        amount_minor=38_750,
        state="requires_action",
        gateway="sandbox",
        action_url="http://127.0.0.1:9/confirm",
    )
    payment.allocations.create(invoice=invoice, amount_minor=38_750, state="in_flight")
    page = f"/portal/invoices/{invoice.public_id}/pay/"
    assert way_out(visitor.post(page)) == "http://127.0.0.1:9/confirm"
    Payment.objects.update(state="submitted")
    answer = visitor.post(page, follow=True)
    assert "A payment of this invoice is already under way." in text_of(answer)


def test_who_has_no_gateway_is_not_offered_one(client: Client, sandbox: RunningSandbox) -> None:
    """The sandbox serves test sellers; a live one has none here."""
    seller: Seller = SellerFactory(live=True, tax=[], language="en")
    make_accounts(seller)
    customer = CustomerFactory(seller=seller)
    started(customer, plan_of(seller, "310"))
    sign_in(client, customer)
    invoice = invoice_of(customer)
    page = f"/portal/invoices/{invoice.public_id}/"
    assert "Pay now" not in text_of(client.get(page))
    answer = client.post(f"{page}pay/", follow=True)
    assert "The payment page cannot be reached." in text_of(answer)
    assert "Add a card" not in text_of(client.get("/portal/methods/"))


def test_cards_are_chosen_and_removed(
    visitor: Client, customer: Customer, subscription: Subscription
) -> None:
    Customer.objects.update(collection="automatic")
    first, second = card_of(customer, "0001"), card_of(customer, "0002", is_default=False)
    visitor.post(f"/portal/methods/{second.public_id}/default/")
    assert "Visa ···· 0002 In use" in text_of(visitor.get("/portal/methods/"))
    answer = visitor.post(f"/portal/methods/{first.public_id}/remove/", follow=True)
    assert "Visa ···· 0001 has been removed." in text_of(answer)
    answer = visitor.post(f"/portal/methods/{first.public_id}/remove/", follow=True)
    assert "This card has been removed." in text_of(answer)
    answer = visitor.post(f"/portal/methods/{second.public_id}/remove/", follow=True)
    assert "This is your only card, and we charge your subscription to it." in text_of(answer)


def test_removing_the_card_in_use_says_which_is_charged_then_and_asks_first(
    visitor: Client, customer: Customer, subscription: Subscription
) -> None:
    Customer.objects.update(collection="automatic")
    first, second = card_of(customer, "0001"), card_of(customer, "0002", is_default=False)
    remove = f"/portal/methods/{first.public_id}/remove/"
    for sent in ({}, {"heir": first.public_id}):
        said = text_of(visitor.post(remove, sent))
        assert "If you remove it, we charge Visa ···· 0002 from now on." in said
        first.refresh_from_db()
        assert first.retired_at is None
    said = text_of(visitor.post(remove, {"heir": second.public_id}, follow=True))
    assert "Visa ···· 0001 has been removed. From now on we charge Visa ···· 0002." in said
    first.refresh_from_db()
    assert first.retired_at is not None


def test_who_pays_by_invoice_can_have_their_card_charged(
    visitor: Client, customer: Customer
) -> None:
    card_of(customer)
    assert "You pay by invoice" in text_of(visitor.get("/portal/methods/"))
    answer = visitor.post("/portal/methods/charge/", follow=True)
    said = text_of(answer)
    assert "From the next invoice on, we charge your card." in said
    assert "already owe" not in said
    assert "You pay by invoice" not in said


def test_who_lets_their_card_be_charged_is_told_that_open_invoices_stay_theirs_to_pay(
    visitor: Client, customer: Customer, subscription: Subscription
) -> None:
    card_of(customer)
    said = text_of(visitor.post("/portal/methods/charge/", follow=True))
    assert "What you already owe, you still pay yourself." in said
    assert "Pay it by 15 March 2026." in text_of(visitor.get("/portal/home/"))


def test_who_pays_by_invoice_is_not_told_that_a_card_is_charged(
    visitor: Client, customer: Customer
) -> None:
    card_of(customer, "0001")
    second = card_of(customer, "0002", is_default=False)
    said = text_of(visitor.post(f"/portal/methods/{second.public_id}/default/", follow=True))
    assert "Visa ···· 0002 is now your default card." in said
    assert "Visa ···· 0002 Default card" in said
    assert "Visa ···· 0001 Valid until" in said
    assert "In use" not in said
    assert "Charge this card" not in said
