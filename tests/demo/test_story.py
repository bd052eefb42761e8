from collections import Counter
from datetime import date
from random import Random

from stdnum.eu import vat
from stdnum.se import orgnr

from billing.demo.people import make_people
from billing.demo.story import DAYS_TO_OPEN, KINDS, Step, pays_after, tell


def _steps_of(customers: int) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for day in tell(customers).steps.values():
        for step in day:
            found.setdefault(step.who.partition("-")[0], []).append(step)
    return found


def test_the_same_seed_tells_the_same_story() -> None:
    assert tell(40) == tell(40)
    assert tell(40).steps != tell(40, seed="another").steps


def test_one_customer_more_changes_nobody_elses_year() -> None:
    fewer, more = _steps_of(40), _steps_of(41)
    # The last Swedish persons read books, and may be others then.
    same = [key for key in fewer if fewer[key] == more[key]]
    assert len(same) >= 38
    assert len(more) == 41


def test_a_year_has_everything_in_it() -> None:
    counted = Counter(step.do for day in tell().steps.values() for step in day)
    assert counted["join"] == 300
    happens = "card start change pause resume cancel regret use buy complain thank"
    assert {word for word in happens.split() if counted[word] < 3} == set()


def test_people_join_before_anything_happens_to_them() -> None:
    for steps in _steps_of(80).values():
        assert steps[0].do == "join"
        assert all(step.day >= steps[0].day for step in steps)


def test_the_shop_opens_in_its_first_weeks() -> None:
    joined = [step.day for day in tell().steps.values() for step in day if step.do == "join"]
    assert sum(day < DAYS_TO_OPEN for day in joined) > 100
    assert max(joined) > 330


def test_the_numbers_of_companies_pass_every_check() -> None:
    companies = [one for one in make_people(Random("x"), 300) if one.is_business]  # noqa: S311
    assert {one.country for one in companies} == {"SE", "DE", "DK", "NL", "BE"}
    for one in companies:
        assert vat.is_valid(one.fields["vat_number"])
        if one.country == "SE":
            assert orgnr.is_valid(one.fields["organisation_number"])


def test_no_two_people_have_a_name_in_common() -> None:
    names = [one.fields["name"] for one in make_people(Random("x"), 400)]  # noqa: S311
    assert len(set(names)) == len(names)


def test_every_plan_that_is_chosen_has_its_incidents() -> None:
    beans = {"brygg-250", "brygg-500", "espresso-1000", "filter-250", "filter-500", "espresso-1kg"}
    started = [
        step.values["plan"] for day in tell().steps.values() for step in day if step.do == "start"
    ]
    assert set(started) <= {*KINDS, *beans}


def test_most_bank_customers_pay_in_time_and_a_few_never() -> None:
    people = [one for one in make_people(Random("x"), 400) if not one.pays_by_card]  # noqa: S311
    paid = [pays_after("x", one, date(2026, 3, 1)) for one in people]
    in_time = [answer for answer in paid if answer is not None and answer[0] <= 0]
    assert 0.6 < len(in_time) / len(paid) < 0.9
    assert 0 < paid.count(None) < len(paid) / 10
