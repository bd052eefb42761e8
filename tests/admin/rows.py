"""One row of everything that the admin shows, hung on each other, as often as a test wants."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model

from billing.events.models import Delivery, Event
from billing.invoicing.models import (
    BalanceEntry,
    CreditNote,
    CustomerBalance,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    Letterhead,
    NumberSeries,
    OneOffItem,
)
from billing.ledger.models import Account, Transfer
from billing.payments.models import Payment, PaymentAllocation, Refund
from billing.subscriptions.models import (
    BillingCycle,
    CouponRedemption,
    Pause,
    Subscription,
    SubscriptionItem,
)
from billing.tax.models import TaxRate
from billing.usage.models import Meter, UsageRecord
from catalog.models import Coupon, Plan, Price, Product
from customers.models import Customer, Seller

DAY = date(2026, 1, 1)


def fill(number: int, text: str = "Thing") -> dict[type[Model], Any]:
    """Make one row of every model, named after ``text``, and return them by model."""
    name = f"{text} {number}"
    day = DAY + timedelta(days=number)
    seller = Seller.objects.create(name=name, legal_name=name, address_line1=name)
    product = Product.objects.create(seller=seller, name=name, description=name)
    plan = Plan.objects.create(seller=seller, product=product, code=f"plan-{number}", name=name)
    price = Price.objects.create(
        plan=plan, code="seat", name=name, currency="SEK", amount=Decimal(100)
    )
    coupon = Coupon.objects.create(
        seller=seller, code=f"{text[:40]} {number}", name=name, percent_off=Decimal(10)
    )
    customer = Customer.objects.create(
        seller=seller, name=name, email=f"{number}@example.com", external_id=name
    )
    subscription = Subscription.objects.create(
        seller=seller,
        customer=customer,
        external_id=name,
        plan=plan,
        currency="SEK",
        time_zone="Europe/Stockholm",
        starts_on=DAY,
        paid_from=DAY,
        next_bill_on=DAY,
        parked_reason=f"No rate: {name}",
    )
    item = SubscriptionItem.objects.create(
        subscription=subscription, price=price, key="seat", starts_on=DAY
    )
    BillingCycle.objects.create(
        subscription=subscription,
        starts_on=DAY,
        interval_unit="month",
        interval_count=1,
        anchor_on=DAY,
        anchor_day=1,
    )
    Pause.objects.create(subscription=subscription, starts_on=day, ends_on=day + timedelta(days=1))
    redemption = CouponRedemption.objects.create(
        coupon=coupon, customer=customer, subscription=subscription, starts_on=DAY
    )
    meter = Meter.objects.create(seller=seller, code=f"meter-{number}", name=name)
    record = UsageRecord.objects.create(
        subscription=subscription,
        meter=meter,
        key=name,
        at="2026-01-02T12:00:00Z",
        on=day,
        quantity=1,
        value=1,
        properties={"note": name},
    )
    invoice = document(subscription, "invoice", name, number=f"F{number}")
    line = invoice_line(invoice, item, name)
    note = document(subscription, "credit_note", name, number=f"K{number}")
    invoice_line(note, item, name, corrects=line)
    waiting = OneOffItem.objects.create(
        seller=seller,
        customer=customer,
        currency="SEK",
        amount_minor=5000,
        description=name,
        due_on=DAY,
    )
    balance = CustomerBalance.objects.create(customer=customer, currency="SEK", balance_minor=2500)
    entry = BalanceEntry.objects.create(
        customer=customer,
        currency="SEK",
        amount_minor=2500,
        description=name,
        invoice=note,
        effective_on=day,
    )
    payment = Payment.objects.create(
        seller=seller,
        customer=customer,
        currency="SEK",
        amount_minor=4000,
        state="succeeded",
        received_on=day,
        gateway_key=name[:80],
    )
    PaymentAllocation.objects.create(
        payment=payment, invoice=invoice, amount_minor=4000, state="settled"
    )
    refund = Refund.objects.create(
        payment=payment, invoice=invoice, amount_minor=1000, refunded_on=day, reason=name
    )
    debit = Account.objects.create(seller=seller, role="receivable", number="1510", name=name)
    credit = Account.objects.create(seller=seller, role="revenue", number="3041", name=name)
    transfer = Transfer.objects.create(
        seller=seller,
        customer=customer,
        debit_account=debit,
        credit_account=credit,
        currency="SEK",
        amount_minor=10000,
        book_amount_minor=10000,
        book_rate=1,
        effective_on=day,
        document="invoice",
        document_id=invoice.pk,
    )
    event = Event.objects.create(
        type="invoice.finalized",
        seller=seller.public_id,
        subject=invoice.public_id,
        occurred_on=day,
        actor="user:anna",
        data={"note": name},
    )
    delivery = Delivery.objects.create(
        event=event, subscriber="mail", state="dead", last_error=name
    )
    rate = TaxRate.objects.create(
        country="SE", category=f"c{number}", percent=25, source=name, note=name
    )
    series = NumberSeries.objects.create(seller=seller, kind="invoice", prefix="F")
    user = User.objects.create_user(f"user-{number}", first_name=name[:150], is_staff=True)
    group = Group.objects.create(name=name[:150])
    made = (
        seller,
        product,
        plan,
        price,
        coupon,
        customer,
        subscription,
        redemption,
        meter,
        record,
        invoice,
        line,
        waiting,
        balance,
        entry,
        payment,
        refund,
        debit,
        transfer,
        event,
        delivery,
        rate,
        series,
        user,
        group,
    )
    return {type(row): row for row in made} | {CreditNote: CreditNote.objects.get(pk=note.pk)}


def document(subscription: Subscription, kind: str, name: str, number: str) -> Invoice:
    letterhead, _ = Letterhead.objects.get_or_create(
        seller=subscription.seller, digest="0" * 64, defaults={"content": {"name": name}}
    )
    return Invoice.objects.create(
        seller=subscription.seller,
        customer=subscription.customer,
        subscription=subscription,
        kind=kind,
        status="open" if kind == "invoice" else "issued",
        number=number,
        sequence=1,
        currency="SEK",
        issued_on=DAY,
        due_on=DAY + timedelta(days=14),
        letterhead=letterhead,
        bill_to={"name": name},
        subtotal_minor=10000,
        net_minor=10000,
        tax_minor=2500,
        total_minor=12500,
        amount_due_minor=12500,
        paid_minor=4000 if kind == "invoice" else 0,
    )


def invoice_line(
    invoice: Invoice, item: SubscriptionItem, name: str, corrects: InvoiceLine | None = None
) -> InvoiceLine:
    line = InvoiceLine.objects.create(
        invoice=invoice,
        position=1,
        kind="credit" if corrects else "recurring",
        subscription=item.subscription,
        price=item.price,
        description=name,
        starts_on=date(2026, 2, 1),
        ends_on=date(2026, 3, 1),
        quantity=1,
        unit_amount=100,
        amount_minor=10000,
        net_minor=10000,
        days=14,
        of_days=28,
        corrects=corrects,
    )
    InvoiceTax.objects.create(
        invoice=invoice, category="S", percent=25, name=name[:100], net_minor=10000, tax_minor=2500
    )
    return line
