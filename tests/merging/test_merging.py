"""What is still to come of a merged customer is the other's, and what stands against a merge."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.actions import add_one_off, bill_customer
from billing.invoicing.balances import balance_of, give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.models import BalanceEntry, Invoice, OneOffItem
from billing.invoicing.voiding import void
from billing.merging.actions import merge
from billing.merging.foreseen import parts_of
from billing.merging.moves import LISTED_MAX, obstacles, what_moves
from billing.payments.gateways.base import Method
from billing.payments.methods import keep_fetched_method
from billing.payments.models import CheckoutSession, GatewayCustomer, PaymentMethod, Refund
from billing.subscriptions import actions as subscriptions
from billing.subscriptions.coupons import redeem_coupon
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.verification.books import broken_invariants
from customers.actions import change_details
from customers.addressees import addressees_of_invoices
from customers.calendar import now_of
from customers.links import Purpose, make_link, read_link
from customers.models import AccessLink, Customer
from customers.persons import person_ids
from dunning.models import DunningCase
from dunning.policies import Policies
from tests.factories import DAY, CouponFactory, CustomerFactory, InvoiceFactory, PaymentFactory
from tests.merging.conftest import BY_ANNA, Two, by

NEXT = DAY + timedelta(days=31)


def give(customer: Customer, amount_minor: int) -> BalanceEntry:
    return give_credit(
        customer, currency="SEK", amount_minor=amount_minor, description="Sorry", **BY_ANNA
    )


# What moves


def test_later_bills_of_a_subscription_are_those_of_the_one_that_stays(two: Two) -> None:
    subscription = two.start(two.closing)
    first = two.bill(two.closing)
    two.pay(first)
    two.merge()
    bill_due(two.seller, NEXT)
    second = Invoice.objects.latest("pk")
    assert (second.customer, second.subscription_id) == (two.staying, first.subscription_id)
    assert second.lines.get().subscription == subscription
    first.refresh_from_db()
    assert first.customer == two.closing
    assert broken_invariants() == {}


def test_a_subscription_that_has_ended_moves_too_since_late_usage_may_bill_it(two: Two) -> None:
    subscription = two.start(two.closing)
    two.pay(two.bill(two.closing))
    subscriptions.cancel(subscription, when="now", **BY_ANNA)
    bill_customer(two.closing, **by(DAY + timedelta(days=1)))
    moved = two.merge()
    subscription.refresh_from_db()
    assert (subscription.status, subscription.customer) == ("ended", two.staying)
    assert moved.subscriptions == []


def test_one_off_items_that_wait_move_and_billed_ones_stay(two: Two) -> None:
    two.pay(two.sell(two.closing))
    waiting = add_one_off(
        two.closing, currency="SEK", amount_minor=700, description="Mug", **BY_ANNA
    )
    two.merge()
    waiting.refresh_from_db()
    assert waiting.customer == two.staying
    assert OneOffItem.objects.exclude(pk=waiting.pk).get().customer == two.closing
    assert two.bill(two.staying).customer == two.staying


def test_coupons_move_and_one_that_both_have_ends(two: Two) -> None:
    both, own = (CouponFactory(seller=two.seller, code=code) for code in ("BOTH", "OWN"))
    for customer, coupon in ((two.closing, both), (two.staying, both), (two.closing, own)):
        redeem_coupon(customer, coupon, **BY_ANNA)
    assert what_moves(two.closing, two.staying).doubled[0].coupon == both
    two.merge()
    live = CouponRedemption.objects.filter(customer=two.staying, removed_on=None)
    assert sorted(live.values_list("coupon__code", flat=True)) == ["BOTH", "OWN"]
    assert CouponRedemption.objects.get(customer=two.closing).removed_on == DAY


@pytest.mark.parametrize("has_own", [True, False])
def test_cards_move_and_the_default_of_the_one_that_stays_remains_so(
    two: Two, has_own: bool
) -> None:
    moving = two.card(two.closing, is_default=True)
    own = two.card(two.staying, is_default=True) if has_own else moving
    two.merge()
    assert PaymentMethod.objects.filter(customer=two.staying).count() == 1 + has_own
    assert PaymentMethod.objects.get(is_default=True) == own
    moving.refresh_from_db()
    assert moving.gateway_customer == f"cu_{two.closing.pk}"


@pytest.mark.parametrize(
    ("refused_of_closing", "refused_of_staying", "is_moved_charged"),
    [("", "expired_card", True), ("expired_card", "expired_card", False), ("", "", False)],
)
def test_a_card_that_can_be_charged_is_not_lost_to_one_that_cannot(
    two: Two, refused_of_closing: str, refused_of_staying: str, is_moved_charged: bool
) -> None:
    moving = two.card(two.closing, is_default=True, refused_code=refused_of_closing)
    own = two.card(two.staying, is_default=True, refused_code=refused_of_staying)
    two.merge()
    default = PaymentMethod.objects.get(customer=two.staying, is_default=True)
    assert default == (moving if is_moved_charged else own)


def test_what_an_ended_subscription_is_still_to_be_billed_counts_as_to_come(two: Two) -> None:
    subscription = two.start(two.closing)
    two.pay(two.bill(two.closing))
    subscriptions.cancel(subscription, when="now", **BY_ANNA)
    Subscription.objects.filter(pk=subscription.pk).update(next_bill_on=DAY)
    assert what_moves(two.closing, two.staying).subscriptions == [subscription]
    Customer.objects.filter(pk=two.staying.pk).update(country="DE")
    two.staying.refresh_from_db()
    assert [each.code for each in obstacles(two.closing, two.staying)] == ["taxed_otherwise"]


def test_a_void_gives_no_coupon_back_that_the_person_has_again_by_a_merge(two: Two) -> None:
    coupon = CouponFactory(seller=two.seller)
    redeem_coupon(two.staying, coupon, **BY_ANNA)
    invoice = two.sell(two.staying)
    spent = CouponRedemption.objects.get(customer=two.staying)
    CouponRedemption.objects.filter(pk=spent.pk).update(is_spent=True, fixed_by=invoice.pk)
    redeem_coupon(two.closing, coupon, **BY_ANNA)
    two.merge()
    void(invoice, reason="a mistake", **BY_ANNA)
    had = CouponRedemption.objects.filter(customer=two.staying, is_spent=False, removed_on=None)
    assert had.count() == 1
    assert broken_invariants() == {}


def test_the_shops_id_moves_where_the_other_has_none(two: Two) -> None:
    Customer.objects.filter(pk=two.closing.pk).update(external_id="shop-1")
    two.merge()
    assert (two.closing.external_id, two.staying.external_id) == (None, "shop-1")


def test_balances_move_and_pay_what_the_one_that_stays_owes(two: Two) -> None:
    owed = two.sell(two.staying, 4_000)
    give(two.closing, 10_000)
    assert what_moves(two.closing, two.staying).balances_minor == {"SEK": 10_000}
    two.merge()
    owed.refresh_from_db()
    assert (owed.status, owed.from_balance_minor) == ("paid", 4_000)
    assert balance_of(two.staying, "SEK") == balance_of(two.closing, "SEK") == 6_000
    assert not two.closing.balances.filter(balance_minor__gt=0).exists()
    assert broken_invariants() == {}


def test_a_checkout_link_on_which_nothing_was_ordered_ends(two: Two) -> None:
    """Whoever holds it could say with which address one signs in to the account that stays."""
    order, _ = create_order(two.seller, two.plan, customer=two.closing, **BY_ANNA)
    two.merge()
    order.refresh_from_db()
    assert (order.customer, order.status) == (two.closing, Order.Status.EXPIRED)
    assert Event.objects.filter(type="checkout.expired", subject=order.public_id).exists()


def test_links_that_sign_in_end_and_one_to_pay_goes_on(two: Two) -> None:
    now = now_of(two.seller)
    tokens = {
        purpose: make_link(two.closing, purpose, now=now)
        for purpose in (Purpose.SIGN_IN, Purpose.PAY)
    }
    two.merge()
    now = now_of(two.seller)
    assert read_link(tokens[Purpose.PAY], Purpose.PAY, now=now)
    with pytest.raises(Refused) as refused:
        read_link(tokens[Purpose.SIGN_IN], Purpose.SIGN_IN, now=now)
    assert refused.value.code == "link_merged"
    ends = dict(AccessLink.objects.values_list("purpose", "expires_at"))
    assert ends[Purpose.SIGN_IN] <= now < ends[Purpose.PAY]


def test_mail_about_a_merged_customer_goes_to_the_one_that_stays(two: Two) -> None:
    Customer.objects.filter(pk=two.closing.pk).update(invoice_to=["old@example.com"])
    two.merge()
    assert addressees_of_invoices(two.closing) == addressees_of_invoices(two.staying)


def test_the_address_that_no_longer_signs_in_is_told(two: Two) -> None:
    Customer.objects.filter(pk=two.closing.pk).update(email="anna@old.example")
    two.closing.refresh_from_db()
    two.merge()
    told = Event.objects.get(type="customer.address_changed")
    assert (told.subject, told.data) == (
        two.staying.public_id,
        {"old_address": "anna@old.example"},
    )


def test_whoever_was_merged_into_the_one_that_is_closed_follows(two: Two) -> None:
    earlier = CustomerFactory(seller=two.seller)
    merge(earlier, two.closing, **BY_ANNA)
    assert two.merge().followers == [earlier]
    earlier.refresh_from_db()
    assert earlier.merged_into == two.staying
    assert person_ids(earlier) == sorted([earlier.pk, two.closing.pk, two.staying.pk])
    assert broken_invariants() == {}


def test_a_merge_is_told_of_both(two: Two) -> None:
    subscription = two.start(two.closing)
    two.pay(two.bill(two.closing))
    two.merge()
    told = Event.objects.filter(type="customer.merged").order_by("pk")
    assert [each.subject for each in told] == [two.closing.public_id, two.staying.public_id]
    assert {tuple(each.data.items()) for each in map(_hashable, told)} == {
        (
            ("into", two.staying.public_id),
            ("merged", two.closing.public_id),
            ("subscriptions", (subscription.public_id,)),
        )
    }


def _hashable(event: Event) -> Event:
    event.data = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in sorted(event.data.items())
    }
    return event


def test_what_moves_is_shown_and_nothing_is_moved_by_it(two: Two) -> None:
    subscription = two.start(two.closing)
    two.pay(two.bill(two.closing), 40_000)
    card = two.card(two.closing, is_default=True)
    seen = what_moves(two.closing, two.staying)
    assert (seen.subscriptions, seen.cards) == ([subscription], [card])
    assert seen.balances_minor == {"SEK": 9_000}
    assert not Event.objects.filter(type="customer.merged").exists()
    assert two.merge() == seen


# What stands against it

type Spoil = Callable[[Two], Any]


def _open_invoice(two: Two) -> None:
    two.sell(two.closing)


def _late_debt(two: Two) -> None:
    invoice = two.sell(two.closing)
    DunningCase.objects.create(
        seller=two.seller,
        customer=two.closing,
        invoice=invoice,
        policy_id=Policies(two.seller).for_plan(None),
        since="due",
        late_from=DAY,
    )
    Invoice.objects.filter(pk=invoice.pk).update(status="uncollectible")


def _order(two: Two) -> None:
    Order.objects.create(
        seller=two.seller,
        plan=two.plan,
        currency="SEK",
        expires_at="2030-01-01T00:00Z",
        token_hash="a",
        status="placed",
        customer=two.closing,
        subscription=two.start(two.closing),
        consent={"text": "Yes"},
        placed_at="2026-03-01T00:00Z",
    )


def _payment(two: Two) -> None:
    PaymentFactory(customer=two.closing, state="submitted", received_on=None)


def _refund(two: Two) -> None:
    payment = PaymentFactory(customer=two.closing)
    Refund.objects.create(payment=payment, amount_minor=1, refunded_on=DAY, state="created")


def _page(two: Two) -> None:
    CheckoutSession.objects.create(
        customer=two.closing, kind="setup", gateway="elsewhere", return_url="https://a.example"
    )


def _parked(two: Two) -> None:
    Subscription.objects.filter(pk=two.start(two.closing).pk).update(parked_reason="Odd.")


def _two_ids(two: Two) -> None:
    for customer in (two.closing, two.staying):
        Customer.objects.filter(pk=customer.pk).update(external_id=f"shop-{customer.pk}")


def _other_tax(two: Two) -> None:
    two.start(two.closing)
    change_details(two.staying, country="DE", **BY_ANNA)


def _merged(two: Two) -> None:
    merge(two.closing, CustomerFactory(seller=two.seller), **BY_ANNA)


def _other_merged(two: Two) -> None:
    merge(two.staying, CustomerFactory(seller=two.seller), **BY_ANNA)


@pytest.mark.parametrize(
    ("spoil", "codes"),
    [
        (_open_invoice, ["invoice_open"]),
        (_late_debt, ["late_debt_open"]),
        (_order, ["order_waits"]),
        (_payment, ["payment_under_way"]),
        (_refund, ["refund_under_way"]),
        (_page, ["page_open"]),
        (_parked, ["subscription_parked"]),
        (_two_ids, ["two_external_ids"]),
        (_other_tax, ["taxed_otherwise"]),
        (_merged, ["customer_merged"]),
        (_other_merged, ["customer_merged"]),
    ],
)
def test_a_merge_is_refused_with_what_to_do(two: Two, spoil: Spoil, codes: list[str]) -> None:
    spoil(two)
    two.closing.refresh_from_db()
    two.staying.refresh_from_db()
    assert [each.code for each in obstacles(two.closing, two.staying)] == codes
    with pytest.raises(Refused) as refused:
        merge(two.closing, two.staying, **BY_ANNA)
    assert refused.value.code == codes[0]
    assert not Customer.objects.filter(pk=two.closing.pk, merged_into=two.staying).exists()


def test_all_that_stands_against_it_is_told_at_once(two: Two) -> None:
    for spoil in (_open_invoice, _page, _two_ids, _other_tax):
        spoil(two)
    two.closing.refresh_from_db()
    two.staying.refresh_from_db()
    assert [each.code for each in obstacles(two.closing, two.staying)] == [
        "invoice_open",
        "page_open",
        "two_external_ids",
        "taxed_otherwise",
    ]


def test_two_of_different_sellers_and_one_with_itself_are_not_merged(two: Two) -> None:
    for staying, code in (
        (CustomerFactory(), "customer_of_another_seller"),
        (two.closing, "same_customer"),
    ):
        with pytest.raises(Refused) as refused:
            merge(two.closing, staying, **BY_ANNA)
        assert refused.value.code == code


def test_other_tax_stands_against_nothing_where_no_bill_is_to_come(two: Two) -> None:
    change_details(two.staying, country="DE", **BY_ANNA)
    two.staying.refresh_from_db()
    assert list(obstacles(two.closing, two.staying)) == []


# What a merged customer still gets


@pytest.mark.parametrize(
    "ask",
    [
        lambda two: two.start(two.closing),
        lambda two: two.sell(two.closing),
        lambda two: give(two.closing, 100),
        lambda two: redeem_coupon(two.closing, CouponFactory(seller=two.seller), **BY_ANNA),
        lambda two: change_details(two.closing, name="Anna", **BY_ANNA),
        lambda two: create_order(two.seller, two.plan, customer=two.closing, **BY_ANNA),
    ],
)
def test_what_is_to_come_is_refused_to_a_merged_customer(two: Two, ask: Spoil) -> None:
    two.merge()
    with pytest.raises(Refused) as refused:
        ask(two)
    assert refused.value.code == "customer_merged"


def test_a_card_that_a_merged_customer_leaves_is_kept_for_the_one_that_stays(two: Two) -> None:
    GatewayCustomer.objects.create(customer=two.closing, gateway="elsewhere", gateway_id="cu_1")
    two.merge()
    card = Method("pm_1", customer="cu_1", brand="visa", last4="4242", expires_on=None)
    kept = keep_fetched_method(two.closing, "elsewhere", card, DAY, "user:anna")
    assert kept.customer == two.staying


def test_of_many_that_stand_against_it_the_first_are_named_and_the_others_counted(
    two: Two,
) -> None:
    for _ in range(LISTED_MAX):
        InvoiceFactory(customer=two.closing)
    assert len(list(obstacles(two.closing, two.staying))) == LISTED_MAX
    for _ in range(2):
        InvoiceFactory(customer=two.closing)
    *named, more = obstacles(two.closing, two.staying)
    assert len(named) == LISTED_MAX
    assert (more.message, more.code) == ("And 2 more of this kind.", "invoice_open")


def test_more_checkout_links_take_no_more_queries(
    two: Two, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        create_order(two.seller, two.plan, customer=two.closing, **BY_ANNA)
    moves = what_moves(two.closing, two.staying)
    with django_assert_num_queries(0):
        [moving, *_] = parts_of(two.closing, two.staying, moves)
    assert [row.what for row in moving.rows] == [str(two.plan)] * 3
