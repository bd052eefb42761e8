"""What is lost of invoices that nobody pays, and what of its VAT the state gives back.

A confirmed loss takes the VAT in it off what the seller owes the state, where national law says so
(directive 2006/112/EC article 90(2); in Sweden mervärdesskattelagen (2023:200) 8 kap. 16 §), and it
is owed again as far as money comes later. Elsewhere, and for the VAT of other countries, the gross
is lost: what their law wants for it, Kvitt does not know.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from billing.base.sql.lookups import array_of
from billing.engine.money import round_ratio
from billing.invoicing.abroad import country_of
from billing.invoicing.models import Invoice, InvoiceTax
from billing.ledger.actions import (
    Books,
    Posting,
    TransferRow,
    between,
    transfers,
    write_transfers,
)
from billing.ledger.models import Account, Transfer
from customers.models import Seller

GIVES_VAT_BACK: Final = frozenset({"SE"})


class Losses:
    """The postings of losses of some invoices of a seller, written in one go."""

    def __init__(self, seller: Seller, invoices: Sequence[Invoice]) -> None:
        self.seller, self.books = seller, Books(seller)
        self.written: list[TransferRow] = []
        self.taxes: dict[int, list[InvoiceTax]] = defaultdict(list)
        ids = array_of(invoice.pk for invoice in invoices)
        if str(seller.country) in GIVES_VAT_BACK:
            for group in InvoiceTax.objects.filter(invoice__any_of=ids).exclude(tax_minor=0):
                if not country_of(group.name):
                    self.taxes[group.invoice_id].append(group)

    def add(self, invoice: Invoice, before_minor: int, after_minor: int) -> None:
        """Of an invoice so much was lost before, and so much is now; both in minor units."""
        self.written += transfers(
            self.seller,
            self._postings(invoice, before_minor, after_minor),
            currency=invoice.currency,
            document_id=invoice.pk,
            customer_id=invoice.customer_id,
        )

    def book(self, as_of: date) -> None:
        write_transfers(
            self.seller, self.written, effective_on=as_of, document=Transfer.Document.LOSS
        )
        self.written = []

    def _postings(self, invoice: Invoice, before_minor: int, after_minor: int) -> Iterator[Posting]:
        receivable = self.books.account(Account.Role.RECEIVABLE)
        net_minor = after_minor - before_minor
        for group in self.taxes.get(invoice.pk, ()):
            # In proportion to what is lost of the whole, so that no part is ever rounded twice.
            before, after = (
                round_ratio(group.tax_minor * lost, invoice.total_minor)
                for lost in (before_minor, after_minor)
            )
            net_minor -= after - before
            yield from between(self.books.vat("", group.percent), receivable, after - before)
        yield from between(self.books.account(Account.Role.BAD_DEBT), receivable, net_minor)
