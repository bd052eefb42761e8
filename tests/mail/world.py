"""What each kind of mail is of, brought about by the actions that everybody uses."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import time_machine
from django.core.files.base import ContentFile

from billing.base import clock
from billing.base.public_ids import new_public_id
from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.checkout.placing import Choice, Consent, Details
from billing.checkout.placing import place as place_order
from billing.events.models import Delivery
from billing.events.recorder import deliver_due, fan_out
from billing.invoicing.actions import bill_customer
from billing.invoicing.changes import bill_after
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.mail.actions import post
from billing.mail.models import Message
from billing.mail.notices import post_notices
from billing.mail.words import KINDS
from billing.mail.words.visits import SIGN_IN
from billing.payments import charging, planning
from billing.payments.booking import record_payment
from billing.payments.gateways.base import Charge
from billing.payments.giving_back import give_back, mark_paid_back
from billing.payments.models import Payment, PaymentAllocation, PaymentMethod, Refund
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import pausing
from billing.subscriptions.models import Subscription
from catalog.models import IntervalUnit, Plan
from customers.actions import change_details
from customers.models import Customer, Seller
from tests.dunning.conftest import live_through
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)

LOGO = Path(__file__).resolve().parents[2] / "billing/demo/logo.png"
DUE = DAY + timedelta(days=14)
ACTION_URL = "https://bank.example/confirm?charge=ch_1&secret=s3cr3t"
TERMS = """Today: SEK 1,234.50 1 March 2026
Månadskaffe renews automatically every month.

Cancel whenever you like.
[Order with obligation to pay]"""
# The name of each kind by its constant: Kind.SIGN_IN is "sign_in".
Kind: Any = SimpleNamespace(**{name.upper(): name for name in KINDS})


def at(day: date, hour: int = 12) -> AbstractContextManager[Any]:
    """The clock at an hour of a day, in UTC."""
    instant = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)
    return time_machine.travel(instant, tick=False)


def tell() -> None:
    """What the tick does with events."""
    while fan_out():
        pass
    while deliver_due():
        pass
    failed = Delivery.objects.exclude(state=Delivery.State.DONE)
    assert list(failed.values_list("event__type", "last_error")) == []


@dataclass
class World:
    """A seller with a customer; the customer's subscription begins on :data:`DAY`."""

    language: str = "en"
    is_charged: bool = False
    name: str = "Åsa Öberg"
    seller_name: str = "Rosteriet"
    has_logo: bool = False

    def __post_init__(self) -> None:
        self.seller: Seller = SellerFactory(
            name=self.seller_name,
            legal_name=f"{self.seller_name} AB",
            language=self.language,
            tax=[{"category": "S", "rate": "25", "inclusive": True}],
            accent_color="#b4532a",
        )
        if self.has_logo:
            self.seller.logo.save("logo.png", ContentFile(LOGO.read_bytes()))
        make_accounts(self.seller)
        self.customer: Customer = CustomerFactory(
            seller=self.seller,
            name=self.name,
            email="asa@example.com",
            language=self.language,
            collection="automatic" if self.is_charged else "invoice",
        )
        if self.is_charged:
            self.card = PaymentMethod.objects.create(
                customer=self.customer,
                gateway="sandbox",
                gateway_id=f"pm_{self.customer.pk}",
                gateway_customer="cus_1",
                brand="visa",
                last4="4242",
                is_default=True,
            )

    def plan(self, name: str = "Månadskaffe", amount: str = "1234.50", **fields: Any) -> Plan:
        plan = PlanFactory(seller=self.seller, name=name, family="coffee", **fields)
        PriceFactory(plan=plan, amount=Decimal(amount))
        return plan

    def start(self, plan: Plan | None = None, **options: Any) -> Subscription:
        plan = plan or self.plan()
        return subscriptions.start(self.customer, plan, as_of=DAY, actor="test", **options)

    def invoice(self) -> Invoice:
        """An open invoice of 1,234.50, issued on :data:`DAY`."""
        return self.invoice_of("1234.50")

    def invoice_of(self, amount: str) -> Invoice:
        """An open invoice of so much, issued on :data:`DAY`."""
        subscription = self.start(self.plan(amount=amount))
        (document,) = bill_customer(
            self.customer, as_of=DAY, actor="test", subscription=subscription
        )
        return document

    def in_flight(self, document: Invoice) -> Payment:
        """A payment of an invoice that the gateway has been asked for."""
        payment = Payment.objects.filter(allocations__invoice=document, state="planned").first()
        payment = payment or planning.plan(document, DAY)
        payment.move(
            "created", gateway="sandbox", payment_method=self.card, submitted_at=clock.now()
        )
        PaymentAllocation.objects.filter(payment=payment).update(state="in_flight")
        return payment

    def message(self, kind: str) -> Message:
        """The message of a kind, once all events are told."""
        tell()
        return Message.objects.select_related("seller", "customer").get(
            customer=self.customer, kind=kind
        )


