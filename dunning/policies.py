"""The policies that come along, and which one holds for an invoice."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from billing.invoicing.models import InvoiceLine
from customers.models import Seller
from dunning.models import DunningChoice, DunningPolicy, DunningStep, LateSince, StepKind

GENERAL, SWEDISH = "general", "sweden"
# Code: name, and days and kind of the steps from the due date and from the first failed payment.
# Customers in Sweden are used to two reminders, ten days apart.
SHIPPED: dict[str, tuple[str, dict[LateSince, tuple[tuple[int, StepKind], ...]]]] = {
    GENERAL: (
        "General",
        {
            LateSince.DUE: (
                (3, StepKind.REMIND),
                (10, StepKind.REMIND),
                (17, StepKind.RESTRICT),
                (24, StepKind.SUSPEND),
                (45, StepKind.CANCEL),
                (120, StepKind.WRITE_OFF),
            ),
            LateSince.FAILURE: (
                (3, StepKind.RETRY),
                (7, StepKind.RETRY),
                (8, StepKind.REMIND),
                (14, StepKind.RETRY),
                (15, StepKind.RESTRICT),
                (21, StepKind.RETRY),
                (22, StepKind.SUSPEND),
                (30, StepKind.CANCEL),
                (120, StepKind.WRITE_OFF),
            ),
        },
    ),
    SWEDISH: (
        "Sweden",
        {
            LateSince.DUE: (
                (5, StepKind.REMIND),
                (15, StepKind.REMIND),
                (20, StepKind.RESTRICT),
                (30, StepKind.SUSPEND),
                (60, StepKind.CANCEL),
                (180, StepKind.WRITE_OFF),
            ),
            LateSince.FAILURE: (
                (3, StepKind.RETRY),
                (7, StepKind.RETRY),
                (8, StepKind.REMIND),
                (14, StepKind.RETRY),
                (18, StepKind.REMIND),
                (20, StepKind.RESTRICT),
                (25, StepKind.RETRY),
                (30, StepKind.SUSPEND),
                (60, StepKind.CANCEL),
                (180, StepKind.WRITE_OFF),
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
                    DunningStep(policy=policy, since=since, days=days, kind=kind)
                    for since, steps in rows.items()
                    for days, kind in steps
                )


@dataclass(frozen=True, slots=True)
class Steps:
    """A policy with one of its two rows of steps, in the order in which they are taken."""

    policy: DunningPolicy
    steps: tuple[DunningStep, ...]

    @property
    def days(self) -> tuple[int, ...]:
        return tuple(step.days for step in self.steps)

    def after(self, taken: Collection[int]) -> int:
        """The position after the last step of those that were taken; past the end without more."""
        return max((at for at, step in enumerate(self.steps, 1) if step.pk in taken), default=0)

    def position(self, step_id: int | None) -> int:
        """Where a step stands; past the end for one that the policy has no more."""
        ids = [step.pk for step in self.steps]
        return ids.index(step_id) if step_id in ids else len(ids)


class Policies:
    """The policies of a seller, read in three queries for any number of invoices."""

    def __init__(self, seller: Seller):
        self._seller = seller
        choices = DunningChoice.objects.filter(seller=seller)
        self._chosen = {choice.plan_id: choice.policy_id for choice in choices}
        policies = DunningPolicy.objects.prefetch_related("steps")
        own = policies.filter(seller=seller) | policies.filter(seller=None)
        self._policies = {policy.pk: policy for policy in own}
        self._shipped = {policy.code: policy.pk for policy in own if policy.seller_id is None}

    def steps(self, policy_id: int, since: str) -> Steps:
        """A policy's steps since the due date or the first failure, by day."""
        policy = self._policies[policy_id]
        steps = (step for step in policy.steps.all() if step.since == since)
        return Steps(policy, tuple(sorted(steps, key=lambda step: (step.days, step.pk))))

    def for_plan(self, plan_id: int | None) -> int:
        """The policy for what a plan billed: the plan's, the seller's, or that of its country."""
        default = SWEDISH if self._seller.country == "SE" else GENERAL
        chosen = self._chosen.get(plan_id) or self._chosen.get(None)
        return chosen or self._shipped[default]


def plans_of(invoice_ids: Iterable[int]) -> Mapping[int, int]:
    """{invoice: the plan of its first line that has one}, in one query."""
    lines: Any = (
        InvoiceLine.objects.filter(invoice__in=list(invoice_ids), subscription__isnull=False)
        .order_by("invoice_id", "position")
        .distinct("invoice_id")
        .values_list("invoice_id", "subscription__plan_id")
    )
    return dict(lines)
