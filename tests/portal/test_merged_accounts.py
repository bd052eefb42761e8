"""Accounts that were merged: the one that stays has what was of both, and old links say so."""

import json
import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from billing.checkout.offers import create_order
from billing.invoicing.models import Invoice
from billing.mail.actions import post
from billing.mail.words.payments import RECEIPT
from billing.payments.booking import record_payment
from billing.payments.models import Payment
from catalog.models import Plan
from customers.links import make_link
from customers.models import AccessLink, Customer, Seller
from portal.news import mail_at_once
from portal.queries import accounts_at
from tests.factories import DAY, CustomerFactory, InvoiceFactory, mark_merged
from tests.portal.conftest import NOON
from tests.portal.doors import sign_in, text_of, token_for

pytestmark = pytest.mark.django_db
Purpose = AccessLink.Purpose
OLD, NEW = "anna@old.example", "anna@example.com"


@pytest.fixture
def staying(seller: Seller) -> Customer:
    return CustomerFactory(seller=seller, name="Anna", email=NEW, language="en")


@pytest.fixture
def closed(seller: Seller, staying: Customer) -> Customer:
    """With a paid invoice and an open one, a mail, and an order on which nothing came."""
    closing: Customer = CustomerFactory(seller=seller, name="Anna of old", email=OLD, language="en")
    paid, _ = InvoiceFactory(customer=closing), InvoiceFactory(customer=closing)
    record_payment(paid, as_of=DAY, actor="test")
    post(RECEIPT, object="pay_1", customer=closing, facts={})
    mark_merged(closing, staying)
    return closing


@pytest.fixture
def visitor(client: Client, staying: Customer) -> Client:
    sign_in(client, staying)
    return client


def paid_and_open(closed: Customer) -> tuple[Invoice, Invoice]:
    paid, left = closed.documents.order_by("pk")
    return paid, left


def mailed_links() -> list[tuple[list[str], str]]:
    """To whom links were mailed, and which."""
    mail_at_once()
    return [
        (sent.to, found)
        for sent in mail.outbox
        for found in re.findall(r"/portal/enter/\S+/", str(sent.body))
    ]


def test_documents_receipts_and_debts_are_the_persons(visitor: Client, closed: Customer) -> None:
    paid, left = paid_and_open(closed)
    listed = text_of(visitor.get("/portal/invoices/"))
    assert str(paid.number) in listed and str(left.number) in listed
    payment = Payment.objects.get(customer=closed)
    page = visitor.get(f"/portal/invoices/{paid.public_id}/")
    assert payment.public_id in page.content.decode()
    receipt = visitor.get(f"/portal/payments/{payment.public_id}/receipt/")
    assert receipt.headers["Content-Type"] == "application/pdf"
    pdf = visitor.get(f"/portal/invoices/{paid.public_id}/pdf/")
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert "125.00" in text_of(visitor.get("/portal/home/"))


def test_the_export_is_the_persons(visitor: Client, closed: Customer, staying: Customer) -> None:
    own = InvoiceFactory(customer=staying)
    content = json.loads(b"".join(visitor.get("/portal/export/")))
    assert content["customer"]["public_id"] == staying.public_id
    [merged] = content["merged_customers"]
    assert (merged["public_id"], merged["email"]) == (closed.public_id, OLD)
    numbers = {document["number"] for document in content["documents"]}
    assert numbers == {own.number, *(each.number for each in closed.documents.all())}
    assert [each["amount_minor"] for each in content["payments"]] == [12_500]
    assert [each["kind"] for each in content["mail"]] == ["receipt"]


def test_whoever_has_nothing_but_what_was_merged_into_it_has_an_account(
    seller: Seller, plan: Plan, staying: Customer, closed: Customer
) -> None:
    create_order(seller, plan, as_of=DAY, actor="test", customer=staying)
    assert [*accounts_at(seller.pk, NEW)] == [staying]
    assert [*accounts_at(seller.pk, OLD)] == []


