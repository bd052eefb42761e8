"""Where apps above join in with invoices and balances."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Protocol

from billing.base.hooks import Hook

if TYPE_CHECKING:
    from billing.invoicing.foreseen_money import ForeseenMoney
    from billing.invoicing.models import Invoice
    from billing.invoicing.rows import Issued
    from billing.invoicing.settled import Settled
    from billing.subscriptions.models import Subscription
    from customers.models import Seller


class AfterIssue(Protocol):
    """What is written beside the documents of a batch, in its transaction and in bulk.

    Called by ``issue`` once a batch, when the rows are written and have no numbers yet. The
    customers of the batch and the invoices that it corrects are locked; no number series is.
    """

    def __call__(
        self, seller: "Seller", *, issued: "Sequence[Issued]", as_of: date, actor: str
    ) -> None: ...


class RefundCredit(Protocol):
    """Pays a credit back as far as the corrected invoices were paid; answers how much of it.

    ``shares_minor`` is what of it was credited of each invoice, by id: so much an invoice pays back
    first. Called for a credit note that is to be refunded. Its customer and those invoices are
    locked. One alone pays back.
    """

    def __call__(
        self,
        seller: "Seller",
        *,
        customer_id: int,
        currency: str,
        amount_minor: int,
        shares_minor: Mapping[int, int],
        as_of: date,
        actor: str,
    ) -> int: ...


class InvoicesSettled(Protocol):
    """Hears of invoices on which nothing is owed any more, each with what has settled it.

    Called when all that was left was paid, credited, rounded off or declared void, after the
    events of it. Their customers are locked, and they are.
    """

    def __call__(self, settled: "Sequence[Settled]", *, as_of: date, actor: str) -> None: ...


class BalancesGrew(Protocol):
    """Hears of customers who have more with us than before.

    Called at the end of ``move_balances``, and when nothing is kept any more for an order that was
    not paid. The customers are locked.
    """

    def __call__(self, customer_ids: Collection[int], *, as_of: date, actor: str) -> object: ...


class PayOutOfEnded(Protocol):
    """Pays back what a refunded subscription has left on the balance; how much, in minor units.

    Called when a change has ended it, after the bill of that. Its customer is locked. One alone
    pays out.
    """

    def __call__(self, subscription: "Subscription", *, as_of: date, actor: str) -> int: ...


class PayableByBalance(Protocol):
    """The invoices of a person that ``balances_grew`` would pay as they stand, in that order.

    The customer is the one that stays. Called for documents that nobody writes, where one of them
    would bring something to the balance; no lock is held. One alone pays them.
    """

    def __call__(self, customer_id: int, /) -> "Sequence[Invoice]": ...


class PayableOutOfEnded(Protocol):
    """What ``pay_out_of_ended`` would pay back, in minor units, if documents were written that are
    not: ``money`` says what they would move.

    Called where a change is only looked at. No lock is asked for. One alone pays out.
    """

    def __call__(self, subscription: "Subscription", *, money: "ForeseenMoney") -> int: ...


class ChargePromise(Protocol):
    """Whether what is owed on an invoice will be taken from a card by itself.

    Called while a document is put in words; no lock is held.
    """

    def __call__(self, invoice: "Invoice", /) -> bool: ...


after_issue: Hook[AfterIssue] = Hook()
refund_credit: Hook[RefundCredit] = Hook()
invoices_settled: Hook[InvoicesSettled] = Hook()
balances_grew: Hook[BalancesGrew] = Hook()
pay_out_of_ended: Hook[PayOutOfEnded] = Hook()
payable_by_balance: Hook[PayableByBalance] = Hook()
payable_out_of_ended: Hook[PayableOutOfEnded] = Hook()
charge_promises: Hook[ChargePromise] = Hook()
