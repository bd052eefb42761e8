"""Subscriptions that were parked for their tax, and go on once it is set right."""

from django.db import transaction
from django.db.models import Q

from billing.engine.errors import BillingError
from billing.events.recorder import event_for, record_all
from billing.subscriptions.models import Subscription
from billing.tax.loading import STANDARD
from billing.tax.rates import InvalidTax, NoTaxRate
from customers.calendar import today_of
from customers.locks import lock_customers
from customers.models import Customer, Seller


def of_code(error: type[BillingError]) -> str:
    """How the reason of what was parked for such an error begins."""
    return f"{error.code}: "


def free_for_rate(country: str, category: str, *, actor: str) -> int:
    """Free what is parked for want of a rate that the table has by now; how many.

    A buyer abroad who buys what has a category of its own may be charged the standard rate.
    """
    of_country = Q(customer__country=country) | Q(seller__country=country)
    of_category = Q(plan__product__tax_category=category) | Q(
        items__price__plan__product__tax_category=category
    )
    return _free(of_country if category == STANDARD else of_country & of_category, actor)


def free_for_tax(row: Customer | Seller, *, actor: str) -> int:
    """Free what is parked for its tax, once another tax is stated on its customer or seller."""
    return _free(Q(customer=row) if isinstance(row, Customer) else Q(seller=row), actor)


@transaction.atomic
def _free(whose: Q, actor: str) -> int:
    """Park no more what was parked for its tax: the next run bills it, or parks it again."""
    for_tax = Q()
    for error in (NoTaxRate, InvalidTax):
        for_tax |= Q(parked_reason__startswith=of_code(error))
    parked = Subscription.objects.filter(for_tax, ~Q(parked_reason=""))
    customers = parked.filter(whose).order_by().values_list("customer", flat=True)
    lock_customers(customers)
    # Read again under the locks: a run may have billed some of them meanwhile.
    found = list(parked.filter(whose).distinct().select_related("seller"))
    days = {each.seller: today_of(each.seller) for each in found}
    Subscription.objects.filter(pk__in=[each.pk for each in found]).update(parked_reason="")
    record_all(event_for("subscription.unparked", each, days[each.seller], actor) for each in found)
    return len(found)
