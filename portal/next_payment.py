"""The next payment, and what a change comes to, in the lines that pages show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.translation import pgettext

from billing.engine.errors import BillingError
from billing.invoicing.changes import FullPrice, Preview, SeenBill, next_bill
from billing.invoicing.documents import explained
from billing.invoicing.models import Invoice
from billing.payments.models import Payment, PaymentMethod
from billing.payments.outlook import is_charging_stopped
from billing.subscriptions.models import Subscription
from customers.models import Customer
from portal.visits import Visit
from portal.words import way_of_paying, writer


@dataclass(frozen=True, slots=True)
class Reason:
    """A line of a bill that has not been issued: what, why so much, and how much."""

    what: str
    whys: list[str]
    amount: str


@dataclass(frozen=True, slots=True)
class Line:
    """One of *today, next invoice, after that*: its day, its amount, and the lines behind it."""

    when: str
    day: str
    amount: str
    reasons: list[Reason]
    note: str = ""


@dataclass(frozen=True, slots=True)
class NextPayment:
    """``Next payment 199,00 kr on 3 March 2026 with Visa ···· 4242``, and what it is for."""

    amount: str
    day: str
    sentence: str
    reasons: list[Reason]
    later: str = ""


def next_payment_of(
    visit: Visit, method: PaymentMethod | None, subscription: Subscription | None = None
) -> NextPayment | None:
    """The next document that asks for money, of a customer or one subscription; None without one.

    Usage that is still to come is not in it.
    """
    try:
        bill = next_bill(visit.customer, as_of=visit.as_of, subscription=subscription)
    except BillingError:
        return None  # What cannot be billed is on the operator's desk; here nothing is promised.
    if bill is None or bill.to_pay_minor <= 0:
        return None
    write = writer(bill.document.currency)
    amount, day = write.money(bill.to_pay_minor), write.day(bill.on)
    said = {"amount": amount, "day": day, "way": way_of_paying(visit.customer, method)}
    sentence = pgettext("portal", "Next payment %(amount)s on %(day)s %(way)s.") % said
    is_charged = visit.customer.collection == Customer.Collection.AUTOMATIC
    if is_charged and method is not None and is_charging_stopped(visit.seller):
        held = pgettext(
            "portal",
            "Card payments are stopped for now. Nothing is taken until they resume.",
        )
        sentence = f"{sentence} {held}"
    return NextPayment(amount, day, sentence, reasons_of(bill), _later_amount(bill))


def _later_amount(bill: SeenBill) -> str:
    """What it costs when a discount of the next payment has ended."""
    if bill.full_price is None:
        return ""
    write = writer(bill.document.currency)
    return pgettext("portal", "The discount ends on %(day)s. From then on it costs %(amount)s.") % {
        "amount": write.money(bill.full_price.amount_minor),
        "day": write.day(bill.full_price.from_on),
    }


def lines_of(seen: Preview) -> list[Line]:
    """A preview as *today, next invoice, after that*; always all three.

    With a discount that ends there is a fourth: what it costs from then on.
    """
    upcoming = list(seen.upcoming[:2])
    lines = [
        _today(seen),
        _later(pgettext("portal", "Next invoice"), upcoming[:1]),
        _later(pgettext("portal", "After that"), upcoming[1:]),
    ]
    return [*lines, _without_discount(seen.full_price)] if seen.full_price else lines


def reasons_of(bill: SeenBill) -> list[Reason]:
    """The lines of a bill as its reader would see them on the document; their sum is what is paid.

    A credit note's lines say what comes back, so that here they take away.
    """
    write = writer(bill.document.currency)
    named = {
        "discount": pgettext("portal", "Discount"),
        "vat": pgettext("portal", "VAT"),
        "rounding": pgettext("portal", "Rounding"),
        "balance": pgettext("portal", "Your balance"),
    }
    return [
        Reason(
            part.line.description if part.line else named[part.kind],
            whys_of(explained(part.line, write)) if part.line else [],
            write.money(part.amount_minor),
        )
        for part in bill.parts
    ]


def _without_discount(full_price: FullPrice) -> Line:
    write = writer(full_price.bill.document.currency)
    return Line(
        pgettext("portal", "When the discount has ended"),
        pgettext("portal", "from %(day)s") % {"day": write.day(full_price.from_on)},
        write.money(full_price.amount_minor),
        [],
    )


def _today(seen: Preview) -> Line:
    write = writer(seen.subscription.currency)
    label = pgettext("portal", "Today")
    minor = seen.to_pay_today_minor
    reasons = [reason for bill in seen.today for reason in reasons_of(bill)]
    notes = [_where_it_goes(seen)] if minor < 0 else []
    if seen.paid_out_minor:
        said = pgettext("portal", "We refund %(amount)s of your balance to you.")
        notes.append(said % {"amount": write.money(seen.paid_out_minor)})
    return Line(label, "", write.money(minor), reasons, " ".join(filter(None, notes)))


def _where_it_goes(seen: Preview) -> str:
    """What becomes of what is given back: only what was paid can be paid back."""
    if not any(bill.document.credit_to == "refund" for bill in seen.today):
        return pgettext(
            "portal", "You get it back: it reduces what you owe, or goes towards future invoices."
        )
    corrected = {line.corrects_id for bill in seen.today for line in bill.lines}
    invoices = Invoice.objects.filter(lines__in=corrected - {None}).distinct()
    paid_minor = sum(invoice.paid_minor for invoice in invoices)
    if not paid_minor and seen.paid_out_minor:
        return ""
    if not paid_minor:
        return pgettext(
            "portal", "You have not paid it, so there is nothing to refund. You no longer owe it."
        )
    if paid_minor < -seen.to_pay_today_minor:
        return pgettext("portal", "We refund what you have paid of it.")
    sources = set(
        Payment.objects.filter(
            allocations__invoice__in=invoices, state=Payment.State.SUCCEEDED
        ).values_list("source", flat=True)
    )
    if Payment.Source.HAND not in sources:
        return pgettext("portal", "We refund it to your card, which takes a few business days.")
    if sources == {Payment.Source.HAND}:
        return pgettext("portal", "We refund it by bank transfer.")
    return pgettext("portal", "We refund it to you.")


def _later(label: str, bills: Sequence[SeenBill]) -> Line:
    if not bills:
        return Line(label, "", pgettext("portal", "Nothing"), [])
    (bill,) = bills
    write = writer(bill.document.currency)
    return Line(label, write.day(bill.on), write.money(bill.to_pay_minor), reasons_of(bill))


def whys_of(said: str) -> list[str]:
    """What a document says of a line in one row, here one below the other."""
    return [why for why in said.split(" · ") if why]


def day_of(on: date) -> str:
    """A day written out in the active language."""
    return writer("SEK").day(on)
