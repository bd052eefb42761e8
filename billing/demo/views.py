"""The page that shows visitors around. It is there while the demo runs, and never in production."""

from typing import Any

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from billing.demo.customers import guests_of
from billing.demo.figures import Figures, figures_of
from billing.demo.shop import STAFF, VISITORS_NUMBERS, find_shop, password_of
from billing.demo.sights import sights_of
from billing.engine.money import to_major
from billing.events import clock
from billing.payments.orders import PATH, create_order
from catalog.models import Plan
from customers.models import Seller

LANGUAGES = {"en": "English", "sv": "Svenska"}
# By the code of their plans: paid at once, by the quantity, after a trial, and in any country.
FOR_SALE = ("brygg-250", "kontor", "tidskrift", "barista")


@require_safe
def demo(request: HttpRequest) -> HttpResponse:
    """What there is to see, and with what to sign in; ``?language=sv`` or ``en``."""
    seller = _shop()
    language = language_of(request)
    today = clock.today(seller.time_zone)
    with translation.override(language):
        figures = figures_of(seller, today)
        context = {
            "seller": seller,
            "language": language,
            "languages": LANGUAGES,
            "lead": _lead(figures, language),
            "figures": _written(figures, language),
            "sights": sights_of(seller, today),
            "staff": _staff(),
            "for_sale": _for_sale(seller),
            "vat_numbers": VISITORS_NUMBERS,
            "guests": guests_of(seller, today),
        }
        answer = render(request, "demo/demo.html", context)
    answer.headers["Content-Language"] = language
    return answer


def language_of(request: HttpRequest) -> str:
    """The language that was asked for, or else the browser's."""
    asked = request.GET.get("language", "")
    language = asked if asked in LANGUAGES else translation.get_language() or "en"
    return language if language in LANGUAGES else "en"


@require_POST
def buy(request: HttpRequest) -> HttpResponse:
    """A checkout of one of the shop's plans, as its web shop would make one; 404 for another."""
    seller = _shop()
    plan = next((one for one in _for_sale(seller) if one.code == request.POST.get("plan")), None)
    if plan is None:
        raise Http404
    back = request.build_absolute_uri("/demo/")
    _, token = create_order(
        seller,
        plan,
        as_of=clock.today(seller.time_zone),
        actor="demo",
        language=translation.get_language() or "",
        success_url=back,
        cancel_url=back,
    )
    return HttpResponseRedirect(PATH.format(token=token))


def _shop() -> Seller:
    """The demo's shop, or 404 where there is none to be shown."""
    seller = find_shop() if settings.IN_DEMO and not settings.IN_PRODUCTION else None
    if seller is None:
        raise Http404
    return seller


def _for_sale(seller: Seller) -> list[Plan]:
    return list(Plan.objects.filter(seller=seller, code__in=FOR_SALE, is_active=True))


def _lead(figures: Figures, language: str) -> dict[str, str]:
    return {
        "customers": format_decimal(figures.customers, locale=language),
        "since": format_date(figures.mrr_first_on, "MMMM y", locale=language),
        "today": format_date(figures.on, "long", locale=language),
    }


def _written(figures: Figures, language: str) -> list[dict[str, Any]]:
    """The figures with their labels; one amount a currency."""

    def money(name: str) -> list[str]:
        return [
            format_currency(
                to_major(getattr(sums, name), sums.currency),
                sums.currency,
                # A code stands behind its amount: SEK2,100 is read as a word.
                format="#,##0 ¤" if language == "sv" else "#,##0 ¤¤",
                currency_digits=False,
                locale=language,
            )
            for sums in figures.sums
        ]

    def count(number: int) -> list[str]:
        return [format_decimal(number, locale=language)]

    since = format_date(figures.mrr_first_on, "d MMM y", locale=language)
    return [
        {"label": pgettext("demo", "Invoices"), "values": count(figures.invoices)},
        {"label": pgettext("demo", "Revenue, net"), "values": money("revenue_minor")},
        {"label": pgettext("demo", "Collected"), "values": money("collected_minor")},
        {"label": pgettext("demo", "Overdue"), "values": money("overdue_minor")},
        {
            "label": pgettext("demo", "A month's recurring revenue"),
            "values": money("mrr_last_minor"),
            "then": money("mrr_first_minor"),
            "since": since,
        },
        {"label": pgettext("demo", "Subscriptions"), "values": count(figures.subscriptions)},
    ]


def _staff() -> list[dict[str, str]]:
    """Who can sign in; without a password where somebody has chosen another."""
    roles = {
        "": (pgettext("demo", "Operator"), pgettext("demo", "Everything: the owner of the shop.")),
        "Support": (
            pgettext("demo", "Support"),
            pgettext("demo", "Customers and their subscriptions; sees the money only."),
        ),
        "Bookkeeping": (
            pgettext("demo", "Bookkeeping"),
            pgettext("demo", "Payments, credit notes, write-offs and the books."),
        ),
        "Auditor": (
            pgettext("demo", "Auditor"),
            pgettext("demo", "Sees everything and changes nothing."),
        ),
    }
    return [
        {
            "username": username,
            "role": roles[role][0],
            "about": roles[role][1],
            "password": password_of(username),
        }
        for username, _, _, role in STAFF
    ]