def ask_to_sign_in(customer: Customer) -> Message:
    """The mail with a link that signs in, as the portal posts it."""
    facts = {"return_url": ""}
    return post(SIGN_IN, object=new_public_id("evt"), customer=customer, facts=facts)


def _order(world: World) -> Order:
    """An order at the checkout, paid there."""
    order = place(world)
    assert order.invoice is not None
    record_payment(order.invoice, as_of=DAY, actor="test")
    return order


def place(world: World, plan: Plan | None = None, **choice: Any) -> Order:
    """An order that is placed at the checkout, by the world's customer."""
    plan = plan or world.plan()
    order, _ = create_order(world.seller, plan, customer=world.customer, as_of=DAY, actor="test")
    details = Details(
        name=world.customer.name,
        email=world.customer.email,
        address_line1="Kungsportsavenyen 10",
        postal_code="411 36",
        city="Göteborg",
        language=world.language,
    )
    consent = Consent(text=TERMS, language=world.language, version="2026-11")
    return place_order(order, details, Choice(**choice), consent, as_of=DAY, actor="test")


def _pay_back(world: World) -> None:
    """Money that came by bank is given back, and somebody says that they have paid it."""
    document = world.invoice()
    record_payment(document, as_of=DAY, actor="test")
    give_back(document, as_of=DAY, actor="test", amount_minor=12345)
    owed = Refund.objects.get(invoice=document)
    mark_paid_back(owed, paid_on=DAY, as_of=DAY, actor="test", reference="BG 9")


def _fail(world: World, code: str = "insufficient_funds") -> None:
    document = world.invoice()
    charging.fail(world.in_flight(document).pk, code, as_of=DAY, actor="test")


def _ask(world: World) -> None:
    payment = world.in_flight(world.invoice())
    asked = Charge(
        "ch_1",
        "requires_action",
        payment.amount_minor,
        "SEK",
        payment.public_id,
        action_url=ACTION_URL,
    )
    charging.settle(payment.pk, asked, as_of=DAY, actor="test")


def _late(world: World, days: int) -> Invoice:
    """Live until so many days after the due date, by the Swedish policy."""
    document = world.invoice()
    live_through(world.seller, DUE, DUE + timedelta(days=days))
    return document


def _restore(world: World) -> None:
    document = _late(world, 31)
    record_payment(document, as_of=DUE + timedelta(days=31), actor="test")


def _yearly(world: World) -> None:
    plan = world.plan("Årskaffe", "1990", interval_unit=IntervalUnit.YEAR)
    world.start(plan)
    bill_customer(world.customer, as_of=DAY, actor="test")
    post_notices(world.seller, date(2027, 1, 25))


def _trial(world: World) -> None:
    world.start(trial_days=14)
    bill_customer(world.customer, as_of=DAY, actor="test")
    post_notices(world.seller, DAY + timedelta(days=11))


