"""Charging a saved card over the API, through a real sandbox, and what it answers on bad days."""

from collections.abc import Iterator
from typing import Any

import pytest

from billing.api.models import IdempotentRequest
from billing.invoicing.changes import bill_after
from billing.payments.methods import keep_method
from billing.payments.models import Payment
from billing.subscriptions.actions import start
from billing.verification.books import broken_invariants
from customers.calendar import today_of
from customers.models import Seller
from tests.api.calling import Shop, errors_of
from tests.api.conftest import open_seller
from tests.api.examples import check_example
from tests.factories import CustomerFactory, PlanFactory, PriceFactory
from tests.sandbox.process import RunningSandbox, running_sandbox

pytestmark = pytest.mark.django_db(transaction=True)
WORKS, DECLINED, ASKS = "4242424242424242", "4000000000000002", "4000002500003155"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(autouse=True)
def connected(sandbox: RunningSandbox, settings: Any) -> None:
    settings.SANDBOX_URL, settings.SANDBOX_KEY = sandbox.url, sandbox.key
    settings.SANDBOX_HOOK_SECRET = sandbox.hook_secret
    sandbox.fault("lost", times=0)


@pytest.fixture
def shop() -> Shop:
    return Shop(open_seller())


def owing(sandbox: RunningSandbox, seller: Seller, number: str) -> str:
    """The id of an invoice of 125.00 of a new customer whose card has this number."""
    now: dict[str, Any] = {"as_of": today_of(seller), "actor": "user:anna"}
    customer = CustomerFactory(seller=seller, collection="automatic")
    _, method_id = sandbox.card(customer.public_id, number)
    keep_method(customer, gateway="sandbox", gateway_id=method_id, **now)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    done = bill_after(lambda: start(customer, plan, **now), **now)
    return str(done.documents[0].public_id)


def test_a_card_is_charged_once_for_an_invoice(sandbox: RunningSandbox, shop: Shop) -> None:
    invoice = owing(sandbox, shop.seller, WORKS)
    paid = shop.post(f"invoices/{invoice}/pay", {}, "a")
    assert paid.status_code == 200
    payment = paid.json()
    assert (payment["status"], payment["amount_minor"]) == ("succeeded", 12_500)
    assert payment["allocations"][0]["invoice"] == invoice
    assert payment["payment_method"]["last4"] == "4242"
    again = shop.post(f"invoices/{invoice}/pay", {}, "a")
    assert again.content == paid.content
    other = shop.post(f"invoices/{invoice}/pay", {}, "b")
    assert (other.status_code, errors_of(other)) == (409, [("invoice_not_open", None)])
    charges = sandbox.get("/charges", reference=Payment.objects.get().gateway_reference).json()[
        "data"
    ]
    assert [charge["status"] for charge in charges] == ["succeeded"]
    assert shop.get(f"invoices/{invoice}").json()["status"] == "paid"
    assert broken_invariants() == {}
    check_example("pay_invoice", {}, payment)


def test_a_declined_card_is_told_as_such(sandbox: RunningSandbox, shop: Shop) -> None:
    invoice = owing(sandbox, shop.seller, DECLINED)
    answer = shop.post(f"invoices/{invoice}/pay", {})
    assert (answer.status_code, errors_of(answer)) == (402, [("payment_failed", None)])
    assert shop.get(f"invoices/{invoice}").json()["status"] == "open"
    assert shop.get("payments", status="failed").json()["results"][0]["failure_code"]


def test_a_charge_that_asks_for_the_customer_says_where(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    invoice = owing(sandbox, shop.seller, ASKS)
    payment = shop.post(f"invoices/{invoice}/pay", {}).json()
    assert payment["status"] == "requires_action"
    assert payment["action_url"].startswith("http")
    second = shop.post(f"invoices/{invoice}/pay", {})
    assert (second.status_code, errors_of(second)) == (409, [("payment_in_flight", None)])


def test_an_answer_that_was_lost_leaves_the_payment_unknown(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    invoice = owing(sandbox, shop.seller, WORKS)
    sandbox.fault("lost")
    assert shop.post(f"invoices/{invoice}/pay", {}).json()["status"] == "unknown"


def test_a_gateway_that_is_not_reached_is_503_and_the_key_may_try_again(
    sandbox: RunningSandbox, shop: Shop, settings: Any
) -> None:
    invoice = owing(sandbox, shop.seller, WORKS)
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    down = shop.post(f"invoices/{invoice}/pay", {}, "a")
    assert (down.status_code, errors_of(down)) == (503, [("gateway_unavailable", None)])
    assert "Retry-After" in down.headers
    assert not IdempotentRequest.objects.exists()
    settings.SANDBOX_URL = sandbox.url
    assert shop.post(f"invoices/{invoice}/pay", {}, "a").json()["status"] == "succeeded"
    assert Payment.objects.filter(state="succeeded").count() == 1


def test_without_a_card_there_is_nothing_to_charge(shop: Shop) -> None:
    now: dict[str, Any] = {"as_of": today_of(shop.seller), "actor": "user:anna"}
    customer = CustomerFactory(seller=shop.seller)
    plan = PlanFactory(seller=shop.seller)
    PriceFactory(plan=plan)
    done = bill_after(lambda: start(customer, plan, **now), **now)
    answer = shop.post(f"invoices/{done.documents[0].public_id}/pay", {})
    assert (answer.status_code, errors_of(answer)) == (402, [("no_payment_method", None)])
