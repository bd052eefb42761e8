"""Which mails tell of a document, and which send the same thing again."""

from django.db.models import Q, QuerySet

from billing.checkout.models import Order
from billing.invoicing.models import Invoice
from billing.mail.models import Message
from billing.payments.models import PaymentAllocation


def mails_about(document: Invoice) -> QuerySet[Message]:
    """The mails that tell of an invoice or a credit note: of its issue, its payments, its delay."""
    payments = PaymentAllocation.objects.filter(invoice=document.pk)
    orders = Order.objects.filter(invoice=document.pk)
    ids = [
        document.public_id,
        *payments.values_list("payment__public_id", flat=True),
        *orders.values_list("public_id", flat=True),
    ]
    tells = Q(object__in=ids) | Q(facts__subject__in=ids) | Q(facts__invoice=document.public_id)
    tells |= Q(facts__also__contains=[document.public_id])
    return Message.objects.filter(tells, customer=document.customer_id)


def other_sendings(message: Message) -> QuerySet[Message]:
    """What sends the same mail as this one, before or after it, to whomever."""
    same = Message.objects.filter(
        customer=message.customer_id, kind=message.kind, object=message.object
    )
    return same.exclude(pk=message.pk)
