"""What an amount that a person puts in may come to."""

from django.db.models import Max

from billing.engine.ceilings import check_amount, usual_minor
from billing.engine.errors import Refused
from billing.invoicing.models import Invoice
from customers.models import Customer


def currencies_of(customer: Customer) -> list[str]:
    """The currencies that a customer has to do with: the seller's, and those it is billed in."""
    used = {str(customer.seller.currency)}
    used |= set(customer.subscriptions.values_list("currency", flat=True).distinct())
    used |= set(customer.balances.values_list("currency", flat=True))
    documents = Invoice.objects.filter(customer=customer).order_by()
    return sorted(used | set(documents.values_list("currency", flat=True).distinct()))


def check_sum(customer: Customer, amount_minor: int, currency: str, is_confirmed: bool) -> None:
    """Refuse a sum that is out of bounds, unusual for the customer, or in a strange currency."""
    if currency != customer.seller.currency and currency not in currencies_of(customer):
        raise Refused(
            f"{customer} has nothing in {currency}. Use {' or '.join(currencies_of(customer))}.",
            code="currency_not_used",
        )
    billed = Invoice.objects.filter(customer=customer, currency=currency, kind="invoice")
    usual = 0
    if not is_confirmed and abs(amount_minor) > usual_minor(currency):
        usual = billed.aggregate(most=Max("total_minor"))["most"] or 0
    check_amount(amount_minor, currency, is_confirmed=is_confirmed, usual=usual)
