"""What operators do: each action's way through, its refusal, who may, and the trace it leaves."""

import itertools
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from billing.api.keys import make_key
from billing.api.models import ApiKey
from billing.base import clock
from billing.base.sealing import seal
from billing.checkout.models import Order
from billing.checkout.offers import find_order
from billing.desk.model_admin import Desk
from billing.events.models import Event, Trouble
from billing.invoicing.models import BalanceEntry, CreditNote, CustomerBalance, Invoice, OneOffItem
from billing.jobs.models import JobRun
from billing.ledger.models import Account, Transfer
from billing.mail.actions import post
from billing.mail.models import Message
from billing.mail.words.bills import INVOICE
from billing.outbound.models import Hold, KillSwitch
from billing.payments.models import Payment, Refund
from billing.staff.admin import ForSuperusers
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.webhooks.actions import new_secret
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from catalog.models import Plan
from customers.models import Customer, Seller
from dunning.cases import note_failure
from dunning.models import DunningCase
from tests.admin.conftest import Rows
from tests.factories import (
    CouponFactory,
    CustomerFactory,
    PaymentFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)

# Those that a permission opens; what only superusers do is tested with signing in.
ACTIONS = [
    (model, action)
    for model, page in admin.site._registry.items()
    if isinstance(page, Desk) and not isinstance(page, ForSuperusers)
    for action in page.page_actions
]
KEYS = itertools.count()
every_action = pytest.mark.parametrize(
    ("model", "action"), ACTIONS, ids=lambda each: getattr(each, "name", each.__class__.__name__)
)


def act_url(obj: Model, name: str) -> str:
    options = obj._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_act", args=[obj.pk, name])


def page_url(obj: Model) -> str:
    options = obj._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[obj.pk])


def act(client: Client, obj: Model, name: str, **asked: Any) -> str:
    """Send an action's form and return what the page then says: done, or why not.

    What is shown before it is done is seen, and sent once more.
    """
    sent = {"key": f"k{next(KEYS)}", **asked}
    page = client.post(act_url(obj, name), sent, follow=True)
    if not page.redirect_chain and "preview" in page.context:
        sent |= {"seen": page.context["seen"]}
        page = client.post(act_url(obj, name), sent, follow=True)
    assert page.status_code == 200
    if page.redirect_chain:
        return plain(" ".join(str(message) for message in page.context["messages"]))
    form = page.context["form"]
    errors = [error for errors in form.errors.values() for error in errors]
    return plain(f"REFUSED {' '.join(errors)}")


def plain(text: str) -> str:
    """With spaces that may break a line, as one writes them in a test."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def offered(client: Client, obj: Model) -> list[str]:
    """The titles of the buttons on an object's page, those behind “More” too."""
    buttons = client.get(page_url(obj)).context["actions_detail"]
    return [each["title"] for button in buttons for each in button.get("items", [button])]


@pytest.fixture
def subscription(db: None) -> Subscription:
    """100.00 a month from today, in a seller that has its accounts; not yet billed."""
    seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    plan = PlanFactory(seller=seller, family="coffee")
    PriceFactory(plan=plan, name="Coffee", model="per_unit")
    return SubscriptionFactory(customer=CustomerFactory(seller=seller), plan=plan)


@pytest.fixture
def customer(subscription: Subscription) -> Customer:
    return subscription.customer


@pytest.fixture
def invoice(anna: Client, subscription: Subscription) -> Invoice:
    """Issued today: 100.00 and 25 % VAT."""
    assert "Issued invoice" in act(anna, subscription, "bill")
    return Invoice.objects.get()


@pytest.fixture
def objects(subscription: Subscription, invoice: Invoice) -> Mapping[type[Model], Model]:
    at = clock.now()
    run = JobRun.objects.create(name="sweep", state="done", started_at=at, beat_at=at)
    customer = subscription.customer
    payment = PaymentFactory(customer=customer, state="submitted", received_on=None)
    case = note_late(invoice)
    made = {Subscription: subscription, Customer: customer, Invoice: invoice, JobRun: run}
    message = post(INVOICE, object=invoice.public_id, customer=customer, facts={})
    key, _ = make_key(subscription.seller, name="Shop", actor="user:anna")
    made |= {Payment: payment, DunningCase: case, Plan: subscription.plan, Message: message}
    trouble = Trouble.objects.create(
        step="bill", subject="one", first_seen_at=at, last_seen_at=at, next_attempt_at=at
    )
    made |= {Seller: subscription.seller, ApiKey: key}
    made |= {Trouble: trouble, Refund: owed_by_hand(invoice)}
    waiting = OneOffItem.objects.create(
        seller=subscription.seller,
        customer=customer,
        currency="SEK",
        amount_minor=100,
        description="Mug",
        due_on=invoice.issued_on,
    )
    entry = BalanceEntry.objects.create(
        customer=customer, currency="SEK", amount_minor=100, effective_on=invoice.issued_on
    )
    made |= {OneOffItem: waiting, BalanceEntry: entry}
    made |= {Hold: let_go(Hold, at), KillSwitch: let_go(KillSwitch, at)}
    return made | webhooks_of(subscription.seller)


