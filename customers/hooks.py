"""Where apps above join in with sellers and customers."""

from typing import TYPE_CHECKING, Protocol

from billing.base.hooks import Hook

if TYPE_CHECKING:
    from customers.models import Seller


class CanBePaid(Protocol):
    """Whether the seller can be paid in another way than to an account.

    Called while a seller is checked before it goes live; no lock is held.
    """

    def __call__(self, seller: "Seller", /) -> bool: ...


can_be_paid: Hook[CanBePaid] = Hook()
