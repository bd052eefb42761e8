"""Which events are mailed of, and to whom. This only writes rows; the sweep writes and sends.

Who has ordered at the checkout gets one mail: the confirmation, with the first invoice and its
receipt in it. A new customer is not met by three.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from billing.checkout.models import Order
from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.mail.actions import Draft, post, post_all
from billing.mail.models import Message
from billing.payments.models import Payment, PaymentAllocation
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


type Untold = Callable[[Sequence[Event]], Iterable[Event]]


@dataclass(frozen=True, slots=True)
class News:
    """A kind of mail that an event makes.

    What happens to an object once, such as the issue of an invoice, is mailed of once whatever
    tells of it; what may happen again, once for each event. ``untold`` says of which events, among
    some, no mail tells.
    """

    kind: str
    happens_again: bool = True
    untold: Untold = lambda events: ()


def _by_nobody(events: Sequence[Event]) -> Iterator[Event]:
    """Pauses that nobody asked for: billing tells once more when it finds one that has begun."""
    return (event for event in events if "until" not in event.data)


def _after_no_pause(events: Sequence[Event]) -> Iterator[Event]:
    return (event for event in events if event.data.get("from") != Subscription.Status.PAUSED)


def _had_full_access(events: Sequence[Event]) -> Iterator[Event]:
    limits = DunningAction.objects.filter(
        case__public_id__in=_subjects(events),
        kind__in=(StepKind.RESTRICT, StepKind.SUSPEND),
        outcome="",
    )
    limited = set(limits.values_list("case__public_id", flat=True))
    return (event for event in events if event.subject not in limited)


def _are_ordered(events: Sequence[Event]) -> Iterator[Event]:
    """Invoices of orders: their checkout asks to be paid."""
    orders = Order.objects.filter(invoice__public_id__in=_subjects(events))
    ordered = set(orders.values_list("invoice__public_id", flat=True))
    return (event for event in events if event.subject in ordered)


def _are_in_orders(events: Sequence[Event]) -> Iterator[Event]:
    """Payments that have completed an order, whose confirmation then has their receipt."""
    orders = Order.objects.filter(
        status=Order.Status.COMPLETE,
        invoice__allocations__payment__public_id__in=_subjects(events),
    )
    completing: set[str] = set()
    for order in orders.select_related("invoice").distinct():
        for completed in Event.objects.filter(type=ORDER_COMPLETED, subject=order.public_id):
            paid = paid_at_the_checkout(order, completed.recorded_at)
            completing |= set(paid.values_list("public_id", flat=True))
    return (event for event in events if event.subject in completing)


def _in_part(events: Sequence[Event]) -> Iterator[Event]:
    """Returns of a part, which a person has taken off an invoice, and those that paid none."""
    return (event for event in events if "refund" in event.data or "invoice" not in event.data)


def _subjects(events: Iterable[Event]) -> list[str]:
    return [event.subject for event in events]


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
    "invoice.finalized": News(Kind.INVOICE, happens_again=False, untold=_are_ordered),
    "credit_note.issued": News(Kind.CREDIT_NOTE, happens_again=False),
    "payment.succeeded": News(Kind.RECEIPT, happens_again=False, untold=_are_in_orders),
    "refund.succeeded": News(Kind.REFUND),
    "payment.failed": News(Kind.PAYMENT_FAILED, happens_again=False),
    "payment.returned": News(Kind.PAYMENT_FAILED, happens_again=False, untold=_in_part),
    "payment.action_required": News(Kind.ACTION_NEEDED, happens_again=False),
    "dunning.reminded": News(Kind.REMINDER),
    "dunning.restricted": News(Kind.RESTRICTED),
    "dunning.suspended": News(Kind.SUSPENDED),
    "dunning.recovered": News(Kind.RESTORED, untold=_had_full_access),
    "subscription.changed": News(Kind.PLAN_CHANGED),
    "subscription.paused": News(Kind.PAUSED, untold=_by_nobody),
    "subscription.resumed": News(Kind.RESUMED),
    "subscription.activated": News(Kind.RESUMED, untold=_after_no_pause),
    "subscription.canceled": News(Kind.CANCELED),
    "subscription.cancel_undone": News(Kind.CANCEL_UNDONE),
}


def on_events(events: Sequence[Event]) -> None:
    """Make the mails of events, each once however often it is told."""
    of_type: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_type[event.type].append(event)
    untold = {event.pk for type, some in of_type.items() for event in NEWS[type].untold(some)}
    told = [event for event in events if event.pk not in untold]
    customers = _customers_of(told)
    post_all(_draft(event, customers[event.subject]) for event in told)


def _draft(event: Event, customer: Customer) -> Draft:
    news = NEWS[event.type]
    about = event.public_id if news.happens_again else event.subject
    return Draft(news.kind, about, customer, _facts(event, event.subject))


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


def _customers_of(events: Iterable[Event]) -> dict[str, Customer]:
    """The customers of the objects that events are about, by the objects' public ids."""
    subjects: dict[Any, list[str]] = defaultdict(list)
    for event in events:
        subjects[OWNERS[event.subject.partition("_")[0]]].append(event.subject)
    owned: dict[str, int] = {}
    for owner, ids in subjects.items():
        objects = owner._base_manager.filter(public_id__in=ids)
        owned.update(objects.values_list("public_id", "customer_id"))
    customers = Customer.objects.in_bulk(set(owned.values()))
    return {subject: customers[pk] for subject, pk in owned.items()}
