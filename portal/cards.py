"""Subscriptions as their customer sees them, any number in a constant number of queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from django.utils.translation import pgettext

from billing.engine import pricing
from billing.engine.agreement import Item
from billing.engine.metering import Usage
from billing.engine.periods import Period, period_of
from billing.subscriptions.agreements import Contract, load_contracts
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.usage.actions import load_usage
from billing.usage.models import Meter
from catalog.models import Plan, Price
from portal.words import (
    State,
    free_units_of,
    price_of,
    state_of_subscription,
    units_of,
    with_tax,
    writer,
)


@dataclass(frozen=True, slots=True)
class UsageBar:
    """How much of a meter is used in this period, beside what the price includes of it."""

    name: str
    used: str
    included: str
    steps: str
    value: int
    maximum: int

    @property
    def is_over(self) -> bool:
        return bool(self.maximum) and self.value > self.maximum


@dataclass(slots=True)
class Card:
    """A subscription in words. ``sentence`` says what happens next, and when."""

    subscription: Subscription
    state: State
    price: str
    sentence: str
    parts: list[str] = field(default_factory=list)
    usage: list[UsageBar] = field(default_factory=list)
    coupons: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.subscription.status == Subscription.Status.ENDED


def cards_of(subscriptions: Sequence[Subscription], as_of: date) -> list[Card]:
    """A card for each subscription, whose plan has been read with it."""
    ids = [subscription.pk for subscription in subscriptions]
    if not ids:
        return []
    contracts, usages = load_contracts(ids), load_usage(ids)
    seller = subscriptions[0].seller_id
    meters = dict(Meter.objects.filter(seller=seller).values_list("code", "name"))
    coupons = _coupons(ids)
    return [
        _card(
            subscription,
            contracts[subscription.pk],
            usages.get(subscription.pk, {}),
            meters,
            coupons.get(subscription.pk, []),
            as_of,
        )
        for subscription in subscriptions
    ]


def items_on(contract: Contract, on: date) -> list[Item]:
    """What is agreed to on a day, without what is paid once."""
    return [
        item
        for item in contract.agreement.items
        if item.start <= on
        and (item.end is None or on < item.end)
        and item.price.billing != Price.Billing.ONCE
    ]


def period_on(contract: Contract, on: date) -> Period:
    """The period that a day belongs to; of a trial, the trial."""
    agreement = contract.agreement
    if on < agreement.paid_from:
        days = (agreement.paid_from - agreement.start).days
        return Period(agreement.start, agreement.paid_from, days)
    return period_of(agreement.cycles, on)


def _card(
    subscription: Subscription,
    contract: Contract,
    usage: Mapping[str, Usage],
    meters: Mapping[str, str],
    coupons: list[str],
    as_of: date,
) -> Card:
    items = items_on(contract, as_of)
    period = period_on(contract, max(as_of, subscription.starts_on))
    plan, currency = subscription.plan, subscription.currency
    return Card(
        subscription,
        state_of_subscription(subscription, as_of),
        price_in_words(contract, plan, items) if items else "",
        _sentence(subscription, contract, period, as_of),
        [_part(item, contract, currency) for item in items if _is_counted(item)],
        [
            _bar(item.price, contract.terms[item.price.ref].unit, currency, usage, meters, period)
            for item in items
            if item.price.meter is not None
        ],
        coupons,
    )


def price_in_words(contract: Contract, plan: Plan, items: Sequence[Item]) -> str:
    """What is paid for these items of an agreement, as it was agreed."""
    parts = [(item.price, item.quantity) for item in items]
    amount = price_of(plan, parts, contract.agreement.currency)
    return with_tax(amount, (contract.terms[item.price.ref].price for item in items))


def _sentence(subscription: Subscription, contract: Contract, period: Period, as_of: date) -> str:
    """What happens next to a subscription, in one sentence."""
    day = writer(subscription.currency).day
    last_day = subscription.last_day
    if last_day is not None and subscription.ends_on is not None:
        is_over = subscription.ends_on <= as_of
        said = (
            pgettext("portal", "Its last day was %(day)s.")
            if is_over
            else pgettext("portal", "Its last day is %(day)s, and it does not renew.")
        )
        return said % {"day": day(last_day)}
    if subscription.status == Subscription.Status.PAUSED:
        ends = [
            pause.end
            for pause in contract.agreement.pauses
            if pause.start <= as_of and (pause.end is None or as_of < pause.end)
        ]
        if ends and ends[0] is not None:
            return pgettext("portal", "It resumes automatically on %(day)s.") % {
                "day": day(ends[0])
            }
        return pgettext("portal", "It stays paused, and costs nothing, until you resume it.")
    if as_of < subscription.paid_from:
        return pgettext("portal", "Free until %(day)s, then the price above applies.") % {
            "day": day(subscription.paid_from)
        }
    return pgettext("portal", "It renews on %(day)s.") % {"day": day(period.end)}


def _is_counted(item: Item) -> bool:
    return item.price.meter is None and item.price.model != Price.Model.FLAT


def _part(item: Item, contract: Contract, currency: str) -> str:
    """``5 × Coffee drinkers``."""
    terms = contract.terms[item.price.ref]
    name = terms.price.name or terms.plan_name
    return f"{writer(currency).number(item.quantity)} × {name}"


def _bar(
    price: pricing.Price,
    unit: str,
    currency: str,
    usage: Mapping[str, Usage],
    meters: Mapping[str, str],
    period: Period,
) -> UsageBar:
    assert price.meter is not None
    known = usage.get(price.meter)
    used = known.total(period.start, period.end) if known else Decimal(0)
    included = free_units_of(price)
    write = writer(currency)
    return UsageBar(
        name=meters.get(price.meter) or price.meter,
        used=write.quantity(used.normalize(), unit),
        included=write.quantity(included, unit) if included else "",
        steps=" · ".join(units_of(price, unit, currency)),
        value=max(int(used), 0),
        maximum=int(included or 0),
    )


def _coupons(ids: Sequence[int]) -> dict[int, list[str]]:
    """The coupons that still take something off, by subscription, with the day they do until."""
    found: dict[int, list[str]] = {}
    live = CouponRedemption.objects.filter(
        subscription__in=ids, is_spent=False, removed_on__isnull=True
    ).select_related("coupon", "subscription")
    for redemption in live:
        assert redemption.subscription is not None
        said = redemption.coupon.name or redemption.coupon.code
        if redemption.expires_on:
            last_day = redemption.expires_on - timedelta(days=1)
            day = writer(redemption.subscription.currency).day(last_day)
            said = pgettext("portal", "%(coupon)s until %(day)s, that day included") % {
                "coupon": said,
                "day": day,
            }
        found.setdefault(redemption.subscription.pk, []).append(said)
    return found
