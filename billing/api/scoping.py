"""The one place that says whose a row is: what is another seller's is not there."""

from typing import Any

from django.db.models import Model, QuerySet

from billing.api.errors import not_found
from billing.api.models import ApiKey
from billing.base.sql.reading import read
from billing.checkout.models import Order
from billing.events.models import Event
from billing.invoicing.models import CreditNote, Invoice, OneOffItem
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from billing.usage.models import Meter, UsageRecord
from billing.webhooks.models import WebhookEndpoint
from catalog.models import Coupon, Plan, Price, Product
from customers.models import Customer, Seller, TestClock

# The way from a row to its seller. A model that is not here cannot be reached by the API.
SELLER_OF: dict[type[Model], str] = {
    ApiKey: "seller",
    Coupon: "seller",
    CreditNote: "seller",
    Customer: "seller",
    Event: "seller",
    Invoice: "seller",
    Meter: "seller",
    OneOffItem: "seller",
    Payment: "seller",
    Order: "seller",
    Plan: "seller",
    Price: "plan__seller",
    Product: "seller",
    Subscription: "seller",
    TestClock: "seller",
    UsageRecord: "subscription__seller",
    WebhookEndpoint: "seller",
}
# What stands below sellers knows them by their public id.
BY_PUBLIC_ID = frozenset({Event, WebhookEndpoint})
EXTERNAL = "external:"


def for_seller[Row: Model](model: type[Row], seller: Seller) -> QuerySet[Row]:
    """The rows of a model that are a seller's."""
    owner = seller.public_id if model in BY_PUBLIC_ID else seller.pk
    rows: Any = model._default_manager.filter(**{SELLER_OF[model]: owner})
    return rows


def find[Row: Model](rows: QuerySet[Row], public_id: str, attr: str | None = None) -> Row:
    """The one of some rows with a public id. Raises 404, as for another seller's.

    ``attr`` is the field that it was named in, None for the address.
    """
    row = rows.filter(public_id=public_id).first()
    if row is None:
        raise not_found(str(rows.model._meta.verbose_name), attr)
    return row


def find_customer(seller: Seller, key: str, attr: str | None = "customer") -> Customer:
    """A customer by our id, or as ``external:`` and the shop's own; 404 as :func:`find` says."""
    if key.startswith(EXTERNAL):
        condition, key = "WHERE seller_id = %s AND external_id = %s", key.removeprefix(EXTERNAL)
    else:
        condition = "WHERE seller_id = %s AND public_id = %s"
    for customer in read(Customer, condition, [seller.pk, key]):
        # Everything below asks for its seller, which is known.
        customer.seller = seller
        return customer
    raise not_found("customer", attr)


def find_subscription(
    rows: QuerySet[Subscription], key: str, attr: str | None = None
) -> Subscription:
    """A subscription by our id, or ``external:`` and the shop's own; 404 as :func:`find` says."""
    if not key.startswith(EXTERNAL):
        return find(rows, key, attr)
    found = rows.filter(external_id=key.removeprefix(EXTERNAL)).first()
    if found is None:
        raise not_found("subscription", attr)
    return found


def find_plan(seller: Seller, key: str, attr: str | None = "plan") -> Plan:
    """A plan by its id or its code; 404 as :func:`find` says."""
    condition = "WHERE seller_id = %s AND (public_id = %s OR code = %s)"
    found = read(Plan, condition, [seller.pk, key, key])
    plan = min(found, key=lambda plan: plan.public_id != key, default=None)
    if plan is None:
        raise not_found("plan", attr)
    plan.seller = seller
    return plan
