"""Everything that is kept of a person, as one JSON text that is made while it is sent.

Public ids, dates and minor units as everywhere else; no secret of a gateway's, no token, and
nothing of anybody else. Documents are in it with their lines, and with the address of their PDF.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Model, QuerySet
from django.urls import reverse

from billing.checkout.models import Order
from billing.events.models import Event
from billing.invoicing.models import BalanceEntry, CustomerBalance, Invoice, InvoiceLine
from billing.mail.models import Message
from billing.payments.models import Payment, PaymentMethod, Refund
from billing.subscriptions.models import Subscription
from billing.usage.models import UsageRecord
from customers.models import Customer
from customers.persons import person_ids

CHUNK = 200
PROFILE = (
    "public_id external_id name email is_business language vat_number organisation_number"
    " buyer_reference address_line1 address_line2 postal_code city collection delivery invoice_to"
    " invoice_cc reminder_to reminder_cc net_terms_days metadata"
).split()
ORDER = [
    "public_id",
    "status",
    "currency",
    "quantities",
    "details",
    "consent",
    "metadata",
    "placed_at",
    "closed_at",
]
SUBSCRIPTION = (
    "public_id currency time_zone status access starts_on paid_from ends_on cancels_on"
    " agreed_ends_on quantities buyer_reference metadata"
).split()
DOCUMENT = (
    "public_id kind status number currency language issued_on due_on reference bill_to"
    " subtotal_minor discount_minor net_minor tax_minor rounding_minor total_minor"
    " credit_applied_minor amount_due_minor paid_minor from_balance_minor by_notes_minor"
    " rounded_off_minor closed_on reason"
).split()
LINE = (
    "position kind description starts_on ends_on quantity unit unit_amount amount_minor"
    " discount_minor net_minor tax days of_days tiers"
).split()
PAYMENT = (
    "public_id currency amount_minor refunded_minor state source reference received_on returned_on"
    " failure_code gateway_code"
).split()
MESSAGE = "public_id kind recipient also_to cc language subject text state sent_at".split()
METHOD = "public_id brand last4 expires_on is_default recorded_at retired_at".split()


def written(customer: Customer) -> Iterator[str]:
    """The whole text in pieces, none of them larger than a chunk of documents."""
    yield "{\n" + f'"customer": {_json(_profile(customer))}'
    for name, rows in _parts(customer, person_ids(customer)):
        yield f',\n"{name}": [\n'
        separator = ""
        for row in rows:
            yield separator + _json(row)
            separator = ",\n"
        yield "\n]"
    yield "\n}\n"


def _parts(
    customer: Customer, person: Sequence[int]
) -> Iterator[tuple[str, Iterable[dict[str, Any]]]]:
    """What is to come is the customer's; what was before is also of who were merged into it."""
    merged = Customer.objects.filter(merged_into=customer).select_related("seller")
    yield "merged_customers", _each(merged.order_by("pk"), _profile)
    yield "subscriptions", _each(_subscriptions(customer), _subscription)
    yield "orders", _each(_orders(person), _order)
    yield "documents", _each(_documents(person), _document)
    yield "payments", _each(_payments(person), _payment)
    yield "payment_methods", _each(customer.payment_methods.order_by("pk"), _fields(METHOD))
    yield (
        "balances",
        _each(
            CustomerBalance.objects.filter(customer=customer).order_by("pk"),
            _fields(["currency", "balance_minor"]),
        ),
    )
    yield (
        "balance_entries",
        _each(
            BalanceEntry.objects.filter(customer__in=person).order_by("pk"),
            _fields(["currency", "amount_minor", "description", "effective_on"]),
        ),
    )
    yield "usage", _each(_usage(customer), _usage_record)
    mails = Message.objects.filter(customer__in=person)
    yield "mail", _each(mails.order_by("pk"), _fields(MESSAGE))
    events = _events(customer, person)
    yield "events", _each(events, _fields(["type", "subject", "occurred_on", "data"]))


def _profile(customer: Customer) -> dict[str, Any]:
    seller = customer.seller
    return {
        **_fields(PROFILE)(customer),
        "country": str(customer.country),
        "seller": {"public_id": seller.public_id, "name": seller.legal_name or seller.name},
    }


