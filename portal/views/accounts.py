"""One person, several accounts of one seller: which of them the visit is for."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods

from billing.checkout.models import Order
from billing.checkout.offers import address_of, find_order, offer_again
from billing.engine.errors import BillingError
from billing.subscriptions.models import Subscription
from customers.calendar import today_of
from customers.models import AccessLink, Customer
from portal.pages import in_language_of
from portal.visits import Visit, begin, for_customers, keep_order, show_to

ACCOUNTS_MAX = 50


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def accounts(request: HttpRequest, visit: Visit) -> HttpResponse:
    """All accounts with the address that the visitor has shown to read; the one that is chosen is
    signed in to, under a session of its own.
    """
    found = list(visit.accounts()[:ACCOUNTS_MAX]) or [visit.customer]
    asked = request.POST.get("account", "")
    chosen = next((each for each in found if each.public_id == asked), None)
    if request.method != "POST" or chosen is None:
        plans = _plans_of(found)
        shown = [(each, plans.get(each.pk, [])) for each in found]
        return show_to(request, visit, "portal/accounts.html", {"accounts": shown})
    offered = find_order(visit.offer) if visit.offer else None
    is_ordered = offered is not None and offered.status != Order.Status.OPEN
    if is_ordered or (offered is not None and offered.customer == chosen):
        offer = visit.offer
    else:
        offer = offer_to(request, chosen, visit.order) if visit.order else ""
    # What was ordered is not offered to another account, though whoever asks for it finds it.
    is_going_on = offer and not is_ordered
    response = HttpResponseRedirect(page_of(offer) if is_going_on else reverse("portal:home"))
    begin(
        request,
        response,
        chosen,
        return_url=visit.return_url,
        address=visit.address,
        order=visit.order if offer else "",
        offer=offer,
    )
    return response


def go_on(request: HttpRequest, visit: Visit, order: str) -> str:
    """The page on which a visitor goes on with an order, the same however often they ask; whoever
    has several accounts chooses one first.
    """
    if visit.order == order and visit.offer:
        return page_of(visit.offer)
    if visit.has_several:
        keep_order(request, order)
        return reverse("portal:accounts")
    offer = offer_to(request, visit.customer, order)
    if not offer:
        return reverse("portal:home")
    keep_order(request, order, offer)
    return page_of(offer)


def offer_before(visit: Visit, link: AccessLink, order: str) -> str:
    """The token of the page on which whom a link signs in goes on with its order already, or has
    ordered; empty where there is none, or it has run out.
    """
    if visit.order != order or not visit.is_whom_it_signs_in(link):
        return ""
    offered = find_order(visit.offer) if visit.offer else None
    is_there = offered is not None and offered.status != Order.Status.EXPIRED
    return visit.offer if is_there else ""


def page_of(offer: str) -> str:
    return urlsplit(address_of(offer)).path


def offer_to(request: HttpRequest, customer: Customer, order: str) -> str:
    """The token of a page on which a customer orders what an order offers, as themselves; empty
    where it offers nothing any more, which the next page says.
    """
    found = Order.objects.filter(public_id=order, seller=customer.seller_id)
    offered = found.select_related("seller", "plan", "coupon").first()
    actor = f"customer:{customer.public_id}"
    try:
        if offered is not None:
            return offer_again(offered, customer, as_of=today_of(offered.seller), actor=actor)
    except BillingError:
        pass
    with in_language_of(request, customer):
        said = pgettext("portal", "What you were about to order is no longer offered.")
    messages.info(request, said)
    return ""


def _plans_of(customers: Sequence[Customer]) -> dict[int, list[str]]:
    """The names of the plans that each has now, each once."""
    Status = Subscription.Status
    found = Subscription.objects.filter(customer__in=customers).exclude(
        status__in=[Status.INCOMPLETE, Status.ENDED]
    )
    plans: dict[int, list[str]] = {}
    for customer_id, plan in found.order_by("pk").values_list("customer_id", "plan__name"):
        names = plans.setdefault(customer_id, [])
        if plan not in names:
            names.append(plan)
    return plans
