"""What a customer does to a subscription: seen before it is done, and done once.

A page shows what :func:`seen_of` answers. Its button comes back with what stands in the fields, and
with the choice and the amounts of today that were shown; :func:`do` does that or nothing at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

from billing.engine.errors import Refused
from billing.invoicing.changes import Changed, Preview, bill_after, preview
from billing.subscriptions.allowed_changes import refuse_unless_offered
from billing.subscriptions.models import Subscription
from portal.limits import once
from portal.visits import Visit

type Change = Callable[[], Subscription]


@dataclass(frozen=True, slots=True)
class Deed:
    """A change that is still to be made, and the name by which it is offered.

    ``asked`` is all that its customer has chosen of it, as one text: two deeds with the same text
    do the same.
    """

    name: str
    subscription: Subscription
    change: Change
    asked: str = ""

    def seen(self, outcome: str) -> str:
        """What its button sends back: what it came to, and the choice that it was shown for."""
        return f"{outcome} {self.asked}".strip()

    def offered(self, visit: Visit) -> Subscription:
        """The change, refused where the customer may not make it as things stand."""
        self.subscription.refresh_from_db()
        refuse_unless_offered(self.subscription, self.name, visit.as_of)
        return self.change()


def seen_of(deed: Deed, visit: Visit) -> Preview:
    """What it would come to. Raises what the change raises; nothing is kept."""
    try:
        return preview(lambda: deed.offered(visit), as_of=visit.as_of)
    finally:
        deed.subscription.refresh_from_db()  # The change has set what the database has taken back.


def do(deed: Deed, visit: Visit, *, key: str, seen: str) -> Changed:
    """Make a change and bill what it makes due, for the choice and the amounts that were seen.

    Raises :class:`Refused` ("form_already_sent", "amount_changed"), and what the change raises.
    """

    def done() -> Changed:
        changed = bill_after(lambda: deed.offered(visit), as_of=visit.as_of, actor=visit.actor)
        if deed.seen(changed.outcome) != seen:
            raise Refused(
                "The amounts have changed since the page was opened. Check them again.",
                code="amount_changed",
            )
        return changed

    return once(visit.customer, key, done, now=visit.now)
