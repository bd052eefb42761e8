from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.discounts import Discount, share


def percent(value: str) -> Discount:
    return Discount("p", Decimal(value), None)


def amount(minor: int) -> Discount:
    return Discount("a", None, minor)


def test_a_percentage_comes_off_the_lines_that_it_applies_to() -> None:
    assert share([1000, 500, 700], [(percent("20"), [0, 2])]) == [[200, 0, 140]]


def test_a_percentage_is_rounded_once_for_the_coupon_not_for_each_line() -> None:
    # 10 % of 3 × 5 is 1.5, rounded to 2; line by line 0.5 would round to 1 three times.
    assert share([5, 5, 5], [(percent("10"), [0, 1, 2])]) == [[1, 1, 0]]


def test_an_amount_is_shared_in_proportion_and_the_odd_cent_goes_to_the_largest_remainder() -> None:
    # 1.00 over 10.00 and 5.00 is 66.67 and 33.33.
    assert share([1000, 500], [(amount(100), [0, 1])]) == [[67, 33]]


def test_a_second_coupon_applies_to_what_the_first_left() -> None:
    # 100.00 − 50 % = 50.00, − 20 % of that = 10.00; in the other order 20.00, then 40.00.
    assert share([10000], [(percent("50"), [0]), (percent("20"), [0])]) == [[5000], [1000]]
    assert share([10000], [(percent("20"), [0]), (percent("50"), [0])]) == [[2000], [4000]]


def test_an_amount_greater_than_the_lines_takes_them_to_zero_and_no_further() -> None:
    assert share([300, 200], [(amount(1000), [0, 1]), (amount(1), [0])]) == [[300, 200], [0, 0]]


def test_credit_lines_are_never_discounted() -> None:
    assert share([1000, -400], [(percent("10"), [0, 1])]) == [[100, 0]]
    assert share([-400], [(amount(100), [0])]) == [[0]]


def test_a_line_that_is_named_twice_counts_once() -> None:
    assert share([100, 100], [(amount(50), [1, 0, 0])]) == [[25, 25]]


def test_without_lines_or_coupons_there_is_nothing_to_share() -> None:
    assert share([100], []) == []
    assert share([], [(amount(100), [])]) == [[]]


@pytest.mark.parametrize(
    ("percent_off", "amount_off_minor"),
    [(None, None), (Decimal(10), 100), (Decimal(101), None), (Decimal(-1), None), (None, -1)],
)
def test_a_discount_is_either_a_percentage_or_an_amount(
    percent_off: Decimal | None, amount_off_minor: int | None
) -> None:
    with pytest.raises(ValueError, match="must|either"):
        Discount("x", percent_off, amount_off_minor)


coupons = st.one_of(
    st.builds(Discount, st.none(), st.decimals(0, 100, places=2), st.none()),
    st.builds(Discount, st.none(), st.none(), st.integers(0, 10**6)),
)


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=6),
    st.lists(st.tuples(coupons, st.sets(st.integers(0, 5))), max_size=4),
)
def test_discounts_never_exceed_what_is_there(
    amounts: list[int], given_coupons: list[tuple[Discount, set[int]]]
) -> None:
    applied = [
        (coupon, [index for index in indexes if index < len(amounts)])
        for coupon, indexes in given_coupons
    ]
    shares = share(amounts, applied)
    for (_, indexes), row in zip(applied, shares, strict=True):
        assert all(part >= 0 for part in row)
        assert all(part == 0 for index, part in enumerate(row) if index not in indexes)
    for index, line in enumerate(amounts):
        assert sum(row[index] for row in shares) <= max(line, 0)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), coupons)
def test_a_coupon_takes_exactly_what_it_says(amounts: list[int], coupon: Discount) -> None:
    base, indexes = sum(amounts), list(range(len(amounts)))
    taken = sum(share(amounts, [(coupon, indexes)])[0])
    if coupon.percent_off is None:
        assert taken == min(coupon.amount_off_minor or 0, base)
    else:
        assert abs(taken - base * coupon.percent_off / 100) <= Decimal("0.5")
