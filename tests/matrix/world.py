"""A house with two customers and two sellers, so that every address has an object to be asked for.

``A`` and ``B`` are customers of one test seller; the other seller is live, and has the same things.
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client, RequestFactory

from billing.api.keys import make_key, revoke_key
from billing.api.models import ApiKey
from billing.base import clock
from billing.checkout.offers import create_order
from billing.demo.shop import ROLES, SEEN
from billing.events.models import Event
from billing.events.recorder import record
from billing.invoicing.actions import add_one_off
from billing.invoicing.changes import bill_after
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.payments.booking import record_payment
from billing.payments.models import PaymentMethod
from billing.subscriptions.actions import start
from billing.subscriptions.models import Subscription
from billing.usage.models import Meter, UsageRecord
from billing.webhooks import actions as endpoints
from catalog.models import Plan
from customers import test_clocks
from customers.links import Purpose, hash_of, make_link
from customers.models import AccessLink, Customer, Seller
from portal import visits
from tests.admin.rows import fill
from tests.factories import (
    DAY,
    CouponFactory,
    CustomerFactory,
    NumberSeriesFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)

ACTOR = "user:anna"
NOW: dict[str, Any] = {"as_of": DAY, "actor": ACTOR}
PASSWORD = "correct horse battery staple"  # noqa: S105 -- of nobody.


@dataclass
class Theirs:
    """What a customer has: two subscriptions, an open invoice, a paid one, a card."""

    customer: Customer
    subscription: Subscription = field(init=False)
    second: Subscription = field(init=False)
    invoice: Invoice = field(init=False)
    paid: Invoice = field(init=False)
    note: Invoice = field(init=False)
    payment: Any = field(init=False)
    method: PaymentMethod = field(init=False)

    def fill(self, plan: Plan) -> "Theirs":
        customer = self.customer
        self.subscription, self.invoice = _subscribed(customer, plan)
        self.second, self.paid = _subscribed(customer, plan)
        self.payment = record_payment(self.paid, **NOW)
        _, credited = _subscribed(customer, plan)
        self.note = credit(credited, amount_minor=2_500, **NOW)
        self.method = PaymentMethod.objects.create(
            customer=customer,
            gateway="manual" if customer.seller.is_live else "sandbox",
            gateway_id=f"pm_{customer.pk}",
            gateway_customer=f"cu_{customer.pk}",
            brand="visa",
            last4="4242",
            is_default=True,
        )
        return self

    @property
    def ids(self) -> set[str]:
        """The public ids of all that this customer may see of their own."""
        found = {self.customer.public_id}
        for rows in (
            Subscription.objects.filter(customer=self.customer),
            Invoice.objects.filter(customer=self.customer),
            self.customer.payments.all(),
            self.customer.payment_methods.all(),
        ):
            found |= set(rows.values_list("public_id", flat=True))
        return found


def _subscribed(customer: Customer, plan: Plan) -> tuple[Subscription, Invoice]:
    done = bill_after(lambda: start(customer, plan, **NOW), **NOW)
    return done.subscription, done.documents[0]


@dataclass
class Shop:
    """A seller with what the API names; ``named`` are the values that its paths have."""

    seller: Seller
    named: dict[str, str] = field(init=False)

    def fill(self, theirs: Theirs, plan: Plan) -> "Shop":
        seller, public = self.seller, self.seller.public_id
        customer = theirs.customer
        item = add_one_off(customer, currency="SEK", amount_minor=500, description="Grinder", **NOW)
        order, _ = create_order(seller, plan, **NOW)
        event = record(
            "customer.updated",
            seller=public,
            subject=customer.public_id,
            occurred_on=DAY,
            actor=ACTOR,
        )
        Event.objects.filter(pk=event.pk).update(is_fanned_out=True, sequence=1, position=1)
        endpoint, _ = endpoints.create(
            seller=public, is_live=seller.is_live, url="https://93.184.216.34/", types=["*"], **NOW
        )
        meter, _ = Meter.objects.get_or_create(seller=seller, code="cups")
        used = UsageRecord.objects.create(
            subscription=theirs.subscription, meter=meter, at=clock.now(), on=DAY, quantity=1
        )
        self.named = {
            "record": used.public_id,
            "customer": customer.public_id,
            "plan": plan.public_id,
            "price": plan.prices.all()[0].public_id,
            "subscription": theirs.subscription.public_id,
            "invoice": theirs.invoice.public_id,
            "credit_note": theirs.note.public_id,
            "payment": theirs.payment.public_id,
            "item": item.public_id,
            "session": order.public_id,
            "event": event.public_id,
            "endpoint": endpoint.public_id,
        }
        return self


class World:
    """All of it, made once for the whole matrix."""

    def __init__(self) -> None:
        self.rows: dict[type[Model], Any] = fill(1)
        self.seller = _open(is_live=False)
        self.other = _open(is_live=True)
        plan, bigger = _plans(self.seller)
        plans_elsewhere = _plans(self.other)
        self.a = Theirs(_customer(self.seller, "a@example.com")).fill(plan)
        self.b = Theirs(_customer(self.seller, "b@example.com")).fill(plan)
        self.c = Theirs(_customer(self.other, "c@example.com")).fill(plans_elsewhere[0])
        CouponFactory(seller=self.seller, code="WELCOME")
        self.shop = Shop(self.seller).fill(self.a, plan)
        self.shop_elsewhere = Shop(self.other).fill(self.c, plans_elsewhere[0])
        self.bigger = bigger
        self.tokens = _tokens(self.a, plan)
        self.keys = _keys(self.seller, self.other)
        self.staff = _staff()
        # The clock comes last: what was made before it stands in the present.
        made = test_clocks.create(self.seller, at=None, **NOW)
        self.shop.named["test_clock"] = made.public_id


def _open(*, is_live: bool) -> Seller:
    seller = SellerFactory(is_live=is_live, tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    NumberSeriesFactory(seller=seller)
    NumberSeriesFactory(seller=seller, kind="credit_note", prefix="K")
    return seller


def _plans(seller: Seller) -> list[Plan]:
    plans = [PlanFactory(seller=seller, family="coffee") for _ in range(2)]
    for plan in plans:
        PriceFactory(plan=plan)
    return plans


def _customer(seller: Seller, email: str) -> Customer:
    return CustomerFactory(seller=seller, email=email)


def _tokens(a: Theirs, plan: Plan) -> dict[str, dict[str, str]]:
    """{purpose: {state: token}}: a link that opens, one that is too old, used, and made up."""
    subjects = {
        Purpose.SIGN_IN: "",
        Purpose.PORTAL: "",
        Purpose.SUBSCRIPTION: a.subscription.public_id,
        Purpose.PAY: a.invoice.public_id,
        Purpose.METHOD: a.invoice.public_id,
    }
    now = clock.now()
    found: dict[str, dict[str, str]] = {}
    for purpose, subject in subjects.items():
        tokens = {
            state: make_link(a.customer, purpose, now=now, subject=subject)
            for state in ("good", "expired", "used")
        }
        _links(tokens["expired"]).update(expires_at=now - timedelta(seconds=1))
        _links(tokens["used"]).update(used_at=now)
        found[purpose] = tokens | {"unknown": secrets.token_urlsafe(32)}
    order, token = create_order(a.customer.seller, plan, **NOW)
    late, expired = create_order(a.customer.seller, plan, **NOW)
    type(late).objects.filter(pk=late.pk).update(expires_at=now - timedelta(seconds=1))
    found["order"] = {
        "good": token,
        "expired": expired,
        "unknown": secrets.token_urlsafe(32),
        # A link for another purpose opens nothing here.
        "used": found[Purpose.PAY]["used"],
    }
    return found


def _links(token: str) -> Any:
    return AccessLink.objects.filter(token_hash=hash_of(token))


def _keys(seller: Seller, other: Seller) -> dict[str, str]:
    now = clock.now()
    revoked, revoked_text = make_key(seller, name="revoked", actor=ACTOR)
    revoke_key(revoked, now=now, actor=ACTOR)
    made = {
        "key": make_key(seller, name="all", actor=ACTOR),
        "no scopes": make_key(seller, name="none", actor=ACTOR, scopes=()),
        "publishable": make_key(seller, name="page", actor=ACTOR, kind=ApiKey.Kind.PUBLISHABLE),
        "expired": make_key(seller, name="old", actor=ACTOR, expires_at=now - timedelta(seconds=1)),
        "another's key": make_key(other, name="other", actor=ACTOR),
    }
    return {name: text for name, (_, text) in made.items()} | {"revoked": revoked_text}


def _staff() -> dict[str, User]:
    """Staff with the demo's roles, a superuser, and one who has shown no second factor."""
    found = {}
    for role, may in ROLES.items():
        group = Group.objects.create(name=role)
        seen = Permission.objects.filter(
            content_type__app_label__in=SEEN, codename__startswith="view_"
        )
        group.permissions.set(seen)
        for name in may:
            app, code = name.split(".")
            group.permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=code)
            )
        user = User.objects.create_user(role.lower(), password=PASSWORD, is_staff=True)
        user.groups.add(group)
        found[role] = user
    found["superuser"] = User.objects.create_superuser("root", password=PASSWORD)
    found["no factor"] = User.objects.create_superuser("careless", password=PASSWORD)
    found["no staff"] = User.objects.create_user("former", password=PASSWORD)
    return found


def staff_session(user: User, *, has_shown_factor: bool) -> str:
    """The key of a signed-in session, as it is after the second step or before it."""
    client = Client()
    client.force_login(user, backend="billing.staff.sign_in.StaffBackend")
    session = client.session
    now_s = clock.now().timestamp()
    records = [{"method": "password", "at": now_s, "username": user.username}]
    if has_shown_factor:
        factor = Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
        records.append({"method": "mfa", "at": now_s, "id": factor.pk, "type": "totp"})
    session["account_authentication_methods"] = records
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return str(session.session_key)


def portal_session(customer: Customer, only: str = "") -> str:
    """The key of a customer's session."""
    answer = HttpResponse()
    visits.begin(RequestFactory().get("/portal/"), answer, customer, only=only)
    return answer.cookies[visits.COOKIE].value


def ended_session(customer: Customer) -> str:
    key = portal_session(customer)
    SessionStore(key).flush()
    return key
