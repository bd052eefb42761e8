"""The last use of a coupon, which several would have at once."""

import pytest

from billing.subscriptions.coupons import redeem_coupon, uses_of
from tests.concurrency.test_portal_beside_itself import THREADS, at_once
from tests.factories import DAY, CouponFactory, CustomerFactory, SellerFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_several_who_would_have_the_last_use_one_has_it() -> None:
    seller = SellerFactory()
    coupon = CouponFactory(seller=seller, uses_max=2)
    redeem_coupon(CustomerFactory(seller=seller), coupon, as_of=DAY, actor="test")
    customers = [CustomerFactory(seller=seller) for _ in range(THREADS)]
    answers = at_once(
        lambda: redeem_coupon(customers.pop(), coupon, as_of=DAY, actor="test") and "redeemed"
    )
    assert answers.count("redeemed") == 1
    assert answers.count("coupon_used_up") == THREADS - 1
    assert uses_of(coupon) == 2
