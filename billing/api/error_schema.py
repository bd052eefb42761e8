"""The OpenAPI document's errors: for each status, the codes that there are and one example.

Which of them an operation answers is not said: it depends on the rows that it meets.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

# A test writes it from the code.
ERROR_CODES = Path(__file__).with_name("error_codes.json")
PROBLEMS = "#/components/schemas/Problems"
# By status: code, sentence, field.
EXAMPLES: dict[str, tuple[str, str, str | None]] = {
    "400": ("required", "This field is required.", "email"),
    "401": ("key_invalid", "This key opens nothing.", None),
    "402": (
        "payment_failed",
        "The card was declined (expired_card). Have the customer add another.",
        None,
    ),
    "403": ("scope_missing", "This key has not the scope customers:write.", None),
    "404": ("not_found", "There is no such plan.", "plan"),
    "405": ("method_not_allowed", 'Method "PUT" not allowed.', None),
    "409": ("already_paused", "It is already paused.", None),
    "411": ("length_required", "Send the body whole, with a Content-Length, not in chunks.", None),
    "413": ("body_too_large", "A body may have 1,000,000 bytes at most.", None),
    "415": ("unsupported_media_type", 'Unsupported media type "text/plain" in request.', None),
    "422": ("unknown_price", "The plan has no price “seats”.", "quantities"),
    "429": ("rate_limited", "Too many requests with this key.", None),
    "500": ("error", "Server Error (500)", None),
    "503": ("try_again", "The database is busy. Try again in a moment.", None),
}


@cache
def error_codes() -> dict[str, dict[str, str]]:
    """By status, each code with what is said of it."""
    found: dict[str, dict[str, str]] = (
        json.loads(ERROR_CODES.read_text()) if ERROR_CODES.exists() else {}
    )
    return found


def with_error_codes(
    result: dict[str, Any], generator: object, request: object, public: bool
) -> dict[str, Any]:
    """Name the codes of each status wherever it is answered; a hook of drf-spectacular's."""
    schemas = result["components"]["schemas"]
    schemas |= {f"Problems{status}": _schema(list(said)) for status, said in error_codes().items()}
    for methods in result["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                for part in answer.get("content", {}).values():
                    if status in EXAMPLES and part["schema"] == {"$ref": PROBLEMS}:
                        part["schema"] = {"$ref": PROBLEMS + status}
                        part["example"] = _example(status)
    return result


def _schema(codes: list[str]) -> dict[str, Any]:
    of_status = {"type": "object", "properties": {"code": {"enum": codes}}}
    errors = {"type": "array", "items": of_status}
    return {"allOf": [{"$ref": PROBLEMS}, {"type": "object", "properties": {"errors": errors}}]}


def _example(status: str) -> dict[str, Any]:
    code, detail, attr = EXAMPLES[status]
    kind = "server_error" if status.startswith("5") else "client_error"
    return {
        "type": "validation_error" if status == "400" else kind,
        "errors": [{"code": code, "detail": detail, "attr": attr}],
    }
