"""Bodies and query strings: JSON of a bounded size, without characters that no text has."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from billing.api.errors import ApiError, invalid
from billing.engine.bounds import NO_TEXT

BODY_MAX = 1_000_000
DEPTH_MAX = 20


class StrictJSONParser(BaseParser):
    """JSON in UTF-8. Numbers with a point are :class:`Decimal`: no float comes near money."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            text = stream.read().decode()
            parsed = json.loads(
                text, parse_float=_decimal, parse_constant=_refuse, object_pairs_hook=_object
            )
        except (ValueError, RecursionError) as error:
            raise ParseError(f"This is not JSON: {_reason(error)}.", "malformed") from error
        for path, found in _texts(parsed):
            if NO_TEXT.search(found):
                raise invalid(path or "body", "control_character", CONTROL_CHARACTER)
        return parsed


CONTROL_CHARACTER = "Control characters cannot be part of a text."


def _decimal(text: str) -> Decimal:
    # An exponent would make a number of a million digits out of nine characters.
    if "e" in text or "E" in text:
        raise ValueError("write numbers without an exponent")
    return Decimal(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Each field once: of two with one name, one would be ignored."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field is there twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number of JSON")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).partition(";")[0].lower()


def _texts(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every text in what was parsed, keys too, with the way to it."""
    if isinstance(value, str):
        yield path, value
    elif depth > DEPTH_MAX:
        raise ParseError("This is not JSON of ours: it is nested too deeply.", "malformed")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield path, key
            yield from _texts(inner, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{path}.{number}" if path else str(number), depth + 1)


def check_length(headers: Mapping[str, Any]) -> None:
    """Refuse a body over a megabyte before any of it is read, and one that would not be read.

    Django reads as many bytes as the length says, and none of what comes in chunks: a request
    would be met as if it had said nothing.
    """
    if "HTTP_TRANSFER_ENCODING" in headers:
        raise ApiError(
            411, "length_required", "Send the body whole, with a Content-Length, not in chunks."
        )
    try:
        length = int(headers.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > BODY_MAX:
        raise ApiError(413, "body_too_large", f"A body may have {BODY_MAX:,} bytes at most.")


def check_query(query: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse parameters that mean nothing here: a filter that is not applied shows too much."""
    for name in query:
        if name not in known:
            shown = name if name.isprintable() else "?"
            raise invalid(shown[:80], "unknown_parameter", "There is no such parameter here.")
        values = query.getlist(name)  # type: ignore[attr-defined]
        if len(values) > 1 or not values[0]:
            raise invalid(name, "invalid", "Give it one value, or leave it out.")
        for value in values:
            if NO_TEXT.search(value):
                raise invalid(name, "control_character", CONTROL_CHARACTER)


def check_path(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if NO_TEXT.search(str(value)):
            raise invalid(name, "control_character", CONTROL_CHARACTER)


class AlwaysJSON(BaseContentNegotiation):
    """There is one form of answer; what a client would rather have is not asked."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        sent = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == sent), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return JSONRenderer(), "application/json"
