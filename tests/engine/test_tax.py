from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.tax import (
    Amounts,
    Rate,
    TaxedAmount,
    TaxedDocument,
    TaxGroup,
    Treatment,
    tax_document,
)

MOMS_25 = Rate("S", D(25))
MOMS_12 = Rate("S", D(12))
MOMS_6 = Rate("S", D(6))
IN_25 = Rate("S", D(25), is_inclusive=True)
REVERSE_CHARGE = Rate("AE", D(0))
GST = Rate("S", D(5), name="GST")
QST = Rate("S", D("9.975"), name="QST")


def taxes(document: TaxedDocument) -> list[tuple[int, int]]:
    return [(group.net_minor, group.tax_minor) for group in document.groups]


class TestExclusive:
    def test_tax_is_rounded_once_for_the_group_and_never_by_line(self) -> None:
        # EN 16931, BR-CO-17: 0.30 × 25 % = 0.075, so 0.08. By line: 3 × round(0.025) = 0.09.
        document = tax_document([(10, (MOMS_25,))] * 3)
        assert taxes(document) == [(30, 8)]
        assert (document.net_minor, document.tax_minor, document.gross_minor) == (30, 8, 38)
        assert document.line_nets == (10, 10, 10)

    def test_each_rate_is_its_own_group_in_order_of_appearance(self) -> None:
        document = tax_document([(1000, (MOMS_12,)), (2000, (MOMS_25,)), (500, (MOMS_12,))])
        # 15.00 × 12 % = 1.80; 20.00 × 25 % = 5.00
        assert [(group.percent, group.tax_minor) for group in document.groups] == [
            (D(12), 180),
            (D(25), 500),
        ]

    def test_a_category_without_tax_is_a_group_with_tax_zero(self) -> None:
        document = tax_document([(1000, (REVERSE_CHARGE,))])
        assert document.groups == (TaxGroup("AE", D(0), False, "", 1000, 0),)
        assert document.gross_minor == 1000

    def test_a_line_without_rates_joins_no_group(self) -> None:
        document = tax_document([(1000, ()), (1000, (MOMS_25,))])
        assert taxes(document) == [(1000, 250)]
        assert (document.net_minor, document.gross_minor) == (2000, 2250)
        assert tax_document([(1000, ())]).groups == ()

    def test_a_document_without_lines_is_zero(self) -> None:
        assert tax_document([]) == TaxedDocument((), (), 0, 0, 0)

    def test_credits_lower_the_base_of_their_group(self) -> None:
        assert taxes(tax_document([(1000, (MOMS_25,)), (-400, (MOMS_25,))])) == [(600, 150)]

    def test_a_rate_is_the_same_rate_however_many_zeros_it_is_written_with(self) -> None:
        document = tax_document([(10, (MOMS_25,)), (20, (Rate("S", D("25.00")),))])
        assert taxes(document) == [(30, 8)]


class TestInclusive:
    def test_the_gross_is_kept_and_the_net_rounded_once(self) -> None:
        # 100.00 / 1.25 = 80.00
        document = tax_document([(10000, (IN_25,))])
        assert taxes(document) == [(8000, 2000)]
        assert document.gross_minor == 10000

    def test_the_lines_nets_sum_to_the_groups_net_by_largest_remainder(self) -> None:
        # 0.33 / 1.25 = 0.264 → 0.26; by line 0.11 / 1.25 = 0.088, so 9 + 9 + 9 would be 0.27.
        document = tax_document([(11, (IN_25,))] * 3)
        assert document.line_nets == (9, 9, 8)
        assert taxes(document) == [(26, 7)]

    def test_charges_and_credits_share_a_group(self) -> None:
        # 100.00 − 40.00 = 60.00 gross, 48.00 net: 80.00 and −32.00.
        document = tax_document([(10000, (IN_25,)), (-4000, (IN_25,))])
        assert document.line_nets == (8000, -3200)
        assert taxes(document) == [(4800, 1200)]

    def test_lines_that_cancel_out_carry_no_tax(self) -> None:
        document = tax_document([(11, (IN_25,)), (-11, (IN_25,))])
        assert sum(document.line_nets) == 0
        assert taxes(document) == [(0, 0)]

    def test_lines_that_cancel_out_at_a_tie_mirror_each_other_in_either_order(self) -> None:
        # 0.03 / 1.20 = 0.025: the odd cent of both halves goes to the line that stands first.
        rates = (Rate("S", D(20), is_inclusive=True),)
        assert tax_document([(3, rates), (-3, rates)]).line_nets == (3, -3)
        assert tax_document([(-3, rates), (3, rates)]).line_nets == (-3, 3)


