from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.formats import localize
from django.utils.http import content_disposition_header
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display
from unfold.enums import ActionVariant

from billing.desk.columns import label_column, link_column, money_column, plain_column
from billing.desk.figures import link, money, plain, trimmed
from billing.desk.forms import ActionForm, ConfirmedForm
from billing.desk.model_admin import BigReadOnly, Desk, button
from billing.desk.page_actions import PageAction
from billing.desk.panels import Panel
from billing.engine.errors import BillingError
from billing.engine.money import Money
from billing.invoicing.models import (
    IS_OWED,
    BalanceEntry,
    CreditNote,
    CustomerBalance,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    NumberSeries,
    OneOffItem,
)
from billing.ledger.admin import transfers_of
from billing.subscriptions.admin import SubscriptionAction, SubscriptionAdmin
from billing.subscriptions.models import Subscription
from catalog.models import REVENUE_ACCOUNT
from customers.admin import CustomerAdmin
from customers.calendar import TodayOfSeller
from customers.models import Customer

STATUS_COLORS = {
    "draft": "",
    "open": "warning",
    "paid": "success",
    "void": "",
    "uncollectible": "danger",
    "issued": "info",
}


def document_link(document: Invoice | None) -> str:
    """A link to the page of an invoice or of a credit note."""
    if document is not None and document.kind == Invoice.Kind.CREDIT_NOTE:
        document = CreditNote(pk=document.pk, number=document.number, public_id=document.public_id)
    return link(document)


def _issued(documents: Iterable[Invoice]) -> str:
    """The documents that were issued, in a sentence."""
    told = [
        f"{document.get_kind_display()} {document} of "
        f"{Money(document.total_minor, document.currency)}"
        for document in documents
    ]
    return f"Issued {', '.join(told)}." if told else ""


# What an operator does to a customer's bills


def _bill_what_changed(subscription: Subscription, as_of: date, actor: str) -> str:
    from billing.invoicing import actions

    return _issued(
        actions.bill_customer(
            subscription.customer, as_of=as_of, actor=actor, subscription=subscription
        )
    )


SubscriptionAction.afterwards.append(_bill_what_changed)


