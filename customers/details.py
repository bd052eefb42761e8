"""What customers may change of themselves, and what of it is checked."""

from datetime import date

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
    "buyer_reference",
    "language",
)


def change_own_details(customer: Customer, *, as_of: date, actor: str, **details: str) -> Customer:
    """Change what is in :data:`CHANGEABLE`; documents that have been issued stay as they are.

    Raises :class:`Refused` ("invalid_vat_number", "name_missing").
    """
    unknown = details.keys() - set(CHANGEABLE)
    assert not unknown, f"customers may not change {unknown}"
    if not details.get("name", customer.name).strip():
        raise Refused("An invoice needs a name.", code="name_missing")
    return change_details(customer, as_of=as_of, actor=actor, **details)