class TestSeveralRates:
    def test_exclusive_rates_each_apply_to_the_net(self) -> None:
        # Quebec: 100.00 with GST 5 % = 5.00 and QST 9.975 % = 9.98 (9.975), both on 100.00.
        document = tax_document([(10000, (GST, QST))])
        assert taxes(document) == [(10000, 500), (10000, 998)]
        assert (document.net_minor, document.gross_minor) == (10000, 11498)

    def test_inclusive_rates_are_taken_out_together_and_share_the_tax(self) -> None:
        gst, pst = Rate("S", D(5), True, "GST"), Rate("S", D(7), True, "PST")
        # British Columbia: 112.00 / 1.12 = 100.00; 12.00 of tax as 5 : 7.
        assert taxes(tax_document([(11200, (gst, pst))])) == [(10000, 500), (10000, 700)]
        # 1.00 / 1.12 = 0.89 (0.893); 0.11 as 4.58 : 6.42, the odd cent to the larger remainder.
        assert taxes(tax_document([(100, (gst, pst))])) == [(89, 5), (89, 6)]

    def test_an_inclusive_rate_is_taken_out_before_an_exclusive_one_applies(self) -> None:
        # 125.00 / 1.25 = 100.00, and 5 % of that on top.
        document = tax_document([(12500, (GST, IN_25))])
        assert taxes(document) == [(10000, 500), (10000, 2500)]
        assert document.gross_minor == 13000

    def test_a_rate_alone_and_beside_another_is_one_group(self) -> None:
        # GST on 100.00 + 50.00 = 7.50; QST on 100.00 only.
        document = tax_document([(10000, (GST, QST)), (5000, (GST,))])
        assert taxes(document) == [(15000, 750), (10000, 998)]


class TestRefusals:
    def test_an_amount_whose_sum_is_open_cannot_be_built(self) -> None:
        assert TaxedAmount(100, 25, 125).gross_minor == 125
        with pytest.raises(ValueError, match="not gross"):
            TaxedAmount(100, 25, 126)

    def test_a_document_whose_sums_are_open_cannot_be_built(self) -> None:
        group = TaxGroup("S", D(25), False, "", 100, 25)
        assert group.gross_minor == 125
        for nets, net, tax, gross in [
            ((100,), 100, 25, 126),
            ((99,), 100, 25, 125),
            ((100,), 100, 24, 124),
        ]:
            with pytest.raises(ValueError, match="not"):
                TaxedDocument((group,), nets, net, tax, gross)

    @pytest.mark.parametrize("percent", ["-1", "NaN", "Infinity"])
    def test_a_rate_is_a_percentage_from_zero_up(self, percent: str) -> None:
        with pytest.raises(ValueError, match="from zero up"):
            Rate("S", D(percent))


class TestRelief:
    FREE_OF_25 = Rate("AE", D(0), is_inclusive=True, relief=D(25))

    def test_the_tax_that_is_not_owed_is_taken_out_of_the_price(self) -> None:
        document = tax_document([(125_00, (self.FREE_OF_25,))])
        assert document.groups == (TaxGroup("AE", D(0), True, "", 100_00, 0),)
        assert (document.net_minor, document.gross_minor) == (100_00, 100_00)

    def test_it_is_rounded_once_for_all_lines(self) -> None:
        # 33 / 1.25 = 26.4, and each line alone would be 9.
        document = tax_document([(11, (self.FREE_OF_25,))] * 3)
        assert (document.net_minor, sorted(document.line_nets)) == (26, [8, 9, 9])

    def test_prices_that_contained_different_taxes_join_one_group(self) -> None:
        free_of_12 = Rate("AE", D(0), is_inclusive=True, relief=D(12))
        document = tax_document([(125_00, (self.FREE_OF_25,)), (112_00, (free_of_12,))])
        assert document.groups == (TaxGroup("AE", D(0), True, "", 200_00, 0),)
        assert document.line_nets == (100_00, 100_00)

    def test_a_line_that_is_taxed_keeps_its_tax_beside_one_that_is_not(self) -> None:
        document = tax_document([(125_00, (self.FREE_OF_25,)), (125_00, (IN_25,))])
        assert taxes(document) == [(100_00, 0), (100_00, 25_00)]

    @pytest.mark.parametrize(
        ("percent", "is_inclusive", "relief"), [("25", True, "25"), ("0", False, "25")]
    )
    def test_relief_is_in_place_of_a_tax_and_from_what_is_in_the_price(
        self, percent: str, is_inclusive: bool, relief: str
    ) -> None:
        with pytest.raises(ValueError, match="Relief"):
            Rate("S", D(percent), is_inclusive, relief=D(relief))


