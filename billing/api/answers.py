"""Exceptions as answers: DRF's EXCEPTION_HANDLER. What the database refuses is never a 500."""

import logging
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, OperationalError
from django.db.models import ProtectedError
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from billing.api.errors import ATTR_OF_CODE, ApiError, status_of
from billing.base.typed import guard_of
from billing.engine.errors import BillingError

logger = logging.getLogger(__name__)

RETRY_AFTER_S, GATEWAY_AFTER_S = 2, 30
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
    if isinstance(error, IntegrityError) or state.startswith(_OF_RULES):
        return ApiError(409, "conflict", f"The database refused this: {_guard(error)}.")
    return error


def _guard(error: DatabaseError) -> str:
    """The name of the guard, which is a sentence; never its message, which tells of other rows."""
    return guard_of(error).replace("_", " ")
