"""What the shop's year came to, in numbers."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet, Sum

from billing.demo.story import DAYS_TO_OPEN
from billing.demo.year import first_day_of
from billing.engine.money import to_minor
from billing.engine.pricing import rate
from billing.engine.tax import Treatment
from billing.invoicing.abroad import Abroad
from billing.invoicing.models import Invoice
from billing.invoicing.owed import LEFT_MINOR
from billing.invoicing.snapshots import bill_to_of
from billing.subscriptions.models import Subscription, SubscriptionItem
from billing.tax.rates import NoTaxRate, RateTable, treatment_of
from catalog.models import Price
from customers.models import Seller

MONTHS_OF = {"month": Decimal(1), "year": Decimal(12)}


@dataclass(frozen=True, slots=True)
class Sums:
    """One currency's sums in minor units; ``revenue`` is net, credit notes counted off."""

    currency: str
    revenue_minor: int
    collected_minor: int
    overdue_minor: int
    mrr_first_minor: int
    mrr_last_minor: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The year until ``on``; ``mrr_first_on`` is when the shop was open in full."""

    on: date
    mrr_first_on: date
    customers: int
    subscriptions: int
    parked: int
    invoices: int
    credit_notes: int
    overdue: int
    sums: list[Sums]


def figures_of(seller: Seller, on: date) -> Figures:
    """The figures of all that the seller has issued, as of a day."""
    documents = Invoice.objects.filter(seller=seller).exclude(status=Invoice.Status.VOID)
    invoices = documents.filter(kind=Invoice.Kind.INVOICE)
    notes = documents.filter(kind=Invoice.Kind.CREDIT_NOTE)
    overdue = Invoice.objects.overdue(on).filter(seller=seller)
    first_on = min(on, (first_day_of(seller) or on) + timedelta(days=DAYS_TO_OPEN))
    mrr_first, mrr_last = mrr_of(seller, first_on), mrr_of(seller, on)
    billed, credited = _sum_of(invoices, "net_minor"), _sum_of(notes, "net_minor")
    paid = _sum_of(invoices, "paid_minor")
    late = _sum_of(overdue, LEFT_MINOR)
    return Figures(
        on=on,
        mrr_first_on=first_on,
        customers=seller.customers.count(),
        subscriptions=seller.subscriptions.exclude(status=Subscription.Status.ENDED).count(),
        parked=seller.subscriptions.exclude(parked_reason="").count(),
        invoices=invoices.count(),
        credit_notes=notes.count(),
        overdue=overdue.count(),
        sums=[
            Sums(
                currency,
                billed[currency] - credited[currency],
                paid[currency],
                late[currency],
                mrr_first[currency],
                mrr_last[currency],
            )
            for currency in sorted({*billed, *mrr_last}, reverse=True)
        ],
    )


def _sum_of(documents: QuerySet[Invoice], amount: object) -> Counter[str]:
    rows = documents.order_by().values_list("currency").annotate(sum=Sum(amount))
    return Counter(dict(rows))


def mrr_of(seller: Seller, on: date) -> Counter[str]:
    """Monthly recurring revenue on a day by currency: agreed prices net of VAT, in minor units.

    Trials, pauses and parked subscriptions count nothing, coupons and usage are left out, and a
    year counts a twelfth.
    """
    table = RateTable.load()
    items = list(_running(seller, on))
    abroad = Abroad(seller, [bill_to_of(item.subscription.customer) for item in items])
    sums: dict[str, Decimal] = {}
    for item in items:
        price, subscription = item.price, item.subscription
        amount = rate(price.terms(item.agreed_amount), item.quantity)
        net = _net(abroad, item, amount.fixed + amount.variable, table, on)
        months = MONTHS_OF[price.plan.interval_unit] * price.plan.interval_count
        currency = subscription.currency
        sums[currency] = sums.get(currency, Decimal(0)) + net / months
    return Counter({currency: to_minor(total, currency) for currency, total in sums.items()})


def _running(seller: Seller, on: date) -> QuerySet[SubscriptionItem]:
    paused = Q(subscription__pauses__starts_on__lte=on) & (
        Q(subscription__pauses__ends_on=None) | Q(subscription__pauses__ends_on__gt=on)
    )
    in_pause = SubscriptionItem.objects.filter(paused, subscription__seller=seller)
    return (
        SubscriptionItem.objects.filter(
            Q(ends_on=None) | Q(ends_on__gt=on),
            Q(subscription__ends_on=None) | Q(subscription__ends_on__gt=on),
            subscription__seller=seller,
            subscription__parked_reason="",
            subscription__paid_from__lte=on,
            starts_on__lte=on,
            price__billing=Price.Billing.IN_ADVANCE,
        )
        .exclude(pk__in=in_pause.values("pk"))
        .select_related("price__plan__product", "subscription__customer")
    )


def _net(
    abroad: Abroad, item: SubscriptionItem, amount: Decimal, table: RateTable, on: date
) -> Decimal:
    """The amount without the VAT in it, by the rates that its next bill will have."""
    percent = sum(
        (
            one.percent + one.relief
            for one in _treatment(abroad, item, table, on)
            if one.is_inclusive
        ),
        Decimal(0),
    )
    return amount * 100 / (100 + percent)


def _treatment(abroad: Abroad, item: SubscriptionItem, table: RateTable, on: date) -> Treatment:
    price, customer = item.price, item.subscription.customer
    for stated in (price.tax, customer.tax):
        if stated is not None:
            return treatment_of(stated)
    product, bill_to = price.plan.product, bill_to_of(customer)

    def rate_for(country: str, is_inclusive: bool) -> Treatment:
        stated = abroad.seller.tax if country == abroad.home else None
        if stated is not None:
            return treatment_of(stated)
        return table.rate_for(country, product.tax_category, on, is_inclusive=is_inclusive)

    try:
        if supply := abroad.supply(bill_to, product.supply, on):
            return abroad.treatment(supply, bill_to, rate_for, is_inclusive=price.is_tax_inclusive)
        return rate_for(abroad.home, price.is_tax_inclusive)
    except NoTaxRate:  # It cannot be billed either.
        return ()
