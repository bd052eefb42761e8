"""Fields that take what they say and nothing like it.

DRF's own are kind: "1" is a number to them, and "yes" is true. A shop that sends such things has
a mistake that it would like to hear of before it becomes an invoice.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import URLValidator, validate_email
from django_countries import countries
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.base.cards import card_refusal
from billing.engine.bounds import METADATA_KEY, METADATA_KEYS, METADATA_VALUE, MINOR_MAX
from billing.engine.errors import UnknownCurrency
from billing.engine.money import exponent
from customers.models import ADDRESSEES_MAX

ID = r"^{prefix}_[0-9a-f]{{24}}$"
DECIMAL = r"^-?[0-9]{1,14}(\.[0-9]{1,10})?$"


class Text(serializers.CharField):
    """A text, and not a number that looks like one."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("max_length", 200)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text = str(super().to_internal_value(data))
        _refuse_cards(self.field_name, text)
        return text


def _refuse_cards(name: str | None, value: Any) -> None:
    if said := card_refusal(name or "", value):
        raise serializers.ValidationError(said, "card_number")


class Email(Text):
    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            if text:
                validate_email(text)
        except DjangoValidationError as error:
            raise serializers.ValidationError("This is not an email address.", "invalid") from error
        return text


class Addresses(serializers.ListField):
    """Mail addresses, ten at most."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=Email(max_length=254), max_length=ADDRESSEES_MAX, **options)


class Url(Text):
    """An address on the web, ``https`` unless it is of this machine."""

    check = URLValidator(schemes=["https", "http"])

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 2000, **options})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            if text:
                self.check(text)
        except DjangoValidationError as error:
            raise serializers.ValidationError("This is not a web address.", "invalid") from error
        return text


class Pattern(serializers.RegexField):
    """A text of one form, such as a public id."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Integer(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return int(data)


class Minor(Integer):
    """Whole units of the currency's smallest: öre, cents."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("min_value", -MINOR_MAX)
        options.setdefault("max_value", MINOR_MAX)
        super().__init__(**options)


class Boolean(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return bool(data)


class Choice(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return str(super().to_internal_value(data))


class Day(serializers.DateField):
    """A date such as 2026-03-01."""

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            self.fail("invalid", format="YYYY-MM-DD")
        found: date = super().to_internal_value(value)
        if not 1970 <= found.year <= 2200:
            raise serializers.ValidationError("Not between 1970 and 2200.", "out_of_range")
        return found


class Instant(serializers.DateTimeField):
    """An instant with its offset from UTC, such as 2026-03-01T12:00:00Z."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            found = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise serializers.ValidationError(
                "Write an instant with its offset, such as 2026-03-01T12:00:00Z.", "invalid"
            )
        if not 1970 <= found.year <= 2200:
            raise serializers.ValidationError("Not between 1970 and 2200.", "out_of_range")
        return found.astimezone(UTC)


@extend_schema_field({"type": "string", "pattern": DECIMAL, "example": "12.5"})
class Exact(serializers.Field):
    """A quantity, unit price or rate: a decimal, as a text so that no digit is lost on the way.

    Numbers are taken too, and read to their last digit.
    """

    def to_internal_value(self, data: Any) -> Decimal:
        text = str(data) if isinstance(data, int | Decimal) and data is not True else data
        if isinstance(data, bool) or not isinstance(text, str) or not re.fullmatch(DECIMAL, text):
            raise serializers.ValidationError(
                "Write a decimal with at most 10 decimals, such as “12.5”.", "invalid"
            )
        return Decimal(text)

    def to_representation(self, value: Decimal) -> str:
        return exact(value)


def exact(value: Decimal) -> str:
    """12.5 and not 12.5000000000."""
    return f"{value.normalize():f}"


@extend_schema_field({"type": "string", "pattern": "^[A-Z]{3}$", "example": "SEK"})
class Currency(Text):
    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        try:
            exponent(code)
        except UnknownCurrency as error:
            raise serializers.ValidationError(error.message, error.code) from error
        return code


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": METADATA_VALUE},
        "maxProperties": METADATA_KEYS,
        "example": {"order": "1234"},
    }
)
class Metadata(serializers.Field):
    """The shop's own notes: a flat map from text to text. Nothing here reads them."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Send an object of texts.", "invalid")
        if len(data) > METADATA_KEYS:
            raise serializers.ValidationError(f"At most {METADATA_KEYS} keys.", "too_many")
        for key, value in data.items():
            if not isinstance(value, str):
                raise serializers.ValidationError(f"“{key}” is not a text.", "invalid")
            if not key or len(key) > METADATA_KEY or len(value) > METADATA_VALUE:
                raise serializers.ValidationError(
                    f"Keys have 1 to {METADATA_KEY} characters, values {METADATA_VALUE} at most.",
                    "too_long",
                )
        _refuse_cards("metadata", data)
        return data

    def to_representation(self, value: Any) -> dict[str, str]:
        return {str(key): str(inner) for key, inner in (value or {}).items()}


@extend_schema_field({"type": "string", "pattern": "^[A-Z]{2}$", "example": "SE"})
class Country(Text):
    """An ISO 3166 code."""

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if code not in dict(countries):
            raise serializers.ValidationError(f"“{code}” is not a country.", "unknown_country")
        return code


class PublicId(Pattern):
    """A public id with its prefix, such as ``cus_3f9c…``."""

    def __init__(self, prefix: str = "[a-z]+", **options: Any) -> None:
        super().__init__(ID.format(prefix=prefix), **options)


class CustomerKey(Text):
    """A customer, by our id or as ``external:`` and the shop's own."""


class Writing(serializers.Serializer[Any]):
    """What a request may send. A field that is not here, or that is only read, is refused."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError(
                    {name: ["There is no such field to set."] for name in unknown[:10]},
                    "unknown_field",
                )
        return super().to_internal_value(data)
