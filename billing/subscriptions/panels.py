"""Tables of subscriptions, and of what hangs on one, on pages of the desk."""

from datetime import date

from django.db.models import Q, QuerySet
from django.utils.translation import npgettext, pgettext

from billing.base.intervals import interval_in_words
from billing.desk.figures import (
    day,
    figure,
    link,
    plain,
    unit_price,
)
from billing.desk.panels import Panel
from billing.subscriptions import coupons
from billing.subscriptions.models import (
    BillingCycle,
    CouponRedemption,
    Subscription,
    SubscriptionItem,
)
from catalog.models import Price


def items_on(subscription: Subscription, on: date) -> QuerySet[SubscriptionItem]:
    """The items in force on a day of which one can have more or less."""
    in_force = Q(starts_on__lte=on) & (Q(ends_on__isnull=True) | Q(ends_on__gt=on))
    counted = ~Q(price__model=Price.Model.FLAT) & ~Q(price__billing=Price.Billing.ONCE)
    found = subscription.items.filter(in_force, counted, price__meter="")
    return found.select_related("price")


def _item_amount(item: SubscriptionItem) -> str:
    if item.agreed_amount is None:
        return figure(unit_price(item.price.amount, item.price.currency))
    agreed = unit_price(item.agreed_amount, item.price.currency)
    return figure(pgettext("desk", "%(amount)s (agreed)") % {"amount": agreed})


def _last_period(cycle: BillingCycle) -> str | None:
    if cycle.tail_days is None or cycle.tail_starts_on is None:
        return None
    said = {"days": cycle.tail_days, "day": day(cycle.tail_starts_on)}
    return (
        npgettext(
            "desk", "%(days)s day from %(day)s", "%(days)s days from %(day)s", cycle.tail_days
        )
        % said
    )


ITEMS = Panel(
    "What it consists of",
    rows=lambda subscription: subscription.items.select_related("price__plan").order_by(
        "-starts_on", "position", "id"
    ),
    columns={
        "Price": lambda item: link(item.price, item.price.name or item.key),
        "Plan": lambda item: link(item.price.plan),
        "Quantity": lambda item: plain(item.quantity),
        "Amount": _item_amount,
        "From": lambda item: item.starts_on,
        "Until": lambda item: item.ends_on,
    },
)
CYCLES = Panel(
    "Billing cycles",
    rows=lambda subscription: subscription.cycles.order_by("-starts_on"),
    columns={
        "In force from": lambda cycle: cycle.starts_on,
        "Billed": lambda cycle: interval_in_words(cycle.interval_unit, cycle.interval_count),
        "Anchor": lambda cycle: cycle.anchor_on,
        "Last period": _last_period,
    },
)
PAUSES = Panel(
    "Pauses",
    rows=lambda subscription: subscription.pauses.order_by("-starts_on"),
    columns={
        "From": lambda pause: pause.starts_on,
        "Until": lambda pause: pause.ends_on or pgettext("desk", "further notice"),
        "Days already paid": lambda pause: pause.get_unused_display(),
    },
    when_empty="Never paused.",
)
COUPONS = Panel(
    "Coupons",
    rows=lambda subscription: subscription.coupon_redemptions.select_related("coupon"),
    columns={
        "Coupon": lambda redemption: link(redemption.coupon),
        "From": lambda redemption: redemption.starts_on,
        "Until": lambda redemption: redemption.expires_on,
        "Used up": lambda redemption: bool(redemption.is_spent),
    },
)
SUBSCRIPTIONS = Panel(
    "Subscriptions",
    rows=lambda customer: customer.subscriptions.select_related("plan").order_by("-id"),
    columns={
        "Plan": lambda subscription: link(subscription, subscription.plan.name),
        "Status": lambda subscription: subscription.get_status_display(),
        "From": lambda subscription: subscription.starts_on,
        "Until": lambda subscription: subscription.ends_on,
        "Next bill": lambda subscription: subscription.next_bill_on,
        "Needs a hand": lambda subscription: subscription.parked_reason or None,
    },
    list_of=Subscription,
    list_by="customer__id__exact",
)
USES = Panel(
    "Uses",
    rows=lambda coupon: [coupon],
    columns={
        "Redeemed": coupons.uses_of,
        "At most": lambda coupon: coupon.uses_max or pgettext("desk", "any number"),
        "Last day": lambda coupon: coupon.last_on,
    },
)
REDEMPTIONS = Panel(
    "Redeemed by",
    rows=lambda coupon: coupon.redemptions.select_related(
        "customer", "subscription__customer", "subscription__plan"
    ).order_by("-id"),
    columns={
        "Customer": lambda redemption: link(redemption.customer),
        "Subscription": lambda redemption: link(redemption.subscription),
        "From": lambda redemption: redemption.starts_on,
        "Until": lambda redemption: redemption.expires_on,
        "Removed": lambda redemption: redemption.removed_on,
    },
    list_of=CouponRedemption,
    list_by="coupon__id__exact",
    when_empty="By nobody yet.",
)
