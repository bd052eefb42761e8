"""Cases: a debt that is late, step by step until it is paid or given up.

Every step is taken under the customer's lock, and only after the debt has been read again there;
a step is a row, unique in its case, so that it is taken once whatever runs twice. Many cases are
stepped in one transaction with a number of queries that does not grow with them.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from billing.engine.errors import BillingError, Refused
from billing.engine.retries import step_on
from billing.events.models import Event
from billing.events.recorder import record_all
from billing.invoicing.actions import write_off
from billing.invoicing.models import Invoice, InvoiceLine
from billing.payments.charging import plan, plan_many
from billing.payments.models import Payment, PaymentAllocation, PaymentMethod
from billing.subscriptions.actions import cancel
from billing.subscriptions.models import Subscription
from customers.models import Customer, Seller
from dunning.models import DunningAction, DunningCase, LateSince, StepKind
from dunning.policies import Policies, Steps, plans_of

# From the most access to the least; a customer has the least that any case leaves.
ACCESSES = ("full", "restricted", "none")
LEAVES = {StepKind.RESTRICT: "restricted", StepKind.SUSPEND: "none"}
LIMIT = 500
WRITTEN_OFF = "Not paid after all reminders."
_INCOMPLETE = InvoiceLine.objects.filter(invoice=OuterRef("pk"), subscription__status="incomplete")

logger = logging.getLogger(__name__)


# Opening


@transaction.atomic
def open_cases(seller: Seller, as_of: date, actor: str, limit: int = LIMIT) -> int:
    """Open a case for each invoice whose due date has passed; how many.

    One that is being charged, or whose charge is planned for another day, is not late yet. Who has
    not paid for a beginning is not reminded: the order runs out by itself.
    """
    under_way = PaymentAllocation.objects.filter(
        invoice=OuterRef("pk"), state__in=["in_flight", "planned"]
    ).filter(Q(state="in_flight") | Q(payment__planned_on__gt=as_of))
    late = (
        _owed(Invoice.objects.filter(seller=seller))
        .exclude(Exists(_INCOMPLETE))
        .filter(~Exists(under_way), due_on__lt=as_of, dunning_case=None)
        .order_by("due_on", "pk")
    )
    customers = _lock_customers(late.values_list("customer_id", flat=True)[:limit])
    # They are read again under the lock: another worker may have been faster.
    invoices = list(late.filter(customer__in=customers)[:limit])
    policies, plans = Policies(seller), plans_of(invoice.pk for invoice in invoices)
    made = [
        _new_case(invoice, policies, plans.get(invoice.pk), LateSince.DUE, invoice.due_on)
        for invoice in invoices
    ]
    DunningCase.objects.bulk_create(made)
    record_all(_event("dunning.opened", case, as_of, actor) for case in made)
    return len(made)


def note_failure(invoice: Invoice, as_of: date, actor: str) -> date | None:
    """Open the case of an invoice whose payment has failed, where it has none yet.

    Returns the day on which it is charged again, as things stand; the caller holds the customer's
    lock. A case that is stopped stays so.
    """
    case = DunningCase.objects.filter(invoice=invoice).first()
    policies = Policies(invoice.seller)
    is_begun = not Invoice.objects.filter(Exists(_INCOMPLETE), pk=invoice.pk).exists()
    if case is None and invoice.outstanding_minor and is_begun:
        plan_id = plans_of([invoice.pk]).get(invoice.pk)
        case = _new_case(invoice, policies, plan_id, LateSince.FAILURE, as_of)
        case.save()
        record_all([_event("dunning.opened", case, as_of, actor)])
    return None if case is None else next_retry_on(case, policies)


def next_retry_on(case: DunningCase, policies: Policies | None = None) -> date | None:
    """The day on which an open case's invoice is charged again; None where it will not be."""
    if case.status != DunningCase.Status.OPEN or case.next_step_on is None:
        return None
    found = (policies or Policies(case.seller)).steps(case.policy_id, case.since)
    position = _position(found, case.next_step_id)
    for at in range(position, len(found.steps)):
        if found.steps[at].kind == StepKind.RETRY:
            gap = timedelta(days=found.days[at] - found.days[position])
            return case.next_step_on + gap
    return None


def _new_case(
    invoice: Invoice, policies: Policies, plan_id: int | None, since: LateSince, late_from: date
) -> DunningCase:
    found = policies.steps(policies.for_plan(plan_id), since)
    first = found.steps[0] if found.steps else None
    return DunningCase(
        seller_id=invoice.seller_id,
        customer_id=invoice.customer_id,
        invoice=invoice,
        policy=found.policy,
        since=since,
        late_from=late_from,
        next_step=first,
        next_step_on=step_on(found.days, 0, late_from) if first else None,
    )


# Stepping


