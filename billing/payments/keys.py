"""The keys under which gateways are asked to move money: they follow from what is paid.

Who restores a backup bills and charges again what the gateway has been paid already. Ids and
numbers that were given since the backup are others the second time, so no key is made of them. It
is made of what comes out alike whenever it is worked out: whose charge it is, what its invoice
bills (subscription, price, days, quantities and amounts of each line, and the one-off items by
their ids), how much is charged, and the how many-th charge of just this it is. So a gateway that
is asked a second time answers with the first charge.

The count keeps apart what is alike and yet another charge: the next attempt after a decline, an
invoice that was voided and billed again, a second part of the same size. It is taken under the
customer's lock, of rows that are never deleted, and a unique constraint holds it.
"""

import hashlib
import json

from billing.invoicing.models import Invoice, OneOffItem
from billing.payments.models import Payment, Refund

DIGITS = 32


def key_of_charge(payment: Payment, invoice: Invoice) -> str:
    """The key for charging a locked customer's payment of an invoice; it keeps one that it has."""
    if payment.gateway_key:
        return payment.gateway_key
    content = [
        payment.customer.public_id,
        payment.currency,
        payment.amount_minor,
        _content_of(invoice),
    ]
    stem = f"chg_{_digest(content)}_"
    like_it = Payment.objects.filter(customer=payment.customer_id, gateway_key__startswith=stem)
    return f"{stem}{like_it.count() + 1}"


def key_of_refund(refund: Refund) -> str:
    """The key for sending a refund: of its charge, the amount, and the how many-th such it is."""
    if refund.gateway_key:
        return refund.gateway_key
    payment = refund.payment
    stem = f"rfd_{_digest([payment.gateway, payment.gateway_id, refund.amount_minor])}_"
    like_it = Refund.objects.filter(payment=payment, gateway_key__startswith=stem)
    return f"{stem}{like_it.count() + 1}"


def _content_of(invoice: Invoice) -> list[list[str]]:
    items = dict(
        OneOffItem.objects.filter(line__invoice=invoice).values_list("line_id", "public_id")
    )
    lines = invoice.lines.values_list(
        "pk",
        "kind",
        "subscription__public_id",
        "price__code",
        "starts_on",
        "ends_on",
        "quantity",
        "amount_minor",
        "net_minor",
    )
    return sorted([items.get(pk, ""), *map(_text, facts)] for pk, *facts in lines)


def _text(fact: object) -> str:
    # Quantities are written in one way, however many zeros the database gives them.
    return f"{fact.normalize():f}" if hasattr(fact, "normalize") else str(fact)


def _digest(content: object) -> str:
    written = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:DIGITS]
