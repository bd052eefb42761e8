import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import pgettext

from billing.base.public_ids import PublicIdField
from billing.base.stateful import Stateful
from billing.base.triggers import FrozenOnce, NotDatedAhead, ReferencesExist, follows
from billing.invoicing.models import Invoice
from billing.invoicing.writing import NO_BREAK
from billing.payments import gateway_events  # noqa: F401  Their tables are of this app.
from billing.payments.gateways.base import Purpose
from billing.payments.gateways.registry import names_for
from billing.payments.lifecycles import PAYMENT_LIFECYCLE, REFUND_LIFECYCLE, SESSION_LIFECYCLE
from billing.payments.triggers import SETTLES_NO_MORE_THAN_IT_HAS, SETTLES_NOTHING
from customers.models import CurrencyField, Customer, Seller
from customers.triggers import OfNoMergedCustomer, StaysWithItsPerson

IN_FLIGHT = ("created", "submitted", "requires_action", "unknown")


class PaymentMethodQuerySet(models.QuerySet["PaymentMethod"]):
    def usable(self) -> "PaymentMethodQuerySet":
        """What may be charged: each customer's default, unless its bank has said never again."""
        return self.filter(is_default=True, retired_at__isnull=True, refused_code="")

    def chargeable(self, seller: Seller) -> "PaymentMethodQuerySet":
        """Those of them that a gateway charges for the seller now."""
        return self.usable().filter(gateway__in=names_for(seller, Purpose.CHARGE))


_OF_A_TEST_SELLER = """
    IF (SELECT s.is_live FROM customers_customer c JOIN customers_seller s ON s.id = c.seller_id
        WHERE c.id = NEW.customer_id) THEN
        RAISE EXCEPTION 'the sandbox serves test sellers only' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


def sandbox_is_for_tests(name: str) -> pgtrigger.Trigger:
    """Live and test never mix: no row joins the sandbox with a customer of a live seller."""
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update,
        condition=pgtrigger.Q(new__gateway="sandbox"),
        func=_OF_A_TEST_SELLER,
    )


class GatewayCustomer(models.Model):
    """A customer's name at a gateway."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="at_gateways")
    gateway = models.CharField(max_length=40)
    gateway_id = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "gateway"], name="customer_is_at_a_gateway_once"
            )
        ]
        triggers = [sandbox_is_for_tests("customer_at_sandbox_is_of_a_test_seller")]

    def __str__(self) -> str:
        return self.gateway_id


class PaymentMethod(models.Model):
    """A card that the customer has left with a gateway; its number never comes here."""

    public_id = PublicIdField(prefix="pm")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="payment_methods")
    gateway = models.CharField(max_length=40)
    gateway_id = models.CharField(max_length=80)
    gateway_customer = models.CharField(max_length=80, blank=True, default="", db_default="")
    brand = models.CharField(max_length=40, blank=True, default="", db_default="")
    last4 = models.CharField(max_length=4, blank=True, default="", db_default="")
    expires_on = models.DateField(null=True, blank=True, help_text="The last day it is good for.")
    is_default = models.BooleanField(default=False, db_default=False)
    refused_code = models.CharField(
        max_length=60,
        blank=True,
        default="",
        db_default="",
        help_text="Why its bank will never accept it again; it is not tried any more.",
    )
    retired_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PaymentMethodQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "gateway_id"], name="payment_method_is_kept_once"
            ),
            models.UniqueConstraint(
                fields=["customer"],
                condition=Q(is_default=True),
                name="one_default_payment_method_for_a_customer",
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(retired_at__isnull=True),
                name="retired_payment_method_is_no_default",
            ),
        ]
        indexes = [models.Index(fields=["last4"], name="payment_method_by_last_four")]
        triggers = [
            pgtrigger.ReadOnly(
                name="payment_method_is_never_another",
                fields=["public_id", "gateway", "gateway_id"],
            ),
            StaysWithItsPerson(name="payment_method_stays_with_its_customer"),
            OfNoMergedCustomer(name="payment_method_is_of_no_merged_customer"),
            pgtrigger.Protect(name="payment_method_is_never_deleted", operation=pgtrigger.Delete),
            sandbox_is_for_tests("sandbox_method_is_of_a_test_seller"),
        ]

    def __str__(self) -> str:
        return f"{self.brand or self.gateway} ···· {self.last4}"

    def in_words(self) -> str:
        """``Visa ···· 4242``, on one line and in the active language: for pages, mail and PDFs."""
        brand = self.brand.title() or pgettext("document", "Card")
        return f"{brand}{NO_BREAK}····{NO_BREAK}{self.last4}"


