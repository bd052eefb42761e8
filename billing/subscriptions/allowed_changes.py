"""What customers may do with a subscription by themselves. Operators may do more.

A fixed term is kept: who has agreed to one does not cancel it here. What is suspended for a debt is
not changed or paused to get around it, but it can be canceled. Consumers may withdraw for two weeks
whatever was agreed.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from django.db.models import Prefetch, prefetch_related_objects

from billing.engine.errors import Refused
from billing.subscriptions.items import planned_change_on
from billing.subscriptions.models import Subscription
from catalog.models import Plan, Price

DEEDS = ("change", "coupon", "pause", "resume", "cancel", "undo", "undo_change", "withdraw")
# The reason that stands in the event of a subscription whose customer has withdrawn.
WITHDRAWAL = "withdrawal"
_WITHDRAWAL_DAYS = 14


def deeds_of(subscription: Subscription, as_of: date) -> frozenset[str]:
    """Which of :data:`DEEDS` its customer may do on a day."""
    Status = Subscription.Status
    if subscription.status in (Status.ENDED, Status.INCOMPLETE):
        return frozenset()
    if subscription.ends_on is not None and subscription.ends_on <= as_of:
        return frozenset()
    until = withdraws_until(subscription)
    deeds = {"withdraw"} if until is not None and as_of <= until else set()
    if subscription.cancels_on is not None:
        return frozenset(deeds | {"undo"})
    if subscription.ends_on is None:
        deeds.add("cancel")
    has_access = subscription.access != Subscription.Access.NONE
    if has_access and planned_change_on(subscription, as_of):
        deeds.add("undo_change")
    if subscription.status == Status.PAUSED:
        return frozenset(deeds | {"resume"})
    if has_access:
        deeds |= {"coupon", "pause"}
        if _has_a_choice(subscription):
            deeds.add("change")
    return frozenset(deeds)


def withdraws_until(subscription: Subscription) -> date | None:
    """The last day on which its customer may withdraw without a reason; None for businesses.

    Fourteen days from the day after the contract (Directive 2011/83/EU, article 9; Regulation
    1182/71, article 3), by a function on the page that sold it (article 11a, in force since 19 June
    2026; in Sweden lag 2005:59, chapter 2).
    """
    if subscription.customer.is_business:
        return None
    return subscription.starts_on + timedelta(days=_WITHDRAWAL_DAYS)


def _has_a_choice(subscription: Subscription) -> bool:
    """Whether there is another plan to change to, or a number of units to choose."""
    plans = plans_for(subscription)
    return len(plans) > 1 or any(counted(plan.offered) for plan in plans)  # type: ignore[attr-defined]


def refuse_unless_offered(subscription: Subscription, deed: str, as_of: date) -> None:
    """Raise :class:`Refused` ("not_offered") for what the customer may not do just now."""
    if deed not in deeds_of(subscription, as_of):
        raise Refused(
            f"{subscription} cannot be changed in this way by its customer as it now stands.",
            code="not_offered",
        )


def plans_for(subscription: Subscription) -> list[Plan]:
    """The plans that a subscription can have: its own, and those of its family that are offered.

    Each has its offered prices in the subscription's currency as ``offered``, the first first.
    """
    plan = subscription.plan
    family = Plan.objects.filter(seller=subscription.seller_id, is_active=True).exclude(family="")
    plans = list(family.filter(family=plan.family).order_by("pk"))
    if plan not in plans:
        plans.insert(0, plan)
    offered = Price.objects.filter(currency=subscription.currency, is_active=True)
    in_order = Prefetch("prices", offered.order_by("position", "id"), to_attr="offered")
    prefetch_related_objects(plans, in_order)
    return [each for each in plans if each.offered or each == plan]  # type: ignore[attr-defined]


def counted(prices: Sequence[Price]) -> list[Price]:
    """The prices whose number of units the customer chooses."""
    return [
        price
        for price in prices
        if not price.meter
        and price.billing != Price.Billing.ONCE
        and price.model != Price.Model.FLAT
    ]
