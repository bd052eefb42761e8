"""Playing the story, a day at a time, on the actions that everybody else uses.

A day has a morning, in which people act and bank payments arrive, and then its bills and its
charges. The morning is one transaction with an event that claims the day, so that it happens once
whatever interrupts it; bills and charges know by themselves what is done. Playing again goes on
after the last day that was claimed.
"""

import logging
import zoneinfo
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol

from django.db import IntegrityError, transaction
from django.db.models import Max, Min

from billing.base import clock
from billing.demo.people import Person
from billing.demo.story import SEED, Step, Story, pays_after
from billing.engine.errors import BillingError
from billing.events.models import Event
from billing.events.recorder import fan_out, record, unheard
from billing.invoicing import actions as invoicing
from billing.invoicing import balances, corrections
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.invoicing.recognition import recognize
from billing.payments.booking import record_payment
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import pausing
from billing.subscriptions.models import Subscription
from billing.tax.checks import ask_due
from billing.usage.actions import record_usage
from billing.usage.models import Meter
from catalog.models import Coupon, Plan
from customers.models import Customer, Seller
from dunning.cases import close_where_settled, open_cases, step_due

ACTOR = "demo"
PLAYED = "demo.day_played"
GRINDER_VAT = [{"category": "S", "rate": "25", "inclusive": True}]
SATURDAY = 5
OPENS_AT, CLOSES_AT = time(8), time(18)
# So many days before today subscribers, such as mail, hear of.
DAYS_TOLD = 3
NEEDS_A_SUBSCRIPTION = frozenset({"change", "pause", "resume", "cancel", "regret", "use"})
logger = logging.getLogger(__name__)


class Till(Protocol):
    """Where cards are left and charged; talks to a gateway, so never in a transaction."""

    def leave_card(self, customer: Customer, number: str, on: date) -> None:
        """Make a card the customer's; the same one a second time changes nothing."""

    def charge(self, seller: Seller, on: date) -> None:
        """Charge what is due."""

    def close(self, seller: Seller, on: date) -> None:
        """Some hours later: those who were asked to confirm do so, and refunds are sent."""


class NoTill:
    """A shop that takes no cards."""

    def leave_card(self, customer: Customer, number: str, on: date) -> None:
        pass

    def charge(self, seller: Seller, on: date) -> None:
        pass

    def close(self, seller: Seller, on: date) -> None:
        pass


@dataclass(slots=True)
class Played:
    """What playing came to: the first day of the story, days played now, and steps refused."""

    first_day: date
    days: int = 0
    refused: list[str] = field(default_factory=list)


def first_day_of(seller: Seller) -> date | None:
    """The day on which the story began; nothing where it has not."""
    days: dict[str, date | None] = _claims(seller).aggregate(day=Min("occurred_on"))
    return days["day"]


def last_day_of(seller: Seller) -> date | None:
    """The last day that was played, perhaps not to its end."""
    days: dict[str, date | None] = _claims(seller).aggregate(day=Max("occurred_on"))
    return days["day"]


def _claims(seller: Seller) -> Any:
    return Event.objects.filter(type=PLAYED, seller=seller.public_id, subject=seller.public_id)


def days_to_play(seller: Seller, story: Story, today: date) -> int:
    """How many days :func:`play` will go through until today, the last played one once more."""
    day = last_day_of(seller)
    return (today - day).days + 1 if day else story.days


def play(
    seller: Seller,
    story: Story,
    today: date,
    till: Till | None = None,
    on_day: Callable[[date], None] | None = None,
) -> Played:
    """Play all days until today that have not been, so that the story's last one is today.

    A story that began earlier goes on where it was. ``on_day`` is told of each day that is over.
    """
    first_day = first_day_of(seller) or today - timedelta(days=story.days - 1)
    year = _Year(seller, story, till or NoTill(), Played(first_day))
    day = last_day_of(seller) or first_day
    while day <= today:
        year.play_day(day)
        # Customers are mailed of the last days: a year's mail would be ten thousand.
        if day < today - timedelta(days=DAYS_TOLD):
            _tell_nobody(seller)
        if on_day:
            on_day(day)
        day += timedelta(days=1)
    return year.played


def _tell_nobody(seller: Seller) -> None:
    with unheard(seller.public_id):
        while fan_out():
            pass


