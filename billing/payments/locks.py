"""Locks of payments, under that of their customer."""

from billing.payments.models import Payment
from customers.locks import lock_customer


def lock_payment(payment_id: int) -> Payment:
    """A payment as it now stands, under its own lock; its customer is locked before."""
    return (
        Payment.objects.select_for_update(of=["self"])
        .select_related("seller", "customer", "payment_method")
        .get(pk=payment_id)
    )


def lock_with_customer(payment_id: int) -> Payment:
    """A payment as it now stands, under the locks of its customer and itself, in that order."""
    lock_customer(Payment.objects.values_list("customer_id", flat=True).get(pk=payment_id))
    return lock_payment(payment_id)
