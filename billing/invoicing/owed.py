"""Which invoices are owed, as conditions of a query."""

from django.db.models import Exists, OuterRef, Q

from billing.invoicing.models import InvoiceLine

# What is ordered is paid by whoever ordered it, or not at all.
IS_ORDERED = Exists(
    InvoiceLine.objects.filter(invoice=OuterRef("pk"), subscription__status="incomplete")
)
# What is only ordered is no debt yet: whoever orders pays it, or it comes to nothing.
IS_ONLY_ORDERED = Q(order__status="placed")
IS_OWED = Q(kind="invoice", status="open") & ~IS_ONLY_ORDERED
