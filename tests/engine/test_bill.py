"""What one subscription owes. April 2026 has 30 days, so that a day of 30.00 costs 1.00."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.engine.agreement import Agreement, Pause
from billing.engine.errors import InvalidAgreement, UnknownCurrency
from billing.engine.metering import Usage
from billing.engine.periods import Cycle, anchored_on, anchored_on_day
from billing.engine.pricing import Price, Tier
from tests.engine.account import (
    APRIL,
    Account,
    D,
    agreed,
    april,
    flat,
    item,
    june,
    may,
    metered,
    per_unit,
    shown,
    used,
)


def ended(agreement: Agreement, on: date, **more: Any) -> Agreement:
    return replace(agreement, end=on, **more)


def paused(agreement: Agreement, start: date, end: date | None = None, **more: Any) -> Agreement:
    return replace(agreement, pauses=[*agreement.pauses, Pause(start, end, **more)])


FEE = agreed(item(1, flat("30.00")))
ARREARS = agreed(item(1, flat("30.00", billing="in_arrears")))


# Renewal


def test_each_month_is_charged_on_its_first_day_and_once() -> None:
    account = Account()
    assert account.bill(FEE, april(1)) == [("recurring", "fee", "04-01", "05-01", 3000)]
    assert account.bill(FEE, april(1)) == []
    assert account.bill(FEE, april(30)) == []
    assert account.bill(FEE, may(1)) == [("recurring", "fee", "05-01", "06-01", 3000)]
    assert account.bill(FEE, may(31)) == []


def test_in_arrears_a_month_is_charged_on_the_day_after_its_last() -> None:
    account = Account()
    assert account.bill(ARREARS, april(30)) == []
    assert account.bill(ARREARS, may(1)) == [("recurring", "fee", "04-01", "05-01", 3000)]
    assert account.bill(ARREARS, may(1)) == []


def test_nothing_is_owed_before_the_start() -> None:
    account = Account()
    assert account.bill(FEE, date(2026, 3, 31)) == []
    assert account.next_bill_on == APRIL


def test_a_line_gives_its_reason() -> None:
    seats = agreed(item(1, per_unit("3.00"), april(11), quantity="5"))
    (line,) = Account().draft(seats, {}, april(11)).lines
    assert (line.quantity, line.unit_amount, line.days, line.of_days) == (D(5), D("3.00"), 20, 30)
    assert (line.due_on, line.covers, line.amount_minor) == (april(11), "recurring", 1000)


def test_a_line_of_tiers_carries_its_breakdown() -> None:
    tiers = (Tier(D(10), unit_amount=D("1.00")), Tier(None, unit_amount=D("0.50")))
    price = Price("seats", "graduated", "in_advance", tiers=tiers)
    (line,) = Account().draft(agreed(item(1, price, quantity="12")), {}, APRIL).lines
    assert [(part.quantity, part.amount) for part in line.tiers] == [(D(10), D(10)), (D(2), D(1))]
    assert line.amount_minor == 1100


@pytest.mark.parametrize(("currency", "amount_minor"), [("JPY", 31), ("EUR", 3100), ("KWD", 31000)])
def test_amounts_are_in_the_currencys_smallest_unit(currency: str, amount_minor: int) -> None:
    (line,) = Account().bill(agreed(item(1, flat("31")), currency=currency), APRIL)
    assert line[-1] == amount_minor


def test_the_charges_of_one_day_stand_in_the_order_of_their_items() -> None:
    items = [
        item(1, flat("1.00", "last"), position=2),
        item(2, flat("2.00", "first"), position=0),
        item(3, flat("3.00", "second"), position=1),
    ]
    for order in (items, items[::-1]):
        lines = Account().bill(agreed(*order), APRIL)
        assert [line[1] for line in lines] == ["first", "second", "last"]


# Stubs and shares


def test_a_stub_costs_its_days_of_the_whole_period() -> None:
    # 20 January to 1 February is 12 of 31 days.
    start = date(2026, 1, 20)
    grid = anchored_on_day("month", 1, 1, start)
    account = Account()
    agreement = agreed(item(1, flat("31.00"), start), start=start, grid=grid)
    assert account.bill(agreement, start) == [("recurring", "fee", "01-20", "02-01", 1200)]
    assert account.bill(agreement, date(2026, 2, 1)) == [
        ("recurring", "fee", "02-01", "03-01", 3100)
    ]


def test_a_start_and_an_end_inside_one_period_cost_the_days_between_them() -> None:
    agreement = agreed(item(1, flat("30.00"), april(11)), end=april(16))
    assert Account().bill(agreement, april(11)) == [("recurring", "fee", "04-11", "04-16", 500)]


def test_a_share_is_rounded_once_and_half_away_from_zero() -> None:
    # 0.01 × 15/30 is half a cent.
    assert Account().bill(agreed(item(1, flat("0.01"), april(16))), april(16)) == [
        ("recurring", "fee", "04-16", "05-01", 1)
    ]
    assert Account().bill(agreed(item(1, flat("0.01"), april(17))), april(17)) == []


def test_flat_amounts_of_tiers_are_prorated_where_nothing_is_metered() -> None:
    # (3.00 + 6 × 1.00) × 10/30; the bound stays 5: the sixth seat is in the second tier.
    tiers = (Tier(D(5), D("1.00"), D("3.00")), Tier(None, D("1.00")))
    price = Price("seats", "graduated", "in_advance", tiers=tiers)
    agreement = agreed(item(1, price, april(21), quantity="6"))
    assert Account().bill(agreement, april(21)) == [("recurring", "seats", "04-21", "05-01", 300)]


def test_an_end_known_from_the_start_makes_the_last_period_short_at_once() -> None:
    account = Account()
    agreement = ended(FEE, may(11))
    account.bill(agreement, april(1))
    # 30.00 × 10/31 = 9.677
    assert account.bill(agreement, may(1)) == [("recurring", "fee", "05-01", "05-11", 968)]
    assert account.bill(agreement, may(11)) == []
    assert account.next_bill_on is None


def test_lines_of_zero_are_left_out() -> None:
    free = agreed(item(1, flat("0.00")), item(2, metered("0.10")))
    account = Account()
    assert account.bill(free, may(1)) == []
    assert account.bill(free, may(2), used((april(3), 0))) == []


@pytest.mark.parametrize(
    "price",
    [
        flat("30.00"),
        flat("30.00", billing="once"),
        flat("30.00", billing="in_arrears", minimum_amount=D(50)),
        flat("30.00", billing="in_arrears", meter="calls", minimum_amount=D(50)),
    ],
    ids=["in_advance", "once", "in_arrears", "metered"],
)
def test_an_item_of_quantity_zero_bills_nothing(price: Price) -> None:
    assert Account().bill(agreed(item(1, price, quantity="0")), june(1), used((APRIL, 5))) == []


# Changes


def test_a_change_credits_the_old_version_and_charges_the_new_one() -> None:
    account = Account()
    old = item(1, per_unit("3.00"), quantity="2")
    account.bill(agreed(old), april(1))
    changed = agreed(replace(old, end=april(11)), item(2, old.price, april(11), quantity="5"))
    assert account.bill(changed, april(11)) == [
        ("credit", "seats", "04-11", "05-01", -400),
        ("recurring", "seats", "04-11", "05-01", 1000),
    ]
    assert account.bill(changed, april(11)) == []
    assert account.bill(changed, may(1)) == [("recurring", "seats", "05-01", "06-01", 1500)]


def test_a_credit_points_at_its_line_and_says_how_many_of_its_days_came_back() -> None:
    account = Account()
    old = item(1, flat("30.00"))
    account.bill(agreed(old), april(1))
    (line,) = account.draft(agreed(replace(old, end=april(11))), {}, april(11)).lines
    assert line.corrects and line.corrects.ref == 1
    assert (line.days, line.of_days) == (20, 30)
    assert line.given_back == [(april(11), may(1))]
    assert line.item and line.item.ref == 1


def test_a_credit_is_of_what_was_paid_after_discount() -> None:
    account = Account(discount=lambda line: line.amount_minor // 5)
    old = item(1, flat("30.00"))
    account.bill(agreed(old), april(1))
    # 24.00 × 20/30
    assert account.bill(agreed(replace(old, end=april(11))), april(11)) == [
        ("credit", "fee", "04-11", "05-01", -1600)
    ]


def test_of_two_changes_on_one_day_the_first_keeps_no_day() -> None:
    account = Account()
    first = item(1, flat("30.00"), end=april(11))
    second = item(2, flat("60.00"), april(11))
    third = item(3, flat("90.00"), april(11))
    account.bill(agreed(replace(first, end=None)), april(1))
    account.bill(agreed(first, second), april(11))
    agreement = agreed(first, replace(second, end=april(11)), third)
    assert account.bill(agreement, april(11)) == [
        ("credit", "fee", "04-11", "05-01", -4000),
        ("recurring", "fee", "04-11", "05-01", 6000),
    ]


def test_an_overtaken_change_that_was_not_billed_leaves_no_line() -> None:
    account = Account()
    first = item(1, flat("30.00"), end=april(11))
    account.bill(agreed(replace(first, end=None)), april(1))
    agreement = agreed(
        first, item(2, flat("60.00"), april(11), april(11)), item(3, flat("90.00"), april(11))
    )
    assert account.bill(agreement, april(11)) == [
        ("credit", "fee", "04-11", "05-01", -2000),
        ("recurring", "fee", "04-11", "05-01", 6000),
    ]


def test_change_change_back_and_cancel_leave_the_days_that_were_served() -> None:
    account = Account()
    a, b, c = (
        item(1, flat("30.00"), end=april(11)),
        item(2, flat("60.00"), april(11), april(21)),
        item(3, flat("30.00"), april(21)),
    )
    account.bill(agreed(replace(a, end=None)), april(1))
    account.bill(agreed(a, replace(b, end=None)), april(11))
    account.bill(agreed(a, b, c), april(21))
    end = ended(agreed(a, b, c), april(26), is_unused_credited_at_end=True)
    assert account.bill(end, april(26)) == [("credit", "fee", "04-26", "05-01", -500)]
    # 10 days at 1.00, 10 at 2.00, 5 at 1.00
    assert account.net_minor == 1000 + 2000 + 500


def test_a_scheduled_change_credits_on_its_day_and_is_waited_for() -> None:
    account = Account()
    fee = item(1, flat("30.00"), end=april(11))
    seats = item(2, per_unit("3.00", billing="in_arrears"), april(11))
    account.bill(agreed(replace(fee, end=None)), april(1))
    agreement = agreed(fee, seats)
    assert account.bill(agreement, april(5)) == []
    assert account.next_bill_on == april(11)
    assert account.bill(agreement, april(11)) == [("credit", "fee", "04-11", "05-01", -2000)]


def test_a_change_without_credit_keeps_what_was_paid() -> None:
    account = Account()
    old = item(1, flat("30.00"))
    account.bill(agreed(old), april(1))
    kept = replace(old, end=april(11), keeps_paid=True)
    agreement = agreed(kept, item(2, flat("60.00"), april(11)))
    assert account.bill(agreement, april(11)) == [("recurring", "fee", "04-11", "05-01", 4000)]
    cancelled = ended(agreement, april(21), is_unused_credited_at_end=True)
    # Of the new 40.00 for 20 days 10 come back; the old days stay paid, as agreed.
    assert account.bill(cancelled, april(21)) == [("credit", "fee", "04-21", "05-01", -2000)]


def test_a_later_pause_gives_back_nothing_of_what_a_change_left_paid() -> None:
    account = Account()
    old = item(1, flat("30.00"))
    account.bill(agreed(old), april(1))
    agreement = agreed(replace(old, end=april(11), keeps_paid=True), item(2, flat("60"), april(11)))
    account.bill(agreement, april(11))
    assert account.bill(paused(agreement, april(21)), april(21)) == [
        ("credit", "fee", "04-21", "05-01", -2000)
    ]


def test_what_an_ended_version_is_owed_last_stands_before_what_replaces_it() -> None:
    calls = item(2, metered("0.10"), end=april(11), position=1)
    fee = item(3, flat("60.00"), april(11), position=0)
    lines = Account().bill(agreed(calls, fee), april(11), used((april(5), 20)))
    assert [line[1] for line in lines] == ["calls", "fee"]


# Ends


def test_an_end_without_credit_gives_nothing_back() -> None:
    account = Account()
    account.bill(FEE, april(1))
    assert account.bill(ended(FEE, april(11)), april(11)) == []
    assert account.next_bill_on is None


def test_an_end_with_credit_gives_the_unused_days_back_on_its_day_and_not_before() -> None:
    account = Account()
    account.bill(FEE, april(1))
    planned = ended(FEE, april(11), is_unused_credited_at_end=True)
    assert account.bill(planned, april(10)) == []
    assert account.next_bill_on == april(11)
    assert account.bill(planned, april(11)) == [("credit", "fee", "04-11", "05-01", -2000)]
    assert account.bill(planned, may(1)) == []


def test_canceling_on_the_first_day_gives_all_back_exactly() -> None:
    account = Account()
    odd = agreed(item(1, flat("10.01")))
    account.bill(odd, april(1))
    assert account.bill(ended(odd, april(1), is_unused_credited_at_end=True), april(1)) == [
        ("credit", "fee", "04-01", "05-01", -1001)
    ]


def test_a_change_scheduled_for_after_the_end_never_happens() -> None:
    account = Account()
    fee = item(1, flat("30.00"))
    account.bill(agreed(fee), april(1))
    scheduled = agreed(replace(fee, end=april(21)), item(2, flat("60.00"), april(21)))
    cancelled = ended(scheduled, april(11))
    assert account.bill(cancelled, april(11)) == []
    assert account.bill(cancelled, april(21)) == []


def test_an_item_that_ended_before_an_end_without_credit_has_its_credit_all_the_same() -> None:
    # The change of 11 April was left to the next bill, and the cancellation came first.
    account = Account()
    account.bill(FEE, april(1))
    agreement = agreed(item(1, flat("30.00"), end=april(11)), item(2, flat("60.00"), april(11)))
    assert account.bill(ended(agreement, april(21)), april(21)) == [
        ("credit", "fee", "04-11", "05-01", -2000),
        ("recurring", "fee", "04-11", "04-21", 2000),
    ]


def test_in_arrears_a_part_that_an_end_cuts_short_is_due_the_day_it_ends() -> None:
    assert Account().bill(ended(ARREARS, april(11)), april(11)) == [
        ("recurring", "fee", "04-01", "04-11", 1000)
    ]


def test_an_end_taken_back_charges_the_rest_and_both_parts_cost_exactly_the_price() -> None:
    # 10.00 × 10/31 = 3.226 → 3.23; × 21/31 = 6.774 → 6.77: the rest of 10.00 either way.
    # 0.05 in parts of 15 and 15 of 30 days would be 0.03 + 0.03 if each were rounded by itself.
    account = Account()
    agreement = agreed(item(1, flat("0.05")))
    assert account.bill(ended(agreement, april(16)), april(1)) == [
        ("recurring", "fee", "04-01", "04-16", 3)
    ]
    assert account.bill(agreement, april(5)) == [("recurring", "fee", "04-16", "05-01", 2)]
    assert account.net_minor == 5


def test_the_part_that_completes_a_period_takes_the_rest_also_of_three_parts() -> None:
    # 0.05 × 10/30 = 0.0167 → 0.02 each; the third part has 0.01 left.
    account = Account()
    agreement = agreed(item(1, flat("0.05")))
    account.bill(ended(agreement, april(11)), april(1))
    account.bill(ended(agreement, april(21)), april(2))
    account.bill(agreement, april(3))
    assert [line.amount_minor for line in account.lines] == [2, 2, 1]


def test_no_part_costs_more_than_is_left_of_the_price() -> None:
    # 0.03 in five parts of six days: 0.006 → 0.01 each, and nothing is left after the third.
    account = Account()
    agreement = agreed(item(1, flat("0.03")))
    for day in (7, 13, 19, 25):
        account.bill(ended(agreement, april(day)), april(1))
    account.bill(agreement, april(1))
    assert [line.amount_minor for line in account.lines] == [1, 1, 1]


# Pauses


def test_a_pause_with_credit_gives_the_rest_back_and_resuming_charges_what_is_left() -> None:
    account = Account()
    account.bill(FEE, april(1))
    assert account.bill(paused(FEE, april(11)), april(11)) == [
        ("credit", "fee", "04-11", "05-01", -2000)
    ]
    assert account.next_bill_on is None
    resumed = paused(FEE, april(11), april(21))
    assert account.bill(resumed, april(21)) == [("recurring", "fee", "04-21", "05-01", 1000)]
    assert account.next_bill_on == may(1)


def test_a_pause_with_a_known_end_gives_only_its_own_days_back() -> None:
    account = Account()
    account.bill(FEE, april(1))
    known = paused(FEE, april(11), april(21))
    assert account.bill(known, april(11)) == [("credit", "fee", "04-11", "04-21", -1000)]
    assert account.bill(known, april(30)) == []


def test_a_pause_planned_ahead_is_credited_on_its_first_day() -> None:
    account = Account()
    account.bill(FEE, april(1))
    planned = paused(FEE, april(11), april(21))
    assert account.bill(planned, april(2)) == []
    assert account.next_bill_on == april(11)


def test_a_pause_that_keeps_the_paid_days_charges_nothing_again() -> None:
    account = Account()
    account.bill(FEE, april(1))
    assert account.bill(paused(FEE, april(11), is_credited=False), april(11)) == []
    resumed = paused(FEE, april(11), april(21), is_credited=False)
    assert account.bill(resumed, april(21)) == []
    assert account.bill(resumed, may(1)) == [("recurring", "fee", "05-01", "06-01", 3000)]


def test_days_paused_before_they_were_billed_are_not_charged() -> None:
    account = Account()
    agreement = paused(FEE, april(11), may(11), is_credited=False)
    account.bill(agreement, april(1))
    # 30.00 × 21/31 = 20.32
    assert account.bill(agreement, may(11)) == [("recurring", "fee", "05-11", "06-01", 2032)]


def test_in_arrears_a_pause_bills_what_was_served_before_it() -> None:
    account = Account()
    assert account.bill(paused(ARREARS, april(11)), april(11)) == [
        ("recurring", "fee", "04-01", "04-11", 1000)
    ]
    assert account.bill(paused(ARREARS, april(11), april(21)), may(1)) == [
        ("recurring", "fee", "04-21", "05-01", 1000)
    ]


def test_a_shifting_pause_moves_the_paid_days_behind_it() -> None:
    account = Account()
    account.bill(FEE, april(1))
    moved = paused(
        replace(
            FEE,
            cycles=[
                Cycle(APRIL, anchored_on("month", 1, APRIL), APRIL, 30),
                Cycle(may(11), anchored_on("month", 1, may(11))),
            ],
        ),
        april(11),
        april(21),
        is_credited=False,
        is_shifting=True,
    )
    assert account.bill(moved, april(21)) == []
    assert account.bill(moved, may(1)) == []
    assert account.next_bill_on == may(11)
    # Of the 30 days paid 5 are left on 6 May; the line knows them as 26 to 30 April.
    end = ended(moved, may(6), is_unused_credited_at_end=True)
    (line,) = account.draft(end, {}, may(6)).lines
    assert (line.amount_minor, line.days, line.given_back) == (-500, 5, [(april(26), may(1))])
    assert account.bill(moved, may(11)) == [("recurring", "fee", "05-11", "06-11", 3000)]
    assert account.bill(moved, may(12)) == []


def test_an_open_shifting_pause_keeps_the_window_open() -> None:
    account = Account()
    account.bill(FEE, april(1))
    waiting = paused(FEE, april(11), is_credited=False, is_shifting=True)
    assert account.bill(waiting, date(2026, 9, 1)) == []
    assert account.window_on == APRIL


def test_a_pause_taken_back_on_its_first_day_cuts_nothing() -> None:
    agreement = paused(ARREARS, april(11), april(11))
    assert Account().bill(agreement, may(1)) == [("recurring", "fee", "04-01", "05-01", 3000)]


def test_the_parts_around_a_pause_are_charged_each_on_its_first_day() -> None:
    agreement = paused(FEE, april(11), april(21))
    account = Account()
    assert account.bill(agreement, april(1)) == [("recurring", "fee", "04-01", "04-11", 1000)]
    assert account.next_bill_on == april(21)
    assert account.bill(agreement, april(21)) == [("recurring", "fee", "04-21", "05-01", 1000)]


@pytest.mark.parametrize(
    ("ends", "credits"),
    [
        # 10.00 × 10/31 = 3.23 twice; of the last 11 days (3.55) only 3.54 is left.
        ((11, 21), [-323, -323, -354]),
        # 10.00 × 1/31 = 0.32 twice; to the last 29 days (9.35) falls 9.36.
        ((2, 3), [-32, -32, -936]),
    ],
)
def test_all_days_of_a_line_given_back_in_portions_are_its_amount_exactly(
    ends: tuple[int, int], credits: list[int]
) -> None:
    january = date(2026, 1, 1)
    agreement = agreed(item(1, flat("10.00"), january), start=january)
    account = Account()
    account.bill(agreement, january)
    for first, last in ((1, ends[0]), ends):
        agreement = paused(agreement, january.replace(day=first), january.replace(day=last))
        account.bill(agreement, january.replace(day=first))
    end = january.replace(day=ends[1])
    account.bill(ended(agreement, end, is_unused_credited_at_end=True), end)
    assert [line.amount_minor for line in account.lines] == [1000, *credits]


def test_no_more_comes_back_than_a_credit_note_has_left_of_the_line() -> None:
    account = Account()
    account.bill(FEE, april(1))
    account.rows[0].credited_minor = 2500
    assert account.bill(paused(FEE, april(11), april(29)), april(11)) == [
        ("credit", "fee", "04-11", "04-29", -500)
    ]


def test_days_that_a_credit_note_let_stand_again_come_back_with_the_item_that_has_them() -> None:
    account = Account()
    old, new = item(1, flat("30.00")), item(2, flat("60.00"), april(11))
    account.bill(agreed(old), april(1))
    changed = agreed(replace(old, end=april(11)), new)
    account.bill(changed, april(11))
    # All of that bill is credited: the 40.00 of the new item, less 20.00 of the old one's days.
    first, second = account.rows
    second.credited_minor, first.credited_minor = 4000, 0
    account.rows.append(replace(first, days=[(april(11), may(1))], stands_for=2))
    assert account.bill(changed, april(11)) == []
    assert account.bill(changed, april(20)) == []
    left = agreed(replace(old, end=april(11)), replace(new, end=april(21)))
    (line,) = account.draft(left, {}, april(21)).lines
    assert shown([line]) == [("credit", "fee", "04-21", "05-01", -1000)]
    assert line.item and line.corrects and (line.item.ref, line.corrects.ref) == (1, 1)
    # It covers no days of the item's own: what the item is owed is charged.
    account.rows.remove(second)
    assert shown(account.draft(changed, {}, april(11)).lines) == [
        ("recurring", "fee", "04-11", "05-01", 4000)
    ]


def test_a_credit_of_less_than_half_a_unit_is_left_out_and_its_days_stay_covered() -> None:
    # 0.10 × 1/30 is a third of a cent.
    agreement = agreed(item(1, flat("0.10")))
    account = Account()
    account.bill(agreement, april(1))
    day = paused(agreement, april(11), april(12))
    assert account.bill(day, april(11)) == []
    assert account.bill(day, april(12)) == []
    # With a second such day the two are worth 0.67 of a cent.
    assert account.bill(paused(day, april(13), april(14)), april(13)) == [
        ("credit", "fee", "04-11", "04-14", -1)
    ]


def test_what_a_coupon_made_free_brings_no_credit_line() -> None:
    account = Account(discount=lambda line: line.amount_minor)
    account.bill(FEE, april(1))
    assert account.bill(ended(FEE, april(11), is_unused_credited_at_end=True), april(11)) == []


# Proration none

FULL = flat("31.00", is_prorated=False)


def test_a_price_without_proration_charges_a_part_in_full() -> None:
    agreement = agreed(item(1, FULL, april(20)), end=may(11))
    account = Account()
    assert account.bill(agreement, april(20)) == [("recurring", "fee", "04-20", "05-01", 3100)]
    assert account.bill(agreement, may(1)) == [("recurring", "fee", "05-01", "05-11", 3100)]


def test_a_price_without_proration_is_owed_in_full_while_any_day_is() -> None:
    account = Account()
    agreement = agreed(item(1, FULL))
    account.bill(agreement, april(1))
    assert account.bill(ended(agreement, april(2), is_unused_credited_at_end=True), april(2)) == []
    assert account.bill(paused(agreement, april(11)), april(11)) == []


def test_a_price_without_proration_comes_back_whole_when_no_day_is_kept() -> None:
    account = Account()
    agreement = agreed(item(1, FULL))
    account.bill(agreement, april(1))
    assert account.bill(ended(agreement, april(1), is_unused_credited_at_end=True), april(1)) == [
        ("credit", "fee", "04-01", "05-01", -3100)
    ]


def test_a_price_without_proration_is_charged_once_for_a_period_in_parts() -> None:
    planned = ended(agreed(item(1, FULL)), april(11))
    account = Account()
    account.bill(planned, april(1))
    assert account.bill(agreed(item(1, FULL)), april(5)) == []
    # Around a pause, and in one bill that catches up.
    assert Account().bill(paused(agreed(item(1, FULL)), april(11), april(21)), april(30)) == [
        ("recurring", "fee", "04-01", "04-11", 3100)
    ]


def test_a_second_bill_owes_nothing_when_a_part_without_proration_lost_its_days() -> None:
    # Paused until the 11th, the rest billed in full; resumed on the 1st after all and changed on
    # the 11th: the line's days are lost, the days before it are served.
    account = Account()
    agreement = agreed(item(1, FULL))
    account.bill(paused(agreement, april(1), april(11)), april(11))
    changed = agreed(item(1, FULL, end=april(11)))
    assert account.bill(changed, april(11)) == [
        ("credit", "fee", "04-11", "05-01", -3100),
        ("recurring", "fee", "04-01", "04-11", 3100),
    ]
    assert account.bill(changed, april(11)) == []


# Trials


def test_a_trial_is_free_and_the_first_charge_comes_when_it_ends() -> None:
    account = Account()
    agreement = agreed(
        item(1, flat("30.00")),
        paid_from=april(15),
        cycles=[Cycle(APRIL, anchored_on("month", 1, april(15)))],
    )
    assert account.bill(agreement, april(1)) == []
    assert account.next_bill_on == april(15)
    assert account.bill(agreement, april(15)) == [("recurring", "fee", "04-15", "05-15", 3000)]


def test_usage_in_a_trial_is_free_unless_it_was_agreed_to_be_billed() -> None:
    records = used((april(5), 40), (april(20), 10))
    trial = agreed(
        item(1, metered("0.10")),
        paid_from=april(15),
        cycles=[Cycle(APRIL, anchored_on("month", 1, april(15)))],
    )
    assert Account().bill(trial, may(15), records) == [("usage", "calls", "04-15", "05-15", 100)]
    billed = replace(trial, is_trial_usage_billed=True)
    assert Account().bill(billed, may(15), records) == [
        ("usage", "calls", "04-01", "04-15", 400),
        ("usage", "calls", "04-15", "05-15", 100),
    ]


def test_a_once_price_is_billed_on_the_day_it_begins_also_in_a_trial() -> None:
    account = Account()
    agreement = agreed(item(1, flat("10.00", "setup", "once"), end=april(2)), paid_from=april(15))
    assert account.bill(agreement, april(1)) == [("one_off", "setup", "04-01", "04-02", 1000)]
    assert account.bill(agreement, april(1)) == []
    assert account.bill(agreement, may(15)) == []


def test_a_once_price_from_before_the_window_is_settled() -> None:
    account = Account()
    agreement = agreed(item(1, flat("10.00", "setup", "once")))
    account.bill(agreement, april(1))
    account.bill(agreement, june(1))
    assert account.window_on == may(1)
    assert account.bill(agreement, june(2)) == []


def test_a_once_price_is_never_prorated_and_counts_its_quantity() -> None:
    price = per_unit("2.50", "device", "once")
    agreement = agreed(item(1, price, april(17), april(18), quantity="4"), end=april(20))
    account = Account()
    assert account.bill(agreement, april(16)) == []
    assert account.next_bill_on == april(17)
    assert account.bill(agreement, april(20)) == [("one_off", "device", "04-17", "04-18", 1000)]


def test_a_once_price_that_would_begin_after_the_end_is_not_billed() -> None:
    agreement = agreed(item(1, flat("10.00", "setup", "once"), april(21)), end=april(21))
    assert Account().bill(agreement, may(1)) == []


# Usage


@pytest.mark.parametrize(
    "stopped",
    [
        paused(agreed(item(1, metered("0.10"))), may(1), None),
        paused(agreed(item(1, metered("0.10"))), may(1), june(10)),
        agreed(item(1, metered("0.10"), end=may(1)), item(2, flat("5.00"), may(1))),
    ],
    ids=["paused", "paused until a day", "changed to a plan without it"],
)
def test_usage_of_the_morning_on_which_a_period_and_the_meter_end_is_billed_while_it_is_taken(
    stopped: Agreement,
) -> None:
    account = Account()
    for on in (APRIL, may(1), may(2), june(1)):
        account.bill(stopped, on)
    assert account.window_on is not None and account.window_on <= may(1)
    late = used((may(1), 40))
    assert ("usage", "calls", "04-01", "05-01", 400) in account.bill(stopped, june(2), late)
    # A month later the window has gone on, and such usage is refused before it is taken.
    account.bill(stopped, date(2026, 7, 1), late)
    assert account.window_on > may(1)


def test_usage_is_billed_when_its_period_has_ended() -> None:
    account = Account()
    calls = agreed(item(1, metered("0.10")))
    records = used((april(5), 40), (april(30), 2), (may(1), 999))
    assert account.bill(calls, april(30), records) == []
    assert account.bill(calls, may(1), records) == [("usage", "calls", "04-01", "05-01", 420)]
    assert account.bill(calls, may(1), records) == []


def test_usage_of_a_month_cut_by_a_change_is_rated_part_by_part_from_zero() -> None:
    tiers = (Tier(D(100), D("0.10")), Tier(None, D("0.05")))
    price = Price("calls", "graduated", "in_arrears", meter="calls", tiers=tiers)
    agreement = agreed(item(1, price, end=april(11)), item(2, price, april(11)))
    records = used((april(5), 120), (april(11), 60), (april(20), 20))
    account = Account()
    assert account.bill(agreement, april(11), records) == [
        ("usage", "calls", "04-01", "04-11", 1100)
    ]
    assert account.bill(agreement, may(1), records) == [("usage", "calls", "04-11", "05-01", 800)]


def test_flat_amounts_of_usage_follow_the_days_and_the_units_do_not() -> None:
    # 3.00 × 10/30 + 100 × 0.10
    tiers = (Tier(D(100), D("0.10"), D("3.00")), Tier(None, D("0.05")))
    price = Price("calls", "graduated", "in_arrears", meter="calls", tiers=tiers)
    agreement = agreed(item(1, price), end=april(11))
    assert Account().bill(agreement, april(11), used((april(5), 100))) == [
        ("usage", "calls", "04-01", "04-11", 1100)
    ]
    full = agreed(item(1, replace(price, is_prorated=False)), end=april(11))
    assert Account().bill(full, april(11), used((april(5), 100)))[0][-1] == 1300


def test_usage_and_flat_amounts_are_rounded_together() -> None:
    # 0.01 × 10/30 + 1 × 0.002 = 0.0053 → 0.01; rounded apart both would be zero.
    tiers = (Tier(None, D("0.002"), D("0.01")),)
    price = Price("calls", "graduated", "in_arrears", meter="calls", tiers=tiers)
    agreement = agreed(item(1, price), end=april(11))
    assert Account().bill(agreement, april(11), used((april(5), 1)))[0][-1] == 1


def test_usage_of_paused_days_is_not_billed() -> None:
    agreement = paused(agreed(item(1, metered("0.10"))), april(11), april(21))
    records = used((april(5), 10), (april(15), 500), (april(25), 20))
    assert Account().bill(agreement, may(1), records) == [
        ("usage", "calls", "04-01", "04-11", 100),
        ("usage", "calls", "04-21", "05-01", 200),
    ]


def test_the_last_usage_is_given_away_where_that_was_agreed() -> None:
    agreement = agreed(item(1, metered("0.10")), end=may(11), is_final_usage_billed=False)
    records = used((april(5), 10), (may(5), 500))
    assert Account().bill(agreement, june(1), records) == [
        ("usage", "calls", "04-01", "05-01", 100)
    ]


def test_late_usage_is_billed_as_the_difference_with_its_periods_dates() -> None:
    tiers = (Tier(D(100), D("0.10")), Tier(None, D("0.05")))
    price = Price("calls", "graduated", "in_arrears", meter="calls", tiers=tiers)
    agreement, account = agreed(item(1, price)), Account()
    account.bill(agreement, may(1), used((april(5), 90)))
    late = used((april(5), 90), (april(29), 20), (may(3), 30))
    # 110 calls cost 10.50, of which 9.00 are billed.
    assert account.bill(agreement, may(6), late) == [("usage", "calls", "04-01", "05-01", 150)]
    assert account.lines[-1].quantity == 20
    assert account.bill(agreement, june(1), late) == [("usage", "calls", "05-01", "06-01", 300)]


def test_late_usage_that_lowers_the_price_comes_back_and_points_at_its_line() -> None:
    tiers = (Tier(D(10), D("1.00")), Tier(None, D("0.50")))
    price = Price("calls", "volume", "in_arrears", meter="calls", tiers=tiers)
    agreement, account = agreed(item(1, price)), Account()
    account.bill(agreement, may(1), used((april(5), 10)))
    late = used((april(5), 10), (april(29), 2))
    (line,) = account.draft(agreement, late, may(6)).lines
    assert (line.kind, line.amount_minor, line.lowered_minor) == ("credit", -400, 400)
    assert line.corrects and line.corrects.ref == 1 and line.given_back == []
    account.bill(agreement, may(6), late)
    assert account.bill(agreement, may(6), late) == []
    # Up again: 22 × 0.50 = 11.00, of which 6.00 are left billed.
    more = used((april(5), 10), (april(29), 12))
    assert account.bill(agreement, may(7), more) == [("usage", "calls", "04-01", "05-01", 500)]


def test_a_difference_that_exceeds_the_newest_line_goes_on_with_the_one_before() -> None:
    agreement, account = agreed(item(1, metered("1.00"))), Account()
    account.bill(agreement, may(1), used((april(5), 10)))
    account.bill(agreement, may(2), used((april(5), 13)))
    account.bill(agreement, may(3), used((april(5), 4)))
    assert [(line.amount_minor, line.part) for line in account.lines[:2]] == [(1000, 0), (300, 1)]
    credits = account.lines[2:]
    assert [line.amount_minor for line in credits] == [-300, -600]
    assert [line.corrects.ref for line in credits if line.corrects] == [2, 1]


def test_each_lowering_of_a_discounted_line_gives_back_its_share_of_what_is_left() -> None:
    # 10.00 less 20 % is 8.00. Down by 4.00 and 3.00 of 10.00: 3.20 and 2.40 of 8.00.
    agreement = agreed(item(1, metered("1.00")))
    account = Account(discount=lambda line: line.amount_minor // 5)
    account.bill(agreement, may(1), used((april(5), 10)))
    account.bill(agreement, may(2), used((april(5), 6)))
    account.bill(agreement, may(3), used((april(5), 3)))
    account.bill(agreement, may(4), used((april(5), 0)))
    assert [line.amount_minor for line in account.lines] == [1000, -320, -240, -240]
    assert account.net_minor == 0


def test_a_new_difference_takes_a_part_number_that_is_free() -> None:
    # The first difference was voided with its invoice; the second one, part 2, is still there.
    agreement, account = agreed(item(1, metered("1.00"))), Account()
    for day, quantity in ((1, 10), (2, 12), (3, 15)):
        account.bill(agreement, may(day), used((april(5), quantity)))
    account.rows = [row for row in account.rows if row.part != 1]
    assert account.bill(agreement, may(4), used((april(5), 15)))[0][-1] == 200
    assert account.lines[-1].part == 3


def test_a_part_of_usage_stays_a_part_when_the_pause_that_cut_it_is_taken_back() -> None:
    agreement, account = agreed(item(1, metered("1.00"))), Account()
    records = used((april(5), 10), (april(15), 7))
    account.bill(paused(agreement, april(11)), april(11), records)
    resumed = paused(agreement, april(11), april(11))
    assert account.bill(resumed, may(1), records) == [("usage", "calls", "04-11", "05-01", 700)]


def test_what_lies_before_the_window_is_settled() -> None:
    # A voided line has opened the window again at 11 April, in the middle of a period.
    agreement = paused(
        agreed(item(1, flat("30.00")), item(2, metered("1.00"), position=1)), april(8), april(12)
    )
    account = Account()
    account.window_on = april(11)
    records = used((april(5), 10), (april(15), 7))
    assert account.bill(agreement, april(30), records) == [
        ("recurring", "fee", "04-12", "05-01", 1900)
    ]
    assert account.bill(agreement, may(1), records) == [
        ("recurring", "fee", "05-01", "06-01", 3000),
        ("usage", "calls", "04-12", "05-01", 700),
    ]
    account = Account()
    account.window_on = april(11)
    assert account.bill(FEE, april(30)) == [("recurring", "fee", "04-11", "05-01", 2000)]


def test_the_minimum_of_a_part_before_the_window_is_settled() -> None:
    seats = agreed(item(1, per_unit("3.00", billing="in_arrears", minimum_amount=D(30))))
    account = Account()
    account.window_on = april(11)
    assert account.bill(paused(seats, april(8), april(12)), april(30)) == []


def test_a_percentage_price_sees_every_event() -> None:
    # The first event is free; 1 % of 50.00 and 0.25 for the second one.
    price = Price(
        "fee",
        "percentage",
        "in_arrears",
        meter="calls",
        rate=D(1),
        fixed_amount=D("0.25"),
        free_events=1,
    )
    records = used((april(5), 1000), (april(6), 50))
    assert Account().bill(agreed(item(1, price)), may(1), records)[0][-1] == 75


# Minimums

MINIMUM = metered("0.10", minimum_amount=D(10))


def test_a_minimum_adds_what_is_missing_when_the_period_has_ended() -> None:
    account = Account()
    agreement = agreed(item(1, MINIMUM))
    records = used((april(5), 34), (may(5), 150))
    assert account.bill(agreement, may(1), records) == [
        ("usage", "calls", "04-01", "05-01", 340),
        ("minimum", "calls", "04-01", "05-01", 660),
    ]
    assert account.bill(agreement, may(1), records) == []
    assert account.bill(agreement, june(1), records) == [("usage", "calls", "05-01", "06-01", 1500)]


def test_a_minimum_is_owed_without_any_usage() -> None:
    assert Account().bill(agreed(item(1, MINIMUM)), may(1)) == [
        ("minimum", "calls", "04-01", "05-01", 1000)
    ]


def test_a_minimum_is_prorated_and_both_sides_are_rounded_before_they_are_compared() -> None:
    # 10.00 × 10/30 = 3.33; 3 × 0.125 = 0.375 → 0.38; 2.95
    price = metered("0.125", minimum_amount=D(10))
    agreement = agreed(item(1, price), end=april(11))
    assert Account().bill(agreement, april(11), used((april(5), 3))) == [
        ("usage", "calls", "04-01", "04-11", 38),
        ("minimum", "calls", "04-01", "04-11", 295),
    ]


def test_late_usage_takes_back_as_much_of_the_minimum_as_it_adds() -> None:
    agreement, account = agreed(item(1, MINIMUM)), Account()
    account.bill(agreement, may(1), used((april(5), 34)))
    assert account.bill(agreement, may(2), used((april(5), 60))) == [
        ("credit", "calls", "04-01", "05-01", -260),
        ("usage", "calls", "04-01", "05-01", 260),
    ]
    assert account.bill(agreement, may(3), used((april(5), 120))) == [
        ("credit", "calls", "04-01", "05-01", -400),
        ("usage", "calls", "04-01", "05-01", 600),
    ]
    assert account.net_minor == 1200


def test_a_price_in_advance_is_held_against_its_minimum_at_the_periods_end() -> None:
    seats = agreed(item(1, per_unit("3.00", minimum_amount=D(10)), quantity="2"))
    account = Account()
    assert account.bill(seats, april(1)) == [("recurring", "seats", "04-01", "05-01", 600)]
    assert account.bill(seats, may(1)) == [
        ("minimum", "seats", "04-01", "05-01", 400),
        ("recurring", "seats", "05-01", "06-01", 600),
    ]
    # 10.00 − 6.00 by 10 of 31 days: 3.23 − 1.94
    assert account.bill(ended(seats, may(11)), may(11)) == [
        ("minimum", "seats", "05-01", "05-11", 129)
    ]


def test_the_minimum_of_a_part_stays_when_the_pause_that_cut_it_is_taken_back() -> None:
    seats = agreed(item(1, per_unit("3.00", minimum_amount=D(30)), quantity="1"))
    account = Account()
    account.bill(paused(seats, april(11)), april(11))
    # 30.00 − 3.00 by 10 of 30 days
    assert account.lines[-1].amount_minor == 900
    assert account.bill(paused(seats, april(11), april(11)), may(1)) == [
        ("recurring", "seats", "04-11", "05-01", 200),
        ("minimum", "seats", "04-11", "05-01", 1800),
        ("recurring", "seats", "05-01", "06-01", 300),
    ]


# Catching up, and what was billed elsewhere


def test_missed_periods_are_caught_up_each_as_its_own_line_in_order_of_due_date() -> None:
    agreement = agreed(item(1, flat("30.00"), position=0), item(2, metered("0.10"), position=1))
    records = used((april(5), 10), (may(5), 20))
    assert Account().bill(agreement, june(1), records) == [
        ("recurring", "fee", "04-01", "05-01", 3000),
        ("recurring", "fee", "05-01", "06-01", 3000),
        ("usage", "calls", "04-01", "05-01", 100),
        ("recurring", "fee", "06-01", "07-01", 3000),
        ("usage", "calls", "05-01", "06-01", 200),
    ]


def test_days_billed_elsewhere_are_not_billed_again() -> None:
    agreement = agreed(
        item(1, flat("31.00"), date(2016, 5, 1)),
        item(2, flat("9.00", "setup", "once"), date(2016, 5, 1)),
        item(3, metered("0.10"), date(2016, 5, 1), position=1),
        start=date(2016, 5, 1),
        billed_until=may(11),
    )
    account = Account()
    records = used((may(5), 999), (may(20), 10))
    assert account.bill(agreement, april(20), records) == []
    assert account.next_bill_on == may(11)
    # The window does not run ahead of the day: usage of today may still be recorded.
    assert account.window_on == april(1)
    # 21 of 31 days
    assert account.bill(agreement, may(11), records) == [
        ("recurring", "fee", "05-11", "06-01", 2100)
    ]
    assert account.bill(agreement, june(1), records) == [
        ("recurring", "fee", "06-01", "07-01", 3100),
        ("usage", "calls", "05-11", "06-01", 100),
    ]


# When to ask again, and how far back


def test_the_next_bill_is_on_the_next_day_that_anything_can_be_due() -> None:
    account = Account()
    account.bill(FEE, april(1))
    assert account.next_bill_on == may(1)
    account.bill(ended(FEE, april(20)), april(2))
    assert account.next_bill_on == april(20)
    account.bill(ended(FEE, april(20)), april(20))
    assert account.next_bill_on is None


def test_the_window_opens_with_the_period_before_the_present_one() -> None:
    account = Account()
    for on, window_on in [
        (date(2026, 3, 1), APRIL),
        (april(1), APRIL),
        (may(1), APRIL),
        (may(31), APRIL),
        (june(1), may(1)),
        (date(2026, 12, 24), date(2026, 11, 1)),
    ]:
        account.bill(FEE, on)
        assert account.window_on == window_on


def test_a_moved_anchor_leaves_billed_days_billed_and_charges_those_between() -> None:
    # April is paid; the anchor moves to the 5th: 1 to 5 May, 4 of the 30 days 5 April to 5 May.
    account = Account()
    account.bill(FEE, april(1))
    moved = replace(
        FEE,
        cycles=[
            Cycle(APRIL, anchored_on("month", 1, APRIL), may(1), 30),
            Cycle(may(5), anchored_on("month", 1, may(5))),
        ],
    )
    assert account.bill(moved, may(1)) == [("recurring", "fee", "05-01", "05-05", 400)]
    assert account.bill(moved, may(5)) == [("recurring", "fee", "05-05", "06-05", 3000)]


def test_an_earlier_anchor_charges_only_the_days_that_were_not_paid() -> None:
    # 15 April to 15 May is 30 days, of which 16 are paid.
    account = Account()
    account.bill(FEE, april(1))
    moved = replace(
        FEE,
        cycles=[
            Cycle(APRIL, anchored_on("month", 1, APRIL), APRIL, 31),
            Cycle(april(15), anchored_on("month", 1, april(15))),
        ],
    )
    assert account.bill(moved, may(1)) == [("recurring", "fee", "05-01", "05-15", 1400)]


# Data that contradict each other


@pytest.mark.parametrize(
    ("agreement", "code"),
    [
        (agreed(item(1, flat("1.00"), april(11), april(10))), "invalid_agreement"),
        (agreed(item(1, flat("1.00"), quantity="-1")), "negative_quantity"),
        (agreed(item(1, flat("1.00")), cycles=[]), "invalid_agreement"),
        (
            agreed(cycles=[Cycle(april(2), anchored_on("month", 1, april(2)))]),
            "invalid_agreement",
        ),
        (
            agreed(
                cycles=[Cycle(on, anchored_on("month", 1, on)) for on in (APRIL, may(1), april(5))]
            ),
            "invalid_agreement",
        ),
        (
            agreed(cycles=[Cycle(APRIL, anchored_on("month", 1, APRIL), date(2026, 3, 31), 30)]),
            "invalid_agreement",
        ),
        (agreed(paid_from=date(2026, 3, 31)), "invalid_agreement"),
        (agreed(pauses=[Pause(april(11), april(10))]), "invalid_agreement"),
    ],
    ids=[
        "item",
        "quantity",
        "no_cycle",
        "late_cycle",
        "unordered_cycles",
        "early_tail",
        "trial",
        "pause",
    ],
)
def test_contradictory_data_are_refused(agreement: Agreement, code: str) -> None:
    with pytest.raises(InvalidAgreement) as caught:
        Account().bill(agreement, april(20))
    assert caught.value.code == code


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(UnknownCurrency):
        Account().bill(agreed(item(1, flat("1.00")), currency="SEKK"), APRIL)


def test_drafting_changes_nothing_that_it_was_given() -> None:
    account = Account()
    old = item(1, flat("30.00"))
    account.bill(agreed(old, item(3, metered("1.00"))), may(1), used((april(5), 10)))
    before = [replace(row, days=list(row.days)) for row in account.rows]
    usage: dict[str, Usage] = used((april(5), 4))
    agreement = agreed(replace(old, end=may(11)), item(3, metered("1.00")))
    bill = account.draft(agreement, usage, may(11))
    assert sorted(line.amount_minor for line in bill.lines) == [-2032, -600]
    assert account.rows == before
    assert usage["calls"].values == [Decimal(4)]
