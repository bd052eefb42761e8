"""Which events are mailed of, and to whom. This only writes rows; the sweep writes and sends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.mail.actions import post
from billing.mail.models import Message
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from customers.models import Customer
from dunning.models import DunningAction, DunningCase, StepKind

Kind = Message.Kind
# By the prefix of an event's subject: whose customer gets the mail.
OWNERS: dict[str, Any] = {
    "inv": Invoice,
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


NEWS: dict[str, News] = {
    "invoice.finalized": News(Kind.INVOICE, happens_again=False),
    "credit_note.issued": News(Kind.CREDIT_NOTE, happens_again=False),
    "payment.succeeded": News(Kind.RECEIPT, happens_again=False),
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
        facts={
            **event.data,
            "subject": event.subject,
            "occurred_on": event.occurred_on.isoformat(),
            "recorded_at": event.recorded_at.isoformat(),
        },
    )


def _customer_of(subject: str) -> Customer:
    owner = OWNERS[subject.partition("_")[0]]
    found = owner._base_manager.select_related("customer__seller").get(public_id=subject)
    customer: Customer = found.customer
    return customer
