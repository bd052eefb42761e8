"""What the pages have mailed at once: a link to sign in with, or a new one for one too old.

Somebody sits and waits for these. Whoever asks is answered the same, and in the same time, whether
there is anything to mail or not: the page leaves a hint for the workers, always, and a worker sees
what was asked for. Without a worker the tick does.
"""

from collections.abc import Callable

from django.db import transaction

from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.jobs.hints import MAIL_LINKS, hint
from billing.mail import outbox
from billing.mail.actions import post
from billing.mail.words.bills import INVOICE
from billing.mail.words.visits import SIGN_IN
from customers.links import Purpose
from customers.models import Customer
from customers.persons import staying_of

SIGN_IN_REQUESTED = "portal.sign_in_requested"
LINK_REQUESTED = "portal.pay_link_requested"
AT_A_TIME = 100


def mail_sign_in_link(event: Event) -> None:
    """Have the mail made, once however often the event comes; its link is made as it is sent."""
    customer = Customer.objects.select_related("seller").get(public_id=event.subject)
    _post_sign_in(event, staying_of(customer))


def mail_new_link(event: Event) -> None:
    """Mail an invoice again with its way to be paid; who is charged by card gets to their own page.

    Once, however often the event is told.
    """
    customer = Customer.objects.select_related("seller").get(public_id=event.data["customer"])
    invoice = Invoice.objects.filter(customer=customer, public_id=event.data["subject"]).first()
    is_charged = customer.collection == Customer.Collection.AUTOMATIC
    if invoice is None or is_charged or event.data["purpose"] != Purpose.PAY:
        _post_sign_in(event, staying_of(customer))
        return
    facts = {
        "subject": invoice.public_id,
        "occurred_on": event.occurred_on.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
    }
    post(INVOICE, object=event.public_id, customer=customer, facts=facts)


HANDLERS: dict[str, Callable[[Event], None]] = {
    SIGN_IN_REQUESTED: mail_sign_in_link,
    LINK_REQUESTED: mail_new_link,
}


def mail_links_soon() -> None:
    """Have a worker mail what was asked for, once it is committed. It names nobody."""
    transaction.on_commit(lambda: hint(MAIL_LINKS))


def mail_at_once() -> None:
    """What the hint calls: what was asked for overtakes the events and mails that wait."""
    asked = Event.objects.filter(type__in=HANDLERS, is_fanned_out=False)
    for event in asked.order_by("id")[:AT_A_TIME]:
        HANDLERS[event.type](event)
    outbox.send_soon()


def _post_sign_in(event: Event, customer: Customer) -> None:
    facts = {"return_url": "", "order": event.data.get("order", "")}
    post(SIGN_IN, object=event.public_id, customer=customer, facts=facts)
