"""Receipts: a payment that has arrived, and what it has paid, on a sheet of the seller's paper."""

from typing import Any, Final

from django.utils.translation import pgettext

from billing.engine.errors import Refused
from billing.invoicing.documents import in_its_language
from billing.invoicing.printing import fill_in, print_html
from billing.invoicing.sheets import head, sheet
from billing.invoicing.writing import Writer
from billing.payments.models import Payment, PaymentAllocation, Refund

TEMPLATE: Final = "payments/receipt.html"


def render_receipt(payment: Payment) -> bytes:
    """The receipt of a payment as an A4 PDF, in the language of the invoice that it has paid.

    Reads the invoices' snapshots, so who paid and whom stays as it was. Raises :class:`Refused`
    ("payment_without_receipt") for a payment that has not succeeded or has paid no invoice, and
    ``RenderingFailed``.
    """
    return print_html(html_of(payment))


def html_of(payment: Payment) -> str:
    """The page that :func:`render_receipt` prints."""
    allocations = list(
        payment.allocations.filter(state=PaymentAllocation.State.SETTLED)
        .select_related("invoice__letterhead")
        .order_by("id")
    )
    if payment.state != Payment.State.SUCCEEDED or not allocations:
        raise Refused(
            f"{payment} has paid no invoice, so there is nothing to give a receipt for.",
            code="payment_without_receipt",
        )
    with in_its_language(allocations[0].invoice):
        return fill_in(TEMPLATE, _in_words(payment, allocations))


def _in_words(payment: Payment, allocations: list[PaymentAllocation]) -> dict[str, Any]:
    invoice = allocations[0].invoice
    write = Writer(invoice.language, payment.currency)
    assert payment.received_on is not None
    return {
        **sheet(invoice.letterhead.content, invoice.bill_to, write),
        "head": head(
            pgettext("document", "Receipt"),
            "",
            pgettext("document", "Paid"),
            write.money(payment.amount_minor),
            write.day(payment.received_on),
        ),
        "facts": _facts(payment, invoice.bill_to, write),
        "rows": [_paid(allocation, write) for allocation in allocations],
        "totals": _totals(payment, allocations, write),
        "sentence": pgettext("document", "Thank you. Keep this receipt with the invoice."),
        "reference": payment.public_id,
        "currency": payment.currency,
    }


def _facts(payment: Payment, bill_to: dict[str, Any], write: Writer) -> list[tuple[str, str]]:
    assert payment.received_on is not None
    facts = [
        (pgettext("document", "Payment date"), write.day(payment.received_on)),
        (pgettext("document", "Paid with"), _means(payment)),
    ]
    if bill_to.get("external_id"):
        facts.append((pgettext("document", "Customer number"), str(bill_to["external_id"])))
    return facts


def _means(payment: Payment) -> str:
    """By which way the money came, as its payer knows it."""
    method = payment.payment_method
    if method is not None:
        return method.in_words()
    if payment.is_by_hand:
        return pgettext("document", "Bank transfer")
    return pgettext("document", "Card")


def _paid(allocation: PaymentAllocation, write: Writer) -> dict[str, str]:
    invoice = allocation.invoice
    return {
        "number": str(invoice.number),
        "issued_on": write.day(invoice.issued_on),
        "vat": write.amount(invoice.tax_minor),
        "total": write.amount(invoice.total_minor),
        "paid": write.amount(allocation.amount_minor),
    }


def _totals(
    payment: Payment, allocations: list[PaymentAllocation], write: Writer
) -> list[tuple[str, str]]:
    """What has become of money that paid no invoice, or was paid back."""
    surplus_minor = payment.amount_minor - sum(one.amount_minor for one in allocations)
    rows = []
    if surplus_minor:
        rows.append((pgettext("document", "Added to your balance"), write.amount(surplus_minor)))
    refunds = payment.refunds.filter(state=Refund.State.SUCCEEDED).order_by("id")
    rows += [
        (
            pgettext("document", "Refunded on %(day)s")
            % {"day": write.day(refund.paid_on or refund.refunded_on)},
            write.amount(-refund.amount_minor),
        )
        for refund in refunds
    ]
    return rows
