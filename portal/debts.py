"""What becomes of a debt, in the sentence that all pages of a customer say of it."""

from datetime import date

from django.utils.translation import pgettext

from billing.invoicing.models import Invoice
from billing.payments.outlook import Outlook, Prospect
from portal.words import writer


def what_comes_of(invoice: Invoice, outlook: Outlook, as_of: date) -> str:
    """As things stand: what happens to it by itself, or what its customer has to do and by when."""
    write = writer(invoice.currency)
    said = {"day": write.day(outlook.on)}
    if outlook.card is not None:
        said["method"] = outlook.card.in_words()
    return _sentence(invoice, outlook, as_of) % said


def _sentence(invoice: Invoice, outlook: Outlook, as_of: date) -> str:
    if outlook.prospect is Prospect.CONFIRM:
        return pgettext("portal", "Your bank is waiting for you to confirm the payment.")
    if outlook.prospect is Prospect.UNDER_WAY:
        return pgettext("portal", "A payment is under way.")
    if outlook.prospect is Prospect.HELD:
        return pgettext(
            "portal",
            "Card payments are stopped for now. Once they resume, we take the amount from "
            "%(method)s.",
        )
    if outlook.prospect is Prospect.ASK:
        return pgettext("portal", "Pay it by %(day)s. Write to us and we will tell you how.")
    if outlook.prospect is Prospect.NEEDS_CARD:
        return pgettext("portal", "We have no card to take it from. Add one, or pay it by %(day)s.")
    if outlook.is_charged and not outlook.has_failed and invoice.due_on >= as_of:
        return pgettext(
            "portal", "We will take it from %(method)s. You do not need to do anything."
        )
    if invoice.due_on < as_of and not outlook.is_charged:
        return pgettext("portal", "It was due on %(day)s.")
    if outlook.is_charged:
        return pgettext("portal", "We will try %(method)s again on %(day)s.")
    if outlook.has_failed and outlook.card is not None:
        return pgettext("portal", "We could not take it from %(method)s.")
    return pgettext("portal", "Pay it by %(day)s.")