# No gateway knows of what a person recorded, and what a gateway was asked for names it.
_OF_NO_GATEWAY = Q(gateway__in=["", "manual"])
_SOURCE_FITS = (Q(source="hand", gateway_id__isnull=True) & _OF_NO_GATEWAY) | Q(
    source="gateway"
) & (Q(state__in=["planned", "canceled"]) | ~_OF_NO_GATEWAY)


class Payment(Stateful):
    """Money on its way to us, or arrived. Anything but a clear yes or no is ``unknown``.

    What had arrived may be *returned*: its bank takes it back, and what it paid is owed again.
    """

    class State(models.TextChoices):
        PLANNED = "planned"
        CREATED = "created"
        SUBMITTED = "submitted"
        REQUIRES_ACTION = "requires_action"
        UNKNOWN = "unknown"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELED = "canceled"
        RETURNED = "returned"

    class Source(models.TextChoices):
        GATEWAY = "gateway", "gateway"
        HAND = "hand", "recorded by hand"

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
    # Empty only while code of before adds a row: a trigger of migration 0007 fills it in.
    source = models.CharField(
        max_length=7,
        choices=Source,
        default=Source.GATEWAY,
        db_default="",
        help_text="Whether a gateway moves the money, or a person saw it arrive.",
    )
    reference = models.CharField(
        max_length=80,
        null=True,
        blank=True,
        help_text="The bank's, where the money was recorded by hand; it counts once.",
    )
    # Empty until one is asked, and by hand. Rows of before say "manual" there; ask for the source.
    gateway = models.CharField(max_length=40, blank=True, default="")
    gateway_key = models.CharField(
        max_length=80,
        null=True,
        blank=True,
        help_text="Idempotency key of the attempt; unique per gateway.",
    )
    planned_on = models.DateField(null=True, blank=True)
    received_on = models.DateField(null=True, blank=True)
    returned_on = models.DateField(
        null=True, blank=True, help_text="When its bank had taken it back."
    )
    # One of the declines; and the gateway's own word, whatever that was.
    failure_code = models.CharField(max_length=60, blank=True, default="")
    gateway_code = models.CharField(max_length=60, blank=True, default="", db_default="")
    payment_method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, null=True, blank=True, related_name="payments"
    )
    gateway_id = models.CharField(
        max_length=80, null=True, blank=True, help_text="What the gateway calls the charge."
    )
    attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often the gateway was called about it."
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is tried, or asked for, again."
    )
    action_url = models.URLField(
        max_length=2000,
        blank=True,
        default="",
        db_default="",
        help_text="Where the customer confirms or makes the payment.",
    )
    attention = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Why a person must look."
    )
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
            models.CheckConstraint(
                condition=Q(
                    state="returned",
                    received_on__isnull=False,
                    returned_on__isnull=False,
                    returned_on__gte=models.F("received_on"),
                )
                | ~Q(state="returned") & Q(returned_on__isnull=True),
                name="returned_payment_has_its_day",
            ),
            models.CheckConstraint(condition=_SOURCE_FITS, name="payment_is_of_its_source"),
            models.UniqueConstraint(
                # The reference first: people search by it as well. Two sellers have two banks.
                fields=["reference", "seller", "source"],
                condition=Q(reference__isnull=False),
                name="payment_is_recorded_once",
            ),
            models.UniqueConstraint(
                fields=["seller", "gateway", "gateway_key"],
                condition=Q(gateway_key__isnull=False),
                name="payment_is_sent_to_a_gateway_once",
            ),
            models.UniqueConstraint(
                fields=["gateway", "gateway_id"],
                condition=Q(gateway_id__isnull=False),
                name="charge_is_of_one_payment",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"],
                condition=Q(state__in=IN_FLIGHT),
                name="payment_in_flight",
            ),
            models.Index(fields=["id"], condition=~Q(attention=""), name="payment_needs_attention"),
            models.Index(fields=["amount_minor", "id"], name="payment_by_amount"),
            models.Index(
                fields=["seller", "planned_on"],
                condition=Q(state="planned"),
                name="payment_planned",
            ),
            models.Index(
                fields=["gateway_key"],
                condition=Q(gateway_key__isnull=False),
                name="payment_by_gateway_key",
            ),
            models.Index(
                fields=["gateway_id"],
                condition=Q(gateway_id__isnull=False),
                name="payment_by_gateway_id",
            ),
        ]
        triggers = [
            ReferencesExist(name="payment_refers_to_rows_that_exist"),
            # Those that a batch plans have no such day yet, and are not asked.
            NotDatedAhead(
                name="live_payment_is_not_dated_ahead",
                day="received_on",
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("received_on"),
                condition=pgtrigger.Q(new__received_on__isnull=False),
            ),
            NotDatedAhead(
                name="live_return_is_not_dated_ahead",
                day="returned_on",
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("returned_on"),
                condition=pgtrigger.Q(new__returned_on__isnull=False),
            ),
            pgtrigger.Trigger(
                name="returned_payment_settles_nothing",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("state"),
                timing=pgtrigger.Deferred,
                condition=pgtrigger.Q(new__state="returned"),
                func=SETTLES_NOTHING,
            ),
            pgtrigger.ReadOnly(
                name="payment_amount_is_never_edited",
                fields=["seller", "customer", "currency", "amount_minor"],
            ),
            FrozenOnce(
                name="received_payment_is_never_edited",
                fields=["source", "reference", "gateway", "gateway_id", "received_on"],
                once=pgtrigger.Q(old__received_on__isnull=False),
            ),
            FrozenOnce(
                name="returned_payment_is_never_edited",
                fields=["returned_on"],
                once=pgtrigger.Q(old__returned_on__isnull=False),
            ),
            pgtrigger.Protect(name="payment_is_never_deleted", operation=pgtrigger.Delete),
            follows("payment_state_follows_its_lifecycle", "state", PAYMENT_LIFECYCLE),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def gateway_reference(self) -> str:
        """What the gateway knows it by: the key of a charge, and its own id on a hosted page."""
        return self.gateway_key or self.public_id

    @property
    def is_over(self) -> bool:
        """Whether nothing more is asked of a gateway for it."""
        return self.state not in {*IN_FLIGHT, self.State.PLANNED}

    @property
    def is_by_hand(self) -> bool:
        """Whether a person saw the money, so that no gateway can send it back."""
        return self.source == self.Source.HAND

    @property
    def through(self) -> str:
        """Where it comes from, for people; empty while no gateway has been asked."""
        return self.get_source_display() if self.is_by_hand else self.gateway


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
                condition=pgtrigger.Q(new__state="settled"),
                func=SETTLES_NO_MORE_THAN_IT_HAS,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment_id} → {self.invoice_id}: {self.amount_minor}"


