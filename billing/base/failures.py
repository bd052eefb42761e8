"""What is answered where a page fails: what passes by itself says so, and the rest is a 500."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

RETRY_AFTER_S = 5


def failed(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``: 503 where the database is away, or kept a page waiting too long."""
    if not isinstance(sys.exception(), OperationalError | InterfaceError):
        return server_error(request)
    # Neither session nor user is asked: they are in the database.
    answer = HttpResponse(render_to_string("503.html"), status=503)
    answer["Retry-After"] = str(RETRY_AFTER_S)
    return answer
