from datetime import date
from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.base.public_ids import PublicIdField
from billing.base.stateful import Stateful
from billing.base.triggers import FrozenOnce, NotDatedAhead, ReferencesExist
from billing.engine.money import major_string
from billing.invoicing import coverage, number_series, order_guards  # noqa: F401  Two have tables.
from billing.invoicing.merged_guards import INVOICE_IS_OF_NO_MERGED_CUSTOMER
from billing.ledger.models import Transfer
from billing.subscriptions.models import Subscription
from billing.usage.models import UNIT_MAX
from catalog.models import REVENUE_ACCOUNT, AmountField, Price
from customers.models import LANGUAGES, BuyerReferenceField, CurrencyField, Customer, Seller
from customers.triggers import OfNoMergedCustomer, StaysWithItsPerson

DOCUMENT_LIFECYCLE = {
    "draft": frozenset({"open", "paid"}),
    "open": frozenset({"paid", "void", "uncollectible"}),
    "paid": frozenset({"open"}),
    "uncollectible": frozenset({"open", "paid"}),
    "void": frozenset(),
    "issued": frozenset(),
}

# What may still change of a document that is only ordered: it gets its number and its day once it
# is paid, and its buyer corrects a misspelt name.
WRITTEN_AS_NUMBERED = ["number", "sequence", "reference", "issued_on", "due_on"]
WRITTEN_UNTIL_NUMBERED = [*WRITTEN_AS_NUMBERED, "bill_to"]


