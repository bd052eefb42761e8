"""The button that merges two customers: whom it offers, what it shows, and what it refuses."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from billing.invoicing.actions import add_one_off
from billing.invoicing.balances import give_credit
from billing.merging.actions import merge
from billing.subscriptions.models import Subscription
from customers.models import Customer
from tests.admin.test_actions import act_url, re_spaced
from tests.factories import (
    DAY,
    CustomerFactory,
    InvoiceFactory,
    PlanFactory,
    PriceFactory,
    SubscriptionFactory,
    make_accounts,
    mark_merged,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def closing() -> Customer:
    customer = CustomerFactory(name="Anna of old", email="anna@old.example", external_id="shop-1")
    make_accounts(customer.seller)
    return customer


@pytest.fixture
def staying(closing: Customer) -> Customer:
    return CustomerFactory(seller=closing.seller, name="Anna Ek", email="anna@example.com")


def merged_by_now(customer: Customer) -> Customer | None:
    """Into whom a customer is merged by now."""
    return Customer.objects.get(pk=customer.pk).merged_into


def ask(client: Client, closing: Customer, **typed: Any) -> Any:
    return client.post(
        act_url(closing, "merge"), {"key": "k", "wanted": "", "staying": "", **typed}
    )


def offered(page: Any) -> list[str]:
    field = page.context["form"]["staying"]
    return [] if field.is_hidden else [str(label) for value, label in field.field.choices if value]


def errors_of(page: Any) -> list[str]:
    return [error for errors in page.context["form"].errors.values() for error in errors]


def test_what_moves_is_shown_and_then_done(
    anna: Client, closing: Customer, staying: Customer
) -> None:
    plan = PlanFactory(seller=closing.seller, name="Small")
    PriceFactory(plan=plan)
    subscription = SubscriptionFactory(customer=closing, plan=plan)
    give_credit(
        closing, currency="SEK", amount_minor=2_500, description="Sorry", as_of=DAY, actor="test"
    )
    page = ask(anna, closing, wanted="anna ek")
    moving, *_ = page.context["preview"].documents
    assert moving.title == "Moves to Anna Ek (anna@example.com)"
    assert [row.what for row in moving.rows] == ["Small", "Balance", "shop-1"]
    said = re_spaced(page.content.decode())
    assert "There is no way back." in said
    assert "anna@old.example is told that it no longer signs in." in said
    assert merged_by_now(closing) is None
    answer = ask(anna, closing, wanted="anna ek", seen=page.context["seen"])
    assert answer.status_code == 302
    assert merged_by_now(closing) == staying
    assert Subscription.objects.get(pk=subscription.pk).customer == staying
    logged = LogEntry.objects.filter(object_id=closing.pk).latest("pk").change_message
    assert logged == f"Merged Anna of old into Anna Ek ({staying.public_id})."
    page = anna.get(answer.headers["Location"])
    assert f"({staying.public_id})" in re_spaced(page.content.decode())


def test_those_who_may_be_the_same_person_are_offered_at_once(
    anna: Client, closing: Customer, staying: Customer
) -> None:
    CustomerFactory(seller=closing.seller, name="Somebody Else")
    named = CustomerFactory(seller=closing.seller, name="Anna of old", email="a@b.example")
    mailed = CustomerFactory(seller=closing.seller, name="A", email="anna+shop@old.example")
    page = anna.get(act_url(closing, "merge"))
    assert offered(page) == [
        "A, anna+shop@old.example, Göteborg",
        "Anna of old, a@b.example, Göteborg",
    ]
    for chosen in (named, mailed):
        seen = ask(anna, closing, staying=chosen.pk)
        assert chosen.email in seen.context["preview"].documents[0].title


def test_of_several_who_are_found_one_is_chosen(anna: Client, closing: Customer) -> None:
    made = [
        CustomerFactory(seller=closing.seller, name="Bo Ek", email=email)
        for email in ("bo@one.example", "bo@two.example")
    ]
    page = ask(anna, closing, wanted="bo ek")
    assert "preview" not in page.context
    assert errors_of(page) == ["Choose the customer who stays."]
    assert len(offered(page)) == 2
    page = ask(anna, closing, wanted="bo ek", staying=made[1].pk)
    assert "bo@two.example" in page.context["preview"].documents[0].title
    other = ask(anna, closing, wanted="anna of old", staying=made[1].pk)
    assert errors_of(other) == ["The seller has no other customer that matches."]


@pytest.mark.parametrize("wanted", ["", "nobody", "anna of old", "stranger", "gone"])
def test_nobody_else_is_found(anna: Client, closing: Customer, wanted: str) -> None:
    CustomerFactory(name="Stranger")
    gone = CustomerFactory(seller=closing.seller, name="Gone")
    mark_merged(gone, CustomerFactory(seller=closing.seller, name="Bo"))
    page = ask(anna, closing, wanted=wanted)
    assert "preview" not in page.context
    assert len(errors_of(page)) == 1


def test_all_that_stands_against_it_is_said_with_what_to_do(
    anna: Client, closing: Customer, staying: Customer
) -> None:
    Customer.objects.filter(pk=staying.pk).update(external_id="shop-2", vat_number="SE1")
    invoice = InvoiceFactory(customer=closing)
    add_one_off(
        closing,
        currency="SEK",
        amount_minor=-100,
        description="Less",
        as_of=DAY,
        actor="test",
    )
    page = ask(anna, closing, wanted="anna ek")
    assert "preview" not in page.context
    said = errors_of(page)
    assert len(said) == 3
    assert f"{invoice} of Anna of old is open." in said[0]
    assert "shop-1 and shop-2" in said[1]
    assert "taxed in different ways" in said[2]


def test_what_has_changed_since_it_was_shown_is_shown_again(
    anna: Client, closing: Customer, staying: Customer
) -> None:
    seen = ask(anna, closing, wanted="anna ek").context["seen"]
    SubscriptionFactory(customer=closing)
    page = ask(anna, closing, wanted="anna ek", seen=seen)
    assert "What it comes to has changed" in errors_of(page)[0]
    assert merged_by_now(closing) is None


def test_whoever_may_only_look_is_refused(bo: Client, closing: Customer) -> None:
    assert bo.get(act_url(closing, "merge")).status_code == 403


def test_what_moved_with_a_balance_is_read_in_swedish(
    anna: Client, closing: Customer, staying: Customer
) -> None:
    give_credit(
        closing, currency="SEK", amount_minor=2_500, description="Sorry", as_of=DAY, actor="test"
    )
    merge(closing, staying, as_of=DAY, actor="test")
    for customer, shown in (
        (closing, f"Flyttat till {staying.public_id} vid hopslagning"),
        (staying, f"Flyttat från {closing.public_id} vid hopslagning"),
    ):
        balance = customer.balances.get()
        address = reverse("admin:invoicing_customerbalance_change", args=[balance.pk])
        page = anna.get(address, headers={"accept-language": "sv"})
        assert shown in page.content.decode()