class _Year:
    """One playing of a story."""

    def __init__(self, seller: Seller, story: Story, till: Till, played: Played):
        self.seller, self.story, self.till, self.played = seller, story, till, played
        self.zone = zoneinfo.ZoneInfo(seller.time_zone)
        self.plans = {plan.code: plan for plan in Plan.objects.filter(seller=seller)}
        self.coupons = {coupon.code: coupon for coupon in Coupon.objects.filter(seller=seller)}
        self.meters = {meter.code: meter for meter in Meter.objects.filter(seller=seller)}

    def play_day(self, day: date) -> None:
        steps = self.story.steps.get((day - self.played.first_day).days, [])
        if self._morning(day, [step for step in steps if step.do != "card"]):
            self.played.days += 1
        with self._clock_at(day, OPENS_AT):
            for step in steps:
                if step.do == "card":
                    self.till.leave_card(self._customer(step.who), step.values["number"], day)
            # Whoever has joined this morning is billed today: with their number known or not.
            ask_due(self.seller)
            if day.day == 1:
                recognize(self.seller, as_of=day)
            bill_due(self.seller, day, actor=ACTOR)
            for work in (close_where_settled, open_cases, step_due):
                work(self.seller, day, ACTOR)
            self.till.charge(self.seller, day)
        with self._clock_at(day, CLOSES_AT):
            self.till.close(self.seller, day)

    def _clock_at(self, day: date, hour: time) -> AbstractContextManager[None]:
        """The clock at an hour of the day, which is never later than now."""
        instant = datetime.combine(day, hour, self.zone)
        return clock.standing_at(min(instant, clock.now()))

    @transaction.atomic
    def _morning(self, day: date, steps: list[Step]) -> bool:
        """Claim the day, and let happen what happens on it; False where it has been claimed."""
        # Two who play at once take turns, and the second finds the day taken.
        Seller.objects.select_for_update(no_key=True).get(pk=self.seller.pk)
        if _claims(self.seller).filter(occurred_on=day).exists():
            return False
        public_id = self.seller.public_id
        record(PLAYED, seller=public_id, subject=public_id, occurred_on=day, actor=ACTOR)
        self._receive_bank_payments(day)
        for step in steps:
            self._do(step, day)
        return True

    def _do(self, step: Step, day: date) -> None:
        """One step; what the state of things refuses does not happen, and is told of."""
        if step.do in NEEDS_A_SUBSCRIPTION and self._has_lost(step.who, day):
            return
        try:
            with transaction.atomic():
                getattr(self, f"_{step.do}")(step, day)
        except (BillingError, IntegrityError) as refused:
            self.played.refused.append(f"{day} {step.do} {step.who}: {refused}")
            logger.warning("demo=refused day=%s step=%s reason=%r", day, step.do, str(refused))

    # Who acts

    def _customer(self, key: str) -> Customer:
        return Customer.objects.select_related("seller").get(seller=self.seller, external_id=key)

    def _subscription(self, key: str) -> Subscription:
        return Subscription.objects.select_related("seller", "customer__seller").get(
            seller=self.seller, external_id=key
        )

    def _has_lost(self, key: str, day: date) -> bool:
        """Whether dunning has ended a subscription before its customer was done with it."""
        ended = Subscription.objects.filter(seller=self.seller, external_id=key, ends_on__lte=day)
        return ended.exists()

    # What they do

    def _join(self, step: Step, day: date) -> None:
        person = self.story.people[step.who]
        Customer.objects.create(seller=self.seller, external_id=person.key, **person.fields)

    def _start(self, step: Step, day: date) -> None:
        seats, coupon = step.values.get("seats"), step.values.get("coupon")
        subscriptions.start(
            self._customer(step.values["customer"]),
            self.plans[step.values["plan"]],
            as_of=day,
            actor=ACTOR,
            quantities={"seats": Decimal(seats)} if seats else None,
            coupons=[self.coupons[coupon]] if coupon else (),
            external_id=step.who,
        )

    def _change(self, step: Step, day: date) -> None:
        plan, seats = step.values.get("plan"), step.values.get("seats")
        subscriptions.change(
            self._subscription(step.who),
            as_of=day,
            actor=ACTOR,
            plan=self.plans[plan] if plan else None,
            quantities={"seats": Decimal(seats)} if seats else None,
            when=step.values["when"],
        )

    def _pause(self, step: Step, day: date) -> None:
        rests = step.values["rests"]
        pausing.pause(
            self._subscription(step.who),
            as_of=day,
            actor=ACTOR,
            until=day + timedelta(days=rests) if rests else None,
            unused=step.values["unused"],
        )

    def _resume(self, step: Step, day: date) -> None:
        pausing.resume(self._subscription(step.who), as_of=day, actor=ACTOR)

    def _cancel(self, step: Step, day: date) -> None:
        how = step.values["how"]
        subscription = subscriptions.cancel(
            self._subscription(step.who),
            as_of=day,
            actor=ACTOR,
            when="period_end" if how == "period_end" else "now",
            is_credited=how == "credit",
            is_refunded=how == "refund",
        )
        subscription.metadata["cancel_reason"] = step.values["reason"]
        subscription.save(update_fields=["metadata"])

    def _regret(self, step: Step, day: date) -> None:
        subscription = self._subscription(step.who)
        if subscription.ends_on is not None and subscription.ends_on > day:
            subscriptions.undo_cancel(subscription, as_of=day, actor=ACTOR)

    def _use(self, step: Step, day: date) -> None:
        record_usage(
            self._subscription(step.who),
            self.meters[step.values["meter"]],
            at=datetime.combine(day, time(8, 30), self.zone),
            as_of=day,
            quantity=Decimal(step.values["quantity"]),
            key=f"{step.who}/{day}",
        )

    def _buy(self, step: Step, day: date) -> None:
        customer = self._customer(step.who)
        is_swedish = customer.language == "sv"
        invoicing.add_one_off(
            customer,
            currency="SEK",
            amount_minor=step.values["amount_minor"],
            description="Kaffekvarn, tillbehör" if is_swedish else "Coffee grinder, accessories",
            as_of=day,
            actor=ACTOR,
            tax=GRINDER_VAT,
        )

    def _complain(self, step: Step, day: date) -> None:
        """Something was wrong with what was last billed: a part of it, or all, is credited."""
        invoice = self._last_invoice(step.who)
        if invoice is not None:
            amount_minor = invoice.total_minor * step.values["percent"] // 100
            corrections.credit(
                invoice, as_of=day, actor=ACTOR, amount_minor=amount_minor, to=step.values["to"]
            )

    def _last_invoice(self, key: str) -> Invoice | None:
        return (
            Invoice.objects.filter(
                seller=self.seller,
                customer__external_id=key,
                kind=Invoice.Kind.INVOICE,
                status__in=(Invoice.Status.OPEN, Invoice.Status.PAID),
                credited_minor=0,
                total_minor__gt=0,
            )
            .order_by("-sequence")
            .first()
        )

    def _thank(self, step: Step, day: date) -> None:
        person = self.story.people[step.who]
        is_swedish = person.fields["language"] == "sv"
        balances.give_credit(
            self._customer(step.who),
            currency=person.currency,
            amount_minor=5000 if person.currency == "SEK" else 500,
            description="Tack för tålamodet" if is_swedish else "Thank you for your patience",
            as_of=day,
            actor=ACTOR,
        )

    # Bank customers

    def _receive_bank_payments(self, day: date) -> None:
        """What arrives at the bank."""
        if day.weekday() >= SATURDAY:
            return
        by_bank = Invoice.objects.open().filter(
            seller=self.seller, customer__collection=Customer.Collection.INVOICE
        )
        for invoice in by_bank.select_related("customer").order_by("sequence"):
            person = self.story.people.get(invoice.customer.external_id or "")
            if person is not None:
                self._receive(invoice, person, day)

    def _receive(self, invoice: Invoice, person: Person, day: date) -> None:
        answer = pays_after(SEED, person, invoice.issued_on)
        if answer is None:
            return
        after, percent = answer
        pays_on = invoice.due_on + timedelta(days=after)
        if invoice.paid_minor:  # The other half, some weeks later.
            pays_on, percent = pays_on + timedelta(days=21), 100
        if pays_on <= day:
            amount_minor = -(-invoice.left_minor * percent // 100)
            reference = f"bg {day:%y%m%d} {invoice.reference}"
            record_payment(
                invoice, as_of=day, actor=ACTOR, amount_minor=amount_minor, reference=reference
            )