@dataclass
class _Batch:
    """Cases that are stepped together, and what comes of it, before anything is written."""

    as_of: date
    actor: str
    actions: list[DunningAction] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    moved: set[int] = field(default_factory=set)


@transaction.atomic
def step_due(seller: Seller, as_of: date, actor: str, limit: int = LIMIT) -> int:
    """Take the next step of each case whose day has come; how many steps were taken.

    One step of a case at a time: what was missed in an outage is not made up for in one day. An
    invoice that is being charged waits for the outcome.
    """
    due = _due(seller, as_of)
    customers = _lock_customers(due.values_list("customer_id", flat=True)[:limit])
    cases = list(
        due.filter(customer__in=customers)
        .select_for_update(of=["self", "invoice"])
        .select_related("invoice__customer", "invoice__seller", "next_step", "customer", "seller")
        .order_by("pk")[:limit]
    )
    owed = [case for case in cases if case.invoice.outstanding_minor]
    settled = [case for case in cases if not case.invoice.outstanding_minor]
    close_settled(settled, as_of, actor)
    batch = _Batch(as_of, actor)
    by_kind: dict[str, list[DunningCase]] = defaultdict(list)
    for case in owed:
        assert case.next_step is not None
        by_kind[case.next_step.kind].append(case)
    for kind in StepKind:
        if by_kind[kind]:
            _TAKERS[kind](by_kind[kind], batch)
    DunningAction.objects.bulk_create(batch.actions)
    _advance(owed, Policies(seller), batch)
    record_all(batch.events)
    _follow(batch.moved, as_of, actor)
    return len(owed)


def _due(seller: Seller, as_of: date) -> QuerySet[DunningCase]:
    in_flight = PaymentAllocation.objects.filter(invoice=OuterRef("invoice"), state="in_flight")
    return DunningCase.objects.filter(
        ~Exists(in_flight), seller=seller, status="open", next_step_on__lte=as_of
    ).order_by("next_step_on", "pk")


def _remind(cases: Sequence[DunningCase], batch: _Batch) -> None:
    taken = _count_of(cases, StepKind.REMIND)
    for case in cases:
        _take(case, batch, level=taken[case.pk] + 1)


def _count_of(cases: Sequence[DunningCase], kind: str) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    ids = [case.pk for case in cases]
    for case_id in DunningAction.objects.filter(case__in=ids, kind=kind).values_list(
        "case_id", flat=True
    ):
        counts[case_id] += 1
    return counts


def _retry(cases: Sequence[DunningCase], batch: _Batch) -> None:
    """Plan a charge for today, where there is a card that may be charged."""
    usable = set(
        PaymentMethod.objects.usable()
        .filter(customer__in=[case.customer_id for case in cases])
        .values_list("customer_id", flat=True)
    )
    charged = []
    for case in cases:
        is_charged = case.customer.collection == Customer.Collection.AUTOMATIC
        if is_charged and case.customer_id in usable:
            charged.append(case.invoice)
            _take(case, batch)
        else:
            _take(case, batch, outcome="There is no payment method that may be charged.")
    plan_many(charged, batch.as_of)


def _restrict(cases: Sequence[DunningCase], batch: _Batch) -> None:
    for case in cases:
        assert case.next_step is not None
        case.access = max(case.access, LEAVES[StepKind(case.next_step.kind)], key=ACCESSES.index)
        batch.moved.add(case.invoice_id)
        _take(case, batch)


def _cancel(cases: Sequence[DunningCase], batch: _Batch) -> None:
    """End what the invoice bills; each cancellation is a use case of its own."""
    found = subscriptions_of(case.invoice_id for case in cases)
    for case in cases:
        case.access = DunningCase.Access.NONE
        _take(case, batch, outcome=_attempt(partial(_cancel_all, found[case.invoice_id], batch)))


def _cancel_all(subscriptions: Iterable[Subscription], batch: _Batch) -> None:
    for subscription in subscriptions:
        if subscription.status != Subscription.Status.ENDED:
            cancel(subscription, as_of=batch.as_of, actor=batch.actor, when="now")


def _write_off(cases: Sequence[DunningCase], batch: _Batch) -> None:
    give_up = partial(write_off, as_of=batch.as_of, actor=batch.actor, reason=WRITTEN_OFF)
    for case in cases:
        _take(case, batch, outcome=_attempt(partial(give_up, case.invoice)))


def _attempt(work: Callable[[], object]) -> str:
    """Do a use case; what refuses it is the outcome, and does not stop the others."""
    try:
        with transaction.atomic():
            work()
    except BillingError as refused:
        logger.warning("dunning=refused reason=%r", refused.message)
        return refused.message[:300]
    return ""


