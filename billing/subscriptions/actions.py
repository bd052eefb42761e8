"""What can happen to a subscription: it starts, changes and ends. Its billing day, its pauses and
its coupons are changed in files of their own, by the same rules.

No action bills: it says from when a bill is due. Each locks the customer first, the one lock around
a customer's money, takes ``as_of`` (a day in the subscription's time zone) and ``actor``, and
records its event. What the present state does not allow raises :class:`Refused` with a stable code.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing.engine.errors import Refused
from billing.events.recorder import record_for
from billing.subscriptions.agreements import load_contracts
from billing.subscriptions.changing import (
    When,
    day_of,
    lock_subscription,
    period_end,
    save_changes,
    soonest,
)
from billing.subscriptions.coupons import redeem_locked
from billing.subscriptions.cycles import (
    add_cycle,
    changed_grid,
    cut_cycles,
    first_grid,
    interval_of,
)
from billing.subscriptions.items import (
    add_items,
    change_quantities,
    checked_quantities,
    drop_scheduled,
    end_items,
    plan_on,
    planned_change_on,
    prices_of,
    renew_prices,
)
from billing.subscriptions.models import Subscription
from catalog.models import Coupon, Plan
from customers.locks import lock_customer, lock_staying
from customers.models import Customer


@transaction.atomic
def start(
    customer: Customer,
    plan: Plan,
    *,
    as_of: date,
    actor: str,
    currency: str | None = None,
    quantities: Mapping[str, Decimal] | None = None,
    trial_days: int | None = None,
    anchor_day: int | None = None,
    anchor_on: date | None = None,
    align: str = "anniversary",
    coupons: Sequence[Coupon] = (),
    ends_on: date | None = None,
    cycles: int | None = None,
    external_id: str | None = None,
    buyer_reference: str = "",
    metadata: Mapping[str, Any] | None = None,
    is_incomplete: bool = False,
) -> Subscription:
    """Start a subscription on ``as_of``; the first bill is due that day.

    ``quantities`` by price code override the plan's, 0 leaves the item out. The grid is fixed by
    ``anchor_day``, ``anchor_on`` or ``align="calendar"``, else by the paid start. ``ends_on`` is
    the first day without service; ``cycles`` ends the term after so many whole periods. Its
    documents bear ``buyer_reference`` in place of the customer's. One that ``is_incomplete`` gives
    no access until :func:`complete`. Raises :class:`Refused` ("customer_merged") and as what it
    calls does.
    """
    lock_staying(customer)
    if plan.seller_id != customer.seller_id:
        raise Refused("This plan is another seller's.", code="plan_of_another_seller")
    prices = prices_of(plan, currency)
    overrides = checked_quantities(prices, quantities or {})
    paid_from = as_of + timedelta(days=plan.trial_days if trial_days is None else trial_days)
    grid = first_grid(plan, paid_from, anchor_day, anchor_on, align)
    cycles = cycles if cycles is not None else plan.cycles
    if cycles is not None:
        whole = grid.index(grid.next_boundary(paid_from)) + cycles
        term_end = grid.boundary(whole)
        ends_on = min(ends_on, term_end) if ends_on else term_end
    if ends_on is not None and ends_on <= as_of:
        raise Refused(f"The end, {ends_on}, is not after the start.", code="end_before_start")
    subscription = Subscription.objects.create(
        seller=customer.seller,
        customer=customer,
        external_id=external_id,
        plan=plan,
        currency=prices[0].currency,
        time_zone=customer.seller.time_zone,
        status=_first_status(as_of, paid_from, is_incomplete=is_incomplete),
        access=Subscription.Access.NONE if is_incomplete else Subscription.Access.FULL,
        starts_on=as_of,
        paid_from=paid_from,
        ends_on=ends_on,
        agreed_ends_on=ends_on,
        quantities=overrides,
        is_trial_usage_billed=plan.is_trial_usage_billed,
        next_bill_on=as_of,
        buyer_reference=buyer_reference,
        metadata=dict(metadata or {}),
    )
    add_cycle(subscription, as_of, grid)
    add_items(subscription, prices, overrides, as_of, had=frozenset())
    for coupon in coupons:
        redeem_locked(customer, coupon, subscription, as_of, actor)
    record_for("subscription.started", subscription, as_of, actor, plan=plan.code)
    return subscription


def _first_status(as_of: date, paid_from: date, *, is_incomplete: bool) -> str:
    if is_incomplete:
        return Subscription.Status.INCOMPLETE
    return Subscription.Status.TRIALING if as_of < paid_from else Subscription.Status.ACTIVE


@transaction.atomic
def complete(subscription: Subscription, *, as_of: date, actor: str) -> Subscription:
    """Let a subscription that was incomplete begin: it becomes what its dates say, with access.

    A second time changes nothing, and neither does a call for one that has ended meanwhile.
    """
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    if subscription.status != Subscription.Status.INCOMPLETE:
        return subscription
    contract = load_contracts([subscription.pk])[subscription.pk]
    status = contract.dated_status_on(as_of)
    has_ended = status == Subscription.Status.ENDED
    subscription.move(
        status,
        access=Subscription.Access.NONE if has_ended else Subscription.Access.FULL,
        next_bill_on=soonest(subscription.next_bill_on, as_of),
    )
    name = "subscription.ended" if has_ended else "subscription.activated"
    record_for(name, subscription, as_of, actor, **{"from": "incomplete"})
    return subscription


@transaction.atomic
def abandon(subscription: Subscription, *, as_of: date, actor: str) -> Subscription:
    """End an incomplete subscription as if it had never begun: none of its days are billed.

    A second time changes nothing. Raises :class:`Refused` ("subscription_complete") for one that
    has begun: that one is canceled.
    """
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    if subscription.status == Subscription.Status.ENDED:
        return subscription
    if subscription.status != Subscription.Status.INCOMPLETE:
        raise Refused("It has begun. Cancel it instead.", code="subscription_complete")
    subscription.move(
        Subscription.Status.ENDED,
        ends_on=subscription.starts_on,
        cancels_on=None,
        next_bill_on=None,
    )
    subscription.coupon_redemptions.filter(removed_on=None).update(removed_on=as_of)
    record_for("subscription.ended", subscription, as_of, actor, **{"from": "incomplete"})
    return subscription


@transaction.atomic
def change(
    subscription: Subscription,
    *,
    as_of: date,
    actor: str,
    plan: Plan | None = None,
    quantities: Mapping[str, Decimal] | None = None,
    when: When = "now",
    is_credited: bool = True,
    is_prorated: bool = True,
    anchor: str | None = None,
    anchor_day: int | None = None,
    anchor_on: date | None = None,
) -> Subscription:
    """Change plan or quantities from a day on; a new change replaces one that was scheduled.

    ``is_credited``: unused days paid ahead come back. Without ``is_prorated`` nothing happens to
    the price before the next period. ``anchor`` is keep or reset; it is reset by itself where the
    new plan has another interval. The plan that is there already brings the prices that it has
    now. Raises :class:`Refused` ("nothing_to_change") where all would stay as it is.
    """
    subscription, agreement = lock_subscription(subscription, as_of)
    on = day_of(agreement, when, as_of)
    if not is_prorated:
        on = period_end(agreement, on)
    if agreement.end is not None and on >= agreement.end:
        raise Refused(f"It ends on {agreement.end}, before the change.", code="subscription_ended")
    has_changed = drop_scheduled(subscription, as_of)
    old_plan = plan_on(subscription, on)
    new_plan = plan or old_plan
    prices = prices_of(new_plan, subscription.currency)
    overrides = subscription.quantities | checked_quantities(prices, quantities or {})
    terms = (subscription, prices, overrides, on)
    if new_plan.pk != old_plan.pk:
        _refuse_another_family(old_plan, new_plan)
        end_items(subscription, on, keeps_paid=not is_credited)
        add_items(*terms)
        has_changed = True
    else:
        if plan is not None:
            has_changed |= renew_prices(*terms, keeps_paid=not is_credited)
        has_changed |= change_quantities(*terms, keeps_paid=not is_credited)
    has_other_interval = interval_of(new_plan) != interval_of(old_plan)
    resets = anchor == "reset" or (anchor is None and has_other_interval)
    if resets or has_other_interval or anchor_day is not None or anchor_on is not None:
        grid = changed_grid(agreement, new_plan, on, anchor_day, anchor_on, resets)
        cut_cycles(subscription, on, grid)
        has_changed = True
    if not has_changed:
        raise Refused(_NOTHING_CHANGES, code="nothing_to_change")
    known_codes = {price.code for price in prices}
    save_changes(
        subscription,
        quantities={code: value for code, value in overrides.items() if code in known_codes},
        plan=new_plan if on <= as_of else subscription.plan,
        next_bill_on=soonest(subscription.next_bill_on, max(on, as_of)),
    )
    record_for(
        "subscription.changed",
        subscription,
        as_of,
        actor,
        plan=new_plan.code,
        from_plan=old_plan.code,
        effective_on=on.isoformat(),
    )
    return subscription


@transaction.atomic
def undo_change(subscription: Subscription, *, as_of: date, actor: str) -> Subscription:
    """Take a planned change back: what there is today goes on.

    Raises :class:`Refused` ("no_change_planned").
    """
    subscription, _ = lock_subscription(subscription, as_of)
    planned_on = planned_change_on(subscription, as_of)
    if planned_on is None:
        raise Refused("There is no planned change to undo.", code="no_change_planned")
    planned = plan_on(subscription, planned_on)
    drop_scheduled(subscription, as_of)
    save_changes(
        subscription,
        quantities=subscription.quantities,
        next_bill_on=soonest(subscription.next_bill_on, as_of),
    )
    record_for(
        "subscription.change_undone",
        subscription,
        as_of,
        actor,
        plan=subscription.plan.code,
        planned_plan=planned.code,
        planned_on=planned_on.isoformat(),
    )
    return subscription


@transaction.atomic
def cancel(
    subscription: Subscription,
    *,
    as_of: date,
    actor: str,
    when: When = "period_end",
    is_credited: bool = False,
    is_refunded: bool = False,
    is_usage_billed: bool = True,
    reason: str = "",
) -> Subscription:
    """Plan the end. ``when="now"`` makes ``as_of`` the first day without service.

    ``is_credited``: unused days paid ahead come back; ``is_refunded`` pays them back as far as
    they were paid. Without ``is_usage_billed`` the usage of the last part is given away.
    ``reason`` is what the customer says of it, for the event alone.
    """
    subscription, agreement = lock_subscription(subscription, as_of, may_be_incomplete=True)
    end = day_of(agreement, when, as_of)
    if subscription.agreed_ends_on is not None:
        end = min(end, subscription.agreed_ends_on)
    changes: dict[str, Any] = {
        "cancels_on": end,
        "ends_on": end,
        "is_unused_credited_at_end": is_credited or is_refunded,
        "is_unused_refunded_at_end": is_refunded,
        "is_final_usage_billed": is_usage_billed,
        "next_bill_on": soonest(subscription.next_bill_on, max(end, as_of)),
    }
    if end <= as_of:
        changes["access"] = Subscription.Access.NONE
        subscription.move(Subscription.Status.ENDED, **changes)
    else:
        save_changes(subscription, **changes)
    said = {"reason": reason} if reason else {}
    record_for("subscription.canceled", subscription, as_of, actor, ends_on=end.isoformat(), **said)
    return subscription


@transaction.atomic
def undo_cancel(subscription: Subscription, *, as_of: date, actor: str) -> Subscription:
    """Take a planned cancellation back; the next bill charges the days that it left out."""
    subscription, _ = lock_subscription(subscription, as_of)
    if subscription.cancels_on is None:
        raise Refused("There is no cancellation to undo.", code="not_canceled")
    save_changes(
        subscription,
        cancels_on=None,
        ends_on=subscription.agreed_ends_on,
        is_unused_credited_at_end=False,
        is_unused_refunded_at_end=False,
        is_final_usage_billed=True,
        next_bill_on=soonest(subscription.next_bill_on, as_of),
    )
    record_for("subscription.cancel_undone", subscription, as_of, actor)
    return subscription


@transaction.atomic
def change_buyer_reference(
    subscription: Subscription, reference: str, *, as_of: date, actor: str
) -> Subscription:
    """Have the documents from now on bear another reference of the buyer's; "": the customer's."""
    subscription, _ = lock_subscription(subscription, as_of, may_be_incomplete=True)
    if subscription.buyer_reference != reference:
        save_changes(subscription, buyer_reference=reference)
        record_for("subscription.reference_changed", subscription, as_of, actor)
    return subscription


_NOTHING_CHANGES = (
    "Nothing would change: the subscription has this plan, these quantities and the plan's prices "
    "already."
)


def _refuse_another_family(old: Plan, new: Plan) -> None:
    if new.family != old.family:
        raise Refused(f"{old} and {new} are not of one family.", code="plan_of_another_family")
