"""What customers have with us: given, taken back, and moved by documents."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from django.db import connection, transaction

from billing.base.sql.bulk import copy_rows
from billing.base.sql.lookups import array_of
from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import major_string
from billing.events.recorder import record_for
from billing.invoicing import hooks
from billing.invoicing.models import BalanceEntry
from billing.invoicing.sums import check_sum
from billing.ledger.actions import Books, Posting, post
from billing.ledger.models import Account, Transfer
from customers.locks import lock_customer, lock_staying
from customers.models import Customer
from customers.persons import staying_of


@dataclass(slots=True)
class Entry:
    """A change of a customer's balance: above zero, the customer has more with us than before.

    ``invoice_id`` is the document that makes it, where one does; ``merged_with_id`` the other
    customer, where two are merged.
    """

    customer_id: int
    currency: str
    amount_minor: int
    invoice_id: int | None
    description: str
    merged_with_id: int | None = None


@dataclass(slots=True)
class _EntryRow:
    """``invoicing_balanceentry``."""

    customer_id: int
    currency: str
    amount_minor: int
    invoice_id: int | None
    description: str
    effective_on: date
    takes_back_id: int | None
    merged_with_id: int | None


def move_balances(entries: Sequence[Entry], as_of: date, takes_back: int | None = None) -> None:
    """Add entries and keep the sums.

    ``takes_back`` is the entry that they take back, where they do. Customers are locked. What would
    move on the balance of a merged customer moves on that of the one that stays. What has come to a
    balance pays what they owe before this returns.
    """
    if not entries:
        return
    grown, staying = _move_sums(entries)
    copy_rows(
        "invoicing_balanceentry",
        [
            _EntryRow(
                customer_id=staying[entry.customer_id],
                currency=entry.currency,
                amount_minor=entry.amount_minor,
                invoice_id=entry.invoice_id,
                description=entry.description,
                effective_on=as_of,
                takes_back_id=takes_back,
                merged_with_id=entry.merged_with_id,
            )
            for entry in entries
        ],
    )
    if grown:
        tell_of_growth(grown, as_of)


def _move_sums(entries: Sequence[Entry]) -> tuple[set[int], dict[int, int]]:
    """Add entries to the balances; whose have grown, and whose balance each customer's is."""
    sums: dict[tuple[int, str], int] = {}
    for entry in entries:
        key = (entry.customer_id, entry.currency)
        sums[key] = sums.get(key, 0) + entry.amount_minor
    customers, currencies = [key[0] for key in sums], [key[1] for key in sums]
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_BALANCES, [customers, currencies])
        cursor.execute(_MOVE_BALANCES, [customers, currencies, list(sums.values())])
        moved = cursor.fetchall()
    grown = {customer_id for customer_id, _, minor in moved if minor > 0}
    return grown, {asked: customer_id for customer_id, whose, _ in moved for asked in whose}


_OPEN_BALANCES = """
    INSERT INTO invoicing_customerbalance (customer_id, currency, balance_minor)
    SELECT DISTINCT coalesce(c.merged_into_id, c.id), v.currency, 0
    FROM unnest(%s::bigint[], %s::text[]) AS v (id, currency)
    JOIN customers_customer c ON c.id = v.id
    ON CONFLICT (customer_id, currency) DO NOTHING
"""
_MOVE_BALANCES = """
    UPDATE invoicing_customerbalance b SET balance_minor = b.balance_minor + m.minor
    FROM (
        SELECT coalesce(c.merged_into_id, c.id) AS id, v.currency,
               sum(v.minor)::bigint AS minor, array_agg(v.id) AS whose
        FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS v (id, currency, minor)
        JOIN customers_customer c ON c.id = v.id
        GROUP BY 1, 2
    ) m
    WHERE b.customer_id = m.id AND b.currency = m.currency
    RETURNING m.id, m.whose, m.minor
"""


def tell_of_growth(customer_ids: Collection[int], as_of: date) -> None:
    """Have those who listen know of locked customers who have more with us that is free."""
    for listen in hooks.balances_grew:
        listen(customer_ids, as_of=as_of, actor="system")


@transaction.atomic
def give_credit(
    customer: Customer,
    *,
    currency: str,
    amount_minor: int,
    description: str,
    as_of: date,
    actor: str,
    is_confirmed: bool = False,
) -> BalanceEntry:
    """Add to the customer's balance, which pays what it can of open invoices and of later ones.

    Raises :class:`Refused` ("unusual_amount", "currency_not_used", "customer_merged").
    """
    if amount_minor <= 0:
        raise InvalidAmount("A credit must be above zero.")
    check_sum(customer, amount_minor, currency, is_confirmed)
    lock_staying(customer)
    move_balances([Entry(customer.pk, currency, amount_minor, None, description)], as_of)
    entry = BalanceEntry.objects.filter(
        customer=customer, currency=currency, amount_minor=amount_minor, invoice=None
    ).latest("id")
    books = Books(customer.seller)
    _post_gift(entry, books.gifts(), books.account(Account.Role.CUSTOMER_BALANCE), as_of)
    _record_of_gift("balance.credited", entry, as_of, actor)
    return entry