_TAKERS: dict[str, Callable[[Sequence[DunningCase], _Batch], None]] = {
    StepKind.RETRY: _retry,
    StepKind.REMIND: _remind,
    StepKind.RESTRICT: _restrict,
    StepKind.SUSPEND: _restrict,
    StepKind.CANCEL: _cancel,
    StepKind.WRITE_OFF: _write_off,
}
_EVENTS = {
    StepKind.RETRY: "dunning.retried",
    StepKind.REMIND: "dunning.reminded",
    StepKind.RESTRICT: "dunning.restricted",
    StepKind.SUSPEND: "dunning.suspended",
    StepKind.CANCEL: "dunning.canceled",
    StepKind.WRITE_OFF: "dunning.written_off",
}


def _take(case: DunningCase, batch: _Batch, *, outcome: str = "", **more: object) -> None:
    step = case.next_step
    assert step is not None
    batch.actions.append(
        DunningAction(case=case, step=step, kind=step.kind, done_on=batch.as_of, outcome=outcome)
    )
    type = _EVENTS[StepKind(step.kind)]
    batch.events.append(_event(type, case, batch.as_of, batch.actor, outcome=outcome, **more))


def _advance(cases: Sequence[DunningCase], policies: Policies, batch: _Batch) -> None:
    """Put each case before its next step; without one, or written off, it is exhausted."""
    for case in cases:
        found = policies.steps(case.policy_id, case.since)
        at = _position(found, case.next_step_id) + 1
        taken = case.next_step
        has_more = at < len(found.steps)
        case.next_step = found.steps[at] if has_more else None
        case.next_step_on = (
            step_on(found.days, at, case.late_from, batch.as_of) if has_more else None
        )
        if not has_more or (taken and taken.kind == StepKind.WRITE_OFF):
            case.next_step = case.next_step_on = None
            case.status, case.closed_on = DunningCase.Status.EXHAUSTED, batch.as_of
            batch.events.append(_event("dunning.exhausted", case, batch.as_of, batch.actor))
    DunningCase.objects.bulk_update(
        cases, ["status", "next_step", "next_step_on", "access", "closed_on"]
    )


def _position(found: Steps, step_id: int | None) -> int:
    """Where a step stands; past the end for one that its policy has no more."""
    ids = [step.pk for step in found.steps]
    return ids.index(step_id) if step_id in ids else len(ids)


# Closing


def note_paid(invoice: Invoice, as_of: date, actor: str) -> None:
    """Close the case of an invoice that has just been paid, so that access returns at once."""
    close_settled(
        DunningCase.objects.select_for_update(of=["self"])
        .select_related("invoice", "seller")
        .filter(invoice=invoice)
        .exclude(status="recovered"),
        as_of,
        actor,
    )


@transaction.atomic
def close_where_settled(seller: Seller, as_of: date, actor: str, limit: int = LIMIT) -> int:
    """Close cases whose invoice was settled in another way: credited, voided, written off."""
    settled = DunningCase.objects.filter(seller=seller, status__in=["open", "stopped"]).exclude(
        invoice__in=_owed(Invoice.objects.filter(seller=seller))
    )
    customers = _lock_customers(settled.values_list("customer_id", flat=True)[:limit])
    cases = (
        settled.filter(customer__in=customers)
        .select_for_update(of=["self"])
        .select_related("invoice", "seller")[:limit]
    )
    return close_settled(cases, as_of, actor)


def close_settled(cases: Iterable[DunningCase], as_of: date, actor: str) -> int:
    """Close locked cases of invoices on which nothing is owed; access returns. How many."""
    closed = list(cases)
    for case in closed:
        case.status, case.closed_on = DunningCase.Status.RECOVERED, as_of
        case.next_step = case.next_step_on = None
        case.access = DunningCase.Access.FULL
    if not closed:
        return 0
    DunningCase.objects.bulk_update(
        closed, ["status", "closed_on", "next_step", "next_step_on", "access"]
    )
    record_all(_event("dunning.recovered", case, as_of, actor) for case in closed)
    _follow({case.invoice_id for case in closed}, as_of, actor)
    return len(closed)


@transaction.atomic
def stop(case: DunningCase, *, as_of: date, actor: str, reason: str) -> DunningCase:
    """Stop reminding, as for a debt that is disputed; nothing is charged and access returns.

    Raises :class:`Refused` ("invalid_transition") for a case that is closed.
    """
    case = _lock(case)
    case.move("stopped", closed_on=as_of, reason=reason[:300], access=DunningCase.Access.FULL)
    planned = PaymentAllocation.objects.filter(invoice=case.invoice, state="planned")
    Payment.objects.filter(allocations__in=planned, state="planned").update(state="canceled")
    planned.update(state="released")
    record_all([_event("dunning.stopped", case, as_of, actor, reason=reason)])
    _follow({case.invoice_id}, as_of, actor)
    return case


