"""Billing whatever is due, in batches that any number of workers run beside each other."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from django.db import DataError, IntegrityError, connection, transaction

from billing.events.recorder import record
from billing.invoicing.drafting import Scope, draft_documents, load_buyers
from billing.invoicing.issuing import Issued, Numbering, issue, take_numbers
from billing.outbound.gate import Kind, refusal
from billing.subscriptions.models import Subscription
from customers.models import Customer, Seller

BATCH_SIZE = 2000


@dataclass(slots=True)
class Billed:
    """What became of customers: documents, parked subscriptions and refused customers by reason."""

    issued: list[Issued]
    parked: dict[int, str]
    refused: dict[int, str]


@dataclass(slots=True)
class BillingRun:
    """What a run has come to; totals in minor units per currency, credit notes counted off.

    ``refused`` are customers, by row id with the reason, for whom nothing could be billed.
    """

    invoices: int = 0
    credit_notes: int = 0
    customers: int = 0
    parked: int = 0
    totals_minor: Counter[str] = field(default_factory=Counter)
    refused: dict[int, str] = field(default_factory=dict)

    def add(self, billed: Billed) -> None:
        self.parked += len(billed.parked)
        self.refused |= billed.refused
        notes = 0
        for document in billed.issued:
            total_minor = document.total_minor
            if document.draft.document.is_credit_note:
                notes, total_minor = notes + 1, -total_minor
            self.totals_minor[document.draft.currency] += total_minor
        self.credit_notes += notes
        self.invoices += len(billed.issued) - notes


def bill_due(
    seller: Seller,
    as_of: date,
    *,
    actor: str = "system",
    batch_size: int = BATCH_SIZE,
    on_batch: Callable[[int], None] | None = None,
) -> BillingRun:
    """Bill all that is due for a seller's customers by ``as_of``, batch by batch.

    Each batch is one transaction. Customers whom another worker holds are skipped; what cannot be
    billed is parked with its reason, and the rest go on.
    """
    run = BillingRun()
    if held := refusal(Kind.NUMBER, seller.public_id):
        raise held
    while claimed := _bill_batch(seller, as_of, actor, batch_size, run):
        run.customers += claimed
        if on_batch:
            on_batch(claimed)
    return run


def _bill_batch(seller: Seller, as_of: date, actor: str, batch_size: int, run: BillingRun) -> int:
    """Claim and bill one batch; the number of customers claimed. A refused batch is bisected."""
    ids: list[int] = []
    try:
        with _without_collector(), transaction.atomic():
            ids = claim(seller, as_of, batch_size, list(run.refused))
            if not ids:
                return 0
            billed = bill_locked(seller, ids, as_of, actor)
    except (IntegrityError, DataError) as error:
        for part in _halves(ids):
            _bill_part(seller, part, as_of, actor, run, error)
    else:
        run.add(billed)
    return len(ids)


@contextmanager
def _without_collector() -> Iterator[None]:
    """A batch makes many objects and no cycles: to look for those takes a quarter of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _bill_part(
    seller: Seller,
    ids: Sequence[int],
    as_of: date,
    actor: str,
    run: BillingRun,
    error: Exception,
) -> None:
    """Bill some customers of a refused batch; whoever is refused alone is parked."""
    try:
        with transaction.atomic():
            held = _lock(ids)
            billed = bill_locked(seller, held, as_of, actor)
    except (IntegrityError, DataError) as refused:
        if len(ids) == 1:
            with transaction.atomic():
                due = Subscription.objects.filter(customer_id=ids[0], next_bill_on__lte=as_of)
                reasons = dict.fromkeys(due.values_list("pk", flat=True), _reason(refused))
                park(seller, reasons, as_of, actor)
                run.parked += len(reasons)
                run.refused[ids[0]] = _reason(refused)
            return
        for part in _halves(ids):
            _bill_part(seller, part, as_of, actor, run, refused)
    else:
        run.add(billed)


def _halves(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    middle = (len(ids) + 1) // 2
    return iter([part for part in (ids[:middle], ids[middle:]) if part])


def _reason(error: Exception) -> str:
    return f"database: {str(error).splitlines()[0]}"


def claim(seller: Seller, as_of: date, limit: int, refused: Sequence[int] = ()) -> list[int]:
    """Lock up to so many customers who have something due and whom nobody else holds.

    ``refused`` are left out: what this run could not bill would otherwise come again for ever.
    """
    found: dict[int, None] = {}
    with connection.cursor() as cursor:
        for query in (_DUE_SUBSCRIPTIONS, _DUE_ONE_OFFS):
            if len(found) < limit:
                left = limit - len(found)
                cursor.execute(query, [seller.pk, as_of, list(refused), left])
                found |= dict.fromkeys(row[0] for row in cursor.fetchall())
    return list(found)


_DUE_SUBSCRIPTIONS = """
    SELECT c.id FROM subscriptions_subscription s
    JOIN customers_customer c ON c.id = s.customer_id
    WHERE s.seller_id = %s AND s.next_bill_on <= %s AND s.parked_reason = ''
      AND c.id <> ALL(%s)
    ORDER BY s.next_bill_on LIMIT %s FOR UPDATE OF c SKIP LOCKED
"""
_DUE_ONE_OFFS = """
    SELECT c.id FROM invoicing_oneoffitem o
    JOIN customers_customer c ON c.id = o.customer_id
    WHERE o.seller_id = %s AND o.due_on <= %s AND o.line_id IS NULL AND c.id <> ALL(%s)
    ORDER BY o.due_on LIMIT %s FOR UPDATE OF c SKIP LOCKED
"""


def _lock(ids: Sequence[int]) -> list[int]:
    locked = Customer.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return list(locked.values_list("pk", flat=True))


def bill_locked(
    seller: Seller,
    customer_ids: Sequence[int],
    as_of: date,
    actor: str,
    scope: Scope | None = None,
    numbering: Numbering = take_numbers,
) -> Billed:
    """Bill customers that the caller has locked."""
    drafts = draft_documents(seller, load_buyers(customer_ids), as_of, scope)
    issued = issue(seller, drafts, as_of, actor, numbering)
    park(seller, drafts.parked, as_of, actor)
    return Billed(issued, drafts.parked, drafts.refused)


def park(seller: Seller, reasons: dict[int, str], as_of: date, actor: str) -> None:
    """Set subscriptions aside with the reason, for a person to look at."""
    if not reasons:
        return
    parked = Subscription.objects.filter(pk__in=reasons)
    for subscription in parked:
        subscription.parked_reason = reasons[subscription.pk]
        record(
            "subscription.parked",
            seller=seller.public_id,
            subject=subscription.public_id,
            occurred_on=as_of,
            actor=actor,
            data={"reason": subscription.parked_reason},
        )
    Subscription.objects.bulk_update(parked, ["parked_reason"])
