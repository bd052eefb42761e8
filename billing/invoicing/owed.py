"""Which invoices are owed, and which balances nobody needs, as conditions of a query."""

from django.db.models import Exists, F, OuterRef, Q

from billing.invoicing.models import BalanceEntry, Invoice, InvoiceLine
from billing.ledger.models import Transfer
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

_IS_GOODWILL = Exists(Transfer.objects.filter(document="balance", document_id=OuterRef("pk")))
# What was paid, whoever of a person it was: that a merge has moved it says nothing of that.
_PAID_IN = BalanceEntry.objects.filter(
    Q(invoice__kind=Invoice.Kind.CREDIT_NOTE) | Q(invoice=None) & ~Q(_IS_GOODWILL),
    currency=OuterRef("currency"),
    amount_minor__gt=0,
    merged_with=None,
)
# Of balances: money that was paid and that no bill will need, as no subscription goes on.
IS_LEFT_BEHIND = (
    Q(balance_minor__gt=0)
    & (
        Exists(_PAID_IN.filter(customer=OuterRef("customer")))
        | Exists(_PAID_IN.filter(customer__merged_into=OuterRef("customer")))
    )
    & ~Exists(
        Subscription.objects.filter(customer=OuterRef("customer")).exclude(
            status=Subscription.Status.ENDED
        )
    )
)
