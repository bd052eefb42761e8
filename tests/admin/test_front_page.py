"""The front page's figures: what they count, for whom, and what they leave out."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from billing.events import clock
from billing.jobs.models import Heartbeat
from billing.overview import chart_of, sums_of
from customers.models import Seller
from tests.factories import DAY, CustomerFactory, InvoiceFactory, PaymentFactory, SellerFactory

pytestmark = pytest.mark.django_db


def trade(seller: Seller) -> None:
    """In March 300.00 billed, of which 100.00 was credited, and 125.00 paid; 100.00 in February."""
    customer = CustomerFactory(seller=seller)
    line = {"amount_minor": 30_000}
    invoice = InvoiceFactory(customer=customer, lines=[line], paid_minor=12_500)
    PaymentFactory(customer=customer, invoice=invoice)
    credited = {"kind": "credit", "amount_minor": 10_000, "corrects": invoice.lines.get()}
    InvoiceFactory(customer=customer, credit_note=True, lines=[credited])
    InvoiceFactory(
        customer=customer, issued_on=DAY - timedelta(days=20), due_on=DAY - timedelta(days=6)
    )
    InvoiceFactory(customer=customer, draft=True)


def test_sums_are_of_this_month_and_bars_of_the_last_twelve() -> None:
    trade(SellerFactory())
    (sums,) = sums_of(DAY)
    assert (sums.currency, sums.billed_minor, sums.collected_minor) == ("SEK", 20_000, 12_500)
    assert sums.overdue_minor == 12_500
    assert [minor for _, minor in sums.revenue_minor] == [0] * 10 + [10_000, 20_000]
    chart = json.loads(chart_of(sums))
    assert chart["labels"][-2:] == ["Feb 26", "Mar 26"]
    assert chart["datasets"][0]["data"][-2:] == [100, 200]


def test_test_sellers_are_left_out_as_soon_as_there_is_a_live_one() -> None:
    trade(SellerFactory())
    live = SellerFactory(live=True, currency="EUR")
    InvoiceFactory(customer=CustomerFactory(seller=live), lines=[{"amount_minor": 700}])
    assert [(sums.currency, sums.billed_minor) for sums in sums_of(DAY)] == [("EUR", 700)]


def test_the_page_shows_the_sums_the_chart_and_the_age_of_the_tick(anna: Client) -> None:
    trade(SellerFactory())
    Heartbeat.objects.create(name=Heartbeat.TICK, beat_at=clock.now() - timedelta(minutes=2))
    page = anna.get(reverse("admin:index"))
    text = page.content.decode()
    for said in ("200 SEK", "125 SEK", "Revenue per month", "2", "minutes ago", "Mar 26"):
        assert said in text
    assert "The tick is late" not in text
    Heartbeat.objects.update(beat_at=clock.now() - timedelta(minutes=6))
    assert "The tick is late" in anna.get(reverse("admin:index")).content.decode()
