"""Reading what a caller sent: each value is what it should be, or refused by name."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .refusals import Refusal

AMOUNT_MINOR_MAX = 10**12
TEXT_LENGTH_MAX = 255
TEXTS_MAX = 20
URL_LENGTH_MAX = 2000
NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
WEB_ADDRESS = re.compile(
    r"(?P<origin>https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?)"
    r"(?P<path>/[!$&-;=@-Z_a-z~%\[\]]*)?(?:\?[!$&-;=?@-Z_a-z~%\[\]]*)?(?:#[!$&-;=?@-Z_a-z~%\[\]]*)?"
)


class Fields:
    """The fields of one request. Raises ``Refusal`` (422) for what is missing, odd or unknown."""

    def __init__(self, body: Mapping[str, Any], *known: str) -> None:
        self._body = body
        for name in body:
            if name not in known:
                raise Refusal(
                    422, "unknown_field", f"There is no field {name[:40]!r} here.", name[:40]
                )

    def __contains__(self, name: str) -> bool:
        return self._body.get(name) is not None

    def text(self, name: str) -> str:
        """Text of 1 to 255 characters, none of them a control character or half of one."""
        value = self._body.get(name)
        if not isinstance(value, str) or not value.strip():
            raise Refusal(422, "missing", f"Give {name}, as text.", name)
        if len(value) > TEXT_LENGTH_MAX or NOT_TEXT.search(value):
            raise Refusal(
                422, "invalid", f"{name} is longer than 255 characters or not plain text.", name
            )
        return value

    def texts(self, name: str) -> dict[str, str]:
        """Up to twenty short texts by their names; none where the field is missing."""
        value = self._body.get(name) or {}
        if not isinstance(value, dict) or len(value) > TEXTS_MAX:
            raise Refusal(422, "invalid", f"{name} holds up to {TEXTS_MAX} texts by name.", name)
        return {key: Fields(value, *value).text(key) for key in value}

    def instant(self, name: str) -> str:
        """An instant with its zone, as the gateway writes it: in UTC, with its microseconds."""
        value = self._body.get(name)
        try:
            at = datetime.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise Refusal(422, "invalid", f"{name} is an instant in ISO 8601, with zone.", name)
        return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def choice(self, name: str, *choices: str) -> str:
        value = self._body.get(name)
        if not isinstance(value, str) or value not in choices:
            raise Refusal(422, "invalid", f"{name} is one of: {', '.join(choices)}.", name)
        return value

    def whole_number(self, name: str, lowest: int, highest: int) -> int:
        value = self._body.get(name)
        if type(value) is not int or not lowest <= value <= highest:
            raise Refusal(
                422, "invalid", f"{name} is a whole number from {lowest} to {highest}.", name
            )
        return value

    def number(self, name: str, lowest: int, highest: int) -> int | float:
        value = self._body.get(name)
        # A truth value is an int to Python, and nothing to a caller who means a number.
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not lowest <= value <= highest
        ):
            raise Refusal(422, "invalid", f"{name} is a number from {lowest} to {highest}.", name)
        return value

    def amount_minor(self) -> int:
        """An amount above zero in the currency's smallest unit."""
        return self.whole_number("amount_minor", 1, AMOUNT_MINOR_MAX)

    def currency(self) -> str:
        """Three capital letters, as in ISO 4217."""
        value = self._body.get("currency")
        if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{3}", value):
            raise Refusal(422, "invalid", "currency is three capital letters.", "currency")
        return value

    def web_address(self, name: str) -> str:
        """An absolute http or https address: nothing else may a browser be sent on to."""
        value = self._body.get(name)
        if (
            not isinstance(value, str)
            or len(value) > URL_LENGTH_MAX
            or not WEB_ADDRESS.fullmatch(value)
        ):
            raise Refusal(422, "invalid", f"{name} is an http or https address.", name)
        return value


def origin(address: str) -> str:
    """Scheme, host and port of an address that ``web_address`` let through."""
    match = WEB_ADDRESS.fullmatch(address)
    assert match
    return match["origin"]