def let_go(kind: type[Hold | KillSwitch], at: datetime) -> Model:
    """What once stood still and goes on, so that nothing here waits for it."""
    if kind is Hold:
        return Hold.objects.create(code="clock_jumped", reason="x", released_at=at, released_by="x")
    return KillSwitch.objects.create(reason="x", on_by="x", on_at=at, off_at=at, off_by="x")


def owed_by_hand(invoice: Invoice) -> Refund:
    """A refund of money that came by bank, which somebody has to pay."""
    payment = PaymentFactory(customer=invoice.customer, amount_minor=100)
    return Refund.objects.create(
        payment=payment, invoice=invoice, amount_minor=100, refunded_on=invoice.issued_on
    )


def webhooks_of(seller: Seller) -> dict[type[Model], Model]:
    """An endpoint that was turned off, and what was given up for it."""
    endpoint = WebhookEndpoint.objects.create(
        seller=seller.public_id,
        is_live=False,
        url="https://shop.example/hooks",
        types=["*"],
        is_enabled=False,
        disabled_reason="It took nothing for three days.",
        secret_sealed=seal(new_secret()),
    )
    event = Event.objects.filter(seller=seller.public_id).latest("pk")
    delivery = WebhookDelivery.objects.create(
        event=event,
        endpoint=endpoint,
        subject=event.subject,
        sequence=1,
        state="dead",
        next_attempt_at=clock.now(),
    )
    return {WebhookEndpoint: endpoint, WebhookDelivery: delivery}


def note_late(invoice: Invoice) -> DunningCase:
    """A case of an invoice whose payment has failed."""
    note_failure(invoice, invoice.issued_on, "test")
    return DunningCase.objects.get(invoice=invoice)


# Who may


@every_action
def test_who_may_look_may_not_act(bo: Client, objects: Any, model: Any, action: Any) -> None:
    before = Event.objects.count()
    assert bo.get(act_url(objects[model], action.name)).status_code == 403
    assert bo.post(act_url(objects[model], action.name), {"key": "k"}).status_code == 403
    assert (
        act_url(objects[model], action.name)
        not in bo.get(page_url(objects[model])).content.decode()
    )
    assert Event.objects.count() == before


@every_action
def test_one_permission_opens_one_action(bo: Client, objects: Any, model: Any, action: Any) -> None:
    app, _, codename = action.permission.partition(".")
    found = Permission.objects.get(content_type__app_label=app, codename=codename)
    User.objects.get(username="bo").user_permissions.add(found)
    assert bo.get(act_url(objects[model], action.name)).status_code == 200
    for other_model, other in ACTIONS:
        if other.permission != action.permission:
            assert bo.get(act_url(objects[other_model], other.name)).status_code == 403


@every_action
def test_who_may_not_look_may_not_act_either(
    client: Client, objects: Any, model: Any, action: Any
) -> None:
    user = User.objects.create_user("cleo", is_staff=True)
    app, _, codename = action.permission.partition(".")
    user.user_permissions.add(
        Permission.objects.get(content_type__app_label=app, codename=codename)
    )
    client.force_login(user)
    may_look = codename.startswith("change_")  # To Django, whoever may change may look.
    # Asked for more (200), or done (302).
    expected = {200, 302} if may_look else {403}
    assert client.post(act_url(objects[model], action.name), {"key": "k"}).status_code in expected


@every_action
def test_asking_does_nothing(anna: Client, objects: Any, model: Any, action: Any) -> None:
    before = Event.objects.count()
    page = anna.get(act_url(objects[model], action.name))
    assert page.status_code == 200
    assert escape(str(action.explanation)) in page.content.decode()
    assert Event.objects.count() == before


