"""Sending again what was sent: as a message of its own, so that both stay as they were."""

from datetime import date

from django.db import transaction
from django.utils import translation

from billing.engine.errors import Refused
from billing.mail.actions import addressees_now, sending_of
from billing.mail.letters import Occasion, Unneeded
from billing.mail.models import Message
from billing.mail.words import write
from customers.calendar import now_of, today_of
from customers.models import Customer
from customers.persons import staying_of


@transaction.atomic
def resend(message: Message, *, as_of: date, actor: str, is_as_it_was: bool) -> Message:
    """Make a message that sends one again which was sent, to those who get such mail now.

    In its own words, with a link that works; or written anew, as things stand. Raises
    :class:`Refused` ("not_sent"), "no_address" for a customer without one, "no_longer_true" where
    there is nothing to write anew, and "not_kept" where the words are not kept.
    """
    customer = Customer.objects.select_for_update().get(pk=message.customer_id)
    message.refresh_from_db()
    if message.state != Message.State.SENT:
        raise Refused("It has not been sent, so it cannot be sent again.", code="not_sent")
    addressees = addressees_now(message.kind, customer, message.recipient)
    if not addressees.to:
        raise Refused("The customer has no email address. Add one first.", code="no_address")
    if is_as_it_was and not message.text:
        raise Refused("Its words are not kept. Write it anew.", code="not_kept")
    again = sending_of(
        message,
        customer,
        addressees,
        language=message.language if is_as_it_was else staying_of(customer).language,
        is_as_it_was=is_as_it_was,
    )
    if not is_as_it_was:
        _refuse_untrue(again)
    again.save()
    return again


def _refuse_untrue(message: Message) -> None:
    """Say at once what the sweep would find out: that nobody should get it any more."""
    seller = message.seller
    try:
        with translation.override(message.language):
            write(Occasion(message, today_of(seller), now_of(seller)))
    except Unneeded as reason:
        raise Refused(
            f"It is no longer true, so it cannot be written anew: {reason} Send it as it was.",
            code="no_longer_true",
        ) from reason
