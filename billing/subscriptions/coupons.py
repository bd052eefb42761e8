"""Finding the coupon that a customer has typed, and whether it does anything for them."""

from billing.engine.errors import CurrencyMismatch, Refused
from billing.subscriptions.models import CouponRedemption, Subscription
from catalog.models import Coupon


def coupon_for(subscription: Subscription, code: str) -> Coupon:
    """The coupon with a code, in any case, if this subscription may redeem it.

    A customer has each coupon once, however long ago. Raises :class:`Refused` ("coupon_unknown",
    "coupon_inactive", "coupon_not_for_plan", "coupon_already_there", "coupon_used") and
    :class:`CurrencyMismatch`.
    """
    code = code.strip()
    coupons = Coupon.objects.filter(seller=subscription.seller_id)
    coupon = coupons.filter(code=code).first() or coupons.filter(code__iexact=code).first()
    if coupon is None:
        raise Refused(f"There is no coupon “{code[:80]}”.", code="coupon_unknown")
    if not coupon.is_active:
        raise Refused(f"The coupon {coupon} is no longer offered.", code="coupon_inactive")
    if coupon.plans and subscription.plan.code not in coupon.plans:
        raise Refused(
            f"The coupon {coupon} is not for the plan {subscription.plan}.",
            code="coupon_not_for_plan",
        )
    if coupon.amount_off_minor and coupon.currency != subscription.currency:
        raise CurrencyMismatch(f"The coupon {coupon} is in {coupon.currency}.")
    had = CouponRedemption.objects.filter(coupon=coupon, customer=subscription.customer_id)
    if had.filter(is_spent=False, removed_on__isnull=True).exists():
        raise Refused(f"The coupon {coupon} is there already.", code="coupon_already_there")
    if had.exists():
        raise Refused(f"The coupon {coupon} has been used.", code="coupon_used")
    return coupon
