"""Customers of the demo's shop whose portal visitors may open, one of each kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST

from billing.demo.kiosk import find_kiosk
from billing.demo.visits import shop_or_404
from billing.invoicing.models import Invoice
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from customers.calendar import now_of
from customers.links import PATHS, Purpose, make_link
from customers.models import Customer, Seller


@dataclass(frozen=True, slots=True)
class Guest:
    """A customer, and why their pages are worth a look."""

    customer: Customer
    about: str


def guests_of(seller: Seller, on: date) -> list[Guest]:
    """One customer of each kind, nobody twice."""
    found: dict[int, Guest] = {}
    for about, customers in _kinds(seller, on):
        chosen = customers.exclude(pk__in=found).order_by("pk").first()
        if chosen is not None:
            found[chosen.pk] = Guest(chosen, about)
    return list(found.values())


def _kinds(seller: Seller, on: date) -> Iterator[tuple[str, QuerySet[Customer]]]:
    customers = Customer.objects.filter(
        seller=seller, subscriptions__status=Subscription.Status.ACTIVE
    ).distinct()
    by_card = customers.filter(payment_methods__is_default=True)
    yield (
        pgettext("demo", "Pays by card, and can change between sizes"),
        by_card.filter(is_business=False, subscriptions__plan__family="bönor"),
    )
    yield (
        pgettext("demo", "A company with a coffee machine: usage, seats and several invoices"),
        customers.filter(is_business=True, subscriptions__plan__family="maskin"),
    )
    yield (
        pgettext("demo", "Has an invoice that is overdue"),
        customers.filter(documents__status=Invoice.Status.OPEN, documents__due_on__lt=on),
    )
    yield (
        pgettext("demo", "Has a card that was declined"),
        by_card.filter(documents__status=Invoice.Status.OPEN, payments__state=Payment.State.FAILED),
    )
    yield (
        pgettext("demo", "Lives elsewhere in the EU: euro, and English"),
        customers.filter(language="en", documents__currency="EUR"),
    )


@require_POST
def enter_as(request: HttpRequest, public_id: str) -> HttpResponse:
    """Lead a visitor to the portal's door with a link of the customer's, made for this once."""
    sellers = [shop_or_404(), find_kiosk()]
    customers = Customer.objects.filter(seller__in=filter(None, sellers))
    customer = get_object_or_404(customers.select_related("seller"), public_id=public_id)
    token = make_link(customer, Purpose.PORTAL, now=now_of(customer.seller))
    return HttpResponseRedirect(PATHS[Purpose.PORTAL].format(token=token))
