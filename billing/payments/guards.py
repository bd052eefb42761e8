"""What no money may be taken for."""

from collections.abc import Sequence

from billing.payments import hooks


def forbidden(invoice_ids: Sequence[int]) -> set[int]:
    """Those of some invoices for which no money may be taken."""
    return {invoice_id for veto in hooks.charge_vetoes for invoice_id in veto(invoice_ids)}
