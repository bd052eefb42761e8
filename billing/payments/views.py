"""Where gateways tell what happened: checked, kept and answered at once."""

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.base import clock
from billing.payments.gateways.base import GatewayRefused, GatewayUnavailable
from billing.payments.gateways.registry import accounts_at
from billing.payments.inbox import keep


@csrf_exempt
@require_POST
def hook(request: HttpRequest, gateway: str) -> HttpResponse:
    """Keep a signed event, once, for the next tick: 200; 400 unsigned, 404 for no such gateway."""
    try:
        may_have_told = accounts_at(gateway)
    except GatewayUnavailable:
        return HttpResponse(status=404)
    now = clock.now()
    for one in may_have_told:
        with suppress(GatewayRefused):
            notice = one.read_hook(request.headers, request.body, int(now.timestamp()))
            keep(gateway, [notice], now, is_polled=False)
            return HttpResponse(status=200)
    return HttpResponse(status=400)
