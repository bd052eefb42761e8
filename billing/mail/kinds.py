"""What is true of all mails of a kind, in one place: each kind stands beside its writer in words/.

A kind that is named there is mailed, listed and chosen by at the desk; nothing else has to know it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from billing.events.models import Event
from billing.mail.letters import Letter, Occasion
from customers.addressees import Addressees, addressees_of
from customers.models import Customer

type Untold = Callable[[Sequence[Event]], Iterable[Event]]


@dataclass(frozen=True, slots=True)
class News:
    """A type of event that makes a mail.

    What happens to an object once, such as the issue of an invoice, is mailed of once whatever
    tells of it; what may happen again, once for each event. ``untold`` says of which events, among
    some, no mail tells.
    """

    event: str
    happens_again: bool = True
    untold: Untold = lambda events: ()


@dataclass(frozen=True, slots=True)
class Notice:
    """How many days ahead customers of a country are told of something, and on what ground.

    ``country`` is the customer's; empty for all that have no row of their own.
    """

    country: str
    days: int
    basis: str


@dataclass(frozen=True, slots=True)
class Series:
    """Kinds that tell how the same thing stands, which an event's data name under ``about``.

    Of those that wait at once, as when the provider was away, only the latest is sent.
    """

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class MailKind:
    """A kind of mail: who writes it, what makes it, and how it reaches the customer.

    ``write`` looks at how things stand when the mail is sent, not at the event alone; it raises
    ``Unneeded``, with the reason, where nobody should get the mail any more. A kind that neither
    ``told_by`` nor ``notices`` makes is posted by whoever knows of it. ``is_printed`` is what must
    reach the customer, on paper where there is no other way; ``is_document`` what goes on paper to
    whoever has chosen that. What ``is_asked_for`` just now is no repetition of what was lost in a
    restore.
    """

    name: str
    title: str
    write: Callable[[Occasion], Letter]
    told_by: tuple[News, ...] = ()
    notices: tuple[Notice, ...] = ()
    addressees: Callable[[Customer], Addressees] = addressees_of
    series: Series | None = None
    is_printed: bool = False
    is_document: bool = False
    is_asked_for: bool = False
