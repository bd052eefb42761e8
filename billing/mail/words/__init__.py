"""The words of every kind of mail, and the kinds themselves.

Whoever writes a mail returns a :class:`~billing.mail.letters.Letter`, or raises ``Unneeded`` with
the reason. A kind is found by standing in one of these modules, in the order in which it is shown.
"""

from datetime import datetime

from billing.mail.kinds import MailKind
from billing.mail.letters import Letter, Occasion, Unneeded
from billing.mail.models import Message
from billing.mail.words import (
    access,
    bills,
    canceling,
    debts,
    orders,
    payments,
    subscriptions,
    visits,
)
from customers.persons import same_person

_MODULES = (orders, bills, payments, debts, access, subscriptions, canceling, visits)
KINDS: dict[str, MailKind] = {
    kind.name: kind
    for module in _MODULES
    for kind in vars(module).values()
    if isinstance(kind, MailKind)
}
_STANDS = ("waiting", "sending", "sent")


def write(occasion: Occasion) -> Letter:
    """The letter of a message, in the language that is active. Raises ``Unneeded``."""
    _refuse_overtaken(occasion)
    return KINDS[occasion.message.kind].write(occasion)


def _refuse_overtaken(occasion: Occasion) -> None:
    """Raise ``Unneeded`` where later mails tell of all that this one does: a reminder may be of
    several debts.
    """
    message, mine = occasion.message, occasion.moment_told("recorded_at")
    series = KINDS[message.kind].series
    if series is None or mine is None:
        return
    others = Message.objects.filter(
        customer__in=same_person(message.customer_id),
        # Whoever gets reminders need not be who is told of a card that failed.
        recipient=message.recipient,
        kind__in=[kind.name for kind in KINDS.values() if kind.series == series],
        state__in=_STANDS,
    )
    told_later: set[str] = set()
    for facts in others.values_list("facts", flat=True):
        if datetime.fromisoformat(facts["recorded_at"]) > mine:
            told_later.update((facts[series.about], *facts.get("also", ())))
    if told_later.issuperset((occasion.told(series.about), *(occasion.told("also") or ()))):
        raise Unneeded("A later mail says how things stand.")