@transaction.atomic
def resume(case: DunningCase, *, as_of: date, actor: str) -> DunningCase:
    """Go on with a case that was stopped, with its next step and not before tomorrow."""
    case = _lock(case)
    if not case.invoice.outstanding_minor:
        raise Refused(f"Nothing is owed on {case.invoice}.", code="invoice_not_open")
    next_on = case.next_step_on and max(case.next_step_on, as_of + timedelta(days=1))
    case.move("open", closed_on=None, reason="", next_step_on=next_on)
    record_all([_event("dunning.resumed", case, as_of, actor)])
    return case


def note_method(customer: Customer, as_of: date, actor: str) -> None:
    """Charge a new payment method for what is late: hard declines have waited for it.

    The caller holds the customer's lock.
    """
    if customer.collection != Customer.Collection.AUTOMATIC:
        return
    cases = DunningCase.objects.filter(customer=customer, status="open")
    late = _owed(Invoice.objects.filter(dunning_case__in=cases)).select_related("seller")
    waiting = late.exclude(allocations__state__in=["planned", "in_flight"])
    for invoice in waiting.order_by("pk"):
        plan(invoice, as_of)


# Access

# What has ended, or not begun, has no access that a debt could take.
_WITHOUT_CASE = ("ended", "incomplete")


def _follow(invoice_ids: set[int], as_of: date, actor: str) -> None:
    """Set the access to what some invoices bill to the least that any case leaves."""
    if not invoice_ids:
        return
    lines = InvoiceLine.objects.filter(invoice__in=invoice_ids, subscription__isnull=False)
    ids = set(lines.values_list("subscription_id", flat=True))
    wanted = dict.fromkeys(ids, "full")
    demands = InvoiceLine.objects.filter(
        subscription__in=ids,
        invoice__dunning_case__status__in=["open", "exhausted"],
        invoice__dunning_case__access__in=["restricted", "none"],
    ).values_list("subscription_id", "invoice__dunning_case__access")
    for subscription_id, access in demands.distinct():
        wanted[subscription_id] = max(wanted[subscription_id], access, key=ACCESSES.index)
    events = []
    alive = Subscription.objects.select_for_update(of=["self"]).select_related("seller")
    for subscription in alive.filter(pk__in=ids).exclude(status__in=_WITHOUT_CASE).order_by("pk"):
        before, subscription.access = subscription.access, wanted[subscription.pk]
        if before != subscription.access:
            events.append(
                Event(
                    type="subscription.access_changed",
                    seller=subscription.seller.public_id,
                    subject=subscription.public_id,
                    occurred_on=as_of,
                    actor=actor,
                    data={"from": before, "to": subscription.access},
                )
            )
    for access in ACCESSES:
        of_access = [pk for pk, level in wanted.items() if level == access]
        Subscription.objects.filter(pk__in=of_access).exclude(status__in=_WITHOUT_CASE).exclude(
            access=access
        ).update(access=access)
    record_all(events)


def subscriptions_of(invoice_ids: Iterable[int]) -> dict[int, list[Subscription]]:
    """{invoice: the subscriptions that its lines bill}, in two queries."""
    pairs = set(
        InvoiceLine.objects.filter(invoice__in=list(invoice_ids), subscription__isnull=False)
        .values_list("invoice_id", "subscription_id")
        .distinct()
    )
    found = Subscription.objects.select_related("seller", "customer").in_bulk(
        {subscription_id for _, subscription_id in pairs}
    )
    billed: dict[int, list[Subscription]] = defaultdict(list)
    for invoice_id, subscription_id in sorted(pairs):
        billed[invoice_id].append(found[subscription_id])
    return billed


# Rows and events


def _owed(invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
    return invoices.filter(
        kind=Invoice.Kind.INVOICE,
        status=Invoice.Status.OPEN,
        amount_due_minor__gt=F("paid_minor") + F("credited_minor"),
    )


def _lock_customers(ids: Iterable[int]) -> list[int]:
    """Lock customers in order; those whom another worker has come another time."""
    locked = Customer.objects.select_for_update(skip_locked=True, of=["self"])
    return list(locked.filter(pk__in=set(ids)).order_by("pk").values_list("pk", flat=True))


def _lock(case: DunningCase) -> DunningCase:
    Customer.objects.select_for_update().get(pk=case.customer_id)
    locked = DunningCase.objects.select_for_update(of=["self", "invoice"])
    return locked.select_related("invoice", "seller", "customer").get(pk=case.pk)


def _event(type: str, case: DunningCase, as_of: date, actor: str, **more: object) -> Event:
    return Event(
        type=type,
        seller=case.seller.public_id,
        subject=case.public_id,
        occurred_on=as_of,
        actor=actor,
        data={"invoice": case.invoice.public_id, **more},
    )
