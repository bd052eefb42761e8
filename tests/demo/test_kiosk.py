"""The shop whose time visitors hold: what is bought there, and what a month does to it."""

from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from billing.demo.kiosk import open_kiosk
from billing.demo.shop import open_shop
from billing.events.models import Event
from billing.invoicing.changes import bill_after
from billing.invoicing.models import Invoice
from billing.mail.actions import post
from billing.mail.models import Message
from billing.mail.outbox import send_due
from billing.mail.words.visits import SIGN_IN
from billing.payments.booking import record_payment
from billing.subscriptions import actions
from catalog.models import Plan
from customers import test_clocks
from customers.calendar import now_of, today_of
from customers.models import Customer, Seller
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kiosk(settings: Any) -> Seller:
    settings.IN_DEMO, settings.STAFF_MFA = True, False
    call_command("load_vat_rates", verbosity=0)
    open_shop()
    return open_kiosk()


@pytest.fixture
def visitor(kiosk: Seller) -> Customer:
    """Somebody who pays by invoice, which nobody does for them."""
    customer: Customer = CustomerFactory(seller=kiosk, name="Vera", email="vera@example.com")
    plan = Plan.objects.get(seller=kiosk, code="te-litet")
    today = today_of(kiosk)
    start = partial(actions.start, customer, plan, as_of=today, actor="test")
    bill_after(start, as_of=today, actor="test")
    return customer


def pass_days(client: Client, kiosk: Seller, days: int) -> Seller:
    answer = client.post("/demo/kiosk/time/?language=sv", {"days": days})
    assert answer.headers["Location"] == "/demo/?language=sv#kiosk"
    return Seller.objects.select_related("test_clock").get(pk=kiosk.pk)


def test_it_is_opened_once(kiosk: Seller) -> None:
    assert open_kiosk() == kiosk
    assert Plan.objects.filter(seller=kiosk).count() == 4


def test_whatever_it_sells_leads_to_a_checkout(kiosk: Seller, client: Client) -> None:
    shown = client.get("/demo/", {"language": "en"}).context["kiosk"]
    assert [plan.code for plan in shown["plans"]] == ["te-litet", "te-stort", "te-ar", "te-prova"]
    for plan in shown["plans"]:
        answer = client.post("/demo/kiosk/buy/", {"plan": plan.code})
        assert plan.name in client.get(answer.headers["Location"]).content.decode()
    assert client.post("/demo/kiosk/buy/", {"plan": "kontor"}).status_code == 404


def test_a_day_that_passes_is_the_shops_alone(kiosk: Seller, client: Client) -> None:
    before = now_of(kiosk)
    kiosk = pass_days(client, kiosk, 7)
    assert now_of(kiosk) == before + timedelta(days=7)
    assert not kiosk.test_clock.is_advancing
    page = client.get("/demo/", {"language": "en"}).content.decode()
    assert f"In this shop it is {today_of(kiosk).day}\N{NO-BREAK SPACE}{today_of(kiosk):%B}" in page


@pytest.mark.parametrize("days", ["0", "8", "-1", "x", ""])
def test_time_passes_by_what_there_are_buttons_for(
    kiosk: Seller, client: Client, days: str
) -> None:
    assert client.post("/demo/kiosk/time/", {"days": days}).status_code == 404


def test_a_button_pressed_while_time_is_on_its_way_changes_nothing(
    kiosk: Seller, client: Client
) -> None:
    to = now_of(kiosk) + timedelta(days=30)
    test_clocks.ask(kiosk.test_clock, to, as_of=today_of(kiosk), actor="test")
    kiosk = pass_days(client, kiosk, 1)
    assert (kiosk.test_clock.advancing_to, kiosk.test_clock.is_advancing) == (to, True)
    assert "Time is passing." in client.get("/demo/", {"language": "en"}).content.decode()


def test_each_mail_is_written_on_the_day_of_what_it_tells(
    kiosk: Seller, visitor: Customer, client: Client
) -> None:
    invoice = visitor.documents.get()
    kiosk = pass_days(client, kiosk, 30)
    kiosk = pass_days(client, kiosk, 7)
    reminded = Event.objects.filter(type="dunning.reminded", seller=kiosk.public_id)
    days = sorted(event.occurred_on for event in reminded)
    assert len(days) >= 1
    assert all(invoice.due_on < day < today_of(kiosk) for day in days)
    mails = Message.objects.filter(customer=visitor, kind="reminder")
    assert sorted(date.fromisoformat(mail.facts["occurred_on"]) for mail in mails) == days
    record_payment(invoice, as_of=today_of(kiosk), actor="test")
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_a_month_at_once_sends_what_each_of_its_days_has_to_say(
    kiosk: Seller, client: Client
) -> None:
    today = today_of(kiosk)
    customer = CustomerFactory(seller=kiosk, email="tore@example.com", language="en")
    plan = Plan.objects.get(seller=kiosk, code="te-prova")
    actions.start(customer, plan, as_of=today, actor="test")
    kiosk = pass_days(client, kiosk, 30)
    mails = Message.objects.filter(customer=customer).order_by("sent_at")
    # The notice would not have been sent after the trial's end.
    assert [(mail.kind, mail.state) for mail in mails] == [
        ("trial_ending", "sent"),
        ("invoice", "sent"),
    ]
    assert invoice_of(customer).issued_on == today + timedelta(days=14)


def invoice_of(customer: Customer) -> Invoice:
    return Invoice.objects.get(customer=customer)


def test_nobody_else_writes_its_mail_while_its_days_are_played(
    kiosk: Seller, visitor: Customer
) -> None:
    post(SIGN_IN, object="sgn_1", customer=visitor, facts={"return_url": ""})
    test_clocks.ask(
        kiosk.test_clock, now_of(kiosk) + timedelta(days=7), as_of=today_of(kiosk), actor="test"
    )
    assert send_due() == 0
    assert send_due(seller=kiosk) == 1


def test_its_customers_are_entered_in_its_own_time(
    kiosk: Seller, visitor: Customer, client: Client
) -> None:
    pass_days(client, kiosk, 30)
    shown = client.get("/demo/").context["kiosk"]["customers"]
    assert list(shown) == [visitor]
    answer = client.post(f"/demo/customers/{visitor.public_id}/", follow=True)
    assert answer.status_code == 200
    assert visitor.name in answer.content.decode()


def test_a_key_to_its_api_opens_what_is_its_own(
    kiosk: Seller, visitor: Customer, client: Client
) -> None:
    made = client.post("/demo/kiosk/key/")
    assert made.headers["Cache-Control"] == "no-store"
    key = made.context["api_key"]
    assert key in made.content.decode()
    listed = Client().get("/api/v1/customers", headers={"Authorization": f"Bearer {key}"})
    assert [one["id"] for one in listed.json()["results"]] == [visitor.public_id]
    assert key not in client.get("/demo/").content.decode()


def test_it_is_not_there_outside_the_demo(kiosk: Seller, client: Client, settings: Any) -> None:
    settings.IN_DEMO = False
    before = now_of(kiosk)
    assert client.post("/demo/kiosk/time/", {"days": "7"}).status_code == 404
    assert client.post("/demo/kiosk/buy/", {"plan": "te-litet"}).status_code == 404
    assert client.post("/demo/kiosk/key/").status_code == 404
    assert now_of(Seller.objects.get(pk=kiosk.pk)) == before
