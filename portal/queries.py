"""What customers ask first: what they owe, what they have with us, how they pay."""

import re
from dataclasses import dataclass
from datetime import date

from django.db.models import (
    BooleanField,
    Case,
    Exists,
    ExpressionWrapper,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)

from billing.checkout.models import Order
from billing.engine.money import EXPONENTS
from billing.invoicing.balances import free_balances
from billing.invoicing.models import CustomerBalance, Invoice
from billing.payments.models import Payment, PaymentAllocation, PaymentMethod
from billing.payments.outlook import chargeable_card
from billing.subscriptions.models import Subscription
from customers.models import Customer
from customers.persons import accounts_with, person_ids
from portal.words import writer

SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class Debt:
    """What is owed in one currency, in minor units, and the open invoices that it is the sum of."""

    currency: str
    owed_minor: int
    invoices: list[Invoice]

    def first_due_on(self) -> date:
        return min(invoice.due_on for invoice in self.invoices)


# Orders that nobody has paid, or not yet: their own page tells of them, and the portal does not.
_UNPAID = (Order.Status.PLACED, Order.Status.EXPIRED)
_UNPAID_ORDER = Q(order__status__in=_UNPAID)


def accounts_at(seller_id: int, address: str) -> QuerySet[Customer]:
    """A seller's customers with just this address, the newest first, as :func:`accounts_with` has
    them, without those that are nothing but an order which nobody has paid.
    """
    found = accounts_with(seller_id, address).annotate(is_only_ordered=is_only_ordered())
    return found.filter(is_only_ordered=False)


def is_only_ordered() -> ExpressionWrapper:
    """Whether all that there is of a customer is an order that nobody has paid, in a query.

    Into whom another was merged has what that one had.
    """
    of_each = {"customer": OuterRef("pk")}
    ordered = Order.objects.filter(**of_each, status__in=_UNPAID)
    has_more = (
        Exists(_begun(Subscription.objects.filter(**of_each)))
        | Exists(_issued(Invoice.objects.filter(**of_each)))
        | Exists(PaymentMethod.objects.filter(**of_each))
        | Exists(CustomerBalance.objects.filter(**of_each).exclude(balance_minor=0))
        | Exists(Customer.objects.filter(merged_into=OuterRef("pk")))
        | Q(external_id__isnull=False)
    )
    return ExpressionWrapper(Exists(ordered) & ~has_more, output_field=BooleanField())


def _begun(subscriptions: QuerySet[Subscription]) -> QuerySet[Subscription]:
    return subscriptions.exclude(_UNPAID_ORDER).exclude(status=Subscription.Status.INCOMPLETE)


def _issued(documents: QuerySet[Invoice]) -> QuerySet[Invoice]:
    paid = PaymentAllocation.objects.filter(
        invoice=OuterRef("pk"), payment__state=Payment.State.SUCCEEDED
    )
    # What was paid in part is the customer's to see, whatever became of the order.
    return documents.exclude(status=Invoice.Status.DRAFT).exclude(_UNPAID_ORDER & ~Exists(paid))


def documents_of(customer: Customer) -> QuerySet[Invoice]:
    """What has been issued to a customer and to all who were merged into it, newest first, without
    what was only ordered.

    Beside each: ``is_in_flight`` while a payment of it is under way, ``has_failed`` once one did.
    """
    own = PaymentAllocation.objects.filter(invoice=OuterRef("pk"))
    under_way, failed = (
        own.filter(state=PaymentAllocation.State.IN_FLIGHT),
        own.filter(payment__state=Payment.State.FAILED),
    )
    return (
        _issued(Invoice.objects.filter(customer__in=person_ids(customer)))
        .select_related("customer__seller")
        .annotate(is_in_flight=Exists(under_way), has_failed=Exists(failed))
        .order_by("-pk")
    )


def open_among(documents: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """The invoices that are to be paid."""
    return documents.filter(kind=Invoice.Kind.INVOICE, status=Invoice.Status.OPEN)


def matching(documents: QuerySet[Invoice], asked: str) -> QuerySet[Invoice]:
    """Those whose number has the text, whose total it is, or whose year; all for an empty text."""
    asked = asked.replace("\0", "").strip()
    if not asked:
        return documents
    plain = re.sub(r"\s|kr|sek|eur|[€$£]", "", asked.lower())
    found = Q(number__icontains=asked)
    if re.fullmatch(r"(19|20)[0-9]{2}", plain):
        found |= Q(issued_on__year=int(plain))
    if amount := re.fullmatch(r"([0-9]{1,12})(?:[.,]([0-9]{1,4}))?", plain):
        found |= _of_amount(int(amount[1]), amount[2])
    return documents.filter(found)


def _of_amount(whole: int, decimals: str | None) -> Q:
    """Documents with this total, or without decimals with these whole units, in any currency."""
    found = Q(pk__in=[])
    for places in set(EXPONENTS.values()):
        first, unit = whole * 10**places, 10**places
        if decimals is None:
            total = Q(total_minor__gte=first, total_minor__lt=first + unit)
        elif len(decimals) <= places:
            total = Q(total_minor=first + int(decimals.ljust(places, "0")))
        else:
            continue
        codes = [code for code, digits in EXPONENTS.items() if digits == places]
        found |= total & Q(currency__in=codes)
    return found


def debts_of(customer: Customer) -> list[Debt]:
    """What a customer owes, a currency each, what is due first at the top.

    With the seller and the letterhead of each, by which it is told how to pay it.
    """
    documents = documents_of(customer).select_related("seller", "letterhead")
    by_currency: dict[str, list[Invoice]] = {}
    for invoice in open_among(documents).order_by("due_on", "pk"):
        if invoice.is_collectable:
            by_currency.setdefault(invoice.currency, []).append(invoice)
    return [
        Debt(currency, sum(invoice.left_minor for invoice in invoices), invoices)
        for currency, invoices in by_currency.items()
    ]


def oldest_debt_of(subscription: Subscription) -> Invoice | None:
    """The invoice of a subscription that is to be paid first; None where nothing is owed."""
    open_ones = open_among(documents_of(subscription.customer))
    return open_ones.filter(lines__subscription=subscription).order_by("due_on", "pk").first()


def balances_of(customer: Customer) -> list[str]:
    """What a customer has with us that no order keeps, written as money: one for each currency."""
    free = free_balances([customer.pk])
    return [writer(currency).money(minor) for (_, currency), minor in sorted(free.items())]


def subscriptions_of(customer: Customer, after: Subscription | None = None) -> list[Subscription]:
    """A page of a customer's subscriptions that have begun, what has ended last: those that come
    after one, and one more than :data:`SHOWN_MAX` where there is another page.
    """
    is_over = Case(
        When(status=Subscription.Status.ENDED, then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    found = (
        _begun(Subscription.objects.filter(customer=customer))
        .select_related("plan", "seller")
        .annotate(is_over=is_over)
        .order_by("is_over", "-pk")
    )
    if after is not None:
        own = int(after.status == Subscription.Status.ENDED)
        found = found.filter(Q(is_over__gt=own) | Q(is_over=own, pk__lt=after.pk))
    return list(found[: SHOWN_MAX + 1])


def usable_method(customer: Customer) -> PaymentMethod | None:
    """The card that is charged next, if there is one that works."""
    return chargeable_card(customer)