class BillNow(PageAction):
    name = "bill"
    label = "Bill now"
    explanation = "Bills what is due until today. What is not yet due stays for its day."
    permission = "invoicing.add_invoice"
    icon = "receipt_long"

    def run(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.invoicing import actions

        subscription = obj if isinstance(obj, Subscription) else None
        customer = obj if subscription is None else subscription.customer
        issued = actions.bill_customer(
            customer, as_of=as_of, actor=actor, subscription=subscription
        )
        return _issued(issued) or "Nothing is due."


class BillSubscription(BillNow):
    def is_offered(self, obj: Subscription) -> bool:
        return not obj.parked_reason


class TryAgain(BillNow):
    name = "try-again"
    label = "Try again"
    explanation = (
        "Bills what is due until today. A parked subscription that can be billed again is "
        "parked no more; else it stays, with the reason."
    )
    icon = "refresh"
    variant = ActionVariant.PRIMARY
    is_for_many = True

    def is_offered(self, obj: Subscription) -> bool:
        return bool(obj.parked_reason)


class CreditGiftForm(ConfirmedForm):
    amount = forms.DecimalField(min_value=0)
    currency = forms.ChoiceField()
    description = forms.CharField(max_length=200)
    field_order = ("currency", "amount", "description")

    def ask(self) -> None:
        from billing.invoicing.actions import currencies_of

        currency = self.fields["currency"]
        assert isinstance(currency, forms.ChoiceField)
        currency.choices = [(code, code) for code in currencies_of(self.obj)]
        currency.initial = self.obj.seller.currency


class GiveCredit(PageAction):
    name = "give-credit"
    label = "Give credit"
    explanation = (
        "Goes to the customer's balance, which pays the open invoices in its currency, the oldest "
        "first, and then the next ones."
    )
    permission = "invoicing.add_balanceentry"
    icon = "redeem"
    form_class = CreditGiftForm

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.invoicing import actions

        actions.give_credit(obj, as_of=as_of, actor=actor, **asked)
        return f"Gave a credit of {Money(asked['amount_minor'], asked['currency'])}."


class OneOffForm(CreditGiftForm):
    amount = forms.DecimalField(help_text="Without tax. Negative: to take off.")
    description = forms.CharField(max_length=500, help_text="As it will stand on the document.")
    subscription = forms.ModelChoiceField(
        Subscription.objects.none(),
        required=False,
        empty_label="The customer",
        label="Belongs to",
    )

    revenue_account = forms.ChoiceField(
        required=False,
        help_text="The bookkeeping account of its revenue; those of the seller's products.",
    )
    waits = forms.ChoiceField(
        label="Bill it",
        choices=[("", "Now, by itself"), ("yes", "With the next regular bill")],
        required=False,
        help_text="What is below zero waits for something to reduce either way.",
    )

    def clean_revenue_account(self) -> str:
        return self.cleaned_data["revenue_account"] or REVENUE_ACCOUNT

    def clean_waits(self) -> bool:
        return self.cleaned_data["waits"] == "yes"

    def ask(self) -> None:
        from billing.invoicing.actions import has_bill_to_come, revenue_accounts_of

        super().ask()
        account = self.fields["revenue_account"]
        assert isinstance(account, forms.ChoiceField)
        account.choices = [(number, number) for number in revenue_accounts_of(self.obj.seller)]
        account.initial = REVENUE_ACCOUNT
        self.fields["waits"].initial = "yes" if has_bill_to_come(self.obj) else ""
        choice = self.fields["subscription"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = self.obj.subscriptions.exclude(status="ended").order_by("-id")


class AddOneOff(PageAction):
    name = "add-one-off"
    label = "Add one-off item"
    explanation = (
        "Something to bill once, or to take off: at once on a document of its own, or with the "
        "customer's next regular bill. Until then it can be removed."
    )
    permission = "invoicing.add_oneoffitem"
    icon = "add_shopping_cart"
    form_class = OneOffForm

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.invoicing import actions

        actions.add_one_off(obj, as_of=as_of, actor=actor, **asked)
        amount = Money(asked["amount_minor"], asked["currency"])
        is_early = not asked["waits"] and asked["amount_minor"] > 0
        when = "within a minute" if is_early else "with the next bill"
        return f"“{asked['description']}”, {amount}, is billed {when}."


class RemoveOneOff(PageAction):
    name = "remove"
    label = "Remove"
    removes = True
    explanation = "It is not billed. Nothing was issued for it, so nothing has to be taken back."
    permission = "invoicing.add_oneoffitem"
    icon = "delete"
    variant = ActionVariant.DANGER

    def is_offered(self, obj: OneOffItem) -> bool:
        return obj.line_id is None

    def run(self, obj: OneOffItem, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.invoicing import actions

        actions.remove_one_off(obj, as_of=as_of, actor=actor)
        return f"“{obj}” is not billed."


class TakeBackCredit(PageAction):
    name = "take-back"
    label = "Take back"
    explanation = (
        "The credit leaves the balance again, as far as it has paid nothing yet. Books and history "
        "keep both."
    )
    permission = "invoicing.add_balanceentry"
    icon = "undo"
    variant = ActionVariant.DANGER

    def is_offered(self, obj: BalanceEntry) -> bool:
        return obj.is_gift and not BalanceEntry.objects.filter(takes_back=obj).exists()

    def run(self, obj: BalanceEntry, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.invoicing import actions

        actions.take_back_credit(obj, as_of=as_of, actor=actor)
        return f"Took back {Money(obj.amount_minor, obj.currency)}."


# What an operator does to an invoice


class ReasonForm(ActionForm):
    reason = forms.CharField(
        required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )


class InvoiceAction(PageAction):
    def is_offered(self, obj: Invoice) -> bool:
        return obj.status == Invoice.Status.OPEN


class Void(InvoiceAction):
    name = "void"
    label = "Void"
    explanation = (
        "The invoice is taken back as a whole, as if nothing had been billed. Its number stays."
    )
    permission = "invoicing.void_invoice"
    icon = "block"
    variant = ActionVariant.DANGER
    form_class = ReasonForm

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.invoicing import actions

        actions.void(obj, as_of=as_of, actor=actor, **asked)
        return f"Voided {obj}."


class WriteOff(InvoiceAction):
    name = "write-off"
    label = "Write off"
    explanation = "What is left is not expected any more and becomes a bad debt in the books."
    permission = "invoicing.write_off_invoice"
    icon = "money_off"
    form_class = ReasonForm

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.invoicing import actions

        actions.write_off(obj, as_of=as_of, actor=actor, **asked)
        return f"Wrote off {obj}."


class CreditForm(ConfirmedForm):
    amount = forms.DecimalField(
        required=False,
        min_value=0,
        help_text="With tax. Empty: all that is left of it, which is asked again.",
    )
    to = forms.ChoiceField(
        choices=[("balance", "To the customer's balance"), ("refund", "Pay it back")],
        label="What was paid goes",
        help_text="What is not yet paid is taken off the invoice first.",
    )
    reason = forms.CharField(
        required=False, max_length=500, help_text="Stands on the credit note; its reader sees it."
    )


class Credit(InvoiceAction):
    name = "credit"
    label = "Credit"
    explanation = "Issues a credit note that corrects this invoice, in part or as a whole."
    permission = "invoicing.add_creditnote"
    icon = "assignment_return"
    form_class = CreditForm

    def is_offered(self, obj: Invoice) -> bool:
        return obj.status in {Invoice.Status.OPEN, Invoice.Status.PAID}

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        from billing.invoicing import actions

        return _issued([actions.credit(obj, as_of=as_of, actor=actor, **asked)])


# Tables


def _period(line: InvoiceLine) -> str | None:
    """From the first to the last day, as on the document itself."""
    if line.starts_on is None or line.ends_on is None:
        return None
    last = max(line.starts_on, line.ends_on - timedelta(days=1))
    return f"{localize(line.starts_on)} – {localize(last)}"


def _part(line: InvoiceLine) -> str | None:
    if line.days is None or line.days == line.of_days:
        return None
    return f"{line.days} of {line.of_days} days"


def _corrected(line: InvoiceLine) -> str:
    return document_link(line.corrects.invoice if line.corrects else None)


LINE_COLUMNS = {
    "Description": lambda line: line.description,
    "Period": _period,
    "Quantity": lambda line: plain(line.quantity),
    "Unit price": lambda line: plain(line.unit_amount),
    "Amount": lambda line: money(line.amount_minor, line.invoice.currency),
    "Discount": lambda line: (
        money(line.discount_minor, line.invoice.currency) if line.discount_minor else None
    ),
    "Net": lambda line: money(line.net_minor, line.invoice.currency),
    "Reason": _part,
    "Corrects": _corrected,
}


def _lines(invoice: Invoice) -> QuerySet[InvoiceLine]:
    return (
        InvoiceLine.objects.filter(invoice=invoice.pk)
        .select_related("invoice", "corrects__invoice")
        .order_by("position")
    )


LINES = Panel(
    "Lines",
    rows=_lines,
    columns=LINE_COLUMNS,
    list_of=InvoiceLine,
    list_by="invoice__id__exact",
    rows_max=100,
)
TAXES = Panel(
    "VAT",
    rows=lambda invoice: (
        InvoiceTax.objects.filter(invoice=invoice.pk).select_related("invoice").order_by("id")
    ),
    columns={
        "Rate": lambda tax: f"{tax.category} {trimmed(tax.percent)} %",
        "Name": lambda tax: tax.name or None,
        "In the price": lambda tax: "yes" if tax.is_inclusive else "no",
        "Net": lambda tax: money(tax.net_minor, tax.invoice.currency),
        "Tax": lambda tax: money(tax.tax_minor, tax.invoice.currency),
    },
    when_empty="No VAT.",
)
CORRECTIONS = Panel(
    "Corrected by",
    rows=lambda invoice: (
        InvoiceLine.objects.filter(corrects__invoice=invoice.pk)
        .select_related("invoice", "corrects")
        .order_by("id")
    ),
    columns={
        "Document": lambda line: document_link(line.invoice),
        "Issued": lambda line: line.invoice.issued_on,
        "Line": lambda line: line.corrects.description,
        "Reason": _part,
        "Net": lambda line: money(line.net_minor, line.invoice.currency),
    },
    when_empty="Nothing on it was corrected.",
)
BALANCE_OF_DOCUMENT = Panel(
    "From and to the customer's balance",
    rows=lambda invoice: BalanceEntry.objects.filter(invoice=invoice.pk).order_by("id"),
    columns={
        "On": lambda entry: entry.effective_on,
        "What": lambda entry: entry.description or None,
        "Amount": lambda entry: money(entry.amount_minor, entry.currency),
    },
)
DOCUMENT_COLUMNS = {
    "Number": document_link,
    "Kind": lambda document: document.get_kind_display(),
    "Issued": lambda document: document.issued_on,
    "Due": lambda document: document.due_on,
    "Status": lambda document: document.get_status_display(),
    "Total": lambda document: money(document.total_minor, document.currency),
    "To pay": lambda document: money(document.outstanding_minor, document.currency),
}
DOCUMENTS_OF_CUSTOMER = Panel(
    "Invoices and credit notes",
    rows=lambda customer: customer.documents.order_by("-id"),
    columns=DOCUMENT_COLUMNS,
    list_of=Invoice,
    list_by="customer__id__exact",
)


def _billed_on(subscription: Subscription) -> QuerySet[Invoice]:
    """The documents with a line of the subscription, looked up among those of its customer."""
    lines = InvoiceLine.objects.filter(invoice=OuterRef("pk"), subscription=subscription)
    documents = Invoice.objects.filter(customer=subscription.customer_id)
    return documents.filter(Exists(lines)).order_by("-id")


DOCUMENTS_OF_SUBSCRIPTION = Panel(
    "Billed on",
    rows=_billed_on,
    columns=DOCUMENT_COLUMNS,
    rows_max=50,
)
BALANCES = Panel(
    "Balance",
    rows=lambda customer: customer.balances.order_by("currency"),
    columns={
        "Currency": lambda balance: balance.currency,
        "Has with us": lambda balance: money(balance.balance_minor, balance.currency),
    },
    when_empty="Nothing.",
)
WAITING = Panel(
    "Waiting for the next document",
    rows=lambda owner: owner.one_off_items.filter(line=None).order_by("due_on", "id"),
    columns={
        "Item": link,
        "From": lambda item: item.due_on,
        "Amount": lambda item: money(item.amount_minor, item.currency),
    },
    when_empty="Nothing.",
)
CustomerAdmin.extend(
    panels=[DOCUMENTS_OF_CUSTOMER, BALANCES, WAITING],
    page_actions=[AddOneOff(), GiveCredit(), BillNow()],
)
SubscriptionAdmin.extend(
    panels=[DOCUMENTS_OF_SUBSCRIPTION, WAITING], page_actions=[TryAgain(), BillSubscription()]
)


# Lists and pages


class WorkFilter(DropdownFilter):
    title = "work"
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("due", "Due today"), ("overdue", "Overdue")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value, today = self.value(), TodayOfSeller("seller")
        by_day = {"open": Q(), "due": Q(due_on=today), "overdue": Q(due_on__lt=today)}
        return queryset.filter(by_day[value], IS_OWED) if value in by_day else queryset


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
            self.message_user(request, failed.message, messages.ERROR)
            back = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return redirect(back, object_id)
        answer = HttpResponse(pdf, content_type="application/pdf")
        disposition = content_disposition_header(as_attachment=False, filename=f"{obj}.pdf")
        answer.headers["Content-Disposition"] = str(disposition)
        return answer


class DocumentAdmin(PrintedAdmin):
    """What invoices and credit notes have in common."""

    kind: str
    list_select_related = ("customer",)
    search_fields = (
        "number__iexact",
        "public_id__iexact",
        "reference__exact",
        "customer__name",
        "customer__email__istartswith",
        "customer__external_id__iexact",
        "customer__public_id__iexact",
    )
    readonly_fields = (
        "public_id",
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

    @display(description="to pay", formatting="price")
    def to_pay(self, document: Invoice) -> str:
        return money(document.outstanding_minor, document.currency)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        found = super().get_queryset(request).filter(kind=self.kind)
        return found.select_related("customer", "seller", "subscription")

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
                    ("credit_applied", "amount_due"),
                    ("paid", "from_balance"),
                    ("credited", "rounded_off"),
                    "to_pay",
                )
            },
        ),
        (
            "As it was sent",
            {"fields": ("language", "bill_to", "letterhead"), "classes": ("collapse",)},
        ),
    )
    page_actions = (Credit(), Void(), WriteOff())

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not (obj.closed_on or obj.reason):
            return fieldsets
        return (*fieldsets, ("Closed", {"fields": ("closed_on", "reason")}))


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
                    "reason",
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
            {"fields": ("language", "bill_to", "letterhead"), "classes": ("collapse",)},
        ),
    )


