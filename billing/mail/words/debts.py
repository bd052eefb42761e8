"""Reminders. They say what is owed and what comes next, and nothing that the law does not yet say:
no fee, no interest and no collection that nobody has decided on (lag 1981:739, räntelagen)."""

from django.utils.translation import pgettext

from billing.invoicing.models import Invoice
from billing.mail.kinds import MailKind, News
from billing.mail.letters import Letter, Occasion, Unneeded
from billing.mail.words.common import (
    LATE_DEBT,
    Rows,
    buyer_reference,
    document_of,
    document_pdf,
    has_refused_card,
    how_to_pay,
    pay_button,
)
from billing.payments.outlook import can_be_charged, what_becomes_of
from customers.addressees import addressees_of_reminders
from dunning.models import DunningCase
from dunning.steps import KINDS


def case_of(occasion: Occasion) -> DunningCase:
    """The case, as long as there is something to tell of it. Raises ``Unneeded``."""
    case = DunningCase.objects.select_related("next_step").get(public_id=occasion.told("subject"))
    if case.status in {DunningCase.Status.RECOVERED, DunningCase.Status.STOPPED}:
        raise Unneeded("The debt is settled or disputed by now.")
    return case


def reminder(occasion: Occasion) -> Letter:
    """One mail for all debts whose turn it was that day; what is settled by now is left out."""
    owed = _still_owed(occasion)
    if not owed:
        raise Unneeded("The debt is settled or disputed by now.")
    (case, document), *others = owed
    level = int(occasion.told("level") or 1)
    named = {
        "number": str(document.number),
        "amount": occasion.money(document.left_minor, document.currency),
        "due": occasion.day(document.due_on),
        "level": str(level),
    }
    # A charge that failed may be reminded of before the due date, which would only confuse.
    is_refused = has_refused_card(occasion, document)
    due = () if is_refused else ((pgettext("mail", "Due date"), named["due"]),)
    rows = (
        (pgettext("mail", "Invoice"), str(document.number)),
        (pgettext("mail", "Invoice date"), occasion.day(document.issued_on)),
        *buyer_reference(document),
        *due,
        (
            pgettext("mail", "To pay"),
            occasion.money(document.left_minor, document.currency),
        ),
    )
    # Whose card was refused pays with another, and by bank only where no card can be left.
    has_page = is_refused and what_becomes_of(document, occasion.today).has_card_page
    also = tuple(row for _, other in others for row in _in_brief(occasion, other))
    return Letter(
        subject=_subject(level) % named,
        happened=_what_is_late(occasion, document, level) % named,
        next=what_comes(occasion, case),
        button=pay_button(occasion, document),
        details=(rows if has_page else rows + how_to_pay(document)) + also,
        closing=pgettext(
            "mail",
            "If you have paid in the last few days, thank you. You do not need to do anything.",
        ),
        attachments=tuple(document_pdf(each) for _, each in owed),
    )


REMINDER = MailKind(
    "reminder",
    "reminder",
    reminder,
    told_by=(News("dunning.reminded"),),
    addressees=addressees_of_reminders,
    series=LATE_DEBT,
    is_printed=True,
)


def _still_owed(occasion: Occasion) -> list[tuple[DunningCase, Invoice]]:
    """The debts that the reminder was to be about, as far as they are still asked for."""
    told = [occasion.told("invoice"), *(occasion.told("also") or ())]
    over = (DunningCase.Status.RECOVERED, DunningCase.Status.STOPPED)
    cases = DunningCase.objects.select_related("next_step").filter(invoice__public_id__in=told)
    asked = {case.invoice_id: case for case in cases.exclude(status__in=over)}
    documents = [document_of(public_id) for public_id in told]
    return [
        (asked[document.pk], document)
        for document in documents
        if document.pk in asked and document.is_collectable
    ]


def _in_brief(occasion: Occasion, document: Invoice) -> Rows:
    """Another invoice that is late as well; its own PDF says how to pay it."""
    left = occasion.money(document.left_minor, document.currency)
    return (
        (pgettext("mail", "Invoice"), str(document.number)),
        (pgettext("mail", "To pay"), left),
    )


def _subject(level: int) -> str:
    if level == 1:
        return pgettext("mail", "Reminder: %(amount)s for invoice %(number)s")
    return pgettext("mail", "Reminder %(level)s: %(amount)s for invoice %(number)s")


def _what_is_late(occasion: Occasion, document: Invoice, level: int) -> str:
    if has_refused_card(occasion, document):
        return pgettext(
            "mail",
            "We have not been able to take %(amount)s for invoice %(number)s from your card.",
        )
    if document.due_on >= occasion.today:
        return pgettext(
            "mail", "Invoice %(number)s for %(amount)s is due on %(due)s and is not paid yet."
        )
    if level == 1:
        return pgettext(
            "mail",
            "Invoice %(number)s for %(amount)s was due on %(due)s, and we have not seen your "
            "payment.",
        )
    return pgettext(
        "mail", "Invoice %(number)s for %(amount)s was due on %(due)s and is still unpaid."
    )


def what_comes(occasion: Occasion, case: DunningCase) -> str:
    """What the policy does next, and when: what a customer can still keep from happening."""
    step, on = case.next_step, case.next_step_on
    if step is None or on is None or on <= occasion.today:
        return pgettext("mail", "Please pay it as soon as you can.")
    kind = KINDS[step.kind]
    is_tried = occasion.is_charged and can_be_charged(occasion.customer)
    warning = "" if kind.is_charge and not is_tried else str(kind.warning)
    said = warning or pgettext("mail", "Please pay it by %(day)s.")
    return said % {"day": occasion.day(on)}
