"""The kinds of steps: what each does to many cases at once, their customers and invoices locked.

A kind takes a number of queries that does not grow with the cases. What it cannot do is the
action's outcome, in words; what it does is in the database when it returns.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from billing.base.sql.lookups import array_of
from billing.engine import retries
from billing.events.models import Event
from billing.events.recorder import event_for
from billing.invoicing import settlement
from billing.invoicing.models import InvoiceLine
from billing.invoicing.settled import By
from billing.payments.models import Payment, PaymentMethod
from billing.payments.planning import plan_many
from billing.subscriptions.ending import end_many
from customers.models import Customer
from customers.persons import persons_of
from dunning.access import ACCESSES, subscriptions_of
from dunning.models import DunningAction, DunningCase, DunningStep

WRITTEN_OFF = "Not paid after all reminders."
NO_METHOD = "There is no payment method that may be charged."
TOO_OFTEN = (
    f"The card was charged {retries.TRIES_MAX} times in {retries.TRIES_DAYS} days without success: "
    "more is against the rules of its network."
)
NOTHING_BILLED = "The invoice bills no subscription."


@dataclass(slots=True)
class ActionRow:
    """``dunning_dunningaction``, without the day, which is the batch's."""

    case_id: int
    step_id: int
    kind: str
    outcome: str


@dataclass
class Batch:
    """Cases that are stepped together, and what comes of it, before anything is written.

    ``taken`` are the steps that each case has behind it, as (step, kind, day).
    """

    as_of: date
    actor: str
    taken: dict[int, list[tuple[int, str, date]]]
    actions: list[ActionRow] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    moved: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class StepKind:
    """What a kind of step does and says, what it limits and what it ends.

    ``take`` does it to many cases at once; ``event`` tells of it. ``warning`` is what a mail says
    of it beforehand, of its ``day``; without one, only that it is to be paid by then. ``leaves`` is
    what it leaves of the access to what the invoice bills.
    """

    name: str
    title: str
    event: str
    take: Callable[[Sequence[DunningCase], Batch], None]
    warning: str | Promise = ""
    leaves: str = DunningCase.Access.FULL
    is_charge: bool = False
    is_once_a_day: bool = False
    ends_subscription: bool = False
    ends_case: bool = False

    @property
    def is_limit(self) -> bool:
        """Whether it takes access away from a subscription that goes on."""
        return self.leaves != DunningCase.Access.FULL


def event_of_case(type: str, case: DunningCase, as_of: date, actor: str, **more: object) -> Event:
    """An event of a case, unwritten."""
    return event_for(type, case, as_of, actor, invoice=case.invoice.public_id, **more)


def steps_taken_by(case_ids: Sequence[int]) -> dict[int, list[tuple[int, str, date]]]:
    """{case: the steps that it has behind it, in order}, in one query."""
    found: dict[int, list[tuple[int, str, date]]] = defaultdict(list)
    actions = DunningAction.objects.filter(case__any_of=array_of(case_ids)).order_by("id")
    taken = actions.values_list("case_id", "step_id", "kind", "done_on")
    for case_id, step_id, kind, done_on in taken:
        found[case_id].append((step_id, kind, done_on))
    return found


def take_steps(cases: Iterable[DunningCase], batch: Batch) -> None:
    """Take the next step of each case."""
    by_kind: dict[str, list[DunningCase]] = defaultdict(list)
    for case in cases:
        by_kind[_step_of(case).kind].append(case)
    for name, kind in KINDS.items():
        if by_kind[name]:
            kind.take(by_kind[name], batch)


def _remind(cases: Sequence[DunningCase], batch: Batch) -> None:
    """Remind each person once of all the debts whose turn it is: the oldest, and which others."""
    by_person: dict[int, list[DunningCase]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: (case.late_from, case.pk)):
        by_person[whom_it_reminds(case)].append(case)
    for oldest, *others in by_person.values():
        taken = batch.taken.get(oldest.pk, ())
        level = 1 + sum(kind == REMIND.name for _, kind, _ in taken)
        also = [case.invoice.public_id for case in others]
        _note(oldest, batch, level=level, also=also)
        for case in others:
            _act(case, batch)


def whom_it_reminds(case: DunningCase) -> int:
    """The row id of the customer who gets the mail: of a merged one the one that stays."""
    return case.customer.merged_into_id or case.customer_id


def persons_reminded_on(day: date, staying_ids: Collection[int]) -> set[int]:
    """Those of some customers who have been reminded on a day already, of a debt of theirs or of
    one that was merged into them.
    """
    persons = persons_of(staying_ids)
    reminded = DunningAction.objects.filter(
        case__customer__in=list(persons), kind=REMIND.name, done_on=day
    )
    return {persons[each] for each in reminded.values_list("case__customer", flat=True)}


def _retry(cases: Sequence[DunningCase], batch: Batch) -> None:
    """Plan a charge for today, where there is a card that may be charged."""
    owners = [case.customer_id for case in cases]
    methods = PaymentMethod.objects.usable().filter(customer__in=owners)
    usable = set(methods.values_list("customer_id", flat=True))
    failures = _failures(cases, batch.as_of)
    charged = []
    for case in cases:
        if case.customer.collection != Customer.Collection.AUTOMATIC or (
            case.customer_id not in usable
        ):
            _note(case, batch, outcome=NO_METHOD)
        elif not retries.may_retry(failures[case.invoice_id], batch.as_of):
            _note(case, batch, outcome=TOO_OFTEN)
        else:
            charged.append(case.invoice)
            _note(case, batch)
    plan_many(charged, batch.as_of)


