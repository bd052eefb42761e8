"""The rate of a line is that of its tax point, not of the day on which it is billed."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from billing.engine.lines import Line
from billing.engine.tax_point import tax_point
from billing.invoicing.actions import bill_customer
from billing.invoicing.models import Invoice
from billing.subscriptions.actions import start
from billing.tax.models import TaxRate
from tests.factories import CustomerFactory, PlanFactory, PriceFactory, SellerFactory

GERMANY = ((None, 19), (date(2020, 7, 1), 16), (date(2021, 1, 1), 19))
ESTONIA = ((None, 20), (date(2024, 1, 1), 22), (date(2025, 7, 1), 24))
SWEDISH_FOOD = ((None, 12), (date(2026, 4, 1), 6), (date(2028, 1, 1), 12))


def rates(country: str, history: tuple[tuple[date | None, int], ...]) -> None:
    TaxRate.objects.filter(country=country, category="standard").delete()
    ends = [since for since, _ in history[1:]] + [None]
    for (since, percent), until in zip(history, ends, strict=True):
        TaxRate.objects.create(
            country=country,
            category="standard",
            percent=percent,
            valid_from=since,
            valid_until=until,
        )


def billed(country: str, billing: str, since: date, on: list[date]) -> list[Invoice]:
    """The documents of a fee of 100.00 a month, billed on these days and no others."""
    seller = SellerFactory(country=country, currency="EUR", tax=None)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan, currency="EUR", amount=Decimal(100), billing=billing)
    customer = CustomerFactory(seller=seller, country=country)
    start(customer, plan, as_of=since, actor="test")
    return [doc for day in on for doc in bill_customer(customer, as_of=day, actor="test")]


@pytest.mark.django_db
class TestHistories:
    @pytest.mark.parametrize(
        ("country", "history", "month", "following", "taxes"),
        [
            # June at 19 is billed on 1 July, when 16 holds; July's is billed in August.
            ("DE", GERMANY, date(2020, 6, 1), [date(2020, 7, 1), date(2020, 8, 1)], [1900, 1600]),
            ("DE", GERMANY, date(2020, 12, 1), [date(2021, 1, 1), date(2021, 2, 1)], [1600, 1900]),
            ("EE", ESTONIA, date(2023, 12, 1), [date(2024, 1, 1), date(2024, 2, 1)], [2000, 2200]),
            ("EE", ESTONIA, date(2025, 6, 1), [date(2025, 7, 1), date(2025, 8, 1)], [2200, 2400]),
            (
                "SE",
                SWEDISH_FOOD,
                date(2026, 3, 1),
                [date(2026, 4, 1), date(2026, 5, 1)],
                [1200, 600],
            ),
            (
                "SE",
                SWEDISH_FOOD,
                date(2027, 12, 1),
                [date(2028, 1, 1), date(2028, 2, 1)],
                [600, 1200],
            ),
        ],
    )
    def test_a_month_in_arrears_bears_the_rate_of_its_last_day(
        self,
        country: str,
        history: tuple[tuple[date | None, int], ...],
        month: date,
        following: list[date],
        taxes: list[int],
    ) -> None:
        rates(country, history)
        documents = billed(country, "in_arrears", month, following)
        assert [document.tax_minor for document in documents] == taxes

    def test_a_month_in_advance_bears_the_rate_of_the_day_it_is_due(self) -> None:
        rates("EE", ESTONIA)
        days = [date(2023, 12, 1), date(2024, 1, 1)]
        documents = billed("EE", "in_advance", days[0], days)
        assert [document.tax_minor for document in documents] == [2000, 2200]

    def test_what_an_outage_left_bears_the_rates_of_its_own_days(self) -> None:
        rates("DE", GERMANY)
        [document] = billed("DE", "in_arrears", date(2020, 6, 1), [date(2020, 8, 1)])
        # June 100 x 19 % and July 100 x 16 %, on one document of two groups.
        groups = {group.percent: group.tax_minor for group in document.taxes.all()}
        assert groups == {Decimal(19): 1900, Decimal(16): 1600}


class TestTaxPoint:
    def test_in_arrears_it_is_the_last_day_of_the_period(self) -> None:
        line = Line("usage", None, 1, date(2024, 1, 1), date(2024, 2, 1), due_on=date(2024, 2, 1))
        assert tax_point(line, date(2024, 6, 1)) == date(2024, 1, 31)

    def test_in_advance_it_is_the_day_on_which_it_is_due(self) -> None:
        line = Line("recurring", None, 1, date(2024, 1, 1), date(2024, 2, 1), date(2024, 1, 1))
        assert tax_point(line, date(2024, 6, 1)) == date(2024, 1, 1)

    def test_it_is_never_later_than_the_bill(self) -> None:
        day = date(2024, 1, 1)
        line = Line("one_off", None, 1, due_on=day + timedelta(days=9))
        assert tax_point(line, day) == day
