from datetime import date

import pghistory
import pgtrigger
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.formats import localize
from django.utils.translation import npgettext, pgettext

from billing.base.public_ids import PublicIdField
from billing.base.stateful import Stateful
from billing.invoicing.models import Invoice
from catalog.models import Plan
from customers.models import Customer, Seller

CASE_LIFECYCLE = {
    "open": frozenset({"recovered", "exhausted", "stopped"}),
    "stopped": frozenset({"open", "recovered", "exhausted"}),
    "exhausted": frozenset({"recovered"}),
    # A refund makes an invoice owed again.
    "recovered": frozenset({"open"}),
}


def every_edit() -> tuple[pghistory.RowEvent, ...]:
    """What is kept of a policy's parts: what is taken out is an edit of the policy as well."""
    return pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent()


class LateSince(models.TextChoices):
    """What a debt's days are counted from: two rows of steps in a policy."""

    DUE = "due", "the due date"
    FAILURE = "failure", "the first payment that failed"


def kinds_of_step() -> list[tuple[str, str]]:
    """The choices of a step's kind; asked for late, since the kinds stand with what they do."""
    from dunning.steps import KINDS

    return [(kind.name, kind.title) for kind in KINDS.values()]


_OF_ONE_SELLER = """
    IF (SELECT seller_id FROM dunning_dunningpolicy WHERE id = NEW.policy_id) <> NEW.seller_id
       OR (SELECT seller_id FROM catalog_plan WHERE id = NEW.plan_id) <> NEW.seller_id THEN
        RAISE EXCEPTION 'policy % or plan % is another seller''s', NEW.policy_id, NEW.plan_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_choice_stays_with_its_seller';
    END IF;
    RETURN NEW;
"""


@pghistory.track()
class DunningPolicy(models.Model):
    """What is done about a debt that is late, as data: steps, each some days after it became so.

    A policy without a seller comes along with Kvitt and serves everybody who has chosen no other.
    """

    public_id = PublicIdField(prefix="dpo")
    seller = models.ForeignKey(
        Seller, on_delete=models.PROTECT, null=True, blank=True, related_name="dunning_policies"
    )
    code = models.CharField(max_length=80)
    name = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "dunning policies"
        constraints = [
            models.UniqueConstraint(
                fields=["seller", "code"],
                nulls_distinct=False,
                name="dunning_policy_code_is_unique",
            )
        ]
        triggers = [
            pgtrigger.Protect(
                name="shipped_dunning_policy_stays",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__seller__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.name


@pghistory.track(*every_edit())
class DunningStep(models.Model):
    """One step of a policy: what is done, and how many days after the debt became late."""

    policy = models.ForeignKey(DunningPolicy, on_delete=models.CASCADE, related_name="steps")
    since = models.CharField(max_length=7, choices=LateSince)
    days = models.PositiveSmallIntegerField(validators=[MaxValueValidator(3650)])
    kind = models.CharField(max_length=9, choices=kinds_of_step)

    class Meta:
        verbose_name = "step"
        ordering = ["since", "days", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "since", "days", "kind"], name="dunning_step_is_in_a_policy_once"
            )
        ]

    def __str__(self) -> str:
        said = npgettext(
            "desk", "%(step)s after %(days)s day", "%(step)s after %(days)s days", self.days
        )
        return said % {"step": self.get_kind_display(), "days": self.days}


@pghistory.track(*every_edit())
class DunningChoice(models.Model):
    """The policy that a seller has chosen for a plan, or for all plans without one of their own."""

    seller = models.ForeignKey(Seller, on_delete=models.CASCADE, related_name="dunning_choices")
    plan = models.ForeignKey(
        Plan, on_delete=models.CASCADE, null=True, blank=True, related_name="dunning_choices"
    )
    policy = models.ForeignKey(DunningPolicy, on_delete=models.PROTECT, related_name="choices")

    class Meta:
        verbose_name = "choice"
        constraints = [
            models.UniqueConstraint(
                fields=["seller", "plan"],
                nulls_distinct=False,
                name="one_dunning_policy_is_chosen_for_a_plan",
            )
        ]
        triggers = [
            pgtrigger.Trigger(
                name="dunning_choice_stays_with_its_seller",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func=_OF_ONE_SELLER,
            )
        ]

    def __str__(self) -> str:
        named = {"policy": self.policy, "plan": self.plan or pgettext("desk", "all plans")}
        return pgettext("desk", "%(policy)s for %(plan)s") % named

    def clean(self) -> None:
        """Refuse what the trigger refuses, in words."""
        if self.policy_id and self.policy.seller_id not in (None, self.seller_id):
            raise ValidationError("This policy is another seller's.")
        if self.plan and self.plan.seller_id != self.seller_id:
            raise ValidationError("This plan is another seller's.")


