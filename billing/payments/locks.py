"""Locks of payments, under that of their customer."""

from billing.payments.models import Payment
from customers.models import Customer


def lock_payment(payment_id: int) -> Payment:
    """A payment as it now stands, under its own lock; its customer is locked before."""
    return (
        Payment.objects.select_for_update(of=["self"])
        .select_related("seller", "customer", "payment_method")
        .get(pk=payment_id)
    )


def lock_with_customer(payment_id: int) -> Payment:
    """A payment as it now stands, under the locks of its customer and itself, in that order."""
    Customer.objects.select_for_update(of=["self"]).get(payments=payment_id)
    return lock_payment(payment_id)
