"""One customer's trouble never stops the others, in any step of any job."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from billing.base.sealing import seal
from billing.checkout import expiry
from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.events import recorder
from billing.events.models import Delivery, Event, Trouble
from billing.events.recorder import record
from billing.events.troubles import Watch, wait_after
from billing.invoicing import batch, drafting, recognition
from billing.invoicing.models import Invoice
from billing.jobs.runs import job_run
from billing.ledger.models import Transfer
from billing.mail import notices, outbox
from billing.mail.models import Message
from billing.payments import collection, inbox
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import Payment
from billing.schedule import seller_day
from billing.schedule import tick as the_tick
from billing.tax import checks
from billing.webhooks import delivering
from billing.webhooks import fan_out as told
from billing.webhooks.actions import new_secret
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from billing.webhooks.sending import Answer
from customers.models import Customer, Seller
from dunning import cases
from dunning.models import DunningAction, DunningCase
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db
NOON = datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=12)


class Novel(Exception):
    """An error of a kind that nobody has seen."""


UNFORESEEN = [ValueError, TypeError, AssertionError, KeyError, RecursionError, Novel]


@dataclass
class World:
    """Three customers of a seller; ``bad`` is the one for whom the step is to fail."""

    seller: Seller
    customers: list[Customer]
    patch: pytest.MonkeyPatch
    error: type[Exception] = ValueError

    @property
    def bad(self) -> Customer:
        return self.customers[1]

    def fails(self, place: object, name: str, is_bad: Callable[..., bool]) -> None:
        """Have a function raise where it is called about the bad one, and do its work otherwise."""
        real = getattr(place, name)

        def failing(*args: Any, **named: Any) -> Any:
            if is_bad(*args, **named):
                raise self.error(f"nobody foresaw sk_test_{'a' * 20}")
            return real(*args, **named)

        self.patch.setattr(place, name, failing)

    def subscribe(self, **fields: Any) -> None:
        plan = PlanFactory(seller=self.seller)
        PriceFactory(plan=plan)
        for customer in self.customers:
            SubscriptionFactory(customer=customer, plan=plan, **fields)

    def bill(self) -> None:
        self.subscribe()
        batch.bill_due(self.seller, DAY)
        assert Invoice.objects.count() == 3


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    seller = SellerFactory(tax=[])
    make_accounts(seller)
    return World(seller, [CustomerFactory(seller=seller) for _ in range(3)], monkeypatch)


# How each step is brought to fail for one, and who was served; called twice, before and after.

type Served = Callable[[], int]


def bill(world: World) -> Served:
    world.subscribe()
    bad = world.bad.pk
    world.fails(drafting._Assembly, "_add_all", lambda _, buyer: buyer.id == bad)
    return Invoice.objects.count


def bill_read(world: World) -> Served:
    world.subscribe()
    bad = world.bad.pk
    world.fails(batch, "load_buyers", lambda ids: bad in ids)
    return Invoice.objects.count


def recognize(world: World) -> Served:
    earned = {("3041", currency): 100 for currency in ("EUR", "NOK", "SEK")}
    world.patch.setattr(recognition, "_earned", lambda *_: earned)
    world.patch.setattr(seller_day, "recognized_until", lambda _: DAY - timedelta(days=40))
    world.fails(recognition, "_posted", lambda _, __, currency: currency == "NOK")
    return Transfer.objects.filter(document="recognition").values("currency").distinct().count


def hooks(world: World) -> Served:
    for name in "abc":
        GatewayEvent.objects.create(
            gateway="sandbox",
            event_id=name,
            type="x",
            body="{}",
            received_at=NOON,
            next_attempt_at=NOON,
        )
    world.patch.setattr(inbox, "_take_up", lambda event: None)
    world.fails(inbox, "_take_up", lambda event: event.event_id == "b")
    return GatewayEvent.objects.filter(processed_at__isnull=False).count


def poll(world: World) -> Served:
    polled: set[str] = set()
    world.patch.setattr(
        inbox.registry, "accounts", lambda: [SimpleNamespace(name=name) for name in "abc"]
    )

    def polls(gateway: Any) -> int:
        polled.add(gateway.name)
        return 1

    world.patch.setattr(inbox, "_poll", polls)
    world.fails(inbox, "_poll", lambda gateway: gateway.name == "b")
    return lambda: len(polled)


def planned_payments(world: World) -> list[Payment]:
    Customer.objects.update(collection="automatic")
    world.bill()
    from billing.payments.planning import plan

    return [plan(invoice, DAY) for invoice in Invoice.objects.order_by("customer_id")]


def resolve(world: World) -> Served:
    payments = planned_payments(world)
    left = [payment.pk for payment in payments]
    done: set[int] = set()
    world.patch.setattr(collection, "claim_in_doubt", lambda *_: left.pop() if left else None)
    world.patch.setattr(collection, "resolve", lambda pk, actor: done.add(pk))
    world.fails(collection, "resolve", lambda pk, actor: pk == payments[1].pk)
    return lambda: len(done)


def collect(world: World) -> Served:
    payments = planned_payments(world)
    done: set[int] = set()

    def charges(pk: int, **_: Any) -> bool:
        done.add(pk)
        return True

    world.patch.setattr(collection, "_due", lambda *_: Payment.objects.exclude(pk__in=done))
    world.patch.setattr(collection, "charge", charges)
    world.fails(collection, "charge", lambda pk, **_: pk == payments[1].pk)
    return lambda: len(done)


def orders(world: World) -> Served:
    plan = PlanFactory(seller=world.seller)
    PriceFactory(plan=plan)
    made = [create_order(world.seller, plan, as_of=DAY, actor="x")[0] for _ in range(3)]
    Order.objects.update(expires_at=NOON)
    world.fails(expiry, "expire", lambda order, **_: order.pk == made[1].pk)
    return Order.objects.filter(status="expired").count


def dun_open(world: World) -> Served:
    world.bill()
    world.fails(cases, "_new_case", lambda invoice, *_: invoice.customer_id == world.bad.pk)
    return DunningCase.objects.count


def dun(world: World) -> Served:
    world.bill()
    with time_machine.travel(NOON + timedelta(days=15), tick=False):
        cases.open_cases(world.seller, DAY + timedelta(days=15), "x")
    bad = world.bad.pk
    world.fails(cases, "take_steps", lambda ready, _: any(one.customer_id == bad for one in ready))
    return DunningAction.objects.values("case").distinct().count


def events(world: World) -> list[Event]:
    return [
        record(
            "x.y",
            seller=world.seller.public_id,
            subject=one.public_id,
            occurred_on=DAY,
            actor="x",
        )
        for one in world.customers
    ]


def fan_out(world: World) -> Served:
    bad = events(world)[1].pk
    world.fails(told, "_webhook_deliveries", lambda all, _: any(e.pk == bad for e in all))
    return Event.objects.filter(is_fanned_out=True, type="x.y").count


def deliver(world: World) -> Served:
    events(world)
    recorder.fan_out()
    heard: set[str] = set()
    for event in Event.objects.filter(type="x.y"):
        Delivery.objects.create(event=event, subscriber="all", next_attempt_at=NOON)
    ear = SimpleNamespace(hear=lambda event: heard.add(event.subject))
    world.fails(ear, "hear", lambda event: event.subject == world.bad.public_id)
    handler = recorder.one_by_one(lambda event: ear.hear(event))
    world.patch.setitem(recorder._subscribers, "all", (frozenset(), handler))
    return lambda: len(heard)


def notify(world: World) -> Served:
    world.subscribe()
    from billing.subscriptions.models import Subscription

    Subscription.objects.update(
        status="trialing", starts_on=DAY - timedelta(days=10), paid_from=DAY + timedelta(days=2)
    )
    Subscription.objects.update(next_bill_on=DAY + timedelta(days=2))
    world.fails(notices, "post", lambda *_, customer, **__: customer.pk == world.bad.pk)
    return Message.objects.filter(kind="trial_ending").count


def mail(world: World) -> Served:
    for one in world.customers:
        Message.objects.create(
            kind="trial_ending",
            object=one.public_id,
            recipient=one.email,
            seller=world.seller,
            customer=one,
            language="en",
            facts={},
            state="waiting",
            next_attempt_at=NOON,
        )
    world.patch.setattr(outbox, "write", _unneeded)
    world.fails(outbox, "write", lambda occasion: occasion.message.customer_id == world.bad.pk)
    return Message.objects.exclude(state="waiting").count


def _unneeded(occasion: Any) -> None:
    raise outbox.Unneeded("for this test")


def send_webhooks(world: World) -> Served:
    endpoint = WebhookEndpoint.objects.create(
        seller=world.seller.public_id,
        is_live=False,
        url="https://example.com/",
        types=["*"],
        secret_sealed=seal(new_secret()),
    )
    for number, event in enumerate(events(world), start=1):
        WebhookDelivery.objects.create(
            event=event,
            endpoint=endpoint,
            subject=event.subject,
            sequence=number,
            next_attempt_at=NOON,
        )
    bad = world.bad.public_id
    world.patch.setattr(
        delivering, "bodies_of", lambda events, is_live: {event.pk: "{}" for event in events}
    )
    world.fails(delivering, "bodies_of", lambda all, **_: any(e.subject == bad for e in all))
    world.patch.setattr(delivering, "send", lambda *_: Answer(status=200))
    return WebhookDelivery.objects.filter(state="done").count


def numbers(world: World) -> Served:
    asked: set[str] = set()
    world.patch.setattr(checks.settings, "VIES_URL", "http://127.0.0.1:1")
    world.patch.setattr(checks, "registrations_of", lambda *_: SimpleNamespace(home=True))
    found = ["DE1", "DE2", "DE3"]
    world.patch.setattr(checks, "_due", lambda _, __, out: [n for n in found if n not in out])

    def ask(seller: Seller, number: str) -> SimpleNamespace:
        asked.add(number)
        found.remove(number)
        return SimpleNamespace(problem="")

    world.patch.setattr(checks, "ask", ask)
    world.fails(checks, "ask", lambda _, number: number == "DE2")
    return lambda: len(asked)


BROKEN: dict[str, tuple[Callable[[World], Served], ...]] = {
    "bill": (bill, bill_read),
    "recognize": (recognize,),
    "process hooks": (hooks,),
    "poll gateways": (poll,),
    "resolve payments": (resolve,),
    "expire orders": (orders,),
    "dun": (dun_open, dun),
    "collect": (collect,),
    "fan out events": (fan_out,),
    "deliver events": (deliver,),
    "notify": (notify,),
    "send mail": (mail,),
    "deliver webhooks": (send_webhooks,),
    "check VAT numbers": (numbers,),
}
# What deals with no customer by themselves: each invariant, and each table to be cleared, is
# asked in one statement, and the other jobs go on.
OF_NO_CUSTOMER = {"verify books", "forget old runs", "forget old troubles", "forget old webhooks"}
OF_NO_CUSTOMER |= {"forget old requests", "forget old links", "forget old sessions"}
OF_NO_CUSTOMER |= {"forget kept rows", "forget done forms", "seal books", "add up sums"}


def jobs_due(now: datetime) -> dict[str, Any]:
    """The jobs of a tick, by the first words of their names."""
    return {name.rpartition(" sel_")[0] or name: work for name, work in the_tick.due(now)}


def run(step: str, now: datetime) -> None:
    work = jobs_due(now)[step]
    with job_run(step) as in_hand:
        work(in_hand)


def test_every_job_of_the_tick_and_every_step_of_a_day_is_tried(world: World) -> None:
    steps = {each.name for each in vars(seller_day).values() if isinstance(each, seller_day.Step)}
    found = set(jobs_due(NOON)) | steps
    assert found - OF_NO_CUSTOMER == set(BROKEN)


@pytest.mark.parametrize(
    ("step", "broken"), [(step, each) for step, all in BROKEN.items() for each in all]
)
def test_two_of_three_are_served_and_the_third_is_kept_with_its_traceback(
    world: World, step: str, broken: Callable[[World], Served]
) -> None:
    world.error = UNFORESEEN[list(BROKEN).index(step) % len(UNFORESEEN)]
    served = broken(world)
    assert served() == 0
    now = NOON + timedelta(days=40 if step == "dun" else 0)
    with time_machine.travel(now, tick=False):
        run(step, now)
    assert served() == 2
    trouble = Trouble.objects.get()
    assert trouble.kind == world.error.__name__
    assert "in failing" in trouble.traceback
    assert "sk_test_aaaa" not in trouble.traceback + trouble.message


def test_who_could_not_be_billed_is_billed_when_nothing_is_wrong_any_more(world: World) -> None:
    served = bill(world)
    with time_machine.travel(NOON, tick=False):
        run("bill", NOON)
    parked = world.bad.subscriptions.get()
    assert parked.parked_reason.startswith("unforeseen: ValueError: nobody foresaw")
    with time_machine.travel(NOON + timedelta(seconds=50), tick=False):
        run("bill", NOON)
    assert Trouble.objects.get().times == 1
    with time_machine.travel(NOON + timedelta(minutes=2), tick=False):
        run("bill", NOON)
    assert Trouble.objects.get().times == 2
    assert Event.objects.filter(type="subscription.parked").count() == 1
    world.patch.undo()
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        run("bill", NOON)
    assert served() == 3
    assert not Trouble.objects.exists()
    assert world.bad.subscriptions.get().parked_reason == ""


def test_a_lost_connection_parks_nobody(world: World) -> None:
    world.error = OperationalError
    served = bill_read(world)
    with time_machine.travel(NOON, tick=False), pytest.raises(OperationalError):
        run("bill", NOON)
    assert served() == 0
    assert not Trouble.objects.exists()
    assert not world.bad.subscriptions.get().parked_reason


def test_what_fails_again_is_left_alone_for_longer_and_for_a_day_at_most() -> None:
    assert [wait_after(times).total_seconds() / 60 for times in (1, 2, 3, 40)] == [1, 2, 4, 1440]


def test_a_trouble_is_gone_once_it_goes_well() -> None:
    def fail() -> None:
        raise ValueError("\0")

    with Watch("a step").over("one"):
        fail()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        watch = Watch("a step")
        assert watch.due == ["one"]
        with watch.over("one"):
            pass
    assert not Trouble.objects.exists()
