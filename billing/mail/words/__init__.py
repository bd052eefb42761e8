"""The words of every kind of mail. A writer looks at how things stand now, not at the event alone.

It returns a :class:`~billing.mail.letters.Letter`, or raises ``Unneeded`` with the reason where
nobody should get the mail any more.
"""

from collections.abc import Callable

from billing.mail.letters import Letter, Occasion
from billing.mail.models import Message
from billing.mail.words import access, bills, debts, orders, payments, subscriptions, visits

Kind = Message.Kind
WRITERS: dict[str, Callable[[Occasion], Letter]] = {
    Kind.ORDER: orders.order,
    Kind.INVOICE: bills.invoice,
    Kind.CREDIT_NOTE: bills.credit_note,
    Kind.RECEIPT: payments.receipt,
    Kind.PAYMENT_FAILED: payments.payment_failed,
    Kind.ACTION_NEEDED: payments.action_needed,
    Kind.REMINDER: debts.reminder,
    Kind.RESTRICTED: access.restricted,
    Kind.SUSPENDED: access.suspended,
    Kind.RESTORED: access.restored,
    Kind.RENEWAL: subscriptions.renewal,
    Kind.TRIAL_ENDING: subscriptions.trial_ending,
    Kind.PLAN_CHANGED: subscriptions.plan_changed,
    Kind.PAUSED: subscriptions.paused,
    Kind.RESUMED: subscriptions.resumed,
    Kind.CANCELED: subscriptions.canceled,
    Kind.CANCEL_UNDONE: subscriptions.cancel_undone,
    Kind.SIGN_IN: visits.sign_in,
}


def write(occasion: Occasion) -> Letter:
    """The letter of a message, in the language that is active. Raises ``Unneeded``."""
    return WRITERS[occasion.message.kind](occasion)
