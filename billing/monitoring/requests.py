"""Following requests: an id for each, a count of the answers, and a line where one is wanted."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse

from billing.base import tallies
from billing.monitoring import context
from billing.monitoring.views import metrics

type Handler = Callable[[HttpRequest], HttpResponse]
SECONDS_BETWEEN_NOTES = 15
FAILED = 500
METRICS = "/metrics"

logger = logging.getLogger("kvitt.request")


def follow(get_response: Handler) -> Handler:
    """Give every request an id, in its answer and in each line of the log, and count the answer."""
    answers = _Answers()

    def respond(request: HttpRequest) -> HttpResponse:
        began, asked = time.monotonic(), context.begin(request)
        try:
            # Prometheus comes by address, as load balancers do, so nobody asks for the host.
            is_watching = request.path == METRICS and request.method in ("GET", "HEAD")
            answer = metrics(request) if is_watching else get_response(request)
            seconds = time.monotonic() - began
            answer[context.HEADER] = asked.id
            answers.note(answer.status_code, seconds)
            if settings.LOGS_REQUESTS:
                _tell(request, answer, seconds)
        finally:
            context.end()
        return answer

    return respond


def _tell(request: HttpRequest, answer: HttpResponse, seconds: float) -> None:
    figures = {
        "method": request.method,
        "path": request.path,
        "status": answer.status_code,
        "milliseconds": round(seconds * 1000),
        "address": request.META.get("REMOTE_ADDR", ""),
    }
    said = "%(method)s %(path)s %(status)s %(milliseconds)s ms"
    logger.info(said, figures, extra={"figures": figures})


class _Answers:
    """Counts of this process, added to the database's now and then, or when one failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._milliseconds = 0
        self._noted_at = time.monotonic()

    def note(self, status: int, seconds: float) -> None:
        with self._lock:
            self._counts[f"{status // 100}xx"] += 1
            self._milliseconds += round(seconds * 1000)
            is_time = time.monotonic() - self._noted_at > SECONDS_BETWEEN_NOTES
            if not (is_time or status >= FAILED) or connection.in_atomic_block:
                return
            counts, took = self._counts, self._milliseconds
            self._counts, self._milliseconds = Counter(), 0
            self._noted_at = time.monotonic()
        try:
            tallies.add("answers", counts)
            tallies.add("answering", {"milliseconds": took})
        except (DatabaseError, InterfaceError):
            with self._lock:
                self._counts += counts
                self._milliseconds += took
