"""Whoever looks at what something comes to writes no document, takes no number, moves no money."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.api.resources import subscriptions as api
from billing.base.sql.bulk import take_ids
from billing.base.sql.read_only import read_only, refuse_writes
from billing.checkout import placing
from billing.checkout.offers import create_order
from billing.checkout.placing import Choice, Details
from billing.invoicing import changes
from billing.invoicing.batch import bill_due
from billing.invoicing.changes import bill_after, next_bill, preview
from billing.invoicing.foreseen import preview_note
from billing.invoicing.models import Invoice, InvoiceLine
from billing.payments.booking import record_payment
from billing.subscriptions import actions, pausing
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.models import Customer, Seller
from portal import deeds
from tests.admin.conftest import NOON
from tests.admin.test_actions import act_url
from tests.api.calling import Shop
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    make_accounts,
)
from tests.portal.doors import sign_in

pytestmark = pytest.mark.django_db
STATEMENTS_MAX = 60
# What writes, locks rows or takes an id.
WRITES = re.compile(
    r"^\W*(INSERT|UPDATE|DELETE|COPY|MERGE)\b|\bFOR (NO KEY )?(UPDATE|SHARE)\b|\bnextval\b", re.I
)
OF_MONEY = re.compile(r"\b(invoicing|payments|ledger)_")


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def subscription() -> Subscription:
    """310.00 a month and a seat for 100.00, paid for March 2026; 155.00 and 620.00 are offered."""
    seller: Seller = SellerFactory(tax=[{"category": "S", "rate": "25"}], language="en")
    make_accounts(seller)
    for amount in ("155", "310", "620"):
        plan = PlanFactory(seller=seller, family="one", code=amount)
        PriceFactory(plan=plan, code="fee", amount=amount)
        PriceFactory(plan=plan, code="seat", amount="100", model="per_unit", quantity=1, position=2)
    customer = CustomerFactory(seller=seller)
    start = partial(actions.start, customer, plan_of(seller, "310"), as_of=DAY, actor="test")
    started = bill_after(start, as_of=DAY, actor="test")
    (invoice,) = started.documents
    record_payment(invoice, as_of=DAY, actor="test")
    return started.subscription


def plan_of(seller: Seller, code: str) -> Plan:
    return Plan.objects.get(seller=seller, code=code)


type Act = Callable[[Subscription], Subscription]


def to_plan(code: str) -> Act:
    def act(subscription: Subscription) -> Subscription:
        plan = plan_of(subscription.seller, code)
        return actions.change(subscription, plan=plan, as_of=DAY, actor="test")

    return act


def to_seats(count: int) -> Act:
    seats = {"seat": Decimal(count)}
    return partial(actions.change, quantities=seats, as_of=DAY, actor="test")


def canceled(**terms: Any) -> Act:
    return partial(actions.cancel, as_of=DAY, actor="test", **terms)


def one_more(subscription: Subscription) -> Subscription:
    plan = plan_of(subscription.seller, "155")
    return actions.start(subscription.customer, plan, as_of=DAY, actor="test")


CHANGES: dict[str, Act] = {
    "upgrade": to_plan("620"),
    "downgrade": to_plan("155"),
    "more seats": to_seats(3),
    "fewer seats": to_seats(0),
    "cancel now": canceled(when="now", is_credited=True),
    "cancel at the end": canceled(),
    "withdraw": canceled(when="now", is_refunded=True),
    "pause": partial(pausing.pause, as_of=DAY, actor="test"),
    "pause and shift": partial(
        pausing.pause, until=DAY + timedelta(9), unused="shift", as_of=DAY, actor="test"
    ),
    "start another": one_more,
}
GIVE_BACK = {"downgrade", "fewer seats", "cancel now", "withdraw", "pause"}


def shortened(captured: CaptureQueriesContext) -> list[str]:
    return [" ".join(each["sql"].split())[:300] for each in captured.captured_queries]


def sent_by(look: Callable[[], Any]) -> list[str]:
    """What looking sends to the database, once all is read that is read once only."""
    look()
    with CaptureQueriesContext(connection) as captured:
        look()
    return shortened(captured)


def sent_by_preview(change: Callable[[], Subscription]) -> tuple[list[str], list[str]]:
    """What a preview sends to make the change, and what it sends from then on."""
    made_at: list[int] = []

    def counted() -> Subscription:
        made = change()
        made_at.append(len(connection.queries_log))
        return made

    preview(change, as_of=DAY)
    before = len(connection.queries_log)
    with CaptureQueriesContext(connection) as captured:
        preview(counted, as_of=DAY)
    sent = shortened(captured)
    return sent[: made_at[-1] - before], sent[made_at[-1] - before :]


def writing(sent: list[str]) -> list[str]:
    return [each for each in sent if WRITES.search(each)]


def whole(subscription: Subscription) -> list[Any]:
    """What there is of documents, money and numbers."""
    tables = [
        name
        for name in connection.introspection.table_names()
        if OF_MONEY.search(name) or name.startswith(("subscriptions_", "events_event"))
    ]
    found = []
    with connection.cursor() as cursor:
        for name in sorted(tables):
            cursor.execute(f'SELECT t::text FROM "{name}" t ORDER BY 1')  # noqa: S608
            found.append((name, cursor.fetchall()))
    return found


@pytest.mark.parametrize("kind", CHANGES)
def test_a_preview_of_a_change_only_reads_once_the_change_is_made(
    subscription: Subscription, kind: str
) -> None:
    before = whole(subscription)
    change = partial(CHANGES[kind], subscription)
    made, then = sent_by_preview(change)
    assert writing(then) == []
    assert [each for each in writing(made) if OF_MONEY.search(each)] == []
    assert len(made) + len(then) <= STATEMENTS_MAX, "\n".join([*made, "", *then])
    assert whole(subscription) == before
    seen = preview(change, as_of=DAY)
    kinds = {bill.document.kind for bill in seen.today}
    assert kinds == ({"credit_note"} if kind in GIVE_BACK else kinds - {"credit_note"})


def test_a_preview_of_a_resumed_subscription_only_reads_once_it_is(
    subscription: Subscription,
) -> None:
    pause = partial(pausing.pause, subscription, as_of=DAY, actor="test")
    bill_after(pause, as_of=DAY, actor="test")
    subscription.refresh_from_db()
    before = whole(subscription)
    change = partial(pausing.resume, subscription, as_of=DAY, actor="test")
    made, then = sent_by_preview(change)
    assert writing(then) == []
    assert [each for each in writing(made) if OF_MONEY.search(each)] == []
    assert len(made) + len(then) <= STATEMENTS_MAX, "\n".join([*made, "", *then])
    assert whole(subscription) == before


def credited(subscription: Subscription) -> Invoice:
    return Invoice.objects.get(customer=subscription.customer)


def by_line(subscription: Subscription) -> dict[str, Any]:
    line = InvoiceLine.objects.filter(invoice=credited(subscription)).earliest("position")
    return {"lines": [(line, 100)]}


@pytest.mark.parametrize(
    "asked",
    [by_line, lambda _: {"amount_minor": 100, "to": "refund"}, lambda _: {}],
    ids=["by line", "a sum that is paid back", "all of it"],
)
def test_a_preview_of_a_credit_note_sends_nothing_that_writes(
    subscription: Subscription, asked: Callable[[Subscription], dict[str, Any]]
) -> None:
    invoice, before = credited(subscription), whole(subscription)
    look = partial(preview_note, invoice, as_of=DAY, **asked(subscription))
    sent = sent_by(look)
    assert writing(sent) == []
    assert len(sent) <= STATEMENTS_MAX, "\n".join(sent)
    assert whole(subscription) == before


def test_the_next_bill_sends_nothing_that_writes(subscription: Subscription) -> None:
    later = partial(actions.change, plan=plan_of(subscription.seller, "155"), as_of=DAY, actor="t")
    later(subscription, when=DAY + timedelta(10))  # On which a credit note comes.
    bill_due(subscription.seller, DAY)
    before = whole(subscription)
    sent = sent_by(partial(next_bill, subscription.customer, as_of=DAY))
    assert writing(sent) == []
    assert len(sent) <= STATEMENTS_MAX, "\n".join(sent)
    assert whole(subscription) == before
    bill = next_bill(subscription.customer, as_of=DAY)
    assert bill is not None and bill.document.kind == "credit_note"


@pytest.mark.parametrize("trial_days", [0, 30, 900])
def test_what_an_order_comes_to_takes_no_number_though_its_first_bill_is_years_ahead(
    subscription: Subscription, trial_days: int
) -> None:
    Plan.objects.filter(code="310").update(trial_days=trial_days)
    plan = plan_of(subscription.seller, "310")
    order, _ = create_order(plan.seller, plan, as_of=DAY, actor="test")
    before = whole(subscription)
    sent = sent_by(
        partial(placing.quote, order, Details(country="SE"), Choice(), as_of=DAY, actor="test")
    )
    assert [each for each in writing(sent) if OF_MONEY.search(each)] == []
    assert whole(subscription) == before


@pytest.mark.parametrize(
    "do",
    [
        lambda: Customer.objects.update(name="Other"),
        lambda: Customer.objects.select_for_update().first(),
        lambda: take_ids("invoicing_invoice", 1),
    ],
    ids=["an update", "a lock", "an id"],
)
def test_the_database_refuses_what_writes_where_is_only_looked(
    subscription: Subscription, do: Callable[[], Any]
) -> None:
    with pytest.raises(DatabaseError, match="read-only"), read_only():
        do()
    with pytest.raises(DatabaseError, match="read-only"), transaction.atomic():
        preview(lambda: subscription, as_of=DAY)
        refuse_writes()
        do()
    do()  # What follows may write again.


# The doors


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each preview at a door sends."""
    sent: list[int] = []

    def counted(*args: Any, **asked: Any) -> Any:
        before = len(connection.queries_log)
        try:
            return preview(*args, **asked)
        finally:
            sent.append(len(connection.queries_log) - before)

    for module in (changes, deeds, api):
        monkeypatch.setattr(module, "preview", counted)
    return sent


