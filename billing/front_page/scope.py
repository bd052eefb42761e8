"""Whose rows the desk shows, and in whose time: chosen by whoever looks, until they sign out."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from billing.base.requests import Handler
from billing.base.typed import row_id
from customers.models import Seller

# What the session keeps: the key of the chosen seller's row.
CHOSEN = "desk_seller"


@dataclass(frozen=True)
class Scope:
    """The sellers that there are, by name, and the one whose rows are shown; None for all."""

    sellers: Sequence[Seller]
    chosen: Seller | None = None

    @property
    def time_zone(self) -> str:
        """The zone of those shown, and the installation's where they have several."""
        zones = {seller.time_zone for seller in ([self.chosen] if self.chosen else self.sellers)}
        return zones.pop() if len(zones) == 1 else settings.DESK_TIME_ZONE

    @property
    def is_live(self) -> bool:
        """Whether there is a company in earnest: then sums of all leave test sellers out."""
        return any(seller.is_live for seller in self.summed)

    @property
    def summed(self) -> Sequence[Seller]:
        """The sellers whose documents are added up: never live and test ones together."""
        if self.chosen:
            return [self.chosen]
        return [seller for seller in self.sellers if seller.is_live] or self.sellers

    @property
    def left_out(self) -> int:
        """How many test sellers the sums of all leave out."""
        return 0 if self.chosen else len(self.sellers) - len(self.summed)


def scope_of(chosen: object = None) -> Scope:
    """All sellers, or the one whose row has the key ``chosen``, if it is still there."""
    found = Seller.objects.only("name", "public_id", "is_live", "time_zone").order_by("name", "pk")
    sellers = list(found)
    return Scope(sellers, next((seller for seller in sellers if seller.pk == chosen), None))


def at_the_desk(get_response: Handler) -> Handler:
    """Show staff the desk's pages in the time of the sellers that they are about."""

    def respond(request: HttpRequest) -> HttpResponse:
        if not (request.path.startswith("/admin/") and request.user.is_authenticated):
            return get_response(request)
        scope = scope_of(request.session.get(CHOSEN))
        request.desk_scope = scope  # type: ignore[attr-defined]
        with timezone.override(ZoneInfo(scope.time_zone)):
            return get_response(request)

    return respond


@require_POST
def choose_seller(request: HttpRequest) -> HttpResponse:
    """Keep whose rows are to be shown, and go back to the page that it was chosen on."""
    chosen = scope_of(row_id(request.POST.get("seller", ""))).chosen
    request.session[CHOSEN] = chosen.pk if chosen else None
    back = request.POST.get("next", "")
    is_own = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(back if is_own else reverse("admin:index"))
