"""Full card numbers are kept nowhere: every door refuses them, and says where they belong."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from billing.base.cards import card_refusal
from billing.base.redaction import card_number_in
from billing.checkout.offers import create_order
from billing.invoicing.models import OneOffItem
from customers.models import Customer
from portal.pay_forms import OrderForm
from tests.api.calling import Shop, errors_of
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
    SellerFactory,
)

pytestmark = pytest.mark.django_db
CARD = "4242 4242 4242 4242"


@pytest.mark.parametrize(
    ("text", "last4"),
    [
        (f"paid by {CARD} yesterday", "4242"),
        ("5555-5555-5555-4444", "4444"),
        ("card:378282246310005", "0005"),
        ("4242 4242 4242 4241", ""),  # Its check digit is wrong.
        ("telephone +46 70 123 45 67", ""),
        ("9780201379624", ""),  # A book.
        ("SE45 5000 0000 0583 9825 7466", ""),
        ("556012-5790", ""),
    ],
)
def test_a_card_number_is_told_from_other_numbers(text: str, last4: str) -> None:
    assert card_number_in(text) == last4


def test_what_holds_long_numbers_by_its_nature_may() -> None:
    assert card_refusal("reference", "4242424242424242") == ""
    assert card_refusal("name", "4242424242424242").startswith("This looks like a card number")
    assert card_refusal("metadata", {"note": CARD})
    assert card_refusal("metadata", {CARD: "note"})


@pytest.mark.parametrize(
    ("path", "body", "attr"),
    [
        ("customers", {"name": CARD}, "name"),
        ("customers", {"name": "Åsa", "city": f"{CARD}"}, "city"),
        ("customers", {"name": "Åsa", "metadata": {"card": CARD}}, "metadata"),
        (
            "one_off_items",
            {"currency": "SEK", "amount_minor": 100, "description": f"Charged to {CARD}"},
            "description",
        ),
    ],
)
def test_the_api_refuses_one_and_names_the_field(
    path: str, body: dict[str, Any], attr: str
) -> None:
    shop = Shop(SellerFactory())
    customer = CustomerFactory(seller=shop.seller)
    more = {"customer": customer.public_id} if path == "one_off_items" else {}
    answer = shop.post(path, {**body, **more})
    assert (answer.status_code, errors_of(answer)) == (400, [("card_number", attr)])
    assert CARD not in answer.content.decode()
    assert Customer.objects.count() == 1
    assert not OneOffItem.objects.exists()


def test_the_desk_refuses_one(client: Client) -> None:
    user = User.objects.create_superuser("anna")
    client.force_login(user, backend="billing.staff.sign_in.StaffBackend")
    product = ProductFactory()
    url = reverse("admin:catalog_product_change", args=[product.pk])
    page = client.get(url)
    sent = {
        name: "" if value is None else value
        for name, value in page.context["adminform"].form.initial.items()
    }
    answer = client.post(url, {**sent, "name": f"Beans {CARD}"})
    assert "This looks like a card number" in answer.content.decode()
    product.refresh_from_db()
    assert CARD not in product.name


def test_the_checkout_refuses_one() -> None:
    seller = SellerFactory()
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    order, _ = create_order(seller, plan, as_of=DAY, actor="test")
    form = OrderForm(order, {"name": CARD, "email": "asa@example.com", "country": "SE"})
    assert not form.is_valid()
    assert "You enter your card details on the next page" in str(form.errors["name"])
