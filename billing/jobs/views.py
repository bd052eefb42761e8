"""What a load balancer and an alarm ask."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from billing.base.requests import Handler
from billing.jobs.queries import last_beat, tick_age, tick_is_late


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the database answers and the tick is on time, else 503, why and since when.

    Where no tick has ever been, that is said, and is wrong from five minutes after the tables were
    made: nobody has started the worker.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        beat_at, age, is_late = last_beat(), tick_age(), tick_is_late()
    except DatabaseError:
        return JsonResponse({"status": "database unavailable"}, status=503)
    if not is_late:
        tick = "has not started" if beat_at is None else "on time"
        return JsonResponse({"status": "ok", "tick": tick, "last_tick_at": beat_at})
    if age is None:
        status = "tick has not started"
    else:
        status = "clock went back" if age.total_seconds() < 0 else "tick is late"
    return JsonResponse({"status": status, "last_tick_at": beat_at}, status=503)


def health(get_response: Handler) -> Handler:
    """Answer ``/healthz`` before anything asks for the host: load balancers come by address."""

    def respond(request: HttpRequest) -> HttpResponse:
        is_asked = request.path == "/healthz" and request.method in ("GET", "HEAD")
        return healthz(request) if is_asked else get_response(request)

    return respond
