"""Cases: a debt that is late, step by step until it is paid or given up.

Every step is taken under the customer's lock, and only after the debt has been read again there;
a step is a row, unique in its case, so that it is taken once whatever runs twice. Many cases are
stepped in one transaction with a number of queries that does not grow with them.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from billing.base.collector import without_collector
from billing.base.sql.bulk import copy_rows
from billing.base.sql.lookups import array_of
from billing.engine.errors import Refused
from billing.engine.retries import step_on
from billing.events.recorder import record_all
from billing.events.troubles import Watch, timed_out, try_again_with
from billing.invoicing.models import Invoice
from billing.invoicing.owed import IS_COLLECTABLE, IS_ORDERED
from billing.invoicing.settled import Settled
from billing.outbound.gate import Kind, refusal
from billing.payments.from_balance import settle_debts
from billing.payments.models import PaymentAllocation, PaymentMethod
from billing.payments.planning import plan, release_planned
from customers.locks import lock_customer, lock_customers, lock_free_customers
from customers.models import Customer, Seller
from dunning.access import set_access
from dunning.models import DunningCase, DunningPolicy, LateSince
from dunning.policies import Policies, plans_of
from dunning.steps import (
    KINDS,
    Batch,
    event_of_case,
    persons_reminded_on,
    steps_taken_by,
    take_steps,
    whom_it_reminds,
)

LIMIT = 500
STEP = "dun"


# Opening


def open_cases(seller: Seller, as_of: date, actor: str, limit: int = LIMIT) -> int:
    """Open a case for each invoice whose due date has passed; how many were dealt with.

    A case that was over opens again where its invoice is owed again, as after a refund, and goes on
    with the steps that it has not taken.
    """
    watch = Watch("open dunning cases", seller.public_id)
    found = _late(seller, as_of).exclude(customer__public_id__in=watch.waiting)
    customers = list(dict.fromkeys(found.values_list("customer_id", flat=True)[:limit]))

    def open_part(part: Sequence[int]) -> int:
        return _open_for(seller, part, as_of, actor)

    return watch.serve(customers, open_part, _name_of_customer)


def _late(seller: Seller, as_of: date) -> QuerySet[Invoice]:
    """The invoices whose due date has passed and that have no case that is open, stopped or over.

    One that is being charged, or that is still to be charged with a card that may be, is not late
    yet.
    """
    return (
        _stepped_now(seller, _owed(Invoice.objects.filter(seller=seller)))
        .filter(
            # Who has not paid for a beginning is not dunned: the order runs out by itself.
            ~IS_ORDERED,
            Q(dunning_case=None) | Q(dunning_case__status=DunningCase.Status.RECOVERED),
            ~Exists(_under_way(seller, as_of, "pk", is_planned_ahead=True)),
            due_on__lt=as_of,
        )
        .order_by("due_on", "pk")
    )


@without_collector()
@transaction.atomic
def _open_for(seller: Seller, customer_ids: Sequence[int], as_of: date, actor: str) -> int:
    """Open the cases of some customers; how many debts were dealt with."""
    customers = lock_free_customers(customer_ids)
    # What a customer has with us pays first: nobody is late with money that we hold.
    settled = settle_debts(customers, as_of, actor)
    # They are read again under the lock: another worker may have been faster.
    mine = _late(seller, as_of).filter(customer__in=customers)
    invoices = list(
        mine.select_related("seller", "customer", "dunning_case__seller", "dunning_case__customer")
    )
    policies, plans = Policies(seller), plans_of(invoice.pk for invoice in invoices)
    over = [invoice.dunning_case for invoice in invoices if hasattr(invoice, "dunning_case")]
    made = [
        _new_case(invoice, policies, plans.get(invoice.pk), LateSince.DUE, invoice.due_on)
        for invoice in invoices
        if not hasattr(invoice, "dunning_case")
    ]
    DunningCase.objects.bulk_create(made)
    _open_again(over, policies, as_of)
    record_all(event_of_case("dunning.opened", case, as_of, actor) for case in (*made, *over))
    return len(invoices) + settled


def _open_again(cases: Sequence[DunningCase], policies: Policies, as_of: date) -> None:
    taken = steps_taken_by([case.pk for case in cases])
    for case in cases:
        case.status, case.closed_on = DunningCase.Status.OPEN, None
        _put_before(case, policies, taken.get(case.pk, []), as_of)
    _save(cases)


def _put_before(
    case: DunningCase,
    policies: Policies,
    taken: Sequence[tuple[int, str, date]],
    previous_on: date | None,
) -> None:
    """Put a case before the first step after those that it has taken, as the policy now stands."""
    found = policies.steps_of(case)
    at = found.after({step_id for step_id, _, _ in taken})
    case.next_step = found.steps[at] if at < len(found.steps) else None
    if case.next_step is None:
        case.next_step_on = None
        return
    late_from = case.late_from + policies.stood_still(case, case.late_from)
    if previous_on is not None:
        previous_on += policies.stood_still(case, previous_on)
    case.next_step_on = step_on(found.days, at, late_from, previous_on)


def _under_way(
    seller: Seller, as_of: date, invoice: str, *, is_planned_ahead: bool = False
) -> QuerySet[PaymentAllocation]:
    """The payments of an invoice that are waited for: in flight, or about to be collected.

    A gateway that is down for days makes nobody late who has left a card that may be charged.
    ``is_planned_ahead``: those that are planned for another day as well.
    """
    cards = PaymentMethod.objects.chargeable(seller).filter(
        customer=OuterRef("payment__customer"),
        customer__collection=Customer.Collection.AUTOMATIC,
    )
    is_collected = Q(
        Exists(cards),
        state=PaymentAllocation.State.PLANNED,
        payment__planned_on__lte=as_of,
        payment__attention="",
    )
    waited_for = Q(state=PaymentAllocation.State.IN_FLIGHT) | is_collected
    if is_planned_ahead:
        waited_for |= Q(state=PaymentAllocation.State.PLANNED, payment__planned_on__gt=as_of)
    return PaymentAllocation.objects.filter(waited_for, invoice=OuterRef(invoice))


def note_failure(invoice: Invoice, as_of: date, actor: str) -> date | None:
    """Open the case of an invoice whose payment has failed, where it has none that is open.

    One that was over goes on, where the payment that had ended it has come back. One that began at
    the due date, before there was a card, has the charges of its policy from now on. Returns the
    day of the next one, as things stand; the caller holds the customer's lock. A case that is
    stopped stays so, and a card that will never be accepted waits for another.
    """
    case = DunningCase.objects.filter(invoice=invoice).select_related("customer").first()
    policies = Policies(invoice.seller)
    is_begun = not Invoice.objects.filter(IS_ORDERED, pk=invoice.pk).exists()
    if case is None and invoice.is_collectable and is_begun:
        plan_id = plans_of([invoice.pk]).get(invoice.pk)
        case = _new_case(invoice, policies, plan_id, LateSince.FAILURE, as_of)
        case.save()
        record_all([event_of_case("dunning.opened", case, as_of, actor)])
    elif (
        case is not None and case.status == DunningCase.Status.RECOVERED and invoice.is_collectable
    ):
        _open_again([case], policies, as_of)
        record_all([event_of_case("dunning.opened", case, as_of, actor)])
    usable = PaymentMethod.objects.usable().filter(customer=invoice.customer_id)
    if case is None or not usable.exists():
        return None
    if (
        case.since == LateSince.DUE
        and case.charged_from is None
        and case.status == DunningCase.Status.OPEN
    ):
        case.charged_from = max(as_of, case.late_from)
        taken = steps_taken_by([case.pk]).get(case.pk, [])
        _put_before(case, policies, taken, taken[-1][2] if taken else None)
        case.save(update_fields=["charged_from", "next_step", "next_step_on"])
    return next_retry_on(case, policies)


def next_retry_on(case: DunningCase, policies: Policies | None = None) -> date | None:
    """The day on which an open case's invoice is charged again; None where it will not be."""
    if case.status != DunningCase.Status.OPEN or case.next_step_on is None:
        return None
    found = (policies or Policies(case.seller)).steps_of(case)
    position = found.position(case.next_step_id)
    for at in range(position, len(found.steps)):
        if KINDS[found.steps[at].kind].is_charge:
            gap = timedelta(days=found.days[at] - found.days[position])
            return case.next_step_on + gap
    return None


