"""How often something is paid, in words."""

import pytest
from django.utils import translation

from billing.base.intervals import interval_in_words


@pytest.mark.parametrize(
    ("unit", "count", "english", "swedish"),
    [
        ("month", 1, "every month", "varje månad"),
        ("month", 2, "every 2 months", "varannan månad"),
        ("year", 2, "every 2 years", "vartannat år"),
        ("month", 3, "every 3 months", "var tredje månad"),
        ("year", 5, "every 5 years", "vart femte år"),
        ("week", 12, "every 12 weeks", "var tolfte vecka"),
        ("month", 18, "every 18 months", "var 18:e månad"),
        ("day", 21, "every 21 days", "var 21:a dag"),
    ],
)
def test_an_interval_is_said_as_people_say_it(
    unit: str, count: int, english: str, swedish: str
) -> None:
    with translation.override("en"):
        assert interval_in_words(unit, count) == english
    with translation.override("sv"):
        assert interval_in_words(unit, count) == swedish
