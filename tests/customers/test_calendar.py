from datetime import UTC, datetime, timedelta

import pytest

from billing.base import clock
from customers.calendar import TodayOfSeller, today_of
from customers.models import Customer, Seller, TestClock
from tests.factories import CustomerFactory, SellerFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENING = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def test_a_query_knows_the_day_of_each_seller_as_the_code_does() -> None:
    zones = ("Pacific/Kiritimati", "Europe/Stockholm", "UTC", "Pacific/Honolulu", "Asia/Kathmandu")
    for zone in zones:
        CustomerFactory(seller=SellerFactory(time_zone=zone))
    ahead = SellerFactory(time_zone="America/New_York")
    TestClock.objects.create(seller=ahead, at=EVENING + timedelta(days=100))
    CustomerFactory(seller=ahead)
    for instant in (NOON, EVENING):
        with clock.standing_at(instant):
            days = dict(Customer.objects.values_list("seller", TodayOfSeller("seller")))
            assert len(days) == 6
            assert days == {seller.pk: today_of(seller) for seller in Seller.objects.all()}
