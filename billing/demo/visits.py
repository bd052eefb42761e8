"""Whether there is anything to visit: the demo's pages are there while it runs, never elsewhere."""

from django.conf import settings
from django.http import Http404, HttpRequest
from django.utils import translation

from billing.demo.kiosk import find_kiosk
from billing.demo.shop import find_shop
from customers.models import Seller

LANGUAGES = {"en": "English", "sv": "Svenska"}


def shop_or_404() -> Seller:
    """The shop that has lived for a year."""
    return _or_404(find_shop() if _is_open() else None)


def kiosk_or_404() -> Seller:
    """The shop whose time visitors hold."""
    return _or_404(find_kiosk() if _is_open() else None)


def language_of(request: HttpRequest) -> str:
    """The language that was asked for, or else the browser's."""
    asked = request.GET.get("language", "")
    language = asked if asked in LANGUAGES else translation.get_language() or "en"
    return language if language in LANGUAGES else "en"


def _is_open() -> bool:
    return settings.IN_DEMO and not settings.IN_PRODUCTION


def _or_404(seller: Seller | None) -> Seller:
    if seller is None:
        raise Http404
    return seller
