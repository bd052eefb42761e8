import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.events.models import Stateful
from billing.events.public_ids import PublicIdField
from billing.events.triggers import ReferencesExist
from billing.invoicing.models import Invoice
from customers.models import CurrencyField, Customer, Seller

IN_FLIGHT = ("created", "submitted", "requires_action", "unknown")

PAYMENT_LIFECYCLE = {
    "planned": frozenset({"created", "canceled"}),
    "created": frozenset({"submitted", "succeeded", "failed", "unknown", "canceled"}),
    "submitted": frozenset({"requires_action", "succeeded", "failed", "unknown"}),
    "requires_action": frozenset({"submitted", "succeeded", "failed", "unknown", "canceled"}),
    "unknown": frozenset({"succeeded", "failed", "canceled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "canceled": frozenset(),
}


class Payment(Stateful):
    """Money on its way to us, or arrived. Anything but a clear yes or no is ``unknown``."""

    class State(models.TextChoices):
        PLANNED = "planned"
        CREATED = "created"
        SUBMITTED = "submitted"
        REQUIRES_ACTION = "requires_action"
        UNKNOWN = "unknown"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELED = "canceled"

    STATE_FIELD = "state"
    LIFECYCLE = PAYMENT_LIFECYCLE

    public_id = PublicIdField(prefix="pay")
    seller = models.ForeignKey(
        Seller,
        on_delete=models.PROTECT,
        related_name="payments",
        db_index=False,
        db_constraint=False,
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="payments", db_constraint=False
    )
    currency = CurrencyField()
    amount_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField(default=0, db_default=0)
    state = models.CharField(max_length=15, choices=State, default=State.CREATED)
    gateway = models.CharField(max_length=40, default="manual")
    gateway_key = models.CharField(
        max_length=80,
        null=True,
        blank=True,
        help_text="Idempotency key of the attempt, or the bank's reference; unique per gateway.",
    )
    planned_on = models.DateField(null=True, blank=True)
    received_on = models.DateField(null=True, blank=True)
    failure_code = models.CharField(max_length=60, blank=True, default="")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_is_positive"),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0, refunded_minor__lte=models.F("amount_minor")),
                name="payment_is_not_refunded_beyond_its_amount",
            ),
            models.CheckConstraint(
                condition=~Q(state="succeeded") | Q(received_on__isnull=False),
                name="succeeded_payment_has_its_day",
            ),
            models.UniqueConstraint(
                fields=["gateway", "gateway_key"],
                condition=Q(gateway_key__isnull=False),
                name="payment_is_sent_to_a_gateway_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["seller", "planned_on"],
                condition=Q(state="planned"),
                name="payment_planned",
            )
        ]
        triggers = [
            ReferencesExist(name="payment_refers_to_rows_that_exist"),
            pgtrigger.ReadOnly(
                name="payment_amount_is_never_edited",
                fields=["seller", "customer", "currency", "amount_minor"],
            ),
            pgtrigger.Protect(name="payment_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.FSM(
                name="payment_state_follows_its_lifecycle",
                field="state",
                transitions=[
                    (old, new) for old, news in PAYMENT_LIFECYCLE.items() for new in sorted(news)
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


_SETTLES_NO_MORE_THAN_IT_HAS = """
    IF (SELECT sum(amount_minor) FROM payments_paymentallocation
        WHERE payment_id = NEW.payment_id AND state = 'settled')
       > (SELECT amount_minor FROM payments_payment WHERE id = NEW.payment_id) THEN
        RAISE EXCEPTION 'payment % is allocated beyond its amount', NEW.payment_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF (SELECT p.currency <> i.currency OR p.customer_id <> i.customer_id
        FROM payments_payment p, invoicing_invoice i
        WHERE p.id = NEW.payment_id AND i.id = NEW.invoice_id) THEN
        RAISE EXCEPTION 'payment % and invoice % differ in currency or customer',
            NEW.payment_id, NEW.invoice_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""


class PaymentAllocation(models.Model):
    """The part of a payment that pays one invoice."""

    class State(models.TextChoices):
        PLANNED = "planned"
        IN_FLIGHT = "in_flight"
        SETTLED = "settled"
        RELEASED = "released"

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="allocations", db_constraint=False
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="allocations", db_constraint=False
    )
    amount_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField(default=0, db_default=0)
    state = models.CharField(max_length=9, choices=State)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="payment_allocation_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0, refunded_minor__lte=models.F("amount_minor")),
                name="allocation_is_not_refunded_beyond_its_amount",
            ),
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(state="in_flight"),
                name="one_payment_in_flight_for_an_invoice",
            ),
        ]
        triggers = [
            ReferencesExist(name="allocation_refers_to_rows_that_exist", promised=["invoice"]),
            pgtrigger.ReadOnly(
                name="allocation_stays_with_its_payment", fields=["payment", "invoice"]
            ),
            pgtrigger.Trigger(
                name="payment_settles_no_more_than_it_has",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update,
                timing=pgtrigger.Deferred,
                level=pgtrigger.Row,
                condition=pgtrigger.Q(new__state="settled"),
                func=_SETTLES_NO_MORE_THAN_IT_HAS,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment_id} → {self.invoice_id}: {self.amount_minor}"


class Refund(models.Model):
    """Money paid back, of one payment."""

    public_id = PublicIdField(prefix="ref")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    amount_minor = models.BigIntegerField()
    refunded_on = models.DateField()
    reason = models.CharField(max_length=200, blank=True, default="")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_is_positive")
        ]
        triggers = [
            pgtrigger.Protect(
                name="refund_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return self.public_id
