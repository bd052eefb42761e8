"""A document of lines: discount, then tax, then rounding, then the balance, in that order."""

from decimal import Decimal

import pytest

from billing.engine.discounts import Discount
from billing.engine.document import Document, total_bill
from billing.engine.lines import Billed, Line
from billing.engine.tax import Rate, Treatment
from tests.engine.account import april, may

D = Decimal
NONE: Treatment = ()
VAT: Treatment = (Rate("S", D(25)),)
FOOD: Treatment = (Rate("S", D(12)),)
INCLUDED: Treatment = (Rate("S", D(25), is_inclusive=True),)
FIFTH_OFF = Discount("fifth", D(20), None)


def charge(amount_minor: int) -> Line:
    return Line("recurring", None, amount_minor)


def credit(amount_minor: int) -> Line:
    return Line("credit", None, -amount_minor)


def invoice(*amounts: int, treatment: Treatment = VAT, **more: object) -> Document:
    lines = [charge(amount) if amount >= 0 else credit(-amount) for amount in amounts]
    return total_bill(
        lines,
        [treatment] * len(lines),
        currency="EUR",
        **more,  # type: ignore[arg-type]
    )


def test_without_tax_or_discount_the_total_is_the_sum_of_the_lines() -> None:
    document = invoice(1000, 2050, treatment=NONE)
    assert (document.subtotal_minor, document.net_minor, document.total_minor) == (3050, 3050, 3050)
    assert document.taxes == ()
    assert not document.is_credit_note


def test_discount_comes_before_tax_before_rounding_before_the_balance() -> None:
    # 100.30 − 20 % = 80.24; + 25 % = 100.30; rounded 100; balance 30 leaves 70. In any other
    # order something differs: rounding before tax gives 80 → 100.00, the balance before rounding
    # 70.30, tax before discount 25.08.
    document = invoice(10030, coupons=[(FIFTH_OFF, [0])], rounds_to_whole=True, balance_minor=3000)
    assert document.subtotal_minor == 10030
    assert document.discount_minor == 2006
    assert document.net_minor == 8024
    assert document.tax_minor == 2006
    assert document.rounding_minor == -30
    assert document.total_minor == 10000
    assert document.credit_applied_minor == 3000
    assert document.amount_due_minor == 7000


def test_each_line_knows_its_discount_and_its_net() -> None:
    lines = [charge(1000), charge(500)]
    document = total_bill(
        lines, [VAT, VAT], currency="EUR", coupons=[(Discount("a", None, 100), [0, 1])]
    )
    assert [line.discount_minor for line in document.lines] == [67, 33]
    assert [line.net_minor for line in document.lines] == [933, 467]
    assert document.discounted == [100]


def test_coupons_apply_in_the_order_given_each_to_what_is_left() -> None:
    half, ten = Discount("half", D(50), None), Discount("ten", None, 1000)
    assert invoice(10000, coupons=[(half, [0]), (ten, [0])]).discounted == [5000, 1000]
    assert invoice(10000, coupons=[(ten, [0]), (half, [0])]).discounted == [1000, 4500]


def test_a_coupon_applies_only_to_the_lines_that_it_names() -> None:
    document = invoice(1000, 1000, treatment=NONE, coupons=[(FIFTH_OFF, [1])])
    assert [line.discount_minor for line in document.lines] == [0, 200]


def test_a_credit_line_is_not_discounted() -> None:
    document = invoice(3000, -1000, treatment=NONE, coupons=[(FIFTH_OFF, [0, 1])])
    assert [line.discount_minor for line in document.lines] == [600, 0]
    assert document.total_minor == 1400


def test_a_discount_down_to_zero_makes_a_document_without_anything_due() -> None:
    document = invoice(1000, coupons=[(Discount("all", D(100), None), [0])], balance_minor=500)
    assert not document.is_credit_note
    assert (document.discount_minor, document.tax_minor, document.total_minor) == (1000, 0, 0)
    assert document.credit_applied_minor == 0


def test_totalling_the_same_lines_again_gives_the_same_document() -> None:
    lines = [charge(1000), charge(500)]
    coupons = [(FIFTH_OFF, [0, 1])]
    first = total_bill(lines, [VAT, VAT], currency="EUR", coupons=coupons)
    second = total_bill(lines, [VAT, VAT], currency="EUR", coupons=coupons)
    assert first == second
    assert second.discount_minor == 300


# Tax


def test_tax_is_rounded_once_for_each_rate() -> None:
    # Three times 0.10 at 25 % is 0.075 → 0.08; line by line it would be 0.09.
    document = invoice(10, 10, 10)
    assert document.tax_minor == 8
    assert document.total_minor == 38


def test_lines_of_several_rates_form_a_group_each() -> None:
    lines = [charge(1000), charge(1000), charge(500)]
    document = total_bill(lines, [VAT, FOOD, VAT], currency="EUR")
    assert [(group.percent, group.net_minor, group.tax_minor) for group in document.taxes] == [
        (D(25), 1500, 375),
        (D(12), 1000, 120),
    ]


def test_where_prices_include_the_tax_the_gross_is_kept() -> None:
    document = invoice(9999, treatment=INCLUDED)
    assert document.subtotal_minor == document.total_minor == 9999
    # 99.99 / 1.25 = 79.992
    assert (document.net_minor, document.tax_minor) == (7999, 2000)
    assert document.lines[0].net_minor == 7999


