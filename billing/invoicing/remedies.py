"""Where a subscription that cannot be billed is set right at the desk, and what that frees."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import pgettext

from billing.desk.figures import address_of
from billing.desk.remedies import Remedy
from billing.events.models import Trouble
from billing.invoicing.drafting import UNFORESEEN
from billing.invoicing.parking import free_for_rate, free_for_tax, of_code
from billing.subscriptions.models import Subscription
from billing.tax.loading import STANDARD
from billing.tax.models import TaxRate
from billing.tax.rates import InvalidTax, NoTaxRate, RateTable, treatment_of
from catalog.models import Product
from customers.models import Customer, Seller


def remedies(subscription: Subscription, on: date) -> list[Remedy]:
    """Where a parked subscription may be set right: only what is not refused there."""
    return list(_remedies(subscription, on))


def _remedies(subscription: Subscription, on: date) -> Iterator[Remedy]:
    reason, customer = subscription.parked_reason, subscription.customer
    if reason.startswith(UNFORESEEN):
        what = pgettext("desk", "Read what went wrong; it is tried again automatically")
        yield Remedy(what, _list_of(Trouble, q=customer.public_id))
    elif reason.startswith(of_code(NoTaxRate)):
        yield from _rates_to_set(subscription, on)
    elif reason.startswith(of_code(InvalidTax)):
        yield from _taxes_to_state(subscription)
    else:
        yield Remedy(pgettext("desk", "Look at the customer"), address_of(customer))
        plan = pgettext("desk", "Look at the plan and its prices")
        yield Remedy(plan, address_of(subscription.plan))


def _rates_to_set(subscription: Subscription, on: date) -> Iterator[Remedy]:
    """The rates that the table lacks, or of which none is the default; and who may do without."""
    table, seller, customer = RateTable.load(), subscription.seller, subscription.customer
    countries = {str(row.country) for row in (seller, customer)}
    # The reason names the country that was asked for: another one's rate would set nothing right.
    named = {code for code in countries if f" {code} " in subscription.parked_reason}
    for country in sorted(named or countries):
        abroad = {STANDARD} if country != seller.country else set()
        for category in sorted(_categories_of(subscription) | abroad):
            try:
                table.rate_for(country, category, on)
            except NoTaxRate as error:
                yield _rate_to_set(country, category, is_choice=error.is_choice)
    yield _tax_to_state(customer)
    if str(seller.country) in named:
        yield _tax_to_state(seller)


def _taxes_to_state(subscription: Subscription) -> Iterator[Remedy]:
    """Whose stated tax makes no bill; that of a price is changed with the price."""
    for row in (subscription.customer, subscription.seller):
        if _is_wrong(row.tax):
            yield _tax_to_state(row)
    for item in subscription.items.select_related("price__plan"):
        if _is_wrong(item.price.tax):
            what = pgettext("desk", "Change the plan: the tax on %(name)s is wrong")
            change = reverse(
                "admin:subscriptions_subscription_act", args=[subscription.pk, "change"]
            )
            yield Remedy(what % {"name": item.price}, change)


def _is_wrong(tax: Any) -> bool:
    try:
        treatment_of(tax or [])
    except InvalidTax:
        return True
    return False


def _tax_to_state(row: Customer | Seller) -> Remedy:
    what = pgettext("desk", "State the tax on %(name)s") % {"name": row}
    return Remedy(what, f"{address_of(row)}#id_tax")


def _rate_to_set(country: str, category: str, *, is_choice: bool) -> Remedy:
    said = {"country": country, "category": category}
    if is_choice:
        what = pgettext("desk", "Choose the default %(category)s rate of %(country)s")
        return Remedy(what % said, _list_of(TaxRate, q=country))
    what = pgettext("desk", "Add a %(category)s tax rate for %(country)s")
    return Remedy(what % said, f"{reverse('admin:tax_taxrate_add')}?{urlencode(said)}")


def _categories_of(subscription: Subscription) -> set[str]:
    sold = Product.objects.filter(
        Q(plans__subscriptions=subscription) | Q(plans__prices__items__subscription=subscription)
    )
    return set(sold.values_list("tax_category", flat=True))


def _list_of(model: type[models.Model], **asked: str) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return f"{reverse(name)}?{urlencode(asked)}"


# What a save at the desk is followed by


def free_once_rate_is_set(rate: TaxRate, changed: Sequence[str], actor: str) -> str:
    """Free what waited for the rate; in a sentence how much it was."""
    return _freed(free_for_rate(str(rate.country), rate.category, actor=actor))


def free_once_tax_is_stated(row: Customer | Seller, changed: Sequence[str], actor: str) -> str:
    """Free what was parked for its tax, where the tax of its customer or seller was changed."""
    return _freed(free_for_tax(row, actor=actor)) if "tax" in changed else ""


def _freed(count: int) -> str:
    if not count:
        return ""
    return pgettext("desk", "No longer parked, and billed by the next run: %(count)s.") % {
        "count": count
    }
