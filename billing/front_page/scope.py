"""Whose rows the desk shows, and in whose time."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.base.requests import Handler
from customers.models import Seller


@dataclass(frozen=True)
class Scope:
    """The sellers that there are, by name."""

    sellers: Sequence[Seller]

    @property
    def time_zone(self) -> str:
        """The zone of the sellers, and the installation's where they have several."""
        zones = {seller.time_zone for seller in self.sellers}
        return zones.pop() if len(zones) == 1 else settings.DESK_TIME_ZONE


def scope_of_all() -> Scope:
    """All sellers, for whoever has chosen none."""
    found = Seller.objects.only("name", "public_id", "is_live", "time_zone")
    return Scope(list(found.order_by("name", "pk")))


def at_the_desk(get_response: Handler) -> Handler:
    """Show staff the desk's pages in the time of the sellers that they are about."""

    def respond(request: HttpRequest) -> HttpResponse:
        if not (request.path.startswith("/admin/") and request.user.is_authenticated):
            return get_response(request)
        request.scope = scope_of_all()  # type: ignore[attr-defined]
        with timezone.override(ZoneInfo(request.scope.time_zone)):  # type: ignore[attr-defined]
            return get_response(request)

    return respond
