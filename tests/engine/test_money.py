from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine.errors import (
    BillingError,
    CurrencyMismatch,
    InvalidAmount,
    Refused,
    UnknownCurrency,
)
from billing.engine.money import (
    EXPONENTS,
    Money,
    allocate,
    exact_minor,
    exponent,
    major_string,
    round_ratio,
    to_major,
    to_minor,
)

minors = st.integers(-(10**15), 10**15)
currencies = st.sampled_from(["SEK", "JPY", "KWD", "CLF"])
weights = st.lists(
    st.integers(0, 10**6)
    | st.decimals(0, 10**6, places=4)
    | st.fractions(0, 10**6, max_denominator=1000),
    min_size=1,
    max_size=8,
)


class TestErrors:
    def test_an_error_carries_its_code_its_sentence_and_its_details(self) -> None:
        error = Refused("Resume it first.", code="is_paused", subscription="sub_1")
        assert (error.code, error.message, str(error)) == (
            "is_paused",
            "Resume it first.",
            "Resume it first.",
        )
        assert error.details == {"subscription": "sub_1"}

    def test_without_a_code_of_its_own_an_error_has_its_family_members_code(self) -> None:
        assert InvalidAmount("No.").code == "invalid_amount"
        assert BillingError("No.").code == "billing_error"


class TestExponent:
    @pytest.mark.parametrize(
        ("currency", "digits"), [("JPY", 0), ("ISK", 0), ("SEK", 2), ("HUF", 2), ("KWD", 3)]
    )
    def test_is_the_one_of_iso_4217(self, currency: str, digits: int) -> None:
        assert exponent(currency) == digits

    @pytest.mark.parametrize("code", ["HRK", "BGN", "ANG", "SLL", "ZWL", "XAU", "XXX", "sek", ""])
    def test_refuses_codes_that_are_withdrawn_or_no_money(self, code: str) -> None:
        with pytest.raises(UnknownCurrency):
            exponent(code)

    def test_covers_the_whole_list(self) -> None:
        # ISO 4217 list one of 2026-01-01 has 178 codes, 13 of which (metals, XDR, XTS, …) have no
        # minor unit.
        assert len(EXPONENTS) == 178 - 13
        assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)


class TestRounding:
    @pytest.mark.parametrize(
        ("amount", "minor"),
        [("10.005", 1001), ("-10.005", -1001), ("10.0049999999", 1000), ("0.004", 0), ("7", 700)],
    )
    def test_goes_half_away_from_zero(self, amount: str, minor: int) -> None:
        assert to_minor(amount, "SEK") == minor

    def test_follows_the_currencys_decimals(self) -> None:
        assert to_minor("10.5", "JPY") == 11
        assert to_minor("1.0005", "KWD") == 1001
        assert to_minor(3, "CLF") == 30000

    @pytest.mark.parametrize(
        ("numerator", "denominator", "result"),
        [(1, 2, 1), (-1, 2, -1), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (5, 2, 3), (0, 7, 0)],
    )
    def test_of_a_ratio_is_half_away_from_zero_too(
        self, numerator: int, denominator: int, result: int
    ) -> None:
        assert round_ratio(numerator, denominator) == result

    def test_of_a_ratio_is_exact_where_a_float_is_not(self) -> None:
        # 2^60 + 0.5: a float has no room for the half.
        assert round_ratio(2**61 + 1, 2) == 2**60 + 1

    def test_refuses_a_denominator_that_is_not_positive(self) -> None:
        with pytest.raises(ValueError, match="positive"):
            round_ratio(1, 0)

    @given(st.integers(), st.integers(min_value=1))
    def test_is_never_more_than_half_a_unit_off_and_symmetric(self, n: int, d: int) -> None:
        assert abs(round_ratio(n, d) - Fraction(n, d)) <= Fraction(1, 2)
        assert round_ratio(-n, d) == -round_ratio(n, d)

    @given(st.decimals(-(10**9), 10**9, places=6), currencies)
    def test_of_a_decimal_and_of_its_ratio_agree(self, amount: Decimal, currency: str) -> None:
        n, d = amount.as_integer_ratio()
        assert to_minor(amount, currency) == round_ratio(n * 10 ** exponent(currency), d)


