"""What several kinds of mail say in the same words."""

from datetime import date

from django.utils.translation import pgettext

from billing.base.intervals import interval_in_words
from billing.engine.errors import BillingError
from billing.invoicing.changes import SeenBill, next_bill
from billing.invoicing.documents import accounts_of
from billing.invoicing.models import Invoice
from billing.invoicing.pdf import render_invoice
from billing.invoicing.writing import NO_BREAK, in_fours
from billing.mail.kinds import Series
from billing.mail.letters import Attachment, Button, Occasion
from billing.payments.models import Payment
from billing.payments.outlook import is_charging_stopped, was_refused, what_becomes_of
from billing.payments.receipts import render_receipt
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.links import Purpose

Rows = tuple[tuple[str, str], ...]

# What is told of one invoice that is not paid; the next mail says all that this one does.
LATE_DEBT = Series("late debt", about="invoice")


def has_refused_card(occasion: Occasion, invoice: Invoice) -> bool:
    """Whether another card is what is asked for: one was charged for the invoice, in vain."""
    return occasion.is_charged and was_refused(invoice)


def pay_button(occasion: Occasion, invoice: Invoice) -> Button | None:
    """Pay what is left of an invoice: with a card that is left for it, or once.

    There is none where no page to pay on can be opened and the page would show no account.
    """
    outlook = what_becomes_of(invoice, occasion.today)
    if occasion.is_on_paper or not (outlook.has_card_page or outlook.has_account):
        return None
    if outlook.has_card_page and has_refused_card(occasion, invoice):
        label = pgettext("mail", "Change card and pay %(amount)s")
        purpose = Purpose.METHOD
    else:
        label, purpose = pgettext("mail", "Pay %(amount)s"), Purpose.PAY
    left = occasion.money(invoice.left_minor, invoice.currency)
    return Button(label % {"amount": left}, purpose, invoice.public_id)


def held_up(occasion: Occasion) -> str:
    """What is said after a charge is announced for a day, while charging is stopped; else empty."""
    if not is_charging_stopped(occasion.seller):
        return ""
    return pgettext(
        "mail", "Card payments are stopped for now. Nothing is taken until they resume."
    )


def buyer_reference(invoice: Invoice) -> Rows:
    """The buyer's own reference, by which whoever books it knows whose it is; if it bears one."""
    reference = invoice.buyer_reference
    return ((pgettext("mail", "Your reference"), reference),) if reference else ()


def how_to_pay(invoice: Invoice) -> Rows:
    """Reference and accounts, for who pays an invoice by bank."""
    accounts = accounts_of(invoice.letterhead.content, invoice.currency)
    rows = (
        (pgettext("mail", "OCR reference"), in_fours(invoice.reference)),
        (pgettext("mail", "Bankgiro"), accounts.get("bankgiro", "")),
        (pgettext("mail", "Plusgiro"), accounts.get("plusgiro", "")),
        # It may break between its groups, where a screen is narrow.
        (pgettext("mail", "Payee"), accounts.get("payee", "")),
        (pgettext("mail", "IBAN"), in_fours(accounts.get("iban", "")).replace(NO_BREAK, " ")),
        (pgettext("mail", "BIC"), accounts.get("bic", "")),
    )
    return tuple((label, value) for label, value in rows if value)


def document_pdf(document: Invoice) -> Attachment:
    is_note = document.kind == Invoice.Kind.CREDIT_NOTE
    word = pgettext("mail", "credit-note") if is_note else pgettext("mail", "invoice")
    name = f"{word}-{document.number}.pdf"
    return Attachment(name, document.public_id, lambda: render_invoice(document))


def document_of(public_id: str) -> Invoice:
    return Invoice.objects.select_related("letterhead", "seller", "customer").get(
        public_id=public_id
    )


def receipt_pdf(payment: Payment, number: str) -> Attachment:
    """The receipt of a payment, named by the invoice that it has paid."""
    word = pgettext("mail", "receipt")
    name = f"{word}-{number}.pdf"
    return Attachment(name, payment.public_id, lambda: render_receipt(payment))


def manage_button(occasion: Occasion, subscription: Subscription, label: str) -> Button | None:
    """Look after a subscription, with no signing in."""
    if occasion.is_on_paper:
        return None
    return Button(label, Purpose.SUBSCRIPTION, subscription.public_id)


def next_bill_of(subscription: Subscription, as_of: date) -> SeenBill | None:
    """The next bill of a subscription from a day on, with nothing kept of it."""
    try:
        return next_bill(subscription.customer, as_of=as_of, subscription=subscription)
    except BillingError:
        # What cannot be billed as things stand is told of elsewhere; the mail has no figure then.
        return None


def next_costs(occasion: Occasion, bill: SeenBill | None) -> Rows:
    if bill is None:
        return ()
    amount = occasion.money(max(bill.to_pay_minor, 0), bill.document.currency)
    rows: Rows = (
        (pgettext("mail", "Next invoice"), occasion.day(bill.on)),
        (pgettext("mail", "To pay then"), amount),
    )
    if bill.full_price is None:
        return rows
    amount = occasion.money(bill.full_price.amount_minor, bill.document.currency)
    day = {"day": occasion.day(bill.full_price.from_on)}
    return (*rows, (pgettext("mail", "To pay from %(day)s, without the discount") % day, amount))


def rhythm(subscription: Subscription, plan: Plan) -> tuple[str, str]:
    """How often it is paid for; a fixed term is not said to renew."""
    is_fixed = subscription.ends_on is not None
    label = pgettext("mail", "Billed") if is_fixed else pgettext("mail", "Renews")
    return label, interval_in_words(plan.interval_unit, plan.interval_count)
