"""Credit notes by hand: no more than was billed, and all of it to the last unit."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal as D
from functools import partial
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from billing.engine.corrections import ChargedLine, Correction, Creditable, GivenBack, Part
from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import round_ratio
from billing.engine.tax import Rate, Treatment, tax_document

MOMS_25 = Rate("S", D(25))
MOMS_12 = Rate("S", D(12))
IN_25 = Rate("S", D(25), is_inclusive=True)
GST, QST = Rate("S", D(5), name="GST"), Rate("S", D("9.975"), name="QST")


@dataclass
class Billed:
    """An invoice as it was issued, and the notes on it."""

    lines: list[ChargedLine]
    taxes: dict[Rate, int]
    rounding_minor: int = 0
    rounds_to_whole: bool = False
    notes: list[Correction] = field(default_factory=list)

    @classmethod
    def of(cls, *priced: tuple[int, Treatment], rounds_to_whole: bool = False) -> "Billed":
        """An invoice of lines with their amounts, taxed and rounded as one is."""
        taxed = tax_document(priced)
        lines = [
            ChargedLine(f"line {n}", rates, amount, net)
            for n, ((amount, rates), net) in enumerate(zip(priced, taxed.line_nets, strict=True))
            if net
        ]
        rounding = round_ratio(taxed.gross_minor, 100) * 100 - taxed.gross_minor
        return cls(
            lines,
            {group.rate: group.tax_minor for group in taxed.groups},
            rounding if rounds_to_whole else 0,
            rounds_to_whole,
        )

    @property
    def total_minor(self) -> int:
        nets = sum(line.net_minor for line in self.lines)
        return nets + sum(self.taxes.values()) + self.rounding_minor

    @property
    def left(self) -> Creditable:
        return Creditable(
            self.lines,
            self.taxes,
            self.rounding_minor,
            [GivenBack(note.parts, taxes_of(note), note.rounding_minor) for note in self.notes],
            currency="SEK",
            rounds_to_whole=self.rounds_to_whole,
        )

    def credit(self, ask: Callable[[Creditable], Correction]) -> Correction | None:
        """Take a note as it is asked for; None where it is refused."""
        try:
            note = ask(self.left)
        except Refused:
            return None
        self.notes.append(note)
        return note

    def given_back(self) -> tuple[Counter[Any], Counter[Any], Counter[Rate]]:
        """What all notes have given back: amounts and nets by line, and tax by rate."""
        amounts, nets, taxes = Counter[Any](), Counter[Any](), Counter[Rate]()
        for note in self.notes:
            for part in note.parts:
                amounts[part.ref] += part.amount_minor
                nets[part.ref] += part.net_minor
            taxes.update(taxes_of(note))
        return amounts, nets, taxes


def taxes_of(note: Correction) -> dict[Rate, int]:
    return {group.rate: group.tax_minor for group in note.taxes}


def figures(note: Correction) -> tuple[int, int, int, int]:
    return note.net_minor, note.tax_minor, note.rounding_minor, note.total_minor


# Notes of people


def test_an_amount_is_spread_over_what_is_left_of_each_line() -> None:
    billed = Billed.of((100_00, (MOMS_25,)), (300_00, (MOMS_12,)))
    # 125.00 and 336.00 with tax: a tenth of both.
    note = billed.left.by_amount(46_10)
    assert [(part.ref, part.net_minor) for part in note.parts] == [
        ("line 0", 10_00),
        ("line 1", 30_00),
    ]
    assert taxes_of(note) == {MOMS_25: 2_50, MOMS_12: 3_60}


def test_a_line_is_credited_by_its_net_and_carries_its_own_tax() -> None:
    billed = Billed.of((100_00, (MOMS_25,)), (300_00, (MOMS_12,)))
    note = billed.left.by_line([("line 1", 50_00)])
    assert (note.net_minor, taxes_of(note)) == (50_00, {MOMS_12: 6_00})


def test_a_price_with_the_tax_in_it_is_shown_with_it() -> None:
    note = Billed.of((125_00, (IN_25,))).left.by_line([("line 0", 40_00)])
    assert note.parts == (Part("line 0", 50_00, 40_00),)
    assert taxes_of(note) == {IN_25: 10_00}


def test_two_taxes_side_by_side_are_each_given_back() -> None:
    note = Billed.of((100_00, (GST, QST))).left.by_amount(57_49)
    assert (note.net_minor, taxes_of(note)) == (50_00, {GST: 2_50, QST: 4_99})


def test_a_whole_invoice_is_credited_in_whole_units() -> None:
    billed = Billed.of((10_40, ()), (10_40, ()), rounds_to_whole=True)
    # 20.80 was billed as 21.00; half of it is 10.40, which is 10.00, and 11.00 is left.
    assert figures(billed.left.by_line([("line 0", 10_40)])) == (10_40, 0, -40, 10_00)
    billed.credit(lambda left: left.by_line([("line 0", 10_40)]))
    assert figures(billed.left.everything()) == (10_40, 0, 60, 11_00)


def test_what_is_turned_round_comes_back_with_all_of_the_invoice_alone() -> None:
    billed = Billed.of((100_00, (MOMS_25,)), (-40_00, (MOMS_25,)))
    assert figures(billed.left.everything()) == (60_00, 15_00, 0, 75_00)
    with pytest.raises(Refused, match="less than that"):
        billed.left.by_line([("line 1", 10_00)])


def test_what_is_not_turned_round_lessens_the_charges_beside_it() -> None:
    charge = ChargedLine("charge", (MOMS_25,), 100_00, 100_00)
    other = ChargedLine("other", (MOMS_12,), 50_00, 50_00)
    given = ChargedLine("given", (MOMS_25,), -40_00, -40_00, is_reversible=False)
    billed = Billed([charge, other, given], {MOMS_25: 15_00, MOMS_12: 6_00})
    assert [(part.ref, part.net_minor) for part in billed.left.everything().parts] == [
        ("charge", 60_00),
        ("other", 50_00),
    ]


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda left: left.by_amount(125_01), "credit_exceeds_invoice"),
        (lambda left: left.by_line([("line 0", 100_01)]), "credit_exceeds_line"),
        (lambda left: left.by_line([("line 0", 60_00)] * 2), "credit_exceeds_line"),
        (lambda left: left.by_line([("line 0", 0)]), "credit_exceeds_line"),
        (lambda left: left.by_line([("nobody's", 1)]), "credit_exceeds_line"),
    ],
)
def test_more_than_is_left_is_refused(ask: Callable[[Creditable], Correction], code: str) -> None:
    with pytest.raises(Refused) as refused:
        ask(Billed.of((100_00, (MOMS_25,))).left)
    assert refused.value.code == code


def test_nothing_is_no_credit() -> None:
    with pytest.raises(InvalidAmount):
        Billed.of((100_00, (MOMS_25,))).left.by_amount(0)


def test_what_is_credited_is_not_credited_again() -> None:
    billed = Billed.of((100_00, (MOMS_25,)))
    billed.credit(Creditable.everything)
    with pytest.raises(Refused, match="Nothing is left"):
        billed.left.everything()


# What rounding must not do


def test_taxes_that_are_rounded_up_again_and_again_stop_at_what_was_billed() -> None:
    billed = Billed.of(*[(2, (MOMS_25,))] * 10)
    for n in range(10):
        billed.credit(partial(Creditable.by_line, asked=[(f"line {n}", 2)]))
    # 20 with a tax of 5, which is not ten times the 1 that the half of each is rounded to.
    assert sum(note.tax_minor for note in billed.notes) == 5
    assert sum(note.total_minor for note in billed.notes) == billed.total_minor == 25


def test_a_tax_that_small_notes_have_left_is_credited_once() -> None:
    billed = Billed.of((8, (MOMS_25,)))
    for _ in range(8):
        billed.credit(lambda left: left.by_amount(1))
    assert billed.left.total_minor == 2
    billed.credit(Creditable.everything)
    assert billed.notes[-1].parts
    assert billed.credit(Creditable.everything) is None


def test_no_note_is_worth_more_than_a_total_that_was_rounded_down() -> None:
    billed = Billed.of((60, ()), (60, ()), rounds_to_whole=True)
    assert billed.credit(lambda left: left.by_line([("line 0", 60)]))
    assert billed.credit(lambda left: left.by_line([("line 1", 30)])) is None
    assert sum(note.total_minor for note in billed.notes) == billed.total_minor == 100


rates = st.sampled_from([(), (MOMS_25,), (MOMS_12,), (IN_25,), (GST, QST), (GST,)])
# Small amounts are where rounding shows.
amounts = st.integers(1, 40) | st.integers(1, 100_000)
charges = st.lists(st.tuples(amounts, rates), min_size=1, max_size=5)
# How much of what is left a note asks for, in thousandths, and of which lines if by line.
asks = st.lists(
    st.tuples(st.integers(0, 1000), st.none() | st.lists(st.integers(0, 4), min_size=1)),
    max_size=8,
)


def ask_for(
    billed: Billed, thousandths: int, of_lines: Sequence[int] | None
) -> Callable[[Creditable], Correction]:
    """A note of some part of what is left: of the whole, or of some lines."""
    if of_lines is None:
        minor = max(1, billed.left.total_minor * thousandths // 1000)
        return lambda left: left.by_amount(minor)
    _, nets, _ = billed.given_back()
    chosen = {billed.lines[n % len(billed.lines)] for n in of_lines}
    left = {line: line.net_minor - nets[line.ref] for line in chosen}
    asked = [(line.ref, max(1, net * thousandths // 1000)) for line, net in left.items()]
    return lambda left: left.by_line(asked)


@given(charges, asks, st.booleans())
@example([(8, (MOMS_25,))], [(1, None)] * 8, False)
@example([(2, (MOMS_25,))] * 5, [(1000, [n]) for n in range(4)], False)
def test_no_more_is_credited_than_was_billed(
    priced: list[tuple[int, Treatment]],
    asked: list[tuple[int, list[int] | None]],
    is_whole: bool,
) -> None:
    billed = Billed.of(*priced, rounds_to_whole=is_whole)
    for thousandths, of_lines in asked:
        billed.credit(ask_for(billed, thousandths, of_lines))
        amounts, nets, taxes = billed.given_back()
        for line in billed.lines:
            assert 0 <= nets[line.ref] <= line.net_minor
            assert 0 <= amounts[line.ref] <= line.amount_minor
        for rate, tax_minor in billed.taxes.items():
            assert 0 <= taxes[rate] <= tax_minor
        assert sum(note.total_minor for note in billed.notes) <= billed.total_minor
        assert all(note.total_minor > 0 and note.parts for note in billed.notes)


@given(charges, asks, st.booleans())
def test_notes_on_all_of_an_invoice_are_the_invoice(
    priced: list[tuple[int, Treatment]],
    asked: list[tuple[int, list[int] | None]],
    is_whole: bool,
) -> None:
    billed = Billed.of(*priced, rounds_to_whole=is_whole)
    assume(billed.total_minor > 0)
    for thousandths, of_lines in asked:
        billed.credit(ask_for(billed, thousandths, of_lines))
    if billed.left.total_minor:
        assert billed.credit(Creditable.everything)
        _, nets, taxes = billed.given_back()
        assert all(nets[line.ref] == line.net_minor for line in billed.lines)
        assert all(taxes[rate] == tax_minor for rate, tax_minor in billed.taxes.items())
        assert sum(note.rounding_minor for note in billed.notes) == billed.rounding_minor
    assert sum(note.total_minor for note in billed.notes) == billed.total_minor
    assert billed.credit(Creditable.everything) is None


@given(charges, asks)
def test_a_note_by_amount_is_that_amount(
    priced: list[tuple[int, Treatment]], asked: list[tuple[int, list[int] | None]]
) -> None:
    billed = Billed.of(*priced)
    for thousandths, _ in asked:
        minor = max(1, billed.left.total_minor * thousandths // 1000)
        note = billed.credit(partial(Creditable.by_amount, amount_minor=minor))
        assert note is None or note.total_minor == minor


@given(charges, st.integers(1, 1000), st.lists(st.integers(0, 4), min_size=1))
def test_the_tax_of_a_line_is_that_of_its_rate(
    priced: list[tuple[int, Treatment]], thousandths: int, of_lines: list[int]
) -> None:
    billed = Billed.of(*priced)
    note = billed.credit(ask_for(billed, thousandths, of_lines))
    assert note
    rates_of = {line.ref: line.rates for line in billed.lines}
    for group in note.taxes:
        bearing = [part for part in note.parts if group.rate in rates_of[part.ref]]
        assert group.net_minor == sum(part.net_minor for part in bearing)
        exact = group.net_minor * group.percent / 100
        is_all = group.tax_minor == billed.taxes[group.rate]
        assert is_all or abs(group.tax_minor - exact) <= D("0.5")
    taxed = {rate for part in note.parts for rate in rates_of[part.ref]}
    assert {group.rate for group in note.taxes} == taxed


@pytest.mark.parametrize("amounts", [(10_000, -2_500), (10_000, -1), (9_999, -3_333, -1_111)])
def test_lines_below_zero_with_the_tax_in_their_price_are_turned_round_with_the_rest(
    amounts: tuple[int, ...],
) -> None:
    billed = Billed.of(*((amount, (IN_25,)) for amount in amounts))
    note = billed.left.everything()
    assert [part.amount_minor for part in note.parts] == list(amounts)
    assert note.total_minor == billed.total_minor == sum(amounts)
