"""What a bill needs of customers, read many at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.base.sql.lookups import array_of
from billing.base.sql.reading import read_values
from billing.invoicing.snapshots import BILL_TO_COLUMNS, Snapshot, bill_to_of
from customers.models import Customer


@dataclass(slots=True)
class Buyer:
    """What a bill needs of a customer; ``is_charged``: we take the money ourselves."""

    id: int
    public_id: str
    language: str
    net_terms_days: int
    is_consolidated: bool
    is_charged: bool
    tax: list[dict[str, Any]] | None
    bill_to: Snapshot


def load_buyers(customer_ids: Sequence[int]) -> list[Buyer]:
    """Customers by id, in ascending order; those who are gone are left out."""
    condition = "WHERE id = ANY(%s::bigint[]) ORDER BY id"
    ids = array_of(customer_ids)
    rows = read_values(Customer, _BUYER_COLUMNS, condition, [ids], len(customer_ids))
    return [
        Buyer(
            id=row["id"],
            public_id=row["public_id"],
            language=row["language"],
            net_terms_days=row["net_terms_days"],
            is_consolidated=row["is_consolidated"],
            is_charged=row["collection"] == Customer.Collection.AUTOMATIC,
            tax=row["tax"],
            bill_to=bill_to_of(row),
        )
        for row in rows
    ]


_BUYER_COLUMNS = ("id", "language", "net_terms_days", "is_consolidated", "tax", *BILL_TO_COLUMNS)
