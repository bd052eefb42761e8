"""Exceptions as answers: DRF's EXCEPTION_HANDLER. What the database refuses is never a 500."""

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, DataError, IntegrityError, OperationalError
from django.db.models import ProtectedError
from django.http import HttpRequest, HttpResponse
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework.exceptions import APIException, MethodNotAllowed
from rest_framework.response import Response

from billing.api.errors import ATTR_OF_CODE, ApiError, status_of
from billing.base.typed import guard_of
from billing.engine.errors import BillingError

logger = logging.getLogger(__name__)

RETRY_AFTER_S, GATEWAY_AFTER_S = 2, 30
# Developers read these sentences, of whom many have no Swedish; some come from the framework.
LANGUAGE = "en"
PREFIX = "/api/v1/"
# Constraints that a shop's own id can meet, and whose id it is then.
_TAKEN = {
    "customer_external_id_is_unique": "customer",
    "subscription_external_id_is_unique": "subscription",
}
# PostgreSQL's: somebody else has what this needs, or it took too long; later it may go well.
_PASSING = ("40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "53300", "25006")
_OF_DATA = ("22", "42846")
_OF_RULES = ("23", "P0", "44", "27")


class Handler(ExceptionHandler):
    """Every exception as an answer; what we did not foresee is logged, and told of as 500."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, BillingError):
            status = status_of(exc)
            wait_s = GATEWAY_AFTER_S if status == 503 else 0
            attr = ATTR_OF_CODE.get(exc.code)
            return ApiError(status, exc.code, exc.message, attr=attr, wait_s=wait_s)
        if isinstance(exc, ProtectedError):
            return ApiError(409, "in_use", "Other records depend on this one.")
        if isinstance(exc, DatabaseError):
            return of_database(exc)
        if isinstance(exc, SuspiciousOperation):
            return ApiError(400, "malformed", "The request has too many parts, or a wrong one.")
        return super().convert_known_exceptions(exc)

    def should_not_handle(self, exc: Exception) -> bool:
        return False

    def format_exception(self, exc: APIException) -> dict[str, Any]:
        data = super().format_exception(exc)
        if isinstance(exc, ApiError):
            data["errors"][0]["attr"] = exc.attr
        return data

    def get_headers(self, exc: APIException) -> dict[str, str]:
        headers = super().get_headers(exc)
        wait = getattr(exc, "wait", None)
        if wait:
            headers["Retry-After"] = str(wait)
        if isinstance(exc, MethodNotAllowed):
            headers["Allow"] = ", ".join(self.context["view"].allowed_methods)
        return headers


def handle(exc: Exception, context: Any) -> Response | None:
    """DRF's EXCEPTION_HANDLER."""
    return Handler(exc, context).run()


def of_database(error: DatabaseError) -> Exception:
    """A guard's refusal is a conflict, data that do not fit are the caller's, waiting may help.

    Anything else is a fault of ours, and stays what it is.
    """
    state = getattr(error.__cause__, "sqlstate", None) or ""
    if state.startswith(_PASSING) or isinstance(error, OperationalError):
        logger.warning("The database was busy or away: %s", error)
        return ApiError(
            503, "try_again", "The database is busy. Try again in a moment.", wait_s=RETRY_AFTER_S
        )
    if isinstance(error, DataError) or state.startswith(_OF_DATA):
        return ApiError(400, "invalid_data", "A value does not fit: it is too long or too large.")
    if owner := _TAKEN.get(guard_of(error)):
        return ApiError(
            409,
            "external_id_taken",
            f"This id is another {owner}'s. Choose another one, or change that {owner}.",
            attr="external_id",
        )
    if isinstance(error, IntegrityError) or state.startswith(_OF_RULES):
        return ApiError(409, "conflict", f"The database refused this: {_guard(error)}.")
    return error


def in_json(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware: refusals under /api/v1/ are JSON also where no endpoint was asked.

    Django answers in HTML where the Host is not ours, and where something fails before a view.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        is_ours = answer.headers.get("Content-Type") == "application/json"
        if answer.status_code < 400 or is_ours or not request.path.startswith(PREFIX):
            return answer
        # The same answer, with the headers that others have set already.
        answer.content = _problem(answer.status_code)
        answer.headers["Content-Type"] = "application/json"
        answer.headers.pop("Content-Length", None)
        return answer

    return respond


def _problem(status: int) -> str:
    """What there is to say of a status of which nothing more is known."""
    known = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 503: "try_again"}
    error = {
        "code": known.get(status, "error"),
        "detail": f"{HTTPStatus(status).phrase}: {HTTPStatus(status).description}".strip(": "),
        "attr": None,
    }
    kind = "server_error" if status >= 500 else "client_error"
    return json.dumps({"type": kind, "errors": [error]})


def _guard(error: DatabaseError) -> str:
    """The name of the guard, which is a sentence; never its message, which tells of other rows."""
    return guard_of(error).replace("_", " ")