@transaction.atomic
def take_back_credit(entry: BalanceEntry, *, as_of: date, actor: str) -> BalanceEntry:
    """Take back a credit that was given, as long as the balance still has it.

    Raises :class:`Refused` ("not_a_given_credit", "credit_taken_back", "credit_spent").
    """
    lock_customer(entry.customer_id)
    entry = BalanceEntry.objects.select_related("customer__seller").get(pk=entry.pk)
    if not entry.is_gift:
        raise Refused(
            "This came with a document or a payment, and goes with it.", code="not_a_given_credit"
        )
    if BalanceEntry.objects.filter(takes_back=entry).exists():
        raise Refused("This credit has already been taken back.", code="credit_taken_back")
    left_minor = balance_of(entry.customer, entry.currency)
    if left_minor < entry.amount_minor:
        raise _refusal_to_take_back(entry, left_minor)
    said = f"Taken back: {entry.description}"[:200]
    gift = Entry(entry.customer_id, entry.currency, -entry.amount_minor, None, said)
    move_balances([gift], as_of, takes_back=entry.pk)
    taken = BalanceEntry.objects.select_related("customer__seller").get(takes_back=entry)
    books = Books(entry.customer.seller)
    _post_gift(taken, books.account(Account.Role.CUSTOMER_BALANCE), books.gifts(), as_of)
    _record_of_gift("balance.credit_taken_back", taken, as_of, actor)
    return taken


def _refusal_to_take_back(entry: BalanceEntry, left_minor: int) -> Refused:
    """Why a balance has less than a credit: it has paid invoices, or is kept for orders."""
    left, currency = major_string(left_minor, entry.currency), entry.currency
    # What is kept is kept of the balance of the one that stays.
    whose = (staying_of(entry.customer).pk, currency)
    kept_minor = kept_for_orders([entry.customer_id]).get(whose, 0)
    if not kept_minor:
        return Refused(
            f"Only {left} {currency} is left on the balance: the rest has paid invoices.",
            code="credit_spent",
        )
    if left_minor + kept_minor >= entry.amount_minor:
        return Refused(
            f"Only {left} {currency} of the balance is free: orders that wait keep the rest.",
            code="credit_spent",
        )
    return Refused(
        f"Only {left} {currency} of the balance is free: orders that wait keep a part of the rest, "
        "and the other part has paid invoices.",
        code="credit_spent",
    )


def _post_gift(entry: BalanceEntry, debit: int, credit: int, as_of: date) -> None:
    post(
        entry.customer.seller,
        [Posting(debit, credit, abs(entry.amount_minor))],
        currency=entry.currency,
        effective_on=as_of,
        document=Transfer.Document.BALANCE,
        document_id=entry.pk,
        customer_id=entry.customer_id,
    )


def _record_of_gift(type: str, entry: BalanceEntry, as_of: date, actor: str) -> None:
    amount_minor = abs(entry.amount_minor)
    currency = entry.currency
    record_for(type, entry.customer, as_of, actor, amount_minor=amount_minor, currency=currency)


def balance_of(customer: Customer, currency: str) -> int:
    """What is free of the customer's balance in a currency, in minor units.

    Of a merged customer, that of the one that stays.
    """
    free = free_balances([customer.pk])
    return sum(minor for (_, known), minor in free.items() if known == currency)


def free_balances(customer_ids: Iterable[int]) -> dict[tuple[int, str], int]:
    """What customers have on their balances by currency, in minor units, where it is above nothing.

    It is by the customer who has it: of one that was merged, by the one that stays.
    Without what is kept for orders: so much of theirs was said to be paid by the balance, and is
    drawn on it as soon as they are paid.
    """
    return {
        whose: balance_minor - kept_minor
        for whose, balance_minor, kept_minor in _balances(customer_ids)
        if balance_minor > kept_minor
    }


def kept_for_orders(customer_ids: Iterable[int]) -> dict[tuple[int, str], int]:
    """What is kept of customers' balances for orders that wait, in minor units by currency."""
    return {whose: kept_minor for whose, _, kept_minor in _balances(customer_ids) if kept_minor}


def _balances(customer_ids: Iterable[int]) -> Iterator[tuple[tuple[int, str], int, int]]:
    """Each balance above nothing and what is kept of it, in minor units, by whose it is."""
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES, [array_of(customer_ids)])
        for customer_id, currency, balance_minor, kept_minor in cursor.fetchall():
            yield (customer_id, currency), balance_minor, kept_minor


_BALANCES = """
    SELECT b.customer_id, b.currency, b.balance_minor, (
        SELECT coalesce(sum(o.credit_applied_minor), 0)::bigint FROM invoicing_invoice o
        WHERE o.customer_id = b.customer_id AND o.currency = b.currency
          AND o.sequence IS NULL AND o.status = 'open' AND o.credit_applied_minor > 0)
    FROM invoicing_customerbalance b
    WHERE b.balance_minor > 0 AND b.customer_id IN (
        SELECT coalesce(merged_into_id, id) FROM customers_customer WHERE id = ANY (%s::bigint[]))
"""


class Owing(Protocol):
    """What a customer owes in a currency; ``left_minor`` is how much, in minor units."""

    @property
    def customer_id(self) -> int: ...

    @property
    def currency(self) -> str: ...

    @property
    def left_minor(self) -> int: ...


def spend_on[Debt: Owing](
    debts: Iterable[Debt], balances: dict[tuple[int, str], int], staying: Mapping[int, int]
) -> dict[Debt, int]:
    """What balances pay of debts, one after the other, in minor units.

    ``balances``, by customer and currency, are lessened by it; ``staying`` says whose of them pays
    for each customer who owes.
    """
    paid: dict[Debt, int] = {}
    for debt in debts:
        whose = (staying[debt.customer_id], debt.currency)
        part_minor = min(balances.get(whose, 0), debt.left_minor)
        if part_minor > 0:
            balances[whose] -= part_minor
            paid[debt] = part_minor
    return paid
