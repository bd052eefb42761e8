"""What customers change of themselves, and what they take away."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.checkout.offers import create_order
from billing.checkout.placing import Choice, Consent, Details, place
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.mail.actions import post
from billing.mail.words.payments import RECEIPT
from billing.payments.booking import record_payment
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.details import CHANGEABLE, change_own_details
from customers.models import Customer, Seller
from customers.numbers import tidy_vat_number
from portal.export import written
from tests.factories import DAY, CustomerFactory, InvoiceFactory
from tests.portal.doors import sign_in, text_of
from tests.portal.test_pages import card_of

pytestmark = pytest.mark.django_db
DETAILS = {
    "name": "Åsa Öberg Lång",
    "address_line1": "Storgatan 1",
    "address_line2": "",
    "postal_code": "111 22",
    "city": "Stockholm",
    "language": "sv",
}


def test_details_are_kept_and_told_of_without_what_they_were(
    visitor: Client, customer: Customer
) -> None:
    answer = visitor.post("/portal/details/", DETAILS)
    assert answer.headers["Location"] == "/portal/details/"
    customer.refresh_from_db()
    assert {name: getattr(customer, name) for name in DETAILS} == DETAILS
    event = Event.objects.get(type="customer.changed")
    assert event.data == {"changed": ["address_line1", "city", "language", "name", "postal_code"]}
    # The page speaks the new language at once.
    assert "Sparat." in text_of(visitor.get("/portal/details/"))
    visitor.post("/portal/details/", DETAILS)
    assert Event.objects.filter(type="customer.changed").count() == 1


def test_what_is_not_the_customers_to_change_stays_as_it_is(
    visitor: Client, customer: Customer
) -> None:
    before: dict[str, Any] = dict(Customer.objects.values().get(pk=customer.pk))
    sent = {
        field.name: "9" if field.name != "language" else "en"
        for field in Customer._meta.fields
        if field.name not in DETAILS
    }
    visitor.post("/portal/details/", DETAILS | sent | {"email": "other@example.com"})
    after: dict[str, Any] = dict(Customer.objects.values().get(pk=customer.pk))
    assert {key for key in before if before[key] != after[key]} <= set(CHANGEABLE)
    assert after["email"] == before["email"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "Enter the name to put on your invoices."),
        ({"name": "x" * 201}, "200"),
        ({"language": "xx"}, "xx"),
        ({"city": "a\0b"}, "Null"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(
    visitor: Client, customer: Customer, wrong: dict[str, str], said: str
) -> None:
    answer = visitor.post("/portal/details/", DETAILS | wrong)
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert b'class="wrong"' in answer.content
    customer.refresh_from_db()
    assert customer.city == "Göteborg"


def test_a_company_changes_its_vat_number_and_a_person_has_none(
    client: Client, seller: Seller, visitor: Client
) -> None:
    assert b'name="vat_number"' not in visitor.get("/portal/details/").content
    company = CustomerFactory(seller=seller, business=True)
    sign_in(client, company)
    sent = DETAILS | {"vat_number": "de 136 695 976", "language": "en"}
    client.post("/portal/details/", sent)
    company.refresh_from_db()
    assert company.vat_number == "DE136695976"
    answer = client.post("/portal/details/", sent | {"vat_number": "SE123"})
    assert "This VAT number is not valid." in text_of(answer)


def test_a_company_says_which_reference_its_invoices_bear(
    visitor: Client, customer: Customer
) -> None:
    sent = DETAILS | {"buyer_reference": "COST 7"}
    visitor.post("/portal/details/", sent)
    customer.refresh_from_db()
    assert customer.buyer_reference == ""
    Customer.objects.update(is_business=True)
    visitor.post("/portal/details/", sent)
    customer.refresh_from_db()
    assert customer.buyer_reference == "COST 7"
    assert exported(visitor)["customer"]["buyer_reference"] == "COST 7"


def test_whoever_gets_the_mail_instead_is_named_and_not_to_be_changed(
    visitor: Client, customer: Customer
) -> None:
    page = text_of(visitor.get("/portal/details/"))
    assert "Invoices are sent to" not in page and "Reminders are sent to" not in page
    named = {"invoice_to": ["ap@b.example"], "invoice_cc": ["boss@b.example"]}
    Customer.objects.update(**named, reminder_to=["due@b.example"])
    visitor.post("/portal/details/", DETAILS | {"language": "en", "invoice_to": "me@b.example"})
    page = text_of(visitor.get("/portal/details/"))
    assert "Invoices are sent to ap@b.example, boss@b.example" in page
    assert "Reminders are sent to due@b.example" in page
    assert exported(visitor)["customer"]["invoice_to"] == ["ap@b.example"]


@pytest.mark.parametrize(
    ("number", "country", "tidy"),
    [
        ("SE556677889901", "SE", "SE556677889901"),
        ("556677889901", "SE", "SE556677889901"),
        ("gr 094259216", "GR", "EL094259216"),
        ("NO 923 609 016 MVA", "NO", "NO923609016MVA"),
        ("12-3456789", "US", "12-3456789"),
    ],
)
def test_a_vat_number_is_tidied(number: str, country: str, tidy: str) -> None:
    assert tidy_vat_number(number, country).replace("NO", "") == tidy.replace("NO", "")


@pytest.mark.parametrize("number", ["SE556677889902", "XX1", "1", "🎉"])
def test_a_vat_number_with_wrong_digits_is_refused(number: str) -> None:
    with pytest.raises(Refused) as refusal:
        tidy_vat_number(number, "SE")
    assert refusal.value.code == "invalid_vat_number"


def test_a_customer_without_a_name_is_refused(customer: Customer) -> None:
    with pytest.raises(Refused) as refusal:
        change_own_details(customer, as_of=DAY, actor="test", name="  ")
    assert refusal.value.code == "name_missing"


# The export


def exported(visitor: Client) -> dict[str, Any]:
    answer = visitor.get("/portal/export/")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="cus_')
    content: dict[str, Any] = json.loads(b"".join(answer))
    return content


def test_everything_about_a_customer_is_in_the_export(
    visitor: Client, customer: Customer, subscription: Subscription
) -> None:
    invoice = customer.documents.earliest("pk")
    record_payment(invoice, as_of=DAY, actor="test", reference="bank-reference-1")
    card_of(customer, gateway_customer="at-gateway-1")
    post(RECEIPT, object="pay_1", customer=customer, facts={})
    content = exported(visitor)
    assert content["customer"]["name"] == customer.name
    assert content["customer"]["seller"]["public_id"] == customer.seller.public_id
    (kept,) = content["subscriptions"]
    assert (kept["public_id"], kept["plan"]["name"]) == (subscription.public_id, "Small")
    assert kept["items"][0]["quantity"] == "1"
    (document,) = content["documents"]
    assert (document["number"], document["total_minor"]) == (invoice.number, 38_750)
    assert document["lines"][0]["amount_minor"] == 31_000
    assert document["pdf_url"].endswith(f"/portal/invoices/{invoice.public_id}/pdf/")
    (payment,) = content["payments"]
    assert (payment["source"], payment["reference"]) == ("hand", "bank-reference-1")
    assert payment["pays"] == [
        {"document": invoice.public_id, "amount_minor": 38_750, "state": "settled"}
    ]
    assert content["payment_methods"][0]["last4"] == "4242"
    assert "subscription.started" in [event["type"] for event in content["events"]]
    (mail,) = content["mail"]
    assert (mail["kind"], mail["recipient"]) == ("receipt", customer.email)
    said = json.dumps(content)
    for secret in ("at-gateway-1", f"{customer.public_id}-4242"):
        assert secret not in said


def test_an_export_has_the_consent_to_an_order_with_its_address_and_browser(
    visitor: Client, customer: Customer, plan: Plan
) -> None:
    order, _ = create_order(customer.seller, plan, as_of=DAY, actor="test", customer=customer)
    details = Details(
        name="Åsa", email=customer.email, address_line1="A 1", postal_code="411 36", city="G"
    )
    consent = Consent(
        text="Yes.", language="en", version="1", ip_address="192.0.2.7", user_agent="Firefox"
    )
    place(order, details, Choice(), consent, as_of=DAY, actor="test")
    (kept,) = exported(visitor)["orders"]
    assert (kept["public_id"], kept["plan"]["code"]) == (order.public_id, plan.code)
    assert kept["consent"]["text"] == "Yes."
    assert (kept["consent"]["ip_address"], kept["consent"]["user_agent"]) == (
        "192.0.2.7",
        "Firefox",
    )


def test_an_export_is_made_while_it_is_sent(visitor: Client, customer: Customer) -> None:
    """Piece by piece, with no more queries for more documents of a chunk."""
    for _ in range(3):
        InvoiceFactory(customer=customer)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            pieces = list(written(customer))
        assert len(pieces) > Invoice.objects.count()
        return len(seen)

    few = queries()
    for _ in range(20):
        InvoiceFactory(customer=customer)
    assert queries() == few


def test_an_export_asks_for_a_visit_that_lasts(visitor: Client, clock: Any) -> None:
    clock.shift(timedelta(hours=13))
    assert visitor.get("/portal/export/").status_code == 302
