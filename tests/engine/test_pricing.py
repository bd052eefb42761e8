from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.errors import InvalidAgreement, InvalidPrice
from billing.engine.pricing import Price, Rated, Tier, rate


def metered(model: str, **settings: Any) -> Price:
    price = Price("calls", model, "in_arrears", meter="api_calls", **settings)
    price.check()
    return price


def total(rated: Rated) -> D:
    return rated.fixed + rated.variable


class TestFlatAndPerUnit:
    def test_a_flat_price_is_the_amount_whatever_the_quantity(self) -> None:
        price = Price("fee", "flat", "in_advance", amount=D("31.00"))
        assert rate(price, D(1)) == rate(price, D(7)) == Rated(D("31.00"), D(0), D("31.00"), ())

    def test_a_unit_price_is_paid_for_each_unit_and_part_of_one(self) -> None:
        price = Price("seats", "per_unit", "in_advance", amount=D("3.10"))
        assert rate(price, D("2.5")) == Rated(D(0), D("7.75"), D("3.10"), ())

    def test_a_product_of_long_numbers_keeps_every_digit(self) -> None:
        # 1.000000000000001 squared has 31 digits; Decimal's ordinary context keeps 28.
        long, exact = D("1.000000000000001"), D("1.000000000000002000000000000001")
        assert rate(metered("per_unit", amount=long), long).variable == exact
        assert rate(metered("graduated", tiers=(Tier(None, long),)), long).variable == exact


class TestGraduated:
    # Tiers end at exactly 100 and 1000. A unit costs 1.00, 0.50, 0.10.
    tiers = (
        Tier(D(100), D("1.00"), D(5)),
        Tier(D(1000), D("0.50"), D(7)),
        Tier(None, D("0.10"), D(9)),
    )

    @pytest.mark.parametrize(
        ("quantity", "fixed", "variable"),
        [
            ("0", "5", "0"),  # the first flat amount is owed even at zero
            ("1", "5", "1.00"),
            ("100", "5", "100.00"),  # 100 is still in the first tier
            ("100.5", "12", "100.25"),  # 100 × 1.00 + 0.5 × 0.50
            ("1000", "12", "550.00"),  # 100 × 1.00 + 900 × 0.50
            ("1010", "21", "551.00"),  # … + 10 × 0.10
        ],
    )
    def test_each_tiers_units_cost_that_tiers_price(
        self, quantity: str, fixed: str, variable: str
    ) -> None:
        rated = rate(metered("graduated", tiers=self.tiers), D(quantity))
        assert (rated.fixed, rated.variable) == (D(fixed), D(variable))
        assert rated.unit_amount is None

    def test_the_working_is_kept_by_tier(self) -> None:
        rated = rate(metered("graduated", tiers=self.tiers), D(1010))
        assert [(part.up_to, part.quantity, part.amount) for part in rated.tiers] == [
            (D(100), D(100), D(105)),
            (D(1000), D(900), D(457)),
            (None, D(10), D(10)),
        ]

    def test_fifteen_thousand_units_of_a_published_example_cost_600(self) -> None:
        # zuplo.com, "Pricing models": 1 000 × 0.10 + 9 000 × 0.05 + 5 000 × 0.01 = 600.
        tiers = (Tier(D(1000), D("0.10")), Tier(D(10000), D("0.05")), Tier(None, D("0.01")))
        assert total(rate(metered("graduated", tiers=tiers), D(15000))) == 600


class TestVolume:
    # getlago.com, "Volume": up to 10 000 at 0.0010, 50 000 at 0.0008, 100 000 at 0.0006, then
    # 0.0004, each with a fixed fee of 10.
    tiers = (
        Tier(D(10000), D("0.0010"), D(10)),
        Tier(D(50000), D("0.0008"), D(10)),
        Tier(D(100000), D("0.0006"), D(10)),
        Tier(None, D("0.0004"), D(10)),
    )

    def test_all_units_cost_the_price_of_the_tier_reached(self) -> None:
        # 65 000 × 0.0006 + 10 = 49
        rated = rate(metered("volume", tiers=self.tiers), D(65000))
        assert (rated.fixed, rated.variable, rated.unit_amount) == (D(10), D(39), D("0.0006"))
        assert [(part.up_to, part.quantity) for part in rated.tiers] == [(D(100000), D(65000))]

    def test_a_bound_belongs_to_the_tier_that_it_ends(self) -> None:
        price = metered("volume", tiers=self.tiers)
        assert rate(price, D(10000)).variable == D(10)  # 10 000 × 0.0010
        assert rate(price, D("10000.5")).variable == D("8.0004")  # 10 000.5 × 0.0008

    def test_nothing_used_is_in_the_first_tier(self) -> None:
        tiers = (Tier(D(10), D(1), D(3)), Tier(None, D(1), D(4)))
        rated = rate(metered("volume", tiers=tiers), D(0))
        assert (rated.fixed, rated.variable) == (D(3), D(0))


