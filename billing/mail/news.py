"""Which events are mailed of, and to whom. This only writes rows; the sweep writes and sends.

Who has ordered at the checkout gets one mail: the confirmation, with the first invoice and its
receipt in it. A new customer is not met by three.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import Model

from billing.base.public_ids import PublicIdField
from billing.checkout.models import Order
from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.mail.actions import Draft, post, post_all
from billing.mail.kinds import MailKind, News
from billing.mail.words import KINDS
from billing.mail.words.bills import INVOICE
from billing.mail.words.orders import ORDER
from billing.mail.words.visits import ADDRESS_CHANGED
from customers.models import Customer

# What each type of event makes.
NEWS: dict[str, tuple[MailKind, News]] = {
    news.event: (kind, news) for kind in KINDS.values() for news in kind.told_by
}


def on_events(events: Sequence[Event]) -> None:
    """Make the mails of events, each once however often it is told."""
    of_type: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_type[event.type].append(event)
    untold = {event.pk for type, some in of_type.items() for event in NEWS[type][1].untold(some)}
    told = [event for event in events if event.pk not in untold]
    customers = _customers_of(told)
    post_all(_draft(event, customers[event.subject]) for event in told)


def _draft(event: Event, customer: Customer) -> Draft:
    kind, news = NEWS[event.type]
    about = event.public_id if news.happens_again else event.subject
    return Draft(kind, about, customer, _facts(event, event.subject))


def on_order(event: Event) -> None:
    """Confirm an order that is complete, once. The first invoice goes on paper to who wants it so,
    and to those whom the customer has named for invoices.
    """
    order = Order.objects.select_related("customer__seller", "invoice").get(public_id=event.subject)
    customer, invoice = order.customer, order.invoice
    assert customer is not None
    facts = _facts(event, order.public_id)
    post(ORDER, object=order.public_id, customer=customer, facts=facts)
    is_on_paper = customer.delivery == Customer.Delivery.PRINT
    if invoice is not None and (is_on_paper or customer.invoice_to or customer.invoice_cc):
        facts = _facts(event, invoice.public_id)
        post(INVOICE, object=invoice.public_id, customer=customer, facts=facts)


def on_new_address(event: Event) -> None:
    """Tell the old address that a customer has another one, once."""
    customer = Customer.objects.get(public_id=event.subject)
    old_address = event.data["old_address"]
    facts = _facts(event, event.subject)
    draft = Draft(ADDRESS_CHANGED, event.public_id, customer, facts, to_address=old_address)
    post_all([draft])


def _facts(event: Event, subject: str) -> dict[str, Any]:
    return {
        **event.data,
        "subject": subject,
        "occurred_on": event.occurred_on.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
    }


def _customers_of(events: Iterable[Event]) -> dict[str, Customer]:
    """The customers of the objects that events are about, by the objects' public ids."""
    subjects: dict[type[Model], set[str]] = defaultdict(set)
    for event in events:
        subjects[_models_by_prefix()[event.subject.partition("_")[0]]].add(event.subject)
    owned: dict[str, int] = {}
    for model, ids in subjects.items():
        objects = model._base_manager.filter(public_id__in=ids)
        owner = "pk" if model is Customer else "customer_id"
        owned.update(objects.values_list("public_id", owner))
    customers = Customer.objects.in_bulk(set(owned.values()))
    return {subject: customers[pk] for subject, pk in owned.items()}


@cache
def _models_by_prefix() -> dict[str, type[Model]]:
    """What an event that is mailed of can be about, by the prefix of its public id."""
    # Credit notes are invoices with ids of their own.
    found: dict[str, type[Model]] = {"cn": Invoice}
    for model in apps.get_models():
        columns = {field.name: field for field in model._meta.concrete_fields}
        public_id = columns.get("public_id")
        # The rows of a history bear the ids of what they tell of.
        if model._meta.proxy or not isinstance(public_id, PublicIdField) or not public_id.unique:
            continue
        if model is Customer or "customer" in columns:
            found[public_id.prefix] = model
    return found
