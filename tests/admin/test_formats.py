"""Days, times and amounts of the desk: one way to write them, in the sellers' time."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse
from django.utils import translation

from billing.desk.figures import as_pages_write, money, rounded_money, unit_price, written
from billing.desk.figures import plain as quantity_of
from billing.invoicing.models import Invoice
from billing.outbound.models import Hold
from billing.usage.models import UsageRecord
from customers.models import Customer, Seller
from tests.admin.conftest import Rows
from tests.admin.shown import url
from tests.admin.test_actions import act, plain
from tests.factories import SellerFactory

pytestmark = pytest.mark.django_db


def page_of(client: Client, address: str, language: str = "en") -> str:
    return plain(client.get(address, headers={"accept-language": language}).content.decode())


@pytest.mark.parametrize(
    ("language", "at", "on", "amount"),
    [
        ("en", "2 March 2026, 13:00 CET", "15 March 2026", "SEK 125.00"),
        ("sv", "2 mars 2026 kl. 13:00 CET", "15 mars 2026", "125,00 kr"),
    ],
)
def test_list_details_and_history_write_times_days_and_amounts_alike(
    anna: Client, rows: Rows, language: str, at: str, on: str, amount: str
) -> None:
    invoice, record = rows[Invoice], rows[UsageRecord]
    Hold.objects.create(code="restored", reason="It looks restored.")
    for address in (url(Invoice, "changelist"), url(Invoice, "change", invoice.pk)):
        shown = page_of(anna, address, language)
        assert on in shown and amount in shown, address
    assert at in page_of(anna, url(UsageRecord, "change", record.pk), language)
    # The database's own clock is no test's.
    for address in (url(Customer, "history", rows[Customer].pk), reverse("admin:index")):
        shown = page_of(anna, address, language)
        assert re.search(r"\d+ \w+ \d{4}(, | kl\. )\d\d:\d\d CES?T", shown), address


def test_what_was_done_and_what_was_refused_is_written_as_all_else(
    anna: Client, rows: Rows
) -> None:
    customer = rows[Customer]
    asked = {"amount": "25", "currency": "SEK", "description": "Sorry"}
    assert act(anna, customer, "give-credit", **asked) == "Gave a credit of SEK 25.00."
    shown = page_of(anna, url(Customer, "history", customer.pk), "sv")
    assert "Kunden har fått 25,00 kr till godo." in shown


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Took 1234.50 SEK.", "Took SEK 1,234.50."),
        ("Took -5 JPY on 2026-03-01.", "Took −JP¥5 on 1 March 2026."),
        ("Took 1.234 KWD, 0.50 EUR", "Took KWD 1.234, €0.50"),
        # What only looks like it stays.
        ("BG 1-2026-03-01, 5.0 SEK, 10.00 ABC, 2026-02-31", None),
    ],
)
def test_amounts_and_days_within_a_sentence(text: str, written: str | None) -> None:
    with translation.override("en"):
        assert plain(as_pages_write(text)) == (written or text)


def test_a_price_keeps_its_decimals_and_a_glance_has_none() -> None:
    with translation.override("sv"):
        assert plain(unit_price(Decimal("0.0125"), "SEK")) == "0,0125 kr"
        assert plain(rounded_money(123_456, "SEK")) == "1 235 kr"
        assert "1 234,56 kr" in plain(money(123_456, "SEK"))


def test_sellers_of_several_zones_are_shown_in_the_installations(
    anna: Client, rows: Rows, settings: Any
) -> None:
    address = url(UsageRecord, "change", rows[UsageRecord].pk)
    assert "13:00 CET" in page_of(anna, address)
    SellerFactory(time_zone="America/New_York")
    assert "12:00 UTC" in page_of(anna, address)
    settings.DESK_TIME_ZONE = "Asia/Tokyo"
    assert "21:00 JST" in page_of(anna, address)
    Seller.objects.update(time_zone="America/New_York")
    assert "07:00 EST" in page_of(anna, address)


def test_an_unknown_zone_is_found_at_start(settings: Any) -> None:
    settings.DESK_TIME_ZONE = "Europe/Stokholm"
    assert "kvitt.E019" in {each.id for each in run_checks()}


@pytest.mark.parametrize(
    ("language", "quantity", "share"), [("en", "1,234.5 kg", "12.5"), ("sv", "1 234,5 kg", "12,5")]
)
def test_quantities_and_shares_are_written_with_the_decimals_of_the_language(
    language: str, quantity: str, share: str
) -> None:
    with translation.override(language):
        assert quantity in plain(quantity_of(Decimal("1234.5000"), "kg"))
        assert written(Decimal("12.5000")) == share