def _new_case(
    invoice: Invoice, policies: Policies, plan_id: int | None, since: LateSince, late_from: date
) -> DunningCase:
    case = DunningCase(
        seller=invoice.seller,
        customer=invoice.customer,
        invoice=invoice,
        policy_id=policies.for_plan(plan_id),
        since=since,
        late_from=late_from,
    )
    _put_before(case, policies, [], None)
    return case


# Stepping


def step_due(seller: Seller, as_of: date, actor: str, limit: int = LIMIT) -> int:
    """Take the next step of each case whose day has come; how many cases were dealt with.

    One step of a case at a time: what was missed in an outage is not made up for in one day. An
    invoice that is being charged waits for the outcome. A case that cannot be stepped at all is
    stopped with the reason, for a person to look at, and the others go on.
    """
    watch = Watch(STEP, seller.public_id)
    due = _due(seller, as_of).exclude(public_id__in=watch.waiting)

    def step_part(ids: Sequence[int]) -> int:
        return _step(seller, ids, as_of, actor)

    def set_aside(case_id: int, error: Exception) -> None:
        if not timed_out(error):
            _set_aside(case_id, as_of, actor, error)

    ids = list(due.values_list("pk", flat=True)[:limit])
    return watch.serve(ids, step_part, _name_of_case, set_aside)


