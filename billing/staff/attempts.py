"""Sign-ins that failed, as axes counts them, and the lock that comes of them."""

from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest

from billing.base import clock


def client_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str | None:
    """The name that attempts are counted by: sign-in takes no notice of case, nor does this."""
    given = (credentials or {}).get("username") or request.POST.get("login")
    return str(given).strip().lower()[:255] if given else None


def is_locked(attempt: AccessAttempt) -> bool:
    """Whether these failures keep their name from signing in at their address at this moment."""
    since = clock.now() - settings.AXES_COOLOFF_TIME
    return (
        attempt.failures_since_start >= settings.AXES_FAILURE_LIMIT and attempt.attempt_time > since
    )


def unlock(attempt: AccessAttempt) -> None:
    """Let the name sign in at the address again, before the time is over."""
    AccessAttempt.objects.filter(username=attempt.username, ip_address=attempt.ip_address).update(
        failures_since_start=0
    )
