"""What happens in the shop's year, told beforehand: steps by day, the same for the same seed.

Bills and payments are not in the story. They follow from it, as they do in life: each day is billed
when it comes, cards are charged and bank customers pay when :func:`pays_after` says so.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from random import Random
from typing import Any

from billing.demo.people import Person, make_people

SEED = "dagbräck"
DAYS_OF_A_YEAR = 365
CUSTOMERS = 300
# Who is there when the year begins comes in its first weeks, a few every day.
DAYS_TO_OPEN, PERCENT_AT_OPENING = 28, 42

LADDERS = (
    ("brygg-250", "brygg-500", "espresso-1000"),
    ("filter-250", "filter-500", "espresso-1kg"),
    ("tidskrift", "tidskrift-ar"),
    ("magazine", "magazine-year"),
    ("kontor", "kontor-plus"),
    ("office", "office-plus"),
    ("maskin", "maskin-stor"),
)
UP = {lower: upper for ladder in LADDERS for lower, upper in pairwise(ladder)}
# Nobody goes back from a year to a month.
DOWN = {upper: lower for lower, upper in UP.items() if not upper.endswith(("-ar", "-year"))}
# What may come of a subscription every two months or so, and how likely that is, in percent.
INCIDENTS: dict[str, dict[str, int]] = {
    "beans": {"up": 11, "down": 5, "pause": 6, "cancel": 8},
    "magazine": {"up": 7, "pause": 3, "cancel": 10},
    "yearly": {"cancel": 4},
    "office": {"more": 36, "fewer": 9, "up": 8, "down": 3, "cancel": 4},
    "machine": {"up": 12, "down": 3, "cancel": 4},
    "weight": {"cancel": 6},
    "club": {},
}
KINDS = {
    "tidskrift": "magazine",
    "magazine": "magazine",
    "tidskrift-ar": "yearly",
    "magazine-year": "yearly",
    "brygg-ar": "yearly",
    "kontor": "office",
    "kontor-plus": "office",
    "office": "office",
    "office-plus": "office",
    "maskin": "machine",
    "maskin-stor": "machine",
    "losvikt": "weight",
    "by-weight": "weight",
    "bokklubb": "club",
}
REASONS = {
    "sv": (
        "För dyrt",
        "Dricker mindre kaffe",
        "Flyttar utomlands",
        "Hinner inte läsa",
        "Bytte leverantör",
        "Missnöjd med leveransen",
    ),
    "en": ("Too expensive", "Drinking less coffee", "Moving away", "No time to read", "Other"),
}
GOOD, DECLINED, NO_FUNDS, LOST, ASKS = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009995",
    "4000000000009987",
    "4000002500003155",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: ``do`` is what, to ``who`` (a customer's or subscription's key)."""

    day: int
    do: str
    who: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Story:
    """A shop's customers and the steps of each day, counted from the first, which is 0."""

    people: dict[str, Person]
    steps: dict[int, list[Step]]
    days: int


def tell(customers: int = CUSTOMERS, days: int = DAYS_OF_A_YEAR, seed: str = SEED) -> Story:
    """The story of so many customers and days."""
    people = make_people(_chance(seed, "people"), customers)
    order = {"join": 0, "card": 1, "start": 2}
    steps: dict[int, list[Step]] = defaultdict(list)
    readers = [one.key for one in people if one.country == "SE" and not one.is_business][-2:]
    for person in people:
        # A chance of their own: one more customer changes nobody else's year.
        chance = _chance(seed, person.key)
        joins = _join_day(chance, days)
        if person.key in readers:
            joins = days - 4 - 6 * readers.index(person.key)
        for step in _life(chance, person, joins, days, is_reader=person.key in readers):
            steps[step.day].append(step)
    for of_day in steps.values():
        of_day.sort(key=lambda step: order.get(step.do, 3))
    return Story({person.key: person for person in people}, dict(sorted(steps.items())), days)


def numbers_of(story: Story) -> dict[str, str]:
    """The VAT numbers of a story's companies, with whose they are."""
    companies = (person.fields for person in story.people.values() if person.is_business)
    return {fields["vat_number"]: fields["name"] for fields in companies}


def pays_after(seed: str, person: Person, issued_on: date) -> tuple[int, int] | None:
    """How many days after an invoice is due its money comes, and percent of it; None for never."""
    temper = _chance(seed, person.key, "temper").random()
    chance = _chance(seed, person.key, issued_on.isoformat())
    share = random_share(chance)
    if temper < 0.66:
        return chance.randint(-6, 0), share
    if temper < 0.92:
        return (chance.randint(-3, 0) if chance.random() < 0.4 else chance.randint(2, 27)), share
    return (chance.randint(10, 50), 100) if chance.random() < 0.6 else None


def random_share(chance: Random) -> int:
    """Nearly all pay what stands there; some pay half at first, some too much."""
    return chance.choices((100, 50, 110), (960, 25, 15))[0]


def _chance(*names: str) -> Random:
    return Random("/".join(names))  # noqa: S311 -- a story, not a secret.


