"""What an operator is shown of bills and credit notes before they are issued."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from django.utils import translation
from django.utils.translation import pgettext, pgettext_lazy

from billing.base.amounts import written_money
from billing.base.sql.read_only import read_only
from billing.desk import previews
from billing.desk.figures import money, page_locale
from billing.engine.money import Money
from billing.invoicing import actions, changes
from billing.invoicing.changes import Part, SeenBill, to_pay_minor
from billing.invoicing.corrections import draft_credit
from billing.invoicing.documents import explained
from billing.invoicing.foreseen_money import NoteGoes
from billing.invoicing.foresight import foresee_note
from billing.invoicing.models import Invoice
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

    def preview(self, change: Callable[[], Subscription], *, as_of: date) -> previews.Preview:
        seen = changes.preview(change, as_of=as_of)
        currency = seen.subscription.currency
        documents = [foreseen(bill, _today(bill), None) for bill in seen.today]
        if not documents:
            today, note = (
                pgettext("desk", "Today"),
                pgettext("desk", "Nothing is billed or credited."),
            )
            documents.append(previews.Foreseen(today, None, [], money(0, currency), note))
        if seen.paid_out_minor:
            back = pgettext("desk", "Today: paid back from the balance")
            amount = money(seen.paid_out_minor, currency)
            documents.append(previews.Foreseen(back, None, [], amount))
        for titled, bill in zip((_next, _after_that), seen.upcoming, strict=False):
            documents.append(foreseen(bill, titled(bill), bill.on))
        if not seen.upcoming:
            coming, none = pgettext("desk", "Next bill"), pgettext("desk", "Nothing")
            documents.append(previews.Foreseen(coming, None, [], none))
        if full := seen.full_price:
            amount = money(full.amount_minor, currency)
            title = pgettext("desk", "When the discount has ended")
            documents.append(previews.Foreseen(title, full.from_on, [], amount))
        return previews.Preview(seen.outcome, documents)

    def bill(self, subscription: Subscription, *, as_of: date, actor: str) -> previews.Reckoned:
        issued = actions.bill_customer(
            subscription.customer, as_of=as_of, actor=actor, subscription=subscription
        )
        subscription.refresh_from_db()
        paid_out_minor = changes.pay_out_if_ended(subscription, as_of=as_of, actor=actor)
        paid_out = Money(paid_out_minor, subscription.currency)
        told = f"{paid_out} of the balance is paid back." if paid_out_minor else ""
        said = " ".join(filter(None, [issued_in_words(issued), told]))
        outcome = changes.outcome_of(to_pay_minor(issued), paid_out_minor)
        return previews.Reckoned(said, outcome=outcome)


def preview_note(invoice: Invoice, *, as_of: date, **asked: Any) -> previews.Preview:
    """What a credit note on an invoice comes to, and what becomes of it. Nothing is written.

    ``asked`` is what :func:`draft_credit` asks, and raises what that raises.
    """
    with read_only():
        made, goes = foresee_note(draft_credit(invoice, **asked), as_of)
        shown = foreseen_note(SeenBill.of(made), goes)
    return previews.Preview(f"{made.document.total_minor}", [shown])


def foreseen_note(bill: SeenBill, goes: NoteGoes) -> previews.Foreseen:
    """A credit note, with the parts that lower what is unpaid, stay on the balance and go back."""
    parts = (
        (goes.lowers_minor, pgettext("desk", "%(amount)s lowers what is unpaid of the invoice.")),
        (goes.to_balance_minor, pgettext("desk", "%(amount)s goes to the customer's balance.")),
        (goes.paid_back_minor, pgettext("desk", "%(amount)s is paid back.")),
    )
    currency = bill.document.currency
    said = " ".join(
        what % {"amount": written_money(minor, currency, page_locale())}
        for minor, what in parts
        if minor > 0
    )
    return replace(foreseen(bill, _today(bill), None), note=said)


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
