"""Coupons of customers and subscriptions: found by what somebody typed, given and taken away, and
who has had what each person has once.
"""

from datetime import date

from django.db import transaction
from django.db.models import F, Q

from billing.engine.errors import CurrencyMismatch, Refused
from billing.events.recorder import record
from billing.subscriptions.changing import refuse_incomplete
from billing.subscriptions.models import CouponRedemption, Subscription
from catalog.models import Coupon, Plan
from customers.models import Customer
from customers.persons import customers_of


def coupon_of(seller_id: int, code: str) -> Coupon:
    """A seller's coupon with a code, in any case; one that is written just so comes first.

    Raises :class:`Refused` ("coupon_unknown").
    """
    code = code.strip()
    coupons = Coupon.objects.filter(seller=seller_id)
    found = coupons.filter(code=code).first() or coupons.filter(code__iexact=code).first()
    if found is None:
        raise Refused(f"There is no coupon “{code[:80]}”.", code="coupon_unknown")
    return found


def check_coupon(coupon: Coupon, plan: Plan | None, currency: str) -> None:
    """Raise :class:`Refused` for a coupon that takes nothing off a plan, or off any.

    "coupon_of_another_seller", "coupon_inactive", "coupon_of_another_plan" or "coupon_currency".
    """
    if plan is not None and coupon.seller_id != plan.seller_id:
        raise Refused("This coupon is another seller's.", code="coupon_of_another_seller")
    if not coupon.is_active:
        raise Refused(f"The coupon {coupon} is no longer offered.", code="coupon_inactive")
    if plan is not None and coupon.plans and plan.code not in coupon.plans:
        raise Refused(f"The coupon {coupon} is not for {plan}.", code="coupon_of_another_plan")
    if coupon.amount_off_minor and coupon.currency != currency:
        raise Refused(f"The coupon {coupon} is in {coupon.currency}.", code="coupon_currency")


def check_person(
    coupon: Coupon, seller_id: int, email: str, customer: Customer | None = None
) -> None:
    """Raise :class:`Refused` ("coupon_used") where a person has redeemed a coupon before.

    The person is whoever has the address, and the customer where one is known. An order that ran
    out unpaid has used nothing.
    """
    is_theirs = Q(customer__in=customers_of(seller_id, email)) | Q(customer=customer)
    had = CouponRedemption.objects.filter(is_theirs, coupon=coupon)
    if had.exclude(subscription__ends_on=F("subscription__starts_on")).exists():
        raise Refused(f"The coupon {coupon} has been used.", code="coupon_used")


def has_tried(plan: Plan, email: str) -> bool:
    """Whether a person has begun a free trial of the plan's product before."""
    known = Subscription.objects.filter(
        customer__in=customers_of(plan.seller_id, email), plan__product=plan.product_id
    )
    begun = known.exclude(ends_on=F("starts_on")).exclude(status=Subscription.Status.INCOMPLETE)
    return begun.filter(paid_from__gt=F("starts_on")).exists()


def coupon_for(subscription: Subscription, code: str) -> Coupon:
    """The coupon with a code, in any case, if this subscription may redeem it.

    A person has each coupon once, however long ago. Raises :class:`Refused`
    ("coupon_already_there", "coupon_used") and as :func:`coupon_of` and :func:`check_coupon` do.
    """
    coupon = coupon_of(subscription.seller_id, code)
    check_coupon(coupon, subscription.plan, subscription.currency)
    had = CouponRedemption.objects.filter(coupon=coupon, customer=subscription.customer_id)
    if had.filter(is_spent=False, removed_on__isnull=True).exists():
        raise Refused(f"The coupon {coupon} is already there.", code="coupon_already_there")
    if had.exists():
        raise Refused(f"The coupon {coupon} has been used.", code="coupon_used")
    # Who orders twice is two customers, and one person.
    check_person(coupon, subscription.seller_id, subscription.customer.email)
    return coupon


@transaction.atomic
def redeem_coupon(
    customer: Customer,
    coupon: Coupon,
    *,
    as_of: date,
    actor: str,
    subscription: Subscription | None = None,
) -> CouponRedemption:
    """Give a customer, or one subscription, a coupon. This bills nothing by itself."""
    Customer.objects.select_for_update().get(pk=customer.pk)
    if subscription:
        subscription.refresh_from_db()
        refuse_incomplete(subscription)
    return redeem_locked(customer, coupon, subscription, as_of, actor)


def redeem_locked(
    customer: Customer,
    coupon: Coupon,
    subscription: Subscription | None,
    as_of: date,
    actor: str,
) -> CouponRedemption:
    if not coupon.is_active:
        raise Refused(f"The coupon {coupon} is no longer offered.", code="coupon_inactive")
    _refuse_useless(customer, coupon, subscription)
    redemption, is_new = CouponRedemption.objects.get_or_create(
        coupon=coupon,
        customer=customer,
        subscription=subscription,
        is_spent=False,
        removed_on=None,
        defaults={"starts_on": as_of},
    )
    if not is_new:
        raise Refused(f"The coupon {coupon} is already there.", code="coupon_already_there")
    record(
        "coupon.redeemed",
        seller=customer.seller.public_id,
        subject=(subscription or customer).public_id,
        occurred_on=as_of,
        actor=actor,
        data={"coupon": coupon.code},
    )
    return redemption


def _refuse_useless(customer: Customer, coupon: Coupon, subscription: Subscription | None) -> None:
    """Refuse a coupon for other plans or currencies than any that the customer has."""
    if not coupon.plans and not coupon.amount_off_minor:
        return
    if subscription:
        running = {(subscription.plan.code, subscription.currency)}
    else:
        going_on = customer.subscriptions.exclude(status=Subscription.Status.ENDED)
        running = set(going_on.values_list("plan__code", "currency"))
    currencies = {currency for _, currency in running}
    if currencies and coupon.amount_off_minor and coupon.currency not in currencies:
        raise CurrencyMismatch(
            f"The coupon {coupon} is in {coupon.currency} and would take nothing off what is in "
            f"{', '.join(sorted(currencies))}."
        )
    plans = {plan for plan, _ in running}
    if plans and coupon.plans and not plans & set(coupon.plans):
        wanted, had = ", ".join(coupon.plans), ", ".join(sorted(plans))
        raise Refused(
            f"The coupon {coupon} is for {wanted} and would take nothing off {had}.",
            code="coupon_of_another_plan",
        )


@transaction.atomic
def remove_coupon(
    customer: Customer,
    coupon: Coupon,
    *,
    as_of: date,
    actor: str,
    subscription: Subscription | None = None,
) -> None:
    """Take a coupon away from later documents."""
    Customer.objects.select_for_update().get(pk=customer.pk)
    if subscription:
        subscription.refresh_from_db()
        refuse_incomplete(subscription)
    found = CouponRedemption.objects.filter(
        coupon=coupon, customer=customer, subscription=subscription, removed_on=None, is_spent=False
    ).update(removed_on=as_of)
    if not found:
        raise Refused(f"There is no coupon {coupon} to remove.", code="coupon_not_there")
    record(
        "coupon.removed",
        seller=customer.seller.public_id,
        subject=(subscription or customer).public_id,
        occurred_on=as_of,
        actor=actor,
        data={"coupon": coupon.code},
    )