def _set_aside(case_id: int, as_of: date, actor: str, error: Exception) -> None:
    case = DunningCase.objects.select_related("next_step").get(pk=case_id)
    step = KINDS[case.next_step.kind].title if case.next_step else "next step"
    what = (str(error).splitlines() or [type(error).__name__])[0]
    stop(case, as_of=as_of, actor=actor, reason=f"Kvitt could not {step}: {what}")


@without_collector()
@transaction.atomic
def _step(seller: Seller, ids: Sequence[int], as_of: date, actor: str) -> int:
    due = _due(seller, as_of).filter(pk__any_of=array_of(ids))
    customers = lock_free_customers(due.values_list("customer_id", flat=True))
    # A balance closes the cases that it pays, and they are not among those that are due then.
    settled = settle_debts(customers, as_of, actor)
    cases = list(
        due.filter(customer__any_of=array_of(customers))
        .select_for_update(of=["self", "invoice"])
        .select_related("invoice", "customer")
        .order_by("pk")
    )
    for case in cases:
        case.seller = case.invoice.seller = seller
    close_settled([case for case in cases if not case.invoice.is_collectable], as_of, actor)
    owed = [case for case in cases if case.invoice.is_collectable]
    batch = Batch(as_of, actor, steps_taken_by([case.pk for case in owed]))
    policies = Policies(seller)
    ready: list[DunningCase] = []
    later: list[DunningCase] = []
    for case in owed:
        # The policy may have been changed since: what holds is what it says now.
        before = batch.taken.get(case.pk, [])
        _put_before(case, policies, before, before[-1][2] if before else None)
        is_ready = case.next_step_on is not None and case.next_step_on <= as_of
        (ready if is_ready else later).append(case)
    if waiting := _reminded_already(ready, as_of):
        later += waiting
        ready = [case for case in ready if case not in waiting]
    take_steps(ready, batch)
    # What was written off as a small difference is paid, and its case has been closed with that.
    ready = [case for case in ready if case.invoice.status != Invoice.Status.PAID]
    copy_rows("dunning_dunningaction", batch.actions, done_on=batch.as_of)
    _advance(ready, policies, batch)
    _save([*ready, *later])
    record_all(batch.events)
    set_access(batch.moved, as_of, actor)
    return len(cases) + settled


def _reminded_already(ready: Sequence[DunningCase], as_of: date) -> list[DunningCase]:
    """Those that wait until tomorrow, because whoever gets it has had a reminder today.

    The debts of a person are reminded of together, but one that came too late for that, as after
    a payment that was waited for, makes no second mail of the day.
    """
    reminders = [
        case for case in ready if case.next_step and KINDS[case.next_step.kind].is_once_a_day
    ]
    if not reminders:
        return []
    reminded = persons_reminded_on(as_of, {whom_it_reminds(case) for case in reminders})
    waiting = [case for case in reminders if whom_it_reminds(case) in reminded]
    for case in waiting:
        case.next_step_on = as_of + timedelta(days=1)
    return waiting


def _due(seller: Seller, as_of: date) -> QuerySet[DunningCase]:
    open_cases = DunningCase.objects.filter(seller=seller, status=DunningCase.Status.OPEN)
    due = _stepped_now(seller, open_cases).filter(
        ~Exists(_under_way(seller, as_of, "invoice")), next_step_on__lte=as_of
    )
    return due.order_by("next_step_on", "pk")


