"""What webhooks tell of an object is what it was when the event happened, whatever came of it."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from billing.api.reading import SHOWN
from billing.base import clock
from billing.events.kept import forget_kept_rows
from billing.events.models import Event, KeptRow
from billing.events.recorder import fan_out
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.payments.booking import record_payment
from billing.subscriptions.actions import cancel, change, start
from billing.webhooks import actions as endpoints
from billing.webhooks.models import EventBody
from catalog.models import Plan
from customers.actions import add_customer, change_details
from customers.models import Seller
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db(transaction=True)
NOW: dict[str, Any] = {"as_of": DAY, "actor": "test"}


@pytest.fixture
def seller() -> Seller:
    """A seller whose shop is told of everything."""
    seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    endpoints.create(
        seller=seller.public_id,
        is_live=False,
        url="https://hooks.rosteriet.example/kvitt",
        types=["*"],
        **NOW,
    )
    return seller


def plan(seller: Seller, amount: int, **values: Any) -> Plan:
    made = PlanFactory(seller=seller, family="coffee", **values)
    PriceFactory(plan=made, code="base", amount=Decimal(amount))
    return made


def told() -> dict[str, list[dict[str, Any]]]:
    """What is written down, by the types of events in their order."""
    while fan_out():
        pass
    found: dict[str, list[dict[str, Any]]] = {}
    for text in EventBody.objects.order_by("event").values_list("text", flat=True):
        payload = json.loads(text)
        assert payload["data"]["is_as_of_event"] is True
        found.setdefault(payload["type"], []).append(payload["data"]["object"])
    return found


def test_a_subscription_that_started_and_ended_since_is_told_of_as_it_started(
    seller: Seller,
) -> None:
    small, large = plan(seller, 100), plan(seller, 250)
    subscription = start(CustomerFactory(seller=seller), small, **NOW)
    change(subscription, plan=large, when="now", **NOW)
    later = DAY + timedelta(days=3)
    subscription.refresh_from_db()
    cancel(subscription, when="now", as_of=later, actor="test")
    objects = told()
    started, changed, ended = (
        objects[f"subscription.{verb}"][0] for verb in ("started", "changed", "canceled")
    )
    assert (started["status"], started["ends_on"]) == ("active", None)
    assert (changed["status"], changed["ends_on"]) == ("active", None)
    assert ended["ends_on"] == str(later)
    assert started["plan"] == small.public_id
    assert changed["plan"] == large.public_id
    # What hangs on it is as it was as well.
    assert [(each["unit_amount"], each["ends_on"]) for each in started["items"]] == [("100", None)]
    assert [each["unit_amount"] for each in changed["items"] if each["ends_on"] is None] == ["250"]
    assert KeptRow.objects.filter(relation="subscriptions_subscriptionitem").exists()


def test_what_was_kept_before_a_column_was_there_is_told_with_what_the_column_has(
    seller: Seller,
) -> None:
    customer = add_customer(seller, name="Åsa", **NOW)
    change_details(customer, name="Örjan", buyer_reference="COST 7", **NOW)
    KeptRow.objects.update(old=RawSQL("old - 'buyer_reference'", []))
    objects = told()
    added, changed = objects["customer.added"][0], objects["customer.changed"][0]
    assert (added["name"], added["buyer_reference"]) == ("Åsa", "COST 7")
    assert (changed["name"], changed["buyer_reference"]) == ("Örjan", "COST 7")


def test_fifty_invoices_that_are_paid_since_are_told_of_as_open_and_then_as_paid(
    seller: Seller,
) -> None:
    offered = plan(seller, 100)
    for _ in range(50):
        start(CustomerFactory(seller=seller), offered, **NOW)
    bill_due(seller, DAY, actor="test")
    for number, invoice in enumerate(Invoice.objects.all()):
        record_payment(invoice, reference=f"bank-{number}", **NOW)
    objects = told()
    assert [each["status"] for each in objects["invoice.finalized"]] == ["open"] * 50
    assert {each["paid_minor"] for each in objects["invoice.finalized"]} == {0}
    assert [each["status"] for each in objects["invoice.paid"]] == ["paid"] * 50
    assert {each["outstanding_minor"] for each in objects["invoice.paid"]} == {0}


def test_a_credit_note_is_told_of_with_all_that_it_says_and_as_it_was_issued(
    seller: Seller,
) -> None:
    # One that a person wrote, and one of the billing run, which gives back what was paid ahead.
    small, large = plan(seller, 100), plan(seller, 250)
    subscription = start(CustomerFactory(seller=seller), large, **NOW)
    paid = start(CustomerFactory(seller=seller), large, **NOW)
    bill_due(seller, DAY, actor="test")
    invoice = Invoice.objects.get(subscription=subscription)
    note = credit(invoice, amount_minor=2500, reason="Late", **NOW)
    record_payment(Invoice.objects.get(subscription=paid), reference="bank", **NOW)
    change(paid, plan=small, when="now", **NOW)
    bill_due(seller, DAY, actor="test")
    issued = told()["credit_note.issued"]
    assert [each["id"] for each in issued] == list(
        Invoice.objects.filter(kind="credit_note")
        .order_by("pk")
        .values_list("public_id", flat=True)
    )
    assert issued[0]["id"] == note.public_id
    assert issued[0]["total_minor"] == 2500
    assert issued[0]["lines"][0]["corrects"]["invoice"] == invoice.public_id
    assert issued[0]["next_step"] is None


def test_each_of_several_changes_is_told_of_and_none_changes_once_it_is_written(
    seller: Seller,
) -> None:
    customer = CustomerFactory(seller=seller, city="Lund")
    for city in ("Malmö", "Göteborg", "Umeå"):
        change_details(customer, city=city, **NOW)
    cities = ["Malmö", "Göteborg", "Umeå"]
    assert [each["city"] for each in told()["customer.changed"]] == cities
    change_details(customer, city="Kiruna", **NOW)
    assert [each["city"] for each in told()["customer.changed"]] == [*cities, "Kiruna"]


def test_what_a_transaction_does_after_it_has_recorded_belongs_to_its_event(
    seller: Seller,
) -> None:
    customer = CustomerFactory(seller=seller, city="Lund")
    with transaction.atomic():
        change_details(customer, city="Malmö", **NOW)
        with transaction.atomic():
            customer.city = "Göteborg"
            customer.save()
    assert [each["city"] for each in told()["customer.changed"]] == ["Göteborg"]
    assert not KeptRow.objects.exists()


def test_nothing_is_kept_where_no_event_waits_and_what_was_kept_goes(seller: Seller) -> None:
    customer = CustomerFactory(seller=seller)
    change_details(customer, city="Malmö", **NOW)
    change_details(customer, city="Umeå", **NOW)
    told()
    kept = KeptRow.objects.count()
    assert kept == 1
    change_details(customer, city="Kiruna", **NOW)
    told()
    assert KeptRow.objects.count() == kept
    assert forget_kept_rows(clock.now()) == 0
    assert forget_kept_rows(clock.now() + timedelta(days=2)) == kept


def test_every_object_that_is_shown_has_its_old_rows_kept() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'kept_as_it_was_update'"
        )
        guarded = {name for (name,) in cursor.fetchall()}
    assert {model._meta.db_table for _, model in SHOWN.values()} <= guarded
    assert Event._meta.db_table not in guarded
