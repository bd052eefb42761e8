"""Playing the story: every day once, whatever interrupts it, and books that hold."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Sum

from billing.demo.figures import figures_of, mrr_of
from billing.demo.people import make_people
from billing.demo.shop import find_shop, hire_staff, open_shop
from billing.demo.story import ASKS, GOOD, LOST, Step, Story, tell
from billing.demo.till import SandboxTill
from billing.demo.year import days_to_play, first_day_of, play
from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.ledger.models import Transfer
from billing.payments.gateway_events import GatewayEvent
from billing.payments.gateways.sandbox.client import Sandbox
from billing.payments.models import Payment, PaymentMethod
from billing.subscriptions.actions import start
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from catalog.models import Plan
from customers.models import Customer, Seller
from tests.sandbox.process import RunningSandbox, running_sandbox

TODAY = date(2026, 11, 24)


@pytest.fixture
def story() -> Story:
    return tell(24, 80)


@pytest.fixture
def seller(db: None) -> Seller:
    call_command("load_vat_rates", verbosity=0)
    return open_shop()


def _written() -> tuple[int, ...]:
    tables = (Event, Invoice, Payment, Transfer, Subscription, Customer)
    return tuple(table.objects.count() for table in tables)


def test_a_year_is_billed_and_paid_and_its_books_hold(seller: Seller, story: Story) -> None:
    played = play(seller, story, TODAY)
    assert (played.days, played.refused) == (80, [])
    assert first_day_of(seller) == TODAY - timedelta(days=79)
    invoices = Invoice.objects.filter(seller=seller, kind="invoice")
    assert invoices.count() > 30
    assert invoices.filter(status="paid").exists()
    assert seller.subscriptions.exclude(parked_reason="").exists()
    assert broken_invariants() == {}


def test_playing_again_changes_nothing(seller: Seller, story: Story) -> None:
    play(seller, story, TODAY)
    before = _written()
    assert days_to_play(seller, story, TODAY) == 1
    assert play(seller, story, TODAY).days == 0
    assert _written() == before


def test_a_year_that_was_broken_off_goes_on_where_it_was(seller: Seller, story: Story) -> None:
    days: list[date] = []

    def until_tired(day: date) -> None:
        days.append(day)
        if len(days) in (7, 31):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            play(seller, story, TODAY, on_day=until_tired)
    play(seller, story, TODAY, on_day=until_tired)
    assert set(days) == {TODAY - timedelta(days=back) for back in range(80)}
    broken_off = _sums(seller)
    assert broken_invariants() == {}

    other = Seller.objects.get(pk=seller.pk)
    other.name = "Another"
    other.save()
    again = open_shop()
    play(again, story, TODAY)
    assert _sums(again) == broken_off


def _sums(seller: Seller) -> tuple[Any, ...]:
    invoices = Invoice.objects.filter(seller=seller)
    by_day = (
        invoices.order_by("issued_on")
        .values_list("issued_on", "currency")
        .annotate(total=Sum("total_minor"), paid=Sum("paid_minor"))
    )
    return tuple(by_day)


def test_a_shop_that_was_left_alone_lives_through_the_days_since(
    seller: Seller, story: Story
) -> None:
    play(seller, story, TODAY)
    later = TODAY + timedelta(days=40)
    assert days_to_play(seller, story, later) == 41
    assert play(seller, story, later).days == 40
    assert Invoice.objects.filter(seller=seller, issued_on__gt=TODAY).exists()
    assert broken_invariants() == {}


def test_the_figures_are_those_of_the_documents(seller: Seller, story: Story) -> None:
    play(seller, story, TODAY)
    figures = figures_of(seller, TODAY)
    assert figures.customers == 24
    documents = seller.documents.exclude(status="void")
    assert figures.invoices == documents.filter(kind="invoice").count()
    kronor = next(sums for sums in figures.sums if sums.currency == "SEK")
    documents = documents.filter(currency="SEK")
    billed = documents.filter(kind="invoice").aggregate(sum=Sum("net_minor"))["sum"]
    credited = documents.filter(kind="credit_note").aggregate(sum=Sum("net_minor"))["sum"] or 0
    assert kronor.revenue_minor == billed - credited
    assert 0 < kronor.mrr_first_minor < kronor.mrr_last_minor


def test_recurring_revenue_is_net_and_a_year_counts_a_twelfth(seller: Seller) -> None:
    customer = Customer.objects.create(seller=seller, name="Tuva", country="SE")
    for code in ("brygg-250", "brygg-ar"):
        start(customer, Plan.objects.get(seller=seller, code=code), as_of=TODAY, actor="test")
    # 129 and 1390 a year, with the 6 % for food that hold until the end of 2027.
    expected = round(129_00 / 1.06 + 1390_00 / 1.06 / 12)
    assert abs(mrr_of(seller, TODAY)["SEK"] - expected) <= 1


def test_the_shop_and_its_staff_are_made_once(seller: Seller) -> None:
    hire_staff()
    before = _written()
    hire_staff()
    assert open_shop() == find_shop() == seller
    assert _written() == before


# With cards


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(Path(tmp_path_factory.mktemp("sandbox"))) as running:
        yield running


@pytest.fixture
def till(transactional_db: None, sandbox: RunningSandbox, settings: Any) -> SandboxTill:
    settings.SANDBOX_URL, settings.SANDBOX_KEY = sandbox.url, sandbox.key
    settings.SANDBOX_HOOK_SECRET = sandbox.hook_secret
    return SandboxTill(Sandbox(sandbox.url, sandbox.key, sandbox.hook_secret))


@pytest.mark.parametrize(("number", "state"), [(GOOD, "succeeded"), (LOST, "failed")])
def test_a_card_is_left_once_and_charged(till: SandboxTill, number: str, state: str) -> None:
    call_command("load_vat_rates", verbosity=0)
    seller, story = open_shop(), _one_customer(number)
    play(seller, story, TODAY, till)
    play(seller, story, TODAY, till)
    method = PaymentMethod.objects.get(customer__seller=seller)
    assert method.last4 == number[-4:]
    charged = Payment.objects.filter(seller=seller, payment_method=method)
    assert [payment.state for payment in charged] == [state]
    assert GatewayEvent.objects.filter(processed_at__isnull=False).exists()
    assert broken_invariants() == {}


def test_who_is_asked_confirms_or_lets_it_lapse(till: SandboxTill) -> None:
    call_command("load_vat_rates", verbosity=0)
    seller = open_shop()
    play(seller, _one_customer(ASKS, customers=12), TODAY, till)
    states = set(Payment.objects.filter(seller=seller).values_list("state", flat=True))
    assert states == {"succeeded", "requires_action"}
    assert broken_invariants() == {}


def _one_customer(number: str, customers: int = 1) -> Story:
    """Persons who join, leave a card and subscribe, two days before the end."""
    people = [
        one
        for one in make_people(Random("x"), 60)  # noqa: S311
        if not one.is_business and one.country == "SE"
    ][:customers]
    steps = []
    for one in people:
        one.fields["collection"] = "automatic"
        steps += [
            Step(0, "join", one.key),
            Step(0, "card", one.key, {"number": number}),
            Step(0, "start", f"{one.key}-1", {"customer": one.key, "plan": "brygg-250"}),
        ]
    return Story({one.key: one for one in people}, {0: steps}, 2)