@pytest.mark.parametrize(
    ("fonts", "volume", "graduated"),
    [
        (1, "7", "7"),
        (5, "35", "35"),
        (6, "39", "41.50"),  # 6 × 6.50; 5 × 7 + 1 × 6.50
        (20, "120", "127.50"),  # 20 × 6; 5 × 7 + 5 × 6.50 + 10 × 6
        (25, "150", "157.50"),
    ],
)
def test_the_same_tiers_by_volume_and_graduated(fonts: int, volume: str, graduated: str) -> None:
    # docs.stripe.com, "Set up tiered pricing": 1 to 5 fonts at 7, 6 to 10 at 6.50, from 11 at 6.
    tiers = (Tier(D(5), D(7)), Tier(D(10), D("6.50")), Tier(None, D(6)))
    assert total(rate(metered("volume", tiers=tiers), D(fonts))) == D(volume)
    assert total(rate(metered("graduated", tiers=tiers), D(fonts))) == D(graduated)


class TestPackage:
    @pytest.mark.parametrize(
        ("quantity", "amount"),
        [
            ("0", "0"),
            ("20", "0"),  # all free
            ("20.01", "5"),  # the first package is started
            ("120", "5"),
            ("121", "10"),
            ("1020", "50"),
        ],
    )
    def test_each_started_package_above_the_free_units_is_paid(
        self, quantity: str, amount: str
    ) -> None:
        price = metered("package", amount=D(5), package_size=D(100), free_units=D(20))
        rated = rate(price, D(quantity))
        assert (rated.fixed, rated.variable, rated.unit_amount) == (D(0), D(amount), D(5))

    def test_packages_need_not_be_whole_units(self) -> None:
        # 0.75 in packages of 0.25 is three, exactly.
        assert (
            rate(metered("package", amount=D(1), package_size=D("0.25")), D("0.75")).variable == 3
        )


class TestPercentage:
    def test_without_more_it_is_the_rate_on_the_summed_value(self) -> None:
        assert rate(metered("percentage", rate=D("2.9")), D(4)).variable == D("0.116")

    def test_the_event_that_crosses_the_free_value_pays_on_its_excess_and_the_whole_fee(
        self,
    ) -> None:
        # After lago-api, percentage_service_spec.rb: 50 and 100 are free; 250 crosses 250 with an
        # excess of 150; (150 + 400) × 1.3 % + 2 × 2.00 = 11.15.
        price = metered(
            "percentage", rate=D("1.3"), fixed_amount=D(2), free_events=3, free_value=D(250)
        )
        events = [D(50), D(100), D(250), D(400)]
        assert rate(price, D(800), events).variable == D("11.15")

    def test_free_events_end_after_their_number(self) -> None:
        # The fourth of 50, 100, 250, 400 pays: 400 × 1.3 % + 2.00.
        price = metered("percentage", rate=D("1.3"), fixed_amount=D(2), free_events=3)
        assert rate(price, D(800), [D(50), D(100), D(250), D(400)]).variable == D("7.2")

    def test_the_event_that_uses_the_free_value_up_exactly_is_free_and_the_next_pays(self) -> None:
        price = metered("percentage", rate=D(1), fixed_amount=D(2), free_value=D(100))
        assert rate(price, D(100), [D(60), D(40)]).variable == 0
        assert rate(price, D(200), [D(60), D(40), D(100)]).variable == 3
        assert rate(price, D(100), [D(60), D(40), D(0)]).variable == 2

    def test_the_order_of_the_events_decides_which_one_crosses(self) -> None:
        price = metered("percentage", rate=D(1), fixed_amount=D(2), free_value=D(100))
        # 100 is free, 300 pays 3 + 2; the other way 300 crosses (2 + 2) and 100 pays 1 + 2.
        assert rate(price, D(400), [D(100), D(300)]).variable == 5
        assert rate(price, D(400), [D(300), D(100)]).variable == 7

    @pytest.mark.parametrize(
        ("settings", "amount"),
        [
            # lago-api, percentage_service_spec.rb: events of 10, 80 and 10 000 at 2.99 %, at
            # least 1.75 and at most 12 each.
            ({}, "16.142"),  # 1.75 + 2.392 + 12
            ({"fixed_amount": D(2)}, "18.691"),  # (0.299 + 2) + (2.392 + 2) + 12
            ({"free_events": 2}, "12"),
            # 10 is free in spite of the minimum; 80 pays on 60: 1.794; then 12.
            ({"free_value": D(30)}, "13.794"),
            # The third event is within the number and crosses the value by 90.
            ({"free_events": 3, "free_value": D(10000)}, "2.691"),
        ],
    )
    def test_the_bounds_hold_for_each_paying_event(
        self, settings: dict[str, Any], amount: str
    ) -> None:
        price = metered(
            "percentage", rate=D("2.99"), event_minimum=D("1.75"), event_maximum=D(12), **settings
        )
        assert rate(price, D(10090), [D(10), D(80), D(10000)]).variable == D(amount)

    def test_zero_is_no_allowance_and_does_not_end_the_other_one(self) -> None:
        price = metered("percentage", rate=D(1), fixed_amount=D(2), free_events=1, free_value=D(0))
        assert rate(price, D(300), [D(100), D(200)]).variable == 4

    def test_what_is_taken_back_returns_its_rate_but_no_fee(self) -> None:
        price = metered("percentage", rate=D(1), fixed_amount=D(2), event_minimum=D(1))
        # 500 × 1 % + 2 − 100 × 1 %
        assert rate(price, D(400), [D(500), D(-100)]).variable == 6
        assert rate(price, D(-500), [D(-500)]).variable == 0

    def test_what_is_taken_back_within_the_allowance_is_free_again(self) -> None:
        price = metered("percentage", rate=D(1), fixed_amount=D(2), free_value=D(100))
        assert rate(price, D(100), [D(90), D(-50), D(60)]).variable == 0

    def test_what_is_taken_back_uses_up_no_free_event(self) -> None:
        price = metered("percentage", rate=D(1), fixed_amount=D(2), free_events=2)
        # 100 and 30 are the two free ones; 200 pays 2 + 2.
        assert rate(price, D(280), [D(100), D(-50), D(30), D(200)]).variable == 4

    def test_a_sum_without_its_events_is_refused_where_they_matter(self) -> None:
        price = metered("percentage", rate=D(1), fixed_amount=D(2))
        assert price.needs_events
        with pytest.raises(InvalidAgreement):
            rate(price, D(100))
        assert rate(price, D(0)).variable == 0


