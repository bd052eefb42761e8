"""What all pages have that a link alone opens: who may find them, and the way back from a gateway.

Whoever has the link has what it opens, so it is told to nobody: no search engine, no other site,
no cache. The gateway gets an address without the token; the browser keeps the token meanwhile, in
a cookie that is sent to that address alone.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods

from billing.invoicing.models import Invoice
from billing.invoicing.pdf import render_invoice
from billing.invoicing.printing import RenderingFailed
from billing.payments.models import Payment, PaymentAllocation
from billing.payments.receipts import render_receipt
from customers.models import Customer, Seller
from portal.by_script import is_by_script
from portal.pages import leave_for

COOKIE = "kvitt_back"
COOKIE_SECONDS = 24 * 3600

type View[**P] = Callable[Concatenate[HttpRequest, P], HttpResponse]


def token_page[**P](view: View[P]) -> View[P]:
    """A page that a token opens: not indexed, not kept, and its address not told to others.

    The policy is ``same-origin`` and not ``no-referrer``: with that browsers send a form's origin
    as "null", by which nobody can tell our own form from another site's.
    """

    @wraps(view)
    @require_http_methods(["GET", "HEAD", "POST"])
    def respond(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        answer = view(request, *args, **kwargs)
        answer.headers["X-Robots-Tag"] = "noindex, nofollow"
        answer.headers["Referrer-Policy"] = "same-origin"
        patch_cache_control(answer, private=True, no_store=True)
        return answer

    return respond


# Out and back


def return_address(subject: str) -> str:
    """Where the gateway sends the customer back to: it names the object, and opens nothing."""
    return settings.PUBLIC_URL + reverse("pay:back", args=[subject])


def way_back(answer: HttpResponse, subject: str, address: str, *, is_secure: bool) -> HttpResponse:
    """Have the browser remember where the customer comes from, for when they are back."""
    answer.set_cookie(
        COOKIE,
        address,
        max_age=COOKIE_SECONDS,
        path=reverse("pay:back", args=[subject]),
        secure=is_secure,
        httponly=True,
        samesite="Lax",
    )
    return answer


def remembered(request: HttpRequest, prefix: str) -> str:
    """The page that the customer comes from, where this browser knows one under ``prefix``."""
    address = request.COOKIES.get(COOKIE, "")
    return address if address.startswith(prefix) else ""


def leave_by(
    request: HttpRequest, url: str, *, seller: Seller, customer: Customer | None, usual: str = ""
) -> HttpResponse:
    """To another host's page."""
    if is_by_script(request):
        return HttpResponse(headers={"HX-Redirect": url})
    return leave_for(request, url, seller=seller, customer=customer, usual=usual)


# Paper


def paid_by(invoice: Invoice) -> Payment | None:
    """The last payment that has paid an invoice, or a part of it."""
    return (
        Payment.objects.filter(
            state=Payment.State.SUCCEEDED,
            allocations__invoice=invoice,
            allocations__state=PaymentAllocation.State.SETTLED,
        )
        .order_by("-id")
        .first()
    )


def pdf_of(printed: Invoice | Payment, name: str) -> HttpResponse:
    """An invoice, or the receipt of a payment, to look at."""
    render: Callable[[Any], bytes] = (
        render_invoice if isinstance(printed, Invoice) else render_receipt
    )
    try:
        content = render(printed)
    except RenderingFailed:
        said = pgettext("pay", "The document cannot be created right now. Try again in a moment.")
        return HttpResponse(said, status=503, content_type="text/plain; charset=utf-8")
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return HttpResponse(content, content_type="application/pdf", headers=headers)
