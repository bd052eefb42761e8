from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.http import content_disposition_header
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from billing.desk.columns import label_column, link_column, money_column, plain_column
from billing.desk.facts import facts_of
from billing.desk.figures import as_pages_write, link, money
from billing.desk.model_admin import BigReadOnly, Desk, button
from billing.desk.panels import Panel
from billing.engine.errors import BillingError
from billing.invoicing.models import (
    BalanceEntry,
    CreditNote,
    CustomerBalance,
    Invoice,
    InvoiceLine,
    OneOffItem,
)
from billing.invoicing.number_series import NumberSeries
from billing.invoicing.owed import IS_LEFT_BEHIND, IS_OWED
from billing.invoicing.page_actions import (
    AddOneOff,
    BillNow,
    BillSubscription,
    Credit,
    GiveCredit,
    RemoveOneOff,
    TakeBackCredit,
    TryAgain,
    Void,
    WriteOff,
)
from billing.invoicing.panels import (
    BALANCE_OF_DOCUMENT,
    BALANCES,
    CORRECTIONS,
    DOCUMENTS_OF_CUSTOMER,
    DOCUMENTS_OF_SUBSCRIPTION,
    LINES,
    TAXES,
    WAITING,
    document_link,
    to_pay,
)
from billing.invoicing.remedies import free_once_rate_is_set, free_once_tax_is_stated, remedies
from billing.ledger.admin import transfers_of
from billing.subscriptions.admin import SubscriptionAdmin
from billing.tax.admin import TaxRateAdmin
from customers.admin import CustomerAdmin, SellerAdmin
from customers.calendar import by_today, on_today, with_today

STATUS_COLORS = {
    "draft": "",
    "open": "warning",
    "paid": "success",
    "void": "",
    "uncollectible": "danger",
    "issued": "info",
}

CustomerAdmin.extend(
    panels=[DOCUMENTS_OF_CUSTOMER, BALANCES, WAITING],
    page_actions=[AddOneOff(), GiveCredit(), BillNow()],
    followed_by=[free_once_tax_is_stated],
)
SellerAdmin.extend(followed_by=[free_once_tax_is_stated])
TaxRateAdmin.extend(followed_by=[free_once_rate_is_set])
SubscriptionAdmin.remedies = staticmethod(remedies)
SubscriptionAdmin.extend(
    panels=[DOCUMENTS_OF_SUBSCRIPTION, WAITING], page_actions=[TryAgain(), BillSubscription()]
)


