"""Where apps above join in with payments."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING, Protocol

from billing.base.hooks import Hook

if TYPE_CHECKING:
    from billing.invoicing.models import Invoice
    from customers.models import Customer


class PaymentFailed(Protocol):
    """Hears of an invoice whose payment has failed, and may say on which day it is tried again.

    Called before the event is told, which names that day. Customer, payment and invoice are locked.
    """

    def __call__(self, invoice: "Invoice", *, as_of: date, actor: str) -> date | None: ...


class MethodChanged(Protocol):
    """Hears of a customer who has another payment method than the one that was tried.

    Called when a method was kept or chosen. The customer is locked.
    """

    def __call__(self, customer: "Customer", *, as_of: date, actor: str) -> None: ...


class ChargeVeto(Protocol):
    """Names those of some invoices that no charge and no balance may pay, as they are disputed.

    Called before a charge, and before a balance pays. The customers are locked.
    """

    def __call__(self, invoice_ids: Sequence[int], /) -> Collection[int]: ...


payment_failed: Hook[PaymentFailed] = Hook()
method_changed: Hook[MethodChanged] = Hook()
charge_vetoes: Hook[ChargeVeto] = Hook()
