"""What has become of invoices that were settled, for whoever hears of it."""

from dataclasses import dataclass
from enum import StrEnum

from billing.invoicing.models import Invoice


class By(StrEnum):
    """What has changed how much of an invoice is owed, or whether anybody is asked for it."""

    MONEY = "money"
    BALANCE = "balance"
    CREDIT = "credit"
    ROUNDING = "rounding"
    REFUND = "refunded"
    RETURN = "returned"
    LOSS = "loss"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Settled:
    """An invoice as the database now has it, and how it has come to that; sums in minor units.

    ``moved_minor`` is what was moved in this one step; ``was`` is the status before it.
    """

    invoice: Invoice
    by: By
    moved_minor: int
    was: str
    was_left_minor: int

    @property
    def is_over(self) -> bool:
        """Whether this step has left nothing of what was owed."""
        return self.was_left_minor > 0 and not self.invoice.left_minor

    @property
    def was_lost_minor(self) -> int:
        return self.was_left_minor if self.was == Invoice.Status.UNCOLLECTIBLE else 0

    @property
    def lost_minor(self) -> int:
        is_lost = self.invoice.status == Invoice.Status.UNCOLLECTIBLE
        return self.invoice.left_minor if is_lost else 0
