"""What all pages of the portal and of ``/pay/`` share: their language, their brand, their frame."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_cache_control

from customers.models import LANGUAGES, Customer, Seller
from portal.brand import logo_url, theme_url

_CODES = dict(LANGUAGES)
A_YEAR_SECONDS = 365 * 24 * 3600


def language_of(request: HttpRequest, customer: Customer | None = None, usual: str = "") -> str:
    """The language chosen in this browser, else ``usual``, the customer's, or the browser's."""
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    if chosen in _CODES:
        return chosen
    if usual in _CODES:
        return usual
    if customer is not None:
        return customer.language
    return translation.get_language_from_request(request).split("-")[0]


def choose_language(request: HttpRequest) -> str:
    """The language of a button that was pressed in a form, from now on that of the request as well;
    empty where none was.
    """
    chosen = request.POST.get("language", "")
    if chosen not in _CODES:
        return ""
    request.COOKIES[settings.LANGUAGE_COOKIE_NAME] = chosen
    return chosen


def keep_language(answer: HttpResponse, language: str) -> None:
    """Have the browser keep a language that was chosen in it."""
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME, language, max_age=A_YEAR_SECONDS, samesite="Lax"
    )


@contextmanager
def in_language_of(
    request: HttpRequest, customer: Customer | None = None, usual: str = ""
) -> Iterator[str]:
    """Do what is inside in :func:`language_of`; everything that makes sentences belongs there."""
    language = language_of(request, customer, usual)
    with translation.override(language):
        yield language


def show(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    seller: Seller | None = None,
    customer: Customer | None = None,
    usual: str = "",
    has_menu: bool = False,
    status: int = 200,
) -> HttpResponse:
    """A page that extends ``portal/base.html``, in the reader's language and the seller's colours.

    ``customer`` is whose page it is, or None where nobody is known; ``usual`` the language where
    none was chosen; ``has_menu`` for those who are signed in to all of it. No browser or proxy
    keeps what it shows.
    """
    with in_language_of(request, customer, usual) as language:
        frame = {
            "seller": seller,
            "customer": customer,
            "has_menu": has_menu,
            "language": language,
            "other_languages": [pair for pair in LANGUAGES if pair[0] != language],
            "theme_url": theme_url(seller) if seller else "",
            "logo_url": logo_url(seller) if seller else "",
        }
        answer = render(request, template, {**frame, **context}, status=status)
    answer.headers["Content-Language"] = language
    patch_cache_control(answer, private=True, no_store=True)
    return answer


def leave_for(
    request: HttpRequest,
    url: str,
    *,
    seller: Seller,
    customer: Customer | None = None,
    usual: str = "",
) -> HttpResponse:
    """Send who pressed a button to another host's page, such as the gateway's.

    A redirect would be one that follows a form, which ``form-action`` allows to our own host alone.
    """
    context = {"url": url}
    return show(
        request, "portal/leave.html", context, seller=seller, customer=customer, usual=usual
    )