@every_action
def test_a_form_from_elsewhere_is_refused(objects: Any, model: Any, action: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="anna"))
    assert client.post(act_url(objects[model], action.name), {"key": "k"}).status_code == 403


def test_an_unknown_action_or_object_is_not_found(anna: Client, subscription: Subscription) -> None:
    assert anna.get(act_url(subscription, "explode")).status_code == 404
    subscription.pk = 999_999
    assert anna.get(act_url(subscription, "bill")).status_code == 404


# The trace


def test_an_action_names_the_operator_in_the_event_and_the_log(
    anna: Client, customer: Customer
) -> None:
    told = act(anna, customer, "give-credit", currency="SEK", amount="25", description="Sorry")
    assert told == "Gave a credit of SEK 25.00."
    assert Event.objects.get(type="balance.credited").actor == "user:anna"
    entry = LogEntry.objects.get()
    assert entry.change_message.startswith("Gave a credit of 25.00 SEK.")
    assert (entry.user.username, entry.object_id) == ("anna", str(customer.pk))


def test_a_refused_action_leaves_no_trace(anna: Client, customer: Customer) -> None:
    told = act(anna, customer, "give-credit", currency="SEK", amount="0", description="Sorry")
    assert told == "REFUSED A credit must be above zero."
    assert not LogEntry.objects.exists()
    assert not CustomerBalance.objects.exists()


def test_a_form_that_is_sent_twice_is_done_once(anna: Client, customer: Customer) -> None:
    asked = {"currency": "SEK", "amount": "25", "description": "Sorry", "key": "once"}
    act(anna, customer, "give-credit", **asked)
    assert "sent twice" in act(anna, customer, "give-credit", **asked)
    assert CustomerBalance.objects.get().balance_minor == 2500
    act(anna, customer, "give-credit", **{**asked, "key": "again"})
    assert CustomerBalance.objects.get().balance_minor == 5000


def test_an_amount_with_too_many_decimals_is_a_mistake_to_report(
    anna: Client, customer: Customer
) -> None:
    CustomerBalance.objects.create(customer=customer, currency="JPY")
    asked = {"amount": "25.005", "description": "Sorry"}
    assert "more than the 2 decimals" in act(anna, customer, "give-credit", currency="SEK", **asked)
    assert "more than the 0 decimals" in act(
        anna, customer, "give-credit", currency="JPY", **{**asked, "amount": "25.5"}
    )


# Customers


def test_a_one_off_item_goes_on_the_next_document(anna: Client, customer: Customer) -> None:
    told = act(anna, customer, "add-one-off", currency="SEK", amount="-10.5", description="Sorry")
    assert told == "“Sorry”, \N{MINUS SIGN}SEK 10.50, is billed with the next bill."
    assert "Issued invoice" in act(anna, customer, "bill")
    item = OneOffItem.objects.get()
    assert item.amount_minor == -1050
    assert item.line is not None
    assert act(anna, customer, "bill") == "Nothing is due."


def test_a_one_off_item_is_booked_on_an_account_of_the_sellers_products(
    anna: Client, customer: Customer
) -> None:
    asked = {"currency": "SEK", "amount": "100", "description": "Mug"}
    refused = act(anna, customer, "add-one-off", **asked, revenue_account="3051")
    assert refused.startswith("REFUSED Select a valid choice")
    ProductFactory(seller=customer.seller, revenue_account="3051")
    act(anna, customer, "add-one-off", **asked, revenue_account="3051")
    act(anna, customer, "bill")
    booked = Transfer.objects.filter(credit_account__role="revenue", amount_minor=10_000)
    assert "3051" in booked.values_list("credit_account__number", flat=True)


def test_a_one_off_item_of_nothing_is_refused(anna: Client, customer: Customer) -> None:
    told = act(anna, customer, "add-one-off", currency="SEK", amount="0", description="x")
    assert told == "REFUSED A one-off item of nothing cannot be billed."


def test_a_one_off_item_belongs_to_the_customers_own_subscription(
    anna: Client, customer: Customer
) -> None:
    other = SubscriptionFactory()
    asked = {"currency": "SEK", "amount": "1", "description": "x", "subscription": other.pk}
    assert act(anna, customer, "add-one-off", **asked).startswith("REFUSED Select a valid choice")


def test_a_subscription_starts_and_is_billed(anna: Client, customer: Customer) -> None:
    plan = Plan.objects.get()
    told = act(anna, customer, "start-subscription", plan=plan.pk)
    assert told.startswith(f"Started {plan}. Issued invoice")
    assert customer.subscriptions.count() == 2