class TestAmounts:
    def test_are_never_floats(self) -> None:
        with pytest.raises(TypeError):
            to_minor(10.1, "SEK")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            to_minor(True, "SEK")

    @pytest.mark.parametrize(
        "amount",
        ["NaN", "-Infinity", "ten", "", "1,50", "1E+18", "1E+999999", "9" * 300, "1E-9999999"],
    )
    def test_are_finite_numbers_that_can_be_stored(self, amount: str) -> None:
        with pytest.raises(InvalidAmount):
            to_minor(amount, "SEK")

    def test_that_are_handed_in_have_no_more_decimals_than_the_currency(self) -> None:
        assert exact_minor("10.50", "SEK") == 1050
        assert exact_minor("10.500", "SEK") == 1050
        with pytest.raises(InvalidAmount):
            exact_minor("10.505", "SEK")
        with pytest.raises(InvalidAmount):
            exact_minor("10.5", "JPY")

    @pytest.mark.parametrize(
        ("minor", "currency", "text"),
        [
            (1000, "SEK", "10.00"),
            (10, "JPY", "10"),
            (-5, "SEK", "-0.05"),
            (-5, "JPY", "-5"),
            (1, "KWD", "0.001"),
            (0, "EUR", "0.00"),
        ],
    )
    def test_are_written_with_all_their_decimals(
        self, minor: int, currency: str, text: str
    ) -> None:
        assert major_string(minor, currency) == text
        assert str(to_major(minor, currency)) == text

    @given(minors, currencies)
    def test_come_back_as_they_went(self, minor: int, currency: str) -> None:
        assert exact_minor(to_major(minor, currency), currency) == minor
        assert exact_minor(major_string(minor, currency), currency) == minor


class TestAllocate:
    def test_hands_the_odd_cent_to_the_earliest_of_equals(self) -> None:
        # 100 / 3 = 33.33 each; rounded by themselves they would sum to 99.
        assert allocate(100, [1, 1, 1]) == [34, 33, 33]
        assert allocate(101, [1, 1, 1]) == [34, 34, 33]

    def test_hands_odd_cents_to_the_largest_remainders(self) -> None:
        # 100 over 1 : 2 : 3 of 6 is 16.67, 33.33, 50.00.
        assert allocate(100, [1, 2, 3]) == [17, 33, 50]

    def test_splits_a_negative_total_as_its_opposite(self) -> None:
        assert allocate(-100, [1, 1, 1]) == [-34, -33, -33]

    def test_gives_nothing_to_a_weight_of_zero(self) -> None:
        assert allocate(1, [0, 0, 5, 0]) == [0, 0, 1, 0]

    def test_of_nothing_needs_no_weight(self) -> None:
        assert allocate(0, [0, 0]) == [0, 0]
        assert allocate(0, []) == []

    @pytest.mark.parametrize("bad", [[0, 0], [], [-1, 2], [Decimal("NaN"), 1]])
    def test_refuses_weights_that_share_nothing_out(self, bad: list[int | Decimal]) -> None:
        with pytest.raises(InvalidAmount):
            allocate(100, bad)

    def test_refuses_floats(self) -> None:
        with pytest.raises(TypeError):
            allocate(100, [0.5, 0.5])  # type: ignore[list-item]

    @given(minors, weights)
    def test_sums_exactly_and_is_within_a_unit_of_exact(
        self, total: int, given_weights: list[int | Decimal | Fraction]
    ) -> None:
        whole = sum((Fraction(weight) for weight in given_weights), Fraction(0))
        if not whole:
            given_weights, whole = [*given_weights, 1], Fraction(1)
        parts = allocate(total, given_weights)
        assert sum(parts) == total
        for part, weight in zip(parts, given_weights, strict=True):
            assert abs(part - total * Fraction(weight) / whole) < 1
        assert allocate(-total, given_weights) == [-part for part in parts]


class TestMoney:
    def test_is_counted_in_its_currency(self) -> None:
        ten, half = Money.of("10.00", "SEK"), Money(50, "SEK")
        assert ten + half == Money(1050, "SEK")
        assert ten - half == Money.of("9.50", "SEK")
        assert -half == Money(-50, "SEK")
        assert ten * 3 == 3 * ten == Money(3000, "SEK")
        assert half < ten and ten >= half and max(ten, half) is ten
        assert str(ten) == "10.00 SEK"
        assert ten.major == Decimal("10.00")
        assert [part.minor for part in ten.allocate([1, 1, 1])] == [334, 333, 333]

    def test_of_two_currencies_does_not_mix(self) -> None:
        kronor, euros = Money(100, "SEK"), Money(100, "EUR")
        assert kronor != euros
        for mix in (Money.__add__, Money.__sub__, Money.__lt__, Money.__ge__):
            with pytest.raises(CurrencyMismatch):
                mix(kronor, euros)

    def test_is_not_built_from_what_is_not_money(self) -> None:
        with pytest.raises(UnknownCurrency):
            Money(1, "BTC")
        with pytest.raises(TypeError):
            Money(1.5, "SEK")  # type: ignore[arg-type]
        with pytest.raises(InvalidAmount):
            Money.of("1.005", "SEK")

    def test_is_multiplied_by_whole_numbers_only(self) -> None:
        with pytest.raises(TypeError):
            Money(1, "SEK") * Decimal("0.5")  # type: ignore[operator]
        with pytest.raises(TypeError):
            Money(1, "SEK") + 1  # type: ignore[operator]
