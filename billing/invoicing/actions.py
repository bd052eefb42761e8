"""What a person or a shop can have done with bills: every function locks the customer first."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db import transaction

from billing.base.sql.lookups import array_of
from billing.base.sql.reading import read
from billing.engine.errors import InvalidAmount, Refused
from billing.events.recorder import record, record_for
from billing.invoicing import settlement
from billing.invoicing.buyers import load_buyers
from billing.invoicing.drafting import Drafts, draft_documents
from billing.invoicing.issuing import issue
from billing.invoicing.locks import lock_invoice
from billing.invoicing.models import Invoice, OneOffItem
from billing.invoicing.numbering import Numbering, take_numbers
from billing.invoicing.standing import Scope, Standing, read_standing
from billing.invoicing.sums import check_sum
from billing.subscriptions.models import Subscription
from catalog.models import REVENUE_ACCOUNT
from customers.locks import lock_customer
from customers.models import Customer, Seller
from customers.persons import refuse_merged


@transaction.atomic
def bill_customer(
    customer: Customer,
    *,
    as_of: date,
    actor: str,
    subscription: Subscription | None = None,
    one_offs: Sequence[OneOffItem] | None = None,
    numbering: Numbering = take_numbers,
) -> list[Invoice]:
    """Bill at once what is due for a customer, one subscription or some one-off items.

    ``numbering`` is another one where what is billed is only ordered.
    Raises :class:`Refused` ("parked") with the reason where a subscription cannot be billed;
    nothing is kept then.
    """
    lock_customer(customer.pk)
    [seller] = read(Seller, "WHERE id = %s", [customer.seller_id])
    scope = Scope(
        subscription_id=subscription.pk if subscription else None,
        one_off_ids=None if one_offs is None else [item.pk for item in one_offs],
    )
    standing = read_standing(seller, load_buyers([customer.pk]), as_of, scope)
    was_parked = standing.was_parked
    drafts = draft_or_refuse(seller, standing, as_of)
    ids = [document.id for document in issue(seller, drafts, as_of, actor, numbering)]
    if subscription and was_parked:
        record(
            "subscription.unparked",
            seller=seller.public_id,
            subject=subscription.public_id,
            occurred_on=as_of,
            actor=actor,
            data={},
        )
    if not ids:
        return []
    condition = "WHERE id = ANY(%s::bigint[])"
    documents = {one.pk: one for one in read(Invoice, condition, [array_of(ids)], len(ids))}
    return [documents[each] for each in ids]


def draft_or_refuse(seller: Seller, standing: Standing, as_of: date) -> Drafts:
    """Draft all that stands of one customer. Raises as :func:`bill_customer`."""
    drafts = draft_documents(seller, standing, as_of)
    for reason in (*drafts.parked.values(), *drafts.refused.values()):
        raise Refused(f"This cannot be billed: {reason}", code="parked")
    return drafts


@transaction.atomic
def add_one_off(
    customer: Customer,
    *,
    currency: str,
    amount_minor: int,
    description: str,
    as_of: date,
    actor: str,
    subscription: Subscription | None = None,
    tax: Sequence[Mapping[str, Any]] | None = None,
    revenue_account: str = REVENUE_ACCOUNT,
    buyer_reference: str = "",
    waits: bool = False,
    is_confirmed: bool = False,
) -> OneOffItem:
    """Put an amount, in minor units and of either sign, on a document from ``as_of``.

    It is billed by itself at once, or with ``waits`` on the customer's next regular bill, as long
    as there is one to come. What is below zero always waits for something to reduce. Raises
    :class:`Refused` ("unusual_amount", "currency_not_used", "unknown_revenue_account",
    "no_bill_to_come", "customer_merged").
    """
    refuse_merged(customer)
    if not amount_minor:
        raise InvalidAmount("A one-off item of nothing cannot be billed.")
    check_sum(customer, amount_minor, currency, is_confirmed)
    accounts = revenue_accounts_of(customer.seller)
    if revenue_account not in accounts:
        raise Refused(
            f"No product of {customer.seller} is booked on {revenue_account}. "
            f"Use {' or '.join(accounts)}.",
            code="unknown_revenue_account",
        )
    if waits and not has_bill_to_come(customer):
        raise Refused(
            f"No subscription of {customer} is billed again, so no bill comes for this to wait "
            "for. Bill it now.",
            code="no_bill_to_come",
        )
    item = OneOffItem.objects.create(
        seller=customer.seller,
        customer=customer,
        subscription=subscription,
        currency=currency,
        amount_minor=amount_minor,
        description=description,
        tax=tax,
        revenue_account=revenue_account,
        buyer_reference=buyer_reference,
        due_on=as_of,
        waits=waits,
    )
    _record_of_item("one_off_item.added", item, as_of, actor)
    return item


@transaction.atomic
def remove_one_off(item: OneOffItem, *, as_of: date, actor: str) -> None:
    """Take away what waits to be billed.

    Raises :class:`Refused` for what is on a document ("one_off_billed"), which only a credit note
    takes back, and for what a voided invoice has left ("one_off_of_a_void").
    """
    lock_customer(item.customer_id)
    found = OneOffItem.objects.select_related("seller", "customer", "line__invoice").filter(
        pk=item.pk
    )
    item = found.get()
    if item.line is not None:
        raise Refused(
            f"“{item}” is on {item.line.invoice}. Credit it there.", code="one_off_billed"
        )
    if item.reverses_id is not None:
        raise Refused(
            f"“{item}” takes back what was given back of an invoice that is void. Bill it, and "
            "credit it if it is not to be paid.",
            code="one_off_of_a_void",
        )
    _record_of_item("one_off_item.removed", item, as_of, actor)
    found.delete()


def has_bill_to_come(customer: Customer) -> bool:
    """Whether a subscription of the customer will be billed again."""
    return customer.subscriptions.filter(next_bill_on__isnull=False).exists()


def _record_of_item(type: str, item: OneOffItem, as_of: date, actor: str) -> None:
    record_for(
        type,
        item,
        as_of,
        actor,
        customer=item.customer.public_id,
        amount_minor=item.amount_minor,
        currency=item.currency,
    )


def revenue_accounts_of(seller: Seller) -> list[str]:
    """The bookkeeping accounts of a seller's revenue: the usual one, and those of its products."""
    products = seller.products.order_by().values_list("revenue_account", flat=True)
    return sorted({REVENUE_ACCOUNT, *products.distinct()})


@transaction.atomic
def write_off(invoice: Invoice, *, as_of: date, actor: str, reason: str = "") -> Invoice:
    """Give up collecting what is left of an open invoice: a confirmed loss.

    What is within the seller's tolerance of being paid is no loss, and closes as rounding.
    """
    invoice = lock_invoice(invoice)
    if invoice.status == Invoice.Status.PAID:
        raise Refused(f"Invoice {invoice} is paid.", code="invoice_paid")
    if invoice.status != Invoice.Status.OPEN:
        raise Refused(
            f"{invoice} is {invoice.status}: there is nothing to write off.",
            code="invalid_transition",
        )
    settlement.write_off(invoice.seller, [invoice], reason=reason, as_of=as_of, actor=actor)
    return invoice
