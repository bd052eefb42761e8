"""Playing one scenario on the real actions, in a transaction that the caller rolls back."""

import zoneinfo
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Min

from billing.engine.errors import BillingError, Refused
from billing.engine.money import exact_minor
from billing.invoicing import actions as invoicing
from billing.invoicing import balances, corrections, voiding
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice, OneOffItem
from billing.invoicing.recognition import recognize
from billing.payments import booking as payments
from billing.payments.giving_back import reopen
from billing.simulation.company import ACTOR, found, open_company
from billing.simulation.reading import (
    Node,
    Scenario,
    ScenarioError,
    as_date,
    as_decimal,
    as_money,
    as_tax,
    mapping,
    plain,
)
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import cycles, pausing
from billing.subscriptions.coupons import redeem_coupon, remove_coupon
from billing.subscriptions.models import Subscription
from billing.usage.actions import record_usage
from customers.models import Customer


class Player:
    """Plays the steps in order, remembering which step made which rows.

    ``marks`` are (step, day, highest ids before it); the report looks up where a row belongs.
    """

    def __init__(self, scenario: Scenario):
        self.story = scenario.content
        self.company = open_company(self.story)
        self.marks: list[tuple[int | None, date, dict[str, int]]] = []
        self.previews: list[dict[str, Any]] = []
        self.today = date.min
        self.on_preview: Callable[[Player, int], dict[str, Any]] | None = None

    def play(self) -> None:
        """Play all steps. Raises :class:`StepFailed` at the first that cannot be."""
        is_daily = self.story.get("run") == "daily"
        for number, step in enumerate(self.story.get("timeline") or [], 1):
            on = as_date(step, "on")
            if is_daily:
                self._bill_daily(on)
            self.today = on
            self._mark(number, on)
            self._play_step(number, step, on)
        if "until" in self.story:
            until = as_date(self.story, "until")
            if is_daily:
                self._bill_daily(until)
            self.today = max(self.today, until)
        if self.today > date.min:
            recognize(self.company.seller, as_of=self.today)

    def _mark(self, number: int | None, on: date) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT max(id) FROM invoicing_invoice),"
                " (SELECT max(id) FROM payments_payment), (SELECT max(id) FROM events_event)"
            )
            highest = [value or 0 for value in cursor.fetchone()]
        ids = dict(zip(("invoice", "payment", "event"), highest, strict=True))
        self.marks.append((number, on, ids))

    def step_of(self, table: str, pk: int) -> tuple[int | None, date | None]:
        """The step, and its day, in which a row was made."""
        made: tuple[int | None, date | None] = (None, None)
        for number, on, ids in self.marks:
            if pk <= ids[table]:
                break
            made = (number, on)
        return made

    def _bill_daily(self, until: date) -> None:
        """Run the biller at the start of every day on which something is due."""
        seller = self.company.seller
        while True:
            due = [
                Subscription.objects.filter(seller=seller, parked_reason="").aggregate(
                    on=Min("next_bill_on")
                )["on"],
                OneOffItem.objects.filter(seller=seller, line=None).aggregate(on=Min("due_on"))[
                    "on"
                ],
            ]
            next_on = min((on for on in due if on is not None), default=None)
            if next_on is None or max(next_on, self.today + timedelta(days=1)) > until:
                return
            if self.today == date.min:
                return
            self.today = max(next_on, self.today + timedelta(days=1))
            self._mark(None, self.today)
            bill_due(seller, self.today, actor=ACTOR)
            check_constraints()

    def _play_step(self, number: int, step: Node, on: date) -> None:
        refused = step.get("refused")
        try:
            with transaction.atomic():
                self.do(number, step, on)
                check_constraints()
        except ScenarioError as error:
            raise StepFailed(number, step.line, error.code, error.message) from error
        except BillingError as error:
            if error.code != refused:
                raise StepFailed(number, step.line, error.code, error.message) from error
        except IntegrityError as error:
            message = str(error).splitlines()[0]
            raise StepFailed(number, step.line, "constraint", message) from error
        else:
            if refused:
                message = f"The step should have been refused ({refused}) and was not."
                raise StepFailed(number, step.line, "not_refused", message)

    def do(self, number: int, step: Node, on: date) -> None:
        getattr(self, f"_{step['do']}")(step, on) if step["do"] != "preview" else self._preview(
            number, step, on
        )

    # Names

    def _subscription_of(self, step: Node) -> Subscription:
        return found(self.company.subscriptions, step, "subscription")

    def _owner(self, step: Node) -> tuple[Customer, Subscription | None]:
        if step.get("subscription") is not None:
            subscription = self._subscription_of(step)
            return subscription.customer, subscription
        return found(self.company.customers, step, "customer"), None

    def _invoice_of(self, step: Node) -> Invoice:
        invoices = list(
            Invoice.objects.filter(seller=self.company.seller, kind="invoice").order_by("id")
        )
        index = step.get("invoice")
        if not isinstance(index, int) or index == 0 or abs(index) > len(invoices):
            raise ScenarioError(
                f"There is no invoice {index}: {len(invoices)} were made.",
                step.line,
                "unknown_name",
            )
        return invoices[index - 1 if index > 0 else index]

    def _minor(self, step: Node, key: str = "amount", currency: str | None = None) -> int:
        return exact_minor(as_money(step, key), currency or self.company.currency)

    def _bill_at_once(self, step: Node, subscription: Subscription, on: date) -> None:
        if step.get("invoice", True):
            invoicing.bill_customer(
                subscription.customer, as_of=on, actor=ACTOR, subscription=subscription
            )

    # Subscriptions

    def _subscribe(self, step: Node, on: date) -> None:
        name = step.get("subscription")
        if name in self.company.subscriptions:
            raise ScenarioError(f"The subscription “{name}” is already there.", step.line)
        customer = found(self.company.customers, step, "customer")
        coupons = step.get("coupon") or []
        coupons = coupons if isinstance(coupons, list) else [coupons]
        plan = found(self.company.plans, step, "plan")
        subscription = subscriptions.start(
            customer,
            plan,
            as_of=on,
            actor=ACTOR,
            currency=None,
            quantities=_quantities(step),
            trial_days=step.get("trial_days"),
            anchor_day=step.get("anchor_day"),
            anchor_on=_date_or_none(step, "anchor_on"),
            align=step.get("align", "anniversary"),
            coupons=[found(self.company.coupons, Node(coupon=code), "coupon") for code in coupons],
            ends_on=_date_or_none(step, "ends_on"),
            cycles=step.get("cycles"),
            external_id=str(name),
        )
        self._bill_at_once(step, subscription, on)
        self.company.subscriptions[str(name)] = subscription

    def _change(self, step: Node, on: date) -> None:
        subscription = self._subscription_of(step)
        plan = step.get("plan")
        when = _when(step, "now")
        subscriptions.change(
            subscription,
            as_of=on,
            actor=ACTOR,
            plan=None if plan is None else found(self.company.plans, step, "plan"),
            quantities=_quantities(step),
            when=when,
            is_credited=bool(step.get("credit", True)),
            is_prorated=bool(step.get("prorate", True)),
            anchor=step.get("anchor"),
            anchor_day=step.get("anchor_day"),
            anchor_on=_date_or_none(step, "anchor_on"),
        )
        if when == "now" or when == on:
            self._bill_at_once(step, subscription, on)

    def _change_anchor(self, step: Node, on: date) -> None:
        subscription = self._subscription_of(step)
        cycles.change_anchor(
            subscription,
            as_of=on,
            actor=ACTOR,
            anchor_day=step.get("anchor_day"),
            anchor_on=_date_or_none(step, "anchor_on"),
        )
        self._bill_at_once(step, subscription, on)

    def _cancel(self, step: Node, on: date) -> None:
        if step.get("end_of_day"):
            on += timedelta(days=1)
        subscription = self._subscription_of(step)
        when = _when(step, "period_end")
        subscriptions.cancel(
            subscription,
            as_of=on,
            actor=ACTOR,
            when=when,
            is_credited=bool(step.get("credit", False)),
            is_refunded=bool(step.get("refund", False)),
            is_usage_billed=bool(step.get("bill_usage", True)),
        )
        if when == "now" or when == on:
            self._bill_at_once(step, subscription, on)

    def _undo_cancel(self, step: Node, on: date) -> None:
        subscriptions.undo_cancel(self._subscription_of(step), as_of=on, actor=ACTOR)

    def _pause(self, step: Node, on: date) -> None:
        if step.get("end_of_day"):
            on += timedelta(days=1)
        subscription = self._subscription_of(step)
        pausing.pause(
            subscription,
            as_of=on,
            actor=ACTOR,
            until=_date_or_none(step, "until"),
            unused=step.get("unused", "credit"),
        )
        self._bill_at_once(step, subscription, on)

    def _resume(self, step: Node, on: date) -> None:
        subscription = self._subscription_of(step)
        pausing.resume(subscription, as_of=on, actor=ACTOR)
        self._bill_at_once(step, subscription, on)

    def _usage(self, step: Node, on: date) -> None:
        subscription = self._subscription_of(step)
        record_usage(
            subscription,
            found(self.company.meters, step, "meter"),
            at=_instant(step, on, subscription.time_zone),
            as_of=on,
            quantity=as_decimal(step, "quantity", 1),
            key=None if step.get("key") is None else str(step["key"]),
            properties=plain(step.get("properties") or {}),
        )

    # Bills

    def _one_off(self, step: Node, on: date) -> None:
        customer, subscription = self._owner(step)
        currency = subscription.currency if subscription else self.company.currency
        items = [
            invoicing.add_one_off(
                customer,
                currency=currency,
                amount_minor=self._minor(line, currency=currency),
                description=str(line.get("description", step.get("description", "One-off item"))),
                as_of=on,
                actor=ACTOR,
                is_confirmed=True,
                subscription=subscription,
                tax=as_tax(line) if line.get("tax") is not None else as_tax(step),
            )
            for line in (step.get("lines") or [step])
        ]
        if step.get("invoice") == "now":
            invoicing.bill_customer(customer, as_of=on, actor=ACTOR, one_offs=items)

    def _coupon(self, step: Node, on: date) -> None:
        customer, subscription = self._owner(step)
        coupon = found(self.company.coupons, step, "coupon")
        redeem_coupon(customer, coupon, as_of=on, actor=ACTOR, subscription=subscription)

    def _remove_coupon(self, step: Node, on: date) -> None:
        customer, subscription = self._owner(step)
        coupon = found(self.company.coupons, step, "coupon")
        remove_coupon(customer, coupon, as_of=on, actor=ACTOR, subscription=subscription)

    def _credit(self, step: Node, on: date) -> None:
        balances.give_credit(
            found(self.company.customers, step, "customer"),
            currency=self.company.currency,
            amount_minor=self._minor(step),
            description=str(step.get("description", "")),
            as_of=on,
            actor=ACTOR,
            is_confirmed=True,
        )

    def _bill(self, step: Node, on: date) -> None:
        if step.get("customer") is None and step.get("subscription") is None:
            bill_due(self.company.seller, on, actor=ACTOR)
            return
        customer, subscription = self._owner(step)
        invoicing.bill_customer(customer, as_of=on, actor=ACTOR, subscription=subscription)

    def _finalize(self, step: Node, on: date) -> None:
        invoice = self._invoice_of(step)
        raise Refused(f"{invoice} is not a draft.", code="not_a_draft")

    def _credit_note(self, step: Node, on: date) -> None:
        invoice = self._invoice_of(step)
        billed = list(invoice.lines.order_by("position"))
        lines = None
        if step.get("lines") is not None:
            lines = []
            for line in step["lines"]:
                index = line.get("line")
                if not isinstance(index, int) or not 1 <= index <= len(billed):
                    raise ScenarioError(f"The invoice has no line {index}.", step.line)
                lines.append((billed[index - 1], self._minor(line, currency=invoice.currency)))
        corrections.credit(
            invoice,
            as_of=on,
            actor=ACTOR,
            amount_minor=self._amount_or_none(step, invoice),
            lines=lines,
            to=step.get("to", "balance"),
        )

    def _void(self, step: Node, on: date) -> None:
        voiding.void(self._invoice_of(step), as_of=on, actor=ACTOR)

    def _write_off(self, step: Node, on: date) -> None:
        invoicing.write_off(self._invoice_of(step), as_of=on, actor=ACTOR)

    # Money

    def _amount_or_none(self, step: Node, invoice: Invoice) -> int | None:
        if step.get("amount") is None:
            return None
        return self._minor(step, currency=invoice.currency)

    def _pay(self, step: Node, on: date) -> None:
        invoice = self._invoice_of(step)
        amount_minor = self._amount_or_none(step, invoice)
        payments.record_payment(invoice, as_of=on, actor=ACTOR, amount_minor=amount_minor)

    def _fail_payment(self, step: Node, on: date) -> None:
        invoice = self._invoice_of(step)
        amount_minor = self._amount_or_none(step, invoice)
        payments.record_failure(invoice, as_of=on, actor=ACTOR, amount_minor=amount_minor)

    def _refund(self, step: Node, on: date) -> None:
        invoice = self._invoice_of(step)
        amount_minor = self._amount_or_none(step, invoice)
        reopen(invoice, as_of=on, actor=ACTOR, amount_minor=amount_minor)

    def _preview(self, number: int, step: Node, on: date) -> None:
        """Play another step, keep what it made for the report, and take it all back."""
        what = step.get("what")
        if not isinstance(what, Node):
            raise ScenarioError("preview needs what: a step.", step.line)
        known_subscriptions = dict(self.company.subscriptions)
        with suppress(_TakeBack), transaction.atomic():
            self.do(number, what, as_date(what, "on", on))
            check_constraints()
            if self.on_preview:
                self.previews.append(self.on_preview(self, number))
            raise _TakeBack
        self.company.subscriptions = known_subscriptions


