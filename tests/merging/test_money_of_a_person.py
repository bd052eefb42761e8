"""After a merge: what the closed customer has paid can be paid back, once, and the books agree."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from billing.engine.errors import Refused
from billing.invoicing.actions import bill_customer, write_off
from billing.invoicing.balances import balance_of, give_credit, take_back_credit
from billing.invoicing.changes import bill_after, preview
from billing.invoicing.corrections import credit, draft_credit
from billing.invoicing.foreseen_money import NoteGoes
from billing.invoicing.foresight import Foresight, foresee_note
from billing.invoicing.models import BalanceEntry, CustomerBalance, Invoice, OneOffItem
from billing.invoicing.owed import IS_LEFT_BEHIND
from billing.invoicing.voiding import void
from billing.merging.actions import merge
from billing.payments.gateways.base import Charge
from billing.payments.giving_back import give_back, mark_paid_back
from billing.payments.models import Payment, Refund
from billing.payments.outlook import Prospect, what_becomes_of
from billing.payments.paying_out import pay_out_balance, payable_out_minor
from billing.payments.refunds import _fail
from billing.payments.returns import mark_returned
from billing.payments.taking_in import take_in
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import pausing
from billing.subscriptions.allowed_changes import WITHDRAWAL
from billing.verification.books import broken_invariants
from customers.models import Customer
from tests.checkout.test_books import placed
from tests.factories import DAY, CustomerFactory
from tests.merging.conftest import BY_ANNA, LATER, Two, by


def refunds() -> list[tuple[int, int]]:
    """Whose money goes back, and how much of it, in minor units."""
    found = Refund.objects.exclude(state="failed").order_by("pk")
    return list(found.values_list("payment__customer", "amount_minor"))


def foreseen(invoice: Invoice, **asked: Any) -> NoteGoes:
    """Where a credit note by hand would go."""
    _, goes = foresee_note(draft_credit(invoice, **asked), DAY)
    return goes


def pay_out(customer: Customer) -> int:
    return pay_out_balance(customer, currency="SEK", **BY_ANNA)


def test_a_note_for_the_one_that_stays_pays_back_what_the_closed_one_has_paid(two: Two) -> None:
    subscription = two.start(two.closing)
    two.pay(two.bill(two.closing))
    two.merge()
    subscription.refresh_from_db()
    cancel = partial(
        subscriptions.cancel,
        subscription,
        when="now",
        is_refunded=True,
        reason=WITHDRAWAL,
        **BY_ANNA,
    )
    seen = preview(cancel, as_of=DAY)
    assert (seen.to_pay_today_minor, seen.paid_out_minor) == (-31_000, 0)
    subscription.refresh_from_db()
    bill_after(cancel, **BY_ANNA)
    note = Invoice.objects.get(kind="credit_note")
    assert note.customer == two.staying
    assert refunds() == [(two.closing.pk, 31_000)]
    assert balance_of(two.staying, "SEK") == payable_out_minor(two.staying, "SEK") == 0
    assert broken_invariants() == {}
    mark_paid_back(Refund.objects.get(), paid_on=DAY, **BY_ANNA)
    assert broken_invariants() == {}


def test_what_a_pause_has_put_on_the_closed_ones_balance_goes_back_with_the_withdrawal(
    two: Two,
) -> None:
    subscription = two.start(two.closing)
    two.pay(two.bill(two.closing))
    bill_after(partial(pausing.pause, subscription, unused="credit", **BY_ANNA), **BY_ANNA)
    two.merge()
    subscription.refresh_from_db()
    cancel = partial(
        subscriptions.cancel,
        subscription,
        when="now",
        is_refunded=True,
        reason=WITHDRAWAL,
        **BY_ANNA,
    )
    assert preview(cancel, as_of=DAY).paid_out_minor == 31_000
    subscription.refresh_from_db()
    assert bill_after(cancel, **BY_ANNA).paid_out_minor == 31_000
    assert refunds() == [(two.closing.pk, 31_000)]
    assert balance_of(two.staying, "SEK") == 0
    assert broken_invariants() == {}


@pytest.mark.parametrize("by_note", [True, False])
def test_what_the_closed_one_has_paid_onto_its_balance_is_paid_out_once(
    two: Two, by_note: bool
) -> None:
    invoice = two.sell(two.closing)
    two.pay(invoice, 10_000 if by_note else 12_500)
    if by_note:
        credit(invoice, amount_minor=2_500, **BY_ANNA)
    two.merge()
    for customer in (two.staying, two.closing):
        assert payable_out_minor(customer, "SEK") == 2_500
    assert pay_out(two.staying) == 2_500
    assert refunds() == [(two.closing.pk, 2_500)]
    for customer in (two.staying, two.closing):
        with pytest.raises(Refused) as refused:
            pay_out(customer)
        assert refused.value.code == "nothing_to_pay_out"
    assert broken_invariants() == {}


def test_goodwill_stays_goodwill_and_can_be_taken_back(two: Two) -> None:
    gift = give_credit(
        two.closing, currency="SEK", amount_minor=5_000, description="Sorry", **BY_ANNA
    )
    two.pay(two.sell(two.staying), 11_000)
    two.merge()
    assert balance_of(two.staying, "SEK") == 6_000
    assert payable_out_minor(two.staying, "SEK") == 1_000
    assert broken_invariants() == {}
    take_back_credit(gift, **BY_ANNA)
    assert balance_of(two.staying, "SEK") == payable_out_minor(two.staying, "SEK") == 1_000
    assert broken_invariants() == {}


@pytest.mark.parametrize("is_paid", [True, False])
def test_a_balance_that_nobody_needs_is_work_where_it_was_paid_before_the_merge(
    two: Two, is_paid: bool
) -> None:
    if is_paid:
        two.pay(two.sell(two.closing), 12_000)
    else:
        give_credit(two.closing, currency="SEK", amount_minor=2_000, description="x", **BY_ANNA)
    two.merge()
    left_behind = CustomerBalance.objects.filter(IS_LEFT_BEHIND)
    assert [each.customer for each in left_behind] == [two.staying] * is_paid


def test_a_note_by_hand_on_a_closed_ones_invoice_is_its_own_and_the_money_the_others(
    two: Two,
) -> None:
    invoice = two.sell(two.closing)
    two.pay(invoice)
    two.merge()
    assert foreseen(invoice, amount_minor=4_000) == NoteGoes(0, to_balance_minor=4_000)
    note = credit(invoice, amount_minor=4_000, **BY_ANNA)
    assert note.customer == two.closing
    assert BalanceEntry.objects.get(invoice=note).customer == two.staying
    assert balance_of(two.staying, "SEK") == 4_000
    assert broken_invariants() == {}
    back: dict[str, Any] = {"amount_minor": 1_000, "to": Invoice.CreditTo.REFUND}
    assert foreseen(invoice, **back) == NoteGoes(0, 0, paid_back_minor=1_000)
    credit(invoice, **back, **BY_ANNA)
    assert refunds() == [(two.closing.pk, 1_000)]
    assert pay_out(two.staying) == 4_000
    assert broken_invariants() == {}


def test_what_a_note_brings_pays_what_the_one_that_stays_owes(two: Two) -> None:
    invoice = two.sell(two.closing)
    two.pay(invoice)
    two.merge()
    owed = two.sell(two.staying, 3_000)
    credit(invoice, amount_minor=4_000, **BY_ANNA)
    owed.refresh_from_db()
    assert (owed.status, balance_of(two.staying, "SEK")) == ("paid", 1_000)
    assert broken_invariants() == {}


def test_a_payment_that_comes_back_takes_what_the_other_has_of_it(two: Two) -> None:
    invoice = two.sell(two.closing)
    payment = two.pay(invoice, 12_000)
    two.merge()
    mark_returned(payment, **by(LATER))
    invoice.refresh_from_db()
    payment.refresh_from_db()
    assert (invoice.status, invoice.customer) == ("open", two.closing)
    assert (balance_of(two.staying, "SEK"), payment.attention) == (0, "")
    assert broken_invariants() == {}
    assert what_becomes_of(invoice, LATER).prospect in {Prospect.PAY, Prospect.ASK}


def test_an_invoice_that_is_owed_again_is_paid_by_the_persons_balance(two: Two) -> None:
    invoice = two.sell(two.closing)
    payment = two.pay(invoice)
    two.merge()
    mark_returned(payment, **by(LATER))
    give_credit(two.staying, currency="SEK", amount_minor=15_000, description="Sorry", **BY_ANNA)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.from_balance_minor) == ("paid", 10_000)
    assert BalanceEntry.objects.get(invoice=invoice).customer == two.staying
    assert balance_of(two.staying, "SEK") == 5_000
    assert broken_invariants() == {}


def test_what_a_note_would_bring_pays_what_is_owed_again_of_the_closed_one(two: Two) -> None:
    payment = two.pay(two.sell(two.closing))
    two.merge()
    subscription = two.start(two.staying)
    two.pay(two.bill(two.staying))
    mark_returned(payment, **by(LATER))
    pausing.pause(subscription, unused="credit", **BY_ANNA)
    foresight = Foresight(two.seller.pk, two.staying.pk, subscription.pk, as_of=DAY)
    assert [made.document.total_minor for made in foresight.bill_today()] == [31_000]
    two.bill(two.staying)
    assert foresight.money.free_minor("SEK") == balance_of(two.staying, "SEK") == 21_000


def test_an_invoice_that_is_owed_again_and_voided_gives_its_things_to_the_one_that_stays(
    two: Two,
) -> None:
    invoice = two.sell(two.closing)
    payment = two.pay(invoice)
    two.merge()
    mark_returned(payment, **by(LATER))
    void(invoice, **by(LATER))
    assert OneOffItem.objects.get(line=None).customer == two.staying
    assert broken_invariants() == {}
    assert two.bill(two.staying, LATER).total_minor == 10_000


def test_late_money_for_what_was_written_off_pays_it_and_the_rest_is_the_others(two: Two) -> None:
    invoice = two.sell(two.closing)
    write_off(invoice, **BY_ANNA)
    two.merge()
    two.pay(invoice, 11_000)
    invoice.refresh_from_db()
    assert (invoice.status, balance_of(two.staying, "SEK")) == ("paid", 1_000)
    assert Payment.objects.get().customer == two.closing
    assert pay_out(two.staying) == 1_000
    assert broken_invariants() == {}


def test_a_note_for_the_one_that_stays_lowers_what_the_closed_one_never_paid(two: Two) -> None:
    subscription = two.start(two.closing)
    write_off(two.bill(two.closing), **BY_ANNA)
    two.merge()
    subscription.refresh_from_db()
    cancel = partial(subscriptions.cancel, subscription, when="now", is_credited=True, **BY_ANNA)
    bill_after(cancel, **BY_ANNA)
    assert Invoice.objects.get(kind="credit_note").customer == two.staying
    assert balance_of(two.staying, "SEK") == 0
    assert broken_invariants() == {}


def test_a_refund_that_fails_comes_back_to_the_one_that_stays(two: Two) -> None:
    two.closing.at_gateways.create(gateway="sandbox", gateway_id="cu_1")
    two.merge()
    # So a restored database learns of it: the gateway knows whose card it was.
    made = Charge("ch_1", "succeeded", 5_000, "SEK", "chg_1", customer="cu_1")
    payment = take_in("sandbox", made, **BY_ANNA)
    assert payment is not None
    assert (payment.customer, balance_of(two.staying, "SEK")) == (two.closing, 5_000)
    assert pay_out(two.staying) == 5_000
    refund = Refund.objects.get(payment=payment)
    refund.move(Refund.State.UNKNOWN)
    _fail(refund.pk, "no_such_charge")
    assert balance_of(two.staying, "SEK") == payable_out_minor(two.staying, "SEK") == 5_000
    assert broken_invariants() == {}


def test_a_whole_chain_of_merges_is_one_person(two: Two) -> None:
    earlier = CustomerFactory(seller=two.seller)
    two.pay(two.sell(earlier), 10_700)
    two.pay(two.sell(two.closing, 5_000), 5_300)
    merge(earlier, two.closing, **BY_ANNA)
    two.merge()
    assert pay_out(two.staying) == 1_000
    assert sorted(refunds()) == sorted([(earlier.pk, 700), (two.closing.pk, 300)])
    assert broken_invariants() == {}


def test_bills_of_both_go_on_as_one(two: Two) -> None:
    for customer in (two.closing, two.staying):
        two.start(customer)
        two.pay(two.bill(customer))
    two.merge()
    [document] = bill_customer(two.staying, **by(DAY + timedelta(days=31)))
    assert (document.total_minor, document.lines.count()) == (62_000, 2)
    assert bill_customer(two.closing, **by(DAY + timedelta(days=31))) == []
    assert broken_invariants() == {}


def test_what_orders_keep_is_said_where_a_closed_ones_credit_is_taken_back(two: Two) -> None:
    gift = give_credit(
        two.closing, currency="SEK", amount_minor=5_000, description="Sorry", **BY_ANNA
    )
    two.merge()
    placed(two.plan, two.staying)
    with pytest.raises(Refused, match="is free: orders that wait keep the rest"):
        take_back_credit(gift, **BY_ANNA)


def test_money_goes_back_to_the_account_that_is_known_of_the_closed_one(two: Two) -> None:
    for customer in (two.closing, two.staying):
        two.pay(two.sell(customer))
    first, second = Invoice.objects.order_by("pk")
    give_back(first, **BY_ANNA)
    Refund.objects.update(to_account="BG 5050-1055")
    mark_paid_back(Refund.objects.get(), paid_on=DAY, **BY_ANNA)
    two.merge()
    give_back(second, **BY_ANNA)
    assert Refund.objects.get(invoice=second).to_account == "BG 5050-1055"
