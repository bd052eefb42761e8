"""What the lines of documents post to the books."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol

from billing.engine.lines import RECURRING
from billing.invoicing.abroad import country_of
from billing.invoicing.models import Invoice, InvoiceLine
from billing.ledger.actions import Books, Posting, post
from billing.ledger.models import Account, Transfer
from catalog.models import REVENUE_ACCOUNT


class Taxed(Protocol):
    """The tax of one rate on a document, in minor units; ``name`` may name another country."""

    @property
    def name(self) -> str: ...

    @property
    def percent(self) -> Decimal: ...

    @property
    def tax_minor(self) -> int: ...


def charges_of(invoice: Invoice, books: Books) -> dict[int, int]:
    """What an invoice charges, without what a balance pays of it: minor units by account, owed by
    its customer.
    """
    lines = invoice.lines.exclude(net_minor=0).select_related("corrects__corrects")
    incomes = (
        (income_account_of(line, books, invoice.issued_on), line.net_minor) for line in lines
    )
    return sums_by_account(books, incomes, invoice.taxes.all(), invoice.rounding_minor)


def sums_by_account(
    books: Books,
    incomes: Iterable[tuple[int, int]],
    taxes: Iterable[Taxed],
    rounding_minor: int,
) -> dict[int, int]:
    """What a document comes to on each account but its customer's, in minor units: its incomes by
    account, the tax of each rate, and what was rounded.
    """
    sums: dict[int, int] = defaultdict(int)
    for account, minor in incomes:
        sums[account] += minor
    for group in taxes:
        sums[books.vat(country_of(group.name), group.percent)] += group.tax_minor
    sums[books.account(Account.Role.ROUNDING)] += rounding_minor
    return sums


def booked_of(invoice: Invoice, books: Books) -> dict[int, int]:
    """What transfers of an invoice say already, as :func:`charges_of` does."""
    receivable = books.account(Account.Role.RECEIVABLE)
    sums: dict[int, int] = defaultdict(int)
    for each in Transfer.objects.filter(document=Transfer.Document.INVOICE, document_id=invoice.pk):
        if each.debit_account_id == receivable:
            sums[each.credit_account_id] += each.amount_minor
        else:
            sums[each.debit_account_id] -= each.amount_minor
    return sums


def income_account_of(line: InvoiceLine, books: Books, as_of: date) -> int:
    """The account of a line's income, as :func:`income_account` chooses it."""
    charge = line.corrects.charged_kind if line.corrects else line.kind
    return income_account(books, charge, line.ends_on, as_of, line.revenue_account)


def income_account(
    books: Books, charge: str, end: date | None, as_of: date, revenue_account: str
) -> int:
    """Revenue, or deferred revenue as long as the service is still to come.

    ``charge`` is what is charged, or credited, until ``end``.
    """
    if charge == RECURRING and end is not None and end > as_of:
        return books.account(Account.Role.DEFERRED_REVENUE)
    return books.revenue(revenue_account or REVENUE_ACCOUNT)


def post_of_invoice(invoice: Invoice, postings: Sequence[Posting], as_of: date) -> None:
    """Write postings of a document in its books."""
    post(
        invoice.seller,
        postings,
        currency=invoice.currency,
        effective_on=as_of,
        document=Transfer.Document.INVOICE,
        document_id=invoice.pk,
        customer_id=invoice.customer_id,
    )
