"""Invoices and credit notes."""

from django.utils.translation import pgettext

from billing.invoicing.models import Invoice
from billing.mail.letters import Button, Letter, Occasion, Unneeded
from billing.mail.words.common import (
    Rows,
    card_name,
    card_of,
    document_of,
    document_pdf,
    has_account,
    how_to_pay,
    pay_button,
)
from billing.payments.models import Payment
from customers.links import Purpose


def invoice(occasion: Occasion) -> Letter:
    document = document_of(occasion.told("subject"))
    if document.status == Invoice.Status.VOID:
        raise Unneeded("The invoice was voided before it was mailed.")
    amount = occasion.sum(document.amount_due_minor, document.currency)
    named = {"number": document.number, "amount": amount, "seller": occasion.seller.name}
    following, button = _what_to_do(occasion, document)
    return Letter(
        subject=pgettext("mail", "Invoice %(number)s from %(seller)s: %(amount)s") % named,
        happened=pgettext("mail", "Here is invoice %(number)s for %(amount)s.") % named,
        next=following,
        button=button,
        details=_figures(occasion, document),
        attachments=(document_pdf(document),),
    )


def _what_to_do(occasion: Occasion, document: Invoice) -> tuple[str, Button | None]:
    """How the invoice is paid, and the button for it."""
    if not document.outstanding_minor:
        if document.amount_due_minor:
            return pgettext("mail", "It is paid, so you do not need to do anything."), None
        return pgettext("mail", "There is nothing to pay."), None
    if not occasion.is_charged:
        return _by_invoice(occasion, document), pay_button(occasion, document)
    card = card_of(occasion.customer)
    if card is None:
        button = Button(pgettext("mail", "Add a card"), Purpose.METHOD, document.public_id)
        return pgettext(
            "mail",
            "We have no card to take the amount from. Add one here, and the invoice is paid with "
            "it at once.",
        ), None if occasion.is_on_paper else button
    planned_on = (
        Payment.objects.filter(allocations__invoice=document, state="planned")
        .values_list("planned_on", flat=True)
        .first()
    )
    on = max(planned_on or document.due_on, occasion.today)
    return pgettext(
        "mail",
        "We take the amount from your card %(card)s on %(day)s. You do not need to do anything.",
    ) % {"card": card_name(card), "day": occasion.day(on)}, None


def _by_invoice(occasion: Occasion, document: Invoice) -> str:
    day = {"day": occasion.day(document.due_on)}
    if document.due_on < occasion.today:
        said = pgettext("mail", "It was due on %(day)s. Please pay it as soon as you can.")
        return said % day
    if not has_account(document):
        return pgettext("mail", "Pay it by %(day)s.") % day
    if occasion.is_on_paper:
        return pgettext("mail", "Pay it by %(day)s through your bank.") % day
    return pgettext("mail", "Pay it by %(day)s, with a card here or through your bank.") % day


def _figures(occasion: Occasion, document: Invoice) -> Rows:
    left_minor = document.outstanding_minor
    rows: list[tuple[str, str]] = [
        (pgettext("mail", "Invoice"), str(document.number)),
        (pgettext("mail", "Invoice date"), occasion.day(document.issued_on)),
    ]
    if left_minor and not occasion.is_charged:
        rows.append((pgettext("mail", "Due date"), occasion.day(document.due_on)))
    rows += _sums(occasion, document)
    if left_minor and not occasion.is_charged:
        rows += how_to_pay(document)
    return tuple(rows)


def _sums(occasion: Occasion, document: Invoice) -> Rows:
    def money(minor: int) -> str:
        return occasion.money(minor, document.currency)

    rows = [(pgettext("mail", "of which VAT"), money(document.tax_minor))]
    rows.insert(0, (pgettext("mail", "Total"), money(document.total_minor)))
    if document.credit_applied_minor:
        applied = money(-document.credit_applied_minor)
        rows.append((pgettext("mail", "Paid from your balance"), applied))
    if document.outstanding_minor and document.outstanding_minor != document.total_minor:
        rows.append((pgettext("mail", "To pay"), money(document.outstanding_minor)))
    return tuple(rows)


def credit_note(occasion: Occasion) -> Letter:
    document = document_of(occasion.told("subject"))
    amount = occasion.sum(document.total_minor, document.currency)
    named = {"number": document.number, "amount": amount, "seller": occasion.seller.name}
    lines = document.lines.filter(corrects__isnull=False).select_related("corrects__invoice")
    numbers = dict.fromkeys(str(line.corrects.invoice.number) for line in lines if line.corrects)
    total = occasion.money(document.total_minor, document.currency)
    rows = [
        (pgettext("mail", "Credit note"), str(document.number)),
        (pgettext("mail", "Date"), occasion.day(document.issued_on)),
        (pgettext("mail", "Corrects invoice"), ", ".join(numbers)),
        (pgettext("mail", "In your favour"), total),
        (pgettext("mail", "of which VAT"), occasion.money(document.tax_minor, document.currency)),
        (pgettext("mail", "Reason"), document.reason),
    ]
    return Letter(
        subject=pgettext("mail", "Credit note %(number)s from %(seller)s: %(amount)s") % named,
        happened=pgettext("mail", "We have credited you %(amount)s.") % named,
        next=_where_it_goes(document),
        details=tuple((label, value) for label, value in rows if value),
        attachments=(document_pdf(document),),
    )


def _where_it_goes(document: Invoice) -> str:
    if document.credit_to == Invoice.CreditTo.REFUND:
        return pgettext(
            "mail",
            "It first lowers what is unpaid on the invoice. What is over is paid back the way it "
            "was paid, which takes a few bank days.",
        )
    if document.credit_to == Invoice.CreditTo.BALANCE:
        return pgettext(
            "mail",
            "It first lowers what is unpaid on the invoice. What is over is kept on your balance "
            "and pays your next invoice.",
        )
    return pgettext("mail", "It lowers what is unpaid on the invoice.")
