"""A customer who was merged into another: read as before, listed as one person with the other."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.api.filtering import CustomerFilter
from billing.api.views import ENDPOINTS, Listing
from billing.base import clock
from billing.invoicing.models import OneOffItem
from billing.usage.models import Meter, UsageRecord
from customers.models import Customer
from tests.api.calling import Shop, errors_of
from tests.api.world import operations, schema
from tests.factories import (
    DAY,
    CustomerFactory,
    InvoiceFactory,
    PaymentFactory,
    PriceFactory,
    SubscriptionFactory,
    mark_merged,
)


def _payment(customer: Customer) -> Any:
    return PaymentFactory(customer=customer, invoice=InvoiceFactory(customer=customer))


def _item(customer: Customer) -> Any:
    return OneOffItem.objects.create(
        seller=customer.seller,
        customer=customer,
        currency="SEK",
        amount_minor=100,
        description="Kaffe",
        due_on=DAY,
    )


def _record(customer: Customer) -> Any:
    meter, _ = Meter.objects.get_or_create(seller=customer.seller, code="calls")
    return UsageRecord.objects.create(
        subscription=SubscriptionFactory(customer=customer),
        meter=meter,
        at=clock.now(),
        on=DAY,
        quantity=1,
        value=1,
    )


# Each list that can be asked for by a customer, and how a row of it comes to be.
LISTS: dict[str, Callable[[Customer], Any]] = {
    "subscriptions": lambda customer: SubscriptionFactory(customer=customer),
    "invoices": lambda customer: InvoiceFactory(customer=customer),
    "credit_notes": lambda customer: InvoiceFactory(customer=customer, credit_note=True),
    "payments": _payment,
    "one_off_items": _item,
    "usage": _record,
}


@pytest.fixture
def staying(shop: Shop) -> Customer:
    return CustomerFactory(seller=shop.seller, name="Anna")


@pytest.fixture
def closing(shop: Shop) -> Customer:
    return CustomerFactory(seller=shop.seller, name="Anna of old")


def test_every_list_by_customer_is_walked() -> None:
    by_customer = {
        endpoint.address
        for endpoint in ENDPOINTS
        if issubclass(endpoint, Listing)
        for each in endpoint.filters().values()
        if isinstance(each, CustomerFilter)
    }
    assert by_customer == set(LISTS)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_by_either_customer_has_what_is_of_both(
    shop: Shop, staying: Customer, closing: Customer, name: str
) -> None:
    stranger = CustomerFactory(seller=shop.seller)
    made = [LISTS[name](customer) for customer in (staying, closing, stranger)]
    mark_merged(closing, staying)

    def listed(customer: Customer) -> set[str]:
        results = shop.get(name, customer=customer.public_id).json()["results"]
        return {row["id"] for row in results}

    of_both = {each.public_id for each in made[:2]}
    assert listed(staying) == listed(closing) == of_both
    assert listed(stranger) == {made[2].public_id}


def test_a_merged_customer_is_read_with_the_one_that_stays(
    shop: Shop, staying: Customer, closing: Customer
) -> None:
    mark_merged(closing, staying)
    path = f"customers/{closing.public_id}"
    shown = shop.get(path).json()
    assert (shown["name"], shown["merged_into"]) == ("Anna of old", staying.public_id)
    of_staying = shop.get(f"customers/{staying.public_id}").json()
    assert of_staying["merged_into"] is None
    assert shop.get(path, expand="merged_into").json()["merged_into"] == of_staying
    listed = shop.get("customers", expand="merged_into").json()["results"]
    assert {row["id"] for row in listed} == {staying.public_id, closing.public_id}


def test_a_list_looks_up_in_one_query_whom_its_customers_were_merged_into(
    shop: Shop, staying: Customer
) -> None:
    def asked() -> tuple[int, set[str | None]]:
        with CaptureQueriesContext(connection) as queries:
            rows = shop.get("customers").json()["results"]
        return len(queries), {row["merged_into"] for row in rows}

    CustomerFactory(seller=shop.seller)
    few, named = asked()
    assert named == {None}
    for count in (1, 3):
        for _ in range(count):
            mark_merged(CustomerFactory(seller=shop.seller), staying)
        assert asked() == (few + 1, {None, staying.public_id})


def test_a_document_names_the_customer_that_it_was_issued_to(
    shop: Shop, staying: Customer, closing: Customer
) -> None:
    invoice = InvoiceFactory(customer=closing)
    mark_merged(closing, staying)
    shown = shop.get(f"invoices/{invoice.public_id}", expand="customer.merged_into").json()
    assert shown["customer"]["id"] == closing.public_id
    assert shown["customer"]["merged_into"]["id"] == staying.public_id


def test_access_is_the_same_for_both(shop: Shop, staying: Customer, closing: Customer) -> None:
    subscription = SubscriptionFactory(customer=staying)
    mark_merged(closing, staying)
    for customer in (staying, closing):
        answer = shop.get("access", customer=customer.public_id, plan=subscription.plan.code)
        told = answer.json()
        assert (told["customer"], told["access"]) == (customer.public_id, "full")
        assert told["subscription"] == subscription.public_id


def test_what_changes_a_merged_customer_is_refused_with_the_id_of_the_other(
    shop: Shop, staying: Customer, closing: Customer
) -> None:
    """Every operation that names a customer whom it changes or gives something."""
    plan = PriceFactory(plan__seller=shop.seller).plan
    mark_merged(closing, staying)
    who = {"customer": closing.public_id}
    start = {**who, "plan": plan.code}
    item = {**who, "currency": "SEK", "amount_minor": 100, "description": "Kaffe"}
    answers = {
        "update_customer": shop.patch(f"customers/{closing.public_id}", {"name": "Other"}),
        "start_subscription": shop.post("subscriptions", start),
        "preview_subscription": shop.post("subscriptions/preview", start),
        "create_one_off_item": shop.post("one_off_items", item),
        "create_checkout_session": shop.post("checkout_sessions", start),
        "create_portal_session": shop.post("portal_sessions", who),
    }
    named = {
        operation
        for operation, (_, method, said) in operations().items()
        if method in {"POST", "PATCH"} and names_a_customer(operation, said)
    }
    assert named == answers.keys()
    for operation, answer in answers.items():
        assert (answer.status_code, errors_of(answer)) == (409, [("customer_merged", None)]), (
            operation
        )
        assert staying.public_id in answer.json()["errors"][0]["detail"]


def names_a_customer(operation: str, said: dict[str, Any]) -> bool:
    """Whether an operation is of one customer, by its address or in its body."""
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = str(body.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    fields = schema()["components"]["schemas"].get(reference, {}).get("properties", {})
    return "customer" in fields or operation == "update_customer"
