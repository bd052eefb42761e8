import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.events.triggers import ReferencesExist
from catalog.models import AmountField
from customers.models import CurrencyField, Customer, Seller


class Account(models.Model):
    """An account of a seller's books: ``role`` is what Kvitt books to, ``number`` the chart's."""

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

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["seller", "role", "number"], name="account_is_unique_in_its_role"
            )
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
