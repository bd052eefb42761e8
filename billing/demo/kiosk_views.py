"""What visitors do in the shop whose time they hold: see how it stands, and let time pass."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST

from billing.demo.kiosk import ACTOR, find_kiosk
from billing.demo.visits import kiosk_or_404, language_of
from billing.engine.errors import Refused
from billing.invoicing.writing import Writer
from billing.schedule.test_clocks import advance
from catalog.models import Plan
from customers.calendar import now_of, today_of
from customers.models import Customer

# No longer than a person waits for a page.
LEAPS = (1, 7, 30)
CUSTOMERS_SHOWN = 6
ANCHOR = "kiosk"


def kiosk_of(language: str) -> dict[str, Any] | None:
    """The shop as the demo's page shows it, in a language that is active; None without one."""
    seller = find_kiosk()
    if seller is None:
        return None
    names = {
        1: pgettext("demo", "A day passes"),
        7: pgettext("demo", "A week passes"),
        30: pgettext("demo", "Thirty days pass"),
    }
    return {
        "seller": seller,
        "today": Writer(language, seller.currency).day(today_of(seller)),
        "is_advancing": seller.test_clock.is_advancing,
        "plans": Plan.objects.filter(seller=seller, is_active=True).order_by("pk"),
        "leaps": [(days, names[days]) for days in LEAPS],
        "customers": Customer.objects.filter(seller=seller).order_by("-pk")[:CUSTOMERS_SHOWN],
    }


@require_POST
def let_time_pass(request: HttpRequest) -> HttpResponse:
    """Take the shop's clock ahead: the days between are played, and their mail is sent."""
    seller = kiosk_or_404()
    if request.POST.get("days") not in {str(days) for days in LEAPS}:
        raise Http404
    # While a worker is at it, or time is on its way further ahead, the page says so.
    with suppress(Refused):
        to = now_of(seller) + timedelta(days=int(request.POST["days"]))
        advance(seller.test_clock, to, actor=ACTOR)
    return HttpResponseRedirect(f"{reverse('demo')}?language={language_of(request)}#{ANCHOR}")
