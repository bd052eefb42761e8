"""What every change of a subscription begins and ends with: its lock, its days and its event."""

from datetime import date
from typing import Any, Literal

from billing.engine.agreement import Agreement
from billing.engine.errors import Refused
from billing.engine.periods import period_of
from billing.subscriptions.agreements import load_contracts
from billing.subscriptions.models import Subscription
from customers.locks import lock_customer

When = Literal["now", "period_end"] | date


def lock_subscription(
    subscription: Subscription, as_of: date, *, may_be_incomplete: bool = False
) -> tuple[Subscription, Agreement]:
    """The subscription as it now stands, its customer locked, and all that it has agreed to."""
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    contract = load_contracts([subscription.pk])[subscription.pk]
    if subscription.ends_on is not None and subscription.ends_on <= as_of:
        raise Refused(f"It ended on {subscription.ends_on}.", code="subscription_ended")
    if as_of < subscription.starts_on:
        raise Refused(f"It starts on {subscription.starts_on}.", code="before_start")
    if not may_be_incomplete:
        refuse_incomplete(subscription)
    status = contract.status_on(as_of)
    if status != subscription.status:
        subscription.move(status)
    return subscription, contract.agreement


def refuse_incomplete(subscription: Subscription) -> None:
    if subscription.status == Subscription.Status.INCOMPLETE:
        raise Refused(
            "Its first invoice is not paid yet. Have that paid first, or cancel it.",
            code="subscription_incomplete",
        )


def save_changes(subscription: Subscription, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(subscription, name, value)
    subscription.save(update_fields=list(changes))


def soonest(known: date | None, other: date) -> date:
    return other if known is None else min(known, other)


def period_end(agreement: Agreement, on: date) -> date:
    """The end of the grid period that contains a day; in a trial, the trial's end."""
    if on < agreement.paid_from:
        return agreement.paid_from
    return period_of(agreement.cycles, on).end


def day_of(agreement: Agreement, when: When, as_of: date) -> date:
    if when == "now":
        return as_of
    if when == "period_end":
        return period_end(agreement, as_of)
    if not isinstance(when, date):
        raise Refused(f"“{when}” is not now, period_end or a date.", code="unknown_when")
    if when < as_of:
        raise Refused(f"{when} has passed.", code="date_in_the_past")
    return when
