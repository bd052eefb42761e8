from datetime import date, timedelta

import pghistory
import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

from billing.base.public_ids import PublicIdField
from billing.base.stateful import Stateful
from catalog.models import AmountField, Coupon, IntervalUnit, Plan, Price
from customers.models import BuyerReferenceField, CurrencyField, Customer, Seller
from customers.triggers import OfNoMergedCustomer, StaysWithItsPerson


class DateRange(Func):
    """``daterange(from, until, '[)')`` of two columns; an empty end is open."""

    function = "daterange"
    output_field = DateRangeField()

    def __init__(self, starts_on: str, ends_on: str):
        super().__init__(F(starts_on), F(ends_on), Value("[)"))


_OF_CUSTOMERS_SELLER = pgtrigger.Func(
    """
    IF (SELECT seller_id FROM customers_customer WHERE id = NEW.customer_id)
       IS DISTINCT FROM NEW.seller_id THEN
        RAISE EXCEPTION 'customer % is not a customer of seller %', NEW.customer_id, NEW.seller_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
    """
)

# A bill up to a day charges for nothing that begins later.
_HAS_NOT_BEEN_BILLED = """
    IF OLD.starts_on <= (SELECT billed_through FROM subscriptions_subscription
                         WHERE id = OLD.subscription_id) THEN
        RAISE EXCEPTION 'item % has been billed', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
"""


