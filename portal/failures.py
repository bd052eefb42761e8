"""What is answered where a page fails, is refused or is not there: in the look of the seller whose
page it was to be, in the reader's language, with what to do.
"""

import logging
import sys
from typing import Any

from django.core.exceptions import DisallowedHost
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import pgettext
from django.views import defaults

from billing.checkout.offers import find_order
from billing.desk import failures as desk
from customers.links import find_link
from customers.models import Seller
from portal.pages import in_language_of, show
from portal.visits import seller_asked_for, visit_of

RETRY_AFTER_S = 5
RETRY_SOON_AFTER_S = 60
# Programs read their own answers there.
OF_PROGRAMS = ("/api/", "/hooks/", "/metrics", "/healthz")
logger = logging.getLogger(__name__)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler404``."""
    if request.path.startswith(OF_PROGRAMS):
        return defaults.page_not_found(request, exception)
    with in_language_of(request):
        if desk.is_of_desk(request):
            return desk.not_found(request)
        return _show(
            request,
            404,
            pgettext("portal", "This page does not exist"),
            pgettext(
                "portal",
                "Part of the address may have been lost on the way. Copy all of it from the "
                "email or the page where you found it, or start from your own page.",
            ),
        )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler403``."""
    if request.path.startswith(OF_PROGRAMS):
        return defaults.permission_denied(request, exception)
    with in_language_of(request):
        if desk.is_of_desk(request):
            return desk.forbidden(request)
        return _show(
            request,
            403,
            pgettext("portal", "You do not have access to this page"),
            pgettext(
                "portal", "Sign in as somebody who has access, or ask whoever runs this website."
            ),
        )


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's ``CSRF_FAILURE_VIEW``: nobody can tell the form from one of another site's."""
    with in_language_of(request):
        if desk.is_of_desk(request):
            return desk.form_refused(request)
        return _show(
            request,
            403,
            pgettext("portal", "The form could not be accepted"),
            pgettext(
                "portal",
                "Nothing was done. The page may have been open for too long, or your browser may "
                "be blocking cookies for this address. Go back, reload the page and try again.",
            ),
        )


def too_many(
    request: HttpRequest,
    advice: str = "",
    retry_after_s: int = RETRY_SOON_AFTER_S,
    usual: str = "",
) -> HttpResponse:
    """``handler429``, which allauth asks for, and the answer to whom the portal turns away.

    ``advice`` says when to try again, in the language that is ``usual`` for the reader.
    """
    with in_language_of(request, usual=usual):
        if desk.is_of_desk(request):
            answer = desk.too_many(request)
        else:
            title = pgettext("portal", "Too many attempts")
            wait = pgettext("portal", "Nothing was done. Wait a minute, then try again.")
            answer = _show(request, 429, title, advice or wait, usual)
    answer["Retry-After"] = str(retry_after_s)
    return answer


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler400``: more fields than any form has, or another host's name."""
    if request.path.startswith(OF_PROGRAMS):
        return defaults.bad_request(request, exception)
    # It may be anybody's: neither session nor seller is asked.
    is_unknown_host = isinstance(exception, DisallowedHost)
    return desk.standing("400.html", request, 400, is_unknown_host=is_unknown_host)


def failed(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``: 503 where the database is away, or kept a page waiting too long."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        # Neither session nor seller is asked: they are in the database.
        answer = desk.standing("503.html", request, 503)
        answer["Retry-After"] = str(RETRY_AFTER_S)
        return answer
    if request.path.startswith(OF_PROGRAMS):
        return defaults.server_error(request)
    if desk.is_of_desk(request):
        return desk.standing("500.html", request, 500)
    try:
        with in_language_of(request):
            return _show(
                request,
                500,
                pgettext("portal", "This page does not work right now"),
                pgettext(
                    "portal",
                    "The fault is ours, and we have been told about it. Go back and try again in "
                    "a moment. Nothing is done twice.",
                ),
            )
    except Exception:
        logger.exception("The page that says that a page fails has failed as well.")
        return desk.standing("500.html", request, 500)


def _show(
    request: HttpRequest, status: int, title: str, advice: str, usual: str = ""
) -> HttpResponse:
    context: dict[str, Any] = {"title": title, "advice": advice}
    seller = _seller_of(request)
    return show(request, "portal/failure.html", context, seller=seller, usual=usual, status=status)


def _seller_of(request: HttpRequest) -> Seller | None:
    """Whose page it was to be; None for the desk's, and where nobody can say."""
    if not request.path.startswith(("/portal/", "/pay/")):
        return None
    try:
        token = request.resolver_match.kwargs.get("token") if request.resolver_match else None
        if token and (order := find_order(token)):
            return order.seller
        if token and (link := find_link(token)):
            return link.customer.seller
        visit = visit_of(request)
        return visit.seller if visit else seller_asked_for(request)
    except DatabaseError:
        return None
