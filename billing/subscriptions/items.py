"""Items: which prices a subscription has, in which quantities, from day to day."""

from collections.abc import Mapping, Sequence, Set
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q

from billing.base.sql.reading import read
from billing.engine.bounds import QUANTITY_DECIMALS_MAX, QUANTITY_MAX
from billing.engine.errors import CurrencyMismatch, InvalidAgreement, Refused
from billing.subscriptions.agreements import use_for_now
from billing.subscriptions.models import Subscription, SubscriptionItem
from catalog.models import Plan, Price


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
    # None is ever unused again, once the transaction is kept.
    new = [item.price_id for item in items if not item.price.is_used]
    if new:
        use_for_now(new)
        Price.objects.filter(pk__in=new).update(is_used=True)


def _ongoing(subscription: Subscription) -> Any:
    return subscription.items.filter(ends_on=None).exclude(price__billing=Price.Billing.ONCE)


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
    new = [item.price_id for item in added if not item.price.is_used]
    if new:
        use_for_now(new)
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


def planned_change_on(subscription: Subscription, as_of: date) -> date | None:
    """The later day on which another plan or quantity begins; None where none is planned."""
    return min(_planned_days(subscription, as_of), default=None)


def _planned_days(subscription: Subscription, as_of: date) -> set[date]:
    """The later days on which versions begin, or end to give way to others."""
    planned = subscription.items.filter(_begins_after(as_of) | _ends_after(as_of))
    days = planned.values_list("starts_on", "ends_on")
    return {day for start, end in days if (day := start if start > as_of else end)}


def _begins_after(as_of: date) -> Q:
    return Q(starts_on__gt=as_of)


def _ends_after(as_of: date) -> Q:
    return Q(starts_on__lte=as_of, ends_on__gt=as_of) & ~Q(price__billing=Price.Billing.ONCE)


def drop_scheduled(subscription: Subscription, as_of: date) -> bool:
    """Forget versions that have not begun, and let those that they were to replace go on.

    Whether there were any. The quantities that were written down for the later day are forgotten
    with them; the caller saves the subscription.
    """
    days = _planned_days(subscription, as_of)
    if not days:
        return False
    subscription.items.filter(_begins_after(as_of)).delete()
    subscription.items.filter(_ends_after(as_of)).update(ends_on=None, keeps_paid=False)
    subscription.cycles.filter(starts_on__in=days).delete()
    subscription.quantities = _quantities_in_force(subscription, as_of)
    return True


def _quantities_in_force(subscription: Subscription, as_of: date) -> dict[str, str]:
    """The quantities by price code as they are, where nothing else is planned: 0 of what was left
    out of the plan.
    """
    written = subscription.quantities
    items = {item.key: item for item in _ongoing(subscription).select_related("price")}
    of_plan = Price.objects.filter(
        plan=plan_on(subscription, as_of), currency=subscription.currency, code__in=written
    )
    left_out = {code: "0" for code in of_plan.values_list("code", flat=True) if code not in items}
    return left_out | {
        code: f"{item.quantity.normalize():f}"
        for code, item in items.items()
        if code in written or item.quantity != item.price.quantity
    }


def plan_on(subscription: Subscription, on: date) -> Plan:
    item = (
        _ongoing(subscription)
        .filter(starts_on__lte=on)
        .select_related("price__plan__seller")
        .order_by("-starts_on", "-id")
        .first()
    )
    return item.price.plan if item else subscription.plan
