"""What moves when a customer is merged into another, and what stands against it: reads alone.

What is still to come moves. Documents, payments, refunds and events say what they said, and stay.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from billing.checkout.models import Order
from billing.engine.errors import Refused
from billing.invoicing.models import CustomerBalance, Invoice, OneOffItem
from billing.payments.models import (
    IN_FLIGHT,
    CheckoutSession,
    Payment,
    PaymentMethod,
    Refund,
)
from billing.subscriptions.models import CouponRedemption, Subscription
from customers.models import Customer
from customers.persons import refuse_merged
from dunning.models import DunningCase

# Of what stands against a merge, so many of each kind are named.
LISTED_MAX = 20


@dataclass(frozen=True, slots=True)
class Moves:
    """What goes from the customer that is closed to the one that stays.

    ``balances_minor`` are by currency. Of ``coupons`` those that the other has as well are in
    ``doubled``, and end, as ``offers`` do. Subscriptions that have ended move too; among
    ``subscriptions`` are those of them that are still to be billed.
    ``is_charged_otherwise``: later bills are no longer charged to a card, or are from now on.
    """

    subscriptions: list[Subscription] = field(default_factory=list)
    one_offs: list[OneOffItem] = field(default_factory=list)
    coupons: list[CouponRedemption] = field(default_factory=list)
    doubled: list[CouponRedemption] = field(default_factory=list)
    cards: list[PaymentMethod] = field(default_factory=list)
    offers: list[Order] = field(default_factory=list)
    balances_minor: dict[str, int] = field(default_factory=dict)
    external_id: str | None = None
    followers: list[Customer] = field(default_factory=list)
    is_charged_otherwise: bool = False

    @property
    def has_bills_to_come(self) -> bool:
        return bool(self.subscriptions or self.one_offs)


def what_moves(closing: Customer, staying: Customer) -> Moves:
    """What would move if a customer were merged into another now."""
    live = live_coupons(closing)
    doubled = list(doubled_coupons(closing, staying))
    return Moves(
        subscriptions=list(
            _to_be_billed(closing).select_related("plan", "customer").order_by("pk")
        ),
        one_offs=list(waiting_items(closing).order_by("pk")),
        coupons=list(live.exclude(pk__in=[each.pk for each in doubled]).select_related("coupon")),
        doubled=doubled,
        cards=list(PaymentMethod.objects.filter(customer=closing, retired_at=None).order_by("pk")),
        offers=list(open_offers(closing).select_related("plan").order_by("pk")),
        balances_minor=dict(
            CustomerBalance.objects.filter(customer=closing, balance_minor__gt=0)
            .order_by("currency")
            .values_list("currency", "balance_minor")
        ),
        external_id=closing.external_id,
        followers=list(Customer.objects.filter(merged_into=closing).order_by("pk")),
        is_charged_otherwise=closing.collection != staying.collection,
    )


def _to_be_billed(customer: Customer) -> QuerySet[Subscription]:
    """The subscriptions that go on, or have ended with a bill still due."""
    goes_on = ~Q(status=Subscription.Status.ENDED)
    return Subscription.objects.filter(goes_on | Q(next_bill_on__isnull=False), customer=customer)


def waiting_items(customer: Customer) -> QuerySet[OneOffItem]:
    """The one-off items that no document has billed."""
    return OneOffItem.objects.filter(customer=customer, line=None)


def open_offers(customer: Customer) -> QuerySet[Order]:
    """Checkout links on which nothing was ordered yet."""
    return Order.objects.filter(customer=customer, status=Order.Status.OPEN)


def live_coupons(customer: Customer) -> QuerySet[CouponRedemption]:
    """The coupons that may still take something off."""
    return CouponRedemption.objects.filter(customer=customer, is_spent=False, removed_on=None)


def doubled_coupons(closing: Customer, staying: Customer) -> QuerySet[CouponRedemption]:
    """Those of the one that is closed, for all that it has, that the other has in the same way."""
    theirs = live_coupons(staying).filter(subscription=None, coupon=OuterRef("coupon"))
    return (
        live_coupons(closing)
        .filter(Exists(theirs), subscription=None)
        .select_related("coupon")
        .order_by("pk")
    )


def obstacles(closing: Customer, staying: Customer) -> Iterator[Refused]:
    """All that must be seen to first, each with what to do.

    Where the two cannot be merged whatever is done, that alone. Of each kind the first
    :data:`LISTED_MAX`, and how many more there are.
    """
    if wrong := _mismatch(closing, staying):
        yield wrong
        return
    yield from _unfinished_debts(closing)
    yield from _unfinished_business(closing)
    if closing.external_id and staying.external_id:
        yield Refused(
            f"Both have an external id: {closing.external_id} and {staying.external_id}. Clear the "
            "one by which the shop does not know them any more.",
            code="two_external_ids",
        )
    has_bills_to_come = _to_be_billed(closing).exists() or waiting_items(closing).exists()
    if has_bills_to_come and _taxed_by(closing) != _taxed_by(staying):
        yield Refused(
            f"{closing} and {staying} are taxed in different ways, and what moves would be taxed "
            "in another way than before. Give both the same country, VAT number, tax and kind of "
            "buyer first.",
            code="taxed_otherwise",
        )


def _mismatch(closing: Customer, staying: Customer) -> Refused | None:
    if closing.pk == staying.pk:
        return Refused("Choose another customer: this is the same one.", code="same_customer")
    if closing.seller_id != staying.seller_id:
        return Refused("This customer is another seller's.", code="customer_of_another_seller")
    for customer in (closing, staying):
        try:
            refuse_merged(customer)
        except Refused as refused:
            return refused
    return None


def _each[Row: Model](
    rows: "QuerySet[Row]", refusal: Callable[[Row], Refused]
) -> Iterator[Refused]:
    """What stands against it of some rows, each for itself; of many, the first and how many more.

    No more than that is read of them.
    """
    first = list(rows.order_by("pk")[:LISTED_MAX])
    refusals = [refusal(row) for row in first]
    yield from refusals
    more = rows.count() - LISTED_MAX if len(first) == LISTED_MAX else 0
    if more > 0:
        yield Refused(f"And {more} more of this kind.", code=refusals[-1].code)


def _unfinished_debts(closing: Customer) -> Iterator[Refused]:
    orders = Order.objects.filter(customer=closing, status=Order.Status.PLACED)
    yield from _each(
        orders,
        lambda order: Refused(
            f"The order {order} of {closing} waits to be paid. Have it paid, or let it run out.",
            code="order_waits",
        ),
    )
    ordered = orders.exclude(invoice=None).values("invoice")
    yield from _each(
        Invoice.objects.open().filter(customer=closing).exclude(pk__in=ordered),
        lambda invoice: Refused(
            f"{invoice} of {closing} is open. Have it paid, credit it, or write it off.",
            code="invoice_open",
        ),
    )
    cases = DunningCase.objects.filter(customer=closing, status=DunningCase.Status.OPEN)
    yield from _each(
        cases.select_related("invoice"),
        lambda case: Refused(
            f"The late debt for {case.invoice} goes on. Wait until it is closed, or stop it.",
            code="late_debt_open",
        ),
    )


def _unfinished_business(closing: Customer) -> Iterator[Refused]:
    yield from _each(
        Payment.objects.filter(customer=closing, state__in=IN_FLIGHT),
        lambda payment: Refused(
            f"The payment {payment} is under way. Wait until it has finished.",
            code="payment_under_way",
        ),
    )
    sent = (Refund.State.CREATED, Refund.State.UNKNOWN)
    yield from _each(
        Refund.objects.filter(payment__customer=closing, state__in=sent),
        lambda refund: Refused(
            f"The refund {refund} is under way. Wait until it has finished.",
            code="refund_under_way",
        ),
    )
    pages = (CheckoutSession.Status.CREATING, CheckoutSession.Status.OPEN)
    if CheckoutSession.objects.filter(customer=closing, status__in=pages).exists():
        yield Refused(
            f"A page for a card or a payment of {closing} is open. Wait until it is closed.",
            code="page_open",
        )
    yield from _each(
        Subscription.objects.filter(customer=closing).exclude(parked_reason=""),
        lambda parked: Refused(
            f"The subscription {parked.public_id} is parked. Repair it and bill it first.",
            code="subscription_parked",
        ),
    )


def _taxed_by(customer: Customer) -> tuple[object, ...]:
    """What of a customer the tax of its bills depends on."""
    return (
        str(customer.country),
        customer.vat_number,
        customer.tax,
        customer.is_business,
        bool(customer.business_evidence),
    )
