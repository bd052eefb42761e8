"""Who is the same person: for what each may have once, such as a coupon or a free trial."""

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Collate, Lower

from customers.models import PERSON, Customer


def person_of(email: str) -> str:
    """The one form of a mail address for this purpose: in lower case, without its plus part.

    Mail still goes to the address as it was written; empty where there is none.
    """
    local, at, domain = email.strip().lower().rpartition("@")
    return f"{local.split('+')[0]}{at}{domain}" if at else ""


def customers_of(seller_id: int, email: str) -> QuerySet[Customer]:
    """All customers of a seller that are this person; none for an empty address."""
    person = person_of(email)
    if not person:
        return Customer.objects.none()
    return Customer.objects.alias(person=PERSON).filter(seller=seller_id, person=person)


def accounts_with(seller_id: int, address: str) -> QuerySet[Customer]:
    """A seller's customers with just this address, in any case, the newest first: whoever has shown
    that they read it may look after each of them. None for an empty address.
    """
    return customers_at(address).filter(seller=seller_id).order_by("-pk")


def customers_at(address: str) -> QuerySet[Customer]:
    """All customers with just this address, in any case; none for an empty one.

    Of capitals only those of ASCII are small ones: the database takes ``ı`` for an ``i`` where it
    leaves case aside, and another's domain for it.
    """
    if not address:
        return Customer.objects.none()
    found = Customer.objects.filter(email__iexact=address)
    small = "".join([each.lower() if each.isascii() else each for each in address])
    return found.alias(small=Lower(Collate("email", "C"))).filter(small=small)


def lock_person(seller_id: int, email: str) -> None:
    """Have all others who act for this person wait until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"kvitt person {seller_id} {person_of(email)}"],
        )
