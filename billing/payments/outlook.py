"""What becomes of a debt: the one answer that pages, mails and documents ask for.

Nothing is promised that cannot happen: a charge only where one is planned and there is a card to
charge, a card page only where a gateway serves the seller.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from billing.invoicing.models import Invoice
from billing.payments.gateways import gateways_for
from billing.payments.models import CheckoutSession, Payment, PaymentMethod
from customers.models import Customer


class Prospect(StrEnum):
    SETTLED = "settled"  # Nothing is left to pay.
    CONFIRM = "confirm"  # The bank waits for its customer, at `action_url`.
    UNDER_WAY = "under_way"  # A payment was sent, and its answer is awaited.
    CHARGE = "charge"  # The card is charged on a day; the customer need not do anything.
    FAILED = "failed"  # The last charge was refused, and none is planned.
    NEEDS_CARD = "needs_card"  # It would be charged, if there were a card.
    PAY = "pay"  # The customer pays, by the due date.


@dataclass(frozen=True, slots=True)
class Outlook:
    """``on`` is the day of a charge, or else the due date; ``has_failed`` of the last attempt."""

    prospect: Prospect
    on: date
    card: PaymentMethod | None = None
    action_url: str = ""
    has_failed: bool = False
    has_card_page: bool = False

    @property
    def is_charged(self) -> bool:
        return self.prospect is Prospect.CHARGE


def what_becomes_of(invoice: Invoice, as_of: date) -> Outlook:
    """What becomes of what is left of an invoice, as things stand on a day."""
    if not invoice.outstanding_minor:
        return Outlook(Prospect.SETTLED, invoice.due_on)
    has_page = bool(gateways_for(invoice.seller))
    tried = Payment.objects.filter(allocations__invoice=invoice).order_by("-id")
    under_way = tried.filter(allocations__state="in_flight").first()
    if under_way is not None and not _is_at_an_open_page(under_way):
        asks = under_way.state == Payment.State.REQUIRES_ACTION
        prospect = Prospect.CONFIRM if asks else Prospect.UNDER_WAY
        return Outlook(prospect, invoice.due_on, action_url=under_way.action_url)
    if invoice.customer.collection != Customer.Collection.AUTOMATIC:
        return Outlook(Prospect.PAY, invoice.due_on, has_card_page=has_page)
    card = PaymentMethod.objects.usable().filter(customer=invoice.customer_id).first()
    planned = tried.filter(state="planned").first()
    last = tried.filter(state__in=["failed", "succeeded"]).first()
    has_failed = last is not None and last.state == Payment.State.FAILED
    if card is not None and planned is not None:
        on = max(planned.planned_on or as_of, as_of)
        return Outlook(Prospect.CHARGE, on, card, has_failed=has_failed, has_card_page=has_page)
    if has_failed:
        prospect = Prospect.FAILED
    elif card is None and has_page:
        prospect = Prospect.NEEDS_CARD
    else:
        prospect = Prospect.PAY
    return Outlook(prospect, invoice.due_on, card, has_failed=has_failed, has_card_page=has_page)


def will_be_charged(invoice: Invoice) -> bool:
    """Whether a printed invoice may say that its reader need not do anything."""
    return what_becomes_of(invoice, invoice.issued_on).is_charged


def _is_at_an_open_page(payment: Payment) -> bool:
    """Whether the customer may still leave the gateway's page and pay in another way."""
    return CheckoutSession.objects.filter(payment=payment, status__in=["creating", "open"]).exists()