def _subscriptions(customer: Customer) -> QuerySet[Subscription]:
    return (
        Subscription.objects.filter(customer=customer)
        .select_related("plan")
        .prefetch_related("items__price", "pauses", "coupon_redemptions__coupon")
        .order_by("pk")
    )


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        **_fields(SUBSCRIPTION)(subscription),
        "plan": {"code": subscription.plan.code, "name": subscription.plan.name},
        "items": [
            {
                "price": item.price.code,
                **_fields(["quantity", "agreed_amount", "starts_on", "ends_on"])(item),
            }
            for item in subscription.items.all()
        ],
        "pauses": [
            _fields(["starts_on", "ends_on", "unused"])(pause)
            for pause in subscription.pauses.all()
        ],
        "coupons": [
            {"code": one.coupon.code, **_fields(["starts_on", "expires_on", "is_spent"])(one)}
            for one in subscription.coupon_redemptions.all()
        ],
    }


def _orders(person: Sequence[int]) -> QuerySet[Order]:
    orders = Order.objects.filter(customer__in=person)
    return orders.select_related("plan", "coupon").order_by("pk")


def _order(order: Order) -> dict[str, Any]:
    """What was ordered, and the consent to it as it is kept, with its address and browser."""
    return {
        **_fields(ORDER)(order),
        "plan": {"code": order.plan.code, "name": order.plan.name},
        "coupon": order.coupon and order.coupon.code,
    }


def _documents(person: Sequence[int]) -> QuerySet[Invoice]:
    return (
        Invoice.objects.filter(customer__in=person)
        .filter(sequence__isnull=False)
        .prefetch_related("lines__corrects__invoice", "taxes")
        .order_by("pk")
    )


def _document(invoice: Invoice) -> dict[str, Any]:
    pdf = reverse("portal:invoice_pdf", args=[invoice.public_id])
    return {
        **_fields(DOCUMENT)(invoice),
        "pdf_url": settings.PUBLIC_URL + pdf,
        "lines": [_line(line) for line in invoice.lines.all()],
        "taxes": [
            _fields(["category", "percent", "is_inclusive", "name", "net_minor", "tax_minor"])(tax)
            for tax in invoice.taxes.all()
        ],
    }


def _line(line: InvoiceLine) -> dict[str, Any]:
    corrects = line.corrects
    return {
        **_fields(LINE)(line),
        "corrects": corrects and {"number": corrects.invoice.number, "position": corrects.position},
    }


def _payments(person: Sequence[int]) -> QuerySet[Payment]:
    return (
        Payment.objects.filter(customer__in=person)
        .select_related("payment_method")
        .prefetch_related("allocations__invoice", "refunds")
        .order_by("pk")
    )


def _payment(payment: Payment) -> dict[str, Any]:
    method: PaymentMethod | None = payment.payment_method
    return {
        **_fields(PAYMENT)(payment),
        "payment_method": method and method.public_id,
        "pays": [
            {
                "document": one.invoice.public_id,
                "amount_minor": one.amount_minor,
                "state": one.state,
            }
            for one in payment.allocations.all()
        ],
        "refunds": [_refund(refund) for refund in payment.refunds.all()],
    }


def _refund(refund: Refund) -> dict[str, Any]:
    return _fields(["public_id", "amount_minor", "refunded_on", "reason", "state"])(refund)


def _usage(customer: Customer) -> QuerySet[UsageRecord]:
    return (
        UsageRecord.objects.filter(subscription__customer=customer)
        .select_related("subscription", "meter")
        .order_by("pk")
    )


def _usage_record(record: UsageRecord) -> dict[str, Any]:
    return {
        "subscription": record.subscription.public_id,
        "meter": record.meter.code,
        **_fields(["at", "on", "quantity", "properties"])(record),
    }


def _events(customer: Customer, person: Sequence[int]) -> QuerySet[Event]:
    """What happened to the person and to what is theirs, as far as it is about them."""
    own = [
        *Customer.objects.filter(pk__in=person).values_list("public_id", flat=True),
        *customer.subscriptions.values_list("public_id", flat=True),
    ]
    return Event.objects.filter(subject__in=own).order_by("pk")


def _each[Row: Model](
    rows: QuerySet[Row], make: Callable[[Row], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    return (make(row) for row in rows.iterator(chunk_size=CHUNK))


def _fields(names: list[str]) -> Callable[[Any], dict[str, Any]]:
    return lambda row: {name: getattr(row, name) for name in names}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in an export.")
