"""Locks of invoices, under that of their customer."""

from collections.abc import Sequence

from billing.invoicing.models import Invoice
from customers.locks import lock_customer


def lock_invoice(invoice: Invoice) -> Invoice:
    """The invoice as it now stands, under the locks of its customer and itself, in that order."""
    lock_customer(invoice.customer_id)
    return (
        Invoice.objects.select_for_update(of=["self"])
        .select_related("seller", "customer")
        .get(pk=invoice.pk)
    )


def lock_invoices(invoice_ids: Sequence[int]) -> list[Invoice]:
    """Invoices as they now stand, in the order of their ids; their customers are locked before."""
    locked = Invoice.objects.select_for_update(of=["self"]).select_related("seller", "customer")
    return list(locked.filter(pk__in=invoice_ids).order_by("pk"))
