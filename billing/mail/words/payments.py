"""Payments: arrived, failed, and waiting for the customer's bank."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from django.utils.translation import pgettext

from billing.base import clock
from billing.checkout.models import Order
from billing.engine.declines import Decline
from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.invoicing.writing import decline_in_words
from billing.mail.kinds import MailKind, News
from billing.mail.letters import Button, Letter, Occasion, Unneeded
from billing.mail.words.common import (
    LATE_DEBT,
    document_of,
    has_refused_card,
    how_to_pay,
    pay_button,
    receipt_pdf,
)
from billing.mail.words.orders import ORDER_COMPLETED, paid_at_the_checkout
from billing.payments.charging import ACTION_DAYS_MAX
from billing.payments.models import Payment, PaymentAllocation, Refund
from billing.payments.outlook import Outlook, can_be_charged, what_becomes_of
from customers.addressees import addressees_of_invoices
from dunning.cases import next_retry_on
from dunning.models import DunningCase


def _payment(occasion: Occasion) -> Payment:
    payments = Payment.objects.select_related("payment_method", "seller", "customer")
    return payments.get(public_id=occasion.told("subject"))


def receipt(occasion: Occasion) -> Letter:
    payment = _payment(occasion)
    paid = list(
        payment.allocations.filter(state=PaymentAllocation.State.SETTLED)
        .select_related("invoice")
        .order_by("id")
    )
    if not paid:
        raise Unneeded("The payment has paid no invoice.")
    named = {
        "amount": occasion.money(payment.amount_minor, payment.currency),
        "seller": occasion.seller.name,
    }
    means = payment.payment_method
    over_minor = payment.amount_minor - sum(each.amount_minor for each in paid)
    rows = [
        (pgettext("mail", "Amount"), occasion.money(payment.amount_minor, payment.currency)),
        (pgettext("mail", "Received"), occasion.day(payment.received_on or occasion.today)),
        (pgettext("mail", "Paid with"), means.in_words() if means else _means(payment)),
        (pgettext("mail", "Invoice"), ", ".join(str(each.invoice.number) for each in paid)),
    ]
    if over_minor:
        kept = occasion.money(over_minor, payment.currency)
        rows.append((pgettext("mail", "Added to your balance"), kept))
    return Letter(
        subject=pgettext("mail", "Receipt: %(amount)s to %(seller)s") % named,
        happened=pgettext("mail", "We have received your payment of %(amount)s. Thank you.")
        % named,
        next=_what_is_left(occasion, [each.invoice for each in paid], over_minor),
        details=tuple(rows),
        attachments=(receipt_pdf(payment, str(paid[0].invoice.number)),),
    )


def _are_in_orders(events: Sequence[Event]) -> Iterator[Event]:
    """Payments that have completed an order, whose confirmation then has their receipt."""
    orders = Order.objects.filter(
        status=Order.Status.COMPLETE,
        invoice__allocations__payment__public_id__in=[event.subject for event in events],
    )
    completing: set[str] = set()
    for order in orders.select_related("invoice").distinct():
        for completed in Event.objects.filter(type=ORDER_COMPLETED, subject=order.public_id):
            paid = paid_at_the_checkout(order, completed.recorded_at)
            completing |= set(paid.values_list("public_id", flat=True))
    return (event for event in events if event.subject in completing)


RECEIPT = MailKind(
    "receipt",
    "receipt",
    receipt,
    told_by=(News("payment.succeeded", happens_again=False, untold=_are_in_orders),),
    addressees=addressees_of_invoices,
)


def _means(payment: Payment) -> str:
    """By which way money has come of which no card is kept."""
    return pgettext("mail", "bank transfer") if payment.is_by_hand else pgettext("mail", "card")


def _what_is_left(occasion: Occasion, invoices: list[Invoice], over_minor: int) -> str:
    left = [invoice for invoice in invoices if invoice.is_collectable]
    if left:
        return pgettext("mail", "You still have %(amount)s to pay on invoice %(number)s.") % {
            "amount": occasion.money(left[0].left_minor, left[0].currency),
            "number": left[0].number,
        }
    if over_minor:
        return pgettext(
            "mail",
            "Invoice %(number)s is paid. The rest has been added to your balance and goes towards "
            "your next invoice.",
        ) % {"number": invoices[0].number}
    return pgettext("mail", "Invoice %(number)s is paid, and you do not need to do anything.") % {
        "number": ", ".join(str(invoice.number) for invoice in invoices)
    }


def refund(occasion: Occasion) -> Letter:
    """Money that has gone back: by the gateway to the card, or paid by a person."""
    made = Refund.objects.select_related("payment__payment_method", "invoice").get(
        public_id=occasion.told("refund")
    )
    payment, document = made.payment, made.invoice
    is_by_hand = payment.is_by_hand
    card = payment.payment_method
    named = {
        "amount": occasion.money(made.amount_minor, payment.currency),
        "seller": occasion.seller.name,
        "card": card.in_words() if card else pgettext("mail", "card"),
    }
    rows = [
        (pgettext("mail", "Amount"), occasion.money(made.amount_minor, payment.currency)),
        (pgettext("mail", "Refunded"), occasion.day(made.paid_on or made.refunded_on)),
        (
            pgettext("mail", "To"),
            made.to_account or pgettext("mail", "your bank account")
            if is_by_hand
            else named["card"],
        ),
        (pgettext("mail", "Reference"), made.reference),
        (pgettext("mail", "Invoice"), str(document.number) if document else ""),
    ]
    happened = (
        pgettext("mail", "We have refunded %(amount)s to you by bank transfer.")
        if is_by_hand
        else pgettext("mail", "We have refunded %(amount)s to your card %(card)s.")
    )
    return Letter(
        subject=pgettext("mail", "%(amount)s refunded by %(seller)s") % named,
        happened=happened % named,
        next=pgettext(
            "mail",
            "It can take a few business days to reach you. You do not need to do anything.",
        ),
        details=tuple((label, value) for label, value in rows if value),
    )


REFUND = MailKind("refund", "money paid back", refund, told_by=(News("refund.succeeded"),))


def payment_failed(occasion: Occasion) -> Letter:
    """A charge that was refused, or a payment that has come back after it had arrived."""
    payment, document = _payment(occasion), document_of(occasion.told("invoice"))
    if payment.state == Payment.State.RETURNED:
        return _returned(occasion, payment, document)
    if not document.is_collectable:
        raise Unneeded("The invoice is settled by now.")
    card = payment.payment_method
    is_final = bool(occasion.told("is_hard")) or Decline.of(payment.failure_code).is_hard
    named = {
        "amount": occasion.money(payment.amount_minor, payment.currency),
        "number": document.number,
        "card": card.in_words() if card else "",
    }
    again_on = _next_attempt_on(occasion, document)
    rows = [
        (pgettext("mail", "Invoice"), str(document.number)),
        (
            pgettext("mail", "To pay"),
            occasion.money(document.left_minor, document.currency),
        ),
        (pgettext("mail", "Card"), named["card"]),
        (pgettext("mail", "Reason"), decline_in_words(payment.failure_code)),
        (pgettext("mail", "Next attempt"), occasion.day(again_on) if again_on else ""),
    ]
    return Letter(
        subject=pgettext("mail", "The payment of %(amount)s did not go through") % named,
        happened=_what_failed(is_final=is_final, has_card=card is not None) % named,
        next=_when_again(occasion, document, again_on, is_final=is_final),
        button=pay_button(occasion, document),
        details=tuple((label, value) for label, value in rows if value),
    )


def _in_part(events: Sequence[Event]) -> Iterator[Event]:
    """Returns of a part, which a person has taken off an invoice, and those that paid none."""
    return (event for event in events if "refund" in event.data or "invoice" not in event.data)


PAYMENT_FAILED = MailKind(
    "payment_failed",
    "payment failed",
    payment_failed,
    told_by=(
        News("payment.failed", happens_again=False),
        News("payment.returned", happens_again=False, untold=_in_part),
    ),
    series=LATE_DEBT,
)


def _returned(occasion: Occasion, payment: Payment, document: Invoice) -> Letter:
    also = [document_of(public_id) for public_id in occasion.told("also") or ()]
    owed = [each for each in (document, *also) if each.is_collectable]
    if not owed:
        raise Unneeded("The invoice is settled by now.")
    named = {
        "amount": occasion.money(payment.amount_minor - payment.refunded_minor, payment.currency),
        "day": occasion.day(payment.received_on or occasion.today),
        "numbers": ", ".join(str(each.number) for each in owed),
    }
    again_on = _next_attempt_on(occasion, owed[0])
    rows = [
        *(
            row
            for each in owed
            for row in (
                (pgettext("mail", "Invoice"), str(each.number)),
                (pgettext("mail", "To pay"), occasion.money(each.left_minor, each.currency)),
            )
        ),
        (pgettext("mail", "Next attempt"), occasion.day(again_on) if again_on else ""),
        *(() if has_refused_card(occasion, owed[0]) else how_to_pay(owed[0])),
    ]
    return Letter(
        subject=pgettext("mail", "Your payment of %(amount)s has been returned") % named,
        happened=_what_came_back(len(owed)) % named,
        next=_when_again(occasion, owed[0], again_on, is_final=False)
        if has_refused_card(occasion, owed[0])
        else _by_when(occasion, owed[0]),
        button=pay_button(occasion, owed[0]),
        details=tuple((label, value) for label, value in rows if value),
    )


def _what_came_back(invoices: int) -> str:
    if invoices == 1:
        return pgettext(
            "mail",
            "Your bank has taken back the payment of %(amount)s that we received on %(day)s. "
            "Invoice %(numbers)s is unpaid again.",
        )
    return pgettext(
        "mail",
        "Your bank has taken back the payment of %(amount)s that we received on %(day)s. "
        "Invoices %(numbers)s are unpaid again.",
    )


def _by_when(occasion: Occasion, document: Invoice) -> str:
    if document.due_on <= occasion.today:
        return pgettext("mail", "Please pay it as soon as you can.")
    return pgettext("mail", "Please pay it by %(day)s.") % {"day": occasion.day(document.due_on)}


def _what_failed(*, is_final: bool, has_card: bool) -> str:
    if not has_card:
        return pgettext("mail", "The payment of %(amount)s for invoice %(number)s failed.")
    if is_final:
        return pgettext(
            "mail",
            "Your bank no longer accepts payments with your card %(card)s, so %(amount)s for "
            "invoice %(number)s is not paid.",
        )
    return pgettext(
        "mail", "We could not take %(amount)s for invoice %(number)s from your card %(card)s."
    )


def _when_again(
    occasion: Occasion, document: Invoice, again_on: date | None, *, is_final: bool
) -> str:
    outlook = what_becomes_of(document, occasion.today)
    if not outlook.has_card_page:
        return _without_a_page(outlook)
    if not has_refused_card(occasion, document):
        return pgettext("mail", "You can pay the invoice here.")
    if is_final or again_on is None:
        return pgettext(
            "mail",
            "We will not try this card again. Add another one here and we will take the amount "
            "from it right away.",
        )
    return pgettext(
        "mail",
        "We will try again on %(day)s. If you would rather use another card, change it here and "
        "we will take the amount from it right away.",
    ) % {"day": occasion.day(again_on)}


def _without_a_page(outlook: Outlook) -> str:
    """What can be done where no card can be used just now."""
    if outlook.has_account:
        return pgettext(
            "mail", "Card payments are not possible right now. Please pay by bank transfer."
        )
    return pgettext(
        "mail",
        "Card payments are not possible right now. Write to us and we will tell you how to pay.",
    )


def _next_attempt_on(occasion: Occasion, document: Invoice) -> date | None:
    """The day on which it is charged again as things stand now, not as they stood at the event."""
    if not occasion.is_charged or not can_be_charged(occasion.customer):
        return None
    planned = Payment.objects.filter(
        allocations__invoice=document, state=Payment.State.PLANNED
    ).first()
    case = DunningCase.objects.filter(invoice=document).select_related("seller").first()
    on = planned.planned_on if planned else (case and next_retry_on(case))
    return max(on, occasion.today) if on else None


def action_needed(occasion: Occasion) -> Letter:
    payment, document = _payment(occasion), document_of(occasion.told("invoice"))
    if payment.state != Payment.State.REQUIRES_ACTION:
        raise Unneeded("The payment does not wait for a confirmation any more.")
    since = payment.submitted_at or payment.recorded_at
    until = clock.local_day(since, occasion.seller.time_zone) + timedelta(days=ACTION_DAYS_MAX)
    named = {
        "amount": occasion.money(payment.amount_minor, payment.currency),
        "number": document.number,
        "seller": occasion.seller.name,
        "day": occasion.day(until),
    }
    card = payment.payment_method
    rows = [
        (pgettext("mail", "Invoice"), str(document.number)),
        (pgettext("mail", "Amount"), occasion.money(payment.amount_minor, payment.currency)),
        (pgettext("mail", "Card"), card.in_words() if card else ""),
        (pgettext("mail", "Confirm by"), named["day"]),
    ]
    return Letter(
        subject=pgettext("mail", "Confirm your payment of %(amount)s to %(seller)s") % named,
        happened=pgettext(
            "mail",
            "Your bank wants you to confirm the payment of %(amount)s for invoice %(number)s.",
        )
        % named,
        next=pgettext("mail", "Confirm it by %(day)s. Otherwise the payment will be canceled.")
        % named,
        button=Button(pgettext("mail", "Confirm the payment"), url=payment.action_url),
        details=tuple((label, value) for label, value in rows if value),
    )


ACTION_NEEDED = MailKind(
    "action_needed",
    "action needed",
    action_needed,
    told_by=(News("payment.action_required", happens_again=False),),
)
