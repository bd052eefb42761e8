"""Who is the same person: for what each may have once, and for all that one has with us.

A *person* is a customer with all who were merged into it. What a merged customer was billed, has
paid and was given keeps its customer; what is still to come is the other's, who *stays*.
"""

from collections.abc import Collection
from typing import Final

from django.db import connection
from django.db.models import BigIntegerField, QuerySet
from django.db.models.functions import Coalesce, Collate, Lower

from billing.engine.errors import Refused
from customers.models import PERSON, Customer

# In a query of customers: the row id of the one that stays.
_STAYING: Final = Coalesce("merged_into_id", "id", output_field=BigIntegerField())


def person_of(email: str) -> str:
    """The one form of a mail address for this purpose: in lower case, without its plus part.

    Mail still goes to the address as it was written; empty where there is none.
    """
    local, at, domain = email.strip().lower().rpartition("@")
    return f"{local.split('+')[0]}{at}{domain}" if at else ""


def customers_of(seller_id: int, email: str) -> QuerySet[Customer]:
    """All customers of a seller that are this person; none for an empty address.

    With those into whom they were merged, or who were merged into the same.
    """
    person = person_of(email)
    if not person:
        return Customer.objects.none()
    known = Customer.objects.alias(person=PERSON).filter(seller=seller_id, person=person)
    return _with_merged(known)


def staying_of(customer: Customer) -> Customer:
    """The customer who goes on: the one itself, or the one into whom it was merged."""
    if customer.merged_into_id is None:
        return customer
    assert customer.merged_into is not None, "a row that was locked was joined before it was merged"
    return customer.merged_into


def staying_id_of(customer: Customer) -> int:
    """The row id of the one who goes on, as :func:`staying_of` answers it."""
    return customer.merged_into_id or customer.pk


def person_ids(customer: Customer) -> list[int]:
    """The row ids of all who are one person with a customer, which is among them, in order.

    For queries such as ``Payment.objects.filter(customer__in=person_ids(customer))``.
    """
    return sorted(persons_of([staying_id_of(customer)]))


def same_person(customer_id: int) -> QuerySet[Customer]:
    """All who are one person with a customer, of whom the row id is known, for a subquery."""
    return _with_merged(Customer.objects.filter(pk=customer_id))


def _with_merged(known: QuerySet[Customer]) -> QuerySet[Customer]:
    """Customers with all others who are the same persons."""
    staying = known.values(staying=_STAYING)
    merged = Customer.objects.filter(merged_into__in=staying)
    # By a union, which is asked for by the index; either of two would be all customers.
    return Customer.objects.filter(pk__in=staying.union(merged.values("pk")))


def persons_of(staying_ids: Collection[int]) -> dict[int, int]:
    """All who are one person with some customers who stay: {row id: that of the one that stays}."""
    persons = {each: each for each in staying_ids}
    merged = Customer.objects.filter(merged_into__in=staying_ids)
    for customer_id, staying_id in merged.values_list("pk", "merged_into"):
        assert staying_id is not None
        persons[customer_id] = staying_id
    return persons


def ids_with_merged(customer: Customer) -> list[int]:
    """The row ids of a customer and of all who were merged into it, in order.

    For what stands on its own page, of which a merged one has one as well. Those who were merged
    are as ``prefetch_related("merged")`` has found them.
    """
    return sorted([customer.pk, *(each.pk for each in customer.merged.all())])


def refuse_merged(customer: Customer) -> None:
    """Raise :class:`Refused` ("customer_merged") for one that was merged into another.

    ``details["customer"]`` is the public id of the one that stays.
    """
    if customer.merged_into_id is not None:
        staying = staying_of(customer)
        raise Refused(
            f"{customer} was merged into {staying} ({staying.public_id}). Use that customer "
            "instead.",
            code="customer_merged",
            customer=staying.public_id,
        )


def accounts_with(seller_id: int, address: str) -> QuerySet[Customer]:
    """A seller's customers with just this address, in any case, the newest first: whoever has shown
    that they read it may look after each of them. None for an empty address.

    Those who were merged into another are not among them: the other's address opens all.
    """
    known = _with_address(address)
    return known.filter(seller=seller_id, merged_into=None).order_by("-pk")


def led_to_by(address: str) -> QuerySet[Customer]:
    """All customers who have just this address, or into whom one who had it was merged.

    Whoever reads the address may not look after the latter: links to them go to their own. None
    for an empty address.
    """
    return Customer.objects.filter(pk__in=_with_address(address).values(staying=_STAYING))


def _with_address(address: str) -> QuerySet[Customer]:
    """All customers with just this address, in any case, merged ones too; none for an empty one.

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
