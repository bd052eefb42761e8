"""What no money may be taken for, and the circuit breaker: no charge that nobody would expect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from billing.invoicing.models import Invoice
from billing.payments import hooks
from billing.payments.models import Payment, PaymentAllocation

# A person looks before a customer is charged more often, whatever asks for it.
SUCCESSES_AN_HOUR_MAX = 20
CALLS_MAX = 20


def forbidden(invoice_ids: Sequence[int]) -> set[int]:
    """Those of some invoices for which no money may be taken."""
    return {invoice_id for veto in hooks.charge_vetoes for invoice_id in veto(invoice_ids)}


@dataclass(frozen=True, slots=True)
class Halt:
    """Why a charge is not made: until an instant, or for a reason that a person must look at."""

    reason: str = ""
    until: datetime | None = None


type Guard = Callable[[Payment, Invoice, datetime], Halt | None]


def halt_of(payment: Payment, invoice: Invoice, now: datetime) -> Halt | None:
    """What the first guard says that lets a planned payment of an invoice not be charged."""
    for guard in GUARDS:
        if halt := guard(payment, invoice, now):
            return halt
    return None


def _was_called_often(payment: Payment, invoice: Invoice, now: datetime) -> Halt | None:
    if payment.attempts < CALLS_MAX:
        return None
    return Halt(f"The gateway was called {payment.attempts} times.")


def _was_charged_before(payment: Payment, invoice: Invoice, now: datetime) -> Halt | None:
    paid = invoice.allocations.filter(
        state=PaymentAllocation.State.SETTLED,
        payment__gateway_id__isnull=False,
        amount_minor__gt=F("refunded_minor"),
    )
    return Halt(f"{invoice} has been charged once and is owed again.") if paid.exists() else None


def _is_charged_often(payment: Payment, invoice: Invoice, now: datetime) -> Halt | None:
    recent = Payment.objects.filter(
        customer=payment.customer_id,
        settled_at__gt=now - timedelta(hours=1),
        state=Payment.State.SUCCEEDED,
    )
    if recent.count() < SUCCESSES_AN_HOUR_MAX:
        return None
    return Halt(until=now + timedelta(hours=1))


GUARDS: tuple[Guard, ...] = (_was_called_often, _was_charged_before, _is_charged_often)
