"""A second shop of the demo, with nobody in it: visitors are its customers, and hold its time.

Reminders take weeks in the living shop. Here a month passes at the push of a button, so that one
can buy, let a card fail, be reminded, pay and leave, and read each mail on the way.
"""

from typing import Any

from django.db import transaction

from billing.base import clock
from billing.demo.shop import Fee, Offer, sell
from catalog.models import Product
from customers import test_clocks
from customers.models import Seller

ACTOR = "demo"
NAME = "Tehörnan"
# From a range that has not been given out; the bankgiro is that of examples.
ORGANISATION_NUMBER = "559990-4009"
LETTERHEAD: dict[str, Any] = {
    "legal_name": "Tehörnan AB",
    "country": "SE",
    "seat": "Göteborg",
    "currency": "SEK",
    "time_zone": "Europe/Stockholm",
    "language": "sv",
    "vat_number": "SE559990400901",
    "has_f_tax": True,
    "email": "te@example.se",
    "phone": "031-390 06 10",
    "website": "https://te.example.se",
    "bankgiro": "5050-1055",
    "accent_color": "#2f6b4f",
    "address_line1": "Kvällsgatan 2",
    "postal_code": "411 19",
    "city": "Göteborg",
}
PRODUCT = "Te i brevlådan"


def _tea(code: str, name: str, amount: str, unit: str = "month", trial_days: int = 0) -> Offer:
    terms = {"trial_days": trial_days}
    fees = (Fee("tea", amount),)
    return Offer(code, name, PRODUCT, "te", fees, unit, is_tax_inclusive=True, terms=terms)


# Each can be changed for any other; the year's renewal is told of a month ahead.
OFFERS = (
    _tea("te-litet", "Lilla tepåsen", "119.00"),
    _tea("te-stort", "Stora tepåsen", "219.00"),
    _tea("te-ar", "Te hela året", "1190.00", unit="year"),
    _tea("te-prova", "Te, fjorton dagar på prov", "119.00", trial_days=14),
)


def find_kiosk() -> Seller | None:
    """The shop, where it has been opened: never a live one."""
    found = Seller.objects.filter(name=NAME, organisation_number=ORGANISATION_NUMBER, is_live=False)
    return found.select_related("test_clock").first()


@transaction.atomic
def open_kiosk() -> Seller:
    """Make the shop, what it sells, and its clock; the one that is there where it is."""
    if found := find_kiosk():
        return found
    seller = Seller.objects.create(
        name=NAME, organisation_number=ORGANISATION_NUMBER, is_live=False, **LETTERHEAD
    )
    product = Product.objects.create(
        seller=seller, name=PRODUCT, tax_category="food", supply="goods", revenue_account="3051"
    )
    for offer in OFFERS:
        sell(seller, product, offer)
    today = clock.today(seller.time_zone)
    test_clocks.create(seller, at=None, as_of=today, actor=ACTOR)
    return seller
