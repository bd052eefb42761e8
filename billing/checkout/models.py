"""Orders.

Their table, permissions and address of the desk are of the app ``payments``, which had them first.
"""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.base.public_ids import PublicIdField
from billing.base.stateful import Stateful
from billing.base.triggers import FrozenOnce, follows
from billing.invoicing.models import Invoice
from billing.payments.models import CheckoutSession
from billing.subscriptions.models import Subscription
from catalog.models import Coupon, Plan
from customers.models import LANGUAGES, CurrencyField, Customer, Seller
from customers.triggers import OfNoMergedCustomer

ORDER_LIFECYCLE = {
    "open": frozenset({"placed", "expired"}),
    "placed": frozenset({"complete", "expired"}),
    "complete": frozenset(),
    "expired": frozenset(),
}

_IS_OF_ONE_SELLER = """
    IF (SELECT seller_id FROM catalog_plan WHERE id = NEW.plan_id) IS DISTINCT FROM NEW.seller_id
       OR (SELECT seller_id <> NEW.seller_id FROM customers_customer WHERE id = NEW.customer_id)
    THEN
        RAISE EXCEPTION 'plan % and customer % are not both of seller %',
            NEW.plan_id, NEW.customer_id, NEW.seller_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""

# What a shop writes in a success_url to be told which order it was.
SESSION_ID = "{CHECKOUT_SESSION_ID}"


class Order(Stateful):
    """What a link to the hosted checkout offers, and what its customer has made of it.

    Open until somebody orders; placed until the first invoice is paid, or a card is left where
    nothing is to be paid yet; then complete. Who does not come that far lets it expire: then
    nothing was sold. Only the hash of the link's token is kept.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        PLACED = "placed"
        COMPLETE = "complete"
        EXPIRED = "expired"

    LIFECYCLE = ORDER_LIFECYCLE

    public_id = PublicIdField(prefix="chk")
    seller = models.ForeignKey(
        Seller, on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="orders")
    currency = CurrencyField()
    quantities = models.JSONField(
        default=dict, blank=True, help_text="{price code: quantity} that differ from the plan's."
    )
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, null=True, blank=True, related_name="orders"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="orders"
    )
    language = models.CharField(max_length=5, choices=LANGUAGES, default="en")
    success_url = models.URLField(max_length=2000, blank=True, default="")
    cancel_url = models.URLField(max_length=2000, blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    expires_at = models.DateTimeField()
    details = models.JSONField(
        default=dict, blank=True, help_text="What the customer wrote of themselves."
    )
    consent = models.JSONField(
        default=dict,
        blank=True,
        help_text="The words agreed to, their language and version, when and from where.",
    )
    subscription = models.OneToOneField(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="order"
    )
    invoice = models.OneToOneField(
        Invoice,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="order",
        help_text="Empty where nothing is to be paid at the start.",
    )
    page = models.ForeignKey(
        CheckoutSession,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The last page for the card that it waits for; one to pay is its invoice's.",
    )
    placed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        app_label = "payments"
        constraints = [
            models.CheckConstraint(
                condition=~Q(status__in=["placed", "complete"])
                | Q(
                    customer__isnull=False,
                    subscription__isnull=False,
                    placed_at__isnull=False,
                ),
                name="placed_order_has_what_was_ordered",
            ),
            models.CheckConstraint(
                condition=Q(placed_at__isnull=True) | ~Q(consent={}),
                name="placed_order_has_its_consent",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "placed"], closed_at__isnull=True)
                | Q(status__in=["complete", "expired"], closed_at__isnull=False),
                name="closed_order_has_its_instant",
            ),
        ]
        indexes = [
            models.Index(
                fields=["seller", "expires_at"],
                condition=Q(status__in=["open", "placed"]),
                name="order_may_expire",
            )
        ]
        triggers = [
            follows("order_status_follows_its_lifecycle", "status", ORDER_LIFECYCLE),
            pgtrigger.Trigger(
                name="order_is_of_one_seller",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert
                | pgtrigger.UpdateOf("seller_id", "plan_id", "customer_id"),
                func=_IS_OF_ONE_SELLER,
            ),
            OfNoMergedCustomer(name="order_is_of_no_merged_customer"),
            pgtrigger.ReadOnly(
                name="offer_is_never_edited",
                fields=[
                    "public_id",
                    "seller",
                    "plan",
                    "currency",
                    "language",
                    "success_url",
                    "cancel_url",
                    "token_hash",
                ],
            ),
            FrozenOnce(
                name="placed_order_is_never_edited",
                exclude=["status", "expires_at", "page", "closed_at"],
                once=~pgtrigger.Q(old__status="open"),
            ),
            pgtrigger.Protect(name="order_is_never_deleted", operation=pgtrigger.Delete),
        ]

    @property
    def success_address(self) -> str:
        """Where the shop's button leads, with this order's id where the shop asks for it."""
        return self.success_url.replace(SESSION_ID, self.public_id)

    def __str__(self) -> str:
        return self.public_id
