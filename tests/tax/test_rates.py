from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from billing.engine.tax import Rate
from billing.tax.loading import DEFAULT_FILE, load_rates
from billing.tax.models import TaxRate
from billing.tax.rates import (
    InvalidTax,
    NoTaxRate,
    RateTable,
    json_of,
    rate_for,
    treatment_of,
)

DAY = date(2026, 11, 23)


def percent(country: str, category: str, on: date) -> Decimal:
    [rate] = rate_for(country, category, on)
    assert rate.category == "S"
    return rate.percent


@pytest.mark.django_db
class TestTheTableThatComesWithKvitt:
    @pytest.fixture(autouse=True)
    def table(self) -> None:
        load_rates(DEFAULT_FILE)

    def test_swedish_food_falls_to_6_percent_and_rises_again(self) -> None:
        assert percent("SE", "food", date(2026, 3, 31)) == 12
        assert percent("SE", "food", date(2026, 4, 1)) == 6
        assert percent("SE", "food", date(2027, 12, 31)) == 6
        assert percent("SE", "food", date(2028, 1, 1)) == 12

    def test_germany_had_16_percent_for_half_a_year(self) -> None:
        assert percent("DE", "standard", date(2020, 6, 30)) == 19
        assert percent("DE", "standard", date(2020, 7, 1)) == 16
        assert percent("DE", "standard", date(2020, 12, 31)) == 16
        assert percent("DE", "standard", date(2021, 1, 1)) == 19

    def test_a_rate_may_have_decimals(self) -> None:
        assert percent("FI", "standard", DAY) == Decimal("25.5")

    def test_every_country_has_one_standard_rate_today(self) -> None:
        countries = set(TaxRate.objects.values_list("country", flat=True))
        assert len(countries) == 30
        for country in countries:
            assert 8 <= percent(country, "standard", DAY) <= 27

    def test_the_only_reduced_rate_is_picked(self) -> None:
        assert percent("DE", "reduced", DAY) == 7

    def test_one_of_several_reduced_rates_is_never_guessed(self) -> None:
        with pytest.raises(NoTaxRate, match=r"SE has reduced rates .*6 %, 12 %.*Mark") as caught:
            rate_for("SE", "reduced", DAY)
        assert caught.value.code == "no_tax_rate"

    def test_one_of_several_reduced_rates_is_picked_once_somebody_marked_it(self) -> None:
        TaxRate.objects.filter(country="SE", category="reduced", percent=6).update(is_default=True)
        assert percent("SE", "reduced", DAY) == 6

    def test_a_country_without_a_rate_is_refused_with_what_to_do(self) -> None:
        with pytest.raises(NoTaxRate, match="no standard tax rate for US on 2026-11-23. Add it"):
            rate_for("US", "standard", DAY)

    def test_many_answers_take_one_query(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(1):
            table = RateTable.load()
            assert table.rate_for("SE", "standard", DAY) == (Rate("S", Decimal(25)),)
            assert table.rate_for("NO", "standard", DAY) == (Rate("S", Decimal(25)),)
            with pytest.raises(NoTaxRate):
                table.rate_for("XX", "standard", DAY)

    def test_a_price_may_include_the_tax_of_the_table(self) -> None:
        [rate] = rate_for("SE", "standard", DAY, is_inclusive=True)
        assert rate == Rate("S", Decimal(25), is_inclusive=True)

    def test_the_zeros_that_the_column_adds_are_gone(self) -> None:
        [rate] = rate_for("SE", "standard", DAY)
        assert str(rate.percent) == "25"


@pytest.mark.django_db
def test_a_rate_of_zero_is_the_zero_category() -> None:
    TaxRate.objects.create(country="IE", category="zero", percent=0)
    assert rate_for("IE", "zero", DAY) == (Rate("Z", Decimal(0)),)


class TestStatedRates:
    def test_an_empty_list_is_no_tax(self) -> None:
        assert treatment_of([]) == ()

    def test_what_is_left_out_is_standard_exclusive_and_nameless(self) -> None:
        assert treatment_of([{"rate": "25"}]) == (Rate("S", Decimal(25)),)

    def test_several_rates_stand_beside_each_other(self) -> None:
        stated = [
            {"category": "S", "rate": "5", "inclusive": False, "name": "GST"},
            {"category": "S", "rate": "9.975", "inclusive": False, "name": "QST"},
        ]
        treatment = treatment_of(stated)
        assert [rate.name for rate in treatment] == ["GST", "QST"]
        assert json_of(treatment) == stated

    def test_the_way_back_writes_every_key_and_no_needless_zero(self) -> None:
        treatment = treatment_of([{"rate": "25.50", "inclusive": True}])
        assert json_of(treatment) == [
            {"category": "S", "rate": "25.5", "inclusive": True, "name": ""}
        ]
        assert json_of(treatment_of([{"rate": 100}]))[0]["rate"] == "100"

    def test_relief_is_kept_where_there_is_some(self) -> None:
        stated = [
            {"category": "AE", "rate": "0", "inclusive": True, "name": "", "relief": "25"},
        ]
        treatment = treatment_of(stated)
        assert treatment == (Rate("AE", Decimal(0), is_inclusive=True, relief=Decimal(25)),)
        assert json_of(treatment) == stated

    def test_the_same_text_is_parsed_once(self) -> None:
        stated = [{"category": "S", "rate": "12"}]
        assert treatment_of(stated)[0] is treatment_of(list(stated))[0]

    @pytest.mark.parametrize(
        "stated",
        [
            None,
            "25",
            {"rate": "25"},
            ["25"],
            [{"category": "S"}],
            [{"rate": 25.0}],
            [{"rate": True}],
            [{"rate": "25 %"}],
            [{"rate": "-1"}],
            [{"rate": "101"}],
            [{"rate": "NaN"}],
            [{"rate": ["25"]}],
            [{"rate": "25", "category": "X"}],
            [{"rate": "25", "category": "AE"}],
            [{"rate": "25", "inclusive": 1}],
            [{"rate": "25", "name": None}],
            [{"rate": "25", "inclusive": True, "relief": "25"}],
            [{"rate": "0", "category": "AE", "relief": "25"}],
            [{"rate": "25", "percent": "25"}],
        ],
    )
    def test_any_other_shape_is_refused(self, stated: Any) -> None:
        treatment_of([{"rate": 25, "inclusive": True}])  # Whose cache entry 25.0 must not meet.
        with pytest.raises(InvalidTax) as caught:
            treatment_of(stated)
        assert caught.value.code == "invalid_tax"


@pytest.mark.guard
@pytest.mark.django_db
class TestGuards:
    def refused(self, constraint: str, *rates: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            for rate in rates:
                TaxRate.objects.create(**{"country": "SE", "category": "food", **rate})

    def test_two_defaults_never_hold_on_one_day(self) -> None:
        self.refused(
            "one_default_tax_rate_at_a_time",
            {"percent": 12, "valid_until": date(2026, 4, 2)},
            {"percent": 6, "valid_from": date(2026, 4, 1)},
        )

    def test_defaults_may_follow_each_other_and_others_stand_beside_them(self) -> None:
        change = date(2026, 4, 1)
        TaxRate.objects.create(country="SE", category="food", percent=12, valid_until=change)
        TaxRate.objects.create(country="SE", category="food", percent=6, valid_from=change)
        TaxRate.objects.create(country="SE", category="food", percent=25, is_default=False)
        assert percent("SE", "food", change) == 6

    @pytest.mark.parametrize("number", [-1, 101])
    def test_a_rate_is_a_percentage(self, number: int) -> None:
        self.refused("tax_rate_is_in_range", {"percent": number})

    def test_a_rate_holds_for_at_least_a_day(self) -> None:
        day = date(2026, 4, 1)
        self.refused(
            "tax_rate_holds_for_some_days", {"percent": 6, "valid_from": day, "valid_until": day}
        )