class WorkFilter(DropdownFilter):
    title = pgettext_lazy("desk", "work")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("open", pgettext("desk", "Open")),
            ("due", pgettext("desk", "Due today")),
            ("overdue", pgettext("desk", "Overdue")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "open":
            return queryset.filter(IS_OWED)
        if self.value() == "due":
            return with_today(queryset).filter(on_today("due_on"), IS_OWED)
        if self.value() == "overdue":
            return with_today(queryset).filter(by_today("due_on", before=True), IS_OWED)
        return queryset


class PrintedAdmin(BigReadOnly):
    """Pages of what has a sheet of paper, with a button that shows it."""

    def print_pdf(self, obj: Any) -> bytes:
        raise NotImplementedError

    def has_pdf(self, obj: Any) -> bool:
        return True

    def get_urls(self) -> list[URLPattern]:
        pdf = path(
            "<path:object_id>/pdf/",
            self.admin_site.admin_view(self.pdf_view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_pdf",
        )
        return [pdf, *super().get_urls()]

    def first_buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        if not self.has_pdf(obj):
            return []
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_pdf", args=[obj.pk])
        return [button("PDF", "picture_as_pdf", url)]

    def pdf_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The sheet; where it cannot be printed, the object's page with the reason."""
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        try:
            pdf = self.print_pdf(obj)
        except BillingError as failed:
            self.message_user(request, as_pages_write(failed.message), messages.ERROR)
            back = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return redirect(back, object_id)
        answer = HttpResponse(pdf, content_type="application/pdf")
        disposition = content_disposition_header(as_attachment=False, filename=f"{obj}.pdf")
        answer.headers["Content-Disposition"] = str(disposition)
        return answer


class DocumentAdmin(PrintedAdmin):
    """What invoices and credit notes have in common."""

    kept_sentences = ("reason",)
    kind: str
    list_select_related = ("customer",)
    search_fields = (
        "number__iexact",
        "public_id__iexact",
        "reference__exact",
        "total_minor__amount",
        "customer__typed",
        "customer__external_id__iexact",
        "customer__public_id__iexact",
    )
    readonly_fields = (
        "public_id",
        "buyer_reference",
        "subtotal",
        "discount",
        "net",
        "tax",
        "rounding",
        "total",
        "credit_applied",
        "amount_due",
        "paid",
        "credited",
        "from_balance",
        "rounded_off",
        "to_pay",
        "recorded_at",
        "seller_then",
    )
    panels = (
        LINES,
        TAXES,
        CORRECTIONS,
        BALANCE_OF_DOCUMENT,
        transfers_of("invoice", "loss", "rounding"),
    )

    state = label_column("status", STATUS_COLORS)
    customer_link = link_column("customer", ordering="customer__name")
    subtotal = money_column("subtotal_minor")
    discount = money_column("discount_minor")
    net = money_column("net_minor")
    tax = money_column("tax_minor")
    rounding = money_column("rounding_minor")
    total = money_column("total_minor")
    credit_applied = money_column("credit_applied_minor", "paid from balance")
    amount_due = money_column("amount_due_minor")
    paid = money_column("paid_minor")
    credited = money_column("by_notes_minor", "credited")
    from_balance = money_column("from_balance_minor", "paid from balance, later")
    rounded_off = money_column("rounded_off_minor", "rounded off")

    @display(description="seller")
    def seller_then(self, document: Invoice) -> str:
        """The seller as it stood on the document."""
        return facts_of(document.letterhead.content)

    @display(description="to pay", formatting="price")
    def to_pay(self, document: Invoice) -> str:
        return to_pay(document)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        found = super().get_queryset(request).filter(kind=self.kind)
        asked = request.resolver_match
        if asked is not None and asked.url_name == f"{self._url_name}_changelist":
            # What is only ordered, or was never paid, has its page by way of its order alone.
            found = found.filter(sequence__isnull=False)
        named = found.select_related("subscription__customer", "subscription__plan")
        return named.select_related("customer", "seller")

    def print_pdf(self, obj: Any) -> bytes:
        from billing.invoicing.pdf import render_invoice

        return render_invoice(obj)


@admin.register(Invoice)
class InvoiceAdmin(DocumentAdmin):
    kind = Invoice.Kind.INVOICE
    list_display = ("number", "customer_link", "state", "issued_on", "due_on", "total", "to_pay")
    list_filter = (
        WorkFilter,
        ("status", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("issued_on", RangeDateFilter),
        ("due_on", RangeDateFilter),
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("customer", "status"),
                    ("issued_on", "due_on"),
                    ("reference", "subscription"),
                    ("buyer_reference", "public_id"),
                    "recorded_at",
                )
            },
        ),
        (
            "Amounts",
            {
                "fields": (
                    ("subtotal", "discount"),
                    ("net", "tax"),
                    ("rounding", "total"),
                    ("credit_applied", "amount_due"),
                    ("paid", "from_balance"),
                    ("credited", "rounded_off"),
                    "to_pay",
                )
            },
        ),
        (
            "As it was sent",
            {"fields": ("language", "bill_to", "seller_then"), "classes": ("collapse",)},
        ),
        ("Closed", {"fields": ("closed_on", "reason")}),
    )
    page_actions = (Credit(), Void(), WriteOff())

    def get_ordering(self, request: HttpRequest) -> Any:
        """What is late the longest stands first, and is found by the index of open invoices."""
        if request.GET.get(WorkFilter.parameter_name) == "overdue":
            return ("seller_id", "due_on", "id")
        return super().get_ordering(request)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of them; how it was closed stands last, where it was."""
        fieldsets = super().get_fieldsets(request, obj)
        is_closed = obj is not None and (obj.closed_on or obj.reason)
        return fieldsets if is_closed else fieldsets[:-1]


@admin.register(CreditNote)
class CreditNoteAdmin(DocumentAdmin):
    kind = Invoice.Kind.CREDIT_NOTE
    list_display = ("number", "customer_link", "state", "issued_on", "total", "credit_to")
    list_filter = (
        ("credit_to", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("issued_on", RangeDateFilter),
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("customer", "status"),
                    ("issued_on", "credit_to"),
                    ("reason", "buyer_reference"),
                    ("public_id", "recorded_at"),
                )
            },
        ),
        (
            "Amounts",
            {
                "fields": (
                    ("subtotal", "discount"),
                    ("net", "tax"),
                    ("rounding", "total"),
                )
            },
        ),
        (
            "As it was sent",
            {"fields": ("language", "bill_to", "seller_then"), "classes": ("collapse",)},
        ),
    )


@admin.register(InvoiceLine)
class InvoiceLineAdmin(BigReadOnly):
    list_display = ("description", "document", "kind", "starts_on", "ends_on", "amount", "net")
    list_filter = (("kind", ChoicesDropdownFilter), ("starts_on", RangeDateFilter))
    list_select_related = ("invoice",)
    search_fields = ("invoice__number__exact", "invoice__public_id__exact")
    search_help_text = pgettext_lazy("desk", "The number or public id of the document.")
    fields = (
        ("document", "position"),
        ("kind", "description"),
        ("starts_on", "ends_on"),
        ("number_of", "unit_price"),
        ("amount", "discount"),
        ("net", "tax"),
        ("days", "of_days"),
        "tiers",
        ("subscription", "price"),
        ("revenue_account", "corrects"),
    )
    readonly_fields = ("document", "number_of", "unit_price", "amount", "discount", "net")

    number_of = plain_column("quantity")
    unit_price = plain_column("unit_amount", "unit price")
    amount = money_column("amount_minor", currency="invoice.currency")
    discount = money_column("discount_minor", currency="invoice.currency")
    net = money_column("net_minor", currency="invoice.currency")

    @admin.display(description="document", ordering="invoice__number")
    def document(self, line: InvoiceLine) -> str:
        return document_link(line.invoice)


@admin.register(OneOffItem)
class OneOffItemAdmin(Desk):
    """Added on the customer's page. What waits may be taken away, what is billed may not."""

    list_display = ("description", "customer_link", "due_on", "amount", "document")
    list_filter = (("seller", RelatedDropdownFilter), ("due_on", RangeDateFilter))
    list_select_related = ("customer", "line__invoice")
    ordering = ("-id",)
    search_fields = (
        "description__istartswith",
        "public_id__iexact",
        "customer__typed",
        "customer__public_id__iexact",
    )
    fields = (
        ("customer", "subscription"),
        "description",
        ("amount", "due_on"),
        ("waits", "document"),
        ("buyer_reference", "tax"),
        "public_id",
    )
    readonly_fields = ("amount", "document", "public_id")
    page_actions = (RemoveOneOff(),)

    customer_link = link_column("customer", ordering="customer__name")
    amount = money_column("amount_minor")

    @admin.display(description="billed on")
    def document(self, item: OneOffItem) -> str:
        return document_link(item.line.invoice if item.line else None)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # *Remove* tells of it by an event.


