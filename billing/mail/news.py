"""Which events are mailed of, and to whom. This only writes rows; the sweep writes and sends.

Who has ordered at the checkout gets one mail: the confirmation, with the first invoice and its
receipt in it. A new customer is not met by three.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.mail.actions import post
from billing.mail.models import Message
from billing.payments.models import Order, Payment, PaymentAllocation
from billing.subscriptions.models import Subscription
from customers.models import Customer
from dunning.models import DunningAction, DunningCase, StepKind

Kind = Message.Kind
ORDER_COMPLETED = "checkout.completed"
# By the prefix of an event's subject: whose customer gets the mail.
OWNERS: dict[str, Any] = {
    "inv": Invoice,
    "cn": Invoice,
    "pay": Payment,
    "sub": Subscription,
    "dun": DunningCase,
}


@dataclass(frozen=True, slots=True)
class News:
    """A kind of mail that an event makes.

    What happens to an object once, such as the issue of an invoice, is mailed of once whatever
    tells of it; what may happen again, once for each event.
    """

    kind: str
    happens_again: bool = True
    is_told: Callable[[Event], bool] = lambda event: True


def _by_somebody(event: Event) -> bool:
    """Whether a pause was asked for; billing tells once more when it finds one that has begun."""
    return "until" in event.data


def _after_pause(event: Event) -> bool:
    return event.data.get("from") == Subscription.Status.PAUSED


def _had_less_access(event: Event) -> bool:
    limits = (StepKind.RESTRICT, StepKind.SUSPEND)
    return DunningAction.objects.filter(
        case__public_id=event.subject, kind__in=limits, outcome=""
    ).exists()


def _is_not_ordered(event: Event) -> bool:
    """Whether an invoice is no order's: one that is, its checkout asks to be paid."""
    return not Order.objects.filter(invoice__public_id=event.subject).exists()


def _is_not_in_an_order(event: Event) -> bool:
    """Whether a payment has not completed an order, whose confirmation then has its receipt."""
    orders = Order.objects.filter(
        status=Order.Status.COMPLETE, invoice__allocations__payment__public_id=event.subject
    )
    return not any(
        paid_at_the_checkout(order, completed.recorded_at).filter(public_id=event.subject).exists()
        for order in orders.select_related("invoice")
        for completed in Event.objects.filter(type=ORDER_COMPLETED, subject=order.public_id)
    )


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


NEWS: dict[str, News] = {
    "invoice.finalized": News(Kind.INVOICE, happens_again=False, is_told=_is_not_ordered),
    "credit_note.issued": News(Kind.CREDIT_NOTE, happens_again=False),
    "payment.succeeded": News(Kind.RECEIPT, happens_again=False, is_told=_is_not_in_an_order),
    "refund.succeeded": News(Kind.REFUND),
    "payment.failed": News(Kind.PAYMENT_FAILED, happens_again=False),
    "payment.action_required": News(Kind.ACTION_NEEDED, happens_again=False),
    "dunning.reminded": News(Kind.REMINDER),
    "dunning.restricted": News(Kind.RESTRICTED),
    "dunning.suspended": News(Kind.SUSPENDED),
    "dunning.recovered": News(Kind.RESTORED, is_told=_had_less_access),
    "subscription.changed": News(Kind.PLAN_CHANGED),
    "subscription.paused": News(Kind.PAUSED, is_told=_by_somebody),
    "subscription.resumed": News(Kind.RESUMED),
    "subscription.activated": News(Kind.RESUMED, is_told=_after_pause),
    "subscription.canceled": News(Kind.CANCELED),
    "subscription.cancel_undone": News(Kind.CANCEL_UNDONE),
}


def on_event(event: Event) -> None:
    """Make the mail of an event, once however often it is told."""
    news = NEWS[event.type]
    if not news.is_told(event):
        return
    post(
        news.kind,
        object=event.public_id if news.happens_again else event.subject,
        customer=_customer_of(event.subject),
        facts=_facts(event, event.subject),
    )


def on_order(event: Event) -> None:
    """Confirm an order that is complete, once; who wants paper gets the first invoice on it too."""
    order = Order.objects.select_related("customer__seller", "invoice").get(public_id=event.subject)
    customer, invoice = order.customer, order.invoice
    assert customer is not None
    facts = _facts(event, order.public_id)
    post(Kind.ORDER, object=order.public_id, customer=customer, facts=facts)
    if invoice is not None and customer.delivery == Customer.Delivery.PRINT:
        facts = _facts(event, invoice.public_id)
        post(Kind.INVOICE, object=invoice.public_id, customer=customer, facts=facts)


def _facts(event: Event, subject: str) -> dict[str, Any]:
    return {
        **event.data,
        "subject": subject,
        "occurred_on": event.occurred_on.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
    }


def _customer_of(subject: str) -> Customer:
    owner = OWNERS[subject.partition("_")[0]]
    found = owner._base_manager.select_related("customer__seller").get(public_id=subject)
    customer: Customer = found.customer
    return customer
