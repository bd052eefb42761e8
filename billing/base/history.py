"""What history keeps beside a change that a request makes."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from pghistory.middleware import HistoryMiddleware

from billing.base.redaction import redacted


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
