"""Tables of payments, refunds and cards on the pages of what they belong to."""

from django.utils.html import format_html
from django.utils.translation import pgettext

from billing.desk.figures import NOTHING, as_pages_write, link, money, yes_or_no
from billing.desk.labels import in_words
from billing.desk.panels import Panel
from billing.engine.declines import Decline
from billing.invoicing.panels import document_link
from billing.invoicing.writing import decline_in_words
from billing.payments.models import CheckoutSession, Payment, PaymentMethod
from customers.persons import ids_with_merged


def _use_of(method: PaymentMethod) -> str:
    """Whether a card is charged, and why it no longer is."""
    if method.refused_code:
        said = {"reason": decline_in_words(method.refused_code)}
        return pgettext("desk", "no longer: %(reason)s") % said
    return yes_or_no(method.is_default)


def why_declined(code: str) -> str:
    """One of the declines as operators read it; they are told finer reasons than customers are."""
    return str(in_words(Decline.of(code).label)) if code else NOTHING


def _state_of(session: CheckoutSession) -> str:
    """Why a page was closed, or why the last card was refused on it; else how it stands."""
    if session.failure in Decline:
        return why_declined(session.failure)
    return as_pages_write(session.failure) or session.get_status_display()


METHODS = Panel(
    "Payment methods",
    rows=lambda customer: customer.payment_methods.order_by("-is_default", "-id"),
    columns={
        "Card": str,
        "Through": lambda method: method.gateway,
        "Good until": lambda method: method.expires_on,
        "Used": _use_of,
    },
    when_empty="None: what is planned for this customer waits.",
)
SESSIONS = Panel(
    "Pages at the gateway",
    rows=lambda customer: customer.checkout_sessions.order_by("-id"),
    columns={
        "Opened": lambda session: session.recorded_at,
        "For": lambda session: session.get_kind_display(),
        "State": _state_of,
        "Address": lambda session: (
            format_html('<a href="{}" class="text-link">{}</a>', session.url, session.url)
            if session.status == CheckoutSession.Status.OPEN
            else None
        ),
    },
    rows_max=5,
)
ALLOCATIONS_OF_INVOICE = Panel(
    "Payments",
    rows=lambda invoice: invoice.allocations.select_related("payment").order_by("id"),
    columns={
        "Payment": lambda allocation: link(allocation.payment),
        "Received": lambda allocation: allocation.payment.received_on,
        "Through": lambda allocation: allocation.payment.through or None,
        "State": lambda allocation: allocation.payment.get_state_display(),
        "Amount paid": lambda allocation: money(
            allocation.amount_minor, allocation.payment.currency
        ),
        "Paid back": lambda allocation: (
            money(allocation.refunded_minor, allocation.payment.currency)
            if allocation.refunded_minor
            else None
        ),
    },
)
ALLOCATIONS_OF_PAYMENT = Panel(
    "Pays",
    rows=lambda payment: payment.allocations.select_related("invoice", "payment").order_by("id"),
    columns={
        "Document": lambda allocation: document_link(allocation.invoice),
        "State": lambda allocation: allocation.get_state_display(),
        "Amount": lambda allocation: money(allocation.amount_minor, allocation.payment.currency),
    },
    when_empty="No invoice yet.",
)
REFUNDS = Panel(
    "Paid back",
    rows=lambda payment: payment.refunds.select_related("payment").order_by("id"),
    columns={
        "Refund": link,
        "State": lambda refund: refund.get_state_display(),
        "On": lambda refund: refund.refunded_on,
        "Reason": lambda refund: as_pages_write(refund.reason) or None,
        "Amount": lambda refund: money(refund.amount_minor, refund.payment.currency),
    },
    when_empty="Nothing.",
)
PAYMENTS = Panel(
    "Payments",
    rows=lambda customer: Payment.objects.filter(customer__in=ids_with_merged(customer)).order_by(
        "-id"
    ),
    columns={
        "Payment": link,
        "Received": lambda payment: payment.received_on,
        "Through": lambda payment: payment.through or None,
        "State": lambda payment: payment.get_state_display(),
        "Amount": lambda payment: money(payment.amount_minor, payment.currency),
    },
    list_of=Payment,
    list_by="customer__id__in",
    listed=ids_with_merged,
)
