"""Every price model can be chosen, and its customers read what it costs."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.utils import flatten_fieldsets
from django.utils import translation

from billing.engine.pricing import MODELS, SETTINGS, Price, Tier
from catalog.admin import PriceAdmin
from catalog.models import Price as PriceRow
from portal.words import units_of

D = Decimal
TIERS = (Tier(D(300)), Tier(D(1000), D("1.15")), Tier(None, D("0.90")))
SHARES = (Tier(D(1000), rate=D(2)), Tier(None, rate=D("1.5")))


def metered(model: str, **settings: object) -> Price:
    return Price("calls", model, "in_arrears", meter="calls", **settings)  # type: ignore[arg-type]


# What a flat price asks has nothing to do with usage.
SAID: dict[str, tuple[Price, list[str]]] = {
    "flat": (Price("fee", "flat", "in_advance", amount=D(99)), []),
    "per_unit": (metered("per_unit", amount=D("1.15")), ["SEK 1.15 per unit"]),
    "graduated": (
        metered("graduated", tiers=TIERS),
        ["300 included", "then SEK 1.15 per unit up to 1,000", "then SEK 0.90 per unit"],
    ),
    "volume": (
        metered("volume", tiers=TIERS),
        [
            "SEK 0.00 per unit up to 300",
            "SEK 1.15 per unit up to 1,000",
            "SEK 0.90 per unit for all of them if there are more",
        ],
    ),
    "package": (
        metered("package", amount=D(5), package_size=D(100), free_units=D(20)),
        ["20 included", "SEK 5.00 for every 100 units started"],
    ),
    "percentage": (metered("percentage", rate=D("1.5")), ["1.5%"]),
    "graduated_percentage": (
        metered("graduated_percentage", tiers=SHARES),
        ["2% for the first SEK 1,000.00", "then 1.5%"],
    ),
}


def test_every_model_can_be_chosen_and_is_said_in_words() -> None:
    assert MODELS == set(PriceRow.Model.values) == set(SAID)


@pytest.mark.parametrize("model", SAID)
def test_customers_read_what_usage_costs(model: str) -> None:
    price, said = SAID[model]
    price.check()
    with translation.override("en"):
        assert [each.replace("\xa0", " ") for each in units_of(price, "", "SEK")] == said


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("per_unit", ["1,15 kr per GB"]),
        (
            "graduated",
            ["300 GB ingår", "sedan 1,15 kr per GB upp till 1 000", "sedan 0,90 kr per GB"],
        ),
        (
            "volume",
            [
                "0,00 kr per GB upp till 300",
                "1,15 kr per GB upp till 1 000",
                "0,90 kr per GB för alla om det blir fler",
            ],
        ),
        ("package", ["20 GB ingår", "5,00 kr per påbörjade 100 GB"]),
        ("graduated_percentage", ["2 % för de första 1 000,00 kr", "sedan 1,5 %"]),
    ],
)
def test_usage_is_priced_in_the_unit_of_its_meter(model: str, said: list[str]) -> None:
    with translation.override("sv"):
        steps = units_of(SAID[model][0], "GB", "SEK")
        assert [each.replace("\xa0", " ") for each in steps] == said


def test_every_setting_of_a_model_is_a_column_and_reaches_the_engine() -> None:
    numbers = {name: D(at) for at, name in enumerate(sorted(SETTINGS - {"tiers"}), start=1)}
    row = PriceRow(code="calls", tiers=[{"up_to": None, "unit_amount": "7"}], **numbers)
    terms = row.terms()
    assert {name: getattr(terms, name) for name in numbers} == numbers
    assert terms.tiers == (Tier(None, D(7)),)


def test_every_setting_of_a_model_can_be_filled_in_at_the_desk() -> None:
    fieldsets: Any = PriceAdmin.fieldsets
    assert SETTINGS - set(flatten_fieldsets(fieldsets)) == set()
