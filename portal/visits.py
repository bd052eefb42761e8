"""Who is visiting the portal: a customer who is signed in to all of it, or to one subscription.

Their session has a cookie of its own, sent to ``/portal/`` alone, and shares nothing with that of
staff: who is signed in to one of them is nobody to the other, in the same browser as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import pgettext

from billing.base import clock
from billing.subscriptions.models import Subscription
from customers.calendar import now_of
from customers.models import AccessLink, Customer, Seller
from customers.persons import staying_of
from portal.by_script import answer_in_place, go_to
from portal.pages import in_language_of, show
from portal.queries import accounts_at

COOKIE = "portal"
# Whose customer was signed in here last, so that they find the same door when that is over.
SELLER_COOKIE = "portal_seller"
SELLER_LASTS = timedelta(days=90)
COOKIE_PATH = "/portal/"
LASTS = timedelta(hours=12)
_CUSTOMER, _ONLY, _UNTIL, _RETURN, _ADDRESS, _SEVERAL, _ORDER, _OFFER = (
    f"portal_{key}"
    for key in ("customer", "only", "until", "to", "address", "several", "order", "offer")
)


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in customer and what time it is for their seller, read once for a request.

    ``only`` is the public id of the one subscription that the visit is for, empty for all;
    ``return_url`` leads back to the shop that sent them, empty where none did. ``address`` is the
    one that they have shown to read, empty where they came by a link of the shop's; ``order`` is
    the public id of the one that they were about to place, and ``offer`` the token of the page on
    which this account goes on with it, once it has one.
    """

    customer: Customer
    now: datetime
    as_of: date
    only: str = ""
    return_url: str = ""
    address: str = ""
    has_several: bool = False
    order: str = ""
    offer: str = ""

    def accounts(self) -> QuerySet[Customer]:
        """All that they may look after here, the newest first."""
        return accounts_at(self.customer.seller_id, self.address)

    def is_whom_it_signs_in(self, link: AccessLink) -> bool:
        """Whether a link is for the visitor: for this account, or one that was merged into it, or
        mailed to the address that they have shown to read.
        """
        if self.customer.seller_id != link.customer.seller_id:
            return False
        reads_it = bool(self.address) and self.address == link.address
        return self.customer == staying_of(link.customer) or reads_it

    @property
    def seller(self) -> Seller:
        return self.customer.seller

    @property
    def actor(self) -> str:
        return f"customer:{self.customer.public_id}"

    def subscription(self, public_id: str) -> Subscription:
        """One of the customer's own, and in scope. Raises Http404 for all others."""
        found = (
            Subscription.objects.filter(customer=self.customer, public_id=public_id)
            .select_related("plan__seller", "customer__seller")
            .first()
        )
        if found is None or (self.only and self.only != public_id):
            raise Http404
        return found


type View[**Rest] = Callable[Concatenate[HttpRequest, Visit, Rest], HttpResponse]
type Door[**Rest] = Callable[Concatenate[HttpRequest, Rest], HttpResponse]


def visit_of(request: HttpRequest) -> Visit | None:
    """The visit that a request belongs to; None for who is not signed in, or no longer."""
    key = request.COOKIES.get(COOKIE)
    if not key:
        return None
    kept = SessionStore(key)
    until = kept.get(_UNTIL)
    if until is None or until <= clock.now().timestamp():
        return None
    customers = Customer.objects.select_related("seller__test_clock")
    customer = customers.filter(pk=kept[_CUSTOMER], merged_into=None).first()
    if customer is None:
        return None
    now = now_of(customer.seller)
    as_of = clock.local_day(now, customer.seller.time_zone)
    return Visit(
        customer,
        now,
        as_of,
        kept[_ONLY],
        kept[_RETURN],
        kept.get(_ADDRESS, ""),
        kept.get(_SEVERAL, False),
        kept.get(_ORDER, ""),
        kept.get(_OFFER, ""),
    )


def begin(
    request: HttpRequest,
    response: HttpResponse,
    customer: Customer,
    *,
    only: str = "",
    return_url: str = "",
    address: str = "",
    order: str = "",
    offer: str = "",
) -> None:
    """Sign a customer in, under a session that nobody has known before; the old one is over.

    They may look after all accounts with the ``address`` that they have shown to read.
    """
    _forget(request)
    has_several = accounts_at(customer.seller_id, address)[:2].count() > 1
    kept = SessionStore()
    kept[_CUSTOMER], kept[_ONLY] = customer.pk, only
    kept[_RETURN] = return_url if return_url.startswith(("https://", "http://")) else ""
    kept[_ADDRESS], kept[_SEVERAL] = address, has_several
    kept[_ORDER], kept[_OFFER] = order, offer
    kept[_UNTIL] = int((clock.now() + LASTS).timestamp())
    kept.set_expiry(LASTS)
    kept.create()
    _set_cookie(response, COOKIE, str(kept.session_key))
    _set_cookie(response, SELLER_COOKIE, customer.seller.public_id, lasts=SELLER_LASTS)


