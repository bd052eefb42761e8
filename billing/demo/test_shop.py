"""A small test seller to try the API with: two plans, a meter, and a rate of its own."""

from decimal import Decimal

from django.db import transaction

from billing.engine.errors import Refused
from billing.usage.models import Meter
from catalog.models import Plan, Price, Product
from customers.models import Seller

VAT = [{"category": "S", "rate": "25"}]
# Code, name, and what a month costs.
PLANS = (("basic", "Basic", "100"), ("plus", "Plus", "250"))
INCLUDED_CALLS, CALL_PRICE = "1000", "0.05"


@transaction.atomic
def open_test_shop(name: str) -> Seller:
    """Make the seller and what it sells.

    Raises :class:`Refused` ("seller_exists") where there is one of that name.
    """
    if Seller.objects.filter(name=name).exists():
        raise Refused(
            f"There is a seller “{name}” already: take another name, or make a key for it with "
            f'manage.py api_key "{name}".',
            code="seller_exists",
        )
    seller = Seller.objects.create(
        name=name,
        legal_name=f"{name} AB",
        is_live=False,
        country="SE",
        currency="SEK",
        time_zone="Europe/Stockholm",
        website="https://shop.example",
        tax=VAT,
    )
    Meter.objects.create(seller=seller, code="calls", name="Calls")
    product = Product.objects.create(seller=seller, name="The app")
    for code, title, amount in PLANS:
        plan = Plan.objects.create(
            seller=seller, product=product, code=code, name=title, family="app"
        )
        _price(plan, Price(code="base", amount=Decimal(amount)))
        tiers = [
            {"up_to": INCLUDED_CALLS, "unit_amount": "0", "flat_amount": "0"},
            {"up_to": None, "unit_amount": CALL_PRICE, "flat_amount": "0"},
        ]
        calls = {"model": Price.Model.GRADUATED, "meter": "calls", "tiers": tiers}
        _price(plan, Price(code="calls", position=1, billing="in_arrears", **calls))
    return seller


def _price(plan: Plan, price: Price) -> None:
    price.plan, price.currency = plan, "SEK"
    price.terms().check()
    price.save()
