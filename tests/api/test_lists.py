"""Lists: the same number of queries whatever their length, filtered, and expanded."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.base import clock
from billing.invoicing.models import OneOffItem
from billing.usage.models import Meter, UsageRecord
from customers.models import Customer, Seller
from tests.api.calling import Shop, errors_of
from tests.factories import (
    DAY,
    CustomerFactory,
    InvoiceFactory,
    PaymentFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
    SubscriptionFactory,
)


def _customer(seller: Seller) -> Customer:
    return CustomerFactory(seller=seller)


def _plan(seller: Seller) -> None:
    plan = PlanFactory(seller=seller, product=ProductFactory(seller=seller))
    PriceFactory(plan=plan)
    PriceFactory(plan=plan, code="seats", amount=Decimal(5))


def _subscription(seller: Seller) -> Any:
    return SubscriptionFactory(customer=_customer(seller))


def _invoice(seller: Seller) -> Any:
    return InvoiceFactory(customer=_customer(seller), subscription=_subscription(seller))


def _credit_note(seller: Seller) -> None:
    InvoiceFactory(customer=_customer(seller), credit_note=True)


def _payment(seller: Seller) -> None:
    invoice = _invoice(seller)
    PaymentFactory(customer=invoice.customer, invoice=invoice)


def _item(seller: Seller) -> None:
    OneOffItem.objects.create(
        seller=seller,
        customer=_customer(seller),
        currency="SEK",
        amount_minor=100,
        description="Kaffe",
        due_on=DAY,
    )


def _record(seller: Seller) -> None:
    subscription = SubscriptionFactory(customer=_customer(seller))
    meter, _ = Meter.objects.get_or_create(seller=seller, code="calls")
    UsageRecord.objects.create(
        subscription=subscription, meter=meter, at=clock.now(), on=DAY, quantity=1, value=1
    )


LISTS: dict[str, tuple[Callable[[Seller], Any], str]] = {
    "customers": (_customer, ""),
    "plans": (_plan, ""),
    "prices": (_plan, "plan"),
    "subscriptions": (_subscription, "customer,plan"),
    "invoices": (_invoice, "customer,subscription.plan"),
    "credit_notes": (_credit_note, "customer"),
    "payments": (_payment, "customer"),
    "one_off_items": (_item, "customer,subscription,invoice"),
    "usage": (_record, "subscription.customer"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_twenty_as_for_five(shop: Shop, name: str) -> None:
    make, expand = LISTS[name]
    queries = {"expand": expand} if expand else {}

    def count(rows: int) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            results = shop.get(name, limit=rows, **queries).json()["results"]
        assert len(results) == rows
        return len(captured)

    for _ in range(20):
        make(shop.seller)
    assert count(5) == count(20)


def test_what_is_expanded_stands_in_place_of_its_id(shop: Shop) -> None:
    invoice = _invoice(shop.seller)
    path = f"invoices/{invoice.public_id}"
    plain = shop.get(path).json()
    assert plain["customer"] == invoice.customer.public_id
    assert plain["subscription"] == invoice.subscription.public_id
    shown = shop.get(path, expand="customer,subscription.plan").json()
    assert shown["customer"] == shop.get(f"customers/{plain['customer']}").json()
    plan = shop.get(f"plans/{invoice.subscription.plan.public_id}").json()
    assert shown["subscription"]["plan"] == plan
    assert shown["subscription"]["customer"] == invoice.subscription.customer.public_id


@pytest.mark.parametrize("expand", ["subscription.plan.prices", "lines", "seller", "customer.x"])
def test_nothing_else_can_be_expanded(shop: Shop, expand: str) -> None:
    answer = shop.get("invoices", expand=expand)
    assert answer.status_code == 400
    assert errors_of(answer) == [("not_expandable", "expand")]


def test_lists_are_filtered_by_a_customers_ids_and_by_days(shop: Shop) -> None:
    mine = InvoiceFactory(customer=CustomerFactory(seller=shop.seller, external_id="shop-1"))
    InvoiceFactory(customer=CustomerFactory(seller=shop.seller))

    def ids(**query: Any) -> list[str]:
        return [row["id"] for row in shop.get("invoices", **query).json()["results"]]

    assert len(ids()) == 2
    assert ids(customer=mine.customer.public_id) == [mine.public_id]
    assert ids(customer="external:shop-1") == [mine.public_id]
    assert len(ids(issued_from="2026-03-01", issued_before="2026-03-02")) == 2
    assert ids(issued_before="2026-03-01") == []
    assert ids(status="paid") == []


@pytest.mark.parametrize(
    "name", ["subscriptions", "invoices", "payments", "one_off_items", "usage"]
)
@pytest.mark.parametrize("key", ["external:nobody", "cus_" + "0" * 24, "nobody"])
def test_a_list_is_not_filtered_by_a_customer_that_does_not_exist(
    shop: Shop, name: str, key: str
) -> None:
    answer = shop.get(name, customer=key)
    assert (answer.status_code, errors_of(answer)) == (400, [("unknown_customer", "customer")])
    foreign = CustomerFactory()
    assert shop.get(name, customer=foreign.public_id).status_code == 400


@pytest.mark.parametrize("name", ["invoices", "credit_notes", "usage"])
def test_a_list_is_not_filtered_by_a_subscription_that_does_not_exist(
    shop: Shop, name: str
) -> None:
    answer = shop.get(name, subscription="sub_" + "0" * 24)
    assert errors_of(answer) == [("unknown_subscription", "subscription")]
    mine = SubscriptionFactory(customer=_customer(shop.seller), external_id="a/b")
    for key in (mine.public_id, "external:a/b"):
        assert shop.get(name, subscription=key).json()["results"] == []


@pytest.mark.parametrize("query", [{"status": "lost"}, {"issued_from": "yesterday"}])
def test_a_filter_that_cannot_be_is_refused(shop: Shop, query: dict[str, str]) -> None:
    answer = shop.get("invoices", **query)
    assert answer.status_code == 400
    assert [attr for _, attr in errors_of(answer)] == list(query)


def test_credit_notes_are_no_invoices(shop: Shop) -> None:
    note = InvoiceFactory(customer=CustomerFactory(seller=shop.seller), credit_note=True)
    assert shop.get("invoices").json()["results"] == []
    assert shop.get(f"invoices/{note.public_id}").status_code == 404
    assert shop.get(f"credit_notes/{note.public_id}").status_code == 200
