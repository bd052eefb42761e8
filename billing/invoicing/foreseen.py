"""What an operator is shown of bills and credit notes before they are issued."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from django.db import transaction
from django.db.models import Sum
from django.utils import translation
from django.utils.translation import pgettext, pgettext_lazy

from billing.base.amounts import written_money
from billing.base.sql.telling import one_transaction
from billing.desk import previews
from billing.desk.figures import money, page_locale
from billing.engine.money import Money
from billing.invoicing import actions, changes
from billing.invoicing.changes import Part, SeenBill, seen_bill, to_pay_minor
from billing.invoicing.documents import explained
from billing.invoicing.models import BalanceEntry, Invoice
from billing.invoicing.numbering import preview_numbers
from billing.invoicing.writing import Writer
from billing.subscriptions.models import Subscription

_BESIDE_LINES = {
    "discount": pgettext_lazy("desk", "Discount"),
    "vat": pgettext_lazy("desk", "VAT"),
    "rounding": pgettext_lazy("desk", "Rounding"),
    "balance": pgettext_lazy("desk", "From the customer's balance"),
}


class BillsOfChanges:
    """The bills of a change to a subscription: the portal's preview, and what follows it."""

    def preview(
        self, change: Callable[[], Subscription], *, as_of: date, actor: str
    ) -> previews.Preview:
        seen = changes.preview(change, as_of=as_of, actor=actor)
        currency = seen.subscription.currency
        documents = [foreseen(bill, _today(bill), None) for bill in seen.today]
        if not documents:
            today, note = (
                pgettext("desk", "Today"),
                pgettext("desk", "Nothing is billed or credited."),
            )
            documents.append(previews.Foreseen(today, None, [], money(0, currency), note))
        for titled, bill in zip((_next, _after_that), seen.upcoming, strict=False):
            documents.append(foreseen(bill, titled(bill), bill.on))
        if not seen.upcoming:
            coming, none = pgettext("desk", "Next bill"), pgettext("desk", "Nothing")
            documents.append(previews.Foreseen(coming, None, [], none))
        if full := seen.full_price:
            amount = money(full.amount_minor, currency)
            title = pgettext("desk", "When the discount has ended")
            documents.append(previews.Foreseen(title, full.from_on, [], amount))
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
            (lowered_minor, pgettext("desk", "%(amount)s lowers what is unpaid of the invoice.")),
            (kept_minor, pgettext("desk", "%(amount)s goes to the customer's balance.")),
            (back_minor, pgettext("desk", "%(amount)s is paid back.")),
        )
        said = " ".join(
            what % {"amount": written_money(minor, note.currency, page_locale())}
            for minor, what in goes
            if minor > 0
        )
        bill = seen_bill(note)
        shown = replace(foreseen(bill, _today(bill), None), note=said)
        transaction.set_rollback(True)
    return previews.Preview(f"{note.total_minor}", [shown])


def _unpaid_minor(invoice: Invoice) -> int:
    invoice.refresh_from_db()
    return invoice.left_minor if invoice.may_be_paid else 0


def _today(bill: SeenBill) -> str:
    if bill.document.kind == Invoice.Kind.CREDIT_NOTE:
        return pgettext("desk", "Today: credit note")
    return pgettext("desk", "Today: invoice")


def _next(bill: SeenBill) -> str:
    if bill.document.kind == Invoice.Kind.CREDIT_NOTE:
        return pgettext("desk", "Next bill: credit note")
    return pgettext("desk", "Next bill: invoice")


def _after_that(bill: SeenBill) -> str:
    if bill.document.kind == Invoice.Kind.CREDIT_NOTE:
        return pgettext("desk", "After that: credit note")
    return pgettext("desk", "After that: invoice")


def foreseen(bill: SeenBill, title: str, on: date | None) -> previews.Foreseen:
    """A document that was not kept, as the desk shows it."""
    document = bill.document
    write = Writer(translation.get_language() or "en", document.currency)
    return previews.Foreseen(
        title,
        on,
        [_row(part, write) for part in bill.parts],
        money(bill.to_pay_minor, document.currency),
        _where_it_goes(document),
    )


def _row(part: Part, write: Writer) -> previews.Row:
    amount = money(part.amount_minor, write.currency)
    if part.line is None:
        return previews.Row(str(_BESIDE_LINES[part.kind]), "", amount)
    return previews.Row(part.line.description, explained(part.line, write), amount)


def _where_it_goes(document: Invoice) -> str:
    if document.kind != Invoice.Kind.CREDIT_NOTE:
        return ""
    if document.credit_to == Invoice.CreditTo.REFUND:
        return pgettext("desk", "It lowers what is unpaid. What was paid of it is paid back.")
    return pgettext("desk", "It lowers what is unpaid. The rest goes to the customer's balance.")


def issued_in_words(documents: list[Invoice]) -> str:
    """The documents that were issued, a sentence for each; empty where there are none."""
    return " ".join(map(_issued, documents))


def _issued(document: Invoice) -> str:
    amount = Money(document.total_minor, document.currency)
    if document.kind == Invoice.Kind.CREDIT_NOTE:
        return f"Issued credit note {document} of {amount}."
    return f"Issued invoice {document} of {amount}."
