"""What holds for every history of a subscription, whatever happens to it and whenever it is billed.

A history is played on an `Account`, which keeps what was billed as the database does and refuses
two charges for a day of one item and credits beyond what was billed. What is owed is computed
here a second time, day by day and in exact fractions, from the final state alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.engine.agreement import Agreement, Item, Pause
from billing.engine.discounts import Discount
from billing.engine.document import total_bill
from billing.engine.lines import RECURRING, USAGE, Line
from billing.engine.metering import Meter, Usage
from billing.engine.periods import Cycle, Grid, anchored_on, anchored_on_day, days_in, period_of
from billing.engine.pricing import Price
from billing.engine.tax import Rate
from tests.engine.account import Account, D, Shown, flat, metered, per_unit, shown

DAY = timedelta(days=1)
FEE, SEATS, HOURS, CALLS, SETUP = "fee", "seats", "hours", "calls", "setup"


def examples(number: int) -> pytest.MarkDecorator:
    """So many examples in the suite, and 25 times as many in `make proof`."""
    return pytest.mark.parametrize(
        "number", [number, pytest.param(25 * number, marks=pytest.mark.proof)], ids=["", "long"]
    )


# A history


@dataclass
class World:
    """One subscription and its account. Steps name a day and what happens on it."""

    start: date
    grid: Grid
    paid_from: date
    prices: Mapping[str, Price]
    discount_percent: int = 0
    items: list[Item] = field(default_factory=list)
    cycles: list[Cycle] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    records: list[tuple[date, int]] = field(default_factory=list)
    end: date | None = None
    is_credited: bool = False
    is_anchor_moved: bool = False
    has_kept_days: bool = False

    def __post_init__(self) -> None:
        percent = self.discount_percent
        self.account = Account(lambda line: line.amount_minor * percent // 100)
        self.cycles.append(Cycle(self.start, self.grid))
        for key in (FEE, SEATS, HOURS, CALLS):
            self._add(key, self.prices[key], D(2), self.start)
        setup = self._add(SETUP, self.prices[SETUP], D(1), self.start)
        setup.end = self.start + DAY

    @property
    def agreement(self) -> Agreement:
        return Agreement(
            currency="EUR",
            start=self.start,
            paid_from=self.paid_from,
            cycles=list(self.cycles),
            items=[replace(item) for item in self.items],
            pauses=[replace(pause) for pause in self.pauses],
            end=self.end,
            is_unused_credited_at_end=self.is_credited,
        )

    @property
    def usage(self) -> dict[str, Usage]:
        ordered = sorted(self.records, key=lambda record: record[0])
        return {
            "calls": Usage(
                Meter(), [day for day, _ in ordered], [D(quantity) for _, quantity in ordered]
            )
        }

    def bill(self, on: date) -> list[Shown]:
        """Bill, and see that a second run owes nothing and asks for the same next day."""
        lines = self.account.bill(self.agreement, on, self.usage)
        again = self.account.draft(self.agreement, self.usage, on)
        assert shown(again.lines) == []
        assert again.next_bill_on == self.account.next_bill_on
        assert again.window_on == self.account.window_on
        return lines

    # What can happen: as `billing.subscriptions` leaves it

    def ongoing(self, key: str) -> Item | None:
        code = self.prices[key].code
        return next((i for i in self.items if i.price.code == code and i.end is None), None)

    def _add(self, key: str, price: Price, quantity: Decimal, on: date) -> Item:
        position = list(self.prices).index(key)
        self.items.append(Item(len(self.items) + 1, price, quantity, on, position=position))
        return self.items[-1]

    def quantity(self, on: date, key: str, quantity: int) -> None:
        old = self.ongoing(key)
        if old:
            old.end = on
        if quantity:
            price = old.price if old else self.prices[key]
            self._add(key, price, D(quantity), on)

    def price(self, on: date, cents: int, keeps_paid: bool) -> None:
        old = self.ongoing(FEE)
        if old:
            old.end, old.keeps_paid = on, keeps_paid
            self.has_kept_days |= keeps_paid
        self._add(FEE, replace(self.prices[FEE], amount=D(cents) / 100), D(1), on)

    def plan(self, on: date, unit: str) -> None:
        """Another plan with another interval: every item anew on a grid that starts afresh."""
        for key in (FEE, SEATS, HOURS, CALLS):
            old = self.ongoing(key)
            if old:
                old.end = on
            self._add(key, self.prices[key], D(3), on)
        self._cut(on, anchored_on(unit, 1, max(on, self.paid_from)))

    def _cut(self, on: date, grid: Grid) -> None:
        self.cycles = [
            replace(cycle, tail_start=None, tail_days=None)
            if cycle.tail_start is not None and cycle.tail_start >= on
            else cycle
            for cycle in self.cycles
            if cycle.start < on
        ]
        self.cycles.append(Cycle(on, grid))

    def anchor(self, on: date, day: int) -> None:
        unit = self.cycles[-1].grid.unit
        if unit in ("day", "week"):
            return
        self.is_anchor_moved = True
        old = period_of(self.cycles, on)
        in_force = [cycle for cycle in self.cycles if cycle.start <= on][-1].grid
        grid = anchored_on_day(in_force.unit, in_force.count, day, max(on, self.paid_from))
        if on < self.paid_from:
            self._cut(on, grid)
            return
        cut = grid.next_boundary(on)
        last = period_of(self.cycles, cut - DAY) if cut > on else old
        self._cut(cut, grid)
        if last.start < cut < last.end and len(self.cycles) > 1:
            tail_days = (cut - grid.boundary(grid.index(cut) - 1)).days
            self.cycles[-2] = replace(self.cycles[-2], tail_start=last.start, tail_days=tail_days)

    def pause_on(self, on: date) -> Pause | None:
        for pause in self.pauses:
            if pause.start <= on and (pause.end is None or on < pause.end):
                return pause
        return None

    def pause(self, on: date, days: int, is_credited: bool) -> None:
        if self.pause_on(on) is None:
            self.pauses.append(Pause(on, on + days * DAY if days else None, is_credited))
            self.has_kept_days |= not is_credited

    def resume(self, on: date) -> None:
        pause = self.pause_on(on)
        if pause:
            pause.end = on

    def cancel(self, on: date, days: int, is_credited: bool) -> None:
        self.end, self.is_credited = on + days * DAY, is_credited

    def undo(self, on: date) -> None:
        self.end, self.is_credited = None, False

    def use(self, on: date, days_ago: int, quantity: int) -> None:
        """Usage now or late, where it is accepted: no further back than the open window."""
        on = max(on - days_ago * DAY, self.account.window_on or self.start, self.start)
        self.records.append((on, quantity))


Step = tuple[int, str, tuple[Any, ...], bool]
_steps = st.one_of(
    st.tuples(
        st.just("quantity"),
        st.tuples(st.sampled_from([SEATS, HOURS, CALLS]), st.integers(0, 7)),
    ),
    st.tuples(
        st.just("price"), st.tuples(st.integers(3000, 99999), st.sampled_from([False, False, True]))
    ),
    st.tuples(st.just("plan"), st.tuples(st.sampled_from(["week", "month", "year"]))),
    st.tuples(
        st.just("pause"),
        st.tuples(st.sampled_from([0, 0, 1, 9, 40]), st.sampled_from([True, True, False])),
    ),
    st.tuples(st.just("resume"), st.just(())),
    st.tuples(st.just("resume"), st.just(())),
    st.tuples(st.just("cancel"), st.tuples(st.integers(1, 50), st.booleans())),
    st.tuples(st.just("undo"), st.just(())),
    st.tuples(st.just("use"), st.tuples(st.sampled_from([0, 0, 3, 20]), st.integers(1, 500))),
    st.tuples(st.just("use"), st.tuples(st.sampled_from([0, 0, 3, 20]), st.integers(1, 500))),
    st.tuples(st.just("anchor"), st.tuples(st.integers(1, 31))),
    st.tuples(st.just("wait"), st.just(())),
)
# Several steps may fall on one day, and a bill does not follow each of them.
steps = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 2, 5, 10, 31]), _steps, st.sampled_from([True, True, False])
    ),
    min_size=1,
    max_size=12,
)
starts = st.dates(date(2027, 12, 1), date(2028, 4, 30))
amounts = st.integers(3000, 99999)


@st.composite
def worlds(draw: st.DrawFn, minimum: bool = False, discounts: bool = False) -> World:
    start = draw(starts)
    trial_days = draw(st.sampled_from([0, 0, 0, 1, 14, 45]))
    paid_from = start + trial_days * DAY
    unit, count = draw(st.sampled_from([("month", 1), ("month", 3), ("week", 2), ("day", 10)]))
    day = draw(st.sampled_from([None, 1, 28, 29, 30, 31]))
    if day is None or unit in ("week", "day"):
        grid = anchored_on(unit, count, paid_from)
    else:
        grid = anchored_on_day(unit, count, day, paid_from)
    least = D(draw(st.integers(100, 5000))) if minimum else None
    prices = {
        FEE: flat(str(D(draw(amounts)) / 100)),
        SEATS: per_unit(str(D(draw(amounts)) / 100)),
        HOURS: per_unit(str(D(draw(amounts)) / 100), "hours", "in_arrears", minimum_amount=least),
        CALLS: metered("0.07", minimum_amount=least),
        SETUP: flat("19.00", "setup", "once"),
    }
    percent = draw(st.integers(0, 60)) if discounts else 0
    return World(start, grid, paid_from, prices, percent)


def played(world: World, history: Sequence[Any]) -> Iterator[date]:
    """Play the steps, and give the day after each; nothing happens once the end has come."""
    on = world.start
    for gap, (name, arguments), is_billed in history:
        on += gap * DAY
        if world.end is not None and on >= world.end:
            on = world.end
            break
        if name != "wait":
            getattr(world, name)(on, *arguments)
        if is_billed:
            world.bill(on)
        yield on
    world.bill(on)
    yield on


# What is owed, once more


def served(world: World, item: Item, until: date) -> list[date]:
    """The days of one version that are to be paid, looked at one by one."""
    first = max(item.start, world.paid_from)
    last = min(day for day in (item.end, world.end, until) if day is not None)
    days = [first + n * DAY for n in range((last - first).days)]
    return [day for day in days if world.pause_on(day) is None]


def counted_days(world: World, until: date) -> set[date]:
    """The days whose calls are paid: those in service, and the mornings of those it stopped on."""
    calls = [item for item in world.items if item.price.code == CALLS]
    days = {day for item in calls for day in served(world, item, until)}
    stops = {until, *(item.end for item in calls), *(pause.start for pause in world.pauses)}
    for day in stops:
        if day is None:
            continue
        pause = world.pause_on(day)
        is_agreed = any(item.start <= day <= min(item.end or until, until) for item in calls)
        if day >= world.paid_from and is_agreed and (pause is None or pause.start == day):
            days.add(day)
    return days


def owed_minor(world: World, item: Item, days: Sequence[date]) -> Fraction:
    """Each day its share of the whole grid period that it lies in, exactly."""
    per_period = item.price.amount * (1 if item.price.model == "flat" else item.quantity)
    total = Fraction(0)
    for day in days:
        cycle = [cycle for cycle in world.cycles if cycle.start <= day][-1]
        start, end = cycle.grid.period(day)
        total += Fraction(per_period) * 100 / (end - start).days
    return total


def cancelled_with_credit(world: World, history: Sequence[Any]) -> date:
    """Play a history and cancel at its end, so that billed and owed must agree to the day."""
    for on in played(world, history):
        last = on
    if world.end is None or world.end > last:
        world.cancel(last, 0, True)
        world.bill(last)
    end = world.end
    assert end is not None
    # Late usage may still come, and a much later run owes nothing more.
    world.bill(end + 3 * DAY)
    assert world.bill(end + 300 * DAY) == []
    return end


# The laws


@examples(120)
def test_a_second_run_owes_nothing_whatever_has_happened(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(worlds(minimum=True, discounts=True), steps)
    def holds(world: World, history: Sequence[Any]) -> None:
        # `World.bill` runs twice, and the account refuses double charges and excessive credits.
        for _ in played(world, history):
            pass

    holds()


@examples(150)
def test_after_any_history_the_days_billed_are_the_days_served(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(worlds(), steps)
    def holds(world: World, history: Sequence[Any]) -> None:
        end = cancelled_with_credit(world, history)
        if not world.is_credited or world.has_kept_days or world.is_anchor_moved:
            return
        for item in world.items:
            if item.price.code in (FEE, SEATS, HOURS):
                days = served(world, item, end)
                covered = world.account.covered(item.ref)
                assert days_in(covered) == len(days)
                assert all(any(a <= day < b for a, b in covered) for day in days)

    holds()


@examples(150)
def test_after_any_history_billed_is_owed_within_the_rounding_of_each_line(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(worlds(), steps)
    def holds(world: World, history: Sequence[Any]) -> None:
        end = cancelled_with_credit(world, history)
        if not world.is_credited or world.has_kept_days or world.is_anchor_moved:
            return
        for item in world.items:
            if item.price.code in (FEE, SEATS, HOURS):
                rows = [row for row in world.account.rows if row.item == item.ref]
                net_minor = sum(row.billed_minor - row.credited_minor for row in rows)
                lines = [line for line in world.account.lines if line.item]
                roundings = sum(1 for line in lines if line.item and line.item.ref == item.ref)
                owed = owed_minor(world, item, served(world, item, end))
                assert abs(net_minor - owed) <= roundings

    holds()


@examples(150)
def test_usage_is_billed_exactly_once_however_late_it_came(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(worlds(), steps)
    def holds(world: World, history: Sequence[Any]) -> None:
        end = cancelled_with_credit(world, history)
        days = counted_days(world, end)
        owed = sum(7 * quantity for day, quantity in world.records if day in days)
        billed = [row for row in world.account.rows if row.kind == USAGE]
        assert sum(row.billed_minor - row.credited_minor for row in billed) == owed

    holds()


@examples(120)
def test_no_bill_before_the_next_bill_day_would_make_a_line(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(worlds(minimum=True), steps)
    def holds(world: World, history: Sequence[Any]) -> None:
        for on in played(world, history):
            last = on
        for _ in range(3):
            next_on = world.account.next_bill_on
            horizon = min(next_on or date.max, last + 100 * DAY)
            for n in range(1, (horizon - last).days, 3):
                draft = world.account.draft(world.agreement, world.usage, last + n * DAY)
                assert shown(draft.lines) == []
            if next_on is None:
                return
            world.bill(next_on)
            last = next_on

    holds()


def foreseen(world: World, history: Sequence[Any]) -> tuple[Agreement, dict[str, Usage]]:
    """The facts that a history leaves, as if all of them had been known from the start."""
    on = world.start
    for gap, (name, arguments), _ in history:
        on += gap * DAY
        if world.end is not None and on >= world.end:
            break
        if name not in ("wait", "anchor"):
            getattr(world, name)(on, *arguments)
    return world.agreement, world.usage


@examples(120)
def test_many_small_runs_bill_what_one_large_run_bills(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(worlds(minimum=True), steps, st.lists(st.integers(1, 40), max_size=25), st.booleans())
    def holds(world: World, history: Sequence[Any], gaps: list[int], follows_next: bool) -> None:
        agreement, usage = foreseen(world, history)
        last = world.start + 250 * DAY
        large, small = Account(), Account()
        large.bill(agreement, last, usage)
        on = world.start
        for gap in gaps:
            small.bill(agreement, on, usage)
            on += gap * DAY
            if follows_next and small.next_bill_on is not None:
                on = max(on - gap * DAY, small.next_bill_on)
            if on >= last:
                break
        small.bill(agreement, last, usage)
        assert sorted(_identity(line) for line in small.lines) == sorted(
            _identity(line) for line in large.lines
        )
        assert small.net_minor == large.net_minor
        assert small.next_bill_on == large.next_bill_on
        assert small.window_on == large.window_on

    holds()


def _identity(line: Line) -> tuple[Any, ...]:
    assert line.item and line.start and line.end
    return line.item.ref, line.kind, line.start, line.end, line.amount_minor, line.days


@examples(80)
def test_the_order_in_which_facts_are_listed_does_not_matter(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(worlds(minimum=True), steps, st.randoms(use_true_random=False))
    def holds(world: World, history: Sequence[Any], random: Any) -> None:
        for on in played(world, history):
            last = on
        if world.end is None:
            # Every item gives days back, so that credits have an order to keep.
            world.plan(last, "week")
        agreement, usage = world.agreement, world.usage
        expected = world.account.draft(agreement, usage, last)
        items, pauses = list(agreement.items), list(agreement.pauses)
        random.shuffle(items)
        random.shuffle(pauses)
        # Only lines of usage have an order, for the newest is corrected first.
        recurring = [row for row in world.account.rows if row.kind == RECURRING]
        others = [row for row in world.account.rows if row.kind != RECURRING]
        random.shuffle(recurring)
        world.account.rows = recurring + others
        for row in world.account.rows:
            random.shuffle(row.days)
        other = world.account.draft(
            replace(agreement, items=items, pauses=pauses), {"none": usage["calls"], **usage}, last
        )
        assert [_identity(line) for line in other.lines] == [
            _identity(line) for line in expected.lines
        ]
        assert other.next_bill_on == expected.next_bill_on

    holds()


# Parts of a period


@examples(150)
def test_parts_of_a_period_are_exact_shares_and_cost_exactly_the_price(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(
        starts,
        st.integers(1, 20) | st.integers(1, 99999),
        st.sets(st.integers(1, 27), min_size=1, max_size=9),
        st.sampled_from([0, 29, 30, 31]),
    )
    def holds(start: date, cents: int, cuts: set[int], day: int) -> None:
        # Each end is known when its part is billed, and then taken back.
        grid = anchored_on_day("month", 1, day or start.day, start)
        first = grid.next_boundary(start)
        price = flat(str(D(cents) / 100))
        base = Agreement("EUR", start, start, [Cycle(start, grid)], [Item(1, price, D(1), first)])
        account = Account()
        for cut in sorted(cuts):
            account.bill(replace(base, end=first + cut * DAY), first)
        account.bill(base, first)
        assert account.net_minor == cents
        if cents >= 1000:
            # No part is so cheap that its line is left out.
            shares = sum(Fraction(line.days or 0, line.of_days or 1) for line in account.lines)
            assert shares == 1
            assert days_in(account.covered(1)) == days_in([grid.period(first)])

    holds()


@examples(120)
def test_a_shifting_pause_sells_as_many_days_as_were_paid(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(
        starts,
        st.integers(3000, 99999),
        st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60)), min_size=1, max_size=2),
        st.integers(0, 45),
    )
    def holds(start: date, cents: int, shifts: list[tuple[int, int]], rest: int) -> None:
        price = flat(str(D(cents) / 100))
        world = World(
            start,
            anchored_on("month", 1, start),
            start,
            {FEE: price, SEATS: price, HOURS: price, CALLS: price, SETUP: price},
        )
        world.items = [Item(1, price, D(1), start)]
        on = start
        world.bill(on)
        for gap, days in shifts:
            on = _billed_daily(world, on, gap)
            period = period_of(world.cycles, on)
            pause = Pause(on, None, is_credited=False, is_shifting=True)
            world.pauses.append(pause)
            on = _billed_daily(world, on, days)
            pause.end = on
            end = period.end + days * DAY
            world.cycles = [cycle for cycle in world.cycles if cycle.start <= pause.start]
            world._cut(end, anchored_on("month", 1, end))
            world.cycles[-2] = replace(
                world.cycles[-2], tail_start=period.start, tail_days=period.of_days
            )
        on = _billed_daily(world, on, rest)
        world.cancel(on, 0, True)
        world.bill(on)
        owed = Fraction(0)
        for day in served(world, world.items[0], on):
            owed += Fraction(cents, period_of(world.cycles, day).of_days)
        roundings = len(world.account.lines)
        assert abs(world.account.net_minor - owed) <= roundings
        days = days_in([span for row in world.account.rows for span in row.days])
        assert days == len(served(world, world.items[0], on))

    holds()


def _billed_daily(world: World, on: date, days: int) -> date:
    for _ in range(days):
        on += DAY
        world.bill(on)
    return on


# Documents

rates = st.sampled_from(
    [
        (),
        (Rate("S", D(25)),),
        (Rate("S", D(12)),),
        (Rate("S", D(25), is_inclusive=True),),
        (Rate("S", D(5), name="GST"), Rate("S", D("9.975"), name="QST")),
    ]
)
coupons = st.one_of(
    st.builds(Discount, st.just("p"), st.decimals(0, 100, places=1), st.none()),
    st.builds(Discount, st.just("a"), st.none(), st.integers(0, 50_000)),
)


@examples(150)
def test_every_document_adds_up(number: int) -> None:
    @settings(max_examples=number, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(-50_000, 50_000), rates), min_size=1, max_size=8),
        st.lists(st.tuples(coupons, st.sets(st.integers(0, 7))), max_size=3),
        st.booleans(),
        st.integers(-1000, 100_000),
    )
    def holds(
        amounts: list[tuple[int, tuple[Rate, ...]]],
        given_coupons: list[tuple[Discount, set[int]]],
        rounds: bool,
        balance: int,
    ) -> None:
        lines = [Line("recurring", None, amount) for amount, _ in amounts]
        document = total_bill(
            lines,
            [treatment for _, treatment in amounts],
            currency="EUR",
            coupons=[
                (coupon, [index for index in indexes if index < len(lines)])
                for coupon, indexes in given_coupons
            ],
            rounds_to_whole=rounds,
            balance_minor=balance,
        )
        sign = -1 if document.is_credit_note else 1
        assert document.total_minor >= 0
        assert (
            document.net_minor + document.tax_minor + document.rounding_minor
            == document.total_minor
        )
        assert sum(line.net_minor for line in document.lines) == document.net_minor
        assert sum(group.tax_minor for group in document.taxes) == document.tax_minor
        assert document.subtotal_minor == sign * sum(amount for amount, _ in amounts)
        assert sum(line.amount_minor for line in document.lines) == document.subtotal_minor
        assert sum(line.discount_minor for line in document.lines) == document.discount_minor
        assert sum(document.discounted) == document.discount_minor
        assert abs(document.rounding_minor) <= (50 if rounds else 0)
        assert 0 <= document.credit_applied_minor <= max(balance, 0)
        assert 0 <= document.amount_due_minor <= document.total_minor
        if not any(rate.is_inclusive for _, treatment in amounts for rate in treatment):
            expected = document.subtotal_minor - document.discount_minor + document.tax_minor
            assert document.total_minor == expected + document.rounding_minor

    holds()