class DunningCase(Stateful):
    """An invoice that is late, and how far its policy has come.

    ``next_step`` is due on ``next_step_on``. ``access`` is what the case leaves of the access to
    the subscriptions that the invoice bills; theirs is the least that any case leaves.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        RECOVERED = "recovered"
        EXHAUSTED = "exhausted"
        STOPPED = "stopped"

    class Access(models.TextChoices):
        FULL = "full", "full"
        RESTRICTED = "restricted", "restricted"
        NONE = "none", "no access"

    LIFECYCLE = CASE_LIFECYCLE

    public_id = PublicIdField(prefix="dun")
    seller = models.ForeignKey(
        Seller, on_delete=models.PROTECT, related_name="dunning_cases", db_index=False
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="dunning_cases")
    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="dunning_case")
    policy = models.ForeignKey(
        DunningPolicy, on_delete=models.PROTECT, related_name="cases", db_index=False
    )
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    since = models.CharField(max_length=7, choices=LateSince)
    late_from = models.DateField()
    charged_from = models.DateField(
        null=True,
        blank=True,
        help_text="When a card failed that came after the due date: it is charged again from then.",
    )
    # A step may be taken out of a policy whose cases stand before it: they are put before another.
    next_step = models.ForeignKey(
        DunningStep,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    next_step_on = models.DateField(null=True, blank=True)
    access = models.CharField(max_length=10, choices=Access, default=Access.FULL)
    closed_on = models.DateField(null=True, blank=True)
    reason = models.CharField(
        max_length=300, blank=True, default="", help_text="Why it was stopped."
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "late debt"
        permissions = [
            ("stop_dunningcase", "Can stop reminding of a debt"),
            ("resume_dunningcase", "Can go on reminding of a debt"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="open", closed_on__isnull=True)
                | (~Q(status="open") & Q(closed_on__isnull=False)),
                name="dunning_case_has_an_end_when_it_is_closed",
            ),
            models.CheckConstraint(
                condition=Q(next_step__isnull=True, next_step_on__isnull=True)
                | Q(next_step__isnull=False, next_step_on__isnull=False),
                name="next_dunning_step_has_its_day",
            ),
            models.CheckConstraint(
                condition=Q(charged_from__isnull=True)
                | Q(since="due", charged_from__gte=models.F("late_from")),
                name="late_card_comes_after_the_due_date",
            ),
        ]
        indexes = [
            models.Index(
                fields=["seller", "next_step_on"],
                condition=Q(status="open"),
                name="dunning_case_is_open",
            )
        ]
        triggers = [
            pgtrigger.FSM(
                name="dunning_case_follows_its_lifecycle",
                field="status",
                transitions=[
                    (old, new) for old, news in CASE_LIFECYCLE.items() for new in sorted(news)
                ],
            ),
            pgtrigger.Protect(name="dunning_case_is_never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return pgettext("desk", "Invoice %(number)s") % {"number": self.invoice}

    @property
    def coming_step(self) -> DunningStep | None:
        """The step that will be taken; a stopped debt keeps ``next_step`` only to go on from it."""
        return self.next_step if self.status == self.Status.OPEN else None

    @property
    def coming_step_on(self) -> date | None:
        """The day on which that step will be taken."""
        return self.next_step_on if self.status == self.Status.OPEN else None


class DunningAction(models.Model):
    """A step that was taken in a case: once, whatever runs twice."""

    case = models.ForeignKey(DunningCase, on_delete=models.PROTECT, related_name="actions")
    # What was done stays, with its key, when the step is taken out of the policy.
    step = models.ForeignKey(
        DunningStep,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    kind = models.CharField(max_length=9, choices=kinds_of_step)
    done_on = models.DateField()
    outcome = models.CharField(
        max_length=300, blank=True, default="", help_text="Why nothing came of it, if so."
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "step"], name="dunning_step_is_taken_once_in_a_case"
            )
        ]
        triggers = [
            pgtrigger.Protect(
                name="dunning_action_is_never_edited",
                operation=pgtrigger.Update | pgtrigger.Delete,
            )
        ]

    def __str__(self) -> str:
        named = {"step": self.get_kind_display(), "day": localize(self.done_on)}
        return pgettext("desk", "%(step)s on %(day)s") % named
