"""What an operator sees of a change before it is made, and that it then comes to the same."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from billing.events.models import Event
from billing.invoicing.changes import bill_after
from billing.invoicing.models import CreditNote, Invoice
from billing.payments.booking import record_payment
from billing.payments.models import Refund
from billing.payments.paying_out import pay_out_balance
from billing.subscriptions import pausing
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from tests.admin.test_actions import act_url, invoice, offered, re_spaced, subscription
from tests.factories import DAY, PlanFactory, PriceFactory

__all__ = ["invoice", "subscription"]
CHANGED = {"when": "now", "is_credited": "on", "is_prorated": "on"}


@pytest.fixture
def larger(subscription: Subscription) -> Plan:
    """150.00 a month."""
    plan = PlanFactory(
        seller=subscription.seller, product=subscription.plan.product, family="coffee"
    )
    PriceFactory(plan=plan, amount=Decimal(150), name="More coffee")
    return plan


def asked_of(page: Any) -> str:
    return re_spaced(page.content.decode())


def test_a_change_is_shown_and_nothing_is_kept_of_it(
    anna: Client, subscription: Subscription, invoice: Invoice, larger: Plan
) -> None:
    before = Event.objects.count()
    page = anna.post(act_url(subscription, "change"), {"key": "k", "plan": larger.pk, **CHANGED})
    today, following, after = page.context["preview"].documents
    assert today.title == "Today: invoice"
    assert "SEK\xa062.50" in today.total  # 150.00 less 100.00, and 25 % VAT.
    assert [row.what for row in today.rows][-1] == "VAT"
    assert (following.title, str(following.on)) == ("Next bill: invoice", "2026-04-01")
    assert "SEK\xa0187.50" in following.total
    assert str(after.on) == "2026-05-01"
    said = asked_of(page)
    assert "What it comes to" in said and "Show what it comes to" not in said
    assert Event.objects.count() == before
    assert Invoice.objects.count() == 1
    assert not LogEntry.objects.filter(object_id=subscription.pk, change_message__startswith="Ch")


def test_what_was_shown_is_done(
    anna: Client, subscription: Subscription, invoice: Invoice, larger: Plan
) -> None:
    url, asked = act_url(subscription, "change"), {"key": "k", "plan": larger.pk, **CHANGED}
    seen = anna.post(url, asked).context["seen"]
    anna.post(url, {**asked, "seen": seen})
    assert Invoice.objects.latest("pk").total_minor == 62_50


def test_another_choice_than_was_shown_is_shown_first(
    anna: Client, subscription: Subscription, invoice: Invoice, larger: Plan
) -> None:
    url, asked = act_url(subscription, "change"), {"key": "k", "plan": larger.pk, **CHANGED}
    seen = anna.post(url, asked).context["seen"]
    page = anna.post(url, {**asked, "when": "period_end", "seen": seen})
    assert "You chose something other than what was shown." in asked_of(page)
    assert page.context["preview"].documents[0].note == "Nothing is billed or credited."
    assert Invoice.objects.count() == 1


def test_what_comes_to_something_else_by_now_is_not_done(
    anna: Client, subscription: Subscription, invoice: Invoice, larger: Plan
) -> None:
    url, asked = act_url(subscription, "change"), {"key": "k", "plan": larger.pk, **CHANGED}
    seen = anna.post(url, asked).context["seen"]
    larger.prices.update(amount=Decimal(250))
    page = anna.post(url, {**asked, "seen": seen})
    assert "has changed since it was shown" in asked_of(page)
    assert "SEK\xa0187.50" in page.context["preview"].documents[0].total
    assert Invoice.objects.count() == 1
    anna.post(url, {**asked, "seen": page.context["seen"]})
    assert Invoice.objects.latest("pk").total_minor == 187_50


@pytest.mark.parametrize(
    ("name", "asked", "title"),
    [
        ("pause", {"unused": "credit"}, "Today: credit note"),
        ("pause", {"unused": "keep"}, "Today"),
        ("cancel", {"when": "now", "is_credited": "on"}, "Today: credit note"),
        ("cancel", {"when": "period_end"}, "Today"),
    ],
)
def test_a_pause_and_an_end_say_what_they_give_back(
    anna: Client, subscription: Subscription, invoice: Invoice, name: str, asked: Any, title: str
) -> None:
    page = anna.post(act_url(subscription, name), {"key": "k", **asked})
    today = page.context["preview"].documents[0]
    assert today.title == title
    assert ("goes to the customer" in today.note) == (title != "Today")
    assert not CreditNote.objects.exists()


def test_what_goes_back_of_the_balance_is_shown_and_no_other_sum_is_paid(
    anna: Client, subscription: Subscription, invoice: Invoice
) -> None:
    record_payment(invoice, as_of=DAY, actor="test")
    pause = partial(pausing.pause, subscription, as_of=DAY, actor="test", unused="credit")
    bill_after(pause, as_of=DAY, actor="test")
    asked = {"key": "k", "when": "now", "is_credited": "on", "is_refunded": "on"}
    url = act_url(subscription, "cancel")
    page = anna.post(url, asked)
    paid_back = page.context["preview"].documents[1]
    assert paid_back.title == "Today: paid back from the balance"
    assert "SEK\xa0125.00" in paid_back.total
    customer = subscription.customer
    pay_out_balance(customer, currency="SEK", amount_minor=25_00, as_of=DAY, actor="test")
    again = anna.post(url, {**asked, "seen": page.context["seen"]})
    assert "has changed since it was shown" in asked_of(again)
    assert "SEK\xa0100.00" in again.context["preview"].documents[1].total
    anna.post(url, {**asked, "seen": again.context["seen"]})
    assert [each.amount_minor for each in Refund.objects.order_by("pk")] == [25_00, 100_00]


def test_what_is_refused_shows_no_preview(anna: Client, subscription: Subscription) -> None:
    page = anna.post(
        act_url(subscription, "cancel"), {"key": "k", "when": "date", "on": "2026-02-01"}
    )
    assert "preview" not in page.context
    assert "1 February 2026 has passed." in asked_of(page)


def test_a_planned_change_is_undone_by_a_button_that_is_there_as_long_as_it_is_planned(
    anna: Client, subscription: Subscription, invoice: Invoice, larger: Plan
) -> None:
    label, url = "Undo planned change", act_url(subscription, "undo-change")
    assert label not in offered(anna, subscription)
    asked = {"key": "k", "plan": larger.pk, **CHANGED, "when": "period_end"}
    change = act_url(subscription, "change")
    anna.post(change, {**asked, "seen": anna.post(change, asked).context["seen"]})
    assert label in offered(anna, subscription)
    page = anna.get(url)  # Nothing is asked, so what it comes to stands there at once.
    assert "SEK\xa0125.00" in page.context["preview"].documents[1].total
    anna.post(url, {"key": "l", "seen": page.context["seen"]})
    assert label not in offered(anna, subscription)
    assert subscription.items.get().ends_on is None
