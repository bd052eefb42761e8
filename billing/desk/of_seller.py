"""Which rows are a seller's, by the way that leads from their table to it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest

# From a line to its document, from there to its customer, and from there to the seller.
STEPS_MAX = 3
SELLER, CUSTOMER = "seller", "customer"
# Big tables have an index by customer and often none by seller: what so few have is looked up.
FEW_CUSTOMERS = 1_000
# Written with every bill, and without an index by seller or customer, which each would pay for.
OF_ALL_SELLERS = frozenset({"events.Event", "events.Delivery", "ledger.Transfer"})


@dataclass(frozen=True)
class _Way:
    """A lookup that leads to the seller: by its row, or by its public id where no key points."""

    lookup: str
    is_by_public_id: bool
    # Where nothing is said, the row is of all sellers.
    may_be_of_all: bool
    # The way to the customer, and the customers' table, for rows that are a customer's.
    to_customer: str = ""
    customers: type[models.Model] | None = None


def shown_seller(request: HttpRequest) -> Any:
    """The seller whose rows whoever looks has chosen to see; None for all."""
    scope = getattr(request, "desk_scope", None)
    return scope and scope.chosen


def of_seller(rows: QuerySet, seller: Any, *, is_big: bool = False) -> QuerySet:
    """Those of ``rows`` that are the seller's, or of all sellers; all where no way leads to one.

    Of a big table the rows of a seller with few customers are found by these.
    """
    if rows.model is type(seller):
        return rows.filter(pk=seller.pk)
    model: Any = rows.model
    way = _way_from(model)
    if way is None:
        return rows
    if is_big and way.customers is not None:
        found = way.customers._base_manager.filter(seller=seller.pk)
        customers = list(found.values_list("pk", flat=True)[: FEW_CUSTOMERS + 1])
        if len(customers) <= FEW_CUSTOMERS:
            return rows.filter(**{f"{way.to_customer}__in": customers})
    own = Q(**{way.lookup: seller.public_id if way.is_by_public_id else seller.pk})
    if way.may_be_of_all:
        own |= Q(**({way.lookup: ""} if way.is_by_public_id else {f"{way.lookup}__isnull": True}))
    return rows.filter(own)


def is_of_sellers(model: type[models.Model]) -> bool:
    """Whether rows of a model are some seller's, so that a list can show one seller's alone."""
    return model._meta.label == "customers.Seller" or _way_from(model) is not None


def is_of_all_sellers(model: type[models.Model]) -> bool:
    """Whether rows of a model are sellers', and a list cannot be held to one: its page says so."""
    return model._meta.label in OF_ALL_SELLERS


@cache
def _way_from(model: type[models.Model]) -> _Way | None:
    """The shortest way; among those of one length, one that every row can go."""
    if is_of_all_sellers(model):
        return None
    there = [(model, "")]
    for _ in range(STEPS_MAX):
        for place, prefix in there:
            fields = {each.name: each for each in place._meta.concrete_fields}
            if own := fields.get(SELLER):
                lookup, is_by_public_id = prefix + SELLER, not own.is_relation
                way = _Way(lookup, is_by_public_id, own.null or own.blank)
                if prefix.endswith(f"{CUSTOMER}__"):
                    return replace(way, to_customer=prefix.removesuffix("__"), customers=place)
                if (to := fields.get(CUSTOMER)) and to.is_relation and not to.null:
                    owner = to.related_model
                    return replace(way, to_customer=prefix + CUSTOMER, customers=owner)
                return way
        there = [step for place, prefix in there for step in _steps(place, prefix)]
    return None


def _steps(place: type[models.Model], prefix: str) -> Iterator[tuple[type[models.Model], str]]:
    """The tables that each row of one points at."""
    for each in place._meta.concrete_fields:
        if isinstance(each, models.ForeignKey) and not each.null:
            yield each.related_model, f"{prefix}{each.name}__"
