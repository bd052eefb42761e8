"""One of everything that the API shows, and a good request for every operation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from billing.api.reading import instant
from billing.checkout.offers import create_order
from billing.events.models import Event
from billing.events.recorder import fan_out
from billing.invoicing.actions import add_one_off
from billing.invoicing.changes import bill_after
from billing.invoicing.corrections import credit
from billing.payments.booking import record_payment
from billing.subscriptions.actions import cancel, change, start
from billing.subscriptions.models import Subscription
from billing.subscriptions.pausing import pause
from billing.usage.models import Meter, UsageRecord
from billing.webhooks import actions as endpoints
from catalog.models import Coupon, Plan, Price
from customers.calendar import now_of, today_of
from customers.models import Customer, Seller, TestClock
from tests.factories import (
    CouponFactory,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
)

ACTOR = "user:anna"
HOOKS = "https://hooks.rosteriet.example/kvitt"


@dataclass
class World:
    """A seller with plans and customers in each state that a request needs."""

    seller: Seller
    plan: Plan = field(init=False)
    bigger: Plan = field(init=False)
    price: Price = field(init=False)
    coupon: Coupon = field(init=False)
    customer: Customer = field(init=False)
    named: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        seller = self.seller
        self.today = today_of(seller)
        product = ProductFactory(seller=seller, name="Kaffe")
        of = {"seller": seller, "product": product, "family": "coffee"}
        self.plan = PlanFactory(code="small", name="Lilla kaffet", features=["filter"], **of)
        self.bigger = PlanFactory(
            code="large", name="Stora kaffet", features=["filter", "espresso"], **of
        )
        self.price = PriceFactory(plan=self.plan, code="base", amount=Decimal("100.00"))
        PriceFactory(plan=self.plan, graduated=True)
        PriceFactory(plan=self.bigger, code="base", amount=Decimal("250.00"))
        Meter.objects.create(seller=seller, code="calls")
        self.coupon = CouponFactory(seller=seller, code="WELCOME", name="Välkommen")
        self.customer = self._customer(external_id="shop-1")
        active, invoice = self.subscribed(self.customer)
        paused, _ = self.subscribed()
        canceled, paid = self.subscribed()
        bill_after(lambda: pause(paused, as_of=self.today, actor=ACTOR), **self._now())
        bill_after(lambda: cancel(canceled, as_of=self.today, actor=ACTOR), **self._now())
        payment = record_payment(paid, reference="bank-1", **self._now())
        _, credited = self.subscribed()
        note = credit(credited, amount_minor=2500, **self._now())
        item = add_one_off(
            self._customer(),
            currency="SEK",
            amount_minor=5000,
            description="Kaffekvarn",
            **self._now(),
        )
        order, _ = create_order(seller, self.plan, **self._now())
        while fan_out():
            pass
        endpoint, _ = endpoints.create(
            seller=seller.public_id, is_live=False, url=HOOKS, types=["*"], **self._now()
        )
        event = Event.objects.get(type="invoice.finalized", subject=invoice.public_id)
        self.named = {
            "customer": self.customer.public_id,
            "plan": self.plan.public_id,
            "price": self.price.public_id,
            "subscription": active.public_id,
            "paused": paused.public_id,
            "canceled": canceled.public_id,
            "invoice": invoice.public_id,
            "credit_note": note.public_id,
            "payment": payment.public_id,
            "item": item.public_id,
            "session": order.public_id,
            "event": event.public_id,
            "endpoint": endpoint.public_id,
            "webhook_endpoint": endpoint.public_id,
            "test_clock": "clk_" + "1" * 24,
            "record": "use_" + "1" * 24,
        }

    def _now(self) -> dict[str, Any]:
        return {"as_of": self.today, "actor": ACTOR}

    def _customer(self, **values: Any) -> Customer:
        return CustomerFactory(seller=self.seller, **values)

    def stop_time(self) -> None:
        """Give the seller its clock, of which there can be one."""
        TestClock.objects.create(
            seller=self.seller, at=now_of(self.seller), public_id=self.named["test_clock"]
        )

    def plan_a_change(self) -> None:
        """Let the subscription have the bigger plan from its next period on."""
        change(
            Subscription.objects.get(public_id=self.named["subscription"]),
            plan=self.bigger,
            when="period_end",
            **self._now(),
        )

    def use(self) -> None:
        """Record usage, of which there is none before."""
        subscription = Subscription.objects.get(public_id=self.named["subscription"])
        UsageRecord.objects.create(
            public_id=self.named["record"],
            subscription=subscription,
            meter=Meter.objects.get(seller=self.seller, code="calls"),
            key="call-0",
            at=now_of(self.seller),
            on=self.today,
            quantity=3,
            value=3,
        )

    def subscribed(self, customer: Customer | None = None) -> tuple[Any, Any]:
        """A customer's new subscription and its first invoice."""
        who = customer or self._customer()
        done = bill_after(lambda: start(who, self.plan, **self._now()), **self._now())
        return done.subscription, done.documents[0]


