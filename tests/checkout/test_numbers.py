"""What is ordered gets its number when somebody pays for it, and none where nobody does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from billing.checkout import placing
from billing.checkout.expiry import expire
from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.checkout.placing import Choice, Consent, Details, place
from billing.events.models import Event
from billing.invoicing.actions import add_one_off
from billing.invoicing.balances import balance_of, give_credit
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.invoicing.number_series import NumberSeries
from billing.payments.booking import record_payment
from billing.subscriptions.actions import cancel, start
from billing.verification.books import broken_invariants
from catalog.models import Coupon, Plan
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
ASA = Details(
    name="Åsa Öberg",
    email="asa@example.com",
    address_line1="Kungsportsavenyen 10",
    postal_code="411 36",
    city="Göteborg",
    language="sv",
)
CONSENT = Consent(text="125,00 kr i månaden", language="sv", version="1")
NEXT_DAY = DAY + timedelta(days=1)


@pytest.fixture
def plan() -> Plan:
    """100.00 a month, 125.00 with VAT."""
    seller = SellerFactory(name="Rosteriet", tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    plan: Plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    return plan


def placed(
    plan: Plan,
    customer: Customer | None = None,
    email: str = ASA.email,
    coupon: Coupon | None = None,
) -> Order:
    order, _ = create_order(plan.seller, plan, as_of=DAY, actor="test", customer=customer)
    said = replace(ASA, email=email)
    return place(order, said, Choice(coupon=coupon), CONSENT, as_of=DAY, actor="test")


def invoice_of(order: Order) -> Invoice:
    order.refresh_from_db()
    assert order.invoice is not None
    return Invoice.objects.get(pk=order.invoice.pk)


def told(invoice: Invoice) -> list[str]:
    found = Event.objects.filter(subject=invoice.public_id).order_by("id")
    return list(found.values_list("type", flat=True))


def test_an_order_has_no_number_until_it_is_paid(plan: Plan) -> None:
    first, second = placed(plan), placed(plan)
    assert [invoice_of(order).number for order in (first, second)] == [None, None]
    assert told(invoice_of(first)) == []
    record_payment(invoice_of(second), as_of=NEXT_DAY, actor="test")
    paid = invoice_of(second)
    assert (paid.number, paid.sequence, paid.reference, paid.status) == ("1", 1, "133", "paid")
    assert told(paid) == ["invoice.finalized", "invoice.paid"]
    assert second.status == "complete"
    record_payment(invoice_of(first), as_of=NEXT_DAY, actor="test")
    assert invoice_of(first).number == "2"
    assert broken_invariants() == {}


def test_an_order_that_nobody_pays_uses_up_no_number_and_tells_of_no_invoice(plan: Plan) -> None:
    order = placed(plan)
    assert expire(order, as_of=NEXT_DAY, actor="tick")
    invoice = invoice_of(order)
    assert (invoice.status, invoice.number, told(invoice)) == ("void", None, [])
    assert not NumberSeries.objects.filter(next_number__gt=1).exists()
    assert broken_invariants() == {}
    after = placed(plan)
    record_payment(invoice_of(after), as_of=NEXT_DAY, actor="test")
    assert invoice_of(after).number == "1"


def test_a_part_that_is_paid_gives_it_its_number(plan: Plan) -> None:
    order = placed(plan)
    record_payment(invoice_of(order), as_of=DAY, actor="test", amount_minor=100)
    assert invoice_of(order).number == "1"
    assert expire(order, as_of=NEXT_DAY, actor="tick")
    assert broken_invariants() == {}


def test_what_is_credited_has_its_number(plan: Plan) -> None:
    order = placed(plan)
    credit(invoice_of(order), as_of=DAY, actor="test")
    assert invoice_of(order).number == "1"
    assert broken_invariants() == {}


def test_a_balance_comes_back_from_an_order_that_nobody_pays(plan: Plan) -> None:
    known = CustomerFactory(seller=plan.seller)
    give_credit(
        known, currency="SEK", amount_minor=2500, description="Sorry", as_of=DAY, actor="test"
    )
    order = placed(plan, known)
    assert invoice_of(order).amount_due_minor == 10_000
    assert expire(order, as_of=NEXT_DAY, actor="tick")
    assert balance_of(known, "SEK") == 2500
    assert broken_invariants() == {}


def test_what_is_billed_beside_an_order_has_its_number_at_once(plan: Plan) -> None:
    known = CustomerFactory(seller=plan.seller, is_consolidated=False)
    add_one_off(
        known, currency="SEK", amount_minor=5000, description="Kvarn", as_of=DAY, actor="test"
    )
    order = placed(plan, known)
    beside = Invoice.objects.exclude(pk=invoice_of(order).pk).get()
    assert (beside.number, invoice_of(order).number) == ("1", None)
    assert broken_invariants() == {}


@pytest.mark.parametrize(
    "change", [{"paid_minor": 100}, {"credited_minor": 100}, {"sequence": 7}, {"number": "7"}]
)
def test_the_database_takes_no_money_for_what_has_no_number(
    plan: Plan, change: dict[str, Any]
) -> None:
    invoice = invoice_of(placed(plan))
    with pytest.raises(IntegrityError), transaction.atomic():
        Invoice.objects.filter(pk=invoice.pk).update(**change)


def test_an_invoice_without_a_number_that_is_no_orders_is_found(plan: Plan) -> None:
    order = placed(plan)
    record = invoice_of(order)
    other = placed(plan)
    record_payment(invoice_of(other), as_of=DAY, actor="test")
    with transaction.atomic():
        Order.objects.filter(pk=order.pk).update(status="complete", closed_at="2026-03-01 12:00Z")
    broken = broken_invariants()
    assert any(record.public_id in line for lines in broken.values() for line in lines)


def test_the_desk_lists_no_invoice_of_an_order_that_is_not_paid(
    plan: Plan, admin_client: Client
) -> None:
    order = placed(plan)
    invoice = invoice_of(order)
    listed = admin_client.get("/admin/invoicing/invoice/").content.decode()
    assert invoice.public_id not in listed and str(ASA.name) not in listed
    assert admin_client.get(f"/admin/invoicing/invoice/{invoice.pk}/change/").status_code == 200
    record_payment(invoice, as_of=DAY, actor="test")
    assert ASA.name in admin_client.get("/admin/invoicing/invoice/").content.decode()


# What is corrected before it is paid


def test_a_corrected_name_is_on_the_invoice_and_address_with_the_customer(plan: Plan) -> None:
    order = placed(plan)
    said = replace(ASA, name="Åsa Öberg Lind", email="asa.lind@example.com")
    assert placing.correct_details(order, said, as_of=DAY, actor="test")
    invoice = invoice_of(order)
    assert invoice.bill_to["name"] == "Åsa Öberg Lind"
    assert invoice.customer.email == "asa.lind@example.com"
    record_payment(invoice, as_of=DAY, actor="test")
    assert broken_invariants() == {}
    again = replace(ASA, name="Another")
    assert not placing.correct_details(order, again, as_of=DAY, actor="test")
    with pytest.raises(Exception, match="numbered_document_is_never_edited"), transaction.atomic():
        Invoice.objects.filter(pk=invoice.pk).update(bill_to={})


@pytest.mark.parametrize(
    "other", [{"country": "DE"}, {"company": "Rosteriet AB"}, {"name": ""}, {"name": "4242" * 4}]
)
def test_another_buyer_is_no_correction(plan: Plan, other: dict[str, str]) -> None:
    order = placed(plan)
    said = replace(ASA, **other)
    assert not placing.correct_details(order, said, as_of=DAY, actor="test")
    assert invoice_of(order).bill_to["name"] == ASA.name


BO = "bo@example.com"


def corrected_to(order: Order, email: str) -> bool:
    said = replace(ASA, email=email)
    return placing.correct_details(order, said, as_of=DAY, actor="test")


def test_an_address_is_not_corrected_to_that_of_who_has_had_the_coupon(plan: Plan) -> None:
    coupon = CouponFactory(seller=plan.seller)
    had = placed(plan, email=BO, coupon=coupon)
    order = placed(plan, coupon=coupon)
    for email in (BO, "Bo+again@example.com"):
        assert not corrected_to(order, email)
    assert Customer.objects.filter(email=ASA.email).count() == 1
    # Oneself has had no more than this, however one writes it, and neither has somebody else.
    for email in ("Asa@example.com", "asa+shop@example.com", "nobody@example.com"):
        assert corrected_to(order, email)
    # Whoever had it in an order that nobody paid has had nothing.
    expire(had, as_of=DAY, actor="test")
    assert corrected_to(order, BO)


def test_a_coupon_that_a_person_may_have_again_keeps_no_address_out(plan: Plan) -> None:
    coupon = CouponFactory(seller=plan.seller, is_once_per_person=False)
    placed(plan, email=BO, coupon=coupon)
    assert corrected_to(placed(plan, coupon=coupon), BO)


def test_an_address_is_not_corrected_to_that_of_who_has_had_the_free_trial(plan: Plan) -> None:
    Plan.objects.filter(pk=plan.pk).update(trial_days=14)
    plan.refresh_from_db()
    bo = CustomerFactory(seller=plan.seller, email=BO)
    tried = start(bo, plan, as_of=DAY, actor="test")
    order = placed(plan)
    assert order.subscription is not None and order.subscription.has_trial
    assert not corrected_to(order, BO)
    cancel(tried, as_of=DAY, actor="test", when="now")
    assert corrected_to(order, BO)
