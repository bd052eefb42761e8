"""What can happen to a subscription. None of these bills: they say from when a bill is due.

Every function locks the customer first, the one lock around a customer's money, takes ``as_of``
(a day in the subscription's time zone) and ``actor``, and records its event. What the present
state does not allow raises :class:`Refused` with a stable code.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

from django.db import transaction
from django.db.models import Q

from billing.base.sql.reading import read
from billing.engine.agreement import Agreement
from billing.engine.bounds import QUANTITY_DECIMALS_MAX, QUANTITY_MAX
from billing.engine.errors import CurrencyMismatch, InvalidAgreement, Refused
from billing.engine.periods import (
    Cycle,
    Grid,
    anchored_on,
    anchored_on_calendar,
    anchored_on_day,
    period_of,
)
from billing.events.recorder import record
from billing.subscriptions.agreements import load_contracts
from billing.subscriptions.models import (
    BillingCycle,
    CouponRedemption,
    Pause,
    Subscription,
    SubscriptionItem,
)
from catalog.models import Coupon, Plan, Price
from customers.locks import lock_customer
from customers.models import Customer

When = Literal["now", "period_end"] | date


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
    metadata: Mapping[str, Any] | None = None,
    is_incomplete: bool = False,
) -> Subscription:
    """Start a subscription on ``as_of``; the first bill is due that day.

    ``quantities`` by price code override the plan's, 0 leaves the item out. The grid is fixed by
    ``anchor_day``, ``anchor_on`` or ``align="calendar"``, else by the paid start. ``ends_on`` is
    the first day without service; ``cycles`` ends the term after so many whole periods. One that
    ``is_incomplete`` gives no access until :func:`complete`.
    """
    lock_customer(customer.pk)
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
        metadata=dict(metadata or {}),
    )
    add_cycle(subscription, as_of, grid)
    add_items(subscription, prices, overrides, as_of, had=frozenset())
    for coupon in coupons:
        redeem_locked(customer, coupon, subscription, as_of, actor)
    record_of_subscription("subscription.started", subscription, as_of, actor, plan=plan.code)
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
    Customer.objects.select_for_update().get(pk=subscription.customer_id)
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
    record_of_subscription(name, subscription, as_of, actor, **{"from": "incomplete"})
    return subscription


@transaction.atomic
def abandon(subscription: Subscription, *, as_of: date, actor: str) -> Subscription:
    """End an incomplete subscription as if it had never begun: none of its days are billed.

    A second time changes nothing. Raises :class:`Refused` ("subscription_complete") for one that
    has begun: that one is canceled.
    """
    Customer.objects.select_for_update().get(pk=subscription.customer_id)
    subscription.refresh_from_db()
    if subscription.status == Subscription.Status.ENDED:
        return subscription
    if subscription.status != Subscription.Status.INCOMPLETE:
        raise Refused("It has begun. Cancel it instead.", code="subscription_complete")
    subscription.move("ended", ends_on=subscription.starts_on, cancels_on=None, next_bill_on=None)
    subscription.coupon_redemptions.filter(removed_on=None).update(removed_on=as_of)
    record_of_subscription(
        "subscription.ended", subscription, as_of, actor, **{"from": "incomplete"}
    )
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
    record_of_subscription(
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
    record_of_subscription("subscription.anchor_changed", subscription, as_of, actor)
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
        subscription.move("ended", **changes)
    else:
        save_changes(subscription, **changes)
    said = {"reason": reason} if reason else {}
    record_of_subscription(
        "subscription.canceled", subscription, as_of, actor, ends_on=end.isoformat(), **said
    )
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
    record_of_subscription("subscription.cancel_undone", subscription, as_of, actor)
    return subscription


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
        raise Refused("It is paused already.", code="already_paused")
    Pause.objects.create(subscription=subscription, starts_on=as_of, ends_on=until, unused=unused)
    if unused == Pause.Unused.SHIFT and until is not None:
        _shift(subscription, agreement, as_of, (until - as_of).days)
    status = Subscription.Status.PAUSED
    subscription.move(status, next_bill_on=soonest(subscription.next_bill_on, as_of))
    record_of_subscription(
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
    record_of_subscription("subscription.resumed", subscription, as_of, actor)
    return subscription


@transaction.atomic
def redeem_coupon(
    customer: Customer,
    coupon: Coupon,
    *,
    as_of: date,
    actor: str,
    subscription: Subscription | None = None,
) -> CouponRedemption:
    """Give a customer, or one subscription, a coupon. This bills nothing by itself."""
    Customer.objects.select_for_update().get(pk=customer.pk)
    if subscription:
        subscription.refresh_from_db()
        refuse_incomplete(subscription)
    return redeem_locked(customer, coupon, subscription, as_of, actor)


def redeem_locked(
    customer: Customer,
    coupon: Coupon,
    subscription: Subscription | None,
    as_of: date,
    actor: str,
) -> CouponRedemption:
    if not coupon.is_active:
        raise Refused(f"The coupon {coupon} is no longer offered.", code="coupon_inactive")
    _refuse_useless(customer, coupon, subscription)
    redemption, is_new = CouponRedemption.objects.get_or_create(
        coupon=coupon,
        customer=customer,
        subscription=subscription,
        is_spent=False,
        removed_on=None,
        defaults={"starts_on": as_of},
    )
    if not is_new:
        raise Refused(f"The coupon {coupon} is there already.", code="coupon_already_there")
    record(
        "coupon.redeemed",
        seller=customer.seller.public_id,
        subject=(subscription or customer).public_id,
        occurred_on=as_of,
        actor=actor,
        data={"coupon": coupon.code},
    )
    return redemption


def _refuse_useless(customer: Customer, coupon: Coupon, subscription: Subscription | None) -> None:
    """Refuse a coupon for other plans or currencies than any that the customer has."""
    if not coupon.plans and not coupon.amount_off_minor:
        return
    if subscription:
        running = {(subscription.plan.code, subscription.currency)}
    else:
        going_on = customer.subscriptions.exclude(status=Subscription.Status.ENDED)
        running = set(going_on.values_list("plan__code", "currency"))
    currencies = {currency for _, currency in running}
    if currencies and coupon.amount_off_minor and coupon.currency not in currencies:
        raise CurrencyMismatch(
            f"The coupon {coupon} is in {coupon.currency} and would take nothing off what is in "
            f"{', '.join(sorted(currencies))}."
        )
    plans = {plan for plan, _ in running}
    if plans and coupon.plans and not plans & set(coupon.plans):
        wanted, had = ", ".join(coupon.plans), ", ".join(sorted(plans))
        raise Refused(
            f"The coupon {coupon} is for {wanted} and would take nothing off {had}.",
            code="coupon_of_another_plan",
        )


@transaction.atomic
def remove_coupon(
    customer: Customer,
    coupon: Coupon,
    *,
    as_of: date,
    actor: str,
    subscription: Subscription | None = None,
) -> None:
    """Take a coupon away from later documents."""
    Customer.objects.select_for_update().get(pk=customer.pk)
    if subscription:
        subscription.refresh_from_db()
        refuse_incomplete(subscription)
    found = CouponRedemption.objects.filter(
        coupon=coupon, customer=customer, subscription=subscription, removed_on=None, is_spent=False
    ).update(removed_on=as_of)
    if not found:
        raise Refused(f"There is no coupon {coupon} to remove.", code="coupon_not_there")
    record(
        "coupon.removed",
        seller=customer.seller.public_id,
        subject=(subscription or customer).public_id,
        occurred_on=as_of,
        actor=actor,
        data={"coupon": coupon.code},
    )


def lock_subscription(
    subscription: Subscription, as_of: date, *, may_be_incomplete: bool = False
) -> tuple[Subscription, Agreement]:
    """The subscription as it now stands, its customer locked, and all that it has agreed to."""
    Customer.objects.select_for_update().get(pk=subscription.customer_id)
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


def record_of_subscription(
    type: str, subscription: Subscription, as_of: date, actor: str, **data: Any
) -> None:
    record(
        type,
        seller=subscription.seller.public_id,
        subject=subscription.public_id,
        occurred_on=as_of,
        actor=actor,
        data=data,
    )


def soonest(known: date | None, other: date) -> date:
    return other if known is None else min(known, other)


def prices_of(plan: Plan, currency: str | None) -> list[Price]:
    """The plan's prices offered in a currency, by default in the seller's or its only one.

    Raises :class:`CurrencyMismatch` where there are none.
    """
    offered = read(Price, "WHERE plan_id = %s AND is_active ORDER BY position, id", [plan.pk])
    currencies = {price.currency for price in offered}
    if currency is None:
        own = plan.seller.currency
        currency = own if own in currencies else min(currencies, default=own)
    prices = [price for price in offered if price.currency == currency]
    if not prices:
        raise CurrencyMismatch(f"The plan {plan} has no prices in {currency}.")
    for price in prices:
        price.plan = plan
        price.terms().check()
    return prices


def checked_quantities(
    prices: Sequence[Price], quantities: Mapping[str, Decimal]
) -> dict[str, str]:
    """Quantities by price code as they are kept.

    Raises :class:`Refused` ("unknown_price", "quantity_out_of_bounds") and
    :class:`InvalidAgreement` ("negative_quantity").
    """
    known = {price.code for price in prices}
    for code, quantity in quantities.items():
        if code not in known:
            raise Refused(f"The plan has no price “{code}”.", code="unknown_price")
        if Decimal(quantity) < 0:
            raise InvalidAgreement(
                f"The quantity of {code} cannot be {quantity}.", code="negative_quantity"
            )
        exponent = Decimal(quantity).as_tuple().exponent
        if quantity > QUANTITY_MAX or -int(exponent) > QUANTITY_DECIMALS_MAX:
            raise Refused(
                f"A quantity is at most {QUANTITY_MAX}, with at most {QUANTITY_DECIMALS_MAX} "
                f"decimals; write that of {code} anew, or measure in another unit.",
                code="quantity_out_of_bounds",
            )
    return {code: str(quantity) for code, quantity in quantities.items()}


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


def add_items(
    subscription: Subscription,
    prices: Sequence[Price],
    overrides: Mapping[str, str],
    on: date,
    *,
    had: Set[int] | None = None,
) -> None:
    """Items for a plan's prices; a price that is billed once is had once by a subscription.

    ``had`` are the prices that it has or had, where the caller knows them.
    """
    if had is None:
        had = set(subscription.items.values_list("price_id", flat=True))
    items = []
    for price in prices:
        is_once = price.billing == Price.Billing.ONCE
        quantity = Decimal(overrides.get(price.code, price.quantity))
        if not quantity or (is_once and price.pk in had):
            continue
        items.append(
            SubscriptionItem(
                subscription=subscription,
                price=price,
                key=f"{price.code}@{price.pk}" if is_once else price.code,
                quantity=quantity,
                position=price.position,
                starts_on=on,
                ends_on=on + timedelta(days=1) if is_once else None,
            )
        )
    SubscriptionItem.objects.bulk_create(items)
    # None is ever unused again.
    new = [item.price_id for item in items if not item.price.is_used]
    if new:
        Price.objects.filter(pk__in=new).update(is_used=True)


def _ongoing(subscription: Subscription) -> Any:
    return subscription.items.filter(ends_on=None).exclude(price__billing=Price.Billing.ONCE)


_NOTHING_CHANGES = (
    "Nothing would change: the subscription has this plan, these quantities and the plan's prices "
    "already."
)


def interval_of(plan: Plan) -> tuple[str, int]:
    return plan.interval_unit, plan.interval_count


def _refuse_another_family(old: Plan, new: Plan) -> None:
    if new.family != old.family:
        raise Refused(f"{old} and {new} are not of one family.", code="plan_of_another_family")


def end_items(subscription: Subscription, on: date, *, keeps_paid: bool) -> None:
    _ongoing(subscription).update(ends_on=on, keeps_paid=keeps_paid)


def change_quantities(
    subscription: Subscription,
    prices: Sequence[Price],
    overrides: Mapping[str, str],
    on: date,
    *,
    keeps_paid: bool,
) -> bool:
    """Change what has another quantity from a day on; whether anything has."""
    current = {item.key: item for item in _ongoing(subscription).select_related("price")}
    added, has_changed = [], False
    for price in prices:
        if price.billing == Price.Billing.ONCE or price.code not in overrides:
            continue
        quantity, item = Decimal(overrides[price.code]), current.get(price.code)
        if quantity == (item.quantity if item else 0):
            continue
        has_changed = True
        if item is not None:
            item.ends_on, item.keeps_paid = on, keeps_paid
            item.save(update_fields=["ends_on", "keeps_paid"])
        if quantity:
            added.append(
                SubscriptionItem(
                    subscription=subscription,
                    price=item.price if item else price,
                    agreed_amount=item.agreed_amount if item else None,
                    key=price.code,
                    quantity=quantity,
                    position=price.position,
                    starts_on=on,
                )
            )
    SubscriptionItem.objects.bulk_create(added)
    new = [item.price_id for item in added]
    Price.objects.filter(pk__in=new, is_used=False).update(is_used=True)
    return has_changed


def renew_prices(
    subscription: Subscription,
    prices: Sequence[Price],
    overrides: Mapping[str, str],
    on: date,
    *,
    keeps_paid: bool,
) -> bool:
    """Put the prices that a plan has now in place of those that it had; whether any differs."""
    offered = {price.code: price for price in prices if price.billing != Price.Billing.ONCE}
    items = {item.key: item for item in _ongoing(subscription)}
    ended = [item for code, item in items.items() if _price_id(offered.get(code)) != item.price_id]
    for item in ended:
        item.ends_on, item.keeps_paid = on, keeps_paid
        item.save(update_fields=["ends_on", "keeps_paid"])
    kept = {item.key: str(item.quantity) for item in ended} | dict(overrides)
    new = [price for code, price in offered.items() if _is_new(price, items)]
    added = [price for price in new if Decimal(kept.get(price.code, price.quantity))]
    add_items(subscription, added, kept, on)
    return bool(ended or added)


def _price_id(price: Price | None) -> int | None:
    return price.pk if price else None


def _is_new(price: Price, items: Mapping[str, SubscriptionItem]) -> bool:
    return price.code not in items or items[price.code].price_id != price.pk


def drop_scheduled(subscription: Subscription, as_of: date) -> bool:
    """Forget versions that have not begun, and let those that they were to replace go on.

    Whether there were any.
    """
    future = subscription.items.filter(starts_on__gt=as_of)
    days = set(future.values_list("starts_on", flat=True))
    future.delete()
    cut = subscription.items.filter(ends_on__gt=as_of)
    reopened = cut.exclude(price__billing=Price.Billing.ONCE)
    has_dropped = bool(reopened.update(ends_on=None, keeps_paid=False) or days)
    subscription.cycles.filter(starts_on__in=days).delete()
    return has_dropped


def plan_on(subscription: Subscription, on: date) -> Plan:
    item = (
        _ongoing(subscription)
        .filter(starts_on__lte=on)
        .select_related("price__plan__seller")
        .order_by("-starts_on", "-id")
        .first()
    )
    return item.price.plan if item else subscription.plan


def _pause_on(subscription: Subscription, on: date) -> Pause | None:
    return (
        subscription.pauses.filter(starts_on__lte=on)
        .filter(Q(ends_on=None) | Q(ends_on__gt=on))
        .first()
    )


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