class Letterhead(models.Model):
    """The seller as it stood on documents; a new row when anything on it changes."""

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="letterheads")
    digest = models.CharField(max_length=64)
    content = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller", "digest"], name="letterhead_is_kept_once")
        ]
        triggers = [
            pgtrigger.Protect(
                name="letterhead_is_never_edited", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return self.digest[:12]


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def open(self) -> "InvoiceQuerySet":
        """Invoices, and no credit notes, on which something may be left to pay."""
        return self.filter(kind=Invoice.Kind.INVOICE, status=Invoice.Status.OPEN)

    def overdue(self, on: date) -> "InvoiceQuerySet":
        """Those of them whose due date has passed on a day."""
        return self.open().filter(due_on__lt=on)


class Invoice(Stateful):
    """A finalized document: an invoice, or a credit note that gives money back.

    All amounts are in the currency's smallest unit and none is negative on the document: what a
    credit note's lines say is what the customer gets. ``total = net + tax + rounding``;
    ``amount_due = total − credit_applied`` is what was to pay on the day of issue; ``paid`` and
    ``credited`` grow afterwards, and what is left is :attr:`left_minor`. ``credited`` is
    what credit notes took off and what the customer's balance paid later, ``from_balance``.
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice", "invoice"
        CREDIT_NOTE = "credit_note", "credit note"

    class Status(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAID = "paid"
        VOID = "void"
        UNCOLLECTIBLE = "uncollectible"
        ISSUED = "issued"

    class CreditTo(models.TextChoices):
        NONE = "", "–"
        BALANCE = "balance", "the customer's balance"
        REFUND = "refund", "a refund"

    LIFECYCLE = DOCUMENT_LIFECYCLE

    public_id = PublicIdField(prefix="inv")
    seller = models.ForeignKey(
        Seller,
        on_delete=models.PROTECT,
        related_name="documents",
        db_index=False,
        db_constraint=False,
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="documents", db_constraint=False
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        related_name="documents",
        db_index=False,
        db_constraint=False,
    )
    kind = models.CharField(max_length=11, choices=Kind, default=Kind.INVOICE)
    status = models.CharField(max_length=13, choices=Status, default=Status.DRAFT)
    number = models.CharField(max_length=40, null=True)
    sequence = models.PositiveBigIntegerField(null=True, help_text="The number in its series.")
    currency = CurrencyField()
    language = models.CharField(max_length=5, choices=LANGUAGES, default="en")
    issued_on = models.DateField()
    due_on = models.DateField()
    letterhead = models.ForeignKey(
        Letterhead,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    bill_to = models.JSONField(help_text="The customer as it stood on the day of issue.")
    reference = models.CharField(
        max_length=25, blank=True, default="", help_text="OCR reference: digits, the last by Luhn."
    )
    subtotal_minor = models.BigIntegerField()
    discount_minor = models.BigIntegerField(default=0)
    net_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField(default=0)
    rounding_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField()
    credit_applied_minor = models.BigIntegerField(default=0)
    amount_due_minor = models.BigIntegerField()
    paid_minor = models.BigIntegerField(default=0, db_default=0)
    credited_minor = models.BigIntegerField(default=0, db_default=0)
    from_balance_minor = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="What the customer's balance has paid since the day of issue.",
    )
    rounded_off_minor = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="A difference so small that it was closed as rounding when the money came.",
    )
    credit_to = models.CharField(max_length=7, choices=CreditTo, blank=True, default="")
    closed_on = models.DateField(null=True, blank=True)
    reason = models.TextField(blank=True, default="", help_text="Why it was voided or written off.")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        verbose_name = "invoice"
        permissions = [
            ("void_invoice", "Can void an invoice"),
            ("write_off_invoice", "Can write off an invoice"),
        ]
        constraints = [
            # By number first, for whoever knows a number and not whose it is.
            models.UniqueConstraint(fields=["number", "seller"], name="document_number_is_unique"),
            models.CheckConstraint(
                # What is only ordered has none until somebody pays for it.
                condition=Q(
                    sequence__isnull=True,
                    number__isnull=True,
                    reference="",
                    paid_minor=0,
                    credited_minor=0,
                )
                | (~Q(status="draft") & Q(sequence__isnull=False, number__isnull=False)),
                name="issued_document_has_a_number",
            ),
            models.CheckConstraint(
                condition=Q(total_minor=F("net_minor") + F("tax_minor") + F("rounding_minor")),
                name="document_total_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(amount_due_minor=F("total_minor") - F("credit_applied_minor")),
                name="document_amount_due_adds_up",
            ),
            models.CheckConstraint(condition=Q(total_minor__gte=0), name="document_not_negative"),
            models.CheckConstraint(
                condition=Q(credit_applied_minor__gte=0, paid_minor__gte=0, credited_minor__gte=0)
                & Q(amount_due_minor__gte=F("paid_minor") + F("credited_minor")),
                name="document_is_not_settled_twice",
            ),
            models.CheckConstraint(
                condition=Q(from_balance_minor__gte=0, rounded_off_minor__gte=0)
                & Q(credited_minor__gte=F("from_balance_minor") + F("rounded_off_minor")),
                name="balance_pays_part_of_what_is_credited",
            ),
        ]
        indexes = [
            models.Index(
                fields=["seller", "due_on", "id"],
                condition=Q(status="open"),
                name="open_invoice_by_day",
            ),
            models.Index(fields=["seller", "kind", "sequence"], name="document_by_series"),
            models.Index(
                fields=["reference"], condition=~Q(reference=""), name="invoice_by_reference"
            ),
            # For who knows the amount alone: the newest of each.
            models.Index(fields=["total_minor", "id"], name="document_by_amount"),
            # Few are, and whoever looks for them must not walk over all that are not.
            models.Index(fields=["id"], condition=Q(kind="credit_note"), name="credit_note_by_id"),
            models.Index(
                fields=["status", "id"],
                condition=Q(status__in=["draft", "void", "uncollectible", "issued"]),
                name="document_of_a_rare_status",
            ),
            models.Index(
                fields=["customer"],
                condition=Q(sequence=None, status="open", credit_applied_minor__gt=0),
                name="order_that_keeps_a_balance",
            ),
        ]
        triggers = [
            ReferencesExist(name="document_refers_to_rows_that_exist"),
            INVOICE_IS_OF_NO_MERGED_CUSTOMER,
            NotDatedAhead(
                name="live_document_is_not_dated_ahead",
                day="issued_on",
                operation=pgtrigger.Insert,
                level=pgtrigger.Statement,
                referencing=pgtrigger.Referencing(new="added"),
            ),
            NotDatedAhead(
                name="live_order_is_not_dated_ahead",
                day="issued_on",
                operation=pgtrigger.UpdateOf("issued_on"),
            ),
            order_guards.ORDERED_IS_NOT_BOOKED,
            order_guards.NUMBERED_IS_BOOKED,
            FrozenOnce(
                name="issued_document_is_never_edited",
                exclude=[
                    "status",
                    "paid_minor",
                    "credited_minor",
                    "from_balance_minor",
                    "rounded_off_minor",
                    "closed_on",
                    "reason",
                    *WRITTEN_UNTIL_NUMBERED,
                ],
                once=~pgtrigger.Q(old__status="draft"),
            ),
            FrozenOnce(
                name="numbered_document_is_never_edited",
                fields=WRITTEN_UNTIL_NUMBERED,
                once=pgtrigger.Q(old__sequence__isnull=False),
            ),
            pgtrigger.Protect(name="document_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.FSM(
                name="document_status_follows_its_lifecycle",
                field="status",
                transitions=[
                    (old, new) for old, news in DOCUMENT_LIFECYCLE.items() for new in sorted(news)
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.number or self.public_id

    @property
    def buyer_reference(self) -> str:
        """The buyer's own, as it is printed on the document; empty where it bears none."""
        return str(self.bill_to.get("buyer_reference", ""))

    @property
    def left_minor(self) -> int:
        """What is left of it, in minor units: of what was written off too, of a void one nothing.

        Of a credit note, what it gives.
        """
        if self.status == self.Status.VOID:
            return 0
        return self.amount_due_minor - self.paid_minor - self.credited_minor

    @property
    def is_collectable(self) -> bool:
        """Whether what is left of it is asked for."""
        return self.status == self.Status.OPEN and self.left_minor > 0

    @property
    def may_be_paid(self) -> bool:
        """Whether money that comes may pay what is left of it, which may have been written off."""
        is_owed = self.status in (self.Status.OPEN, self.Status.UNCOLLECTIBLE)
        return is_owed and self.left_minor > 0

    @property
    def by_notes_minor(self) -> int:
        """What credit notes have taken off, in minor units, without balance and rounding."""
        return self.credited_minor - self.from_balance_minor - self.rounded_off_minor

    @property
    def is_only_credited(self) -> bool:
        """Whether credit notes alone have taken something off it, and no money of the customer."""
        return bool(self.credited_minor) and not (self.paid_minor or self.from_balance_minor)


class CreditNoteManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(kind=Invoice.Kind.CREDIT_NOTE)


class CreditNote(Invoice):
    """The documents that give money back."""

    # Its own rows alone, without the questions that are asked of invoices.
    objects: ClassVar = CreditNoteManager()  # type: ignore[assignment]

    class Meta:
        proxy = True


class InvoiceLine(models.Model):
    """A line of a document, with the reason for its amount.

    ``amount`` is before discount and tax (with the tax in it where the price includes it),
    ``net`` after discount and without tax. ``days`` of ``of_days`` is the part of the grid period
    that the line pays for; ``tiers`` how a tiered amount came about.
    """

    class Kind(models.TextChoices):
        RECURRING = "recurring"
        USAGE = "usage"
        MINIMUM = "minimum"
        ONE_OFF = "one_off"
        CREDIT = "credit"
        DISCOUNT = "discount"
        ROUNDING = "rounding"

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="lines", db_constraint=False
    )
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=9, choices=Kind)
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    price = models.ForeignKey(
        Price,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    description = models.CharField(max_length=500)
    starts_on = models.DateField(null=True)
    ends_on = models.DateField(null=True)
    quantity = AmountField(null=True)
    unit = models.CharField(
        max_length=UNIT_MAX,
        blank=True,
        default="",
        db_default="",
        help_text="Of the quantity, such as kg, as its meter had it on the day of issue.",
    )
    unit_amount = AmountField(null=True, help_text="In major units.")
    amount_minor = models.BigIntegerField()
    discount_minor = models.BigIntegerField(default=0)
    net_minor = models.BigIntegerField()
    tax = models.JSONField(
        default=list, help_text="Rates: [{category, rate, inclusive, name}], as resolved at issue."
    )
    revenue_account = models.CharField(max_length=20, blank=True, default="")
    days = models.PositiveIntegerField(null=True)
    of_days = models.PositiveIntegerField(null=True)
    tiers = models.JSONField(null=True)
    corrects = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="corrected_by", db_index=False
    )

    class Meta:
        ordering = ["invoice", "position"]
        indexes = [
            models.Index(
                fields=["corrects"],
                condition=Q(corrects__isnull=False),
                name="line_corrects_another",
            )
        ]
        triggers = [
            ReferencesExist(name="line_refers_to_rows_that_exist", promised=["invoice"]),
            pgtrigger.Protect(
                name="issued_line_is_never_edited", operation=pgtrigger.Update | pgtrigger.Delete
            ),
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def charged_kind(self) -> str:
        """What was charged by it or, where it corrects another line, by that one."""
        return self.corrects.kind if self.corrects else self.kind


class InvoiceTax(models.Model):
    """One VAT group of a document: net and tax at one rate of one category (EN 16931 BG-23)."""

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="taxes", db_constraint=False
    )
    category = models.CharField(max_length=20)
    percent = models.DecimalField(max_digits=7, decimal_places=4)
    is_inclusive = models.BooleanField(default=False)
    name = models.CharField(max_length=100, blank=True, default="")
    net_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()

    class Meta:
        verbose_name = "VAT group"
        triggers = [
            ReferencesExist(name="tax_refers_to_rows_that_exist", promised=["invoice"]),
            pgtrigger.Protect(
                name="issued_tax_is_never_edited", operation=pgtrigger.Update | pgtrigger.Delete
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.percent.normalize():f} %"


class OneOffItem(models.Model):
    """Something to bill once, or to take off, on the next document from ``due_on``.

    With ``reverses`` it takes back what that line gave back of an invoice that is void.
    """

    public_id = PublicIdField(prefix="item")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="one_off_items")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="one_off_items")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="one_off_items"
    )
    currency = CurrencyField()
    amount_minor = models.BigIntegerField(help_text="May be negative.")
    description = models.CharField(max_length=500)
    tax = models.JSONField(null=True, blank=True, help_text="As on the seller, for this item.")
    revenue_account = models.CharField(
        max_length=20, default=REVENUE_ACCOUNT, db_default=REVENUE_ACCOUNT
    )
    buyer_reference = BuyerReferenceField(
        help_text="On the document that it is on, in place of the subscription's or customer's.",
    )
    due_on = models.DateField()
    waits = models.BooleanField(
        "with the next bill",
        default=False,
        db_default=False,
        help_text="Waits for a regular bill, as long as one is to come.",
    )
    line = models.OneToOneField(
        InvoiceLine, on_delete=models.PROTECT, null=True, blank=True, related_name="one_off_item"
    )
    reverses = models.OneToOneField(
        InvoiceLine,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="taken_back_by",
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["seller", "due_on"],
                include=["customer"],
                condition=Q(line__isnull=True),
                name="one_off_item_is_due",
            ),
            models.Index(
                fields=["customer"], condition=Q(line__isnull=True), name="one_off_item_waits"
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(amount_minor=0), name="one_off_item_is_not_zero")
        ]
        triggers = [
            OfNoMergedCustomer(name="one_off_item_is_of_no_merged_customer"),
            StaysWithItsPerson(name="one_off_item_stays_with_its_customer"),
            FrozenOnce(
                name="billed_one_off_item_is_never_edited",
                exclude=["line"],
                once=pgtrigger.Q(old__line__isnull=False),
            ),
            pgtrigger.Protect(
                name="billed_one_off_item_is_never_deleted",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__line__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def is_held_back(self) -> bool:
        """Whether it waits for a regular bill that is to come, as the drafting has asked."""
        return self.waits and getattr(self, "has_bill_to_come", False)


class CustomerBalance(models.Model):
    """Money that a customer has with us in one currency: the sum of its entries.

    Of it so much is kept for orders that wait as their documents say that the balance pays.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="balances")
    currency = CurrencyField()
    balance_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "currency"], name="customer_has_one_balance_in_a_currency"
            ),
            models.CheckConstraint(
                condition=Q(balance_minor__gte=0), name="customer_balance_is_not_negative"
            ),
        ]
        triggers = [
            order_guards.BALANCE_HAS_WHAT_IS_KEPT,
        ]

    def __str__(self) -> str:
        return f"{self.customer}: {major_string(self.balance_minor, self.currency)} {self.currency}"


class BalanceEntry(models.Model):
    """One change of a customer's balance, and the document that made it."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="balance_entries")
    currency = CurrencyField()
    amount_minor = models.BigIntegerField(help_text="Positive: the customer has more with us.")
    description = models.CharField(max_length=200, blank=True, default="")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, related_name="balance_entries"
    )
    effective_on = models.DateField()
    takes_back = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, editable=False, related_name="taken_back_by"
    )
    merged_with = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        db_index=False,
        related_name="+",
        help_text="Where two customers were merged: the other one of them.",
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "balance entries"
        triggers = [
            OfNoMergedCustomer(name="balance_entry_is_of_no_merged_customer"),
            pgtrigger.Protect(
                name="balance_entry_is_append_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
            ),
            order_guards.ORDERED_MOVES_NO_BALANCE,
        ]

    def __str__(self) -> str:
        return f"{major_string(self.amount_minor, self.currency)} {self.currency}"

    @property
    def seller(self) -> Seller:
        return self.customer.seller

    @property
    def is_gift(self) -> bool:
        """Whether a person has given it, rather than a document or a payment brought it."""
        booked = Transfer.objects.filter(document=Transfer.Document.BALANCE, document_id=self.pk)
        return self.amount_minor > 0 and self.takes_back_id is None and booked.exists()
