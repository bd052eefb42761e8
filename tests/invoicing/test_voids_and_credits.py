"""Void, credit, change and bill in any order: the customer owes what was agreed, less what was
credited by hand, and every document's tax is the rate's part of its net.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing.engine.errors import BillingError, Refused
from billing.invoicing import actions as invoicing
from billing.invoicing import corrections, voiding
from billing.invoicing.models import Invoice, OneOffItem
from billing.invoicing.postings import booked_of, charges_of
from billing.ledger.actions import Books
from billing.payments.booking import record_payment
from billing.payments.giving_back import reopen
from billing.subscriptions import actions as subscriptions
from billing.verification.books import broken_invariants
from catalog.models import Plan
from customers.models import Customer, Seller
from tests.factories import (
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
    SellerFactory,
)

pytestmark = pytest.mark.django_db
START = date(2026, 1, 1)
VAT_25 = [{"category": "S", "rate": "25"}]


@pytest.fixture
def seller() -> Seller:
    return SellerFactory(tax=VAT_25, currency="SEK", time_zone="UTC")


@pytest.fixture
def plans(seller: Seller) -> dict[str, Plan]:
    """Prices that are whole amounts a day in January, so that no share is rounded."""
    product = ProductFactory(seller=seller)
    made = {}
    for code, amount in (("small", "31"), ("middle", "62"), ("large", "124")):
        made[code] = PlanFactory(seller=seller, product=product, code=code, family="one")
        PriceFactory(plan=made[code], code="fee", amount=Decimal(amount), currency="SEK")
    return made


def by(on: date) -> dict[str, Any]:
    return {"as_of": on, "actor": "test"}


def subscribed(seller: Seller, plan: Plan) -> Customer:
    customer: Customer = CustomerFactory(seller=seller)
    subscriptions.start(customer, plan, **by(START))
    invoicing.bill_customer(customer, **by(START))
    return customer


def invoice(customer: Customer, number: int) -> Invoice:
    return customer.documents.filter(kind="invoice").order_by("sequence")[number - 1]


def billed_minor(customer: Customer) -> int:
    """All that stands on documents: invoices less credit notes, without what is void."""
    documents = customer.documents.exclude(status="void")
    return sum(
        document.total_minor if document.kind == "invoice" else -document.total_minor
        for document in documents
    )


def upgraded(seller: Seller, plans: dict[str, Plan], on: date) -> Customer:
    customer = subscribed(seller, plans["small"])
    subscriptions.change(customer.subscriptions.get(), plan=plans["large"], **by(on))
    invoicing.bill_customer(customer, **by(on))
    return customer


def test_a_void_takes_back_what_another_invoice_gave_back_of_it(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    on = START + timedelta(15)
    customer = upgraded(seller, plans, on)
    before_minor = billed_minor(customer)
    voiding.void(invoice(customer, 1), **by(on))
    [again] = invoicing.bill_customer(customer, **by(on))
    # 15 days of 1.00, and the 16.00 that invoice 2 gave back of invoice 1, with 25 %.
    assert [line.net_minor for line in again.lines.order_by("position")] == [15_00, 16_00]
    assert billed_minor(customer) == before_minor
    assert broken_invariants() == {}


def test_what_lines_charge_is_what_was_posted_when_they_were_billed(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    on = START + timedelta(15)
    customer = upgraded(seller, plans, on)
    voiding.void(invoice(customer, 1), **by(on))
    invoicing.bill_customer(customer, **by(on))
    corrections.credit(invoice(customer, 3), amount_minor=10_00, **by(on))
    books = Books(seller)
    for number in (2, 3):
        charged = charges_of(invoice(customer, number), books)
        posted = booked_of(invoice(customer, number), books)
        assert {account: minor for account, minor in charged.items() if minor} == posted


def test_what_takes_a_credit_back_waits_again_when_its_invoice_is_voided(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    on = START + timedelta(15)
    customer = upgraded(seller, plans, on)
    before_minor = billed_minor(customer)
    voiding.void(invoice(customer, 1), **by(on))
    invoicing.bill_customer(customer, **by(on))
    voiding.void(invoice(customer, 3), **by(on))
    assert OneOffItem.objects.filter(customer=customer, line=None).count() == 1
    invoicing.bill_customer(customer, **by(on))
    assert billed_minor(customer) == before_minor
    assert broken_invariants() == {}


def test_the_invoice_that_corrected_a_void_one_is_credited_by_what_it_asked_for(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    on = START + timedelta(15)
    customer = upgraded(seller, plans, on)
    voiding.void(invoice(customer, 1), **by(on))
    note = corrections.credit(invoice(customer, 2), **by(on))
    invoicing.bill_customer(customer, **by(on))
    # 15 days of 1.00 and 16 of 4.00, less the 48.00 that invoice 2 was about.
    assert billed_minor(customer) == (15_00 + 64_00 - 48_00) * 125 // 100
    assert [line.net_minor for line in note.lines.all()] == [48_00]
    # The plan is left, and what is still paid of its 16 days comes back.
    subscriptions.change(customer.subscriptions.get(), plan=plans["small"], **by(on))
    invoicing.bill_customer(customer, **by(on))
    assert billed_minor(customer) == (15_00 + 16_00) * 125 // 100
    assert broken_invariants() == {}


def test_an_invoice_of_which_something_was_given_back_and_turned_round_is_not_voided(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    on = START + timedelta(15)
    customer = upgraded(seller, plans, on)
    corrections.credit(invoice(customer, 2), **by(on))
    with pytest.raises(Refused) as refused:
        voiding.void(invoice(customer, 1), **by(on))
    assert refused.value.code == "invoice_corrected"
    corrections.credit(invoice(customer, 1), **by(on))
    assert billed_minor(customer) == 0
    assert broken_invariants() == {}


def test_who_leaves_a_plan_that_was_credited_pays_once_for_the_days(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    on = START + timedelta(15)
    customer = upgraded(seller, plans, on)
    corrections.credit(invoice(customer, 2), **by(on))
    # Nothing comes back as long as the plan lasts.
    assert invoicing.bill_customer(customer, **by(on)) == []
    later = on + timedelta(6)
    subscriptions.change(customer.subscriptions.get(), plan=plans["middle"], **by(later))
    [bill] = invoicing.bill_customer(customer, **by(later))
    # 10 days of 2.00, less those of invoice 1 that stood again, at their own price and tax.
    assert [line.net_minor for line in bill.lines.order_by("position")] == [-10_00, 20_00]
    [back] = bill.lines.filter(corrects__isnull=False)
    assert back.corrects == invoice(customer, 1).lines.get()
    assert back.description == back.corrects.description
    assert billed_minor(customer) == (31_00 + 64_00 - 16_00 - 48_00 + 10_00) * 125 // 100
    assert broken_invariants() == {}


def test_an_invoice_that_a_credit_note_corrects_is_not_voided(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    customer = subscribed(seller, plans["small"])
    first = invoice(customer, 1)
    record_payment(first, **by(START))
    corrections.credit(first, amount_minor=10_00, **by(START))
    # Paid and paid back, nothing is paid of it any more; the credit note still refers to it.

    reopen(first, **by(START))
    with pytest.raises(Refused) as refused:
        voiding.void(first, **by(START))
    assert refused.value.code in ("invoice_corrected", "invoice_paid")


def test_all_of_two_invoices_of_which_one_corrects_the_other_can_be_credited(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    on = START + timedelta(15)
    customer = upgraded(seller, plans, on)
    for number in (2, 1):
        corrections.credit(invoice(customer, number), **by(on))
    assert not any(one.is_collectable for one in customer.documents.all())
    assert billed_minor(customer) == 0
    assert broken_invariants() == {}


def test_what_nothing_was_charged_instead_of_lessens_what_is_credited(
    seller: Seller, plans: dict[str, Plan]
) -> None:
    customer = subscribed(seller, plans["small"])
    subscriptions.cancel(customer.subscriptions.get(), when="now", is_credited=True, **by(START))
    other = subscriptions.start(customer, plans["large"], **by(START))
    [second] = invoicing.bill_customer(customer, **by(START))
    assert [line.net_minor for line in second.lines.order_by("position")] == [-31_00, 124_00]
    note = corrections.credit(second, **by(START))
    # Nothing of the plan that was canceled is charged again.
    assert [line.net_minor for line in note.lines.all()] == [93_00]
    subscriptions.cancel(other, when="now", is_credited=True, **by(START))
    invoicing.bill_customer(customer, **by(START))
    assert billed_minor(customer) == 0
    assert broken_invariants() == {}


deeds = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.one_of(
            st.tuples(st.just("change"), st.sampled_from(["small", "middle", "large"])),
            st.tuples(st.just("void"), st.integers(1, 4)),
            st.tuples(st.just("credit"), st.integers(1, 4)),
            st.tuples(st.just("bill"), st.none()),
        ),
    ),
    max_size=8,
)


@given(deeds)
@example([(0, ("credit", 1)), (0, ("change", "middle"))])
@example([(0, ("change", "middle")), (0, ("credit", 2)), (0, ("change", "small"))])
@example(
    [(4, ("change", "middle")), (0, ("void", 1)), (0, ("credit", 2)), (0, ("change", "small"))]
)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_changed_voided_and_credited_the_customer_owes_what_was_agreed(
    seller: Seller, plans: dict[str, Plan], story: list[tuple[int, tuple[str, Any]]]
) -> None:
    """One customer changes alone; the other's invoices are voided and credited meanwhile.

    What a credit note has given back of days that are changed later does not come back twice.
    """
    with transaction.atomic():
        plain, tried = (subscribed(seller, plans["small"]) for _ in range(2))
        credited_minor, on = 0, START
        for days, (deed, what) in story:
            on += timedelta(days)
            if deed == "change":
                for customer in (plain, tried):
                    _try(customer, on, plan=plans[what])
            elif deed in ("void", "credit") and (found := _nth(tried, what)):
                try:
                    act = voiding.void if deed == "void" else corrections.credit
                    done = act(found, **by(on))
                    credited_minor += done.total_minor if deed == "credit" else 0
                except BillingError:
                    pass
            for customer in (plain, tried):
                invoicing.bill_customer(customer, **by(on))
        agreed_minor = billed_minor(plain)
        assert agreed_minor - credited_minor <= billed_minor(tried) <= agreed_minor
        assert broken_invariants() == {}
        transaction.set_rollback(True)


def _try(customer: Customer, on: date, plan: Plan) -> None:
    try:
        subscriptions.change(customer.subscriptions.get(), plan=plan, **by(on))
    except BillingError:
        pass


def _nth(customer: Customer, number: int) -> Invoice | None:
    return customer.documents.filter(kind="invoice").order_by("sequence")[number - 1 :].first()
