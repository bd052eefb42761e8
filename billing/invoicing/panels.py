"""Tables of documents, on their own pages and on those of customers and subscriptions."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.formats import localize
from django.utils.translation import pgettext

from billing.desk.figures import as_pages_write, link, money, plain, written
from billing.desk.panels import Panel
from billing.invoicing.balances import kept_for_orders
from billing.invoicing.models import (
    BalanceEntry,
    CreditNote,
    CustomerBalance,
    Invoice,
    InvoiceLine,
    InvoiceTax,
)
from billing.subscriptions.models import Subscription
from customers.persons import ids_with_merged, person_ids


def to_pay(document: Invoice) -> str:
    """What is asked for of a document, as pages of the desk show it."""
    return money(document.left_minor if document.is_collectable else 0, document.currency)


def document_link(document: Invoice | None) -> str:
    """A link to the page of an invoice or of a credit note."""
    if document is not None and document.kind == Invoice.Kind.CREDIT_NOTE:
        document = CreditNote(pk=document.pk, number=document.number, public_id=document.public_id)
    return link(document)


def _period(line: InvoiceLine) -> str | None:
    """From the first to the last day, as on the document itself."""
    if line.starts_on is None or line.ends_on is None:
        return None
    last = max(line.starts_on, line.ends_on - timedelta(days=1))
    return f"{localize(line.starts_on)} – {localize(last)}"


def _part(line: InvoiceLine) -> str | None:
    if line.days is None or line.days == line.of_days:
        return None
    said = {"days": line.days, "of_days": line.of_days}
    return pgettext("desk", "%(days)s of %(of_days)s days") % said


def _corrected(line: InvoiceLine) -> str:
    return document_link(line.corrects.invoice if line.corrects else None)


LINE_COLUMNS = {
    "Description": lambda line: line.description,
    "Period": _period,
    "Quantity": lambda line: plain(line.quantity, line.unit),
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
        "Rate": lambda tax: f"{tax.category} {written(tax.percent)} %",
        "Name": lambda tax: tax.name or None,
        "In the price": lambda tax: tax.is_inclusive,
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
        "What": lambda entry: as_pages_write(entry.description) or None,
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
    "To pay": to_pay,
}
DOCUMENTS_OF_CUSTOMER = Panel(
    "Invoices and credit notes",
    rows=lambda customer: Invoice.objects.filter(
        customer__in=ids_with_merged(customer), sequence__isnull=False
    ).order_by("-id"),
    columns=DOCUMENT_COLUMNS,
    list_of=Invoice,
    list_by="customer__id__in",
    listed=ids_with_merged,
)


def _billed_on(subscription: Subscription) -> QuerySet[Invoice]:
    """The documents with a line of the subscription, looked up among those of its customer and of
    whom it may have been before.
    """
    lines = InvoiceLine.objects.filter(invoice=OuterRef("pk"), subscription=subscription)
    whose = person_ids(subscription.customer)
    documents = Invoice.objects.filter(customer__in=whose, sequence__isnull=False)
    return documents.filter(Exists(lines)).order_by("-id")


DOCUMENTS_OF_SUBSCRIPTION = Panel(
    "Billed on",
    rows=_billed_on,
    columns=DOCUMENT_COLUMNS,
    rows_max=50,
)


def _kept(balance: CustomerBalance) -> str | None:
    kept = kept_for_orders([balance.customer_id])
    kept_minor = kept.get((balance.customer_id, balance.currency))
    return money(kept_minor, balance.currency) if kept_minor else None


BALANCES = Panel(
    "Balance",
    rows=lambda customer: customer.balances.order_by("currency"),
    columns={
        "Currency": lambda balance: balance.currency,
        "Has with us": lambda balance: money(balance.balance_minor, balance.currency),
        "Of which kept for orders that wait": _kept,
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