class TestGraduatedPercentage:
    # getlago.com, "Graduated percentage": 1 % and 200 up to 1 000, 2 % and 300 up to 10 000, then
    # 3 % and 400.
    price = metered(
        "graduated_percentage",
        tiers=(
            Tier(D(1000), rate=D(1), flat_amount=D(200)),
            Tier(D(10000), rate=D(2), flat_amount=D(300)),
            Tier(None, rate=D(3), flat_amount=D(400)),
        ),
    )

    @pytest.mark.parametrize(
        ("value", "amount"),
        [
            ("500", "205"),  # 500 × 1 % + 200
            ("1050", "511"),  # + 500 × 1 % + 50 × 2 % + 300 = + 306
            ("5050", "591"),  # + 4 000 × 2 % = + 80
        ],
    )
    def test_each_part_of_the_cumulative_value_pays_its_tiers_rate(
        self, value: str, amount: str
    ) -> None:
        rated = rate(self.price, D(value))
        assert total(rated) == D(amount)

    def test_a_tiers_unit_amount_is_its_rate_on_one(self) -> None:
        parts = rate(self.price, D(1050)).tiers
        assert [part.unit_amount for part in parts] == [D("0.01"), D("0.02")]


@pytest.mark.parametrize(
    "price",
    [
        metered("per_unit", amount=D(2)),
        metered("graduated", tiers=(Tier(D(10), D(1), D(5)), Tier(None, D(2)))),
        metered("volume", tiers=(Tier(D(10), D(1), D(5)), Tier(None, D(2)))),
        metered("package", amount=D(2), package_size=D(10)),
        metered("percentage", rate=D(2)),
        metered("graduated_percentage", tiers=(Tier(None, rate=D(1), flat_amount=D(5)),)),
    ],
    ids=lambda price: price.model,
)
def test_a_total_below_zero_is_rated_as_zero(price: Price) -> None:
    assert rate(price, D(-3)) == rate(price, D(0))


