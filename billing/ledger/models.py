import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.base.triggers import ReferencesExist
from catalog.models import AmountField
from customers.models import CurrencyField, Customer, Seller


class Account(models.Model):
    """An account of a seller's books: ``role`` is what Kvitt books to, ``number`` the chart's.

    There is one of each role, but any number for revenue (by the number that prices name), and for
    VAT one for each country and rate that has its own.
    """

    class Role(models.TextChoices):
        RECEIVABLE = "receivable"
        DEFERRED_REVENUE = "deferred_revenue"
        REVENUE = "revenue"
        VAT = "vat"
        CLEARING = "clearing"
        CUSTOMER_BALANCE = "customer_balance"
        BAD_DEBT = "bad_debt"
        ROUNDING = "rounding"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="accounts")
    role = models.CharField(max_length=20, choices=Role)
    number = models.CharField(max_length=20)
    name = models.CharField(max_length=100)
    country = models.CharField(
        max_length=2,
        blank=True,
        default="",
        db_default="",
        help_text="Of a VAT account: the country whose VAT it is for; empty: the seller's own.",
    )
    percent = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Of a VAT account: the rate that it is for; empty: every other.",
    )
    recognized_until = models.DateField(
        null=True,
        editable=False,
        help_text="Of deferred revenue: what the months before this day have earned is posted.",
    )

    class Meta:
        ordering = ["number"]
        constraints = [
            # Or nobody could say which of two it is that everything is booked on.
            models.UniqueConstraint(
                fields=["seller", "role", "country", "percent"],
                condition=~Q(role="revenue"),
                nulls_distinct=False,
                name="one_account_of_a_role",
                violation_error_message="There is an account for this already. Of VAT there may be "
                "one for each country and rate, of all else only one.",
            ),
            models.CheckConstraint(
                condition=Q(role="vat") | Q(country="", percent__isnull=True),
                name="only_vat_is_by_country_and_rate",
                violation_error_message="Only VAT accounts are for a country or a rate.",
            ),
            models.UniqueConstraint(
                fields=["seller", "role", "number"], name="account_is_unique_in_its_role"
            ),
        ]

        triggers = [pgtrigger.Protect(name="account_is_never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class Transfer(models.Model):
    """One debit, one credit, one positive amount: the books balance by shape.

    ``document`` names the row that the transfer was written with, by kind and id and not by
    foreign key, since documents come after the ledger in the order of the house.
    """

    class Document(models.TextChoices):
        INVOICE = "invoice"
        PAYMENT = "payment"
        REFUND = "refund"
        BALANCE = "balance"
        RECOGNITION = "recognition"
        LOSS = "loss"
        ROUNDING = "rounding"

    seller = models.ForeignKey(
        Seller, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    debit_account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="debits",
        db_index=False,
        db_constraint=False,
    )
    credit_account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="credits",
        db_index=False,
        db_constraint=False,
    )
    currency = CurrencyField()
    amount_minor = models.BigIntegerField()
    book_amount_minor = models.BigIntegerField(
        null=True, help_text="In the seller's book currency; empty while no rate is known."
    )
    book_rate = AmountField(null=True, help_text="Book currency for one unit of the currency.")
    effective_on = models.DateField()
    document = models.CharField(max_length=12, choices=Document)
    document_id = models.BigIntegerField(db_index=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="transfer_is_positive"),
            models.CheckConstraint(
                condition=~Q(debit_account=models.F("credit_account")),
                name="transfer_is_between_two_accounts",
            ),
        ]
        indexes = [
            # A few a month, among all that bills and payments write.
            models.Index(
                fields=["debit_account", "credit_account"],
                condition=Q(document="recognition"),
                name="transfer_of_recognition",
            ),
        ]
        triggers = [
            ReferencesExist(name="transfer_refers_to_rows_that_exist"),
            pgtrigger.Protect(
                name="transfer_is_append_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
            ),
            pgtrigger.Trigger(
                name="transfers_are_never_truncated",
                when=pgtrigger.Before,
                operation=pgtrigger.Truncate,
                level=pgtrigger.Statement,
                func="RAISE EXCEPTION 'transfers are append-only';",
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.amount_minor} {self.currency} {self.debit_account_id}→{self.credit_account_id}"
        )