def test_a_subscription_to_another_sellers_plan_is_refused(
    anna: Client, customer: Customer
) -> None:
    other = PriceFactory().plan
    told = act(anna, customer, "start-subscription", plan=other.pk)
    assert told.startswith("REFUSED Select a valid choice")


def test_a_coupon_is_given_to_a_customer_once(anna: Client, customer: Customer) -> None:
    coupon = CouponFactory(seller=customer.seller)
    assert act(anna, customer, "give-coupon", coupon=coupon.pk) == f"Gave the coupon {coupon}."
    assert CouponRedemption.objects.get().subscription is None
    told = act(anna, customer, "give-coupon", coupon=coupon.pk)
    assert told == f"REFUSED The coupon {coupon} is already there."


def test_a_coupon_that_would_take_nothing_off_is_refused_in_words(
    anna: Client, subscription: Subscription, customer: Customer
) -> None:
    other = CouponFactory(seller=customer.seller, plans=["another"])
    euro = CouponFactory(seller=customer.seller, amount=True, currency="EUR")
    for owner in (subscription, customer):
        for coupon in (other, euro):
            told = act(anna, owner, "give-coupon", coupon=coupon.pk)
            assert told.startswith(f"REFUSED The coupon {coupon} is "), told
            assert "would take nothing off" in told
    assert not CouponRedemption.objects.exists()


# Subscriptions


def test_a_change_of_quantity_is_billed_at_once(
    anna: Client, subscription: Subscription, invoice: Invoice
) -> None:
    told = act(
        anna,
        subscription,
        "change",
        **{"quantity:base": "3", "when": "now", "is_credited": "on", "is_prorated": "on"},
    )
    assert told.startswith("Changed. Issued invoice")
    assert told.endswith("of SEK 250.00.")


def test_a_change_of_plan_is_billed_at_once(
    anna: Client, subscription: Subscription, invoice: Invoice
) -> None:
    plan = PlanFactory(
        seller=subscription.seller, product=subscription.plan.product, family="coffee"
    )
    PriceFactory(plan=plan, amount=Decimal(150))
    asked = {"when": "now", "is_credited": "on", "is_prorated": "on"}
    assert act(anna, subscription, "change", plan=plan.pk, **asked).startswith("Changed. Issued")
    subscription.refresh_from_db()
    assert subscription.plan == plan


def test_a_change_of_nothing_or_on_no_day_is_asked_again(
    anna: Client, subscription: Subscription
) -> None:
    assert "Choose a plan or enter" in act(anna, subscription, "change", when="now")
    assert "Choose the day" in act(
        anna, subscription, "change", **{"when": "date", "quantity:base": "2"}
    )


def test_the_plan_that_is_there_brings_its_new_price_or_is_refused_in_words(
    anna: Client, subscription: Subscription, invoice: Invoice
) -> None:
    same = {"plan": subscription.plan_id, "when": "now", "is_credited": "on", "is_prorated": "on"}
    told = act(anna, subscription, "change", **same)
    assert told.startswith("REFUSED Nothing would change")
    assert not Event.objects.filter(type="subscription.changed").exists()
    subscription.plan.prices.update(is_active=False)
    price = PriceFactory(
        plan=subscription.plan, name="Coffee", model="per_unit", amount=Decimal(150)
    )
    assert act(anna, subscription, "change", **same).startswith("Changed. Issued invoice")
    assert subscription.items.get(ends_on=None).price == price


@pytest.mark.parametrize(
    "quantity", ["-1", "1" + "0" * 13, "9" * 30, "0.00000000001", "NaN", "1e20"]
)
def test_a_quantity_that_nobody_means_is_refused_beside_its_field(
    anna: Client, subscription: Subscription, quantity: str
) -> None:
    asked = {"when": "now", "quantity:base": quantity}
    told = act(anna, subscription, "change", **asked)
    assert told.startswith("REFUSED ") and "_" not in told
    assert not Event.objects.filter(type="subscription.changed").exists()


def test_a_change_in_the_past_is_refused(anna: Client, subscription: Subscription) -> None:
    asked = {"when": "date", "on": "2026-02-01", "quantity:base": "2", "is_prorated": "on"}
    assert act(anna, subscription, "change", **asked) == "REFUSED 1 February 2026 has passed."


