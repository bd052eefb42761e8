"""Where gateways tell what happened: checked, kept and answered at once."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.base import clock
from billing.payments.gateways.base import GatewayRefused
from billing.payments.gateways.registry import configured
from billing.payments.inbox import keep


@csrf_exempt
@require_POST
def hook(request: HttpRequest, gateway: str) -> HttpResponse:
    """Keep a signed event, once, for the next tick: 200; 400 unsigned, 404 for no such gateway."""
    found = next((one for one in configured() if one.name == gateway), None)
    if found is None:
        return HttpResponse(status=404)
    now = clock.now()
    try:
        notice = found.read_hook(request.headers, request.body, int(now.timestamp()))
    except GatewayRefused:
        return HttpResponse(status=400)
    keep(found.name, [notice], now, is_polled=False)
    return HttpResponse(status=200)