class LeftBehindFilter(DropdownFilter):
    title = pgettext_lazy("desk", "work")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("left", pgettext("desk", "Left behind"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(IS_LEFT_BEHIND) if self.value() == "left" else queryset


@admin.register(CustomerBalance)
class CustomerBalanceAdmin(BigReadOnly):
    list_display = ("customer_link", "balance")
    list_filter = (LeftBehindFilter, ("customer__seller", RelatedDropdownFilter))
    list_select_related = ("customer",)
    search_fields = (
        "customer__typed",
        "customer__public_id__iexact",
    )
    fields = ("customer", "balance")
    readonly_fields = ("balance",)
    panels = (
        Panel(
            "What made it",
            rows=lambda balance: (
                BalanceEntry.objects.filter(customer=balance.customer_id, currency=balance.currency)
                .select_related("invoice")
                .order_by("-id")
            ),
            columns={
                "On": lambda entry: link(entry, entry.effective_on),
                "What": lambda entry: as_pages_write(entry.description) or None,
                "Document": lambda entry: document_link(entry.invoice),
                "Amount": lambda entry: money(entry.amount_minor, entry.currency),
            },
            list_of=BalanceEntry,
            list_by="customer__balances__id__exact",
            rows_max=50,
        ),
    )

    customer_link = link_column("customer", ordering="customer__name")
    balance = money_column("balance_minor")


@admin.register(BalanceEntry)
class BalanceEntryAdmin(BigReadOnly):
    kept_sentences = ("description",)
    list_display = ("effective_on", "customer_link", "description", "amount", "document")
    list_filter = (
        ("customer__seller", RelatedDropdownFilter),
        ("effective_on", RangeDateFilter),
    )
    list_select_related = ("customer", "invoice")
    search_fields = ("customer__public_id__exact", "invoice__number__exact")
    search_help_text = pgettext_lazy(
        "desk", "The public id of a customer, or the number of a document."
    )
    fields = (
        ("customer", "effective_on"),
        "description",
        ("amount", "document"),
        ("takes_back", "recorded_at"),
    )
    readonly_fields = ("amount", "document", "takes_back", "recorded_at")
    page_actions = (TakeBackCredit(),)

    customer_link = link_column("customer", ordering="customer__name")
    amount = money_column("amount_minor")

    @admin.display(description="document")
    def document(self, entry: BalanceEntry) -> str:
        return document_link(entry.invoice)


@admin.register(NumberSeries)
class NumberSeriesAdmin(Desk):
    # Once numbers are taken from it, a series goes on where it is: law wants it without gap.
    fixed_fields = ("seller", "kind", "next_number")
    list_display = ("seller", "kind", "prefix", "next_number")
    list_filter = (("seller", RelatedDropdownFilter),)
    list_select_related = ("seller",)
    search_fields = ("seller__name", "prefix__istartswith")
    autocomplete_fields = ("seller",)
    fields = (("seller", "kind"), ("prefix", "next_number"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
