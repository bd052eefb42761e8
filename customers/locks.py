"""The one lock around a customer's money: the customer's row, always taken first.

Around a person's money it is the row of the one that stays. Whoever locks a customer who was merged
into another locks the other next, so that it is enough to hold the one that stays.
"""

from collections.abc import Iterable

from django.db import connection, transaction

from billing.base.leases import unheld
from billing.base.sql.lookups import array_of
from billing.base.sql.prepared import prepared
from customers.models import Customer
from customers.persons import refuse_merged


def lock_customer(customer_id: int) -> int:
    """Wait for the lock and hold it until the transaction ends; of a merged customer, both locks.

    Answers the row id of the one that stays. Raises :class:`Customer.DoesNotExist`. For who needs
    no more of the row than its lock: reading all of it costs ten times as much.
    """
    with prepared() as cursor:
        while True:
            # What it answers is the row as it stands once the lock is there.
            cursor.execute(
                "SELECT merged_into_id FROM customers_customer WHERE id = %s FOR UPDATE",
                [customer_id],
            )
            found = cursor.fetchone()
            if found is None:
                raise Customer.DoesNotExist(f"There is no customer {customer_id}.")
            if found[0] is None:
                return customer_id
            [customer_id] = found


def lock_staying(customer: Customer) -> None:
    """Lock a customer who gets something that is still to come.

    Raises :class:`Refused` ("customer_merged") for one that was merged into another.
    """
    if lock_customer(customer.pk) != customer.pk:
        refuse_merged(Customer.objects.select_related("merged_into").get(pk=customer.pk))


def lock_customers(customer_ids: Iterable[int]) -> None:
    """Lock many, each as :func:`lock_customer` does, and always in one order.

    Merged ones come first, so that nobody who holds one that stays waits for one of them. For use
    in a transaction.
    """
    wanted = array_of(set(customer_ids))
    while True:
        before = transaction.savepoint_create()
        if not _lock_with_staying(wanted):
            transaction.savepoint_commit(before)
            return
        # They were merged while this waited for them. To lock the one that stays now, after others,
        # would be out of order, so that the locks are let go of and taken anew.
        transaction.savepoint_rollback(before)


def _lock_with_staying(wanted: str) -> set[int]:
    """Lock customers and those who stay in their place; who stays of them and is not locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT merged_into_id FROM customers_customer"
            " WHERE id = ANY (%s::bigint[]) AND merged_into_id IS NOT NULL"
            " ORDER BY id FOR UPDATE",
            [wanted],
        )
        staying = array_of(into for (into,) in cursor.fetchall())
        cursor.execute(
            "SELECT id, merged_into_id FROM customers_customer"
            " WHERE id = ANY (%s::bigint[]) OR id = ANY (%s::bigint[]) ORDER BY id FOR UPDATE",
            [wanted, staying],
        )
        rows = dict(cursor.fetchall())
    return {into for into in rows.values() if into is not None} - rows.keys()


def lock_free_customers(customer_ids: Iterable[int]) -> list[int]:
    """Lock those whom nobody else holds, each as :func:`lock_customer` does; their ids in order."""
    wanted = set(customer_ids)
    merged = Customer.objects.filter(pk__any_of=array_of(wanted), merged_into__isnull=False)
    both = wanted.union(merged.values_list("merged_into", flat=True))
    free = unheld(Customer.objects.filter(pk__any_of=array_of(both)).order_by("pk"))
    rows = dict(free.values_list("pk", "merged_into"))
    return sorted(
        customer_id
        for customer_id, into in rows.items()
        if customer_id in wanted and (into is None or into in rows)
    )