def test_a_pause_credits_and_a_resumption_bills(
    anna: Client, subscription: Subscription, invoice: Invoice
) -> None:
    told = act(anna, subscription, "pause", unused="credit")
    assert told.startswith("Paused. Issued credit note")
    assert act(anna, subscription, "pause", unused="credit") == ("REFUSED It is already paused.")
    assert act(anna, subscription, "resume").startswith("Resumed.")
    assert act(anna, subscription, "resume") == "REFUSED It is not paused."


def test_a_cancellation_can_be_undone(anna: Client, subscription: Subscription) -> None:
    told = act(anna, subscription, "cancel", when="period_end", is_usage_billed="on")
    assert told.startswith("Canceled from 1 April 2026.")
    assert act(anna, subscription, "undo-cancel").startswith("The subscription continues.")
    assert act(anna, subscription, "undo-cancel") == ("REFUSED There is no cancellation to undo.")


def test_a_subscription_gets_a_reference_of_its_own_and_loses_it(
    anna: Client, subscription: Subscription
) -> None:
    told = act(anna, subscription, "change-reference", reference="PO 7")
    assert told == "Its documents bear “PO 7”."
    subscription.refresh_from_db()
    assert subscription.buyer_reference == "PO 7"
    assert act(anna, subscription, "change-reference") == "They bear the customer's."


def test_canceling_now_with_credit_issues_a_credit_note(
    anna: Client, subscription: Subscription, invoice: Invoice
) -> None:
    told = act(anna, subscription, "cancel", when="now", is_credited="on")
    assert told.startswith("Canceled from 1 March 2026. Issued credit note")
    assert act(anna, subscription, "cancel", when="now") == ("REFUSED It ended on 1 March 2026.")


def test_buttons_fit_the_state(anna: Client, subscription: Subscription) -> None:
    assert offered(anna, subscription) == [
        *("Change plan or quantity", "Pause", "Give coupon", "Change the buyer's reference"),
        *("Bill now", "Cancel"),
    ]
    act(anna, subscription, "pause", unused="keep")
    act(anna, subscription, "cancel", when="period_end")
    now = offered(anna, subscription)
    assert {"Resume", "Undo cancel"} <= set(now)
    assert not {"Pause", "Cancel"} & set(now)


# Parked subscriptions


@pytest.fixture
def parked(subscription: Subscription) -> Subscription:
    Subscription.objects.filter(pk=subscription.pk).update(parked_reason="No tax rate was known.")
    return subscription


@pytest.fixture
def hopeless(db: None) -> Subscription:
    """Parked for want of a tax rate, which is still missing."""
    return SubscriptionFactory(parked_reason="No tax rate was known.")


def try_again(
    client: Client, *chosen: Subscription, listed: str = "?work=parked", **more: str
) -> Any:
    return client.post(
        reverse("admin:subscriptions_subscription_changelist") + listed,
        {
            "action": "try-again",
            "_selected_action": [subscription.pk for subscription in chosen],
            **more,
        },
        follow=True,
    )


def test_trying_again_asks_first(anna: Client, parked: Subscription) -> None:
    page = try_again(anna, parked)
    assert "Chosen: 1." in re_spaced(page.content.decode())
    assert not Invoice.objects.exists()


def re_spaced(text: str) -> str:
    return " ".join(text.split())


def test_trying_again_bills_and_reports_each_refusal(
    anna: Client, parked: Subscription, hopeless: Subscription
) -> None:
    page = try_again(anna, parked, hopeless, confirmed="yes")
    told = [str(message) for message in page.context["messages"]]
    assert told[0] == "Try again: 1 of 2 done."
    assert told[1].startswith(f"{hopeless}: ")
    assert "There is no standard tax rate for SE" in told[1]
    parked.refresh_from_db()
    hopeless.refresh_from_db()
    assert parked.parked_reason == ""
    assert hopeless.parked_reason
    assert Invoice.objects.get().customer == parked.customer
    assert LogEntry.objects.get().object_id == str(parked.pk)


def test_a_button_for_many_leaves_those_alone_that_it_is_not_offered_for(
    anna: Client, parked: Subscription
) -> None:
    healthy = SubscriptionFactory()
    asked = re_spaced(try_again(anna, parked, healthy, listed="").content.decode())
    assert "Chosen: 1." in asked and "this does not apply to them: 1." in asked
    assert f'value="{parked.pk}"' in asked and f'value="{healthy.pk}"' not in asked
    page = try_again(anna, parked, healthy, listed="", confirmed="yes")
    assert [str(message) for message in page.context["messages"]] == ["Try again: 1 of 1 done."]
    assert Invoice.objects.get().customer == parked.customer
    page = try_again(anna, healthy, listed="")
    (said,) = page.context["messages"]
    assert str(said) == "Try again: this applies to none of those chosen."


