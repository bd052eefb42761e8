"""Orders against a real sandbox: placed, paid, left, paid too late, and on bad days."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.db import connection

from billing.checkout import expiry, offers, paying, placing
from billing.checkout.expiry import expire_orders
from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.checkout.placing import Choice, Consent, Details, place
from billing.engine.errors import CurrencyMismatch, Refused
from billing.events.models import Event
from billing.invoicing.balances import balance_of
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.invoicing.voiding import void
from billing.ledger.models import Transfer
from billing.payments.booking import record_payment
from billing.payments.collection import collect_due, resolve_due
from billing.payments.gateways.base import GatewayUnavailable, GatewayUnclear
from billing.payments.inbox import poll_gateways, process_hooks
from billing.payments.models import CheckoutSession, Payment, PaymentMethod
from billing.payments.sessions import check_sessions, prepare_setup
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import coupons, cycles, pausing
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.verification.books import broken_invariants
from catalog.models import Plan
from customers.models import Customer, Seller
from dunning.cases import open_cases
from dunning.models import DunningCase
from tests.factories import (
    DAY,
    CouponFactory,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)
from tests.sandbox.process import RunningSandbox, running_sandbox

pytestmark = pytest.mark.django_db(transaction=True)
FORK = multiprocessing.get_context("fork")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
WORKS, DECLINED, ASKS = "4242424242424242", "4000000000000002", "4000002500003155"
BACK = "https://rosteriet.example/tack"
ASA = Details(
    name="Åsa Öberg",
    email="asa@example.com",
    address_line1="Kungsportsavenyen 10",
    postal_code="411 36",
    city="Göteborg",
    language="sv",
)
CONSENT = Consent(text="125,00 kr i månaden", language="sv", version="1", ip_address="192.0.2.1")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    """Noon of the first day that the factories make."""
    with time_machine.travel(NOON, tick=False) as coordinates:
        yield coordinates


@pytest.fixture(autouse=True)
def connected(sandbox: RunningSandbox, settings: Any) -> None:
    settings.SANDBOX_URL, settings.SANDBOX_KEY = sandbox.url, sandbox.key
    settings.SANDBOX_HOOK_SECRET = sandbox.hook_secret
    for kind in ("down", "slow", "lost", "lie"):
        sandbox.fault(kind, times=0)


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(name="Rosteriet", tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    return seller


@pytest.fixture
def plan(seller: Seller) -> Plan:
    """100.00 a month, 125.00 with VAT."""
    plan: Plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan, code="seats", model="per_unit")
    return plan


def offered(plan: Plan, **offer: Any) -> Order:
    return create_order(plan.seller, plan, as_of=DAY, actor="test", **offer)[0]


def placed(order: Order, **choice: Any) -> Order:
    return place(order, ASA, Choice(**choice), CONSENT, as_of=DAY, actor="test")


def page_of(order: Order) -> CheckoutSession:
    page = paying.open_page(order, as_of=DAY, actor="test", return_url=BACK)
    assert page is not None
    return page


def look(order: Order) -> Order:
    return paying.look(order, as_of=DAY, actor="test")


def hear() -> None:
    """What the tick does about gateways."""
    poll_gateways()
    while process_hooks():
        pass


def subscription_of(order: Order) -> Subscription:
    return Subscription.objects.get(order=order)


def told(order: Order) -> list[str]:
    return list(
        Event.objects.filter(subject=order.public_id).order_by("id").values_list("type", flat=True)
    )


def succeeded(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """What the gateway has taken, for any payment of ours."""
    return [
        charge
        for payment in Payment.objects.all()
        for charge in sandbox.get("/charges", reference=payment.gateway_reference).json()["data"]
        if charge["status"] == "succeeded"
    ]


def check_complete(order: Order, sandbox: RunningSandbox) -> None:
    order.refresh_from_db()
    subscription = subscription_of(order)
    assert (order.status, subscription.status, subscription.access) == (
        "complete",
        "active",
        "full",
    )
    assert order.invoice is not None
    assert (order.invoice.status, order.invoice.paid_minor) == ("paid", 12_500)
    assert [charge["amount_minor"] for charge in succeeded(sandbox)] == [12_500]
    assert told(order) == ["checkout.created", "checkout.placed", "checkout.completed"]
    assert broken_invariants() == {}


# What is offered


def test_an_order_keeps_what_is_offered_and_of_its_token_the_hash_alone(plan: Plan) -> None:
    order, token = create_order(
        plan.seller, plan, as_of=DAY, actor="key:shop", quantities={"seats": Decimal(3)}
    )
    assert (order.status, order.currency, order.quantities) == ("open", "SEK", {"seats": "3"})
    assert order.expires_at == NOON + timedelta(hours=24)
    assert order.language == "sv"
    assert offers.find_order(token) == order
    assert token not in str(Order.objects.values().get())
    assert offers.find_order("another") is None


def test_what_cannot_be_sold_is_not_offered(plan: Plan, seller: Seller) -> None:
    gone = PlanFactory(seller=seller, is_active=False)
    coupon = CouponFactory(seller=seller, plans=["another"])
    withdrawn = CouponFactory(seller=seller, is_active=False)
    refusals: list[tuple[str, Callable[[], Any]]] = [
        ("plan_inactive", lambda: offered(gone)),
        ("unknown_price", lambda: offered(plan, quantities={"cups": Decimal(1)})),
        ("coupon_of_another_plan", lambda: offered(plan, coupon=coupon)),
        (
            "coupon_inactive",
            lambda: offered(plan, coupon=withdrawn),
        ),
        ("coupon_of_another_seller", lambda: offered(plan, coupon=CouponFactory())),
        ("customer_of_another_seller", lambda: offered(plan, customer=CustomerFactory())),
    ]
    for code, attempt in refusals:
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == code
    with pytest.raises(CurrencyMismatch):
        offered(plan, currency="EUR")
    with pytest.raises(Refused) as other:
        create_order(SellerFactory(), plan, as_of=DAY, actor="test")
    assert other.value.code == "plan_of_another_seller"
    assert not Order.objects.exists()


def test_a_quote_is_what_will_be_billed_and_keeps_nothing(plan: Plan) -> None:
    order = offered(plan)
    seen = placing.quote(
        order, Details(country="SE"), Choice({"seats": Decimal(2)}), as_of=DAY, actor="test"
    )
    assert seen.to_pay_today_minor == 25_000
    assert [(bill.on, bill.to_pay_minor) for bill in seen.upcoming] == [
        (date(2026, 4, 1), 25_000),
        (date(2026, 5, 1), 25_000),
    ]
    for model in (Customer, Subscription, Invoice, Payment):
        assert not model._base_manager.exists()
    assert told(order) == ["checkout.created"]


def test_a_coupon_is_found_by_its_code_and_taken_off(plan: Plan) -> None:
    order = offered(plan)
    coupon = CouponFactory(seller=plan.seller, code="WELCOME")
    assert offers.find_coupon(order, " welcome ") == coupon
    seen = placing.quote(order, ASA, Choice(coupon=coupon), as_of=DAY, actor="test")
    assert (seen.to_pay_today_minor, seen.upcoming[0].to_pay_minor) == (10_000, 12_500)
    with pytest.raises(Refused) as refused:
        offers.find_coupon(order, "NOPE")
    assert refused.value.code == "coupon_unknown"


def test_of_two_codes_that_are_alike_the_one_that_was_typed_is_meant(plan: Plan) -> None:
    order = offered(plan)
    made = [CouponFactory(seller=plan.seller, code=code) for code in ("Welcome", "WELCOME")]
    assert [offers.find_coupon(order, coupon.code) for coupon in made] == made


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "10000"])
def test_a_quantity_that_nobody_means_is_refused(plan: Plan, quantity: str) -> None:
    order = offered(plan)
    with pytest.raises(Refused) as refused:
        placed(order, quantities={"seats": Decimal(quantity)})
    assert refused.value.code == "quantity_out_of_range"


def test_details_are_checked_by_field_and_no_card_number_is_kept(plan: Plan) -> None:
    order = offered(plan)
    details = Details(
        name="4242 4242 4242 4242", email="a@example.com", vat_number="SE12", city="Göteborg"
    )
    with pytest.raises(Refused) as refused:
        place(order, details, Choice(), CONSENT, as_of=DAY, actor="test")
    assert refused.value.details["fields"] == {
        "address_line1": "missing",
        "postal_code": "missing",
        "vat_number": "invalid_vat_number",
        "name": "card_number",
    }
    assert not Customer.objects.exists()


# Placed and paid


def test_what_is_ordered_is_incomplete_until_it_is_paid(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    order = placed(offered(plan))
    subscription, customer = subscription_of(order), Customer.objects.get()
    assert (subscription.status, subscription.access) == ("incomplete", "none")
    assert (customer.name, customer.collection) == ("Åsa Öberg", "automatic")
    assert order.consent["text"] == CONSENT.text
    assert order.consent["at"] == NOON.isoformat()
    assert order.details["city"] == "Göteborg"
    # It is paid on its page alone.
    assert not Payment.objects.filter(state="planned").exists()
    sandbox.fill_in(page_of(order).url)
    look(order)
    check_complete(order, sandbox)
    assert Event.objects.filter(
        type="subscription.activated", subject=subscription.public_id
    ).exists()


def test_the_card_that_paid_is_kept_and_pays_the_renewal(
    plan: Plan, sandbox: RunningSandbox, clock: Any
) -> None:
    order = placed(offered(plan))
    sandbox.fill_in(page_of(order).url)
    look(order)
    card = PaymentMethod.objects.get()
    assert (card.last4, card.is_default) == ("4242", True)
    assert Payment.objects.get(state="succeeded").payment_method == card
    clock.move_to(NOON + timedelta(days=31))
    april = date(2026, 4, 1)
    bill_due(plan.seller, april)
    assert collect_due(plan.seller, april, "test") == 1
    assert [invoice.status for invoice in Invoice.objects.order_by("id")] == ["paid", "paid"]
    assert broken_invariants() == {}


def test_ordering_twice_gives_what_is_there(plan: Plan) -> None:
    order = offered(plan)
    first, again = placed(order), placed(order)
    assert first.subscription == again.subscription
    assert Subscription.objects.count() == Invoice.objects.count() == 1


def _place_at_once(order_id: int, barrier: Any) -> None:
    connection.close()
    order = Order.objects.get(pk=order_id)
    barrier.wait()
    placed(order)
    os._exit(0)


def test_two_tabs_that_order_at_once_order_once(plan: Plan) -> None:
    order = offered(plan)
    connection.close()
    barrier = FORK.Barrier(4)
    tabs = [FORK.Process(target=_place_at_once, args=(order.pk, barrier)) for _ in range(4)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join(30)
    assert [tab.exitcode for tab in tabs] == [0] * 4
    assert Subscription.objects.count() == Invoice.objects.count() == Customer.objects.count() == 1
    assert told(order) == ["checkout.created", "checkout.placed"]
    assert broken_invariants() == {}


def test_another_sum_than_the_customer_was_shown_is_not_ordered(plan: Plan) -> None:
    order = offered(plan)
    with pytest.raises(Refused) as refused:
        place(order, ASA, Choice(), CONSENT, as_of=DAY, actor="test", agreed_minor=12_400)
    assert refused.value.code == "price_changed"
    assert not Subscription.objects.exists()


def test_two_pages_are_one_and_money_is_taken_once(plan: Plan, sandbox: RunningSandbox) -> None:
    order = placed(offered(plan))
    first, second = page_of(order), page_of(order)
    assert first == second
    sandbox.fill_in(first.url)
    sandbox.fill_in(second.url)
    look(order)
    look(order)
    check_complete(order, sandbox)
    assert paying.open_page(order, as_of=DAY, actor="test") is None


def test_who_never_comes_back_is_found_by_the_gateways_events(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    order = placed(offered(plan))
    sandbox.fill_in(page_of(order).url)
    hear()
    check_complete(order, sandbox)


def test_a_bank_transfer_completes_it_too(plan: Plan) -> None:
    order = placed(offered(plan))
    assert order.invoice is not None
    record_payment(order.invoice, as_of=DAY, actor="test")
    order.refresh_from_db()
    assert (order.status, subscription_of(order).status) == ("complete", "active")
    assert broken_invariants() == {}


def test_a_refused_card_is_told_of_and_another_pays(plan: Plan, sandbox: RunningSandbox) -> None:
    order = placed(offered(plan))
    page = page_of(order)
    sandbox.fill_in(page.url, DECLINED)
    look(order)
    page = paying.last_page(order) or page
    assert (order.status, page.status, page.failure) == ("placed", "open", "card_declined")
    assert page_of(order) == page
    sandbox.fill_in(page.url)
    look(order)
    check_complete(order, sandbox)
    assert PaymentMethod.objects.get().last4 == "4242"


def test_what_the_bank_asks_is_waited_for(plan: Plan, sandbox: RunningSandbox) -> None:
    order = placed(offered(plan))
    asked = sandbox.fill_in(page_of(order).url, ASKS)
    look(order)
    assert order.status == "placed"
    sandbox.decide(f"{sandbox.url}{asked.headers['Location'].removeprefix(sandbox.url)}")
    look(order)
    check_complete(order, sandbox)


def test_a_customer_of_old_keeps_their_row_and_is_charged_from_then_on(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    customer = CustomerFactory(seller=plan.seller, collection="invoice", external_id="K1")
    order = placed(offered(plan, customer=customer))
    customer.refresh_from_db()
    assert (customer.city, customer.collection) == ("Göteborg", "invoice")
    sandbox.fill_in(page_of(order).url)
    look(order)
    customer.refresh_from_db()
    assert customer.collection == "automatic"
    assert customer.payment_methods.get().is_default
    check_complete(order, sandbox)


# Nothing to pay yet


def test_a_trial_begins_when_the_card_is_there(plan: Plan, sandbox: RunningSandbox) -> None:
    Plan.objects.filter(pk=plan.pk).update(trial_days=14)
    plan.refresh_from_db()
    order = placed(offered(plan))
    assert order.invoice is None
    assert subscription_of(order).status == "incomplete"
    page = page_of(order)
    assert (page.kind, page_of(order)) == ("setup", page)
    sandbox.fill_in(page.url)
    look(order)
    subscription = subscription_of(order)
    assert (order.status, subscription.status, subscription.access) == (
        "complete",
        "trialing",
        "full",
    )
    bill_due(plan.seller, DAY)
    assert not Invoice.objects.exists()
    bill_due(plan.seller, DAY + timedelta(days=14))
    assert collect_due(plan.seller, DAY + timedelta(days=14), "test") == 1
    assert broken_invariants() == {}


def for_a_trial(plan: Plan) -> Order:
    """An order of which nothing is to be paid yet."""
    Plan.objects.filter(pk=plan.pk).update(trial_days=14)
    plan.refresh_from_db()
    return placed(offered(plan))


def open_page_to(order: Order, address: str) -> CheckoutSession | None:
    return paying.open_page(order, as_of=DAY, actor="test", return_url=address)


def test_a_page_for_a_card_that_leads_elsewhere_replaces_the_one_before(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    order = for_a_trial(plan)
    first = page_of(order)
    assert open_page_to(order, BACK) == first
    second = open_page_to(order, "https://rosteriet.example/en/tack")
    first.refresh_from_db()
    order.refresh_from_db()
    assert (first.status, order.page) == ("expired", second)
    assert second is not None
    assert second == paying.last_page(order) != first
    sandbox.fill_in(second.url)
    look(order)
    assert (order.status, subscription_of(order).status) == ("complete", "trialing")


def test_a_card_that_was_left_before_another_page_is_asked_for_completes_the_order(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    order = for_a_trial(plan)
    sandbox.fill_in(page_of(order).url)
    assert open_page_to(order, "https://rosteriet.example/en/tack") is None
    order.refresh_from_db()
    assert (order.status, CheckoutSession.objects.get().status) == ("complete", "complete")


def test_two_tabs_that_ask_for_a_page_for_a_card_leave_the_order_with_the_last(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    """Each page is good for its card, and no transaction waits while the gateway makes one."""
    order = for_a_trial(plan)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: _page_of_a_thread(order.pk), range(2)))
    order.refresh_from_db()
    assert order.page_id == max(page.pk for page in made)
    sandbox.fill_in(min(made, key=lambda page: page.pk).url)
    hear()
    order.refresh_from_db()
    assert order.status == "complete"


def _page_of_a_thread(order_id: int) -> CheckoutSession:
    try:
        return page_of(Order.objects.get(pk=order_id))
    finally:
        connection.close()


def test_the_migration_names_the_last_page_of_each_order(plan: Plan) -> None:
    migration = import_module("billing.payments.migrations.0003_an_order_names_its_page")
    order, other = for_a_trial(plan), for_a_trial(plan)
    assert order.customer is not None
    pages = [
        prepare_setup(
            order.customer, gateway="sandbox", as_of=DAY, actor="test", return_url=f"{BACK}/{n}"
        )
        for n in range(2)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_checkoutsession SET order_id = %s WHERE id = ANY (%s)",
            [order.pk, [page.pk for page in pages]],
        )
        cursor.execute(migration.NAME_THE_LAST_PAGE)
    order.refresh_from_db()
    other.refresh_from_db()
    assert (order.page, other.page) == (pages[1], None)


def test_a_first_invoice_of_nothing_waits_for_the_card_as_well(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    order = offered(plan)
    coupon = CouponFactory(seller=plan.seller, percent_off=100)
    order = placed(order, coupon=coupon)
    assert not Invoice.objects.exists()
    sandbox.fill_in(page_of(order).url)
    look(order)
    bill_due(plan.seller, DAY)
    assert (order.status, Invoice.objects.get().status) == ("complete", "paid")
    assert CouponRedemption.objects.get().is_spent
    assert broken_invariants() == {}


def test_of_two_trials_that_a_person_orders_at_once_one_begins(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    Plan.objects.filter(pk=plan.pk).update(trial_days=14)
    plan.refresh_from_db()
    placing = [placed(offered(plan)) for _ in range(2)]
    assert len({order.customer for order in placing}) == 2
    for page in [page_of(order) for order in placing]:
        sandbox.fill_in(page.url)
    for order in placing:
        look(order)
    assert [order.status for order in placing] == ["complete", "expired"]
    assert [subscription_of(order).status for order in placing] == ["trialing", "ended"]
    assert broken_invariants() == {}


def test_who_has_a_card_already_begins_the_trial_at_once(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    paid = placed(offered(plan))
    sandbox.fill_in(page_of(paid).url)
    look(paid)
    Plan.objects.filter(pk=plan.pk).update(trial_days=14)
    plan.refresh_from_db()
    order = placed(offered(plan, customer=Customer.objects.get()))
    assert (order.status, subscription_of(order).status) == ("complete", "trialing")


# What may not be done meanwhile


def test_an_incomplete_subscription_is_not_changed_billed_or_dunned(
    plan: Plan, seller: Seller
) -> None:
    order = placed(offered(plan))
    subscription = subscription_of(order)
    attempts: list[Callable[..., Any]] = [
        subscriptions.change,
        pausing.pause,
        pausing.resume,
        subscriptions.undo_cancel,
        cycles.change_anchor,
    ]
    for attempt in attempts:
        with pytest.raises(Refused) as refused:
            attempt(subscription, as_of=DAY, actor="test")
        assert refused.value.code == "subscription_incomplete"
    with pytest.raises(Refused) as refused:
        coupons.redeem_coupon(
            subscription.customer,
            CouponFactory(seller=seller),
            subscription=subscription,
            as_of=DAY,
            actor="test",
        )
    assert refused.value.code == "subscription_incomplete"
    later = DAY + timedelta(days=60)
    assert bill_due(seller, later).invoices == 0
    assert open_cases(seller, later, "test") == 0
    assert collect_due(seller, later, "test") == 0
    assert not DunningCase.objects.exists()
    assert subscription_of(order).status == "incomplete"


def test_an_incomplete_subscription_can_be_canceled(plan: Plan) -> None:
    order = placed(offered(plan))
    ended = subscriptions.cancel(subscription_of(order), as_of=DAY, actor="test", when="now")
    assert (ended.status, ended.access) == ("ended", "none")


# Run out


def test_what_nobody_orders_runs_out(plan: Plan, seller: Seller, clock: Any) -> None:
    order = offered(plan)
    assert expire_orders(seller, DAY, "test") == 0
    clock.move_to(NOON + timedelta(hours=24))
    assert expire_orders(seller, NEXT_DAY, "test") == 1
    assert expire_orders(seller, NEXT_DAY, "test") == 0
    assert told(order) == ["checkout.created", "checkout.expired"]
    with pytest.raises(Refused) as refused:
        placed(order)
    assert refused.value.code == "order_expired"


def test_what_nobody_pays_runs_out_with_its_page_invoice_and_subscription(
    plan: Plan, seller: Seller, sandbox: RunningSandbox, clock: Any
) -> None:
    coupon = CouponFactory(seller=seller)
    order = placed(offered(plan), coupon=coupon)
    page = page_of(order)
    clock.move_to(NOON + timedelta(hours=25))
    assert expire_orders(seller, NEXT_DAY, "tick") == 1
    order.refresh_from_db()
    subscription = subscription_of(order)
    assert (order.status, subscription.status) == ("expired", "ended")
    assert subscription.ends_on == subscription.starts_on
    assert order.invoice is not None
    assert (order.invoice.status, order.invoice.reason) == ("void", expiry.NEVER_PAID)
    assert CouponRedemption.objects.get().removed_on == NEXT_DAY
    page.refresh_from_db()
    assert page.status == "expired"
    sandbox.fill_in(page.url)
    assert succeeded(sandbox) == []
    bill_due(seller, NEXT_DAY + timedelta(days=60))
    assert Invoice.objects.count() == 1
    with pytest.raises(Refused) as refused:
        page_of(order)
    assert refused.value.code == "order_expired"
    assert broken_invariants() == {}


def test_a_trial_without_a_card_runs_out(
    plan: Plan, seller: Seller, sandbox: RunningSandbox, clock: Any
) -> None:
    Plan.objects.filter(pk=plan.pk).update(trial_days=14)
    plan.refresh_from_db()
    order = placed(offered(plan))
    page = page_of(order)
    clock.move_to(NOON + timedelta(hours=25))
    assert expire_orders(seller, NEXT_DAY, "tick") == 1
    page.refresh_from_db()
    assert (page.status, subscription_of(order).status) == ("expired", "ended")
    assert broken_invariants() == {}


def test_an_order_that_was_paid_in_its_last_minute_is_complete(
    plan: Plan, seller: Seller, sandbox: RunningSandbox, clock: Any
) -> None:
    order = placed(offered(plan))
    sandbox.fill_in(page_of(order).url)
    clock.move_to(NOON + timedelta(hours=25))
    assert expire_orders(seller, NEXT_DAY, "tick") == 0
    check_complete(order, sandbox)


@pytest.mark.parametrize("kind", ["down", "lost"])
def test_an_order_does_not_run_out_while_the_gateway_does_not_answer(
    plan: Plan, seller: Seller, sandbox: RunningSandbox, clock: Any, kind: str
) -> None:
    order = placed(offered(plan))
    page_of(order)
    clock.move_to(NOON + timedelta(hours=25))
    sandbox.fault(kind)
    assert expire_orders(seller, NEXT_DAY, "tick") == 0
    order.refresh_from_db()
    assert (order.status, subscription_of(order).status) == ("placed", "incomplete")
    assert expire_orders(seller, NEXT_DAY, "tick") == 1
    assert broken_invariants() == {}


def test_an_order_does_not_run_out_while_its_payment_is_in_doubt(
    plan: Plan, seller: Seller, sandbox: RunningSandbox, clock: Any
) -> None:
    order = placed(offered(plan))
    page = page_of(order)
    sandbox.fill_in(page.url)
    assert page.payment is not None
    # As after a page that was completed and whose charge could not be read.
    CheckoutSession.objects.filter(pk=page.pk).update(status="complete", next_check_at=None)
    Payment.objects.filter(pk=page.payment.pk).update(state="unknown", next_check_at=NOON)
    clock.move_to(NOON + timedelta(hours=25))
    assert expire_orders(seller, NEXT_DAY, "tick") == 0
    assert expiry.expire(order, as_of=NEXT_DAY, actor="shop") is False
    assert subscription_of(order).status == "incomplete"
    resolve_due()
    check_complete(order, sandbox)


def test_what_was_paid_in_part_is_kept_as_balance_when_it_runs_out(
    plan: Plan, seller: Seller, clock: Any
) -> None:
    order = placed(offered(plan))
    assert order.invoice is not None
    record_payment(order.invoice, as_of=DAY, actor="test", amount_minor=5000)
    clock.move_to(NOON + timedelta(hours=25))
    assert expire_orders(seller, NEXT_DAY, "tick") == 1
    assert balance_of(Customer.objects.get(), "SEK") == 5000
    assert subscription_of(order).status == "ended"
    assert broken_invariants() == {}


@pytest.mark.parametrize("act", [void, credit])
def test_an_invoice_that_an_operator_took_back_lets_the_order_run_out(
    plan: Plan, seller: Seller, clock: Any, act: Callable[..., Any]
) -> None:
    order = placed(offered(plan))
    act(order.invoice, as_of=DAY, actor="test")
    clock.move_to(NOON + timedelta(hours=25))
    assert expire_orders(seller, NEXT_DAY, "tick") == 1
    assert subscription_of(order).status == "ended"
    assert broken_invariants() == {}


def test_money_that_comes_after_the_end_is_the_customers_balance_once(
    plan: Plan, seller: Seller, sandbox: RunningSandbox, clock: Any
) -> None:
    order = placed(offered(plan))
    page = page_of(order)
    clock.move_to(NOON + timedelta(hours=25))
    expire_orders(seller, NEXT_DAY, "tick")
    assert page.payment is not None
    at_gateway, method = sandbox.card("late")
    made = sandbox.post(
        "/charges",
        {
            "customer": at_gateway,
            "payment_method": method,
            "amount_minor": 12_500,
            "currency": "SEK",
            "reference": page.payment.public_id,
        },
    )
    made.raise_for_status()
    for _ in range(2):
        hear()
    late = Payment.objects.get(state="succeeded")
    assert late.gateway_id == made.json()["id"]
    assert not Transfer.objects.filter(document="invoice").exists()
    assert balance_of(Customer.objects.get(), "SEK") == 12_500
    page.payment.refresh_from_db()
    assert late.public_id in page.payment.attention
    assert subscription_of(order).status == "ended"
    assert broken_invariants() == {}


# Bad days


def test_a_gateway_that_is_down_keeps_the_order_and_another_try_opens_the_page(
    plan: Plan, sandbox: RunningSandbox
) -> None:
    order = placed(offered(plan))
    sandbox.fault("down", times=1)
    with pytest.raises((GatewayUnavailable, GatewayUnclear)):
        page_of(order)
    assert not Payment.objects.filter(state="planned").exists()
    order.refresh_from_db()
    assert order.status == "placed"
    sandbox.fill_in(page_of(order).url)
    look(order)
    check_complete(order, sandbox)


def test_without_a_gateway_the_order_is_kept(plan: Plan, settings: Any) -> None:
    settings.SANDBOX_URL = ""
    order = placed(offered(plan))
    with pytest.raises(GatewayUnavailable):
        page_of(order)
    assert Order.objects.get().status == "placed"


@pytest.mark.parametrize("lost_calls", [1, 2, 3])
def test_a_gateway_that_fails_at_any_call_of_the_way_back_loses_nothing(
    plan: Plan, sandbox: RunningSandbox, lost_calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session, its charge and its card are asked for: each may be the last answer."""
    from billing.payments.gateways.http import Caller

    order = placed(offered(plan))
    sandbox.fill_in(page_of(order).url)
    ask, calls = Caller.call, 0

    def failing(self: Any, allowed: Any, method: str, path: str, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == lost_calls:
            raise GatewayUnclear("It broke off.")
        return ask(self, allowed, method, path, **options)

    monkeypatch.setattr(Caller, "call", failing)
    with pytest.raises(GatewayUnclear):
        look(order)
    look(order)
    check_complete(order, sandbox)
    assert PaymentMethod.objects.get().last4 == "4242"


STEPS = (
    "billing.payments.sessions.open_session",
    "billing.payments.sessions._opened",
    "billing.payments.sessions._take_up",
    "billing.payments.sessions.settle",
    "billing.payments.sessions._keep_used",
    "billing.payments.sessions.close",
)


@pytest.mark.parametrize("step", STEPS)
def test_who_dies_at_a_step_is_caught_up_with(
    plan: Plan, sandbox: RunningSandbox, step: str, clock: Any
) -> None:
    """A process that ends at once, as by kill -9, before each step; then the tick comes."""
    order = placed(offered(plan))
    connection.close()
    dying = FORK.Process(target=_pay_and_die, args=(order.pk, sandbox, step))
    dying.start()
    dying.join(30)
    assert dying.exitcode == 9
    # The database keeps its own time.
    CheckoutSession.objects.update(recorded_at=NOON)
    clock.shift(timedelta(minutes=11))
    for _ in range(2):
        hear()
        check_sessions("tick", 10)
    order.refresh_from_db()
    if order.status == "placed":
        sandbox.fill_in(page_of(order).url)
        look(order)
    check_complete(order, sandbox)
    assert not CheckoutSession.objects.filter(status__in=["creating", "open"]).exists()


def _pay_and_die(order_id: int, sandbox: RunningSandbox, step: str) -> None:
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, lambda *args, **options: os._exit(9))
        order = Order.objects.get(pk=order_id)
        sandbox.fill_in(page_of(order).url)
        look(order)
    os._exit(0)
