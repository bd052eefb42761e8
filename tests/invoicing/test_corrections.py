from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing import actions as invoicing
from billing.invoicing import balances, corrections, voiding
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.payments.booking import record_payment
from billing.subscriptions import actions as subscriptions
from billing.verification import books
from catalog.models import Coupon, Plan, Price, Product
from customers.models import Customer, Seller

pytestmark = pytest.mark.django_db
START = date(2026, 4, 1)


@pytest.fixture
def seller() -> Seller:
    rate = [{"category": "S", "rate": "25"}]
    return Seller.objects.create(name="Acme", currency="EUR", time_zone="UTC", tax=rate)


@pytest.fixture
def customer(seller: Seller) -> Customer:
    return Customer.objects.create(seller=seller, name="Alice")


@pytest.fixture
def plan(seller: Seller) -> Callable[..., Plan]:
    def make(code: str, **prices: Any) -> Plan:
        product, _ = Product.objects.get_or_create(seller=seller, name="Access")
        plan = Plan.objects.create(seller=seller, product=product, code=code, name=code)
        for position, (name, terms) in enumerate(prices.items()):
            Price.objects.create(plan=plan, code=name, currency="EUR", position=position, **terms)
        return plan

    return make


def billed(customer: Customer, plan: Plan, **options: Any) -> Invoice:
    subscription = subscriptions.start(customer, plan, as_of=START, actor="test", **options)
    return invoicing.bill_customer(customer, as_of=START, actor="test", subscription=subscription)[
        0
    ]


def breaches() -> dict[str, list[str]]:
    broken = books.broken_invariants()
    return {name: lines for name, lines in broken.items() if lines}


def test_crediting_a_written_off_invoice_takes_the_loss_back_and_gives_no_money_away(
    customer: Customer, plan: Callable[..., Plan]
) -> None:
    invoice = billed(customer, plan("basic", fee={"amount": Decimal("100")}))
    invoicing.write_off(invoice, as_of=date(2026, 6, 1), actor="test")
    corrections.credit(invoice, as_of=date(2026, 6, 2), actor="test")
    assert balances.balance_of(customer, "EUR") == 0
    invoice.refresh_from_db()
    assert (invoice.status, invoice.credited_minor) == ("uncollectible", 125_00)
    assert breaches() == {}


def test_a_note_by_hand_is_written_as_others_and_says_what_it_corrects_and_why(
    customer: Customer, plan: Callable[..., Plan]
) -> None:
    invoice = billed(customer, plan("basic", fee={"amount": Decimal("100")}))
    Customer.objects.filter(pk=customer.pk).update(language="sv", name="Alice B.")
    note = corrections.credit(
        invoice, as_of=START, actor="user:anna", amount_minor=50_00, reason=" Late "
    )
    assert (note.number, note.sequence, note.reference) == ("C1", 1, "")
    assert (note.status, note.credit_to, note.reason) == ("issued", "balance", "Late")
    assert (note.issued_on, note.due_on) == (START, START)
    # In the invoice's language, and to the customer as it is called now.
    assert (note.language, note.bill_to["name"]) == (invoice.language, "Alice B.")
    assert note.subscription_id == invoice.subscription_id
    line, charge = note.lines.get(), invoice.lines.get()
    assert (line.kind, line.corrects, line.net_minor, line.unit_amount) == (
        "credit",
        charge,
        40_00,
        None,
    )
    same = ("description", "price_id", "subscription_id", "starts_on", "ends_on", "quantity", "tax")
    assert [getattr(line, name) for name in same] == [getattr(charge, name) for name in same]
    told = Event.objects.get(type="credit_note.issued")
    assert (told.subject, told.actor) == (note.public_id, "user:anna")
    assert told.data == {
        "number": "C1",
        "customer": customer.public_id,
        "currency": "EUR",
        "total_minor": 50_00,
        "corrects": invoice.public_id,
    }
    assert breaches() == {}


def test_a_refund_of_a_part_paid_invoice_takes_what_is_unpaid_first(
    customer: Customer, plan: Callable[..., Plan]
) -> None:
    invoice = billed(customer, plan("basic", fee={"amount": Decimal("100")}))
    record_payment(invoice, amount_minor=50_00, as_of=START, actor="test")
    corrections.credit(invoice, as_of=START, actor="test", to="refund")
    invoice.refresh_from_db()
    # 75.00 was unpaid; the 50.00 that were paid go back.
    assert (invoice.status, invoice.paid_minor, invoice.credited_minor) == ("paid", 0, 125_00)
    assert balances.balance_of(customer, "EUR") == 0
    told = Event.objects.filter(occurred_on=START).order_by("pk")
    types = [*told.values_list("type", flat=True)]
    assert types[-3:] == ["invoice.credited", "payment.refunded", "credit_note.issued"]
    assert breaches() == {}


def test_an_automatic_refund_of_a_part_paid_invoice_gives_back_no_more_than_was_paid(
    seller: Seller, customer: Customer, plan: Callable[..., Plan]
) -> None:
    invoice = billed(customer, plan("basic", fee={"amount": Decimal("30")}))
    record_payment(invoice, amount_minor=10_00, as_of=START, actor="test")
    subscriptions.cancel(
        customer.subscriptions.get(),
        as_of=START,
        actor="test",
        when=date(2026, 4, 4),
        is_refunded=True,
    )
    bill_due(seller, date(2026, 4, 4))
    invoice.refresh_from_db()
    # 27 of 30 days come back, 33.75 with tax: 27.50 were unpaid, 6.25 of the 10.00 go back.
    assert (invoice.status, invoice.paid_minor, invoice.credited_minor) == ("paid", 3_75, 33_75)
    assert balances.balance_of(customer, "EUR") == 0
    assert breaches() == {}