@pytest.mark.parametrize("state", ["sent", "waiting", "print"])
def test_a_mail_that_cannot_be_sent_again_is_not_among_those_that_are(
    anna: Client, rows: Rows, state: str
) -> None:
    failed = rows[Message]
    other = Message.objects.create(
        seller=failed.seller,
        customer=failed.customer,
        kind="receipt",
        object="pay_other",
        recipient=failed.recipient,
        state=state,
        sent_at=clock.now() if state == "sent" else None,
    )
    sent = {"action": "send-again", "_selected_action": [failed.pk, other.pk]}
    address = reverse("admin:mail_message_changelist")
    asked = re_spaced(anna.post(address, sent).content.decode())
    assert "Chosen: 1." in asked and f'value="{other.pk}"' not in asked
    told = anna.post(address, sent | {"confirmed": "yes"}, follow=True).context["messages"]
    assert [str(message) for message in told] == ["Send again: 1 of 1 done."]
    other.refresh_from_db()
    assert other.state == state


def test_trying_again_needs_its_permission(bo: Client, parked: Subscription) -> None:
    try_again(bo, parked, confirmed="yes")
    assert not Invoice.objects.exists()


def test_too_many_at_a_time_are_refused(
    anna: Client, parked: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.desk.model_admin.BULK_MAX", 0)
    page = try_again(anna, parked, confirmed="yes")
    assert [str(message) for message in page.context["messages"]] == ["Choose at most 0 at a time."]


def test_one_parked_subscription_is_tried_again_on_its_page(
    anna: Client, parked: Subscription
) -> None:
    assert offered(anna, parked)[0] == "Try again"
    assert "Issued invoice" in act(anna, parked, "try-again")
    parked.refresh_from_db()
    assert parked.parked_reason == ""


# Invoices


def test_a_payment_is_recorded_once(anna: Client, invoice: Invoice) -> None:
    told = act(anna, invoice, "record-payment", amount="125", reference="BG 1")
    assert told == "Recorded a payment of SEK 125.00."
    assert Payment.objects.get().amount_minor == 12_500
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    told = act(anna, invoice, "record-payment", amount="125", reference="BG 2")
    assert told == f"REFUSED {invoice} is paid: there is nothing to pay."


def test_a_payment_is_offered_with_what_is_left(anna: Client, invoice: Invoice) -> None:
    act(anna, invoice, "record-payment", amount="25.50")
    page = anna.get(act_url(invoice, "record-payment")).content.decode()
    assert 'name="amount" value="99.50"' in page


def test_money_by_bank_is_given_back_when_somebody_says_so(anna: Client, invoice: Invoice) -> None:
    act(anna, invoice, "record-payment", amount="125")
    told = act(anna, invoice, "give-back", amount="40", reason="Late")
    note = CreditNote.objects.get()
    assert told.startswith(f"Issued credit note {note} of SEK 40.00. Somebody must pay it")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.left_minor, note.reason) == ("paid", 0, "Late")
    refund = Refund.objects.get()
    assert (refund.state, refund.paid_on) == ("owed", None)
    front = anna.get(reverse("admin:index")).content.decode()
    assert "Money to pay back" in front
    assert act(anna, refund, "note-account", to_account="5000-123").endswith("5000-123.")
    assert act(anna, refund, "mark-paid", paid_on="2999-01-01").startswith("REFUSED")
    told = act(anna, refund, "mark-paid", paid_on=str(clock.today("UTC")), reference="BG 9")
    assert told == "Paid back SEK 40.00."
    refund.refresh_from_db()
    assert (refund.state, refund.paid_by, refund.reference) == ("succeeded", "user:anna", "BG 9")
    assert act(anna, refund, "mark-paid", paid_on=str(clock.today("UTC"))).startswith("REFUSED")
    assert act(anna, invoice, "give-back", amount="86").startswith("REFUSED Only SEK 85.00")


def test_a_payment_that_bounced_is_owed_again_and_nobody_pays_it(
    anna: Client, invoice: Invoice
) -> None:
    act(anna, invoice, "record-payment", amount="125")
    assert act(anna, invoice, "reopen", amount="125").endswith("is owed again.")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.left_minor) == ("open", 12_500)
    assert not Refund.objects.filter(state="owed").exists()
    assert not Event.objects.filter(type="refund.succeeded").exists()
    assert act(anna, invoice, "reopen", amount="1").startswith("REFUSED Only SEK 0.00")


