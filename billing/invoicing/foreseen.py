"""What an operator is shown of bills and credit notes before they are issued."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from django.db import transaction
from django.db.models import Sum
from django.utils import translation

from billing.base.sql.telling import one_transaction
from billing.desk import previews
from billing.desk.figures import as_pages_write, money
from billing.engine.money import Money
from billing.invoicing import actions, changes
from billing.invoicing.changes import Part, SeenBill, seen_bill, to_pay_minor
from billing.invoicing.documents import explained
from billing.invoicing.models import BalanceEntry, Invoice
from billing.invoicing.numbering import preview_numbers
from billing.invoicing.writing import Writer
from billing.subscriptions.models import Subscription

_BESIDE_LINES = {
    "discount": "Discount",
    "vat": "VAT",
    "rounding": "Rounding",
    "balance": "From the customer's balance",
}


class BillsOfChanges:
    """The bills of a change to a subscription: the portal's preview, and what follows it."""

    def preview(
        self, change: Callable[[], Subscription], *, as_of: date, actor: str
    ) -> previews.Preview:
        seen = changes.preview(change, as_of=as_of, actor=actor)
        currency = seen.subscription.currency
        documents = [foreseen(bill, "Today", None) for bill in seen.today]
        if not documents:
            nothing = money(0, currency)
            documents.append(
                previews.Foreseen("Today", None, [], nothing, "Nothing is billed or credited.")
            )
        for title, bill in zip(("Next bill", "After that"), seen.upcoming, strict=False):
            documents.append(foreseen(bill, title, bill.on))
        if not seen.upcoming:
            documents.append(previews.Foreseen("Next bill", None, [], "Nothing"))
        if full := seen.full_price:
            amount = money(full.amount_minor, currency)
            ended = previews.Foreseen("When the discount has ended", full.from_on, [], amount)
            documents.append(ended)
        return previews.Preview(f"{seen.to_pay_today_minor}", documents)

    def bill(self, subscription: Subscription, *, as_of: date, actor: str) -> previews.Reckoned:
        issued = actions.bill_customer(
            subscription.customer, as_of=as_of, actor=actor, subscription=subscription
        )
        subscription.refresh_from_db()
        paid_out_minor = changes.pay_out_if_ended(subscription, as_of=as_of, actor=actor)
        paid_out = Money(paid_out_minor, subscription.currency)
        told = f"{paid_out} of the balance is paid back." if paid_out_minor else ""
        said = " ".join(filter(None, [issued_in_words(issued), told]))
        return previews.Reckoned(said, outcome=f"{to_pay_minor(issued)}")


def preview_note(invoice: Invoice, issue: Callable[..., Invoice]) -> previews.Preview:
    """What a credit note on an invoice comes to, and what becomes of it. Nothing is kept.

    ``issue`` is asked with the ``numbering`` of previews, so that whoever looks holds up nobody.
    """
    with one_transaction():
        unpaid_minor, rounded_minor = _unpaid_minor(invoice), invoice.rounded_off_minor
        note = issue(numbering=preview_numbers)
        lowered_minor = unpaid_minor - _unpaid_minor(invoice)
        # What was let go as a small difference was never paid, and goes nowhere.
        rounded_minor -= invoice.rounded_off_minor
        to_balance = BalanceEntry.objects.filter(invoice=note, amount_minor__gt=0)
        kept_minor = to_balance.aggregate(sum=Sum("amount_minor"))["sum"] or 0
        back_minor = note.total_minor - lowered_minor - rounded_minor - kept_minor
        goes = (
            (lowered_minor, "lowers what is unpaid of the invoice"),
            (kept_minor, "goes to the customer's balance"),
            (back_minor, "is paid back"),
        )
        told = [f"{Money(minor, note.currency)} {what}" for minor, what in goes if minor > 0]
        said = as_pages_write(f"{', '.join(told)}.")
        shown = replace(foreseen(seen_bill(note), "Today", None), note=said)
        transaction.set_rollback(True)
    return previews.Preview(f"{note.total_minor}", [shown])


def _unpaid_minor(invoice: Invoice) -> int:
    invoice.refresh_from_db()
    return invoice.left_minor if invoice.may_be_paid else 0


def foreseen(bill: SeenBill, title: str, on: date | None) -> previews.Foreseen:
    """A document that was not kept, as the desk shows it."""
    document = bill.document
    write = Writer(translation.get_language() or "en", document.currency)
    return previews.Foreseen(
        f"{title}: {document.get_kind_display()}",
        on,
        [_row(part, write) for part in bill.parts],
        money(bill.to_pay_minor, document.currency),
        _where_it_goes(document),
    )


def _row(part: Part, write: Writer) -> previews.Row:
    amount = money(part.amount_minor, write.currency)
    if part.line is None:
        return previews.Row(_BESIDE_LINES[part.kind], "", amount)
    return previews.Row(part.line.description, explained(part.line, write), amount)


def _where_it_goes(document: Invoice) -> str:
    if document.kind != Invoice.Kind.CREDIT_NOTE:
        return ""
    if document.credit_to == Invoice.CreditTo.REFUND:
        return "It lowers what is unpaid; what was paid of it is paid back."
    return "It lowers what is unpaid; what is over goes to the customer's balance."


def issued_in_words(documents: list[Invoice]) -> str:
    """The documents that were issued, in a sentence; empty where there are none."""
    told = [
        f"{document.get_kind_display()} {document} of "
        f"{Money(document.total_minor, document.currency)}"
        for document in documents
    ]
    return f"Issued {', '.join(told)}." if told else ""
