"""Where the gateway sends people back to from the pages under ``/pay/``.

The address names what was paid and opens nothing. The gateway is asked what became of it, as often
as this is opened; the browser that left knows the page it came from, and another one is told no
more than that all is well.
"""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from billing.checkout import paying
from billing.checkout.models import Order
from billing.engine.errors import BillingError
from billing.invoicing.models import Invoice
from billing.payments.collection import collect_from
from billing.payments.gateways.base import GatewayError
from billing.payments.models import CheckoutSession
from billing.payments.sessions import complete_sessions
from customers.calendar import today_of
from customers.models import Customer, Seller
from portal.pages import show
from portal.views.links import remembered, return_address, token_page


@require_safe
@token_page
def back(request: HttpRequest, subject: str) -> HttpResponse:
    """Ask what became of an order, an invoice or a card, and go back to the page of it."""
    take_up = _TAKERS.get(subject.partition("_")[0])
    if take_up is None:
        raise Http404
    seller, work, page = take_up(subject)
    query = "?back=1"
    try:
        work()
    except GatewayError:
        query = "?problem=unasked"
    except BillingError:
        query = ""  # The page says how things stand.
    address = remembered(request, reverse("pay:root") + page)
    if address:
        return HttpResponseRedirect(address + query)
    is_unasked = query.startswith("?problem")
    return show(request, "portal/pay/back.html", {"is_unasked": is_unasked}, seller=seller)


type Taken = tuple[Seller, Callable[[], object], str]


def _order(subject: str) -> Taken:
    order = Order.objects.select_related("seller").filter(public_id=subject).first()
    if order is None:
        raise Http404
    as_of, actor = today_of(order.seller), f"order:{order.public_id}"
    return order.seller, lambda: paying.look(order, as_of=as_of, actor=actor), "c/"


def _invoice(subject: str) -> Taken:
    invoice = Invoice.objects.select_related("seller").filter(public_id=subject).first()
    if invoice is None:
        raise Http404
    pages = CheckoutSession.objects.filter(
        payment__allocations__invoice=invoice,
        status__in=[CheckoutSession.Status.CREATING, CheckoutSession.Status.OPEN],
    ).select_related("customer__seller", "payment")
    as_of, actor = today_of(invoice.seller), f"invoice:{invoice.public_id}"
    return invoice.seller, lambda: complete_sessions(list(pages), as_of=as_of, actor=actor), "i/"


def _card(subject: str) -> Taken:
    """A card that was left: what is late is charged to it at once, for the customer to see."""
    customer = Customer.objects.select_related("seller").filter(public_id=subject).first()
    if customer is None:
        raise Http404
    pages = CheckoutSession.objects.filter(
        customer=customer,
        kind=CheckoutSession.Kind.SETUP,
        return_url=return_address(subject),
    ).select_related("customer__seller", "payment")
    as_of, actor = today_of(customer.seller), f"customer:{customer.public_id}"

    def work() -> None:
        complete_sessions(
            pages.filter(status__in=[CheckoutSession.Status.CREATING, CheckoutSession.Status.OPEN]),
            as_of=as_of,
            actor=actor,
        )
        last = pages.order_by("-id").first()
        # A hook may have been faster than the browser.
        if last is not None and last.status == CheckoutSession.Status.COMPLETE:
            collect_from(customer, as_of=as_of, actor=actor)

    return customer.seller, work, "m/"


_TAKERS: dict[str, Callable[[str], Taken]] = {"chk": _order, "inv": _invoice, "cus": _card}
