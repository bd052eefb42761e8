"""What a customer does to a subscription: seen first, done once, and never more than was seen."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.events.models import Event
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.payments.booking import record_payment
from billing.payments.models import Refund
from billing.payments.paying_out import pay_out_balance
from billing.subscriptions import actions, coupons, pausing
from billing.subscriptions.allowed_changes import deeds_of
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.models import Customer, Seller
from portal.views.subscriptions import COUPON_TIMES
from tests.factories import DAY, CouponFactory, CustomerFactory, PlanFactory, PriceFactory
from tests.portal.conftest import NOON
from tests.portal.doors import hidden_of, plan_of, sign_in, started, text_of

pytestmark = pytest.mark.django_db
ELEVENTH = date(2026, 3, 11)


@pytest.fixture
def later(clock: Any, visitor: Client, customer: Customer) -> Client:
    """The customer, signed in on the eleventh, when 21 of 31 days are left."""
    clock.move_to(NOON + timedelta(days=10))
    sign_in(visitor, customer)
    return visitor


def page_of(subscription: Subscription, deed: str = "") -> str:
    return f"/portal/subscriptions/{subscription.public_id}/" + (f"{deed}/" if deed else "")


def types() -> list[str]:
    return list(
        Event.objects.filter(type__startswith="subscription.")
        .order_by("pk")
        .values_list("type", flat=True)
    )


# Changing


def test_a_change_shows_the_three_lines_and_then_does_what_they_say(
    later: Client, subscription: Subscription, larger: Plan
) -> None:
    url = page_of(subscription, "change")
    assert "This is what you have now." in text_of(later.get(url))
    seen = later.get(f"{url}?plan={larger.public_id}&when=now")
    said = text_of(seen)
    assert "Today SEK 262.50" in said
    assert "21 of 31 days credited" in said
    assert "Small Change the subscription" in said  # It is the small one that is looked at.
    assert "Next invoice 1 April 2026 SEK 775.00" in said
    assert "After that 1 May 2026 SEK 775.00" in said
    subscription.refresh_from_db()
    assert subscription.plan.name == "Small"
    answer = later.post(url, hidden_of(seen))
    document = Invoice.objects.latest("pk")
    # It is paid by invoice, so that is where one is taken.
    assert answer.headers["Location"] == f"/portal/invoices/{document.public_id}/"
    assert document.amount_due_minor == 26_250
    subscription.refresh_from_db()
    assert subscription.plan == larger
    changed = Event.objects.get(type="subscription.changed")
    assert changed.actor == f"customer:{subscription.customer.public_id}"


def test_a_change_can_wait_for_the_next_period(
    later: Client, subscription: Subscription, larger: Plan
) -> None:
    url = page_of(subscription, "change")
    seen = later.get(f"{url}?plan={larger.public_id}&when=period_end")
    assert "Today SEK 0.00 Next invoice 1 April 2026 SEK 775.00" in text_of(seen)
    later.post(url, hidden_of(seen))
    said = text_of(later.get(page_of(subscription)))
    assert "From 1 April 2026: Large." in said
    # Choosing what there is takes the change back.
    seen = later.get(f"{url}?plan={subscription.plan.public_id}&when=now")
    assert "Next invoice 1 April 2026 SEK 387.50" in text_of(seen)
    later.post(url, hidden_of(seen))
    assert "From 1 April" not in text_of(later.get(page_of(subscription)))


def test_a_planned_change_can_be_undone_until_its_day(
    later: Client, subscription: Subscription, larger: Plan
) -> None:
    link = page_of(subscription, "undo-change")
    assert link not in later.get(page_of(subscription)).content.decode()
    assert later.get(link).status_code == 302
    url = page_of(subscription, "change")
    seen = later.get(f"{url}?plan={larger.public_id}&when=period_end")
    later.post(url, hidden_of(seen))
    assert link in later.get(page_of(subscription)).content.decode()
    seen = later.get(link)
    assert "Next invoice 1 April 2026 SEK 387.50" in text_of(seen)
    said = text_of(later.post(link, hidden_of(seen), follow=True))
    assert "The planned change is undone." in said and "From 1 April" not in said
    assert types()[-1] == "subscription.change_undone"
    assert later.get(link).status_code == 302


def test_what_comes_back_is_said_to_come_back(
    later: Client, customer: Customer, plan: Plan, larger: Plan
) -> None:
    subscription = started(customer, larger)
    seen = later.get(f"{page_of(subscription, 'change')}?plan={plan.public_id}&when=now")
    said = text_of(seen)
    assert "Today −SEK 262.50 You get it back" in said
    answer = later.post(page_of(subscription, "change"), hidden_of(seen))
    assert answer.headers["Location"] == page_of(subscription)


def test_the_number_of_units_can_be_changed(
    later: Client, customer: Customer, seller: Seller
) -> None:
    plan = plan_of(seller, "0", name="Office")
    PriceFactory(plan=plan, code="seats", name="Seats", model="per_unit", amount="31", quantity=5)
    subscription = started(customer, plan)
    url = page_of(subscription, "change")
    assert 'value="5"' in later.get(url).content.decode()
    seen = later.get(f"{url}?plan={plan.public_id}&quantity-0=7&when=now")
    # 2 more seats for 21 of 31 days: 42, and VAT.
    assert "Today SEK 52.50" in text_of(seen)
    later.post(url, hidden_of(seen))
    item = subscription.items.filter(key="seats", ends_on=None).get()
    assert item.quantity == 7
    wrongs = [("0", "at least"), ("x", "whole"), ("", "whole"), ("100000", "at most 9999 here")]
    for wrong, said in wrongs:
        answer = later.get(f"{url}?plan={plan.public_id}&quantity-0={wrong}")
        assert said in text_of(answer)
        assert 'name="seen"' not in answer.content.decode()


@pytest.mark.parametrize("when", ["now", "period_end"])
@pytest.mark.parametrize("number", ["70", "", "100000"])
def test_no_other_number_is_ordered_than_the_one_that_the_lines_were_shown_for(
    later: Client, customer: Customer, seller: Seller, when: str, number: str
) -> None:
    """At the end of a period the amount of today is nothing, whatever the number."""
    plan = plan_of(seller, "0", name="Office")
    PriceFactory(plan=plan, code="seats", name="Seats", model="per_unit", amount="31", quantity=5)
    subscription = started(customer, plan)
    url = page_of(subscription, "change")
    seen = hidden_of(later.get(f"{url}?plan={plan.public_id}&quantity-0=7&when={when}"))
    answer = later.post(url, seen | {"quantity-0": number})
    assert answer.status_code == 422
    assert [item.quantity for item in subscription.items.filter(key="seats")] == [5]
    assert f'value="{number}"' in answer.content.decode() or not number


def test_a_plan_of_another_family_or_another_seller_cannot_be_chosen(
    later: Client, subscription: Subscription, seller: Seller, larger: Plan
) -> None:
    others = [
        plan_of(seller, "1", family="other"),
        plan_of(seller, "1", is_active=False),
        plan_of(plan_of_nobody().seller, "1"),
    ]
    euro = plan_of(seller, "1", name="Euro")
    euro.prices.update(currency="EUR")
    for plan in (*others, euro):
        url = f"{page_of(subscription, 'change')}?plan={plan.public_id}"
        answer = later.get(url)
        assert plan.public_id not in answer.content.decode().replace(url, "").replace(
            f"change/?plan={plan.public_id}", ""
        )
        sent = {"plan": plan.public_id, "when": "now", "key": "a" * 24, "seen": "0"}
        assert later.post(page_of(subscription, "change"), sent).status_code == 422
    assert types() == ["subscription.started"]


def test_a_change_is_offered_where_there_is_something_to_change_to(
    later: Client, subscription: Subscription, seller: Seller
) -> None:
    url = page_of(subscription, "change")
    shown = page_of(subscription, "")
    assert url not in later.get(shown).content.decode()
    assert later.get(url).status_code == 302
    plan_of(seller, "620", name="Larger")
    assert url in later.get(shown).content.decode()
    assert later.get(url).status_code == 200


def plan_of_nobody() -> Plan:
    plan: Plan = PlanFactory(family="main")
    return plan


def test_a_form_that_is_sent_twice_works_once(
    later: Client, subscription: Subscription, larger: Plan
) -> None:
    url = page_of(subscription, "change")
    sent = hidden_of(later.get(f"{url}?plan={larger.public_id}&when=now"))
    later.post(url, sent)
    documents = Invoice.objects.count()
    answer = later.post(url, sent, follow=True)
    assert "That has already been done." in text_of(answer)
    assert Invoice.objects.count() == documents
    assert types().count("subscription.changed") == 1


def test_nothing_is_done_for_another_amount_than_was_seen(
    later: Client, subscription: Subscription, larger: Plan, clock: Any
) -> None:
    url = page_of(subscription, "change")
    sent = hidden_of(later.get(f"{url}?plan={larger.public_id}&when=now"))
    # Midnight has passed: a day less is to be paid for.
    clock.shift(timedelta(hours=11))
    answer = later.post(url, sent)
    assert answer.status_code == 422
    said = text_of(answer)
    assert "The amounts have changed since you opened the page." in said
    assert "Today SEK 250.00" in said
    assert types() == ["subscription.started"]
    # The page that says so can be sent.
    assert later.post(url, hidden_of(answer)).status_code == 302
    assert Invoice.objects.latest("pk").amount_due_minor == 25_000


@pytest.mark.parametrize("key", ["", "ab'c", "a" * 33])
def test_a_form_without_its_key_does_nothing(
    later: Client, subscription: Subscription, key: str
) -> None:
    answer = later.post(page_of(subscription, "cancel"), {"key": key, "seen": "0"})
    assert answer.status_code == 422
    assert types() == ["subscription.started"]


def test_what_cannot_be_billed_is_not_done(
    later: Client, subscription: Subscription, larger: Plan
) -> None:
    Seller.objects.update(tax=None)  # And the rate table of the tests is empty.
    answer = later.get(f"{page_of(subscription, 'change')}?plan={larger.public_id}&when=now")
    assert "We could not calculate this, so nothing has changed." in text_of(answer)
    assert 'name="seen"' not in answer.content.decode()


# Coupons


def test_a_code_shows_what_it_takes_off_and_is_then_there(
    later: Client, subscription: Subscription, seller: Seller
) -> None:
    coupon = CouponFactory(seller=seller, code="FIFTH")
    url = page_of(subscription, "coupon")
    seen = later.get(f"{url}?code=fifth")
    said = text_of(seen)
    assert "Next invoice 1 April 2026 SEK 310.00" in said
    assert "After that 1 May 2026 SEK 387.50" in said
    later.post(url, hidden_of(seen))
    assert subscription.coupon_redemptions.get().coupon == coupon
    assert "You already have this discount." in text_of(later.get(f"{url}?code=FIFTH"))


def test_a_discount_for_a_time_says_when_it_ends_and_what_it_costs_then(
    later: Client, subscription: Subscription, seller: Seller
) -> None:
    CouponFactory(seller=seller, code="FIFTH", name="A fifth", duration="repeating", periods=3)
    url = page_of(subscription, "coupon")
    seen = later.get(f"{url}?code=fifth")
    said = text_of(seen)
    assert "After that 1 May 2026 SEK 310.00" in said
    assert "When the discount has ended from 1 July 2026 SEK 387.50" in said
    later.post(url, hidden_of(seen))
    home = text_of(later.get("/portal/home/"))
    assert "The discount ends on 1 July 2026. From then on it costs SEK 387.50." in home
    bill_due(seller, date(2026, 4, 1))
    had = text_of(later.get(page_of(subscription)))
    assert "A fifth until 30 June 2026, that day included" in had


def test_a_code_that_does_nothing_says_why(
    later: Client, subscription: Subscription, seller: Seller, customer: Customer
) -> None:
    url = page_of(subscription, "coupon")
    CouponFactory(seller=seller, code="OLD", is_active=False)
    CouponFactory(seller=seller, code="OTHERPLAN", plans=["another"])
    CouponFactory(seller=seller, code="EURO", amount=True, currency="EUR")
    CouponFactory(code="OTHERS")
    spent = CouponFactory(seller=seller, code="SPENT")
    CouponFactory(seller=seller, code="OVER", last_on=ELEVENTH - timedelta(days=1))
    taken = CouponFactory(seller=seller, code="TAKEN", uses_max=1)
    other = CustomerFactory(seller=seller)
    coupons.redeem_coupon(other, taken, as_of=ELEVENTH, actor="test")
    redemption = coupons.redeem_coupon(customer, spent, as_of=ELEVENTH, actor="test")
    redemption.is_spent = True
    redemption.save()
    for code, said in {
        "NONE": "We do not recognise this code.",
        "OTHERS": "We do not recognise this code.",
        "OLD": "This code is no longer valid.",
        "OTHERPLAN": "This code does not apply to your plan.",
        "EURO": "That is not offered in your currency.",
        "SPENT": "This code works only once, and you have already used it.",
        "OVER": "This code is no longer valid.",
        "TAKEN": "This code has been used up.",
    }.items():
        answer = later.get(f"{url}?code={code}")
        assert said in text_of(answer), code
        assert 'name="seen"' not in answer.content.decode()


def test_who_keeps_a_plan_keeps_its_price_and_is_shown_no_other(
    later: Client, subscription: Subscription, plan: Plan, larger: Plan
) -> None:
    plan.prices.update(is_active=False)
    PriceFactory(plan=plan, code="fee", amount="999")
    url = page_of(subscription, "change")
    answer = later.get(url)
    assert "Small SEK 310.00" in text_of(answer)
    assert "999" not in text_of(answer)
    sent = {"plan": plan.public_id, "when": "now", "key": "a" * 24, "seen": "0"}
    refused = later.post(url, sent)
    assert "This is what you have now. Choose something else" in text_of(refused)
    assert types() == ["subscription.started"]


def test_a_code_works_once_for_a_person_who_is_two_customers(
    later: Client, subscription: Subscription, seller: Seller, customer: Customer
) -> None:
    name, _, domain = customer.email.partition("@")
    other = CustomerFactory(seller=seller, email=f"{name.upper()}+x@{domain}")
    coupon = CouponFactory(seller=seller, code="WELCOME")
    coupons.redeem_coupon(other, coupon, as_of=ELEVENTH, actor="test")
    answer = later.get(f"{page_of(subscription, 'coupon')}?code=welcome")
    assert "This code works only once, and you have already used it." in text_of(answer)
    assert 'name="seen"' not in answer.content.decode()


def test_codes_cannot_be_guessed(later: Client, subscription: Subscription, seller: Seller) -> None:
    CouponFactory(seller=seller, code="RIGHT")
    url = page_of(subscription, "coupon")
    for number in range(COUPON_TIMES):
        later.get(f"{url}?code=GUESS{number}")
    assert "Too many attempts." in text_of(later.get(f"{url}?code=RIGHT"))


# Pausing


def test_a_pause_gives_back_what_is_paid_for_and_ends_when_it_is_told_to(
    later: Client, subscription: Subscription
) -> None:
    url = page_of(subscription, "pause")
    seen = later.get(url)
    # 21 of 31 days of 310, with VAT.
    said = text_of(seen)
    assert "Today −SEK 262.50" in said
    assert "Next invoice Nothing After that Nothing" in said
    later.post(url, hidden_of(seen))
    said = text_of(later.get(page_of(subscription)))
    assert "Paused" in said
    assert "It stays paused, and costs nothing, until you resume it" in said
    seen = later.get(page_of(subscription, "resume"))
    # What came back has lowered what was unpaid, so the days are paid for once more.
    assert "Today SEK 262.50" in text_of(seen)
    assert later.post(page_of(subscription, "resume"), hidden_of(seen)).status_code == 302
    subscription.refresh_from_db()
    assert subscription.status == "active"
    assert types() == ["subscription.started", "subscription.paused", "subscription.resumed"]


def test_a_pause_until_a_day_says_when_it_goes_on(
    later: Client, subscription: Subscription
) -> None:
    url = page_of(subscription, "pause")
    seen = later.get(f"{url}?length=until&until=2026-04-10")
    later.post(url, hidden_of(seen))
    assert "It resumes automatically on 10 April 2026." in text_of(later.get(page_of(subscription)))
    assert subscription.pauses.get().ends_on == date(2026, 4, 10)


@pytest.mark.parametrize("until", ["", "2026-03-11", "2020-01-01", "2029-01-01", "soon"])
def test_a_pause_cannot_end_on_any_day(
    later: Client, subscription: Subscription, until: str
) -> None:
    answer = later.get(f"{page_of(subscription, 'pause')}?length=until&until={until}")
    assert b'class="wrong"' in answer.content
    assert b'name="seen"' not in answer.content


# Canceling


def test_canceling_takes_one_page_and_can_be_undone_until_the_end(
    later: Client, subscription: Subscription, clock: Any
) -> None:
    assert page_of(subscription, "cancel") in later.get(page_of(subscription)).content.decode()
    url = page_of(subscription, "cancel")
    seen = later.get(url)
    said = text_of(seen)
    assert "You have it until 31 March 2026, that day included." in said
    assert "Today SEK 0.00 Next invoice Nothing After that Nothing" in said
    answer = later.post(url, hidden_of(seen) | {"reason": "too_expensive"}, follow=True)
    said = text_of(answer)
    assert "Its last day is 31 March 2026, and it does not renew." in said
    canceled = Event.objects.get(type="subscription.canceled")
    assert canceled.data == {"ends_on": "2026-04-01", "reason": "too_expensive"}
    for deed in ("change", "pause", "coupon", "cancel"):
        assert later.get(page_of(subscription, deed)).status_code == 302
    seen = later.get(page_of(subscription, "undo"))
    assert "Next invoice 1 April 2026 SEK 387.50" in text_of(seen)
    later.post(page_of(subscription, "undo"), hidden_of(seen))
    assert "It renews on 1 April 2026." in text_of(later.get(page_of(subscription)))


def test_why_need_not_be_said_and_is_not_whatever_somebody_sends(
    later: Client, subscription: Subscription
) -> None:
    url = page_of(subscription, "cancel")
    sent = hidden_of(later.get(url))
    assert later.post(url, sent | {"reason": "<b>" * 99}).status_code == 422
    assert later.post(url, sent | {"reason": ""}).status_code == 302
    assert Event.objects.get(type="subscription.canceled").data == {"ends_on": "2026-04-01"}


def test_the_end_cannot_be_undone_after_it(
    later: Client, subscription: Subscription, clock: Any, customer: Customer
) -> None:
    actions.cancel(subscription, as_of=ELEVENTH, actor="test")
    sent = hidden_of(later.get(page_of(subscription, "undo")))
    clock.move_to(NOON + timedelta(days=31))
    sign_in(later, customer)
    later.post(page_of(subscription, "undo"), sent)
    assert "subscription.cancel_undone" not in types()


def test_a_consumer_withdraws_within_two_weeks_and_pays_for_the_days_they_had(
    later: Client, subscription: Subscription, clock: Any, customer: Customer
) -> None:
    invoice = Invoice.objects.get()
    record_payment(invoice, as_of=DAY, actor="test")
    assert page_of(subscription, "withdraw") in later.get(page_of(subscription)).content.decode()
    seen = later.get(page_of(subscription, "withdraw"))
    said = text_of(seen)
    assert "hereby withdraw from my contract for Small." in said
    assert "You may withdraw until 15 March 2026 without giving a reason." in said
    assert "Today −SEK 262.50 We refund it by bank transfer." in said  # 21 of 31 days of 387.50.
    answer = later.post(page_of(subscription, "withdraw"), hidden_of(seen), follow=True)
    assert "You have withdrawn from the contract" in text_of(answer)
    subscription.refresh_from_db()
    assert (subscription.status, subscription.ends_on) == ("ended", ELEVENTH)
    assert Refund.objects.get().amount_minor == 26250
    assert Event.objects.get(type="subscription.canceled").data["reason"] == "withdrawal"


def test_a_withdrawal_that_would_pay_back_less_of_the_balance_than_was_seen_is_not_done(
    later: Client, subscription: Subscription, customer: Customer
) -> None:
    invoice = Invoice.objects.get()
    record_payment(invoice, as_of=DAY, actor="test")
    credit(invoice, as_of=DAY, actor="test", amount_minor=10000)
    url = page_of(subscription, "withdraw")
    page = later.get(url)
    assert "We refund SEK 100.00 of your balance to you." in text_of(page)
    pay_out_balance(customer, currency="SEK", amount_minor=4000, as_of=ELEVENTH, actor="test")
    answer = later.post(url, hidden_of(page))
    assert answer.status_code == 422
    assert "We refund SEK 60.00 of your balance to you." in text_of(answer)
    assert later.post(url, hidden_of(answer)).status_code == 302
    assert sorted(Refund.objects.values_list("amount_minor", flat=True))[:2] == [4000, 6000]


def test_nobody_withdraws_after_two_weeks_and_no_business_ever(
    visitor: Client, subscription: Subscription, clock: Any, customer: Customer
) -> None:
    clock.move_to(NOON + timedelta(days=14))
    sign_in(visitor, customer)
    url = page_of(subscription, "withdraw")
    sent = hidden_of(visitor.get(url))
    clock.move_to(NOON + timedelta(days=15))
    sign_in(visitor, customer)
    assert url not in visitor.get(page_of(subscription)).content.decode()
    visitor.post(url, sent)
    assert types() == ["subscription.started"]
    clock.move_to(NOON + timedelta(days=15))
    Customer.objects.filter(pk=customer.pk).update(is_business=True)
    assert "withdraw" not in deeds_of(Subscription.objects.get(), DAY)


def test_who_has_canceled_or_agreed_to_a_term_may_withdraw_all_the_same(
    later: Client, customer: Customer, plan: Plan
) -> None:
    bound = started(customer, plan, ends_on=date(2026, 9, 1))
    canceled = started(customer, plan)
    actions.cancel(canceled, as_of=ELEVENTH, actor="test")
    for each in (bound, canceled):
        url = page_of(each, "withdraw")
        later.post(url, hidden_of(later.get(url)))
        each.refresh_from_db()
        assert (each.status, each.ends_on) == ("ended", ELEVENTH)


def test_a_fixed_term_is_kept(later: Client, customer: Customer, plan: Plan) -> None:
    subscription = started(customer, plan, ends_on=date(2026, 9, 1))
    page = later.get(page_of(subscription))
    assert "You agreed to a fixed term." in text_of(page)
    assert "/cancel/" not in page.content.decode()
    sent = {"key": "a" * 24, "seen": "0"}
    assert later.post(page_of(subscription, "cancel"), sent).status_code == 302
    assert types() == ["subscription.started"]


def test_what_is_suspended_can_be_canceled_and_not_changed(
    later: Client, subscription: Subscription
) -> None:
    Subscription.objects.update(access="none")
    page = later.get(page_of(subscription))
    assert "It is suspended until you have paid what is overdue." in text_of(page)
    invoice = Invoice.objects.get()
    assert f"Pay invoice {invoice.number}" in text_of(page)
    assert f'href="/portal/invoices/{invoice.public_id}/"' in page.content.decode()
    assert "/change/" not in page.content.decode()
    assert "/cancel/" in page.content.decode()


def test_a_trial_ends_with_the_trial(later: Client, customer: Customer, plan: Plan) -> None:
    subscription = started(customer, plan, trial_days=30)
    said = text_of(later.get(page_of(subscription)))
    assert "Free until 31 March 2026" in said
    said = text_of(later.get(page_of(subscription, "cancel")))
    assert "You have it until 30 March 2026, that day included." in said


def test_the_customers_quantities_are_decimals_in_the_agreement(
    later: Client, customer: Customer, seller: Seller
) -> None:
    plan = plan_of(seller, "0", name="Weight")
    PriceFactory(plan=plan, code="kg", name="Kilograms", model="per_unit", amount="10")
    subscription = started(customer, plan, quantities={"kg": Decimal("2.5")})
    said = text_of(later.get(page_of(subscription)))
    assert "2.5 × Kilograms" in said


@pytest.mark.parametrize("deed", ["cancel", "change"])
def test_the_day_that_a_page_has_shown_is_agreed_to_with_it(
    clock: Any,
    later: Client,
    customer: Customer,
    subscription: Subscription,
    larger: Plan,
    deed: str,
) -> None:
    asked = f"?plan={larger.public_id}&when=period_end" if deed == "change" else ""
    url = page_of(subscription, deed)
    sent = hidden_of(later.get(f"{url}{asked}"))
    clock.move_to(NOON + timedelta(days=31))
    bill_due(customer.seller, date(2026, 4, 1))
    sign_in(later, customer)
    answer = later.post(url, sent)
    assert answer.status_code == 422
    assert "The amounts have changed" in text_of(answer)
    subscription.refresh_from_db()
    assert subscription.cancels_on is None
    assert subscription.items.count() == 1
    # The page that comes back shows the day as it now is, and that can be agreed to.
    assert later.post(url, hidden_of(answer)).status_code == 302


def test_a_script_that_asks_for_what_is_no_longer_offered_is_led_away_with_the_reason(
    later: Client, subscription: Subscription, larger: Plan
) -> None:
    pausing.pause(subscription, as_of=ELEVENTH, actor="test")
    answer = later.get(
        f"{page_of(subscription, 'change')}?plan={larger.public_id}", headers={"HX-Request": "true"}
    )
    # A redirect would be followed by the script, which then shows a part of the wrong page.
    assert answer.status_code == 200
    assert answer.headers["HX-Redirect"] == page_of(subscription)
    assert "cannot be done right now" in text_of(later.get(page_of(subscription)))
