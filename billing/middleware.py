"""What every request passes through, beside Django's own."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csp import csp_override
from pghistory.middleware import HistoryMiddleware

from billing.jobs.views import healthz
from billing.redaction import redacted

type Handler = Callable[[HttpRequest], HttpResponse]


def health(get_response: Handler) -> Handler:
    """Answer ``/healthz`` before anything asks for the host: load balancers come by address."""

    def respond(request: HttpRequest) -> HttpResponse:
        is_asked = request.path == "/healthz" and request.method in ("GET", "HEAD")
        return healthz(request) if is_asked else get_response(request)

    return respond


def admin_csp(get_response: Handler) -> Handler:
    """Loosen the content security policy under /admin/, whose theme cannot run under ours."""
    loosened = csp_override(settings.ADMIN_CSP)(get_response)

    def respond(request: HttpRequest) -> HttpResponse:
        is_admin = request.path.startswith("/admin/")
        return loosened(request) if is_admin else get_response(request)

    return respond


class History(HistoryMiddleware):
    """What history keeps beside a change: by whom and where, without what opens the place.

    A GET of the API changes nothing that history keeps, so that nothing is kept beside it.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        reads = request.method in ("GET", "HEAD") and request.path.startswith("/api/")
        answer: HttpResponse = self.get_response(request) if reads else super().__call__(request)
        return answer

    def get_context(self, request: HttpRequest) -> dict[str, Any]:
        """The user and the path of a request that may change something."""
        context: dict[str, Any] = super().get_context(request)
        return context | {"url": redacted(request.path)}
