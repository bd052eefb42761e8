"""Money that a customer has with us pays what they owe, before anybody asks for more.

A new invoice takes what the balance has when it is billed. What comes to the balance later pays
the open invoices at once, in the transaction in which it comes; where one of them cannot take it
then, the next step of that invoice does: the end of its payment, a charge, a page, a reminder.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from billing.invoicing.balances import Entry, free_balances, move_balances, spend_on
from billing.invoicing.models import Invoice
from billing.invoicing.owed import IS_COLLECTABLE, IS_ORDERED
from billing.invoicing.settled import By
from billing.invoicing.settlement import settle_by_credit
from billing.ledger.actions import Books, TransferRow, between, transfers, write_transfers
from billing.ledger.models import Account, Transfer
from billing.payments.guards import forbidden
from billing.payments.models import Payment, PaymentAllocation
from customers.locks import lock_customer
from customers.models import Customer, Seller
from customers.persons import persons_of


@transaction.atomic
def settle_from_balance(customer: Customer, *, as_of: date, actor: str) -> int:
    """Pay a person's open invoices with what they have with us; how many were paid of."""
    lock_customer(customer.pk)
    return settle_debts([customer.pk], as_of, actor)


def settle_debts(customer_ids: Collection[int], as_of: date, actor: str) -> int:
    """Pay open invoices of locked customers from their balances, the oldest due first; how many.

    The balance of a person pays those of all who were merged into it as well.
    An invoice that is being paid waits for the outcome; one that is disputed or only ordered takes
    nothing. One query where no customer has a balance, and a constant number where many have.
    """
    balances = free_balances(customer_ids)
    if not balances:
        return 0
    staying = persons_of({customer_id for customer_id, _ in balances})
    asked = _asked(staying).select_for_update(of=["self"])
    paid = spend_on(_payable(asked), balances, staying)
    by_seller: dict[Seller, dict[Invoice, int]] = defaultdict(dict)
    for invoice, part_minor in paid.items():
        by_seller[invoice.seller][invoice] = part_minor
    for seller, parts in by_seller.items():
        _book(seller, parts, as_of, actor)
    return len(paid)


def payable_by_balance(customer_id: int) -> Sequence[Invoice]:
    """The invoices of a person that the balance would pay as they stand, the oldest due first.

    ``customer_id`` is that of the one that stays.
    """
    return _payable(_asked(persons_of([customer_id])))


def _asked(customer_ids: Collection[int]) -> QuerySet[Invoice]:
    """The customers' open invoices that no payment is under way for and nobody has only ordered."""
    under_way = PaymentAllocation.objects.filter(
        invoice=OuterRef("pk"), state=PaymentAllocation.State.IN_FLIGHT
    )
    return (
        Invoice.objects.select_related("seller")
        .filter(
            IS_COLLECTABLE,
            ~Exists(under_way),
            ~IS_ORDERED,
            customer__in=customer_ids,
        )
        .order_by("pk")
    )


def _payable(asked: QuerySet[Invoice]) -> list[Invoice]:
    """Those of some invoices that are not disputed; the oldest due first."""
    found = list(asked)
    disputed = forbidden([invoice.pk for invoice in found])
    payable = [invoice for invoice in found if invoice.pk not in disputed]
    return sorted(payable, key=lambda invoice: (invoice.due_on, invoice.pk))


def _book(seller: Seller, parts: dict[Invoice, int], as_of: date, actor: str) -> None:
    """Take the parts off balances and invoices, in the books as well, and tell of it."""
    books = Books(seller)
    balance = books.account(Account.Role.CUSTOMER_BALANCE)
    receivable = books.account(Account.Role.RECEIVABLE)
    written: list[TransferRow] = []
    for invoice, part_minor in parts.items():
        written += transfers(
            seller,
            between(balance, receivable, part_minor),
            currency=invoice.currency,
            document_id=invoice.pk,
            customer_id=invoice.customer_id,
        )
    write_transfers(seller, written, effective_on=as_of, document=Transfer.Document.INVOICE)
    move_balances(
        [
            Entry(invoice.customer_id, invoice.currency, -part_minor, invoice.pk, str(invoice))
            for invoice, part_minor in parts.items()
        ],
        as_of,
    )
    over = [invoice.pk for invoice, minor in parts.items() if minor == invoice.left_minor]
    planned = PaymentAllocation.objects.filter(
        invoice__in=over, state=PaymentAllocation.State.PLANNED
    )
    Payment.objects.filter(allocations__in=planned, state=Payment.State.PLANNED).update(
        state=Payment.State.CANCELED
    )
    planned.update(state=PaymentAllocation.State.RELEASED)
    settle_by_credit(seller, parts, by=By.BALANCE, as_of=as_of, actor=actor)