@pghistory.track(
    # As with customers: an import adds many.
    pghistory.InsertEvent(level=pghistory.Statement),
    pghistory.UpdateEvent(
        condition=pghistory.AnyChange(
            *("status", "access", "plan", "cancels_on", "ends_on", "parked_reason"),
            *("customer", "buyer_reference", "metadata"),
        )
    ),
)
class Subscription(Stateful):
    """What a customer has agreed to, as dated rows: items, billing cycles and pauses.

    All dates are days in ``time_zone``, taken from the seller at the start. ``next_bill_on`` is
    the one question that the biller asks: the first day on which a bill may not be empty.
    ``billed_through`` is the day of the last bill and ``window_on`` the first day that a later
    bill may still correct.
    """

    class Status(models.TextChoices):
        INCOMPLETE = "incomplete"
        TRIALING = "trialing"
        ACTIVE = "active"
        PAUSED = "paused"
        ENDED = "ended"

    class Access(models.TextChoices):
        FULL = "full"
        RESTRICTED = "restricted"
        NONE = "none"

    LIFECYCLE = {
        "incomplete": frozenset({"trialing", "active", "ended"}),
        "trialing": frozenset({"active", "paused", "ended"}),
        "active": frozenset({"paused", "ended"}),
        "paused": frozenset({"trialing", "active", "ended"}),
        "ended": frozenset(),
    }

    public_id = PublicIdField(prefix="sub")
    seller = models.ForeignKey(
        Seller, on_delete=models.PROTECT, related_name="subscriptions", db_index=False
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    external_id = models.CharField(max_length=100, null=True, blank=True)
    plan = models.ForeignKey(
        Plan,
        on_delete=models.PROTECT,
        related_name="subscriptions",
        db_index=False,
        help_text="The present one.",
    )
    currency = CurrencyField()
    time_zone = models.CharField(max_length=50)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    access = models.CharField(max_length=10, choices=Access, default=Access.FULL)
    starts_on = models.DateField()
    paid_from = models.DateField(help_text="The trial's end, or else the start.")
    ends_on = models.DateField(
        null=True, blank=True, help_text="The first day without service, once it is known."
    )
    cancels_on = models.DateField(
        null=True, blank=True, help_text="The end, where it came by canceling; may be undone."
    )
    agreed_ends_on = models.DateField(
        null=True, blank=True, help_text="The end agreed at the start: a fixed term."
    )
    quantities = models.JSONField(
        default=dict, blank=True, help_text="{price code: quantity} that differ from the plan's."
    )
    is_unused_credited_at_end = models.BooleanField(default=False)
    is_unused_refunded_at_end = models.BooleanField(default=False)
    is_final_usage_billed = models.BooleanField(default=True)
    is_trial_usage_billed = models.BooleanField(default=False)
    billed_until = models.DateField(
        null=True, blank=True, help_text="Days before it were billed elsewhere."
    )
    next_bill_on = models.DateField(null=True, blank=True)
    billed_through = models.DateField(null=True, blank=True)
    window_on = models.DateField(null=True, blank=True)
    parked_reason = models.TextField(blank=True, default="")
    buyer_reference = BuyerReferenceField(
        help_text="On documents of this subscription, in place of the customer's.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["seller", "external_id"],
                condition=Q(external_id__isnull=False),
                name="subscription_external_id_is_unique",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="subscription_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=Q(paid_from__gte=F("starts_on")),
                name="subscription_trial_is_not_negative",
            ),
        ]
        indexes = [
            models.Index(
                fields=["seller", "next_bill_on"],
                include=["customer"],
                condition=Q(parked_reason="", next_bill_on__isnull=False),
                name="subscription_is_due",
            ),
            models.Index(
                fields=["seller"], condition=~Q(parked_reason=""), name="subscription_is_parked"
            ),
            models.Index(
                fields=["seller", "paid_from"],
                condition=Q(paid_from__gt=F("starts_on")),
                name="subscription_with_a_trial",
            ),
            models.Index(
                fields=["external_id"],
                condition=Q(external_id__isnull=False),
                name="subscription_by_external_id",
            ),
        ]
        permissions = [
            ("pause_subscription", "Can pause a subscription"),
            ("resume_subscription", "Can resume a subscription"),
            ("cancel_subscription", "Can cancel a subscription"),
            ("undo_cancel_subscription", "Can undo the canceling of a subscription"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="subscription_is_of_its_customers_seller",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("customer_id", "seller_id"),
                func=_OF_CUSTOMERS_SELLER,
            ),
            OfNoMergedCustomer(name="subscription_is_of_no_merged_customer"),
            StaysWithItsPerson(name="subscription_stays_with_its_customer"),
            pgtrigger.ReadOnly(
                name="subscription_currency_is_never_changed", fields=["currency", "time_zone"]
            ),
            pgtrigger.Protect(
                name="billed_subscription_is_never_deleted",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__billed_through__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """What people call it; programs go by its public id."""
        return f"{self.customer.name} · {self.plan.name}"

    @property
    def has_trial(self) -> bool:
        """Whether it begins with days for which nothing is paid."""
        return self.paid_from > self.starts_on

    @property
    def last_day(self) -> date | None:
        """The last day of service, which is what people are told; None where no end is known."""
        return self.ends_on and self.last_day_before(self.ends_on)

    def last_day_before(self, end: date) -> date:
        """The last day of service if it ended on a day; of what ends as it begins, that day."""
        return max(end - timedelta(days=1), self.starts_on)


class SubscriptionItem(models.Model):
    """One dated version of one agreed price: [starts_on, ends_on).

    ``key`` ties the versions of one thing together (the price's code); a version that ends on
    the day it starts keeps no day. ``agreed_amount`` stands in for the price's amount.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="items")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="items")
    key = models.CharField(max_length=80)
    quantity = AmountField(default=1)
    agreed_amount = AmountField(null=True, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    keeps_paid = models.BooleanField(
        default=False, help_text="Days billed ahead stay billed when this version ends."
    )

    class Meta:
        ordering = ["starts_on", "position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="item_ends_after_it_starts",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="item_quantity_is_positive"),
            ExclusionConstraint(
                name="item_has_one_version_at_a_time",
                expressions=[
                    ("subscription", RangeOperators.EQUAL),
                    ("key", RangeOperators.EQUAL),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="billed_item_is_never_deleted",
                when=pgtrigger.Before,
                operation=pgtrigger.Delete,
                func=_HAS_NOT_BEEN_BILLED,
            ),
            pgtrigger.ReadOnly(name="item_stays_with_its_subscription", fields=["subscription"]),
        ]

    def __str__(self) -> str:
        return f"{self.key} × {self.quantity.normalize():f} from {self.starts_on}"


class BillingCycle(models.Model):
    """The grid of periods in force from a day: boundaries are the anchor ± n intervals.

    ``anchor_day`` is the day of the month that the anchor clamps to (31 stays 31). A tail is the
    last period before the next cycle where that is not a period of the grid: from
    ``tail_starts_on`` it runs to the next cycle and counts as ``tail_days`` days.
    """

    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, related_name="cycles", db_index=False
    )
    starts_on = models.DateField()
    interval_unit = models.CharField(max_length=5, choices=IntervalUnit)
    interval_count = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    anchor_on = models.DateField()
    anchor_day = models.PositiveSmallIntegerField()
    tail_starts_on = models.DateField(null=True, blank=True)
    tail_days = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "starts_on"], name="one_billing_cycle_starts_on_a_day"
            ),
            models.CheckConstraint(
                condition=Q(interval_count__gte=1), name="billing_cycle_interval_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(tail_starts_on__isnull=True, tail_days__isnull=True)
                | Q(tail_starts_on__isnull=False, tail_days__isnull=False, tail_days__gte=1),
                name="billing_cycle_tail_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.interval_count} {self.interval_unit} from {self.anchor_on}"


class Pause(models.Model):
    """Days without service: [starts_on, ends_on), open until resumed."""

    class Unused(models.TextChoices):
        CREDIT = "credit", "days paid ahead come back"
        KEEP = "keep", "days paid ahead stay paid"
        SHIFT = "shift", "the periods move by the days paused"

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="pauses")
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    unused = models.CharField(max_length=6, choices=Unused, default=Unused.CREDIT)

    class Meta:
        ordering = ["starts_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="pause_ends_after_it_starts",
            ),
            ExclusionConstraint(
                name="pauses_do_not_overlap",
                expressions=[
                    ("subscription", RangeOperators.EQUAL),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.starts_on}–{self.ends_on or ''}"


class CouponRedemption(models.Model):
    """A coupon that a customer or one subscription has.

    ``expires_on`` of a repeating one is set by the first document that it discounts; a coupon
    for one document is spent by it.
    """

    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="redemptions")
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="coupon_redemptions"
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="coupon_redemptions",
        help_text="Empty: for all that the customer has.",
    )
    starts_on = models.DateField()
    expires_on = models.DateField(null=True, blank=True)
    is_spent = models.BooleanField(default=False)
    fixed_by = models.BigIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="The document (its row id) that spent the coupon or fixed its end.",
    )
    removed_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["coupon", "customer", "subscription"],
                condition=Q(is_spent=False, removed_on__isnull=True),
                nulls_distinct=False,
                name="coupon_is_had_once_at_a_time",
            )
        ]
        triggers = [
            OfNoMergedCustomer(name="coupon_is_of_no_merged_customer"),
            StaysWithItsPerson(name="coupon_stays_with_its_customer"),
        ]

    def __str__(self) -> str:
        return f"{self.coupon_id} of {self.customer_id}"