def desk(subscription: Subscription) -> Iterator[Callable[[], Any]]:
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    seats = {f"quantity:{each.key}": "3" for each in subscription.items.filter(price__code="seat")}
    flags = {"when": "now", "is_credited": "on", "is_prorated": "on"}
    plans = {code: plan_of(subscription.seller, code).pk for code in ("155", "620")}
    invoice = credited(subscription)
    line = invoice.lines.earliest("position")
    for obj, name, asked in (
        (subscription, "change", {"plan": plans["620"], **flags}),
        (subscription, "change", {"plan": plans["155"], **flags}),
        (subscription, "change", {**seats, **flags}),
        (subscription, "pause", {"unused": "credit"}),
        (subscription, "cancel", {"when": "now", "is_credited": "on"}),
        (subscription, "cancel", {"when": "period_end"}),
        (invoice, "credit", {f"amount-of-{line.pk}": "1", "to": "balance"}),
    ):
        yield partial(client.post, act_url(obj, name), {"key": "k", **asked})


def in_portal(subscription: Subscription) -> Iterator[Callable[[], Any]]:
    client = Client()
    sign_in(client, subscription.customer)
    url = f"/portal/subscriptions/{subscription.public_id}/"
    for code in ("620", "155"):
        plan = plan_of(subscription.seller, code).public_id
        yield partial(client.get, f"{url}change/?plan={plan}&when=now")
    for deed in ("pause", "cancel", "withdraw"):
        yield partial(client.get, f"{url}{deed}/")


def by_api(subscription: Subscription) -> Iterator[Callable[[], Any]]:
    shop = Shop(subscription.seller)
    path = f"subscriptions/{subscription.public_id}/change/preview"
    for asked in ({"plan": "620"}, {"plan": "155"}, {"quantities": {"seat": "3"}}):
        yield partial(shop.post, path, asked, None)
    customer = subscription.customer.public_id
    yield partial(shop.post, "subscriptions/preview", {"customer": customer, "plan": "155"}, None)


@pytest.mark.parametrize("door", [desk, in_portal, by_api])
def test_at_no_door_a_preview_writes_a_document_or_moves_money(
    subscription: Subscription, counts: list[int], door: Callable[..., Iterator[Callable[[], Any]]]
) -> None:
    looks, before = list(door(subscription)), whole(subscription)
    for look in looks:
        look()
        counts.clear()
        with CaptureQueriesContext(connection) as captured:
            answer = look()
        assert answer.status_code == 200
        sent = shortened(captured)
        assert [each for each in writing(sent) if OF_MONEY.search(each)] == []
        assert any("READ ONLY" in each for each in sent), answer.content.decode()
        assert all(count <= STATEMENTS_MAX for count in counts), counts
    assert whole(subscription) == before