def _failures(cases: Sequence[DunningCase], as_of: date) -> dict[int, list[date]]:
    """{invoice: the days of charges that have failed, of late}."""
    # A day more, since instants are in UTC and days are the seller's.
    since = as_of - timedelta(days=retries.TRIES_DAYS + 1)
    failed = Payment.objects.filter(
        allocations__invoice__in=[case.invoice_id for case in cases],
        state=Payment.State.FAILED,
        settled_at__date__gte=since,
    )
    found: dict[int, list[date]] = defaultdict(list)
    for invoice_id, on in failed.values_list("allocations__invoice_id", "settled_at__date"):
        found[invoice_id].append(on)
    return found


def _limit(cases: Sequence[DunningCase], batch: Batch) -> None:
    """Restrict or suspend the access to what the invoice bills."""
    invoices = array_of(case.invoice_id for case in cases)
    lines = InvoiceLine.objects.filter(invoice__any_of=invoices)
    billing = set(lines.exclude(subscription=None).values_list("invoice_id", flat=True))
    for case in cases:
        if case.invoice_id not in billing:
            _note(case, batch, outcome=NOTHING_BILLED)
            continue
        leaves = KINDS[_step_of(case).kind].leaves
        case.access = max(case.access, leaves, key=ACCESSES.index)
        batch.moved.add(case.invoice_id)
        _note(case, batch)


def _cancel(cases: Sequence[DunningCase], batch: Batch) -> None:
    """End what the invoice bills, today. A subscription of two late invoices ends once."""
    billed = subscriptions_of(case.invoice_id for case in cases)
    all_billed = {one.pk: one for found in billed.values() for one in found}
    refused = end_many(list(all_billed.values()), as_of=batch.as_of, actor=batch.actor)
    for case in cases:
        found = billed[case.invoice_id]
        reasons = [refused[one.pk].message for one in found if one.pk in refused]
        case.access = DunningCase.Access.NONE if found else case.access
        batch.moved.add(case.invoice_id)
        if not found:
            _note(case, batch, outcome=NOTHING_BILLED)
        else:
            is_done = len(reasons) < len(found)
            _note(case, batch, outcome="" if is_done else " ".join(dict.fromkeys(reasons))[:300])


def _write_off(cases: Sequence[DunningCase], batch: Batch) -> None:
    settled = settlement.write_off(
        cases[0].seller,
        [case.invoice for case in cases],
        reason=WRITTEN_OFF,
        as_of=batch.as_of,
        actor=batch.actor,
    )
    for case, one in zip(cases, settled, strict=True):
        if one.by is By.LOSS:
            _note(case, batch)


def _act(case: DunningCase, batch: Batch, outcome: str = "") -> None:
    step = _step_of(case)
    batch.actions.append(ActionRow(case.pk, step.pk, step.kind, outcome))


def _note(case: DunningCase, batch: Batch, *, outcome: str = "", **more: object) -> None:
    """The step as an action, and its event."""
    _act(case, batch, outcome)
    type = KINDS[_step_of(case).kind].event
    batch.events.append(
        event_of_case(type, case, batch.as_of, batch.actor, outcome=outcome, **more)
    )


def _step_of(case: DunningCase) -> DunningStep:
    assert case.next_step is not None
    return case.next_step


# In this order those are taken whose day is the same; only what stands in KINDS can be chosen.
RETRY = StepKind(
    "retry",
    "charge again",
    "dunning.retried",
    _retry,
    warning=pgettext_lazy(
        "mail", "We will try your card again on %(day)s. You can also pay right away, here."
    ),
    is_charge=True,
)
REMIND = StepKind("remind", "remind", "dunning.reminded", _remind, is_once_a_day=True)
RESTRICT = StepKind(
    "restrict",
    "restrict access",
    "dunning.restricted",
    _limit,
    warning=pgettext_lazy(
        "mail",
        "Please pay it before %(day)s. If it is still unpaid then, your access will be "
        "limited until it is paid.",
    ),
    leaves=DunningCase.Access.RESTRICTED,
)
SUSPEND = StepKind(
    "suspend",
    "suspend access",
    "dunning.suspended",
    _limit,
    warning=pgettext_lazy(
        "mail",
        "Please pay it before %(day)s. If it is still unpaid then, your access will be "
        "suspended until it is paid.",
    ),
    leaves=DunningCase.Access.NONE,
)
CANCEL = StepKind(
    "cancel",
    "cancel the subscription",
    "dunning.canceled",
    _cancel,
    warning=pgettext_lazy(
        "mail",
        "Please pay it before %(day)s. If it is still unpaid then, your subscription will end.",
    ),
    ends_subscription=True,
)
WRITE_OFF = StepKind("write_off", "write off", "dunning.written_off", _write_off, ends_case=True)
KINDS: dict[str, StepKind] = {
    kind.name: kind for kind in (RETRY, REMIND, RESTRICT, SUSPEND, CANCEL, WRITE_OFF)
}
