"""Opening a seller's books and posting to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction

from billing.base.sql.bulk import NULL, OrNull, copy_rows
from billing.base.sql.prepared import prepared
from billing.base.sql.rows import blank
from billing.ledger.models import Account
from customers.models import Seller

# Numbers of the Swedish BAS chart, with their names in Swedish, and in English for others.
# Whoever wants other numbers adds accounts of those roles before the first bill: what is once
# booked on a number stays there.
CHART = {
    Account.Role.RECEIVABLE: ("1510", "Kundfordringar", "Receivables"),
    Account.Role.CLEARING: (
        "1580",
        "Fordringar för kontokort och betalningar",
        "Payments under way",
    ),
    Account.Role.CUSTOMER_BALANCE: ("2420", "Förskott från kunder", "Customers' balances"),
    Account.Role.VAT: ("2611", "Utgående moms", "VAT charged"),
    Account.Role.DEFERRED_REVENUE: ("2970", "Förutbetalda intäkter", "Deferred revenue"),
    Account.Role.ROUNDING: ("3740", "Öres- och kronutjämning", "Rounding"),
    Account.Role.BAD_DEBT: (
        "6351",
        "Konstaterade förluster på kundfordringar",
        "Losses on receivables",
    ),
}
# What goodwill is taken from: revenue, as a discount that comes later would be.
GIFTS = ("3730", "Lämnade rabatter", "Discounts given")


@dataclass(slots=True)
class Posting:
    """One transfer to write: accounts by role (and number, for revenue), an amount above zero."""

    debit: int
    credit: int
    amount_minor: int


@dataclass(slots=True)
class TransferRow:
    """``ledger_transfer``, without what is the same in all that are written at once."""

    customer_id: OrNull[int]
    debit_account_id: int
    credit_account_id: int
    currency: str
    amount_minor: int
    book_amount_minor: OrNull[int]
    book_rate: OrNull[int]
    document_id: int


class Books:
    """A seller's account ids, opened on first use."""

    def __init__(self, seller: Seller):
        self.seller = seller
        self.ids: dict[tuple[str, str], int] = {}
        self.by_role: dict[str, int] = {}
        self.by_rate: dict[tuple[str, Decimal | None], int] = {}
        self._read()
        missing = [role for role in CHART if role not in self.by_role]
        if missing:
            Account.objects.bulk_create(
                [
                    Account(seller=seller, role=role, **_named(seller, CHART[role]))
                    for role in missing
                ],
                ignore_conflicts=True,
            )
            self._read()

    def _read(self) -> None:
        with prepared() as cursor:
            cursor.execute(_ACCOUNTS, [self.seller.pk])
            for pk, role, number, country, percent in cursor.fetchall():
                self.ids[role, number] = pk
                if role == Account.Role.VAT:
                    self.by_rate[country, percent] = pk
                if not country and percent is None:
                    self.by_role[role] = pk

    def account(self, role: str) -> int:
        return self.by_role[role]

    def vat(self, country: str, percent: Decimal) -> int:
        """The account of a country's VAT (empty: at home) at a rate, or the one for all others."""
        for wanted in ((country, percent), (country, None)):
            if wanted in self.by_rate:
                return self.by_rate[wanted]
        return self.by_role[Account.Role.VAT]

    def revenue(self, number: str) -> int:
        """The revenue account of a number, opened where it is new."""
        known = self.ids.get((Account.Role.REVENUE, number))
        return known or self._open(number, "Försäljning", "Sales")

    def gifts(self) -> int:
        """The account that goodwill is taken from, opened where it is new."""
        known = self.ids.get((Account.Role.REVENUE, GIFTS[0]))
        return known or self._open(*GIFTS)

    def _open(self, *charted: str) -> int:
        named = _named(self.seller, charted)
        account, _ = Account.objects.get_or_create(
            seller=self.seller,
            role=Account.Role.REVENUE,
            number=named["number"],
            defaults={"name": named["name"]},
        )
        self.ids[Account.Role.REVENUE, account.number] = account.pk
        return account.pk


_ACCOUNTS = (
    "SELECT id, role, number, country, percent FROM ledger_account WHERE seller_id = %s"
    " ORDER BY number"
)


def _named(seller: Seller, charted: Sequence[str]) -> dict[str, str]:
    """An account of the chart, with its name as it is called where the seller keeps its books."""
    number, swedish, english = charted
    return {"number": number, "name": swedish if str(seller.country) == "SE" else english}


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
    rows = transfers(
        seller, postings, currency=currency, document_id=document_id, customer_id=customer_id
    )
    write_transfers(seller, rows, effective_on=effective_on, document=document)


def transfers(
    seller: Seller,
    postings: Iterable[Posting],
    *,
    currency: str,
    document_id: int,
    customer_id: int | None = None,
) -> list[TransferRow]:
    """The transfers of a document, unwritten, for who writes those of many at once."""
    is_book_currency = currency == seller.currency
    rows = []
    for posting in postings:
        row = blank(TransferRow)
        row.customer_id = NULL if customer_id is None else customer_id
        row.debit_account_id = posting.debit
        row.credit_account_id = posting.credit
        row.currency = currency
        row.amount_minor = posting.amount_minor
        row.book_amount_minor = posting.amount_minor if is_book_currency else NULL
        row.book_rate = 1 if is_book_currency else NULL
        row.document_id = document_id
        rows.append(row)
    return rows


def write_transfers(
    seller: Seller, rows: Iterable[TransferRow], *, effective_on: date, document: str
) -> None:
    """Write a seller's transfers of one day, which describe documents of one kind."""
    copy_rows(
        "ledger_transfer",
        rows,
        seller_id=seller.pk,
        effective_on=effective_on,
        document=document,
    )
