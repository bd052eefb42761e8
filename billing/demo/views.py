"""The page that shows visitors around. It is there while the demo runs, and never in production."""

from typing import Any

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from billing.api.keys import make_key
from billing.base import clock
from billing.checkout.offers import PATH, create_order
from billing.demo.customers import guests_of
from billing.demo.figures import Figures, figures_of
from billing.demo.kiosk_views import kiosk_of
from billing.demo.shop import STAFF, VISITORS_NUMBERS, password_of
from billing.demo.sights import sights_of
from billing.demo.visits import LANGUAGES, kiosk_or_404, language_of, shop_or_404
from billing.engine.money import to_major
from billing.invoicing.writing import Writer
from catalog.models import Plan
from customers.calendar import today_of
from customers.models import Seller

# By the code of their plans: paid at once, by the quantity, after a trial, and in any country.
FOR_SALE = ("brygg-250", "kontor", "tidskrift", "barista")


@require_safe
def demo(request: HttpRequest) -> HttpResponse:
    """What there is to see, and with what to sign in; ``?language=sv`` or ``en``."""
    return _tour(request)


@require_POST
def api_key(request: HttpRequest) -> HttpResponse:
    """The same page with a key to the API of the shop whose time visitors hold, shown this once."""
    _, text = make_key(kiosk_or_404(), name="Demo", actor="demo")
    answer = _tour(request, api_key=text, api=request.build_absolute_uri("/api/v1"))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _tour(request: HttpRequest, **shown: str) -> HttpResponse:
    seller = shop_or_404()
    language = language_of(request)
    today = clock.today(seller.time_zone)
    with translation.override(language):
        figures = figures_of(seller, today)
        context = {
            "seller": seller,
            "here": reverse("demo"),
            "language": language,
            "languages": LANGUAGES,
            "lead": _lead(figures, language),
            "figures": _written(figures, language),
            "sights": sights_of(seller, today),
            "staff": _staff(),
            "for_sale": _for_sale(seller),
            "vat_numbers": VISITORS_NUMBERS,
            "guests": guests_of(seller, today),
            "kiosk": kiosk_of(language),
            **shown,
        }
        answer = render(request, "demo/demo.html", context)
    answer.headers["Content-Language"] = language
    return answer


@require_POST
def buy(request: HttpRequest) -> HttpResponse:
    """A checkout of one of the shop's plans, as its web shop would make one; 404 for another."""
    return _checkout(request, _for_sale(shop_or_404()))


@require_POST
def buy_at_kiosk(request: HttpRequest) -> HttpResponse:
    """The same for the shop whose time visitors hold."""
    return _checkout(request, list(Plan.objects.filter(seller=kiosk_or_404(), is_active=True)))


def _checkout(request: HttpRequest, for_sale: list[Plan]) -> HttpResponse:
    plan = next((one for one in for_sale if one.code == request.POST.get("plan")), None)
    if plan is None:
        raise Http404
    back = request.build_absolute_uri("/demo/")
    _, token = create_order(
        plan.seller,
        plan,
        as_of=today_of(plan.seller),
        actor="demo",
        language=translation.get_language() or "",
        success_url=back,
        cancel_url=back,
    )
    return HttpResponseRedirect(PATH.format(token=token))


def _for_sale(seller: Seller) -> list[Plan]:
    return list(Plan.objects.filter(seller=seller, code__in=FOR_SALE, is_active=True))


def _lead(figures: Figures, language: str) -> dict[str, str]:
    return {
        "customers": format_decimal(figures.customers, locale=language),
        "since": format_date(figures.mrr_first_on, "MMMM y", locale=language),
        "today": Writer(language, "SEK").day(figures.on),
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
            "label": pgettext("demo", "Monthly recurring revenue"),
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
            pgettext(
                "demo", "Customers and their subscriptions. Sees the money, but cannot move it."
            ),
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
