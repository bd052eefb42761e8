"""Whoever looks at a price holds up nobody who bills, and waits for nobody: real processes."""

import multiprocessing
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from billing.checkout import placing
from billing.checkout.offers import create_order
from billing.invoicing.changes import bill_after, next_bill, preview
from billing.invoicing.foreseen import preview_note
from billing.invoicing.models import Invoice
from billing.invoicing.number_series import NumberSeries
from billing.invoicing.numbering import take_numbers
from billing.subscriptions import actions
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.models import Customer, Seller
from tests.factories import DAY, CustomerFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of

pytestmark = pytest.mark.django_db(transaction=True)
FORK = multiprocessing.get_context("fork")
# How long something may take before it is taken for waiting.
SECONDS = 10


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    return seller


@pytest.fixture
def subscription(seller: Seller, plan: Plan) -> Subscription:
    return bill_after(_start(CustomerFactory(seller=seller)), as_of=DAY, actor="t").subscription


@pytest.fixture
def plan(seller: Seller) -> Plan:
    """310.00 a month; a larger one is offered beside it."""
    plan_of(seller, "620", name="Larger", family="one")
    small: Plan = plan_of(seller, "310", name="Small", family="one")
    return small


def _start(customer: Customer) -> Callable[[], Subscription]:
    plan = Plan.objects.get(name="Small")
    return partial(actions.start, customer, plan, as_of=DAY, actor="t")


def seen_next(subscription: Subscription) -> int:
    bill = next_bill(subscription.customer, as_of=DAY)
    assert bill is not None
    return bill.to_pay_minor


def seen_after_a_change(subscription: Subscription) -> int:
    larger = Plan.objects.get(name="Larger")
    change = partial(actions.change, subscription, as_of=DAY, actor="t", plan=larger)
    return preview(change, as_of=DAY).to_pay_today_minor


def quoted(subscription: Subscription) -> int:
    order, _ = create_order(subscription.seller, subscription.plan, as_of=DAY, actor="t")
    details = placing.Details(country="SE")
    return placing.quote(order, details, placing.Choice(), as_of=DAY, actor="t").to_pay_today_minor


def seen_credited(subscription: Subscription) -> int:
    """The whole first invoice, as the desk shows its credit note before it is issued."""
    invoice = Invoice.objects.filter(customer=subscription.customer).earliest("pk")
    return int(preview_note(invoice, as_of=DAY).outcome)


LOOKS: dict[Callable[[Subscription], int], int] = {
    seen_next: 38750,
    seen_after_a_change: 38750,
    quoted: 38750,
    seen_credited: 38750,
}


class Process:
    """A function in a process of its own, which says when it is done and ends when it is told."""

    def __init__(self, do: Callable[..., Any], *args: Any):
        self.mine, theirs = FORK.Pipe()
        connection.close()  # Each process has a connection of its own.
        self.process = FORK.Process(target=_held, args=(theirs, do, args), daemon=True)
        self.process.start()

    def says(self) -> Any:
        if not self.mine.poll(SECONDS):
            self.process.kill()
            raise AssertionError("It waits.")
        return self.mine.recv()

    def end(self) -> None:
        self.mine.send("end")
        self.process.join(SECONDS)
        assert self.process.exitcode == 0


def _held(pipe: Any, do: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Do something in a transaction that stays open until it is told to end."""
    with transaction.atomic():
        pipe.send(do(*args))
        pipe.recv()
        transaction.set_rollback(True)
    connection.close()


def numbers_taken(seller: Seller) -> list[str]:
    return [number for kind in Invoice.Kind.values for _, number in take_numbers(seller, kind, 1)]


@pytest.mark.parametrize("look", LOOKS)
def test_a_preview_does_not_wait_for_whoever_takes_numbers(
    subscription: Subscription, look: Callable[[Subscription], int]
) -> None:
    biller = Process(numbers_taken, subscription.seller)
    assert biller.says() == ["2", "C1"]
    reader = Process(look, subscription)
    assert reader.says() == LOOKS[look]
    reader.end()
    biller.end()


@pytest.mark.parametrize("look", LOOKS)
def test_a_preview_does_not_hold_up_whoever_takes_numbers(
    subscription: Subscription, look: Callable[[Subscription], int]
) -> None:
    reader = Process(look, subscription)
    assert reader.says() == LOOKS[look]
    biller = Process(_billed_anew, CustomerFactory(seller=subscription.seller))
    assert biller.says() == "2"
    biller.end()
    reader.end()


def _billed_anew(customer: Customer) -> str:
    """Another customer's first invoice: real numbers while somebody else still looks."""
    changed = bill_after(_start(customer), as_of=DAY, actor="t")
    return str(changed.documents[0].number)


def test_previews_of_several_customers_at_once_do_not_wait(subscription: Subscription) -> None:
    customers = [CustomerFactory(seller=subscription.seller) for _ in range(3)]
    readers = [Process(_previewed, customer) for customer in customers]
    assert [reader.says() for reader in readers] == [38750] * 3
    for reader in readers:
        reader.end()


def _previewed(customer: Customer) -> int:
    return preview(_start(customer), as_of=DAY).to_pay_today_minor


def test_a_preview_leaves_the_series_and_the_documents_as_they_were(
    subscription: Subscription,
) -> None:
    for look, minor in LOOKS.items():
        assert look(Subscription.objects.get(pk=subscription.pk)) == minor
    assert list(Invoice.objects.values_list("number", flat=True)) == ["1"]
    assert [str(series) for series in NumberSeries.objects.all()] == ["2"]
