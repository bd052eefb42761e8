"""What a mail says, before it is laid out: one description, from which text and HTML are made."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from billing.invoicing.writing import Writer
from billing.mail.models import Message
from customers.models import Customer, Seller


class Unneeded(Exception):  # noqa: N818 -- it is no error.
    """Raised where a mail would no longer be true, such as a reminder of what has been paid."""


class Astray(Unneeded):
    """Raised where a mail would go to somebody who gets no such mail any more."""


@dataclass(frozen=True, slots=True)
class Button:
    """The one thing to do: a link of ours for a purpose, or a gateway's own page."""

    label: str
    purpose: str = ""
    subject: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A PDF, which is printed only when the mail is about to be sent; ``of`` is a public id."""

    name: str
    of: str
    render: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Section:
    """Words that are kept beside the letter, such as what was agreed to: each line as it is."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail in words: what happened, what comes next and when, and what can be done.

    ``details`` are labels and values; ``closing`` is what stands before whom to ask, and
    ``sections`` what stands after it.
    """

    subject: str
    happened: str
    next: str = ""
    button: Button | None = None
    details: tuple[tuple[str, str], ...] = ()
    closing: str = ""
    attachments: tuple[Attachment, ...] = ()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Occasion:
    """A message that is to be written, and when."""

    message: Message
    today: date
    now: datetime
    language: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "language", self.message.language)

    @property
    def seller(self) -> Seller:
        return self.message.seller

    @property
    def customer(self) -> Customer:
        return self.message.customer

    @property
    def is_on_paper(self) -> bool:
        """Whether it is printed: then there is nothing to press."""
        return not self.message.recipient

    @property
    def is_charged(self) -> bool:
        """Whether the customer's payment method is charged, rather than an invoice paid."""
        return self.customer.collection == Customer.Collection.AUTOMATIC

    def told(self, name: str) -> Any:
        return self.message.fact(name)

    def moment_told(self, name: str) -> datetime | None:
        value = self.message.fact(name)
        return datetime.fromisoformat(value) if value else None

    def day_told(self, name: str) -> date | None:
        value = self.message.fact(name)
        return date.fromisoformat(value) if value else None

    def day(self, on: date) -> str:
        """``3 mars 2026``."""
        return _writer(self.language, self.seller.currency).day(on)

    def period(self, start: date, end: date) -> str:
        return _writer(self.language, self.seller.currency).period(start, end)

    def money(self, minor: int, currency: str) -> str:
        """Minor units with the currency's decimals, in a sentence as in a table: ``199,00 kr``."""
        return _writer(self.language, currency).money(minor)


@lru_cache
def _writer(language: str, currency: str) -> Writer:
    return Writer(language, currency)
