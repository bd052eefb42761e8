"""Days without service, and where they go that were paid ahead."""

from datetime import date, timedelta

from django.db import transaction
from django.db.models import Q

from billing.engine.agreement import Agreement
from billing.engine.errors import Refused
from billing.engine.periods import anchored_on, period_of
from billing.events.recorder import record_for
from billing.subscriptions.changing import (
    lock_subscription,
    save_changes,
    soonest,
)
from billing.subscriptions.cycles import cut_cycles, cycle_on, set_tail
from billing.subscriptions.models import Pause, Subscription


@transaction.atomic
def pause(
    subscription: Subscription,
    *,
    as_of: date,
    actor: str,
    until: date | None = None,
    unused: str = Pause.Unused.CREDIT,
) -> Subscription:
    """Stop the service from ``as_of``; ``until`` is the first active day, or it waits for resume.

    Days paid ahead come back (credit), stay paid (keep), or move to after the pause (shift).
    """
    subscription, agreement = lock_subscription(subscription, as_of)
    if until is not None and until <= as_of:
        raise Refused(f"It cannot be paused until {until}.", code="pause_ends_before_start")
    if unused not in Pause.Unused.values:
        raise Refused(f"“{unused}” is not credit, keep or shift.", code="unknown_unused")
    if _pause_on(subscription, as_of) is not None:
        raise Refused("It is already paused.", code="already_paused")
    Pause.objects.create(subscription=subscription, starts_on=as_of, ends_on=until, unused=unused)
    if unused == Pause.Unused.SHIFT and until is not None:
        _shift(subscription, agreement, as_of, (until - as_of).days)
    status = Subscription.Status.PAUSED
    subscription.move(status, next_bill_on=soonest(subscription.next_bill_on, as_of))
    record_for(
        "subscription.paused",
        subscription,
        as_of,
        actor,
        until=until.isoformat() if until else None,
        unused=unused,
    )
    return subscription


@transaction.atomic
def resume(subscription: Subscription, *, as_of: date, actor: str) -> Subscription:
    """End the pause: ``as_of`` is the first active day again. The anchor stays, unless shifted."""
    subscription, agreement = lock_subscription(subscription, as_of)
    current = _pause_on(subscription, as_of)
    if current is None:
        raise Refused("It is not paused.", code="not_paused")
    days, planned = (as_of - current.starts_on).days, current.ends_on
    if current.unused == Pause.Unused.SHIFT:
        if planned is not None:
            _shift_again(subscription, current.starts_on, (as_of - planned).days)
        elif days:
            _shift(subscription, agreement, current.starts_on, days)
    current.ends_on = as_of
    current.save(update_fields=["ends_on"])
    status = "trialing" if as_of < subscription.paid_from else "active"
    subscription.move(status, next_bill_on=soonest(subscription.next_bill_on, as_of))
    record_for("subscription.resumed", subscription, as_of, actor)
    return subscription


def _shift(subscription: Subscription, agreement: Agreement, on: date, days: int) -> None:
    """Stretch the period that contains ``on`` by the days paused; the grid goes on from its end."""
    if on < agreement.paid_from:
        paid_from = agreement.paid_from + timedelta(days=days)
        first = agreement.cycles[0].grid
        cut_cycles(
            subscription, subscription.starts_on, anchored_on(first.unit, first.count, paid_from)
        )
        save_changes(subscription, paid_from=paid_from)
        return
    subscription.cycles.filter(starts_on__gt=on).delete()
    period = period_of(agreement.cycles, on)
    grid = cycle_on(agreement, on).grid
    end = period.end + timedelta(days=days)
    cut_cycles(subscription, end, anchored_on(grid.unit, grid.count, end))
    set_tail(subscription, end, period.start, period.of_days)
    if subscription.agreed_ends_on is not None and subscription.cancels_on is None:
        moved = subscription.agreed_ends_on + timedelta(days=days)
        save_changes(subscription, agreed_ends_on=moved, ends_on=moved)


def _shift_again(subscription: Subscription, since: date, days: int) -> None:
    """Move what a pause of known length has shifted, now that it ends on another day."""
    last = subscription.cycles.filter(starts_on__gt=since).order_by("starts_on").first()
    if last is None or not days:
        return
    start = last.starts_on + timedelta(days=days)
    subscription.cycles.filter(pk=last.pk).update(
        starts_on=start, anchor_on=start, anchor_day=start.day
    )


def _pause_on(subscription: Subscription, on: date) -> Pause | None:
    return (
        subscription.pauses.filter(starts_on__lte=on)
        .filter(Q(ends_on=None) | Q(ends_on__gt=on))
        .first()
    )
