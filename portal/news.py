"""What the pages of a link have mailed: a new link for one that is too old, and what was bought."""

from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.mail.actions import post
from billing.mail.models import Message
from billing.payments.models import Order
from customers.links import Purpose
from customers.models import Customer

LINK_REQUESTED = "portal.pay_link_requested"
ORDER_COMPLETED = "checkout.completed"


def mail_new_link(event: Event) -> None:
    """Mail an invoice again with its way to be paid; who is charged by card gets to their own page.

    Once, however often the event is told.
    """
    customer = Customer.objects.select_related("seller").get(public_id=event.data["customer"])
    invoice = Invoice.objects.filter(customer=customer, public_id=event.data["subject"]).first()
    is_charged = customer.collection == Customer.Collection.AUTOMATIC
    if invoice is None or is_charged or event.data["purpose"] != Purpose.PAY:
        post(Message.Kind.SIGN_IN, object=event.public_id, customer=customer, facts=_FROM_HERE)
        return
    _post_invoice(event, invoice, customer)


def mail_what_was_bought(event: Event) -> None:
    """Mail the first invoice once it is paid: before that, its page alone had asked for it."""
    orders = Order.objects.select_related("customer__seller", "invoice")
    order = orders.get(public_id=event.subject)
    if order.invoice is not None and order.customer is not None:
        _post_invoice(event, order.invoice, order.customer)


_FROM_HERE = {"return_url": ""}


def _post_invoice(event: Event, invoice: Invoice, customer: Customer) -> None:
    facts = {
        "subject": invoice.public_id,
        "occurred_on": event.occurred_on.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
    }
    post(Message.Kind.INVOICE, object=event.public_id, customer=customer, facts=facts)
