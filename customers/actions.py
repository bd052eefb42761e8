"""What can happen to a customer's details. Each tells of itself by an event."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction

from billing.engine.errors import Refused
from billing.events.recorder import record_for
from customers.models import Customer, Seller
from customers.numbers import TIDIERS, tidy_numbers
from customers.persons import refuse_merged

# What a customer or the shop may set; whose a customer is, is fixed.
DETAILS = frozenset(
    "external_id name email is_business address_line1 address_line2 postal_code city country "
    "language vat_number organisation_number business_evidence buyer_reference net_terms_days "
    "collection delivery invoice_to invoice_cc reminder_to reminder_cc is_consolidated "
    "metadata".split()
)

ADDRESS_CHANGED = "customer.address_changed"


@transaction.atomic
def add_customer(seller: Seller, *, as_of: date, actor: str, name: str, **details: Any) -> Customer:
    """Add a customer; language and country are the seller's where nothing else is said.

    Raises :class:`Refused` ("external_id_taken") where the shop's own id is another customer's, and
    for a number that is none ("invalid_vat_number", "invalid_organisation_number").
    """
    _check(details)
    _check_external_id(seller, details.get("external_id"))
    usual = {"language": seller.language, "country": seller.country}
    customer = Customer(seller=seller, name=name, **(usual | details))
    for field, number in tidy_numbers(customer, details.keys() & TIDIERS.keys()).items():
        setattr(customer, field, number)
    customer.save(force_insert=True)
    customer.refresh_from_db(fields=["recorded_at"])
    record_for("customer.added", customer, as_of, actor)
    return customer


@transaction.atomic
def change_details(customer: Customer, *, as_of: date, actor: str, **details: Any) -> Customer:
    """Change some of a customer's details, on documents from now on; what is not named stays.

    Raises :class:`Refused` as :func:`add_customer` does, and ("customer_merged"). Issued documents
    stay as they are.
    """
    _check(details)
    seller = customer.seller
    customer = Customer.objects.select_for_update().get(pk=customer.pk)
    refuse_merged(customer)
    customer.seller = seller
    details = _tidied(customer, details)
    changed = [name for name, value in details.items() if getattr(customer, name) != value]
    if not changed:
        return customer
    if "external_id" in changed:
        _check_external_id(seller, details["external_id"])
    old_address = customer.email
    for name in changed:
        setattr(customer, name, details[name])
    customer.save(update_fields=changed)
    record_for("customer.changed", customer, as_of, actor, changed=sorted(changed))
    record_new_address(customer, old_address, as_of=as_of, actor=actor)
    return customer


def record_new_address(customer: Customer, old_address: str, *, as_of: date, actor: str) -> None:
    """Have whoever reads the old address told that it is no longer the customer's.

    Whoever has the address signs in with it, so a change of it is never quiet. Another way to write
    the same one is no change.
    """
    if not old_address or customer.email.lower() == old_address.lower():
        return
    record_for(ADDRESS_CHANGED, customer, as_of, actor, old_address=old_address)


def _tidied(customer: Customer, details: dict[str, Any]) -> dict[str, Any]:
    """The details with their numbers written down right; what is there stays as it is."""
    country = str(details.get("country", customer.country))
    numbers = {
        name: TIDIERS[name](details[name], country)
        for name in details.keys() & TIDIERS.keys()
        if details[name] != getattr(customer, name) or country != str(customer.country)
    }
    return details | numbers


def _check(details: Mapping[str, Any]) -> None:
    strange = set(details) - DETAILS
    if strange:
        raise TypeError(f"{min(strange)} is not a detail of a customer.")


def _check_external_id(seller: Seller, external_id: str | None) -> None:
    """Told in words here; of two that race, the second meets the constraint."""
    if external_id and Customer.objects.filter(seller=seller, external_id=external_id).exists():
        raise Refused(
            f"“{external_id}” is another customer's: change that one instead.",
            code="external_id_taken",
        )
