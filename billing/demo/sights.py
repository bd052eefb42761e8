"""What there is to see in the demo: one example of each thing that a visitor would ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import F, Model, QuerySet
from django.urls import reverse
from django.utils.translation import pgettext

from billing.invoicing.models import Invoice, InvoiceLine
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from customers.models import Seller
from dunning.models import DunningCase


@dataclass(frozen=True, slots=True)
class Sight:
    """A thing to look at: what it is, whose, where, and the address of its PDF where it has one."""

    name: str
    about: str
    subject: str
    url: str
    pdf_url: str = ""


def sights_of(seller: Seller, on: date) -> list[Sight]:
    """One example of each, where there is one."""
    return [*_bills(seller, on), *_troubles(seller, on)]


def _bills(seller: Seller, on: date) -> Iterator[Sight]:
    invoices = Invoice.objects.filter(seller=seller, kind=Invoice.Kind.INVOICE)
    lines = InvoiceLine.objects.filter(invoice__seller=seller).select_related("invoice")
    yield from _documents(
        pgettext("demo", "Usage in steps"),
        pgettext(
            "demo",
            "A rented machine counts its cups. The first are free, the next cost a little, and "
            "the rest cost less.",
        ),
        invoices.filter(lines__in=lines.filter(kind="usage", amount_minor__gt=0)),
    )
    yield from _documents(
        pgettext("demo", "A change in the middle of a month"),
        pgettext(
            "demo",
            "Somebody moved to a larger plan. The invoice credits the days that were left of the "
            "old one and charges those of the new, line by line.",
        ),
        invoices.filter(
            lines__in=lines.filter(kind="recurring", days__lt=F("of_days")),
        ).filter(lines__in=lines.filter(kind="credit")),
    )
    yield from _documents(
        pgettext("demo", "To another country"),
        pgettext("demo", "A company in the EU: without VAT, in euro and in English."),
        invoices.filter(currency="EUR", customer__is_business=True),
    )
    yield from _documents(
        pgettext("demo", "A credit note"),
        pgettext(
            "demo",
            "An issued invoice is never edited. What was wrong on it is corrected with a credit "
            "note.",
        ),
        Invoice.objects.filter(seller=seller, kind=Invoice.Kind.CREDIT_NOTE),
    )


def _troubles(seller: Seller, on: date) -> Iterator[Sight]:
    yield from _first(
        pgettext("demo", "What cannot be billed"),
        pgettext(
            "demo",
            "Two of Sweden's VAT rates are possible and nobody has chosen one. The subscription "
            "waits, with the reason, and all others are billed.",
        ),
        Subscription.objects.filter(seller=seller).exclude(parked_reason=""),
        "subscriptions_subscription",
    )
    yield from _documents(
        pgettext("demo", "An overdue invoice"),
        pgettext(
            "demo",
            "The customer pays by bank transfer, with the OCR reference, but has not paid yet.",
        ),
        Invoice.objects.overdue(on).filter(seller=seller, customer__collection="invoice"),
    )
    yield from _first(
        pgettext("demo", "A debt, step by step"),
        pgettext(
            "demo",
            "Two reminders, then limited access, then none. Once it is paid, it all comes back.",
        ),
        DunningCase.objects.filter(
            seller=seller, status=DunningCase.Status.OPEN, access=DunningCase.Access.NONE
        ),
        "dunning_dunningcase",
    )
    payments = Payment.objects.filter(seller=seller)
    yield from _first(
        pgettext("demo", "A card that was declined"),
        pgettext("demo", "We try it again after three days, and the customer can change the card."),
        payments.filter(state=Payment.State.FAILED).exclude(failure_code="lost_card"),
        "payments_payment",
    )
    yield from _first(
        pgettext("demo", "A payment that waits for its customer"),
        pgettext("demo", "The bank wants the customer to confirm it, but the customer has not."),
        payments.filter(state=Payment.State.REQUIRES_ACTION),
        "payments_payment",
    )
    yield from _documents(
        pgettext("demo", "Money that never came"),
        pgettext("demo", "Written off after a long wait, and booked as a loss."),
        Invoice.objects.filter(seller=seller, status=Invoice.Status.UNCOLLECTIBLE),
    )
    yield from _first(
        pgettext("demo", "A pause"),
        pgettext(
            "demo",
            "Somebody is away for some weeks. The days they have paid for are credited, or moved "
            "to after the pause.",
        ),
        Subscription.objects.filter(seller=seller, status=Subscription.Status.PAUSED),
        "subscriptions_subscription",
    )


def _documents(name: str, about: str, found: QuerySet[Invoice]) -> Iterator[Sight]:
    # One that is open shows more than one that is paid.
    newest = found.select_related("customer").order_by("status", "-issued_on", "-sequence").first()
    if newest is not None:
        kind = "creditnote" if newest.kind == Invoice.Kind.CREDIT_NOTE else "invoice"
        subject = f"{newest.number} · {newest.customer.name}"
        pdf_url = reverse(f"admin:invoicing_{kind}_pdf", args=[newest.pk])
        yield Sight(name, about, subject, _url(f"invoicing_{kind}", newest), pdf_url)


def _first(name: str, about: str, found: QuerySet[Any], desk: str) -> Iterator[Sight]:
    newest = found.select_related("customer").order_by("-pk").first()
    if newest is not None:
        yield Sight(name, about, newest.customer.name, _url(desk, newest))


def _url(desk: str, row: Model) -> str:
    return reverse(f"admin:{desk}_change", args=[row.pk])
