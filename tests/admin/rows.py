"""One row of everything that the admin shows, hung on each other, as often as a test wants."""

from datetime import UTC, datetime, timedelta
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from billing.api.keys import make_key
from billing.checkout.models import Order
from billing.events.models import Delivery, Event, Trouble
from billing.invoicing.models import (
    BalanceEntry,
    CreditNote,
    CustomerBalance,
    OneOffItem,
)
from billing.jobs.models import Heartbeat, JobRun
from billing.ledger.models import Transfer
from billing.mail.models import Message
from billing.outbound.models import Hold, KillSwitch
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import Refund
from billing.subscriptions.models import CouponRedemption, Pause
from billing.tax.models import TaxRate, TaxRegistration, VatNumberCheck
from billing.usage.models import Meter, UsageRecord
from billing.webhooks.models import EventBody, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from dunning.models import DunningCase, DunningPolicy, DunningStep
from tests.factories import (
    DAY,
    CouponFactory,
    CustomerFactory,
    InvoiceFactory,
    NumberSeriesFactory,
    PaymentFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)


def fill(number: int, text: str = "Thing") -> dict[type[Model], Any]:
    """Make a row of every model, with ``text`` wherever people or shops can write."""
    name, day = f"{text} {number}", DAY + timedelta(days=number)
    seller = SellerFactory(name=name, legal_name=name, address_line1=name, seat=name)
    product = ProductFactory(seller=seller, name=name, description=name)
    plan = PlanFactory(seller=seller, product=product, name=name, family=name)
    price = PriceFactory(plan=plan, name=name)
    customer = CustomerFactory(
        seller=seller, name=name, external_id=name, city=name, metadata={"note": name}
    )
    subscription = SubscriptionFactory(
        customer=customer,
        plan=plan,
        external_id=name,
        parked_reason=f"No rate for {name}",
        metadata={"note": name},
    )
    Pause.objects.create(subscription=subscription, starts_on=day, ends_on=day + timedelta(days=1))
    coupon = CouponFactory(seller=seller, code=name, name=name)
    redemption = CouponRedemption.objects.create(
        coupon=coupon, customer=customer, subscription=subscription, starts_on=DAY
    )
    meter = Meter.objects.create(seller=seller, code=name, name=name)
    record = UsageRecord.objects.create(
        subscription=subscription,
        meter=meter,
        key=name,
        at="2026-03-02T12:00:00Z",
        on=day,
        quantity=1,
        value=1,
        properties={"note": name},
    )
    row = {"description": name, "subscription": subscription, "days": 14, "of_days": 28}
    invoice = InvoiceFactory(
        customer=customer, subscription=subscription, lines=[row], paid_minor=4000
    )
    note = InvoiceFactory(
        customer=customer,
        subscription=subscription,
        credit_note=True,
        lines=[{**row, "kind": "credit", "corrects": invoice.lines.get()}],
        reason=name,
    )
    waiting = OneOffItem.objects.create(
        seller=seller,
        customer=customer,
        currency="SEK",
        amount_minor=5000,
        description=name,
        due_on=DAY,
    )
    balance = CustomerBalance.objects.create(customer=customer, currency="SEK", balance_minor=2500)
    entry = BalanceEntry.objects.create(
        customer=customer,
        currency="SEK",
        amount_minor=2500,
        description=name,
        invoice=note,
        effective_on=day,
    )
    payment = PaymentFactory(customer=customer, invoice=invoice, amount_minor=4000, reference=name)
    refund = Refund.objects.create(
        payment=payment, invoice=invoice, amount_minor=1000, refunded_on=day, reason=name
    )
    policy = DunningPolicy.objects.create(seller=seller, code=name, name=name)
    step = DunningStep.objects.create(policy=policy, since="due", days=number + 1, kind="remind")
    case = DunningCase.objects.create(
        seller=seller,
        customer=customer,
        invoice=invoice,
        policy=policy,
        since="due",
        late_from=day,
        next_step=step,
        next_step_on=day,
        status="stopped",
        closed_on=day,
        reason=name,
    )
    accounts = make_accounts(seller)
    transfer = Transfer.objects.create(
        seller=seller,
        customer=customer,
        debit_account=accounts["receivable"],
        credit_account=accounts["revenue"],
        currency="SEK",
        amount_minor=10000,
        book_amount_minor=10000,
        book_rate=1,
        effective_on=day,
        document="invoice",
        document_id=invoice.pk,
    )
    event = Event.objects.create(
        type="invoice.finalized",
        seller=seller.public_id,
        subject=invoice.public_id,
        occurred_on=day,
        actor="user:anna",
        data={"note": name},
        is_fanned_out=True,
    )
    delivery = Delivery.objects.create(
        event=event, subscriber="mail", state="dead", last_error=name
    )
    endpoint = WebhookEndpoint.objects.create(
        seller=seller.public_id,
        is_live=False,
        url=f"https://shop.example/{number}",
        types=["*"],
        description=name,
        is_enabled=False,
        disabled_reason=name,
        secret_sealed="sealed",
    )
    sent = WebhookDelivery.objects.create(
        event=event,
        endpoint=endpoint,
        subject=event.subject,
        sequence=number,
        state="dead",
        next_attempt_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
        last_error=name,
    )
    WebhookAttempt.objects.create(
        delivery=sent, began_at=sent.next_attempt_at, status=500, answer=name, error=name
    )
    EventBody.objects.create(event=event, text=name)
    rate = TaxRate.objects.create(
        country="SE", category=f"category {number}", percent=25, source=name, note=name
    )
    registration = TaxRegistration.objects.create(
        seller=seller, country="SE", number=f"SE{number}", valid_from=DAY
    )
    checked = VatNumberCheck.objects.create(
        seller=seller,
        number=customer.vat_number or f"DE{number}",
        asked_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
        answer="valid",
        consultation_number=name[:40],
        name=name[:300],
        problem=name[:60],
    )
    user = User.objects.create_user(f"user-{number}", first_name=name[:150], is_staff=True)
    log = LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(customer),
        object_id=str(customer.pk),
        object_repr=name,
        action_flag=CHANGE,
        change_message=name,
    )
    at = datetime(2026, 3, 1, 11, tzinfo=UTC) - timedelta(minutes=number)
    run = JobRun.objects.create(
        name=name[:80], state="failed", started_at=at, beat_at=at, log=name, error=name
    )
    trouble = Trouble.objects.create(
        step=name[:80],
        subject=name[:120],
        kind="ValueError",
        message=name,
        traceback=name,
        first_seen_at=at,
        last_seen_at=at,
        next_attempt_at=at,
    )
    held = Hold.objects.create(
        code=f"code_{number}",
        reason=name,
        details={"note": name},
        held_at=at,
        released_at=at,
        released_by=name[:80],
    )
    switch = KillSwitch.objects.create(
        seller=seller.public_id,
        reason=name[:300],
        on_at=at,
        on_by=name[:80],
        off_at=at,
        off_by=name[:80],
    )
    beat = Heartbeat.objects.create(name=name[:80], beat_at=at)
    asked = {
        "username": name[:255],
        "ip_address": f"10.0.0.{number % 250}",
        "user_agent": name[:255],
    }
    attempt = AccessAttempt.objects.create(failures_since_start=5, **asked)
    entry_log = AccessLog.objects.create(**asked)
    heard = GatewayEvent.objects.create(
        gateway="sandbox",
        event_id=name[:80],
        type="charge.succeeded",
        body=name,
        received_at=at,
        next_attempt_at=at,
        parked_reason=name[:300],
    )
    order = Order.objects.create(
        seller=seller,
        plan=plan,
        currency="SEK",
        coupon=coupon,
        customer=customer,
        token_hash=f"hash-{number}",
        status="placed",
        subscription=subscription,
        invoice=invoice,
        details={"name": name},
        consent={"text": name},
        metadata={"note": name},
        placed_at=at,
        expires_at=at,
    )
    message = Message.objects.create(
        seller=seller,
        customer=customer,
        kind="invoice",
        object=invoice.public_id,
        recipient=customer.email,
        subject=name,
        text=name,
        html=f"<p>{name}</p>",
        state="failed",
        last_error=name,
    )
    made: tuple[Any, ...] = (
        *(seller, product, plan, price, customer, subscription, coupon, redemption, meter, record),
        *(invoice, invoice.lines.get(), waiting, balance, entry, payment, refund),
        *(accounts["receivable"], transfer, event, delivery, rate, user, log, run, beat, trouble),
        *(attempt, entry_log, heard, policy, case, order, endpoint, sent, message),
        *(registration, checked, held, switch),
        NumberSeriesFactory(seller=seller, prefix=name[:20]),
        Group.objects.create(name=name[:150]),
        make_key(seller, name=name[:100], actor=f"user:{name}")[0],
    )
    found: dict[type[Model], Any] = {type(row): row for row in made}
    return found | {CreditNote: CreditNote.objects.get(pk=note.pk)}
