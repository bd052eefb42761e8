"""The days that lines have billed: the guard against billing twice."""

import pgtrigger
from django.db import models
from django.db.models import F, Func, Q

from billing.base.triggers import ReferencesExist
from billing.engine.lines import MINIMUM, ONCE, RECURRING, USAGE
from billing.invoicing.billed_once import BilledOnce
from billing.subscriptions.models import DateRange, Subscription, SubscriptionItem
from catalog.models import AmountField


class DateMultiRangeField(models.Field):
    """A set of days. Written as ``{[2026-01-01,2026-02-01)}``; read as psycopg's Multirange."""

    def db_type(self, connection) -> str:
        return "datemultirange"


class Coverage(models.Model):
    """The days that a charge line has billed for one item: the guard against billing twice.

    Charges insert a row, credits shrink its days and count what they gave back. ``part`` tells
    the first bill of a usage period (0) from the differences that late usage made (1, 2, …).
    ``billed_minor`` is the line's amount after discount; never more than that is given back.

    Where a credit note turns round what gave days back, the line's charge stands again for
    ``again_days``: for the item ``again_for``, whose charge the note credits. They come back when
    that item loses them.
    """

    class Kind(models.IntegerChoices):
        RECURRING = 0
        USAGE = 1
        MINIMUM = 2
        ONCE = 3

    line = models.OneToOneField(
        "invoicing.InvoiceLine",
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="coverage",
        db_constraint=False,
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        related_name="coverages",
        db_index=False,
        db_constraint=False,
    )
    item = models.ForeignKey(
        SubscriptionItem,
        on_delete=models.PROTECT,
        related_name="coverages",
        db_index=False,
        db_constraint=False,
    )
    kind = models.SmallIntegerField(choices=Kind)
    part = models.SmallIntegerField(default=0)
    starts_on = models.DateField()
    ends_on = models.DateField()
    days = DateMultiRangeField()
    amount_minor = models.BigIntegerField(help_text="The line's amount before discount.")
    billed_minor = models.BigIntegerField()
    credited_minor = models.BigIntegerField(default=0)
    quantity = AmountField(null=True, help_text="Of usage: what the amount was rated on.")
    again_for = models.ForeignKey(
        SubscriptionItem,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    again_days = DateMultiRangeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(credited_minor__gte=0, credited_minor__lte=F("billed_minor")),
                name="line_is_not_credited_beyond_its_amount",
            ),
            models.CheckConstraint(
                condition=Q(again_for=None, again_days=None)
                | Q(again_for__isnull=False, again_days__isnull=False),
                name="days_stand_again_for_an_item",
            ),
            models.CheckConstraint(
                condition=Q(kind=3)
                | Q(
                    Func(
                        F("days"),
                        DateRange("starts_on", "ends_on"),
                        arg_joiner=" <@ ",
                        template="%(expressions)s",
                        output_field=models.BooleanField(),
                    )
                ),
                name="coverage_lies_in_its_span",
            ),
        ]
        indexes = [
            models.Index(fields=["subscription", "ends_on"], name="coverage_in_the_open_window"),
            models.Index(
                fields=["again_for"],
                condition=Q(again_for__isnull=False),
                name="coverage_that_stands_again",
            ),
        ]
        triggers = [
            ReferencesExist(name="coverage_refers_to_rows_that_exist"),
            BilledOnce(name="item_is_not_billed_twice_for_a_day", operation=pgtrigger.Insert),
            BilledOnce(name="item_does_not_become_billed_twice", operation=pgtrigger.Update),
            pgtrigger.ReadOnly(
                name="coverage_stays_with_its_line", fields=["line", "subscription", "item"]
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.line_id}: {self.starts_on}–{self.ends_on}"


# What the engine calls what a kind covers, and back.
CHARGE_OF_KIND = {
    Coverage.Kind.RECURRING: RECURRING,
    Coverage.Kind.USAGE: USAGE,
    Coverage.Kind.MINIMUM: MINIMUM,
    Coverage.Kind.ONCE: ONCE,
}
KIND_OF_CHARGE = {charge: kind.value for kind, charge in CHARGE_OF_KIND.items()}
