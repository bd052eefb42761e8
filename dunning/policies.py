"""The policies that come along, and which one holds for an invoice."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction

from billing.base.clock import local_day
from billing.invoicing.models import InvoiceLine
from billing.outbound.gate import stops_of_charging
from customers.calendar import today_of
from customers.models import Customer, Seller
from dunning.models import (
    DunningCase,
    DunningChoice,
    DunningPolicy,
    DunningStep,
    LateSince,
)
from dunning.steps import (
    CANCEL,
    KINDS,
    REMIND,
    RESTRICT,
    RETRY,
    SUSPEND,
    WRITE_OFF,
    StepKind,
)

GENERAL, SWEDISH = "general", "sweden"
# Code: name, and days and kind of the steps from the due date and from the first failed payment.
# Customers in Sweden are used to two reminders, ten days apart.
SHIPPED: dict[str, tuple[str, dict[LateSince, tuple[tuple[int, StepKind], ...]]]] = {
    GENERAL: (
        "General",
        {
            LateSince.DUE: (
                (3, REMIND),
                (10, REMIND),
                (17, RESTRICT),
                (24, SUSPEND),
                (45, CANCEL),
                (120, WRITE_OFF),
            ),
            LateSince.FAILURE: (
                (3, RETRY),
                (7, RETRY),
                (8, REMIND),
                (14, RETRY),
                (15, RESTRICT),
                (21, RETRY),
                (22, SUSPEND),
                (30, CANCEL),
                (120, WRITE_OFF),
            ),
        },
    ),
    SWEDISH: (
        "Sweden",
        {
            LateSince.DUE: (
                (5, REMIND),
                (15, REMIND),
                (20, RESTRICT),
                (30, SUSPEND),
                (60, CANCEL),
                (180, WRITE_OFF),
            ),
            LateSince.FAILURE: (
                (3, RETRY),
                (7, RETRY),
                (8, REMIND),
                (14, RETRY),
                (18, REMIND),
                (20, RESTRICT),
                (25, RETRY),
                (30, SUSPEND),
                (60, CANCEL),
                (180, WRITE_OFF),
            ),
        },
    ),
}


def ensure_shipped(**signalled: object) -> None:
    """Make the policies that come along where they are missing; one that was changed stays so."""
    for code, (name, rows) in SHIPPED.items():
        with transaction.atomic():
            policy, is_new = DunningPolicy.objects.get_or_create(
                seller=None, code=code, defaults={"name": name}
            )
            if is_new:
                DunningStep.objects.bulk_create(
                    DunningStep(policy=policy, since=since, days=days, kind=kind.name)
                    for since, steps in rows.items()
                    for days, kind in steps
                )


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a case in the order in which they are taken, and the days late of each."""

    steps: tuple[DunningStep, ...]
    days: tuple[int, ...]

    def after(self, taken: Collection[int]) -> int:
        """The position after the last step of those that were taken; past the end without more."""
        return max((at for at, step in enumerate(self.steps, 1) if step.pk in taken), default=0)

    def position(self, step_id: int | None) -> int:
        """Where a step stands; past the end for one that the policy has no more."""
        ids = [step.pk for step in self.steps]
        return ids.index(step_id) if step_id in ids else len(ids)


class Policies:
    """The policies of a seller, read in five queries for any number of invoices."""

    def __init__(self, seller: Seller):
        self._seller = seller
        choices = DunningChoice.objects.filter(seller=seller)
        self._chosen = {choice.plan_id: choice.policy_id for choice in choices}
        policies = DunningPolicy.objects.prefetch_related("steps")
        own = policies.filter(seller=seller) | policies.filter(seller=None)
        self._policies = {policy.pk: policy for policy in own}
        self._shipped = {policy.code: policy.pk for policy in own if policy.seller_id is None}
        self._stops = list(_days_of_stops(seller))
        self._rows: dict[tuple[int, str, int | None], Steps] = {}

    def steps_of(self, case: DunningCase) -> Steps:
        """The row of a case's policy that counts from what made it late.

        Where a card has failed that was left after the due date, the charges of the other row are
        among them, from that failure on: reminders and the rest keep their days.
        """
        gone = None if case.charged_from is None else (case.charged_from - case.late_from).days
        row = case.policy_id, case.since, gone
        if row not in self._rows:
            self._rows[row] = self._row(*row)
        return self._rows[row]

    def _row(self, policy_id: int, since: str, gone: int | None) -> Steps:
        timed: list[tuple[int, int, DunningStep]] = []
        for step in self._policies[policy_id].steps.all():
            if step.since == since:
                timed.append((step.days, step.pk, step))
            elif gone is not None and KINDS[step.kind].is_charge:
                timed.append((gone + step.days, step.pk, step))
        timed.sort(key=lambda each: each[:2])
        return Steps(tuple(step for *_, step in timed), tuple(days for days, *_ in timed))

    def stood_still(self, case: DunningCase, since: date) -> timedelta:
        """How many days after ``since`` do not count, because nobody could be charged.

        Only for customers whom we charge: for what was not tried, nobody is reminded or limited.
        """
        if not self._stops or case.customer.collection != Customer.Collection.AUTOMATIC:
            return timedelta()
        still = (end - max(start, since) for start, end in self._stops if end > since)
        return sum(still, timedelta())

    def for_plan(self, plan_id: int | None) -> int:
        """The policy for what a plan billed: the plan's, the seller's, or that of its country."""
        default = SWEDISH if self._seller.country == "SE" else GENERAL
        chosen = self._chosen.get(plan_id) or self._chosen.get(None)
        return chosen or self._shipped[default]


def _days_of_stops(seller: Seller) -> Iterator[tuple[date, date]]:
    """The days on which charging was stopped, as spans that do not touch, oldest first."""
    today = today_of(seller)
    spans = sorted(
        (local_day(on, seller.time_zone), local_day(off, seller.time_zone) if off else today)
        for on, off in stops_of_charging(seller.public_id)
    )
    if not spans:
        return
    start, end = spans[0]
    for on, off in spans[1:]:
        if on > end:
            yield start, end
            start, end = on, off
        end = max(end, off)
    yield start, end


def plans_of(invoice_ids: Iterable[int]) -> Mapping[int, int]:
    """{invoice: the plan of its first line that has one}, in one query."""
    lines: Any = (
        InvoiceLine.objects.filter(invoice__in=list(invoice_ids), subscription__isnull=False)
        .order_by("invoice_id", "position")
        .distinct("invoice_id")
        .values_list("invoice_id", "subscription__plan_id")
    )
    return dict(lines)
