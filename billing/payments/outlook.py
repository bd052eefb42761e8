"""What becomes of a debt: the one answer that pages, mails and documents ask for.

Nothing is promised that cannot happen: a charge only where one is planned, there is a card of a
gateway that serves the seller, and the gate lets charges out; a card page only where one can be
opened; the bank only where the invoice bears an account.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from django.db.models import F

from billing.invoicing.documents import accounts_of
from billing.invoicing.models import Invoice
from billing.outbound.gate import Kind, refusal
from billing.payments.gateways.base import Purpose
from billing.payments.gateways.registry import choose_gateway
from billing.payments.models import CheckoutSession, Payment, PaymentMethod
from customers.models import Customer, Seller


class Prospect(StrEnum):
    SETTLED = "settled"  # Nothing is left to pay.
    CONFIRM = "confirm"  # The bank waits for its customer, at `action_url`.
    UNDER_WAY = "under_way"  # A payment was sent, and its answer is awaited.
    CHARGE = "charge"  # The card is charged on a day; the customer need not do anything.
    HELD = "held"  # The card is charged once charging, which is stopped, goes on.
    FAILED = "failed"  # The last charge was refused, and none is planned.
    NEEDS_CARD = "needs_card"  # It would be charged, if there were a card.
    PAY = "pay"  # The customer pays, by the due date.
    ASK = "ask"  # The customer would pay, and is told of no way to: no account and no card page.


@dataclass(frozen=True, slots=True)
class Outlook:
    """``on`` is the day of a charge, or else the due date; ``has_failed`` of the last attempt."""

    prospect: Prospect
    on: date
    card: PaymentMethod | None = None
    action_url: str = ""
    has_failed: bool = False
    has_card_page: bool = False
    has_account: bool = False

    @property
    def is_charged(self) -> bool:
        return self.prospect is Prospect.CHARGE


def what_becomes_of(invoice: Invoice, as_of: date) -> Outlook:
    """What becomes of what is left of an invoice, as things stand on a day."""
    if not invoice.is_collectable:
        return Outlook(Prospect.SETTLED, invoice.due_on)
    ways = _ways(invoice)
    tried = _payments_of(invoice)
    under_way = next((each for each in tried if each.share_state == "in_flight"), None)
    if under_way is not None and not _is_at_an_open_page(under_way):
        asks = under_way.state == Payment.State.REQUIRES_ACTION
        prospect = Prospect.CONFIRM if asks else Prospect.UNDER_WAY
        return ways.to(prospect, invoice.due_on, action_url=under_way.action_url)
    by_customer = Prospect.PAY if ways.has_page or ways.has_account else Prospect.ASK
    if invoice.customer.collection != Customer.Collection.AUTOMATIC:
        return ways.to(by_customer, invoice.due_on)
    card = chargeable_card(invoice.customer)
    planned = next(
        (one for one in tried if one.state == Payment.State.PLANNED and not one.attention), None
    )
    over = {Payment.State.FAILED, Payment.State.SUCCEEDED, Payment.State.RETURNED}
    ended = [each for each in tried if each.state in over]
    has_failed = bool(ended) and _brought_nothing(ended[0])
    if card is not None and planned is not None:
        prospect = Prospect.HELD if ways.is_stopped else Prospect.CHARGE
        on = max(planned.planned_on or as_of, as_of)
        return ways.to(prospect, on, card=card, has_failed=has_failed)
    if has_failed and by_customer is Prospect.PAY:
        prospect = Prospect.FAILED
    elif card is None and ways.has_page:
        prospect = Prospect.NEEDS_CARD
    else:
        prospect = by_customer
    return ways.to(prospect, invoice.due_on, card=card, has_failed=has_failed)


def _payments_of(invoice: Invoice) -> list[Any]:
    """The newest first; ``share_state`` is that of what each pays of this invoice."""
    paying = Payment.objects.filter(allocations__invoice=invoice)
    return list(paying.annotate(share_state=F("allocations__state")).order_by("-id"))


@dataclass(frozen=True, slots=True)
class _Ways:
    """By what an invoice can be paid now, and whether charging is stopped."""

    has_page: bool
    has_account: bool
    is_stopped: bool

    def to(self, prospect: Prospect, on: date, **more: Any) -> Outlook:
        return Outlook(
            prospect, on, has_card_page=self.has_page, has_account=self.has_account, **more
        )


def _ways(invoice: Invoice) -> _Ways:
    is_stopped = is_charging_stopped(invoice.seller)
    has_page = choose_gateway(invoice.seller, Purpose.PAY_ON_PAGE) is not None and not is_stopped
    has_account = bool(accounts_of(invoice.letterhead.content, invoice.currency))
    return _Ways(has_page, has_account, is_stopped)


def chargeable_card(customer: Customer) -> PaymentMethod | None:
    """The card that can be charged: the customer's default, at a gateway that serves the seller."""
    return PaymentMethod.objects.chargeable(customer.seller).filter(customer=customer).first()


def is_charging_stopped(seller: Seller) -> bool:
    """Whether no charge goes out just now, so that no day of one can be promised."""
    return refusal(Kind.CHARGE, seller.public_id) is not None


def can_be_charged(customer: Customer) -> bool:
    """Whether a charge may be announced: there is a card for it, and the gate lets charges out."""
    return not is_charging_stopped(customer.seller) and chargeable_card(customer) is not None


def was_refused(invoice: Invoice) -> bool:
    """Whether a card that its customer had left was charged for it in vain, at least once."""
    return Payment.objects.filter(
        allocations__invoice=invoice,
        state__in=(Payment.State.FAILED, Payment.State.RETURNED),
        payment_method__isnull=False,
    ).exists()


def _brought_nothing(payment: Payment) -> bool:
    """Whether a charge was refused, or has come back; what a person recorded was no charge."""
    is_returned = payment.state == Payment.State.RETURNED
    return payment.state == Payment.State.FAILED or (is_returned and not payment.is_by_hand)


def will_be_charged(invoice: Invoice) -> bool:
    """Whether a printed invoice may say that its reader need not do anything."""
    return what_becomes_of(invoice, invoice.issued_on).is_charged


def _is_at_an_open_page(payment: Payment) -> bool:
    """Whether the customer may still leave the gateway's page and pay in another way."""
    return CheckoutSession.objects.filter(
        payment=payment, status__in=[CheckoutSession.Status.CREATING, CheckoutSession.Status.OPEN]
    ).exists()
