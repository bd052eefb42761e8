"""Billing cycles: which grid of periods is in force from which day."""

from datetime import date, timedelta

from django.db import transaction

from billing.engine.agreement import Agreement
from billing.engine.errors import Refused
from billing.engine.periods import (
    Cycle,
    Grid,
    anchored_on,
    anchored_on_calendar,
    anchored_on_day,
    period_of,
)
from billing.events.recorder import record_for
from billing.subscriptions.changing import (
    lock_subscription,
    save_changes,
    soonest,
)
from billing.subscriptions.models import BillingCycle, Subscription
from catalog.models import Plan


@transaction.atomic
def change_anchor(
    subscription: Subscription,
    *,
    as_of: date,
    actor: str,
    anchor_day: int | None = None,
    anchor_on: date | None = None,
) -> Subscription:
    """Move the billing day: the grid is cut at the first new boundary on or after ``as_of``.

    Days already billed stay billed; days up to the cut that are not cost price × days / days of
    the new grid period that contains them.
    """
    subscription, agreement = lock_subscription(subscription, as_of)
    old = period_of(agreement.cycles, as_of)
    current = cycle_on(agreement, as_of)
    base = max(as_of, agreement.paid_from)
    if anchor_on is not None:
        grid = anchored_on(current.grid.unit, current.grid.count, anchor_on)
    elif anchor_day is not None:
        grid = anchored_on_day(current.grid.unit, current.grid.count, anchor_day, base)
    else:
        raise Refused("Say anchor_day or anchor_on.", code="anchor_missing")
    if as_of < agreement.paid_from:
        cut_cycles(subscription, as_of, grid)
    else:
        cut = grid.next_boundary(as_of)
        last = period_of(agreement.cycles, cut - timedelta(days=1)) if cut > as_of else old
        cut_cycles(subscription, cut, grid)
        if last.start < cut < last.end:
            tail_days = (cut - grid.boundary(grid.index(cut) - 1)).days
            set_tail(subscription, cut, last.start, tail_days)
    save_changes(subscription, next_bill_on=soonest(subscription.next_bill_on, as_of))
    record_for("subscription.anchor_changed", subscription, as_of, actor)
    return subscription


def first_grid(
    plan: Plan, paid_from: date, anchor_day: int | None, anchor_on: date | None, align: str
) -> Grid:
    unit, count = interval_of(plan)
    if anchor_on is not None:
        return anchored_on(unit, count, anchor_on)
    if anchor_day is not None:
        return anchored_on_day(unit, count, anchor_day, paid_from)
    if align == "calendar":
        return anchored_on_calendar(unit, count, paid_from)
    return anchored_on(unit, count, paid_from)


def changed_grid(
    agreement: Agreement,
    plan: Plan,
    on: date,
    anchor_day: int | None,
    anchor_on: date | None,
    resets: bool,
) -> Grid:
    unit, count = interval_of(plan)
    base = max(on, agreement.paid_from)
    if anchor_on is not None:
        return anchored_on(unit, count, anchor_on)
    if anchor_day is not None:
        return anchored_on_day(unit, count, anchor_day, base)
    if resets:
        return anchored_on(unit, count, base)
    old = cycle_on(agreement, on).grid
    return Grid(unit, count, old.anchor, old.day)


def cycle_on(agreement: Agreement, on: date) -> Cycle:
    started = [cycle for cycle in agreement.cycles if cycle.start <= on]
    return started[-1] if started else agreement.cycles[0]


def add_cycle(subscription: Subscription, on: date, grid: Grid) -> None:
    BillingCycle.objects.create(
        subscription=subscription,
        starts_on=on,
        interval_unit=grid.unit,
        interval_count=grid.count,
        anchor_on=grid.anchor,
        anchor_day=grid.day,
    )


def cut_cycles(subscription: Subscription, on: date, grid: Grid) -> None:
    """Put another grid in force from a day, in place of whatever was to come."""
    subscription.cycles.filter(starts_on__gte=on).delete()
    subscription.cycles.filter(tail_starts_on__gte=on).update(tail_starts_on=None, tail_days=None)
    add_cycle(subscription, on, grid)


def set_tail(subscription: Subscription, end: date, tail_start: date, tail_days: int) -> None:
    """Make the last days before ``end`` one period of the cycle that ends there."""
    cycle = subscription.cycles.filter(starts_on__lt=end).latest("starts_on")
    cycle.tail_starts_on, cycle.tail_days = tail_start, tail_days
    cycle.save(update_fields=["tail_starts_on", "tail_days"])


def interval_of(plan: Plan) -> tuple[str, int]:
    return plan.interval_unit, plan.interval_count
