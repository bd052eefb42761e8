"""Invoices and credit notes."""

from collections.abc import Iterator, Sequence

from django.utils.translation import pgettext

from billing.checkout.models import Order
from billing.events.models import Event
from billing.invoicing.models import BalanceEntry, Invoice
from billing.mail.kinds import MailKind, News
from billing.mail.letters import Button, Letter, Occasion, Unneeded
from billing.mail.words.common import (
    Rows,
    buyer_reference,
    document_of,
    document_pdf,
    how_to_pay,
    pay_button,
)
from billing.payments.models import PaymentMethod, Refund
from billing.payments.outlook import Outlook, Prospect, what_becomes_of
from customers.addressees import addressees_of_invoices
from customers.links import Purpose


def invoice(occasion: Occasion) -> Letter:
    document = document_of(occasion.told("subject"))
    if document.status == Invoice.Status.VOID:
        raise Unneeded("The invoice was voided before it was mailed.")
    amount = occasion.money(document.amount_due_minor, document.currency)
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


def _are_ordered(events: Sequence[Event]) -> Iterator[Event]:
    """Invoices of orders: their checkout asks to be paid."""
    subjects = [event.subject for event in events]
    orders = Order.objects.filter(invoice__public_id__in=subjects)
    ordered = set(orders.values_list("invoice__public_id", flat=True))
    return (event for event in events if event.subject in ordered)


INVOICE = MailKind(
    "invoice",
    "invoice",
    invoice,
    told_by=(News("invoice.finalized", happens_again=False, untold=_are_ordered),),
    addressees=addressees_of_invoices,
    is_printed=True,
    is_document=True,
)


def _what_to_do(occasion: Occasion, document: Invoice) -> tuple[str, Button | None]:
    """How the invoice is paid, and the button for it."""
    if not document.is_collectable:
        if document.amount_due_minor:
            return pgettext("mail", "It is paid, so you do not need to do anything."), None
        return pgettext("mail", "There is nothing to pay."), None
    outlook = what_becomes_of(document, occasion.today)
    if outlook.prospect is Prospect.CONFIRM:
        confirm = Button(pgettext("mail", "Confirm the payment"), url=outlook.action_url)
        said = pgettext("mail", "Your bank is waiting for you to confirm the payment.")
        return said, None if occasion.is_on_paper else confirm
    if outlook.prospect is Prospect.UNDER_WAY:
        return pgettext("mail", "A payment is under way."), None
    if outlook.prospect is Prospect.FAILED:
        said = pgettext(
            "mail", "We could not take it from your card. Please pay it in another way."
        )
        return said, pay_button(occasion, document)
    if outlook.prospect is Prospect.NEEDS_CARD:
        button = Button(pgettext("mail", "Add a card"), Purpose.METHOD, document.public_id)
        return pgettext(
            "mail",
            "We have no card to take the amount from. Add one here and we will take it right away.",
        ), None if occasion.is_on_paper else button
    if outlook.prospect is Prospect.HELD and outlook.card is not None:
        return _once_it_goes_on(outlook.card, outlook), None
    if not outlook.is_charged or outlook.card is None:
        return _by_invoice(occasion, document, outlook), pay_button(occasion, document)
    return pgettext(
        "mail",
        "We will take the amount from your card %(card)s on %(day)s. You do not need to do "
        "anything.",
    ) % {"card": outlook.card.in_words(), "day": occasion.day(outlook.on)}, None


def _once_it_goes_on(card: PaymentMethod, outlook: Outlook) -> str:
    """Nobody knows the day on which charging goes on, so none is said."""
    said = pgettext(
        "mail",
        "Card payments are stopped for now. Once they resume, we take the amount from your card "
        "%(card)s.",
    ) % {"card": card.in_words()}
    bank = pgettext("mail", "You can also pay by bank transfer.") if outlook.has_account else ""
    return " ".join(filter(None, (said, bank)))


def _by_invoice(occasion: Occasion, document: Invoice, outlook: Outlook) -> str:
    day = {"day": occasion.day(document.due_on)}
    if document.due_on < occasion.today and outlook.prospect is not Prospect.ASK:
        said = pgettext("mail", "It was due on %(day)s. Please pay it as soon as you can.")
        return said % day
    if outlook.prospect is Prospect.ASK:
        return pgettext("mail", "Pay it by %(day)s. Write to us and we will tell you how.") % day
    if not outlook.has_account:
        return pgettext("mail", "Pay it by %(day)s.") % day
    if occasion.is_on_paper or not outlook.has_card_page:
        return pgettext("mail", "Pay it by %(day)s, by bank transfer.") % day
    return pgettext("mail", "Pay it by %(day)s, with a card here or by bank transfer.") % day


