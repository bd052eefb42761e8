"""One person, several accounts of one seller: which of them the visit is for."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.checkout.models import Order
from billing.checkout.offers import address_of, offer_again
from billing.engine.errors import BillingError
from billing.subscriptions.models import Subscription
from customers.calendar import today_of
from customers.models import Customer
from portal.visits import Visit, begin, for_customers, show_to

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
    page = order_page(visit.order, chosen) if visit.order else ""
    response = HttpResponseRedirect(page or reverse("portal:home"))
    begin(request, response, chosen, return_url=visit.return_url, address=visit.address)
    return response


def order_page(public_id: str, customer: Customer) -> str:
    """A page on which a customer orders what an order offers, as themselves; empty where it offers
    nothing any more.
    """
    order = Order.objects.filter(public_id=public_id, seller=customer.seller_id)
    found = order.select_related("seller", "plan", "coupon").first()
    if found is None:
        return ""
    actor = f"customer:{customer.public_id}"
    try:
        token = offer_again(found, customer, as_of=today_of(found.seller), actor=actor)
    except BillingError:
        return ""
    return urlsplit(address_of(token)).path


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
