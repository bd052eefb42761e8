from datetime import UTC, date, datetime, timedelta

import pytest
from django.db.models import F

from billing.base import clock
from billing.invoicing.models import Invoice
from customers.calendar import by_today, on_today, today_of, with_today
from customers.models import Customer, Seller, TestClock
from tests.factories import CustomerFactory, InvoiceFactory, SellerFactory

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
            days = dict(with_today(Customer.objects.all()).values_list("seller", F("today")))
            assert len(days) == 6
            assert days == {seller.pk: today_of(seller) for seller in Seller.objects.all()}


def test_rows_of_sellers_with_and_without_a_clock_are_compared_with_their_own_day() -> None:
    at_home, elsewhere, ahead = SellerFactory(), SellerFactory(time_zone="UTC"), SellerFactory()
    TestClock.objects.create(seller=ahead, at=EVENING + timedelta(days=1))
    for seller in (at_home, elsewhere, ahead):
        InvoiceFactory(customer=CustomerFactory(seller=seller), due_on=date(2026, 3, 2))
    with clock.standing_at(EVENING):
        due = with_today(Invoice.objects.all())
        assert due.filter(by_today("due_on", before=True)).get().seller == ahead
        assert due.filter(on_today("due_on")).get().seller == at_home
        assert {each.seller for each in due.filter(by_today("due_on"))} == {ahead, at_home}


@pytest.mark.parametrize("days", [-400, 0, 400])
def test_no_seller_is_beyond_the_bound_that_the_index_is_asked_for(days: int) -> None:
    sellers = [
        SellerFactory(time_zone=zone)
        for zone in ("Pacific/Kiritimati", "Pacific/Honolulu", "Pacific/Kiritimati")
    ]
    TestClock.objects.create(seller=sellers[-1], at=NOON + timedelta(days=days))
    with clock.standing_at(NOON):
        for seller in sellers:
            InvoiceFactory(customer=CustomerFactory(seller=seller), due_on=today_of(seller))
        due = with_today(Invoice.objects.all())
        assert due.filter(on_today("due_on")).count() == 3
        assert due.filter(by_today("due_on")).count() == 3
        assert not due.filter(by_today("due_on", before=True)).exists()
