"""Coupons of customers and subscriptions: found by what somebody typed, given and taken away, and
who has had what each person has once.
"""

from datetime import date

from django.db import transaction
from django.db.models import F, Q, QuerySet

from billing.engine.errors import CurrencyMismatch, Refused
from billing.events.recorder import record
from billing.subscriptions.changing import refuse_incomplete
from billing.subscriptions.models import CouponRedemption, Subscription
from catalog.models import Coupon, Plan
from customers.locks import lock_customer, lock_staying
from customers.models import Customer
from customers.persons import customers_of, person_ids


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


def check_coupon(coupon: Coupon, plan: Plan | None, currency: str, *, as_of: date) -> None:
    """Raise :class:`Refused` for a coupon that takes nothing off a plan, or off any.

    "coupon_of_another_seller", "coupon_of_another_plan", "coupon_currency" or as
    :func:`check_offered` does.
    """
    if plan is not None and coupon.seller_id != plan.seller_id:
        raise Refused("This coupon is another seller's.", code="coupon_of_another_seller")
    check_offered(coupon, as_of)
    if plan is not None and coupon.plans and plan.code not in coupon.plans:
        raise Refused(f"The coupon {coupon} is not for {plan}.", code="coupon_of_another_plan")
    if coupon.amount_off_minor and coupon.currency != currency:
        raise Refused(f"The coupon {coupon} is in {coupon.currency}.", code="coupon_currency")


def check_offered(coupon: Coupon, as_of: date) -> None:
    """Raise :class:`Refused` for a coupon that nobody can redeem on a day.

    "coupon_inactive", "coupon_over" after its last day, "coupon_used_up".
    """
    if not coupon.is_active:
        raise Refused(f"The coupon {coupon} is no longer offered.", code="coupon_inactive")
    if coupon.last_on is not None and as_of > coupon.last_on:
        raise Refused(
            f"The last day of the coupon {coupon} was {coupon.last_on}.", code="coupon_over"
        )
    if coupon.uses_max is not None and uses_of(coupon) >= coupon.uses_max:
        raise Refused(
            f"The coupon {coupon} has been used {coupon.uses_max} times, which is as often as it "
            "can be.",
            code="coupon_used_up",
        )


def uses_of(coupon: Coupon) -> int:
    """How often a coupon has been redeemed. An order that ran out unpaid has used nothing."""
    return _used(coupon.redemptions.all()).count()


def _used(redemptions: QuerySet[CouponRedemption]) -> QuerySet[CouponRedemption]:
    return redemptions.exclude(subscription__ends_on=F("subscription__starts_on"))


def check_person(
    coupon: Coupon, seller_id: int, email: str, customer: Customer | None = None
) -> None:
    """Raise :class:`Refused` ("coupon_used") where a person may not redeem a coupon once more.

    The person is whoever has the address, and the customer where one is known.
    """
    if has_used(coupon, seller_id, email, customer):
        raise Refused(f"The coupon {coupon} has been used.", code="coupon_used")


def has_used(coupon: Coupon, seller_id: int, email: str, customer: Customer | None = None) -> bool:
    """Whether a person, as :func:`check_person` knows them, has had a coupon that each has once."""
    if not coupon.is_once_per_person:
        return False
    is_theirs = Q(customer__in=customers_of(seller_id, email))
    if customer is not None:
        is_theirs |= Q(customer__in=person_ids(customer))
    return _used(CouponRedemption.objects.filter(is_theirs, coupon=coupon)).exists()


def has_tried(plan: Plan, email: str) -> bool:
    """Whether a person has begun a free trial of the plan's product before."""
    known = Subscription.objects.filter(
        customer__in=customers_of(plan.seller_id, email), plan__product=plan.product_id
    )
    begun = known.exclude(ends_on=F("starts_on")).exclude(status=Subscription.Status.INCOMPLETE)
    return begun.filter(paid_from__gt=F("starts_on")).exists()


def coupon_for(subscription: Subscription, code: str, *, as_of: date) -> Coupon:
    """The coupon with a code, in any case, if this subscription may redeem it.

    What a person has once is had however long ago. Raises :class:`Refused`
    ("coupon_already_there", "coupon_used") and as :func:`coupon_of` and :func:`check_coupon` do.
    """
    coupon = coupon_of(subscription.seller_id, code)
    check_coupon(coupon, subscription.plan, subscription.currency, as_of=as_of)
    had = CouponRedemption.objects.filter(coupon=coupon, customer=subscription.customer_id)
    if had.filter(is_spent=False, removed_on__isnull=True).exists():
        raise Refused(f"The coupon {coupon} is already there.", code="coupon_already_there")
    if coupon.is_once_per_person and had.exists():
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
    """Give a customer, or one subscription, a coupon. This bills nothing by itself.

    Raises :class:`Refused` as :func:`check_offered` and :func:`check_person` do, and
    "coupon_already_there", "coupon_of_another_plan" or "customer_merged".
    """
    lock_staying(customer)
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
    if coupon.uses_max is not None:
        # Of two who would both have the last use, the second waits here and then counts the first.
        coupon = Coupon.objects.select_for_update(no_key=True).get(pk=coupon.pk)
    check_offered(coupon, as_of)
    _refuse_useless(customer, coupon, subscription)
    had = CouponRedemption.objects.filter(
        coupon=coupon, customer=customer, subscription=subscription
    )
    if had.filter(is_spent=False, removed_on=None).exists():
        raise Refused(f"The coupon {coupon} is already there.", code="coupon_already_there")
    check_person(coupon, customer.seller_id, customer.email, customer)
    redemption = CouponRedemption.objects.create(
        coupon=coupon, customer=customer, subscription=subscription, starts_on=as_of
    )
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
    lock_customer(customer.pk)
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