class Refund(Stateful):
    """Money to pay back, of one payment.

    What came through a gateway goes back through it: it is booked from the start, and taken back
    where it fails. What did not is owed until a person has paid it and says so, and booked then. A
    *return* is money that went back by itself, as when a bank takes a payment back.
    """

    class State(models.TextChoices):
        OWED = "owed", "to be paid by hand"
        CREATED = "created", "waits to be sent"
        UNKNOWN = "unknown", "sent, no answer yet"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    STATE_FIELD = "state"
    LIFECYCLE = REFUND_LIFECYCLE

    public_id = PublicIdField(prefix="ref")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    amount_minor = models.BigIntegerField()
    refunded_on = models.DateField()
    reason = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=9, choices=State, default=State.OWED, db_default="owed")
    is_return = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The money has gone back already: nobody sends or pays anything.",
    )
    to_account = models.CharField(
        max_length=60,
        blank=True,
        default="",
        db_default="",
        help_text="The customer's account, where it is to be paid by hand and known.",
    )
    paid_on = models.DateField(null=True, blank=True, help_text="When a person has paid it.")
    paid_by = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="Who said so."
    )
    reference = models.CharField(
        max_length=80,
        blank=True,
        default="",
        db_default="",
        help_text="The bank's, of the payment.",
    )
    gateway_id = models.CharField(max_length=80, null=True, blank=True, unique=True)
    gateway_key = models.CharField(
        max_length=80,
        null=True,
        blank=True,
        unique=True,
        help_text="Idempotency key, by which the gateway knows it.",
    )
    failure_code = models.CharField(max_length=60, blank=True, default="", db_default="")
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    submitted_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)
    attention = models.CharField(max_length=300, blank=True, default="", db_default="")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_is_positive"),
            models.CheckConstraint(
                condition=~Q(state="succeeded")
                | Q(gateway_id__isnull=False)
                | (Q(paid_on__isnull=False) & ~Q(paid_by="")),
                name="refund_by_hand_was_paid_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="owed"), name="refund_is_owed"),
            models.Index(
                fields=["next_check_at"],
                condition=Q(state__in=["created", "unknown"]),
                name="refund_in_flight",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="refund_is_never_edited",
                fields=[
                    "public_id",
                    "payment",
                    "invoice",
                    "amount_minor",
                    "refunded_on",
                    "reason",
                    "is_return",
                    "recorded_at",
                ],
            ),
            pgtrigger.Protect(name="refund_is_never_deleted", operation=pgtrigger.Delete),
            follows("refund_state_follows_its_lifecycle", "state", REFUND_LIFECYCLE),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def customer(self) -> Customer:
        return self.payment.customer

    @property
    def seller(self) -> Seller:
        return self.payment.seller


class CheckoutSession(Stateful):
    """A page of the gateway's where a customer leaves a card, or pays an invoice at once.

    While one to pay is open its payment is in flight: it is expired at the gateway before
    anything else may collect the invoice, and what is planned for it waits.
    """

    class Kind(models.TextChoices):
        SETUP = "setup", "leaves a card"
        PAYMENT = "payment", "pays an invoice"

    class Status(models.TextChoices):
        CREATING = "creating"
        OPEN = "open"
        COMPLETE = "complete"
        EXPIRED = "expired"

    LIFECYCLE = SESSION_LIFECYCLE

    public_id = PublicIdField(prefix="cs")
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="checkout_sessions"
    )
    kind = models.CharField(max_length=7, choices=Kind)
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="session"
    )
    gateway = models.CharField(max_length=40)
    gateway_id = models.CharField(max_length=80, null=True, blank=True)
    url = models.URLField(max_length=2000, blank=True, default="")
    return_url = models.URLField(max_length=2000)
    status = models.CharField(max_length=8, choices=Status, default=Status.CREATING)
    failure = models.CharField(
        max_length=300,
        blank=True,
        default="",
        help_text="Why it was closed; while it is open, why the last card was refused.",
    )
    next_check_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "gateway_id"],
                condition=Q(gateway_id__isnull=False),
                name="checkout_session_is_kept_once",
            ),
            models.CheckConstraint(
                condition=Q(kind="payment", payment__isnull=False)
                | Q(kind="setup", payment__isnull=True),
                name="only_a_session_to_pay_has_a_payment",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"],
                condition=Q(status__in=["creating", "open"]),
                name="checkout_session_is_open",
            )
        ]
        triggers = [
            follows("session_status_follows_its_lifecycle", "status", SESSION_LIFECYCLE),
            # What was billed before may still be paid; a card is left for what is to come.
            OfNoMergedCustomer(
                name="page_to_leave_a_card_is_of_no_merged_customer",
                condition=pgtrigger.Q(new__kind="setup"),
            ),
            sandbox_is_for_tests("sandbox_session_is_of_a_test_seller"),
        ]

    def __str__(self) -> str:
        return self.public_id
