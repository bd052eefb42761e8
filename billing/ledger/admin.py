from django.contrib import admin
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)

from billing.desk.columns import link_column, money_column
from billing.desk.figures import link, money
from billing.desk.model_admin import BigReadOnly, Desk
from billing.desk.panels import Panel
from billing.ledger.models import Account, Transfer
from catalog.admin import ProductAdmin
from catalog.models import REVENUE_ACCOUNT, Product

TRANSFER_COLUMNS = {
    "On": lambda transfer: transfer.effective_on,
    "Debit": lambda transfer: link(transfer.debit_account),
    "Credit": lambda transfer: link(transfer.credit_account),
    "Amount": lambda transfer: money(transfer.amount_minor, transfer.currency),
}


def transfers_of(*documents: str) -> Panel:
    """What a row was booked as, by the kinds of its postings."""
    return Panel(
        "Booked as",
        rows=lambda obj: (
            Transfer.objects.filter(document__in=documents, document_id=obj.pk)
            .select_related("debit_account", "credit_account")
            .order_by("id")
        ),
        columns=TRANSFER_COLUMNS,
        rows_max=50,
        when_empty="Nothing is booked on it.",
    )


def _revenue_accounts(product: Product) -> list[str]:
    """What a seller's revenue can be booked on: its accounts, and those that open on first use."""
    opened = Account.objects.filter(seller=product.seller_id, role=Account.Role.REVENUE)
    used = Product.objects.filter(seller=product.seller_id).exclude(pk=product.pk)
    return [
        REVENUE_ACCOUNT,
        *opened.values_list("number", flat=True),
        *used.values_list("revenue_account", flat=True),
    ]


ProductAdmin.extend(codes={"revenue_account": _revenue_accounts})


@admin.register(Account)
class AccountAdmin(Desk):
    # The number stands in closed books: what was booked on it must not move to another one.
    fixed_fields = ("seller", "role", "number", "country", "percent")
    list_display = ("number", "name", "role", "country", "percent", "seller_link")
    list_filter = (("seller", RelatedDropdownFilter), ("role", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    search_fields = ("number__istartswith", "name")
    autocomplete_fields = ("seller",)
    fields = (("number", "name"), ("role", "seller"), ("country", "percent"))

    seller_link = link_column("seller", ordering="seller__name")

    def has_delete_permission(self, request, obj=None) -> bool:
        # To know whether nothing was ever booked on it, all transfers would have to be read.
        return False


@admin.register(Transfer)
class TransferAdmin(BigReadOnly):
    list_display = (
        "id",
        "effective_on",
        "debit_account",
        "credit_account",
        "amount",
        "customer_link",
        "document",
    )
    list_filter = (
        ("seller", RelatedDropdownFilter),
        ("document", ChoicesDropdownFilter),
        ("effective_on", RangeDateFilter),
    )
    list_select_related = ("debit_account", "credit_account", "customer")
    search_fields = ("document_id__exact", "customer__public_id__exact")
    search_help_text = pgettext_lazy(
        "desk", "The id of a document, or the public id of a customer."
    )
    fields = (
        ("seller", "customer"),
        ("debit_account", "credit_account"),
        ("amount", "book_amount"),
        ("effective_on", "recorded_at"),
        ("document", "document_id"),
    )
    readonly_fields = ("amount", "book_amount", "recorded_at")

    amount = money_column("amount_minor")
    book_amount = money_column("book_amount_minor", "in book currency", "seller.currency")
    customer_link = link_column("customer", ordering="customer__name")
