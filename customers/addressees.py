"""Who gets a customer's invoices and reminders, where it is not the customer's own address.

What is about a merged customer goes to whom the one that stays has named.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from customers.models import Customer
from customers.persons import staying_of


@dataclass(frozen=True, slots=True)
class Addressees:
    """Mail addresses, each once: whom a mail is to, and who gets a copy. Both may be empty."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()

    @classmethod
    def of(cls, to: Iterable[str], cc: Iterable[str] = ()) -> "Addressees":
        """With nobody in it twice, in whatever case; who gets a copy of what is to nobody is to."""
        known: dict[str, str] = {}
        for address in to:
            known.setdefault(address.casefold(), address)
        copies: dict[str, str] = {}
        for address in cc:
            if address.casefold() not in known:
                copies.setdefault(address.casefold(), address)
        if not known:
            return cls(tuple(copies.values()))
        return cls(tuple(known.values()), tuple(copies.values()))

    @property
    def everybody(self) -> tuple[str, ...]:
        return self.to + self.cc


def addressees_of(customer: Customer) -> Addressees:
    """Whoever is told of all but invoices and reminders: the customer's own address."""
    customer = staying_of(customer)
    return Addressees.of(filter(None, [customer.email]))


def addressees_of_invoices(customer: Customer) -> Addressees:
    """Those named for invoices; a copy may be named alone."""
    customer = staying_of(customer)
    own = filter(None, [customer.email])
    return Addressees.of(customer.invoice_to or own, customer.invoice_cc)


def addressees_of_reminders(customer: Customer) -> Addressees:
    """Those named for reminders; where nobody is, those of invoices."""
    customer = staying_of(customer)
    invoices = addressees_of_invoices(customer)
    if not customer.reminder_to and not customer.reminder_cc:
        return invoices
    return Addressees.of(customer.reminder_to or invoices.to, customer.reminder_cc)