def _stepped_now[Row: (Invoice, DunningCase)](
    seller: Seller, debts: "QuerySet[Row]"
) -> "QuerySet[Row]":
    """Without those of customers whom we charge, while charging is stopped: they stand still."""
    if refusal(Kind.CHARGE, seller.public_id) is None:
        return debts
    return debts.exclude(customer__collection=Customer.Collection.AUTOMATIC)


def _advance(cases: Sequence[DunningCase], policies: Policies, batch: Batch) -> None:
    """Put each case before its next step; without one, or written off, it is exhausted."""
    for case in cases:
        step = case.next_step
        assert step is not None
        taken = [*batch.taken.get(case.pk, []), (step.pk, step.kind, batch.as_of)]
        _put_before(case, policies, taken, batch.as_of)
        if case.next_step is None or KINDS[step.kind].ends_case:
            case.next_step = case.next_step_on = None
            case.status, case.closed_on = DunningCase.Status.EXHAUSTED, batch.as_of
            batch.events.append(event_of_case("dunning.exhausted", case, batch.as_of, batch.actor))


@transaction.atomic
def replan(policy: DunningPolicy, limit: int = LIMIT) -> int:
    """Put the open cases of a policy that was changed before their next step; how many.

    Steps that were taken stay taken. The days of the others count from when the debt became late,
    and a case never comes to two steps at once.
    """
    count, last = 0, 0
    open_cases = DunningCase.objects.filter(policy=policy, status=DunningCase.Status.OPEN)
    cases = open_cases.select_related("seller", "customer")
    while part := list(cases.filter(pk__gt=last).order_by("pk")[:limit]):
        last = part[-1].pk
        lock_customers(case.customer_id for case in part)
        held = list(cases.filter(pk__in=[case.pk for case in part]).select_for_update(of=["self"]))
        taken = steps_taken_by([case.pk for case in held])
        policies = {case.seller_id: Policies(case.seller) for case in held}
        for case in held:
            before = taken.get(case.pk, [])
            _put_before(case, policies[case.seller_id], before, before[-1][2] if before else None)
        _save(held)
        count += len(held)
    return count


# Closing


def close_for(settled: Sequence[Settled], as_of: date, actor: str) -> None:
    """Close the cases of invoices on which nothing is owed any more; access returns at once.

    Their customers are locked.
    """
    close_settled(
        DunningCase.objects.select_for_update(of=["self"])
        .select_related("invoice", "seller")
        .filter(invoice__in=[each.invoice for each in settled])
        .exclude(status=DunningCase.Status.RECOVERED),
        as_of,
        actor,
    )


def stopped_among(invoice_ids: Sequence[int]) -> set[int]:
    """Those of some invoices for which nothing may be taken, as nobody is reminded of them."""
    stopped = DunningCase.objects.filter(invoice__in=invoice_ids, status=DunningCase.Status.STOPPED)
    return set(stopped.values_list("invoice_id", flat=True))


def close_where_settled(seller: Seller, as_of: date, actor: str, limit: int = LIMIT) -> int:
    """Close cases whose invoice is no longer owed: written off by hand, or settled unheard."""
    watch = Watch("close dunning cases", seller.public_id)
    settled = DunningCase.objects.filter(
        seller=seller, status__in=[DunningCase.Status.OPEN, DunningCase.Status.STOPPED]
    ).exclude(
        invoice__status=Invoice.Status.OPEN,
        invoice__amount_due_minor__gt=F("invoice__paid_minor") + F("invoice__credited_minor"),
    )

    @transaction.atomic
    def close_part(ids: Sequence[int]) -> int:
        part = settled.filter(pk__in=ids)
        customers = lock_free_customers(part.values_list("customer_id", flat=True))
        cases = part.filter(customer__in=customers).select_for_update(of=["self"])
        return close_settled(cases.select_related("invoice", "seller"), as_of, actor)

    ids = settled.exclude(public_id__in=watch.waiting).values_list("pk", flat=True)[:limit]
    return watch.serve(list(ids), close_part, _name_of_case)


