"""What customers read of prices, intervals and states, in the language that is active."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils import translation
from django.utils.translation import pgettext

from billing.base.intervals import interval_in_words
from billing.engine import pricing
from billing.engine.money import to_major, to_minor
from billing.invoicing.models import Invoice
from billing.invoicing.writing import NO_BREAK, Writer
from billing.payments.models import PaymentMethod
from billing.subscriptions.models import Subscription
from catalog.models import IntervalUnit, Plan, Price
from customers.models import Customer


@dataclass(frozen=True, slots=True)
class State:
    """A word, and its kind for colour and picture: paid, due, failed, info or quiet."""

    kind: str
    word: str


def writer(currency: str) -> Writer:
    """Writes figures and dates in the active language."""
    return Writer(translation.get_language() or "en", currency)


# Prices


def interval_of(plan: Plan) -> str:
    """``a month``, ``every 3 months``: how often a plan is paid."""
    if plan.interval_count == 1:
        return {
            IntervalUnit.DAY: pgettext("portal", "a day"),
            IntervalUnit.WEEK: pgettext("portal", "a week"),
            IntervalUnit.MONTH: pgettext("portal", "a month"),
            IntervalUnit.YEAR: pgettext("portal", "a year"),
        }[IntervalUnit(plan.interval_unit)]
    return interval_in_words(plan.interval_unit, plan.interval_count)


def with_tax(amount: str, prices: Iterable[Price]) -> str:
    """An amount of these prices, and whether VAT is in it: ``199,00 kr a month (excl. VAT)``.

    Where some have it and some have not, the amount alone is said.
    """
    said = {price.is_tax_inclusive for price in prices}
    if said == {True}:
        return pgettext("portal", "%(amount)s (incl. VAT)") % {"amount": amount}
    if said == {False}:
        return pgettext("portal", "%(amount)s (excl. VAT)") % {"amount": amount}
    return amount


def price_of(plan: Plan, parts: Sequence[tuple[pricing.Price, Decimal]], currency: str) -> str:
    """What a plan costs at so many units of each price: ``199,00 kr a month, and by usage``.

    Without what is paid once. Amounts are as agreed, before discount.
    """
    write = writer(currency)
    fixed = Decimal(0)
    is_metered = False
    for price, quantity in parts:
        if price.billing == Price.Billing.ONCE:
            continue
        if price.meter is not None:
            is_metered = True
            continue
        rated = pricing.rate(price, quantity)
        fixed += rated.fixed + rated.variable
    amount = f"{write.money(to_minor(fixed, currency))} {interval_of(plan)}"
    if not is_metered:
        return amount
    if not fixed:
        return pgettext("portal", "Usage, billed once %(interval)s") % {
            "interval": interval_of(plan)
        }
    return pgettext("portal", "%(amount)s, plus usage") % {"amount": amount}


def units_of(price: pricing.Price, unit: str, currency: str) -> Iterator[str]:
    """What usage costs, step by step: ``300 GB included``, ``then 1,15 kr per GB``.

    ``unit`` is the meter's; where it has none, a price is per unit.
    """
    write = writer(currency)
    if price.model in ("graduated", "graduated_percentage"):
        yield from _steps_of(price, unit, write)
    elif price.model == "volume":
        yield from _levels_of(price.tiers, unit, write)
    elif price.model == "per_unit":
        yield _each(price.amount, unit, write)
    elif price.model == "package":
        if price.free_units:
            yield pgettext("portal", "%(count)s included") % {
                "count": write.quantity(price.free_units, unit)
            }
        said = (
            pgettext("portal", "%(amount)s for every %(size)s started")
            if unit
            else pgettext("portal", "%(amount)s for every %(size)s units started")
        )
        yield said % {
            "amount": _amount(price.amount, write),
            "size": write.quantity(price.package_size, unit),
        }
    elif price.model == "percentage":
        yield write.percent(price.rate)


def _steps_of(price: pricing.Price, unit: str, write: Writer) -> Iterator[str]:
    """Each unit, or each part of the value, at the price of the step that it falls into."""
    is_of_value = price.model == "graduated_percentage"
    for number, tier in enumerate(price.tiers):
        each = write.percent(tier.rate) if is_of_value else _each(tier.unit_amount, unit, write)
        if tier.up_to is None:
            yield pgettext("portal", "then %(price)s") % {"price": each} if number else each
            continue
        count = _amount(tier.up_to, write) if is_of_value else write.number(tier.up_to)
        if not (tier.unit_amount or tier.rate or tier.flat_amount):
            included = count if is_of_value else write.quantity(tier.up_to, unit)
            yield pgettext("portal", "%(count)s included") % {"count": included}
        elif number:
            yield pgettext("portal", "then %(price)s up to %(count)s") % {
                "price": each,
                "count": count,
            }
        else:
            yield pgettext("portal", "%(price)s for the first %(count)s") % {
                "price": each,
                "count": count,
            }


def _levels_of(tiers: Sequence[pricing.Tier], unit: str, write: Writer) -> Iterator[str]:
    """All units at the price of the level that their sum falls into."""
    for number, tier in enumerate(tiers):
        each = _each(tier.unit_amount, unit, write)
        if tier.up_to is None:
            yield (
                pgettext("portal", "%(price)s for all of them if there are more") % {"price": each}
                if number
                else each
            )
            continue
        yield pgettext("portal", "%(price)s up to %(count)s") % {
            "price": each,
            "count": write.number(tier.up_to),
        }


def _each(amount: Decimal, unit: str, write: Writer) -> str:
    if not unit:
        return pgettext("portal", "%(amount)s per unit") % {"amount": _amount(amount, write)}
    said = {"amount": _amount(amount, write), "unit": unit}
    return pgettext("portal", "%(amount)s per %(unit)s") % said


def _amount(amount: Decimal, write: Writer) -> str:
    """A unit price with its currency, and with all the decimals that it has."""
    minor = to_minor(amount, write.currency)
    if to_major(minor, write.currency) == amount:
        return write.money(minor)
    return f"{write.unit_price(amount)}{NO_BREAK}{write.currency}"


def free_units_of(price: pricing.Price) -> Decimal | None:
    """How much usage the price includes: what is beyond it costs. None where all of it costs."""
    if price.model == "package" and price.free_units:
        return price.free_units
    if price.model == "graduated" and price.tiers:
        first = price.tiers[0]
        if first.up_to is not None and not first.unit_amount and not first.flat_amount:
            return first.up_to
    if price.model in ("percentage", "graduated_percentage") and price.free_value:
        return price.free_value
    return None


# States


def state_of_invoice(
    invoice: Invoice, as_of: date, *, is_in_flight: bool = False, has_failed: bool = False
) -> State:
    """Where a document stands, as its customer sees it."""
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return State("quiet", pgettext("portal", "Credit note"))
    if invoice.status == Invoice.Status.VOID:
        return State("quiet", pgettext("portal", "Void"))
    if invoice.status == Invoice.Status.UNCOLLECTIBLE:
        return State("failed", pgettext("portal", "Not paid"))
    if not invoice.left_minor:
        if invoice.is_only_credited:
            return State("quiet", pgettext("portal", "Credited"))
        return State("paid", pgettext("portal", "Paid"))
    if is_in_flight:
        return State("info", pgettext("portal", "Payment under way"))
    if invoice.due_on < as_of:
        return State("failed", pgettext("portal", "Overdue"))
    if has_failed:
        return State("failed", pgettext("portal", "Payment failed"))
    return State("due", pgettext("portal", "To pay"))


def state_of_subscription(subscription: Subscription, as_of: date) -> State:
    """What a subscription is today, as its customer sees it."""
    Status = Subscription.Status
    if subscription.status == Status.ENDED or (
        subscription.ends_on is not None and subscription.ends_on <= as_of
    ):
        return State("quiet", pgettext("portal", "Ended"))
    if subscription.status == Status.INCOMPLETE:
        return State("due", pgettext("portal", "Waiting for payment"))
    if subscription.access == Subscription.Access.NONE:
        return State("failed", pgettext("portal", "Suspended"))
    if subscription.status == Status.PAUSED:
        return State("due", pgettext("portal", "Paused"))
    if subscription.cancels_on is not None:
        return State("due", pgettext("portal", "Canceled"))
    if subscription.access == Subscription.Access.RESTRICTED:
        return State("failed", pgettext("portal", "Limited"))
    if subscription.status == Status.TRIALING:
        return State("info", pgettext("portal", "Trial"))
    return State("paid", pgettext("portal", "Active"))


# Payment methods


def way_of_paying(customer: Customer, method: PaymentMethod | None) -> str:
    """How the next payment is made: ``with Visa ···· 4242``, ``by invoice``."""
    if customer.collection != Customer.Collection.AUTOMATIC:
        return pgettext("portal", "by invoice")
    if method is None:
        return pgettext("portal", "with a card that you still have to add")
    return pgettext("portal", "with %(method)s") % {"method": method.in_words()}