@admin.register(InvoiceLine)
class InvoiceLineAdmin(BigReadOnly):
    list_display = ("description", "document", "kind", "starts_on", "ends_on", "amount", "net")
    list_filter = (("kind", ChoicesDropdownFilter), ("starts_on", RangeDateFilter))
    list_select_related = ("invoice",)
    search_fields = ("invoice__number__exact", "invoice__public_id__exact")
    search_help_text = "The number or public id of the document."
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
        "customer__name",
        "customer__public_id__iexact",
    )
    fields = (
        ("customer", "subscription"),
        "description",
        ("amount", "due_on"),
        ("waits", "document"),
        ("tax", "public_id"),
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


@admin.register(CustomerBalance)
class CustomerBalanceAdmin(BigReadOnly):
    list_display = ("customer_link", "balance")
    list_filter = (("customer__seller", RelatedDropdownFilter),)
    list_select_related = ("customer",)
    search_fields = (
        "customer__name",
        "customer__email__istartswith",
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
                "What": lambda entry: entry.description or None,
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
    list_display = ("effective_on", "customer_link", "description", "amount", "document")
    list_filter = (
        ("customer__seller", RelatedDropdownFilter),
        ("effective_on", RangeDateFilter),
    )
    list_select_related = ("customer", "invoice")
    search_fields = ("customer__public_id__exact", "invoice__number__exact")
    search_help_text = "The public id of a customer, or the number of a document."
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