def _figures(occasion: Occasion, document: Invoice) -> Rows:
    outlook = what_becomes_of(document, occasion.today)
    has_to_act = document.is_collectable and not outlook.is_charged
    rows: list[tuple[str, str]] = [
        (pgettext("mail", "Invoice"), str(document.number)),
        (pgettext("mail", "Invoice date"), occasion.day(document.issued_on)),
        *buyer_reference(document),
    ]
    if has_to_act:
        rows.append((pgettext("mail", "Due date"), occasion.day(document.due_on)))
    rows += _sums(occasion, document)
    if has_to_act:
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
    if document.is_collectable and document.left_minor != document.total_minor:
        rows.append((pgettext("mail", "To pay"), money(document.left_minor)))
    return tuple(rows)


def credit_note(occasion: Occasion) -> Letter:
    document = document_of(occasion.told("subject"))
    amount = occasion.money(document.total_minor, document.currency)
    named = {"number": document.number, "amount": amount, "seller": occasion.seller.name}
    lines = document.lines.filter(corrects__isnull=False).select_related("corrects__invoice")
    numbers = dict.fromkeys(str(line.corrects.invoice.number) for line in lines if line.corrects)
    total = occasion.money(document.total_minor, document.currency)
    rows = [
        (pgettext("mail", "Credit note"), str(document.number)),
        (pgettext("mail", "Date"), occasion.day(document.issued_on)),
        *buyer_reference(document),
        (pgettext("mail", "Corrects invoice"), ", ".join(numbers)),
        (pgettext("mail", "In your favour"), total),
        (pgettext("mail", "of which VAT"), occasion.money(document.tax_minor, document.currency)),
        (pgettext("mail", "Reason"), document.reason),
    ]
    return Letter(
        subject=pgettext("mail", "Credit note %(number)s from %(seller)s: %(amount)s") % named,
        happened=pgettext("mail", "We have credited you %(amount)s.") % named,
        next=where_it_goes(occasion, document),
        details=tuple((label, value) for label, value in rows if value),
        attachments=(document_pdf(document),),
    )


CREDIT_NOTE = MailKind(
    "credit_note",
    "credit note",
    credit_note,
    told_by=(News("credit_note.issued", happens_again=False),),
    addressees=addressees_of_invoices,
    is_printed=True,
    is_document=True,
)


def where_it_goes(occasion: Occasion, document: Invoice) -> str:
    """What has become of a credit note's money: only what is true of this one."""
    kept_minor = sum(
        entry.amount_minor
        for entry in BalanceEntry.objects.filter(invoice=document, amount_minor__gt=0)
    )
    left_minor = document.total_minor - kept_minor
    by_hand_minor, by_card_minor = _paid_back(document, left_minor)
    lowered_minor = left_minor - by_hand_minor - by_card_minor
    said = {
        pgettext("mail", "%(amount)s reduces what is unpaid on the invoice."): lowered_minor,
        pgettext(
            "mail", "We refund %(amount)s to your card, which takes a few business days."
        ): by_card_minor,
        pgettext(
            "mail",
            "We refund %(amount)s by bank transfer, and will write to you when it is done.",
        ): by_hand_minor,
        pgettext(
            "mail", "%(amount)s goes to your balance, which is used for what you owe now or later."
        ): kept_minor,
    }
    return " ".join(
        sentence % {"amount": occasion.money(minor, document.currency)}
        for sentence, minor in said.items()
        if minor > 0
    )


def _paid_back(document: Invoice, most_minor: int) -> tuple[int, int]:
    """What of a credit note a person pays back, and what a gateway, in minor units."""
    if document.credit_to != Invoice.CreditTo.REFUND:
        return 0, 0
    made = Refund.objects.filter(
        invoice__lines__corrected_by__invoice=document,
        refunded_on=document.issued_on,
        is_return=False,
    ).select_related("payment")
    by_hand_minor = by_card_minor = 0
    for refund in made.distinct().order_by("-id"):
        part_minor = min(refund.amount_minor, most_minor - by_hand_minor - by_card_minor)
        if refund.payment.is_by_hand:
            by_hand_minor += part_minor
        else:
            by_card_minor += part_minor
    return by_hand_minor, by_card_minor