def _join_day(chance: Random, days: int) -> int:
    opening = min(DAYS_TO_OPEN, days // 4)
    if chance.randrange(100) < PERCENT_AT_OPENING:
        return chance.randrange(opening)
    return chance.randrange(opening, days - 1)


def _life(
    chance: Random, person: Person, joins: int, days: int, *, is_reader: bool
) -> Iterator[Step]:
    """All that one customer does."""
    yield Step(joins, "join", person.key)
    if person.pays_by_card:
        yield from _cards(chance, person, joins, days)
    plans = ["bokklubb"] if is_reader else _choose(chance, person)
    for number, plan in enumerate(plans, 1):
        starts = joins if number == 1 else joins + chance.randint(0, 90)
        if starts < days - 1:
            yield from _subscription(chance, person, f"{person.key}-{number}", plan, starts, days)
    if is_reader:
        return
    if person.currency == "SEK" and chance.random() < 0.1:
        day = joins + chance.randint(1, 200)
        yield Step(day, "buy", person.key, {"amount_minor": chance.choice((129000, 84900, 24900))})
    if chance.random() < 0.06:
        to = chance.choice(("balance", "refund"))
        share = chance.choice((20, 25, 50, 100))
        day = joins + chance.randint(35, 250)
        yield Step(day, "complain", person.key, {"percent": share, "to": to})
    if chance.random() < 0.02:
        yield Step(joins + chance.randint(40, 200), "thank", person.key)


def _choose(chance: Random, person: Person) -> list[str]:
    """What a customer subscribes to from the beginning and, perhaps, later."""
    is_swedish = person.country == "SE"
    if person.is_business and not is_swedish:
        return [chance.choice(("office", "office", "by-weight"))]
    if person.is_business:
        plans = chance.choice(
            (["kontor"], ["kontor"], ["maskin", "losvikt"], ["losvikt"], ["kontor-plus", "maskin"])
        )
        return [*plans, "tidskrift-ar"] if chance.random() < 0.15 else list(plans)
    beans = LADDERS[0 if is_swedish else 1]
    coffee = chance.choices(beans, (50, 33, 17))[0]
    if is_swedish and chance.random() < 0.06:
        coffee = "brygg-ar"
    reading = chance.choices(LADDERS[2 if is_swedish else 3], (75, 25))[0]
    return list(chance.choices(([coffee], [reading], [coffee, reading]), (62, 18, 20))[0])


def _cards(chance: Random, person: Person, joins: int, days: int) -> Iterator[Step]:
    """The card that a customer has, and what becomes of it: most work, all year."""
    luck = chance.random()
    first = ASKS if luck < 0.03 else GOOD
    yield Step(joins, "card", person.key, {"number": first})
    if luck < 0.03 or luck > 0.15:
        return
    breaks = joins + chance.randint(20, 240)
    bad = LOST if luck < 0.06 else chance.choice((DECLINED, NO_FUNDS))
    yield Step(breaks, "card", person.key, {"number": bad})
    # Some have not noticed yet.
    if chance.random() < 0.85:
        mends = breaks + chance.randint(32, 60)
        yield Step(mends, "card", person.key, {"number": GOOD})


def _subscription(
    chance: Random, person: Person, key: str, plan: str, starts: int, days: int
) -> Iterator[Step]:
    """One subscription from its start to its end, or to the end of the story."""
    seats = chance.randint(4, 26)
    started: dict[str, Any] = {"customer": person.key, "plan": plan}
    if KINDS.get(plan) == "office":
        started["seats"] = seats
    if chance.random() < 0.16 and plan != "bokklubb":
        codes = ["VALKOMMEN", "VALKOMMEN", "HOST15", "STUDENT"]
        codes += ["KLUBB50"] if person.currency == "SEK" else []
        started["coupon"] = chance.choice(codes)
    yield Step(starts, "start", key, started)
    ends = days
    at = starts + chance.randint(18, 75)
    while at < days:
        kind = KINDS.get(plan, "beans")
        odds = INCIDENTS[kind]
        happens = chance.choices((*odds, "nothing"), (*odds.values(), 100 - sum(odds.values())))[0]
        if happens == "cancel":
            yield from _cancel(chance, person, key, at, kind)
            ends = at
            break
        if happens in ("up", "down"):
            ladder = UP if happens == "up" else DOWN
            if plan in ladder:
                plan = ladder[plan]
                # Who takes less mostly waits for the next period; some want it at once.
                when = "now" if happens == "up" or chance.random() < 0.4 else "period_end"
                yield Step(at, "change", key, {"plan": plan, "when": when})
        elif happens in ("more", "fewer"):
            seats += chance.randint(1, 5) if happens == "more" else -min(seats - 2, 2)
            yield Step(at, "change", key, {"seats": seats, "when": "now"})
        elif happens == "pause":
            rests = chance.randint(14, 50)
            yield from _pause(chance, key, at, rests)
            at += rests
        at += chance.randint(35, 80)
    yield from _usage(chance, key, plan, starts, ends)


def _cancel(chance: Random, person: Person, key: str, at: int, kind: str) -> Iterator[Step]:
    how = chance.choices(("period_end", "credit", "refund"), (80, 12, 8))[0]
    if kind == "yearly":
        how = chance.choice(("period_end", "refund"))
    reason = chance.choice(REASONS[person.fields["language"]])
    yield Step(at, "cancel", key, {"how": how, "reason": reason})
    if how == "period_end" and chance.random() < 0.12:
        yield Step(at + 2, "regret", key)


def _pause(chance: Random, key: str, at: int, rests: int) -> Iterator[Step]:
    unused = chance.choice(("credit", "shift", "keep"))
    is_planned = chance.random() < 0.5
    yield Step(at, "pause", key, {"rests": rests if is_planned else None, "unused": unused})
    if not is_planned:
        yield Step(at + rests, "resume", key)


def _usage(chance: Random, key: str, plan: str, starts: int, ends: int) -> Iterator[Step]:
    """A machine's counter is read every other week, and beans are weighed when they are sent."""
    meter = {"machine": "cups", "weight": "kg"}.get(KINDS.get(plan, ""))
    if meter is None:
        return
    usual = chance.randint(150, 900) if meter == "cups" else chance.randint(4, 28)
    at = starts + chance.randint(1, 14)
    while at < ends:
        quantity = max(1, usual + chance.randint(-usual // 4, usual // 3))
        yield Step(at, "use", key, {"meter": meter, "quantity": quantity})
        at += 14