def _change(world: World) -> None:
    bigger = world.plan("Storkaffe", "1999")
    subscription = world.start()
    bill_customer(world.customer, as_of=DAY, actor="test")
    change = partial(
        subscriptions.change, subscription, plan=bigger, as_of=DAY + timedelta(9), actor="test"
    )
    bill_after(change, as_of=DAY + timedelta(9), actor="test")


def _pause(world: World, until: date | None = date(2026, 4, 20)) -> Subscription:
    subscription = world.start()
    bill_customer(world.customer, as_of=DAY, actor="test")
    return pausing.pause(
        subscription, as_of=DAY + timedelta(9), actor="test", until=until, unused="credit"
    )


def _resume(world: World) -> None:
    pausing.resume(_pause(world), as_of=DAY + timedelta(19), actor="test")


def _cancel(world: World, **how: Any) -> Subscription:
    subscription = world.start()
    bill_customer(world.customer, as_of=DAY, actor="test")
    return subscriptions.cancel(subscription, as_of=DAY + timedelta(9), actor="test", **how)


def _undo(world: World) -> None:
    subscriptions.undo_cancel(_cancel(world), as_of=DAY + timedelta(9), actor="test")


# Kind: whether the customer is charged, what happens, and the day on which it is written.
STORIES: dict[str, tuple[bool, Callable[[World], object], date]] = {
    Kind.ORDER: (True, _order, DAY),
    Kind.INVOICE: (False, World.invoice, DAY),
    Kind.CREDIT_NOTE: (
        False,
        lambda world: credit(world.invoice(), as_of=DAY, actor="test", amount_minor=12345),
        DAY,
    ),
    Kind.RECEIPT: (
        False,
        lambda world: record_payment(world.invoice(), as_of=DAY, actor="test"),
        DAY,
    ),
    Kind.REFUND: (False, _pay_back, DAY),
    Kind.PAYMENT_FAILED: (True, _fail, DAY),
    Kind.ACTION_NEEDED: (True, _ask, DAY),
    Kind.REMINDER: (False, lambda world: _late(world, 6), DUE + timedelta(days=6)),
    Kind.RESTRICTED: (False, lambda world: _late(world, 21), DUE + timedelta(days=21)),
    Kind.SUSPENDED: (False, lambda world: _late(world, 31), DUE + timedelta(days=31)),
    Kind.RESTORED: (False, _restore, DUE + timedelta(days=31)),
    Kind.RENEWAL: (False, _yearly, date(2027, 1, 25)),
    Kind.TRIAL_ENDING: (True, _trial, DAY + timedelta(days=11)),
    Kind.PLAN_CHANGED: (False, _change, DAY + timedelta(days=9)),
    Kind.PAUSED: (False, _pause, DAY + timedelta(days=9)),
    Kind.RESUMED: (False, _resume, DAY + timedelta(days=19)),
    Kind.CANCELED: (False, _cancel, DAY + timedelta(days=9)),
    Kind.CANCEL_UNDONE: (False, _undo, DAY + timedelta(days=9)),
    Kind.SIGN_IN: (False, lambda world: ask_to_sign_in(world.customer), DAY),
    Kind.ADDRESS_CHANGED: (
        False,
        lambda world: change_details(
            world.customer, as_of=DAY, actor="test", email="asa.ny@example.com"
        ),
        DAY,
    ),
}


def happen(kind: str, language: str = "en", **world: Any) -> Message:
    """Let happen what a kind tells of; its message, which waits."""
    is_charged, story, _ = STORIES[kind]
    made = World(language=language, **{"is_charged": is_charged, **world})
    story(made)
    messages = Message.objects.select_related("seller", "customer")
    tell()
    found: Message = messages.filter(customer=made.customer, kind=kind).latest("pk")
    return found


def day_of(kind: str) -> date:
    """The day on which a kind's mail is written in its story."""
    return STORIES[kind][2]