def test_a_discount_on_prices_that_include_tax_lowers_the_gross() -> None:
    document = invoice(10000, treatment=INCLUDED, coupons=[(FIFTH_OFF, [0])])
    assert (document.net_minor, document.tax_minor, document.total_minor) == (6400, 1600, 8000)


# Rounding


@pytest.mark.parametrize(
    ("amount_minor", "total_minor", "rounding_minor"),
    [(1049, 1000, -49), (1050, 1100, 50), (1100, 1100, 0), (49, 0, -49), (50, 100, 50)],
)
def test_the_total_is_rounded_to_the_whole_unit_half_up(
    amount_minor: int, total_minor: int, rounding_minor: int
) -> None:
    document = invoice(amount_minor, treatment=NONE, rounds_to_whole=True)
    assert (document.total_minor, document.rounding_minor) == (total_minor, rounding_minor)
    assert document.subtotal_minor == amount_minor


@pytest.mark.parametrize(
    ("currency", "total_minor", "rounding_minor"),
    [("JPY", 1049, 0), ("EUR", 1000, -49), ("KWD", 1000, -49)],
)
def test_a_whole_unit_is_the_currencys(
    currency: str, total_minor: int, rounding_minor: int
) -> None:
    document = total_bill([charge(1049)], [NONE], currency=currency, rounds_to_whole=True)
    assert (document.total_minor, document.rounding_minor) == (total_minor, rounding_minor)


def test_without_the_setting_nothing_is_rounded() -> None:
    assert invoice(1049).rounding_minor == 0


# The balance


@pytest.mark.parametrize(
    ("balance_minor", "applied_minor", "due_minor"),
    [(0, 0, 1250), (400, 400, 850), (1250, 1250, 0), (9999, 1250, 0), (-400, 0, 1250)],
)
def test_the_balance_pays_what_it_can_and_never_more(
    balance_minor: int, applied_minor: int, due_minor: int
) -> None:
    document = invoice(1000, balance_minor=balance_minor)
    assert document.credit_applied_minor == applied_minor
    assert document.amount_due_minor == due_minor
    assert document.total_minor == 1250


# Credit notes


def test_a_document_below_zero_is_a_credit_note_seen_by_who_gets_the_money() -> None:
    document = invoice(-2000, 500, balance_minor=999)
    assert document.is_credit_note
    assert [line.amount_minor for line in document.lines] == [2000, -500]
    assert [line.net_minor for line in document.lines] == [2000, -500]
    assert (document.subtotal_minor, document.net_minor) == (1500, 1500)
    assert (document.tax_minor, document.total_minor) == (375, 1875)
    assert [(group.net_minor, group.tax_minor) for group in document.taxes] == [(1500, 375)]
    assert document.credit_applied_minor == 0


def test_a_credit_note_is_the_mirror_image_of_the_invoice() -> None:
    for treatment in (VAT, INCLUDED, (*VAT, Rate("S", D(3), name="city"))):
        charged = invoice(1234, 777, treatment=treatment, rounds_to_whole=True)
        returned = invoice(-1234, -777, treatment=treatment, rounds_to_whole=True)
        assert returned.is_credit_note and not charged.is_credit_note
        for name in ("subtotal_minor", "net_minor", "tax_minor", "rounding_minor", "total_minor"):
            assert getattr(returned, name) == getattr(charged, name)
        assert [line.net_minor for line in returned.lines] == [
            line.net_minor for line in charged.lines
        ]


def test_a_discounted_charge_on_a_credit_note_keeps_its_discount() -> None:
    document = invoice(-2000, 500, treatment=NONE, coupons=[(FIFTH_OFF, [1])])
    assert [line.discount_minor for line in document.lines] == [0, -100]
    assert (document.subtotal_minor, document.discount_minor) == (1500, -100)
    assert document.discounted == [-100]
    assert document.total_minor == document.subtotal_minor - document.discount_minor == 1600


def test_a_credit_note_leaves_the_lines_that_it_was_given_and_says_what_they_correct() -> None:
    row = Billed(7, 1, "recurring", april(1), may(1), [(april(1), may(1))], 3000, 3000)
    line = Line("credit", None, -2000, corrects=row, given_back=[(april(11), may(1))])
    document = total_bill([line], [VAT], currency="EUR")
    assert line.amount_minor == -2000
    assert document.lines[0].corrects is row
    assert document.lines[0].given_back == [(april(11), may(1))]
    assert total_bill([line], [VAT], currency="EUR") == document


def test_credits_and_charges_that_cancel_out_make_an_invoice_of_zero() -> None:
    document = invoice(-1000, 1000)
    assert not document.is_credit_note
    assert (document.subtotal_minor, document.tax_minor, document.total_minor) == (0, 0, 0)


def test_what_rounds_to_zero_is_not_below_zero() -> None:
    document = invoice(-40, treatment=NONE, rounds_to_whole=True)
    assert not document.is_credit_note
    assert (document.total_minor, document.rounding_minor) == (0, 40)


def test_each_line_needs_its_treatment() -> None:
    with pytest.raises(ValueError, match="zip"):
        total_bill([charge(1), charge(2)], [VAT], currency="EUR")