class _TakeBack(Exception):
    """Raised to roll a preview back."""


class StepFailed(Exception):
    """Raised when a step could not be played; says which and why."""

    def __init__(self, step: int, line: int, code: str, message: str):
        super().__init__(message)
        self.step, self.line, self.code, self.message = step, line, code, message


def check_constraints() -> None:
    """Have the deferred constraints checked now, as a commit would."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def _quantities(step: Node) -> dict[str, Decimal]:
    given = mapping(step, "quantities")
    return {code: as_decimal(given, code) for code in given}


def _date_or_none(step: Node, key: str) -> date | None:
    return None if step.get(key) is None else as_date(step, key)


def _when(step: Node, default: str) -> Any:
    when = step.get("when", default)
    return when if when in ("now", "period_end") else as_date(step, "when")


def _instant(step: Node, on: date, time_zone: str) -> datetime:
    """When usage happened: ``at``, in the subscription's zone unless it names one."""
    value = step.get("at")
    zone = zoneinfo.ZoneInfo(time_zone)
    if value is None:
        return datetime.combine(on, time.min, zone)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ScenarioError(f"at: “{value}” is not a date or time.", step.line) from error
    if not isinstance(value, datetime):
        return datetime.combine(value, time.min, zone)
    return value if value.tzinfo else value.replace(tzinfo=zone)
