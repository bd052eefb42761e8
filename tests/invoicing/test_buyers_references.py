"""The buyer's reference: on which document it stands, and what keeps it there."""

from datetime import date, timedelta
from typing import Any

import pytest

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.actions import add_one_off
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.documents import document_in_words, in_its_language
from billing.invoicing.models import Invoice
from billing.subscriptions import actions as subscriptions
from billing.subscriptions.coupons import redeem_coupon
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from customers.actions import change_details
from customers.models import Customer
from tests.factories import (
    DAY,
    CouponFactory,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db
NEXT = date(2026, 4, 1)


@pytest.fixture
def customer() -> Customer:
    """Whose reference is COST 7; with a plan of 100.00 a month to subscribe to."""
    seller = SellerFactory(tax=[])
    make_accounts(seller)
    PriceFactory(plan=PlanFactory(seller=seller, code="basic"))
    return CustomerFactory(seller=seller, language="en", buyer_reference="COST 7")


def start(customer: Customer, reference: str = "") -> Subscription:
    plan = customer.seller.plans.get()
    return subscriptions.start(customer, plan, as_of=DAY, actor="test", buyer_reference=reference)


def add(customer: Customer, reference: str = "", **more: Any) -> None:
    said: dict[str, Any] = {"currency": "SEK", "amount_minor": 1_000, "description": "Mug"}
    add_one_off(
        customer, as_of=DAY, actor="test", buyer_reference=reference, waits=True, **said | more
    )


def billed(customer: Customer, on: date = DAY) -> dict[str, int]:
    """What is issued on a day, in minor units by the reference that it bears."""
    bill_due(customer.seller, on)
    issued = list(Invoice.objects.filter(customer=customer, issued_on=on))
    found = {one.bill_to.get("buyer_reference", ""): one.total_minor for one in issued}
    assert len(found) == len(issued)
    return found


def facts_of(invoice: Invoice) -> dict[str, str]:
    with in_its_language(invoice):
        return dict(document_in_words(invoice)["facts"])


def test_the_customers_reference_is_printed_and_stays_as_it_was(customer: Customer) -> None:
    start(customer)
    assert billed(customer) == {"COST 7": 10_000}
    change_details(customer, as_of=DAY, actor="test", buyer_reference="COST 8")
    invoice = Invoice.objects.get()
    assert facts_of(invoice)["Your reference"] == "COST 7"
    assert billed(customer, NEXT) == {"COST 8": 10_000}


def test_who_has_no_reference_reads_nothing_of_one(customer: Customer) -> None:
    change_details(customer, as_of=DAY, actor="test", buyer_reference="")
    start(customer)
    assert billed(customer) == {"": 10_000}
    invoice = Invoice.objects.get()
    assert "Your reference" not in facts_of(invoice)
    assert "buyer_reference" not in invoice.bill_to


def test_each_reference_has_a_document_of_its_own(customer: Customer) -> None:
    for reference in ("", "PO 1", "PO 2", "PO 1", "COST 7"):
        start(customer, reference)
    assert billed(customer) == {"COST 7": 20_000, "PO 1": 20_000, "PO 2": 10_000}
    assert broken_invariants() == {}


def test_a_one_off_item_bears_its_own_or_its_subscriptions_or_the_customers(
    customer: Customer,
) -> None:
    subscription = start(customer, "PO 1")
    add(customer)
    add(customer, amount_minor=2_000, subscription=subscription)
    add(customer, "PO 9", amount_minor=4_000, subscription=subscription)
    assert billed(customer) == {"COST 7": 1_000, "PO 1": 12_000, "PO 9": 4_000}


def test_what_takes_off_and_names_no_reference_comes_off_any_document(customer: Customer) -> None:
    start(customer, "PO 1")
    start(customer, "PO 2")
    add(customer, amount_minor=-3_000)
    add(customer, "PO 2", amount_minor=-1_000)
    assert billed(customer) == {"PO 1": 7_000, "PO 2": 9_000}


def test_what_takes_off_more_than_any_document_has_waits(customer: Customer) -> None:
    start(customer, "PO 1")
    add(customer, amount_minor=-11_000)
    assert billed(customer) == {"PO 1": 10_000}


def test_a_subscriptions_reference_is_another_from_the_next_document_on(
    customer: Customer,
) -> None:
    subscription = start(customer, "PO 1")
    assert billed(customer) == {"PO 1": 10_000}
    for reference in ("PO 2", "PO 2"):
        subscriptions.change_buyer_reference(subscription, reference, as_of=DAY, actor="test")
    assert Event.objects.filter(type="subscription.reference_changed").count() == 1
    assert billed(customer, NEXT) == {"PO 2": 10_000}
    subscriptions.change_buyer_reference(subscription, "", as_of=NEXT, actor="test")
    assert billed(customer, date(2026, 5, 1)) == {"COST 7": 10_000}


def test_what_has_ended_has_its_reference_for_good(customer: Customer) -> None:
    subscription = start(customer, "PO 1")
    billed(customer)
    subscriptions.cancel(subscription, when="now", as_of=DAY, actor="test")
    with pytest.raises(Refused) as refused:
        subscriptions.change_buyer_reference(
            subscription, "PO 2", as_of=DAY + timedelta(days=1), actor="test"
        )
    assert refused.value.code == "subscription_ended"


@pytest.mark.parametrize("reference", ["PO 1", ""])
def test_a_credit_note_bears_the_reference_of_what_it_corrects(
    customer: Customer, reference: str
) -> None:
    change_details(customer, as_of=DAY, actor="test", buyer_reference="")
    start(customer, reference)
    billed(customer)
    change_details(customer, as_of=DAY, actor="test", buyer_reference="COST 8")
    note = credit(Invoice.objects.get(), as_of=DAY, actor="test")
    assert note.bill_to.get("buyer_reference", "") == reference


def test_an_amount_off_is_taken_once_of_a_bill_that_references_split(customer: Customer) -> None:
    coupon = CouponFactory(
        seller=customer.seller, percent_off=None, amount_off_minor=500, currency="SEK"
    )
    type(coupon).objects.update(duration="forever")
    start(customer)
    redeem_coupon(customer, coupon, as_of=DAY, actor="test")
    add(customer, "PO 1")
    bill_due(customer.seller, DAY)
    issued = Invoice.objects.filter(customer=customer)
    assert issued.count() == 2
    assert sum(issued.values_list("discount_minor", flat=True)) == 500
