"""Ending many subscriptions at once, as when their debts are given up."""

from collections.abc import Sequence
from datetime import date

from django.db.models import F
from django.db.models.functions import Coalesce, Least

from billing.base.sql.lookups import array_of
from billing.engine.errors import Refused
from billing.events.recorder import event_for, record_all
from billing.subscriptions.models import Subscription


def end_many(
    subscriptions: Sequence[Subscription], *, as_of: date, actor: str
) -> dict[int, Refused]:
    """Do ``cancel(…, when="now")`` for each, in a constant number of queries.

    The caller has locked the customers, and has read the subscriptions since. ``as_of`` is the
    first day without service; days paid ahead do not come back. Answers with what cannot be ended
    by its id: the rest is.
    """
    refused = {
        subscription.pk: refusal
        for subscription in subscriptions
        if (refusal := _refusal(subscription, as_of))
    }
    ending = {one.pk: one for one in subscriptions if one.pk not in refused}
    Subscription.objects.filter(pk__any_of=array_of(ending)).update(
        status=Subscription.Status.ENDED,
        access=Subscription.Access.NONE,
        cancels_on=as_of,
        ends_on=as_of,
        is_unused_credited_at_end=False,
        is_unused_refunded_at_end=False,
        is_final_usage_billed=True,
        # The biller looks once more, for what was used.
        next_bill_on=Least(Coalesce(F("next_bill_on"), as_of), as_of),
    )
    record_all(
        event_for("subscription.canceled", subscription, as_of, actor, ends_on=as_of.isoformat())
        for subscription in ending.values()
    )
    return refused


def _refusal(subscription: Subscription, as_of: date) -> Refused | None:
    ends_on = subscription.ends_on
    if subscription.status == Subscription.Status.ENDED or (ends_on and ends_on <= as_of):
        return Refused(f"It ended on {ends_on}.", code="subscription_ended")
    if as_of < subscription.starts_on:
        return Refused(f"It starts on {subscription.starts_on}.", code="before_start")
    return None
