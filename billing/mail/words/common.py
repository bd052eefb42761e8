"""What several kinds of mail say in the same words."""

from django.utils.translation import pgettext

from billing.invoicing.models import Invoice
from billing.invoicing.pdf import render_invoice
from billing.invoicing.writing import NO_BREAK, in_fours
from billing.mail.letters import Attachment, Button, Occasion
from billing.payments.models import PaymentMethod
from customers.links import Purpose
from customers.models import Customer

Rows = tuple[tuple[str, str], ...]


def card_of(customer: Customer) -> PaymentMethod | None:
    """What may be charged, if anything."""
    return PaymentMethod.objects.usable().filter(customer=customer).first()


def card_name(method: PaymentMethod) -> str:
    """``Visa ·· 4242``, on one line."""
    brand = method.brand.title() or pgettext("mail", "card")
    return f"{brand}{NO_BREAK}··{NO_BREAK}{method.last4}"


def pay_button(occasion: Occasion, invoice: Invoice) -> Button | None:
    """Pay what is left of an invoice: with a card that is left for it, or once."""
    if occasion.is_on_paper:
        return None
    if occasion.is_charged:
        label = pgettext("mail", "Change card and pay %(amount)s")
        purpose = Purpose.METHOD
    else:
        label, purpose = pgettext("mail", "Pay %(amount)s"), Purpose.PAY
    left = occasion.sum(invoice.outstanding_minor, invoice.currency)
    return Button(label % {"amount": left}, purpose, invoice.public_id)


def how_to_pay(invoice: Invoice) -> Rows:
    """Reference and accounts, for who pays an invoice by bank."""
    seller = invoice.letterhead.content
    rows = (
        (pgettext("mail", "OCR reference"), in_fours(invoice.reference)),
        (pgettext("mail", "Bankgiro"), seller.get("bankgiro", "")),
        (pgettext("mail", "Plusgiro"), seller.get("plusgiro", "")),
        (pgettext("mail", "IBAN"), in_fours(seller.get("iban", ""))),
        (pgettext("mail", "BIC"), seller.get("bic", "")),
    )
    return tuple((label, value) for label, value in rows if value)


def has_account(invoice: Invoice) -> bool:
    """Whether the invoice says where to pay it by bank."""
    return any(invoice.letterhead.content.get(key) for key in ("bankgiro", "plusgiro", "iban"))


def document_pdf(document: Invoice) -> Attachment:
    is_note = document.kind == Invoice.Kind.CREDIT_NOTE
    word = pgettext("mail", "credit-note") if is_note else pgettext("mail", "invoice")
    return Attachment(f"{word}-{document.number}.pdf", lambda: render_invoice(document))


def document_of(public_id: str) -> Invoice:
    return Invoice.objects.select_related("letterhead", "seller", "customer").get(
        public_id=public_id
    )
