"""Opening a seller's books and posting to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction

from billing.events.prepared import prepared
from billing.ledger.models import Account, Transfer
from customers.models import Seller

# Numbers and names of the Swedish BAS chart; a seller may change both.
CHART = {
    Account.Role.RECEIVABLE: ("1510", "Kundfordringar"),
    Account.Role.CLEARING: ("1580", "Fordringar för kontokort och betalningar"),
    Account.Role.CUSTOMER_BALANCE: ("2420", "Förskott från kunder"),
    Account.Role.VAT: ("2611", "Utgående moms"),
    Account.Role.DEFERRED_REVENUE: ("2970", "Förutbetalda intäkter"),
    Account.Role.ROUNDING: ("3740", "Öres- och kronutjämning"),
    Account.Role.BAD_DEBT: ("6351", "Konstaterade förluster på kundfordringar"),
}


@dataclass(slots=True)
class Posting:
    """One transfer to write: accounts by role (and number, for revenue), an amount above zero."""

    debit: int
    credit: int
    amount_minor: int


class Books:
    """A seller's account ids, opened on first use."""

    def __init__(self, seller: Seller):
        self.seller = seller
        self.ids: dict[tuple[str, str], int] = {}
        self.by_role: dict[str, int] = {}
        self._read()
        missing = [role for role in CHART if role not in self.by_role]
        if missing:
            Account.objects.bulk_create(
                [Account(seller=seller, role=role, **_charted(role)) for role in missing],
                ignore_conflicts=True,
            )
            self._read()

    def _read(self) -> None:
        with prepared() as cursor:
            cursor.execute(_ACCOUNTS, [self.seller.pk])
            for pk, role, number in cursor.fetchall():
                self.ids[role, number] = self.by_role[role] = pk

    def account(self, role: str) -> int:
        return self.by_role[role]

    def revenue(self, number: str) -> int:
        """The revenue account of a number, opened where it is new."""
        known = self.ids.get((Account.Role.REVENUE, number))
        return known or self._open(Account.Role.REVENUE, number, "Försäljning")

    def gift(self) -> int:
        """What goodwill is taken from: revenue, as a discount that comes later would be."""
        return self.revenue("3041")

    def _open(self, role: str, number: str, name: str) -> int:
        account, _ = Account.objects.get_or_create(
            seller=self.seller, role=role, number=number, defaults={"name": name}
        )
        self.ids[role, number] = self.by_role[role] = account.pk
        return account.pk


# Where a role has several accounts, the one with the highest number counts for the role.
_ACCOUNTS = "SELECT id, role, number FROM ledger_account WHERE seller_id = %s ORDER BY number"


def _charted(role: Account.Role) -> dict[str, str]:
    number, name = CHART[role]
    return {"number": number, "name": name}


def between(debit: int, credit: int, amount_minor: int) -> Iterable[Posting]:
    """One posting for an amount of either sign, none for zero."""
    if amount_minor > 0:
        yield Posting(debit, credit, amount_minor)
    elif amount_minor < 0:
        yield Posting(credit, debit, -amount_minor)


@transaction.atomic
def post(
    seller: Seller,
    postings: Sequence[Posting],
    *,
    currency: str,
    effective_on: date,
    document: str,
    document_id: int,
    customer_id: int | None = None,
) -> None:
    """Write transfers with the change that they describe, in its transaction."""
    Transfer.objects.bulk_create(
        transfers(
            seller,
            postings,
            currency=currency,
            effective_on=effective_on,
            document=document,
            document_id=document_id,
            customer_id=customer_id,
        )
    )


def transfers(
    seller: Seller,
    postings: Iterable[Posting],
    *,
    currency: str,
    effective_on: date,
    document: str,
    document_id: int,
    customer_id: int | None = None,
) -> list[Transfer]:
    """The transfers of a document, unwritten, for who writes those of many at once."""
    is_book_currency = currency == seller.currency
    return [
        Transfer(
            seller=seller,
            customer_id=customer_id,
            debit_account_id=posting.debit,
            credit_account_id=posting.credit,
            currency=currency,
            amount_minor=posting.amount_minor,
            book_amount_minor=posting.amount_minor if is_book_currency else None,
            book_rate=Decimal(1) if is_book_currency else None,
            effective_on=effective_on,
            document=document,
            document_id=document_id,
        )
        for posting in postings
    ]
