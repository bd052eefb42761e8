"""The words of every kind of mail. A writer looks at how things stand now, not at the event alone.

It returns a :class:`~billing.mail.letters.Letter`, or raises ``Unneeded`` with the reason where
nobody should get the mail any more.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from billing.mail.letters import Letter, Occasion, Unneeded
from billing.mail.models import Message
from billing.mail.words import access, bills, debts, orders, payments, subscriptions, visits

Kind = Message.Kind
WRITERS: dict[str, Callable[[Occasion], Letter]] = {
    Kind.ORDER: orders.order,
    Kind.INVOICE: bills.invoice,
    Kind.CREDIT_NOTE: bills.credit_note,
    Kind.RECEIPT: payments.receipt,
    Kind.REFUND: payments.refund,
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
    Kind.ADDRESS_CHANGED: visits.address_changed,
}


# Kinds that tell how the same thing stands, which an event's data name under this name. Of those
# that wait at once, as when the provider was away, only the latest is sent.
SERIES: tuple[tuple[Collection[str], str], ...] = (
    ({Kind.PAYMENT_FAILED, Kind.REMINDER, Kind.RESTRICTED, Kind.SUSPENDED}, "invoice"),
    ({Kind.PLAN_CHANGED}, "subject"),
    ({Kind.PAUSED, Kind.RESUMED}, "subject"),
    ({Kind.CANCELED, Kind.CANCEL_UNDONE}, "subject"),
)
_STANDS = ("waiting", "sending", "sent")


def write(occasion: Occasion) -> Letter:
    """The letter of a message, in the language that is active. Raises ``Unneeded``."""
    _refuse_overtaken(occasion)
    return WRITERS[occasion.message.kind](occasion)


def _refuse_overtaken(occasion: Occasion) -> None:
    """Raise ``Unneeded`` where later mails tell of all that this one does: a reminder may be of
    several debts.
    """
    message, mine = occasion.message, occasion.moment_told("recorded_at")
    for kinds, about in SERIES:
        if message.kind not in kinds or mine is None:
            continue
        others = Message.objects.filter(
            customer=message.customer_id, kind__in=kinds, state__in=_STANDS
        )
        told_later: set[str] = set()
        for facts in others.values_list("facts", flat=True):
            if datetime.fromisoformat(facts["recorded_at"]) > mine:
                told_later.update((facts[about], *facts.get("also", ())))
        if told_later.issuperset((occasion.told(about), *(occasion.told("also") or ()))):
            raise Unneeded("A later mail says how things stand.")