def test_a_payment_that_the_bank_took_back_pays_nothing_any_more(
    anna: Client, invoice: Invoice
) -> None:
    act(anna, invoice, "record-payment", amount="125")
    payment = Payment.objects.get()
    today = str(clock.today("UTC"))
    assert act(anna, payment, "returned", returned_on="2999-01-01").startswith("REFUSED")
    told = act(anna, payment, "returned", returned_on=today)
    assert told == "SEK 125.00 has come back, and is owed again."
    invoice.refresh_from_db()
    assert (invoice.status, invoice.left_minor) == ("open", 12_500)
    assert act(anna, payment, "returned", returned_on=today).endswith(
        "is returned: nothing of it can come back."
    )


def test_what_somebody_has_looked_at_leaves_the_front_page(anna: Client, invoice: Invoice) -> None:
    payment = PaymentFactory(customer=invoice.customer, attention="Look here.")
    assert act(anna, payment, "looked-at") == f"Nobody needs to look at {payment} any more."
    payment.refresh_from_db()
    assert payment.attention == ""
    assert act(anna, payment, "looked-at").startswith("REFUSED")
    waiting = PaymentFactory(
        customer=invoice.customer, state="unknown", received_on=None, attention="No answer."
    )
    assert act(anna, waiting, "looked-at").startswith("REFUSED")


def test_what_a_gateway_has_is_not_said_to_be_back_by_hand(anna: Client, invoice: Invoice) -> None:
    payment = PaymentFactory(customer=invoice.customer, gateway="sandbox", gateway_id="ch_1")
    assert "Mark as returned" not in offered(anna, payment)
    told = act(anna, payment, "returned", returned_on=str(clock.today("UTC")))
    assert told.startswith("REFUSED")


def test_a_credit_note_corrects_the_invoice(anna: Client, invoice: Invoice) -> None:
    told = act(anna, invoice, "credit", amount="25", to="balance")
    note = CreditNote.objects.get()
    assert told == f"Issued credit note {note} of SEK 25.00."
    page = anna.get(page_url(invoice)).content.decode()
    assert page_url(note) in page
    told = act(anna, invoice, "credit", amount="100.01", to="balance")
    assert told.startswith("REFUSED Only SEK 100.00")


def test_an_invoice_is_voided_with_its_reason(anna: Client, invoice: Invoice) -> None:
    assert act(anna, invoice, "void", reason="Wrong buyer") == f"Voided {invoice}."
    invoice.refresh_from_db()
    assert (invoice.status, invoice.reason) == ("void", "Wrong buyer")
    assert act(anna, invoice, "void").startswith("REFUSED")


def test_a_paid_invoice_is_not_voided(anna: Client, invoice: Invoice) -> None:
    act(anna, invoice, "record-payment", amount="125")
    assert "is paid or credited in part" in act(anna, invoice, "void")


def test_what_is_not_expected_any_more_is_written_off(anna: Client, invoice: Invoice) -> None:
    assert act(anna, invoice, "write-off", reason="Bankrupt") == f"Wrote off {invoice}."
    page = anna.get(page_url(invoice)).content.decode()
    assert "Bankrupt" in page
    loss = Account.objects.get(seller=invoice.seller, role="bad_debt")
    assert page_url(loss) in page


def test_the_page_of_an_invoice_explains_it(anna: Client, invoice: Invoice) -> None:
    page = re_spaced(anna.get(page_url(invoice)).content.decode())
    assert "1 March 2026 – 31 March 2026" in page
    assert "SEK 125.00" in page
    assert "25 %" in page
    assert offered(anna, invoice) == ["PDF", "Record payment", "Credit", "Write off", "Void"]


def test_the_pdf_opens(anna: Client, bo: Client, client: Client, invoice: Invoice) -> None:
    url = reverse("admin:invoicing_invoice_pdf", args=[invoice.pk])
    for browser in (anna, bo):
        page = browser.get(url)
        assert page.content.startswith(b"%PDF-")
        assert page.headers["Content-Disposition"] == f'inline; filename="{invoice}.pdf"'
    client.force_login(User.objects.create_user("cleo", is_staff=True))
    assert client.get(url).status_code == 403
    assert anna.get(reverse("admin:invoicing_invoice_pdf", args=[999_999])).status_code == 404