def keep_order(request: HttpRequest, order: str, offer: str = "") -> None:
    """Note in the visit of a request which order it is about; see :class:`Visit`."""
    kept = SessionStore(request.COOKIES[COOKIE])
    kept[_ORDER], kept[_OFFER] = order, offer
    kept.save()


def _set_cookie(
    response: HttpResponse, name: str, value: str, *, lasts: timedelta | None = None
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=lasts,
        path=COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def end(request: HttpRequest, response: HttpResponse) -> None:
    """Sign out: the session is over, here and wherever its cookie went."""
    _forget(request)
    for name in (COOKIE, SELLER_COOKIE):
        response.delete_cookie(name, path=COOKIE_PATH, samesite="Lax")


def _forget(request: HttpRequest) -> None:
    if key := request.COOKIES.get(COOKIE):
        SessionStore(key).flush()


def forget_over(now: datetime, limit: int = 10_000) -> int:
    """Delete sessions that are over, those of staff too, who have theirs in the same table.

    For the tick, until it returns 0: how many rows went, a bounded number at a time.
    """
    over = Session.objects.filter(expire_date__lt=now).values("pk")[:limit]
    count, _ = Session.objects.filter(pk__in=over).delete()
    return count


def for_customers[**Rest](view: View[Rest]) -> Door[Rest]:
    """A page for who is signed in to the whole portal; all others are asked to sign in."""

    @wraps(view)
    def door(request: HttpRequest, /, *args: Rest.args, **named: Rest.kwargs) -> HttpResponse:
        visit = visit_of(request)
        if visit is None or visit.only:
            return _ask_to_sign_in(request, visit)
        with in_language_of(request, visit.customer):
            return answer_in_place(request, view(request, visit, *args, **named))

    return door


def for_subscriptions[**Rest](view: View[Rest]) -> Door[Rest]:
    """A page of one subscription, also for who has come by a link to it alone."""

    @wraps(view)
    def door(request: HttpRequest, /, *args: Rest.args, **named: Rest.kwargs) -> HttpResponse:
        visit = visit_of(request)
        if visit is None:
            return _ask_to_sign_in(request, visit)
        with in_language_of(request, visit.customer):
            return answer_in_place(request, view(request, visit, *args, **named))

    return door


def show_to(
    request: HttpRequest,
    visit: Visit,
    template: str,
    context: Mapping[str, Any],
    *,
    section: str = "",
    status: int = 200,
) -> HttpResponse:
    """A page for who is signed in; ``section`` is the entry of the menu that it belongs to."""
    frame = {"visit": visit, "section": section}
    return show(
        request,
        template,
        {**frame, **context},
        seller=visit.seller,
        customer=visit.customer,
        has_menu=not visit.only,
        status=status,
    )


def seller_asked_for(request: HttpRequest) -> Seller | None:
    """Whose door it is: the one that the address names, the one of the last visit in this browser,
    or the only one that there is.
    """
    named = request.GET.get("seller", "") or request.COOKIES.get(SELLER_COOKIE, "")
    if named and "\0" not in named:
        found = Seller.objects.filter(public_id=named).first()
        if found or "seller" in request.GET:
            return found
    sellers = list(Seller.objects.all()[:2])
    return sellers[0] if len(sellers) == 1 else None


def _ask_to_sign_in(request: HttpRequest, visit: Visit | None) -> HttpResponse:
    """To the door of the same seller, with the reason where somebody was signed in before."""
    if request.COOKIES.get(COOKIE):
        with in_language_of(request, visit.customer if visit else None):
            messages.info(request, _why_to_sign_in(request, visit))
    seller_id = visit.seller.public_id if visit else request.COOKIES.get(SELLER_COOKIE, "")
    query = "?" + urlencode({"seller": seller_id}) if seller_id else ""
    return go_to(request, reverse("portal:sign_in") + query)


def _why_to_sign_in(request: HttpRequest, visit: Visit | None) -> str:
    if request.method == "POST" and visit is None:
        return pgettext(
            "portal",
            "You have been signed out, so nothing has changed. Sign in and do it again.",
        )
    return pgettext("portal", "Sign in to see that page.")
