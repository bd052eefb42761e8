import pgtrigger
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Value
from django.db.models.functions import Cast, Concat, Left, Now, Replace

from billing.base.public_ids import PublicIdField
from billing.subscriptions.models import Subscription
from catalog.models import AmountField
from customers.models import Seller

UNIT_MAX = 20

# For records that are written by a statement and not by Django.
_NEW_ID = Concat(
    Value("use_"),
    Left(
        Replace(Cast(RandomUUID(), models.CharField()), Value("-"), Value("")),
        24,
    ),
)


class Meter(models.Model):
    """What is measured, and how the records of a period become one quantity."""

    class Aggregation(models.TextChoices):
        SUM = "sum"
        COUNT = "count"
        MAX = "max"
        UNIQUE = "unique"
        LAST = "last"

    class RoundingMode(models.TextChoices):
        NONE = ""
        ROUND = "round"
        CEIL = "ceil"
        FLOOR = "floor"

    public_id = PublicIdField(prefix="meter")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="meters")
    code = models.CharField(max_length=80)
    name = models.CharField(max_length=200, blank=True, default="")
    unit = models.CharField(
        max_length=UNIT_MAX,
        blank=True,
        default="",
        db_default="",
        help_text="Shown after quantities and after “per”, such as kg, GB or h: an abbreviation, "
        "which is the same for one and for many. Empty: customers read “unit”.",
    )
    aggregation = models.CharField(max_length=6, choices=Aggregation, default=Aggregation.SUM)
    property = models.CharField(
        max_length=80, blank=True, default="", help_text="Aggregate this property of the record."
    )
    filter = models.JSONField(
        default=dict,
        blank=True,
        help_text="{property: value or list of values} a record must have.",
    )
    is_carried = models.BooleanField(
        default=False, help_text="The quantity goes over to the next period."
    )
    rounding_mode = models.CharField(
        max_length=5, choices=RoundingMode, blank=True, default=RoundingMode.NONE
    )
    rounding_digits = models.SmallIntegerField(default=0)
    is_whole = models.BooleanField(
        "whole units only",
        default=False,
        db_default=False,
        help_text="Records with a fraction, such as half a seat, are refused.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller", "code"], name="meter_code_is_unique")
        ]

    def __str__(self) -> str:
        return self.code


class UsageRecord(models.Model):
    """One measured event. ``on`` is its day in the subscription's time zone.

    Records are append-only. A wrong one is withdrawn, once and for good: it stays, and counts
    nowhere; ``corrects`` points from the record that stands in its place.
    """

    public_id = PublicIdField(prefix="use", db_default=_NEW_ID)
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="usage_records", db_index=False
    )
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=100, null=True, blank=True)
    at = models.DateTimeField()
    on = models.DateField()
    quantity = AmountField()
    value = AmountField(
        null=True, help_text="What the meter aggregates; empty where the filter leaves it out."
    )
    distinct = models.CharField(max_length=200, blank=True, default="")
    properties = models.JSONField(default=dict, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    corrects = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="corrected_by"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)
    withdrawn_by = models.CharField(
        max_length=100, blank=True, default="", db_default="", editable=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(withdrawn_at__isnull=True, withdrawn_by="")
                | models.Q(withdrawn_at__isnull=False) & ~models.Q(withdrawn_by=""),
                name="withdrawn_usage_says_by_whom",
            ),
            models.UniqueConstraint(
                fields=["subscription", "meter", "key"], name="usage_key_counts_once"
            ),
        ]
        indexes = [models.Index(fields=["subscription", "on"], name="usage_of_subscription_by_day")]
        triggers = [
            pgtrigger.Protect(
                name="usage_record_is_append_only",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["withdrawn_at", "withdrawn_by"]),
            ),
            pgtrigger.Protect(
                name="usage_is_withdrawn_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__withdrawn_at__isnull=False),
            ),
            pgtrigger.Protect(name="usage_record_is_never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.meter}: {self.quantity.normalize():f}, {self.on}"