line_amounts = st.integers(-(10**7), 10**7)
percents = st.sampled_from([D(0), D(6), D("8.1"), D("9.975"), D(20), D(25)])
rates = st.builds(
    Rate, st.sampled_from(["S", "AE"]), percents, st.booleans(), st.sampled_from(["", "GST"])
)
relieved = percents.map(lambda percent: Rate("AE", D(0), is_inclusive=True, relief=percent))
treatments = st.lists(rates | relieved, max_size=3, unique=True).map(tuple)
documents = st.lists(st.tuples(line_amounts, treatments), max_size=8)


@given(documents)
def test_every_sum_of_a_document_is_closed(lines: list[tuple[int, Treatment]]) -> None:
    document = tax_document(lines)
    assert document.net_minor + document.tax_minor == document.gross_minor
    assert sum(document.line_nets) == document.net_minor
    assert len(document.line_nets) == len(lines)
    for group in document.groups:
        if not group.is_inclusive:
            exact = group.net_minor * group.percent / 100
            assert abs(group.tax_minor - exact) <= D("0.5")


@given(documents)
def test_the_negated_lines_give_the_negated_document(lines: list[tuple[int, Treatment]]) -> None:
    document = tax_document(lines)
    mirror = tax_document([(-amount, treatment) for amount, treatment in lines])
    assert mirror.line_nets == tuple(-net for net in document.line_nets)
    assert taxes(mirror) == [(-net, -tax) for net, tax in taxes(document)]
    assert mirror.gross_minor == -document.gross_minor


@given(st.lists(line_amounts, min_size=1, max_size=8), rates.filter(lambda rate: rate.is_inclusive))
def test_inclusive_tax_keeps_the_gross_and_rounds_no_line_by_a_whole_unit(
    amounts: list[int], rate: Rate
) -> None:
    document = tax_document([(amount, (rate,)) for amount in amounts])
    assert document.gross_minor == sum(amounts)
    factor = 1 + rate.percent / 100
    assert abs(document.net_minor * factor - sum(amounts)) <= D("0.5") * factor
    for amount, net in zip(amounts, document.line_nets, strict=True):
        assert abs(net * factor - amount) < factor


# Of relief nothing is left on a line that was taxed before.
taxed_before = st.lists(
    st.tuples(line_amounts, st.lists(rates, max_size=3, unique=True).map(tuple)), max_size=8
)


@given(taxed_before)
def test_net_amounts_are_the_nets_and_taxed_by_all_rates(
    lines: list[tuple[int, Treatment]],
) -> None:
    document = tax_document(lines, Amounts.NET)
    assert document.line_nets == tuple(amount for amount, _ in lines)
    for group in document.groups:
        assert abs(group.tax_minor - group.net_minor * group.percent / 100) <= D("0.5")


@given(taxed_before)
def test_gross_amounts_are_what_lines_come_to_with_all_their_taxes(
    lines: list[tuple[int, Treatment]],
) -> None:
    document = tax_document(lines, Amounts.GROSS)
    assert document.gross_minor == sum(amount for amount, _ in lines)


@given(taxed_before, st.sampled_from([Amounts.NET, Amounts.GROSS]))
def test_a_rate_is_told_as_it_was_priced_whatever_the_amounts_are(
    lines: list[tuple[int, Treatment]], amounts: Amounts
) -> None:
    on_lines = [rate for _, treatment in lines for rate in treatment]
    groups = tax_document(lines, amounts).groups
    assert [group.rate for group in groups] == [*dict.fromkeys(on_lines)]


@given(st.lists(line_amounts, min_size=1, max_size=8), rates)
def test_the_short_path_and_the_long_one_agree(amounts: list[int], rate: Rate) -> None:
    # A line without rates sends the document the long way and adds nothing.
    short = tax_document([(amount, (rate,)) for amount in amounts])
    long = tax_document([*((amount, (rate,)) for amount in amounts), (0, ())])
    assert short.groups == long.groups
    assert (*short.line_nets, 0) == long.line_nets
