"""The front page's figures: what they count, for whom, and what they leave out."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from billing.base import clock
from billing.checkout.models import Order
from billing.front_page import overview
from billing.front_page.overview import ANEW_AFTER, add_up, chart_of, shown_sums, sums_of
from billing.front_page.scope import scope_of
from billing.front_page.waiting import kinds_of_work
from billing.invoicing.models import Invoice
from billing.jobs.models import Heartbeat
from customers.models import Seller
from tests.admin.test_actions import plain
from tests.factories import (
    DAY,
    CustomerFactory,
    InvoiceFactory,
    PaymentFactory,
    SellerFactory,
    SubscriptionFactory,
)

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
    (sums,) = sums_of(DAY, scope_of())
    assert (sums.currency, sums.billed_minor, sums.collected_minor) == ("SEK", 20_000, 12_500)
    assert sums.overdue_minor == 12_500
    assert [minor for _, minor in sums.revenue_minor] == [0] * 10 + [10_000, 20_000]
    chart = json.loads(chart_of(sums))
    assert chart["labels"][-2:] == ["Feb 26", "Mar 26"]
    assert chart["datasets"][0]["data"][-2:] == [100, 200]


def test_what_is_only_ordered_is_neither_billed_nor_open_nor_overdue() -> None:
    customer = CustomerFactory()
    subscription = SubscriptionFactory(customer=customer, status="incomplete")
    invoice = InvoiceFactory(customer=customer, due_on=DAY)
    order = Order.objects.create(
        seller=customer.seller,
        plan=subscription.plan,
        currency="SEK",
        customer=customer,
        subscription=subscription,
        invoice=invoice,
        token_hash="x",
        status="placed",
        expires_at=clock.now(),
        placed_at=clock.now(),
        consent={"words": "I agree."},
    )
    later = DAY + timedelta(days=1)
    assert sums_of(later, scope_of()) == []
    assert not any(
        work.waiting.filter(pk=invoice.pk).exists()
        for work in kinds_of_work()
        if work.waiting.model is Invoice
    )
    Order.objects.filter(pk=order.pk).update(status="complete", closed_at=clock.now())
    (sums,) = sums_of(later, scope_of())
    assert (sums.billed_minor, sums.overdue_minor) == (10_000, 12_500)


def test_test_sellers_are_left_out_as_soon_as_there_is_a_live_one() -> None:
    trade(SellerFactory())
    live = SellerFactory(live=True, currency="EUR")
    InvoiceFactory(customer=CustomerFactory(seller=live), lines=[{"amount_minor": 700}])
    assert [(sums.currency, sums.billed_minor) for sums in sums_of(DAY, scope_of())] == [
        ("EUR", 700)
    ]


def test_sums_that_take_long_are_kept_for_who_asks_next_and_added_up_by_the_tick(
    anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(SellerFactory())
    today = clock.today("Europe/Stockholm")
    assert shown_sums(today, scope_of())[1] is None
    monkeypatch.setattr(overview, "SLOW_S", 0)
    with time_machine.travel(clock.now(), tick=False) as time:
        add_up(today, scope_of())
        before = shown_sums(today, scope_of())
        InvoiceFactory(customer=CustomerFactory(seller=SellerFactory(currency="EUR")))
        add_up(today, scope_of())
        assert shown_sums(today, scope_of()) == before
        assert "as of 12:00 CET" in anna.get(reverse("admin:index")).content.decode()
        time.shift(ANEW_AFTER)
        add_up(today, scope_of())
        found, at = shown_sums(today, scope_of())
        assert (found, at) == (sums_of(today, scope_of()), clock.now())
    assert found != before[0]


def test_the_page_shows_the_sums_the_chart_and_the_age_of_the_tick(anna: Client) -> None:
    trade(SellerFactory())
    Heartbeat.objects.create(name=Heartbeat.TICK, beat_at=clock.now() - timedelta(minutes=2))
    page = anna.get(reverse("admin:index"))
    text = plain(page.content.decode())
    for said in ("SEK 200", "SEK 125", "Revenue per month", "2", "minutes ago", "Mar 26"):
        assert said in text
    assert "The tick is late" not in text
    Heartbeat.objects.update(beat_at=clock.now() - timedelta(minutes=6))
    assert "The tick is late" in anna.get(reverse("admin:index")).content.decode()
