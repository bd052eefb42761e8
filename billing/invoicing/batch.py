"""Billing whatever is due, in batches that any number of workers run beside each other."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db import connection, transaction

from billing.base.collector import without_collector
from billing.base.leases import unheld
from billing.events.recorder import record
from billing.events.troubles import Watch, halves, timed_out
from billing.invoicing.buyers import load_buyers
from billing.invoicing.drafting import UNFORESEEN, Drafts, draft_documents, reason_of
from billing.invoicing.issuing import issue
from billing.invoicing.numbering import take_numbers
from billing.invoicing.rows import Issued
from billing.invoicing.standing import read_standing
from billing.outbound.gate import Kind, refusal
from billing.subscriptions.models import Subscription
from customers.calendar import refuse_day_to_come
from customers.going_live import refuse_unready
from customers.models import Customer, Seller

BATCH_SIZE = 2000
STEP = "bill"


@dataclass(slots=True)
class Billed:
    """What became of customers: the documents issued, and what they had been drafted with.

    ``idle`` are customers of whom nothing was billed, since what they have goes on waiting.
    """

    issued: list[Issued]
    drafts: Drafts
    idle: list[int]


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
        self.parked += len(billed.drafts.parked)
        self.refused |= billed.drafts.refused
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
    billed is parked with its reason, and the rest go on. Raises :class:`Refused`
    ("seller_not_ready") where the documents of a live seller would lack what the law wants.
    """
    if held := refusal(Kind.NUMBER, seller.public_id):
        raise held
    refuse_unready(seller)
    refuse_day_to_come(seller, as_of)
    sweep = _Sweep(seller, as_of, actor, BillingRun(), Watch(STEP, seller.public_id))
    sweep.bill_again()
    while claimed := sweep.bill_batch(batch_size):
        sweep.run.customers += claimed
        if on_batch:
            on_batch(claimed)
    return sweep.run


@dataclass(slots=True)
class _Sweep:
    """One call of :func:`bill_due`: for whom, what it has come to, and who has trouble."""

    seller: Seller
    as_of: date
    actor: str
    run: BillingRun
    watch: Watch
    idle: list[int] = field(default_factory=list)

    def bill_batch(self, batch_size: int) -> int:
        """Claim and bill one batch; the number of customers claimed. One that fails is halved."""
        ids: list[int] = []
        try:
            with without_collector(), transaction.atomic():
                ids = claim(self.seller, self.as_of, batch_size, self._left_out())
                if not ids:
                    return 0
                billed = bill_locked(self.seller, ids, self.as_of, self.actor)
        except Exception as error:
            if not ids:
                raise
            self.watch.let_through(error)
            for part in halves(ids):
                self.watch.serve(part, self._bill_part, _public_id, self._set_aside)
        else:
            self._note(billed)
        return len(ids)

    def bill_again(self) -> None:
        """Bill anew whoever met an error that nobody foresaw, and whose turn it is.

        What is parked for such a reason is free again if it can be billed now, and stays if not.
        """
        troubled = Customer.objects.filter(seller=self.seller, public_id__in=self.watch.due)
        for customer_id, public_id in list(troubled.values_list("pk", "public_id")):
            with transaction.atomic():
                if unheld(Customer.objects.filter(pk=customer_id)):
                    with self.watch.over(public_id), transaction.atomic():
                        self._bill_parked(customer_id)

    def _bill_parked(self, customer_id: int) -> None:
        parked = Subscription.objects.filter(
            customer_id=customer_id, parked_reason__startswith=UNFORESEEN
        )
        parked.update(parked_reason="")
        billed = bill_locked(self.seller, [customer_id], self.as_of, self.actor)
        for error in billed.drafts.unforeseen.values():
            raise error
        self.run.add(billed)

    def _left_out(self) -> list[int]:
        """Who cannot be billed in this run, or had trouble and is left alone for now.

        Whoever was claimed and not billed is among them: they would be claimed for ever.
        """
        left_out = [*self.run.refused, *self.idle]
        waiting = self.watch.waiting
        if not waiting:
            return left_out
        held = Customer.objects.filter(seller=self.seller, public_id__in=waiting)
        return [*left_out, *held.values_list("pk", flat=True)]

    def _bill_part(self, ids: Sequence[int]) -> int:
        with transaction.atomic():
            billed = bill_locked(self.seller, _lock(ids), self.as_of, self.actor)
        self._note(billed)
        return len(ids)

    def _note(self, billed: Billed) -> None:
        """Count what was billed, and keep what nobody foresaw."""
        self.run.add(billed)
        self.idle += billed.idle
        for customer_id, error in billed.drafts.unforeseen.items():
            self.watch.keep(_public_id(customer_id), error)

    def _set_aside(self, customer_id: int, error: Exception) -> None:
        """Park what was due for who failed alone; who was only waited for comes again soon."""
        self.run.refused[customer_id] = reason_of(error)
        if timed_out(error):
            return
        with transaction.atomic():
            due = Subscription.objects.filter(
                customer_id=customer_id, next_bill_on__lte=self.as_of, parked_reason=""
            )
            reasons = dict.fromkeys(due.values_list("pk", flat=True), reason_of(error))
            park(self.seller, reasons, self.as_of, self.actor)
        self.run.parked += len(reasons)


def _public_id(customer_id: int) -> str:
    return Customer.objects.values_list("public_id", flat=True).get(pk=customer_id)


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
# Only what makes a bill by itself: whoever were claimed for what goes on waiting would be claimed
# for ever. What is below zero waits for something to reduce, and so may what is above.
_DUE_ONE_OFFS = """
    SELECT c.id FROM invoicing_oneoffitem o
    JOIN customers_customer c ON c.id = o.customer_id
    WHERE o.seller_id = %s AND o.due_on <= %s AND o.line_id IS NULL AND c.id <> ALL(%s)
      AND o.amount_minor > 0
      AND NOT (o.waits AND EXISTS (SELECT FROM subscriptions_subscription s
                                   WHERE s.customer_id = c.id AND s.next_bill_on IS NOT NULL))
    ORDER BY o.due_on LIMIT %s FOR UPDATE OF c SKIP LOCKED
"""


def _lock(ids: Sequence[int]) -> list[int]:
    """Lock customers anew; those whom another worker holds meanwhile are passed by."""
    locked = unheld(Customer.objects.filter(pk__in=ids).order_by("pk"))
    return list(locked.values_list("pk", flat=True))


def bill_locked(seller: Seller, customer_ids: Sequence[int], as_of: date, actor: str) -> Billed:
    """Bill customers that the caller has locked."""
    standing = read_standing(seller, load_buyers(customer_ids), as_of)
    drafts = draft_documents(seller, standing, as_of)
    issued = issue(seller, drafts, as_of, actor, take_numbers)
    park(seller, drafts.parked, as_of, actor)
    served = {contract.customer_id for contract in drafts.contracts.values()}
    served |= {document.buyer.id for document in drafts.documents}
    return Billed(issued, drafts, [each.id for each in standing.buyers if each.id not in served])


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