def close_settled(cases: Iterable[DunningCase], as_of: date, actor: str) -> int:
    """Close locked cases of invoices on which nothing is owed; access returns. How many.

    What was written off by hand is not recovered, and nothing more is asked of the customer.
    """
    closed = list(cases)
    events = []
    for case in closed:
        is_lost = case.invoice.status == Invoice.Status.UNCOLLECTIBLE and bool(
            case.invoice.left_minor
        )
        over = DunningCase.Status.EXHAUSTED if is_lost else DunningCase.Status.RECOVERED
        case.status, case.closed_on = over, as_of
        case.next_step = case.next_step_on = None
        case.access = DunningCase.Access.FULL
        events.append(event_of_case(f"dunning.{over}", case, as_of, actor))
    if not closed:
        return 0
    _save(closed)
    record_all(events)
    set_access({case.invoice_id for case in closed}, as_of, actor)
    return len(closed)


@transaction.atomic
def stop(case: DunningCase, *, as_of: date, actor: str, reason: str) -> DunningCase:
    """Stop reminding, as for a debt that is disputed; nothing is charged and access returns.

    Raises :class:`Refused` ("invalid_transition") for a case that is closed.
    """
    case = _lock(case)
    case.move(
        DunningCase.Status.STOPPED,
        closed_on=as_of,
        reason=reason[:300],
        access=DunningCase.Access.FULL,
    )
    release_planned(case.invoice)
    record_all([event_of_case("dunning.stopped", case, as_of, actor, reason=reason)])
    set_access({case.invoice_id}, as_of, actor)
    return case


@transaction.atomic
def resume(case: DunningCase, *, as_of: date, actor: str) -> DunningCase:
    """Go on with a case that was stopped, with its next step and not before tomorrow.

    What the customer has with us pays first, which may be all. Raises :class:`Refused`
    ("invoice_not_open", and "invalid_transition" for a case that is not stopped).
    """
    case = _lock(case)
    if not case.invoice.is_collectable:
        raise Refused(f"Nothing is owed on {case.invoice}.", code="invoice_not_open")
    next_on = case.next_step_on and max(case.next_step_on, as_of + timedelta(days=1))
    case.move(DunningCase.Status.OPEN, closed_on=None, reason="", next_step_on=next_on)
    record_all([event_of_case("dunning.resumed", case, as_of, actor)])
    try_again_with(STEP, case.public_id)
    if settle_debts([case.customer_id], as_of, actor):
        case.refresh_from_db()
    return case


def note_method(customer: Customer, as_of: date, actor: str) -> None:
    """Charge a new payment method for what is late: hard declines have waited for it.

    What is under way is charged only if nothing comes of it.
    The caller holds the customer's lock.
    """
    if customer.collection != Customer.Collection.AUTOMATIC:
        return
    cases = DunningCase.objects.filter(customer=customer, status=DunningCase.Status.OPEN)
    late = _owed(Invoice.objects.filter(dunning_case__in=cases)).select_related("seller")
    waiting = late.exclude(allocations__state=PaymentAllocation.State.PLANNED)
    for invoice in waiting.order_by("pk"):
        plan(invoice, as_of)


# Rows and events


def _owed(invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
    return invoices.filter(IS_COLLECTABLE)


def _name_of_customer(customer_id: int) -> str:
    return Customer.objects.values_list("public_id", flat=True).get(pk=customer_id)


def _name_of_case(case_id: int) -> str:
    return DunningCase.objects.values_list("public_id", flat=True).get(pk=case_id)


def _save(cases: Sequence[DunningCase]) -> None:
    """Write how far locked cases have come: Django's own way takes most of a step's time."""
    if not cases:
        return
    columns = ("id", "status", "next_step_id", "next_step_on", "access", "closed_on")
    values = [array_of(getattr(case, column) for case in cases) for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dunning_dunningcase c SET status = v.status, next_step_id = v.next_step_id,"
            " next_step_on = v.next_step_on, access = v.access, closed_on = v.closed_on"
            " FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::date[], %s::text[],"
            " %s::date[]) AS v (id, status, next_step_id, next_step_on, access, closed_on)"
            " WHERE c.id = v.id",
            values,
        )


def _lock(case: DunningCase) -> DunningCase:
    lock_customer(case.customer_id)
    locked = DunningCase.objects.select_for_update(of=["self", "invoice"])
    return locked.select_related("invoice", "seller", "customer").get(pk=case.pk)
