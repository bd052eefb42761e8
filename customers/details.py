"""What customers may change of themselves, and what of it is checked."""

from datetime import date

from stdnum import get_cc_module
from stdnum.eu import vat
from stdnum.exceptions import ValidationError

from billing.engine.errors import Refused
from customers.actions import change_details
from customers.models import Customer

# Where money goes and what is taxed how is not among them: that is for the seller to decide.
CHANGEABLE = (
    "name",
    "address_line1",
    "address_line2",
    "postal_code",
    "city",
    "vat_number",
    "language",
)


def change_own_details(customer: Customer, *, as_of: date, actor: str, **details: str) -> Customer:
    """Change what is in :data:`CHANGEABLE`; documents that have been issued stay as they are.

    Raises :class:`Refused` ("invalid_vat_number", "name_missing").
    """
    unknown = details.keys() - set(CHANGEABLE)
    assert not unknown, f"customers may not change {unknown}"
    if details.get("vat_number"):
        details["vat_number"] = tidy_vat_number(details["vat_number"], str(customer.country))
    if not details.get("name", customer.name).strip():
        raise Refused("An invoice needs a name.", code="name_missing")
    return change_details(customer, as_of=as_of, actor=actor, **details)


def tidy_vat_number(number: str, country: str) -> str:
    """A VAT number without spaces, its country in front; its check digits are right.

    Whether it is registered is for VIES to say. Raises :class:`Refused` ("invalid_vat_number").
    """
    number, country = "".join(number.split()).upper(), country.lower()
    try:
        if country == "gr" or country in vat.MEMBER_STATES:
            is_whole = number[:2].lower() in {"el", *vat.MEMBER_STATES}
            number = str(vat.validate(number if is_whole else country + number))
            # Greece is EL to the tax authorities, and GR to everybody else.
            return f"EL{number[2:]}" if number.startswith("GR") else number
        national = get_cc_module(country, "vat")
        return str(national.validate(number)) if national else number
    except ValidationError as error:
        raise Refused(
            f"{number[:20]} is no valid VAT number. Write it with its country, "
            "such as SE556677889901.",
            code="invalid_vat_number",
        ) from error