# Checkout links


def test_a_checkout_link_is_shown_once_and_not_in_the_history(
    anna: Client, subscription: Subscription
) -> None:
    plan = subscription.plan
    told = act(anna, plan, "checkout-link", currency="SEK")
    address = told.split()[-1]
    order = Order.objects.get()
    assert find_order(address.rstrip("/").rpartition("/")[2]) == order
    assert (order.plan, order.currency) == (plan, "SEK")
    assert LogEntry.objects.filter(change_message__contains=order.public_id).exists()
    assert not LogEntry.objects.filter(change_message__contains="/pay/c/").exists()
    assert "/pay/c/" not in anna.get(page_url(plan)).content.decode()


def test_a_plan_that_is_withdrawn_gets_no_checkout_link(
    anna: Client, subscription: Subscription
) -> None:
    Plan.objects.filter(pk=subscription.plan_id).update(is_active=False)
    assert "no longer offered" in act(anna, subscription.plan, "checkout-link", currency="SEK")
    assert not Order.objects.exists()


def _asks_again(client: Client, obj: Model, name: str, **asked: Any) -> bool:
    """Whether the form comes back with a box to tick, unticked, and nothing was done."""
    page = client.post(act_url(obj, name), {"key": f"k{next(KEYS)}", **asked})
    box = page.context["form"]["is_confirmed"]
    return not box.is_hidden and not box.value() and str(box) in page.content.decode()


def test_what_is_unusual_is_asked_again_and_done_once_it_is_confirmed(
    anna: Client, invoice: Invoice
) -> None:
    customer, much = invoice.customer, {"currency": "SEK", "amount": "20000", "description": "Oops"}
    for name in ("give-credit", "add-one-off"):
        assert _asks_again(anna, customer, name, **much)
        assert "REFUSED" not in act(anna, customer, name, is_confirmed="on", **much)
    assert OneOffItem.objects.get().amount_minor == 2_000_000


def test_an_empty_amount_on_credit_asks_whether_all_is_meant(
    anna: Client, invoice: Invoice
) -> None:
    assert _asks_again(anna, invoice, "credit", to="balance")
    assert not CreditNote.objects.exists()
    assert "Issued credit note" in act(anna, invoice, "credit", to="balance", is_confirmed="on")


def test_goodwill_is_taken_back_and_what_waits_removed_on_their_pages(
    anna: Client, invoice: Invoice
) -> None:
    act(anna, invoice.customer, "add-one-off", currency="SEK", amount="10", description="Mug")
    item = OneOffItem.objects.get()
    act(anna, item, "remove")
    assert not OneOffItem.objects.exists()
    act(anna, invoice.customer, "give-credit", currency="SEK", amount="500", description="Sorry")
    entry = BalanceEntry.objects.filter(amount_minor=50_000).get()
    # 125.00 of it has paid the open invoice.
    assert "REFUSED" in act(anna, entry, "take-back")
    act(anna, invoice.customer, "give-credit", currency="SEK", amount="5", description="Sorry")
    assert "Took back" in act(anna, BalanceEntry.objects.latest("id"), "take-back")


def test_the_page_of_a_live_seller_lists_what_it_misses(anna: Client) -> None:
    seller = SellerFactory(is_live=True, city="", bankgiro="", iban="", bic="")
    page = anna.get(page_url(seller)).content.decode()
    assert 'href="#id_city"' in page
    assert 'href="#id_bankgiro"' in page
    assert "Missing before it may issue invoices" in page
    front = anna.get(reverse("admin:index")).content.decode()
    assert "Live sellers that may not issue invoices" in front


def test_one_payment_is_recorded_for_several_invoices_on_its_day(
    anna: Client, subscription: Subscription, invoice: Invoice
) -> None:
    customer = invoice.customer
    act(anna, customer, "add-one-off", currency="SEK", amount="40", description="Mug")
    assert "Issued invoice" in act(anna, customer, "bill")
    other = Invoice.objects.latest("id")
    asked = {"currency": "SEK", "amount": "", "received_on": "", invoice.public_id: "125"}
    told = act(anna, customer, "record-payment", **asked, **{other.public_id: "20"})
    assert told == "Recorded a payment of SEK 145.00 for 2 invoices."
    other.refresh_from_db()
    assert (other.status, other.paid_minor) == ("open", 2000)
    assert act(anna, customer, "record-payment", currency="SEK").startswith(
        "REFUSED Enter how much"
    )