def test_small_notes_on_an_invoice_come_to_no_more_than_it(customer: Customer) -> None:
    items = [
        invoicing.add_one_off(
            customer, currency="EUR", amount_minor=2, description="x", as_of=START, actor="test"
        )
        for _ in range(5)
    ]
    [invoice] = invoicing.bill_customer(customer, as_of=START, actor="test", one_offs=items)
    # 10 with a tax of 3; each 2 has one of 0.5, which rounds to 1.
    notes = [
        corrections.credit(invoice, as_of=START, actor="test", lines=[(line, 2)])
        for line in invoice.lines.all()
    ]
    assert [note.tax_minor for note in notes] == [1, 1, 1, 0, 0]
    assert sum(note.total_minor for note in notes) == invoice.total_minor == 13
    assert balances.balance_of(customer, "EUR") == 0
    assert breaches() == {}


def test_an_invoice_that_corrects_another_is_not_voided(
    customer: Customer, plan: Callable[..., Plan]
) -> None:
    billed(customer, plan("basic", fee={"amount": Decimal("30")}))
    pro = plan("pro", fee={"amount": Decimal("60")})
    subscription = customer.subscriptions.get()
    on = date(2026, 4, 11)
    subscriptions.change(subscription, plan=pro, as_of=on, actor="test")
    upgrade = invoicing.bill_customer(customer, as_of=on, actor="test")[0]
    with pytest.raises(Refused) as refused:
        voiding.void(upgrade, as_of=on, actor="test")
    assert refused.value.code == "corrects_other_invoices"


def test_a_voided_invoice_is_billed_again_with_its_coupon(
    seller: Seller, customer: Customer, plan: Callable[..., Plan]
) -> None:
    coupon = Coupon.objects.create(seller=seller, code="once", percent_off=Decimal(20))
    basic = plan("basic", fee={"amount": Decimal("100")})
    first = billed(customer, basic, coupons=[coupon])
    assert first.net_minor == 80_00
    voiding.void(first, as_of=START, actor="test")
    second = invoicing.bill_customer(customer, as_of=START, actor="test")[0]
    assert second.net_minor == 80_00
    assert invoicing.bill_customer(customer, as_of=START, actor="test") == []
    assert breaches() == {}


def test_all_of_an_invoice_with_prices_before_and_after_tax_can_be_credited(
    customer: Customer, plan: Callable[..., Plan]
) -> None:
    inclusive = [{"category": "S", "rate": "25", "inclusive": True}]
    mixed = plan(
        "mixed",
        before={"amount": Decimal("100")},
        after={"amount": Decimal("100"), "tax": inclusive},
    )
    invoice = billed(customer, mixed)
    assert invoice.total_minor == 225_00
    part = corrections.credit(invoice, as_of=START, actor="test", amount_minor=22_50)
    assert (part.net_minor, part.tax_minor) == (18_00, 4_50)
    rest = corrections.credit(invoice, as_of=START, actor="test")
    assert rest.total_minor == 202_50
    assert breaches() == {}


def test_a_customer_who_cannot_be_taxed_is_parked_and_the_others_are_billed(
    seller: Seller, customer: Customer, plan: Callable[..., Plan]
) -> None:
    basic = plan("basic", fee={"amount": Decimal("100")})
    other = Customer.objects.create(seller=seller, name="Bob")
    for one in (customer, other):
        subscriptions.start(one, basic, as_of=START, actor="test")
    Customer.objects.filter(pk=customer.pk).update(tax="nonsense")
    invoicing.add_one_off(
        customer, currency="EUR", amount_minor=5, description="x", as_of=START, actor="test"
    )
    run = bill_due(seller, START)
    assert (run.invoices, run.parked, list(run.refused)) == (1, 1, [customer.pk])
    assert "invalid_tax" in customer.subscriptions.get().parked_reason
    Customer.objects.filter(pk=customer.pk).update(tax=None)
    assert invoicing.bill_customer(
        customer, as_of=START, actor="test", subscription=customer.subscriptions.get()
    )
    assert customer.subscriptions.get().parked_reason == ""


def test_a_batch_pays_each_customers_refund_out_of_that_customers_own_payments(
    seller: Seller, customer: Customer, plan: Callable[..., Plan]
) -> None:
    basic = plan("basic", fee={"amount": Decimal("30")})
    other = Customer.objects.create(seller=seller, name="Bob")
    for one in (customer, other):
        record_payment(billed(one, basic), as_of=START, actor="test")
        subscriptions.cancel(
            one.subscriptions.get(),
            as_of=START,
            actor="test",
            when=date(2026, 4, 11) if one == customer else date(2026, 4, 4),
            is_refunded=True,
        )
    assert bill_due(seller, date(2026, 4, 11)).credit_notes == 2
    # 20 of Alice's 30 days and 27 of Bob's come back, with 25 % tax: 25.00 and 33.75.
    kept = {one.customer_id: one.paid_minor for one in Invoice.objects.filter(kind="invoice")}
    assert kept == {customer.pk: 37_50 - 25_00, other.pk: 37_50 - 33_75}
    assert breaches() == {}
