"""The confirmation of an order: what the law wants sent on a durable medium (directive 2011/83/EU,
art. 8.7 with 6.1; lag 2005:59 2 kap.), with the first invoice and its receipt in the same mail."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils.translation import pgettext

from billing.checkout.models import Order
from billing.checkout.offers import countable_prices
from billing.invoicing.changes import SeenBill
from billing.invoicing.writing import NO_BREAK
from billing.mail.kinds import MailKind
from billing.mail.letters import Attachment, Letter, Occasion, Section
from billing.mail.words.common import (
    Rows,
    document_pdf,
    held_up,
    manage_button,
    next_bill_of,
    next_costs,
    receipt_pdf,
    rhythm,
)
from billing.payments.models import Payment, PaymentAllocation
from billing.payments.outlook import chargeable_card
from billing.subscriptions.models import Subscription

ORDER_COMPLETED = "checkout.completed"


def order(occasion: Occasion) -> Letter:
    """Never left out, whatever has happened since: what was agreed stays agreed."""
    found = Order.objects.select_related(
        "plan__seller", "coupon", "subscription__customer", "subscription__plan", "invoice"
    ).get(public_id=occasion.told("subject"))
    subscription, recorded_at = found.subscription, occasion.moment_told("recorded_at")
    assert subscription is not None and recorded_at is not None
    payments = list(paid_at_the_checkout(found, recorded_at))
    bill = next_bill_of(subscription, occasion.today)
    named = {"plan": found.plan.name, "seller": occasion.seller.name}
    label = (
        pgettext("mail", "View the subscription")
        if subscription.ends_on is not None
        else pgettext("mail", "View or cancel the subscription")
    )
    return Letter(
        subject=pgettext("mail", "Your order from %(seller)s: %(plan)s") % named,
        happened=pgettext("mail", "Thank you for your order of %(plan)s.") % named,
        next=" ".join(
            filter(
                None,
                (
                    _what_it_costs(occasion, subscription, payments, bill),
                    _term(occasion, subscription),
                ),
            )
        ),
        button=manage_button(occasion, subscription, label),
        details=(
            *_what_was_ordered(occasion, found),
            *_what_was_paid(occasion, found, payments),
            *next_costs(occasion, bill),
        ),
        attachments=_papers(found, payments),
        sections=(
            _who_sells(occasion),
            _terms(occasion, found),
            *_form_to_withdraw(occasion, found),
        ),
    )


ORDER = MailKind("order", "order confirmation", order, is_printed=True, is_asked_for=True)


def paid_at_the_checkout(order: Order, completed_at: datetime) -> QuerySet[Payment]:
    """The payments that have completed an order; not what paid its invoice anew after a refund.

    Both instants are the database's, whatever time it is for the seller.
    """
    return (
        Payment.objects.filter(
            allocations__invoice=order.invoice,
            allocations__state=PaymentAllocation.State.SETTLED,
            recorded_at__lte=completed_at,
        )
        .select_related("payment_method")
        .order_by("pk")
    )


def _term(occasion: Occasion, subscription: Subscription) -> str:
    """That a fixed term is one; whoever was canceled meanwhile is told so by another mail."""
    if subscription.last_day is None or subscription.cancels_on is not None:
        return ""
    return pgettext(
        "mail",
        "The term is fixed: its last day is %(day)s, and it cannot be canceled before then.",
    ) % {"day": occasion.day(subscription.last_day)}


def _what_it_costs(
    occasion: Occasion,
    subscription: Subscription,
    payments: list[Payment],
    bill: SeenBill | None,
) -> str:
    """What is paid, and what is taken next, when and from which card."""
    paid = [occasion.money(payment.amount_minor, payment.currency) for payment in payments]
    is_trial = subscription.paid_from > occasion.today
    said = [pgettext("mail", "You have paid %(amount)s.") % {"amount": amount} for amount in paid]
    if not paid and not is_trial:
        said = [pgettext("mail", "There was nothing to pay when you ordered.")]
    if bill is None or bill.to_pay_minor <= 0:
        return " ".join(said)
    card = chargeable_card(occasion.customer) if occasion.is_charged else None
    named = {
        "amount": occasion.money(bill.to_pay_minor, bill.document.currency),
        "day": occasion.day(bill.on),
        "card": card.in_words() if card else "",
    }
    if is_trial:
        until = {"day": occasion.day(subscription.paid_from)}
        free = (
            pgettext("mail", "It is free until %(day)s.")
            if subscription.ends_on is not None
            else pgettext(
                "mail", "It is free until %(day)s. Cancel before then and you pay nothing."
            )
        )
        said.append(free % until)
    if card is None:
        said.append(pgettext("mail", "Your next invoice is for %(amount)s and comes on %(day)s."))
    elif paid:
        said.append(
            pgettext(
                "mail", "The next payment, %(amount)s, is taken from your card %(card)s on %(day)s."
            )
        )
    else:
        said.append(
            pgettext(
                "mail",
                "The first payment, %(amount)s, is taken from your card %(card)s on %(day)s.",
            )
        )
    held = held_up(occasion) if card else ""
    return " ".join(filter(None, [*said[:-1], said[-1] % named, held]))


def _what_was_ordered(occasion: Occasion, order: Order) -> Rows:
    subscription = order.subscription
    assert subscription is not None and order.placed_at is not None
    counts = [
        (price.name or pgettext("mail", "Quantity"), order.quantities.get(price.code, ""))
        for price in countable_prices(order)
    ]
    placed = order.placed_at.astimezone(ZoneInfo(occasion.seller.time_zone))
    is_free = subscription.paid_from > subscription.starts_on
    last_day = subscription.last_day if subscription.cancels_on is None else None
    rows = (
        (pgettext("mail", "Subscription"), order.plan.name),
        *counts,
        (pgettext("mail", "Discount code"), order.coupon.code if order.coupon else ""),
        rhythm(subscription, order.plan),
        (pgettext("mail", "Last day"), occasion.day(last_day) if last_day else ""),
        (pgettext("mail", "Ordered on"), occasion.day(placed.date())),
        (
            pgettext("mail", "First paid day"),
            occasion.day(subscription.paid_from) if is_free else "",
        ),
    )
    return tuple((label, value) for label, value in rows if value)


def _what_was_paid(occasion: Occasion, order: Order, payments: list[Payment]) -> Rows:
    invoice = order.invoice
    if invoice is None:
        return ((pgettext("mail", "Paid"), occasion.money(0, order.currency)),)
    rows = [
        (pgettext("mail", "Invoice"), str(invoice.number)),
        (pgettext("mail", "Total"), occasion.money(invoice.total_minor, invoice.currency)),
        (pgettext("mail", "of which VAT"), occasion.money(invoice.tax_minor, invoice.currency)),
    ]
    for payment in payments:
        means = payment.payment_method
        rows += [
            (pgettext("mail", "Paid"), occasion.money(payment.amount_minor, payment.currency)),
            (
                pgettext("mail", "Paid with"),
                means.in_words() if means else pgettext("mail", "bank transfer"),
            ),
        ]
    return tuple(rows)


def _who_sells(occasion: Occasion) -> Section:
    seller = occasion.seller
    place = NO_BREAK.join(filter(None, (seller.postal_code, seller.city)))
    number = seller.organisation_number
    lines = (
        seller.legal_name or seller.name,
        pgettext("mail", "Org. no. %(number)s") % {"number": number} if number else "",
        ", ".join(filter(None, (seller.address_line1, seller.address_line2, place))),
        seller.email,
        seller.phone,
    )
    return Section(pgettext("mail", "Seller"), tuple(filter(None, lines)))


def _papers(order: Order, payments: list[Payment]) -> tuple[Attachment, ...]:
    if order.invoice is None:
        return ()
    number = str(order.invoice.number)
    receipts = [receipt_pdf(payment, number) for payment in payments]
    return (document_pdf(order.invoice), *receipts)


def _terms(occasion: Occasion, order: Order) -> Section:
    """The words that were agreed to, as they were shown, whatever they would be today."""
    assert order.placed_at is not None
    placed = order.placed_at.astimezone(ZoneInfo(occasion.seller.time_zone))
    named = {
        "day": occasion.day(placed.date()),
        "time": f"{placed:%H:%M}",
        "version": order.consent["version"],
    }
    shown = filter(str.strip, str(order.consent["text"]).splitlines())
    when = pgettext(
        "mail", "You agreed to this on %(day)s at %(time)s. Version of the terms: %(version)s."
    )
    return Section(pgettext("mail", "What you agreed to"), (*shown, when % named))


def _form_to_withdraw(occasion: Occasion, order: Order) -> tuple[Section, ...]:
    """For consumers: the model form of the directive's annex I B, filled in as far as we can."""
    customer, seller = occasion.customer, occasion.seller
    if customer.is_business:
        return ()
    assert order.placed_at is not None
    placed = order.placed_at.astimezone(ZoneInfo(seller.time_zone)).date()
    place = NO_BREAK.join(filter(None, (customer.postal_code, customer.city)))
    named = {
        "seller": ", ".join([seller.legal_name or seller.name, *filter(None, [seller.email])]),
        "plan": order.plan.name,
        "day": occasion.day(placed),
        "name": customer.name,
        "address": ", ".join(filter(None, (customer.address_line1, customer.address_line2, place))),
    }
    lines = (
        pgettext("mail", "Send this only if you wish to withdraw from the order."),
        pgettext("mail", "To: %(seller)s"),
        pgettext("mail", "I hereby withdraw from my contract for this service: %(plan)s"),
        pgettext("mail", "Ordered on: %(day)s"),
        pgettext("mail", "Name: %(name)s"),
        pgettext("mail", "Address: %(address)s"),
        pgettext("mail", "Date:"),
    )
    heading = pgettext("mail", "Withdrawal form")
    return (Section(heading, tuple(line % named for line in lines)),)