@dataclass(frozen=True)
class Asked:
    """A good request; a body where the method takes one."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    status: int = 200
    # What must be there for this one and may not be for the others.
    before: Callable[[], object] = lambda: None


def requests(world: World) -> dict[str, Asked]:
    """A request for each operation that the world's seller may make, each by itself."""
    name = world.named
    customer, subscription = name["customer"], name["subscription"]
    started = {"customer": customer, "plan": "small", "quantities": {"base": "2"}}
    event = {"subscription": subscription, "meter": "calls", "quantity": "3"}
    return {
        "list_customers": Asked("GET", "customers"),
        "create_customer": Asked(
            "POST",
            "customers",
            {
                "name": "Åsa Öberg",
                "email": "asa@example.com",
                "external_id": "shop-2",
                "address_line1": "Kungsportsavenyen 10",
                "postal_code": "411 36",
                "city": "Göteborg",
                "country": "SE",
                "metadata": {"channel": "web"},
            },
            201,
        ),
        "get_customer": Asked("GET", f"customers/{customer}"),
        "update_customer": Asked(
            "PATCH",
            f"customers/{customer}",
            {"city": "Mölndal", "invoice_to": ["ap@example.com"], "buyer_reference": "COST 7"},
        ),
        "list_plans": Asked("GET", "plans"),
        "get_plan": Asked("GET", f"plans/{name['plan']}"),
        "list_prices": Asked("GET", "prices"),
        "get_price": Asked("GET", f"prices/{name['price']}"),
        "list_subscriptions": Asked("GET", "subscriptions"),
        "start_subscription": Asked("POST", "subscriptions", started, 201),
        "preview_subscription": Asked("POST", "subscriptions/preview", started),
        "get_subscription": Asked("GET", f"subscriptions/{subscription}"),
        "change_subscription": Asked(
            "POST", f"subscriptions/{subscription}/change", {"plan": "large"}
        ),
        "preview_change": Asked(
            "POST",
            f"subscriptions/{subscription}/change/preview",
            {"plan": "large", "when": "period_end"},
        ),
        "pause_subscription": Asked(
            "POST", f"subscriptions/{subscription}/pause", {"unused": "credit"}
        ),
        "resume_subscription": Asked("POST", f"subscriptions/{name['paused']}/resume", {}),
        "cancel_subscription": Asked(
            "POST", f"subscriptions/{subscription}/cancel", {"when": "period_end"}
        ),
        "update_subscription": Asked(
            "PATCH", f"subscriptions/{subscription}", {"buyer_reference": "PO-2026-17"}
        ),
        "undo_cancel_subscription": Asked(
            "POST", f"subscriptions/{name['canceled']}/undo_cancel", {}
        ),
        "undo_change": Asked(
            "POST",
            f"subscriptions/{subscription}/undo_change",
            {},
            before=world.plan_a_change,
        ),
        "record_usage": Asked("POST", "usage", {**event, "key": "call-1"}, 201),
        "record_usage_batch": Asked(
            "POST",
            "usage/batch",
            {
                "records": [
                    {**event, "key": "call-2"},
                    {**event, "key": "call-2"},
                    {**event, "key": "call-3", "meter": "kilometres"},
                ]
            },
        ),
        "list_usage": Asked("GET", "usage", before=world.use),
        "get_usage_periods": Asked(
            "GET", f"usage/periods?subscription={subscription}", before=world.use
        ),
        "get_usage": Asked("GET", f"usage/{name['record']}", before=world.use),
        "withdraw_usage": Asked("POST", f"usage/{name['record']}/withdraw", {}, before=world.use),
        "correct_usage": Asked(
            "POST",
            f"usage/{name['record']}/correct",
            {"quantity": "2", "key": "call-0-corrected"},
            201,
            before=world.use,
        ),
        "list_invoices": Asked("GET", "invoices"),
        "get_invoice": Asked("GET", f"invoices/{name['invoice']}"),
        "get_invoice_pdf": Asked("GET", f"invoices/{name['invoice']}/pdf"),
        "pay_invoice": Asked("POST", f"invoices/{name['invoice']}/pay", {}),
        "list_credit_notes": Asked("GET", "credit_notes"),
        "create_credit_note": Asked(
            "POST",
            "credit_notes",
            {"invoice": name["invoice"], "lines": [{"line": 1, "net_minor": 5000}]},
            201,
        ),
        "get_credit_note": Asked("GET", f"credit_notes/{name['credit_note']}"),
        "get_credit_note_pdf": Asked("GET", f"credit_notes/{name['credit_note']}/pdf"),
        "list_payments": Asked("GET", "payments"),
        "get_payment": Asked("GET", f"payments/{name['payment']}"),
        "list_one_off_items": Asked("GET", "one_off_items"),
        "create_one_off_item": Asked(
            "POST",
            "one_off_items",
            {
                "customer": customer,
                "currency": "SEK",
                "amount_minor": 49900,
                "description": "Kaffebryggare",
                "bill": "now",
                "confirm": False,
            },
            201,
        ),
        "get_one_off_item": Asked("GET", f"one_off_items/{name['item']}"),
        "remove_one_off_item": Asked("DELETE", f"one_off_items/{name['item']}", None, 204),
        "validate_coupon": Asked("POST", "coupons/validate", {"code": "welcome", "plan": "small"}),
        "create_checkout_session": Asked(
            "POST",
            "checkout_sessions",
            {
                "plan": "small",
                "coupon": "WELCOME",
                "success_url": "https://rosteriet.example/thanks",
                "cancel_url": "https://rosteriet.example/plans",
            },
            201,
        ),
        "get_checkout_session": Asked("GET", f"checkout_sessions/{name['session']}"),
        "expire_checkout_session": Asked("POST", f"checkout_sessions/{name['session']}/expire", {}),
        "create_portal_session": Asked(
            "POST",
            "portal_sessions",
            {"customer": customer, "return_url": "https://rosteriet.example/account"},
            201,
        ),
        "list_events": Asked("GET", "events"),
        "get_event": Asked("GET", f"events/{name['event']}"),
        "send_event": Asked(
            "POST", f"events/{name['event']}/send", {"webhook_endpoint": name["endpoint"]}, 202
        ),
        "list_webhook_endpoints": Asked("GET", "webhook_endpoints"),
        "create_webhook_endpoint": Asked(
            "POST", "webhook_endpoints", {"url": HOOKS, "types": ["invoice.*"]}, 201
        ),
        "get_webhook_endpoint": Asked("GET", f"webhook_endpoints/{name['endpoint']}"),
        "update_webhook_endpoint": Asked(
            "PATCH", f"webhook_endpoints/{name['endpoint']}", {"types": ["*"]}
        ),
        "delete_webhook_endpoint": Asked(
            "DELETE", f"webhook_endpoints/{name['endpoint']}", None, 204
        ),
        "rotate_webhook_secret": Asked(
            "POST", f"webhook_endpoints/{name['endpoint']}/rotate_secret", {}
        ),
        "test_webhook_endpoint": Asked(
            "POST", f"webhook_endpoints/{name['endpoint']}/test", {}, 202
        ),
        "list_test_clocks": Asked("GET", "test_clocks", before=world.stop_time),
        "create_test_clock": Asked("POST", "test_clocks", {}, 201),
        "get_test_clock": Asked("GET", f"test_clocks/{name['test_clock']}", before=world.stop_time),
        "advance_test_clock": Asked(
            "POST",
            f"test_clocks/{name['test_clock']}/advance",
            {"to": instant(now_of(world.seller) + timedelta(days=1))},
            202,
            before=world.stop_time,
        ),
        "get_access": Asked("GET", f"access?customer={customer}&feature=filter"),
    }


@cache
def schema() -> dict[str, Any]:
    """The OpenAPI document, as it is published."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Every operation of the document by its id: path, method and what it says."""
    return {
        operation["operationId"]: (path, method.upper(), operation)
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
    }
