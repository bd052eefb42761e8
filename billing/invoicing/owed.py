"""Which invoices are owed, as conditions of a query."""

from django.db.models import Exists, F, OuterRef, Q

from billing.invoicing.models import Invoice, InvoiceLine
from billing.subscriptions.models import Subscription

# What is ordered is paid by whoever ordered it, or not at all.
IS_ORDERED = Exists(
    InvoiceLine.objects.filter(
        invoice=OuterRef("pk"), subscription__status=Subscription.Status.INCOMPLETE
    )
)
# What is only ordered is no debt yet: whoever orders pays it, or it comes to nothing.
IS_ONLY_ORDERED = Q(order__status="placed")
IS_OWED = Q(kind="invoice", status=Invoice.Status.OPEN) & ~IS_ONLY_ORDERED

LEFT_MINOR = F("amount_due_minor") - F("paid_minor") - F("credited_minor")
IS_COLLECTABLE = Q(
    kind="invoice",
    status=Invoice.Status.OPEN,
    amount_due_minor__gt=F("paid_minor") + F("credited_minor"),
)

# Of rows beside their seller's ``today``. Both bounds rather than an equality: PostgreSQL answers
# an equality of two tables by reading all of both, and bounds from the index of open invoices.
IS_DUE_TODAY = Q(due_on__gte=F("today"), due_on__lte=F("today"))
IS_OVERDUE = Q(due_on__lt=F("today"))
