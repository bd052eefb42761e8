"""What a customer may use: asked by shops at each visit, so in two queries and without a lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Prefetch, Q

from billing.subscriptions.models import Pause, Subscription, SubscriptionItem
from catalog.models import Price
from customers.models import Customer
from customers.persons import staying_of

ACCESSES = ("full", "restricted", "none")
# Of two reasons for no access, the one that the customer can do more about.
REASONS = (
    "active",
    "trialing",
    "late_payment",
    "paused",
    "incomplete",
    "not_started",
    "ended",
    "no_subscription",
)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Whether a customer may use something, and why.

    ``since`` is the first day of it as it stands, ``until`` the first day on which it is known to
    change; either is None where there is none. ``reason`` is one of :data:`REASONS`.
    """

    access: str
    reason: str
    since: date | None = None
    until: date | None = None
    subscription: Subscription | None = None


def entitlement(
    customer: Customer, *, as_of: date, plan: str | None = None, feature: str | None = None
) -> Entitlement:
    """May the customer use a plan (its code), or a feature (of any plan) on a day?

    Of several subscriptions the one that allows most counts. Those of a merged customer are the
    other's, so it may use what that one may.
    """
    customer = staying_of(customer)
    wanted = Q(price__plan__code=plan) if plan is not None else Q()
    if feature is not None:
        wanted &= Q(price__plan__features__contains=[feature])
    items = SubscriptionItem.objects.filter(wanted, subscription__customer=customer)
    found = Subscription.objects.filter(customer=customer, items__in=items).distinct()
    with_days = found.prefetch_related(
        Prefetch("items", items.select_related("price"), to_attr="wanted_items"), "pauses"
    )
    seen = [_of_subscription(each, as_of) for each in with_days]
    if not seen:
        return Entitlement("none", "no_subscription")
    return min(seen, key=lambda one: (ACCESSES.index(one.access), REASONS.index(one.reason)))


def _of_subscription(subscription: Subscription, as_of: date) -> Entitlement:
    since, until = _span(subscription.wanted_items, as_of)  # type: ignore[attr-defined]
    end = subscription.ends_on

    def answer(access: str, reason: str, since: date | None, until: date | None) -> Entitlement:
        return Entitlement(access, reason, since, until, subscription)

    if subscription.status == Subscription.Status.INCOMPLETE:
        return answer("none", "incomplete", None, None)
    if subscription.status == Subscription.Status.ENDED or (end and end <= as_of):
        return answer("none", "ended", end, None)
    if since is None:
        return answer("none", "not_started" if until else "ended", None, until)
    pauses = list(subscription.pauses.all())
    resting = _covering(pauses, as_of)
    if resting is not None:
        return answer("none", "paused", resting.starts_on, resting.ends_on)
    rested = [rest.ends_on for rest in pauses if rest.ends_on and rest.ends_on <= as_of]
    since = max(since, *rested) if rested else since
    to_come = [rest.starts_on for rest in pauses if rest.starts_on > as_of]
    until = min((day for day in (until, end, *to_come) if day), default=None)
    if subscription.access != Subscription.Access.FULL:
        return answer(subscription.access, "late_payment", since, until)
    if as_of < subscription.paid_from:
        return answer("full", "trialing", since, until)
    return answer("full", "active", since, until)


def _span(items: Sequence[SubscriptionItem], as_of: date) -> tuple[date | None, date | None]:
    """From when and until when there is a version without a gap around a day.

    Without one on ``as_of``: None, and the day on which one begins, if it does.
    """
    merged: list[tuple[date, date]] = []
    for start, end in sorted(_spans(items)):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    for start, end in merged:
        if as_of < start:
            return None, start
        if as_of < end:
            return start, None if end == date.max else end
    return None, None


def _spans(items: Sequence[SubscriptionItem]) -> list[tuple[date, date]]:
    """Days of the versions that are had. Where all is bought once, it is had from then on."""
    lasting = [item for item in items if item.price.billing != Price.Billing.ONCE]
    if not lasting:
        return [(item.starts_on, date.max) for item in items]
    return [
        (item.starts_on, item.ends_on or date.max)
        for item in lasting
        if item.starts_on != item.ends_on
    ]


def _covering(pauses: Sequence[Pause], on: date) -> Pause | None:
    for rest in pauses:
        if rest.starts_on <= on and (rest.ends_on is None or rest.ends_on > on):
            return rest
    return None
