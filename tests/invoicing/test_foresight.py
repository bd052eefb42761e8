"""Bills to come are, to the last unit, those that are issued once their days have come."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from itertools import islice
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Model

from billing.engine.errors import BillingError, Refused
from billing.invoicing.actions import add_one_off, bill_customer
from billing.invoicing.balances import free_balances, give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.changes import SeenBill, bill_after, preview
from billing.invoicing.corrections import credit, draft_credit
from billing.invoicing.foresight import AHEAD_MAX, BILLING_DAYS_MAX, Foresight, foresee_note
from billing.invoicing.models import BalanceEntry, Invoice
from billing.payments.booking import record_payment
from billing.payments.models import Refund
from billing.simulation.playing import Player
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import pausing
from billing.subscriptions.coupons import redeem_coupon
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.models import Customer
from tests.factories import (
    DAY,
    VAT_25,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)
from tests.scenarios.test_random_stories import refusals_pass, story

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("refusals_pass")]
__all__ = ["refusals_pass"]

SEEDS = [*range(25), *(pytest.param(seed, marks=pytest.mark.proof) for seed in range(3000, 4000))]
# What a document gets as it is written, and what happens to it later.
LATER = {
    *("id", "public_id", "number", "sequence", "reference", "seller_id", "letterhead_id"),
    *("status", "paid_minor", "credited_minor", "from_balance_minor", "rounded_off_minor"),
    *("closed_on", "reason", "recorded_at"),
}
OF_LINES = {"id", "invoice_id", "corrects_id"}
ACTOR = "test"


class World:
    """A customer with whatever a random story has left, and things that are still to come."""

    def __init__(self, seed: int) -> None:
        scenario = story(seed)
        timeline = scenario.content["timeline"]
        scenario.content["timeline"] = timeline[: min(1 + seed % 7, len(timeline) - 4)]
        player = Player(scenario)
        player.play()
        self.random, self.today, self.company = Random(seed), player.today, player.company
        self.customer: Customer = self.company.customers["a"]
        self.subscription: Subscription = self.company.subscriptions["s"]
        self.subscription.refresh_from_db()
        changes = (self.dearer, self.another, self.coupon, self.gift, self.item, self.pay)
        for happen in (
            *changes,
            self.random.choice([self.change, self.change, self.end, self.rest]),
        ):
            if self.random.random() < 0.6:
                with suppress(BillingError), transaction.atomic():
                    happen()
        self.subscription.refresh_from_db()

    def ahead(self) -> date:
        return self.today + timedelta(self.random.choice([1, 5, 17, 40, 50]))

    def dearer(self) -> None:
        plan = self.company.plans["p2"]
        at: dict[str, Any] = {"as_of": self.today, "actor": ACTOR}
        bill_after(partial(subscriptions.change, self.subscription, plan=plan, **at), **at)

    def another(self) -> None:
        plan = self.company.plans[self.random.choice(["p1", "p2"])]
        at: dict[str, Any] = {"as_of": self.today, "actor": ACTOR}
        bill_after(partial(subscriptions.start, self.customer, plan, **at), **at)

    def coupon(self) -> None:
        coupon = self.company.coupons[self.random.choice(["c1", "c2", "c3"])]
        whose = self.random.choice([self.subscription, None])
        at: dict[str, Any] = {"as_of": self.today, "actor": ACTOR}
        redeem_coupon(self.customer, coupon, subscription=whose, **at)

    def gift(self) -> None:
        money: dict[str, Any] = {
            "currency": "EUR",
            "amount_minor": self.random.choice([500, 9_000]),
        }
        at: dict[str, Any] = {"as_of": self.today, "actor": ACTOR}
        give_credit(self.customer, description="Gift", is_confirmed=True, **money, **at)

    def item(self) -> None:
        add_one_off(
            self.customer,
            currency="EUR",
            amount_minor=self.random.choice([700, -900]),
            description="Item",
            as_of=self.random.choice([self.today, self.ahead()]),
            actor=ACTOR,
            subscription=self.random.choice([self.subscription, None]),
            buyer_reference=self.random.choice(["", "REF 7"]),
            waits=self.random.random() < 0.5,
            is_confirmed=True,
        )

    def pay(self) -> None:
        for invoice in Invoice.objects.open().filter(customer=self.customer):
            record_payment(invoice, as_of=self.today, actor=ACTOR)

    def change(self) -> None:
        plan = self.company.plans[self.random.choice(["p1", "p1", "p2", "p3"])]
        at: dict[str, Any] = {"as_of": self.today, "when": self.ahead(), "actor": ACTOR}
        subscriptions.change(self.subscription, plan=plan, **at)

    def end(self) -> None:
        returned: list[dict[str, Any]] = [{"is_credited": True}, {"is_refunded": True}, {}]
        at: dict[str, Any] = {"as_of": self.today, "when": self.ahead(), "actor": ACTOR}
        subscriptions.cancel(self.subscription, **at, **self.random.choice(returned))

    def rest(self) -> None:
        unused, until = self.random.choice(["credit", "keep", "shift"]), self.ahead()
        at: dict[str, Any] = {"as_of": self.today, "actor": ACTOR}
        pausing.pause(self.subscription, until=until, unused=unused, **at)


def told(bills: Sequence[SeenBill], own: int | None = None) -> list[Any]:
    """All that documents say, whatever their ids and that of their ``own`` subscription.

    A correction tells where what it corrects stands.
    """
    places = {line.pk: (at, line.position) for at, bill in enumerate(bills) for line in bill.lines}

    def values_of(row: Model, without: set[str]) -> dict[str, Any]:
        names = {field.attname for field in row._meta.concrete_fields}
        values = {name: getattr(row, name) for name in sorted(names - without)}
        is_own = own is not None and values.get("subscription_id") == own
        return values | ({"subscription_id": "own"} if is_own else {})

    return [
        (
            values_of(bill.document, LATER),
            [
                values_of(line, OF_LINES)
                | {"corrects": places.get(line.corrects_id or 0, line.corrects_id)}
                | {"price": line.price and line.price.pk}
                for line in bill.lines
            ],
            [values_of(group, OF_LINES) for group in bill.taxes],
        )
        for bill in bills
    ]


def really_billed(
    customer: Customer, subscription: Subscription | None, as_of: date
) -> Iterator[SeenBill]:
    """The documents that are issued on the days of billing to come, all as in the end they are."""
    on, next_on = as_of, None
    for _ in range(BILLING_DAYS_MAX):
        due = Subscription.objects.filter(customer=customer, parked_reason="")
        if subscription is not None:
            due = due.filter(pk=subscription.pk)
        days = due.exclude(next_bill_on=None).order_by("next_bill_on")
        last_on, next_on = next_on, days.values_list("next_bill_on", flat=True).first()
        if next_on is None or next_on > as_of + AHEAD_MAX or next_on == last_on:
            return
        on = max(next_on, on)
        known = set(Invoice.objects.values_list("pk", flat=True))
        if subscription is None:
            bill_due(customer.seller, on)
        else:
            with suppress(Refused):
                bill_customer(customer, as_of=on, actor=ACTOR, subscription=subscription)
        for document in Invoice.objects.exclude(pk__in=known).order_by("pk"):
            yield seen_bill(document)


def seen_bill(document: Invoice) -> SeenBill:
    """A document that was issued, as one that was foreseen."""
    lines = document.lines.select_related("price").order_by("position")
    return SeenBill(document, list(lines), list(document.taxes.order_by("id")))


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def check_bills_to_come(world: World, only: Subscription | None) -> None:
    customer = world.customer
    with taken_back():
        whose = (customer.seller_id, customer.pk, only.pk if only else None)
        foresight = Foresight(*whose, as_of=world.today)
        foreseen = told([*map(SeenBill.of, islice(foresight.bills(), 5))])
        balances = {whose: minor for whose, minor in foresight.money.balances.items() if minor}
    with taken_back():
        assert foreseen == told([*islice(really_billed(customer, only, world.today), 5)])
        assert balances == free_balances([customer.pk])


def check_preview(world: World) -> None:
    at: dict[str, Any] = {"as_of": world.today, "actor": ACTOR}
    plan = world.company.plans[world.random.choice(["p1", "p2", "p3"])]
    whose = world.subscription
    changes = (
        partial(subscriptions.change, whose, plan=plan, **at),
        partial(subscriptions.cancel, whose, when="now", is_credited=True, **at),
        partial(subscriptions.cancel, whose, when="now", is_refunded=True, **at),
        partial(subscriptions.cancel, whose, **at),
        partial(pausing.pause, whose, unused="credit", **at),
        partial(pausing.resume, whose, **at),
        partial(subscriptions.start, world.customer, plan, **at),
    )
    for change in world.random.sample(changes, 3):
        whose.refresh_from_db()
        with taken_back():
            check_change(world, change)


def check_change(world: World, change: Callable[[], Subscription]) -> None:
    at: dict[str, Any] = {"as_of": world.today, "actor": ACTOR}
    try:
        seen = preview(change, as_of=world.today, bills_ahead=3)
    except BillingError:
        return
    world.subscription.refresh_from_db()
    made = bill_after(change, **at)
    assert seen.paid_out_minor == made.paid_out_minor
    assert seen.subscription.status == made.subscription.status
    today = [seen_bill(document) for document in made.documents]
    follow = islice(really_billed(world.customer, made.subscription, world.today), 3)
    foreseen = told(seen.today + seen.upcoming, seen.subscription.pk)
    assert foreseen == told([*today, *follow], made.subscription.pk)


def check_notes_by_hand(world: World) -> None:
    """What can be credited of some invoices: the note, and where what it gives back goes."""
    invoices = list(Invoice.objects.filter(customer=world.customer, kind="invoice").order_by("pk"))
    for invoice in world.random.sample(invoices, min(2, len(invoices))):
        line = invoice.lines.filter(net_minor__gt=0).exclude(kind="credit").first()
        parts: list[dict[str, Any]] = [
            {},
            {"amount_minor": max(invoice.total_minor // 3, 1)},
            {"lines": [(line, max(line.net_minor // 2, 1))]} if line else {},
        ]
        part, to = world.random.choice(parts), world.random.choice(["balance", "refund"])
        with taken_back():
            check_note_by_hand(world, invoice, to=to, reason="Sorry", **part)


def check_note_by_hand(world: World, invoice: Invoice, **asked: Any) -> None:
    try:
        made, goes = foresee_note(draft_credit(invoice, **asked), world.today)
    except BillingError as error:
        with pytest.raises(BillingError) as refused, transaction.atomic():
            credit(invoice, as_of=world.today, actor=ACTOR, **asked)
        assert (refused.value.code, str(refused.value)) == (error.code, str(error))
        return
    known = set(Refund.objects.values_list("pk", flat=True))
    invoice.refresh_from_db()
    unpaid_minor = invoice.left_minor if invoice.may_be_paid else 0
    note = credit(invoice, as_of=world.today, actor=ACTOR, **asked)
    assert told([SeenBill.of(made)]) == told([seen_bill(note)])
    invoice.refresh_from_db()
    lowered_minor = unpaid_minor - (invoice.left_minor if invoice.may_be_paid else 0)
    brought = BalanceEntry.objects.filter(invoice=note).values_list("amount_minor", flat=True)
    back = Refund.objects.exclude(pk__in=known)
    assert goes.lowers_minor == lowered_minor
    assert goes.to_balance_minor == sum(brought)
    assert goes.paid_back_minor == sum(back.values_list("amount_minor", flat=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_foreseen_is_what_is_billed_on_its_day(seed: int) -> None:
    world = World(seed)
    check_bills_to_come(world, None)
    check_bills_to_come(world, world.subscription)
    check_preview(world)
    check_notes_by_hand(world)


@pytest.fixture
def subscription() -> Subscription:
    """310.00 a month, billed for March 2026, and plans of 155.00 and 620.00 to change to."""
    seller = SellerFactory(tax=VAT_25)
    make_accounts(seller)
    customer = CustomerFactory(seller=seller)
    for amount in ("155", "310", "620"):
        plan = PlanFactory(seller=seller, family="one", code=amount)
        PriceFactory(plan=plan, code="fee", amount=amount)
    plan = Plan.objects.get(seller=seller, code="310")
    start = partial(subscriptions.start, customer, plan, as_of=DAY, actor=ACTOR)
    return bill_after(start, as_of=DAY, actor=ACTOR).subscription


def planned(subscription: Subscription, amount: str, on: date) -> list[tuple[date, int, int]]:
    """The bills to come of a change to another plan on a day: day, sum and what is to pay of it."""
    plan = Plan.objects.get(seller=subscription.seller, code=amount)
    at: dict[str, Any] = {"as_of": DAY, "actor": ACTOR}
    change = partial(subscriptions.change, subscription, plan=plan, when=on, **at)
    seen = preview(change, as_of=DAY, bills_ahead=3)
    whole = told(seen.upcoming)
    bill_after(change, **at)
    follow = islice(really_billed(subscription.customer, subscription, DAY), 3)
    assert whole == told([*follow])
    return [(bill.on, bill.document.total_minor, bill.to_pay_minor) for bill in seen.upcoming]


def test_bills_to_come_know_of_a_change_that_is_planned(subscription: Subscription) -> None:
    # Half of April at 310.00 and half of it at 620.00, with 25 % on both.
    assert planned(subscription, "620", date(2026, 4, 16)) == [
        (date(2026, 4, 1), 19_375, 19_375),
        (date(2026, 4, 16), 38_750, 38_750),
        (date(2026, 5, 1), 77_500, 77_500),
    ]


def test_days_of_a_bill_to_come_are_given_back_with_its_tax(subscription: Subscription) -> None:
    whose = (subscription.seller_id, subscription.customer_id, subscription.pk)
    foresight = Foresight(*whose, as_of=DAY)
    bills = map(SeenBill.of, foresight.bills())
    april = next(bills)
    # Nothing that is known beforehand does this: whoever bills ahead leaves those days out.
    contract = foresight.standing.contracts[subscription.pk]
    contract.agreement.end = contract.next_bill_on = date(2026, 4, 16)
    contract.agreement.is_unused_credited_at_end = True
    note = next(bills)
    assert (note.on, note.to_pay_minor) == (date(2026, 4, 16), -19_375)
    assert [line.corrects_id for line in note.lines] == [april.lines[0].pk]
    assert [group.tax_minor for group in note.taxes] == [3_875]
    (row,) = foresight.standing.billed[subscription.pk][-1:]
    assert (row.days, row.credited_minor) == ([(date(2026, 4, 1), date(2026, 4, 16))], 15_500)


def test_what_a_credit_note_to_come_leaves_lowers_the_bill_after_it(
    subscription: Subscription,
) -> None:
    (invoice,) = Invoice.objects.all()
    record_payment(invoice, as_of=DAY, actor=ACTOR)
    # On 17 March 15 of 31 days: 187.50 come back and 93.75 are charged. The month after is paid of
    # what is left.
    assert planned(subscription, "155", date(2026, 3, 17)) == [
        (date(2026, 3, 17), 9_375, -9_375),
        (date(2026, 4, 1), 19_375, 10_000),
        (date(2026, 5, 1), 19_375, 19_375),
    ]


def test_what_a_credit_note_to_come_takes_off_an_unpaid_invoice_lowers_nothing_else(
    subscription: Subscription,
) -> None:
    assert planned(subscription, "155", date(2026, 3, 17)) == [
        (date(2026, 3, 17), 9_375, -9_375),
        (date(2026, 4, 1), 19_375, 19_375),
        (date(2026, 5, 1), 19_375, 19_375),
    ]