def test_an_old_address_is_mailed_a_link_at_the_one_that_stays(
    client: Client, staying: Customer, closed: Customer
) -> None:
    client.post("/portal/", {"email": OLD})
    [(to, link)] = mailed_links()
    assert NEW in to[0]
    client.post(link)
    home = text_of(client.get("/portal/home/"))
    assert "Anna" in home and "Switch account" not in home


def test_a_customer_who_has_the_address_comes_before_one_that_it_leads_to(
    client: Client, seller: Seller, closed: Customer
) -> None:
    CustomerFactory(seller=seller, name="Bo", email=OLD, language="en")
    client.post("/portal/", {"email": OLD})
    [(to, _)] = mailed_links()
    assert OLD in to[0]


def test_a_returning_buyer_finds_the_account_that_stays(
    client: Client, seller: Seller, plan: Plan, staying: Customer, closed: Customer
) -> None:
    order, token = create_order(seller, plan, as_of=DAY, actor="test")
    client.post(f"/pay/c/{token}/", {"act": "account", "email": OLD})
    [(to, link)] = mailed_links()
    assert NEW in to[0]
    offered = client.post(link).headers["Location"]
    page = client.get(offered)
    assert f'value="{NEW}"' in page.content.decode()
    assert order.public_id


@pytest.fixture
def old_link(seller: Seller, staying: Customer) -> Any:
    """A link that was made before the account was merged, by what it is for."""

    def made(purpose: str, **terms: Any) -> str:
        closing = CustomerFactory(seller=seller, email=OLD, language="en")
        token = make_link(closing, purpose, now=NOON, **terms)
        mark_merged(closing, staying)
        return token

    return made


@pytest.mark.parametrize("purpose", [Purpose.SIGN_IN, Purpose.PORTAL, Purpose.SUBSCRIPTION])
def test_an_old_link_opens_nothing_and_says_where_the_account_is(
    client: Client, staying: Customer, old_link: Any, purpose: str
) -> None:
    token = old_link(purpose, subject="sub_1" if purpose == Purpose.SUBSCRIPTION else "")
    door = "s" if purpose == Purpose.SUBSCRIPTION else "enter"
    for answer in (client.get(f"/portal/{door}/{token}/"), client.post(f"/portal/{door}/{token}/")):
        assert answer.status_code == 410
        assert "You have one account now" in text_of(answer)
        assert NEW not in answer.content.decode()
    assert client.get("/portal/home/").status_code == 302
    client.post(f"/portal/enter/{token}/again/")
    [(to, _)] = mailed_links()
    assert NEW in to[0]


def test_an_old_link_leads_whoever_is_signed_in_to_their_account(
    visitor: Client, old_link: Any
) -> None:
    answer = visitor.get(f"/portal/enter/{old_link(Purpose.SIGN_IN)}/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/portal/home/")


def test_an_old_link_to_the_page_for_a_card_says_so_and_mails_another(
    client: Client, staying: Customer, old_link: Any
) -> None:
    token = old_link(Purpose.METHOD)
    answer = client.get(f"/pay/m/{token}/")
    assert answer.status_code == 410
    assert "You have one account now" in text_of(answer)
    client.post(f"/pay/m/{token}/again/")
    [(to, _)] = mailed_links()
    assert NEW in to[0]


def test_an_invoice_is_still_paid_by_the_link_that_was_mailed_with_it(
    client: Client, closed: Customer, staying: Customer
) -> None:
    _, left = paid_and_open(closed)
    token = token_for(closed, Purpose.PAY, subject=left.public_id)
    page = client.get(f"/pay/i/{token}/")
    assert page.status_code == 200
    assert str(left.number) in text_of(page)


def test_the_page_for_another_card_tells_of_what_was_billed_to_the_closed_one(
    client: Client, closed: Customer, staying: Customer
) -> None:
    paid, left = paid_and_open(closed)
    page = client.get(f"/pay/m/{token_for(staying, Purpose.METHOD, subject=left.public_id)}/")
    assert [each["number"] for each in page.context["owed"]] == [left.number]
    page = client.get(f"/pay/m/{token_for(staying, Purpose.METHOD, subject=paid.public_id)}/")
    assert page.context["settled"] == paid
    assert "125.00" in page.context["settled_amount"]