class TestCheck:
    @pytest.mark.parametrize(
        ("settings", "setting"),
        [
            ({"model": "per-unit"}, "model"),
            ({"billing": "monthly"}, "billing"),
            ({"billing": "in_advance", "meter": "calls"}, "billing"),
            ({"billing": "once", "meter": "calls"}, "billing"),
            ({"model": "percentage", "rate": D(1)}, "meter"),
            ({"amount": D(-1)}, "amount"),
            ({"amount": D("NaN")}, "amount"),
            ({"amount": 1.5}, "amount"),
            ({"minimum_amount": D(-1)}, "minimum_amount"),
            ({"free_units": D(10)}, "free_units"),
            ({"tiers": (Tier(None),)}, "tiers"),
            ({"model": "package", "package_size": D(0)}, "package_size"),
            ({"model": "graduated"}, "tiers"),
            ({"model": "graduated", "tiers": (Tier(D(10)),)}, "tiers"),
            ({"model": "graduated", "tiers": (Tier(None), Tier(None))}, "tiers"),
            ({"model": "volume", "tiers": (Tier(D(10)), Tier(D(10)), Tier(None))}, "tiers"),
            ({"model": "volume", "tiers": (Tier(D(10)), Tier(D(9)), Tier(None))}, "tiers"),
            ({"model": "volume", "tiers": (Tier(None, rate=D(1)),)}, "tiers"),
            ({"model": "graduated", "tiers": (Tier(None, D(-1)),)}, "tiers[1].unit_amount"),
        ],
    )
    def test_names_the_setting_that_is_wrong(self, settings: dict[str, Any], setting: str) -> None:
        price = replace(Price("fee", "per_unit", "in_arrears"), **settings)
        with pytest.raises(InvalidPrice) as caught:
            price.check()
        assert caught.value.details == {"price": "fee", "setting": setting}
        assert "Price fee:" in caught.value.message

    def test_refuses_bounds_of_an_event_that_exclude_each_other(self) -> None:
        with pytest.raises(InvalidPrice, match="event_minimum is above event_maximum"):
            metered("percentage", rate=D(1), event_minimum=D(2), event_maximum=D(1))

    def test_passes_every_model_with_what_it_needs(self) -> None:
        Price("fee", "flat", "in_advance", amount=D(1), minimum_amount=D(2)).check()
        Price("fee", "per_unit", "once", amount=D(1)).check()
        Price("fee", "graduated", "in_advance", tiers=(Tier(D(0)), Tier(None, D(1)))).check()
        Price("fee", "package", "in_arrears", amount=D(1), package_size=D(10)).check()


quantities = st.decimals(0, 10**6, places=3)
amounts = st.decimals(0, 1000, places=4)


@st.composite
def tiered(draw: st.DrawFn, model: str) -> Price:
    bounds = sorted(draw(st.sets(st.decimals("0.001", 10**6, places=3), max_size=4)))
    name = "rate" if model == "graduated_percentage" else "unit_amount"
    tiers = tuple(
        Tier(bound, flat_amount=draw(amounts), **{name: draw(amounts)}) for bound in [*bounds, None]
    )
    return metered(model, tiers=tiers)


any_graduated = tiered("graduated") | tiered("graduated_percentage")


@given(any_graduated, quantities, quantities)
def test_a_graduated_price_never_falls_as_the_quantity_grows(price: Price, a: D, b: D) -> None:
    few, many = sorted([a, b])
    assert total(rate(price, few)) <= total(rate(price, many))


@given(any_graduated | tiered("volume"), quantities)
def test_the_tiers_working_sums_to_the_price_and_their_units_to_the_quantity(
    price: Price, quantity: D
) -> None:
    rated = rate(price, quantity)
    assert sum(part.amount for part in rated.tiers) == total(rated)
    assert sum(part.flat_amount for part in rated.tiers) == rated.fixed
    assert sum(part.quantity for part in rated.tiers) == quantity
    for part in rated.tiers:
        assert part.amount == part.quantity * part.unit_amount + part.flat_amount


@given(amounts, st.lists(quantities, max_size=6))
def test_an_allowance_of_the_whole_value_makes_every_event_free(fee: D, events: list[D]) -> None:
    value = sum(events, D(0))
    price = metered("percentage", rate=D(3), fixed_amount=fee, free_value=value or D(1))
    # The events sum to the allowance exactly; one of zero after its end is an event that pays.
    while events and not events[-1]:
        events.pop()
    assert rate(price, value, events).variable == 0


@given(st.lists(quantities, min_size=1, max_size=6), st.integers(0, 4), quantities)
def test_an_allowance_never_makes_events_dearer(events: list[D], number: int, value: D) -> None:
    price = metered("percentage", rate=D(3), fixed_amount=D(2), event_minimum=D(1))
    freed = replace(price, free_events=number, free_value=value)
    quantity = sum(events, D(0))
    assert rate(freed, quantity, events).variable <= rate(price, quantity, events).variable
