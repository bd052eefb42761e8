"""The cards that a customer has left with us."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from billing.engine.errors import BillingError
from billing.payments import methods as cards
from billing.payments.gateways.base import Purpose
from billing.payments.gateways.registry import choose_gateway
from billing.payments.models import PaymentMethod
from customers.models import Customer
from portal.paying import way_to_add_card
from portal.queries import debts_of
from portal.refusals import sentence_of
from portal.visits import Visit, for_customers, show_to
from portal.words import State, writer


@require_safe
@for_customers
def methods(request: HttpRequest, visit: Visit) -> HttpResponse:
    found = PaymentMethod.objects.filter(customer=visit.customer, retired_at__isnull=True)
    context = {
        "methods": [_row(method, visit) for method in found.order_by("-is_default", "-pk")],
        "is_charged": cards.is_charged(visit.customer),
        "pays_by_invoice": _pays_by_invoice(visit),
        "can_add": choose_gateway(visit.seller, Purpose.KEEP_METHOD) is not None,
    }
    return show_to(request, visit, "portal/methods.html", context, section="methods")


@require_POST
@for_customers
def add(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Send the customer to the gateway's page, where a card is left."""
    try:
        return way_to_add_card(request, visit)
    except BillingError as error:
        messages.error(request, sentence_of(error))
        return HttpResponseRedirect(reverse("portal:methods"))


@require_POST
@for_customers
def make_default(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    method = _own(visit, public_id)
    said = (
        pgettext("portal", "%(method)s is now your default card.")
        if _pays_by_invoice(visit)
        else pgettext("portal", "From now on we charge %(method)s.")
    )
    return _done(
        request,
        lambda: cards.make_default(method, as_of=visit.as_of, actor=visit.actor),
        said % {"method": method.in_words()},
    )


@require_POST
@for_customers
def remove(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """Remove a card; of one in use it is asked first, with which card is charged in its place."""
    method = _own(visit, public_id)
    is_in_use = method.is_default and method.retired_at is None and cards.is_charged(visit.customer)
    heir = cards.heir_of(method) if is_in_use else None
    named = {"method": method.in_words(), "heir": heir.in_words() if heir else ""}
    if heir is not None and request.POST.get("heir") != heir.public_id:
        context = {"method": method, "heir": heir, "named": named}
        return show_to(request, visit, "portal/remove.html", context, section="methods")
    said = (
        pgettext("portal", "%(method)s has been removed. From now on we charge %(heir)s.")
        if heir
        else pgettext("portal", "%(method)s has been removed.")
    )
    return _done(
        request,
        lambda: cards.remove(method, as_of=visit.as_of, actor=visit.actor),
        said % named,
    )


@require_POST
@for_customers
def charge_from_now_on(request: HttpRequest, visit: Visit) -> HttpResponse:
    # What is issued already stays the customer's to pay: nobody has planned to charge it.
    said = (
        pgettext(
            "portal",
            "From the next invoice on, we charge your card. What you already owe, you still pay "
            "yourself.",
        )
        if debts_of(visit.customer)
        else pgettext("portal", "From the next invoice on, we charge your card.")
    )
    return _done(
        request,
        lambda: cards.charge_from_now_on(visit.customer, as_of=visit.as_of, actor=visit.actor),
        said,
    )


def _own(visit: Visit, public_id: str) -> PaymentMethod:
    """A card of the customer's. Raises Http404 for all others."""
    found = PaymentMethod.objects.filter(customer=visit.customer, public_id=public_id).first()
    if found is None:
        raise Http404
    return found


def _done(request: HttpRequest, do: Callable[[], object], said: str) -> HttpResponse:
    try:
        do()
    except BillingError as error:
        messages.error(request, sentence_of(error))
    else:
        messages.success(request, said)
    return HttpResponseRedirect(reverse("portal:methods"))


def _row(method: PaymentMethod, visit: Visit) -> dict[str, Any]:
    return {
        "public_id": method.public_id,
        "name": method.in_words(),
        "expires": writer("SEK").day(method.expires_on) if method.expires_on else "",
        "is_default": method.is_default,
        "is_refused": bool(method.refused_code),
        "state": _state(method, visit),
    }


def _state(method: PaymentMethod, visit: Visit) -> State | None:
    if method.refused_code:
        return State("failed", pgettext("portal", "No longer accepted"))
    if method.expires_on is not None and method.expires_on < visit.as_of:
        return State("failed", pgettext("portal", "Expired"))
    if not method.is_default:
        return None
    if _pays_by_invoice(visit):
        return State("quiet", pgettext("portal", "Default card"))
    return State("paid", pgettext("portal", "In use"))


def _pays_by_invoice(visit: Visit) -> bool:
    return visit.customer.collection == Customer.Collection.INVOICE
